// SPDX-License-Identifier: Apache-2.0
/* Where runtimes usually are. */
#include <stdio.h>
#include <sys/stat.h>

#include "userspace/base/parse.h"
#include "userspace/workload/runtime_source.h"

enum { USERS_MAX = 4096 };

static const struct {
	enum lt_runtime_type type;
	const char *path;
} usual[] = {
	{LT_RUNTIME_DOCKER, "/run/docker.sock"},
	{LT_RUNTIME_CONTAINERD, "/run/containerd/containerd.sock"},
	{LT_RUNTIME_CONTAINERD, "/run/k3s/containerd/containerd.sock"},
	{LT_RUNTIME_CONTAINERD, "/run/k0s/containerd.sock"},
	{LT_RUNTIME_CONTAINERD, "/var/snap/microk8s/common/run/containerd.sock"},
	{LT_RUNTIME_CRI, "/run/crio/crio.sock"},
	{LT_RUNTIME_PODMAN, "/run/podman/podman.sock"},
	{LT_RUNTIME_STORAGE, "/var/lib/containers/storage"},
};

struct places {
	const char *host_root;
	struct lt_place *at;
	size_t count, max;
};

static void add(struct places *p, enum lt_runtime_type type, uid_t uid, const char *path)
{
	struct lt_place *place = &p->at[p->count];
	struct stat st;

	if (p->count == p->max)
		return;
	*place = (struct lt_place){.type = type, .uid = uid, .automatic = true};
	if (snprintf(place->path, sizeof(place->path), "%s%s", p->host_root, path) >=
		    (int)sizeof(place->path) ||
	    stat(place->path, &st) < 0 || (!S_ISSOCK(st.st_mode) && !S_ISDIR(st.st_mode)))
		return;
	p->count++;
}

/* One line of passwd: "name:password:uid:gid:text:home:shell". */
static bool read_user(char *line, uid_t *ret_uid, const char **ret_home)
{
	char *field[7], *rest = line;
	uint64_t uid;

	for (size_t i = 0; i < LT_COUNT(field); i++) {
		field[i] = strsep(&rest, ":");
		if (!field[i])
			return false;
	}
	if (lt_parse_u64(lt_bytes_str(field[2]), &uid) < 0 || uid == 0 || uid >= UINT32_MAX ||
	    field[5][0] != '/')
		return false;
	*ret_uid = (uid_t)uid;
	*ret_home = field[5];
	return true;
}

/* From the file alone: a directory service may hang, and its users run no containers here. */
static void add_users(struct places *p)
{
	char path[LT_SOURCE_PATH], line[1024];
	lt_defer(lt_fclosep)
	FILE *passwd = NULL;
	const char *home;
	uid_t uid;

	if (snprintf(path, sizeof(path), "%s/etc/passwd", p->host_root) < (int)sizeof(path))
		passwd = fopen(path, "re");
	for (unsigned n = 0; passwd && n < USERS_MAX && fgets(line, sizeof(line), passwd); n++) {
		if (!read_user(line, &uid, &home))
			continue;
		snprintf(path, sizeof(path), "/run/user/%u/podman/podman.sock", uid);
		add(p, LT_RUNTIME_PODMAN, uid, path);
		snprintf(path, sizeof(path), "/run/user/%u/docker.sock", uid);
		add(p, LT_RUNTIME_DOCKER, uid, path);
		if (snprintf(path, sizeof(path), "%s/.local/share/containers/storage", home) <
		    (int)sizeof(path))
			add(p, LT_RUNTIME_STORAGE, uid, path);
	}
}

size_t lt_usual_places(const char *host_root, struct lt_place *ret, size_t max)
{
	struct places p = {.host_root = host_root, .at = ret, .max = max};

	for (size_t i = 0; i < LT_COUNT(usual); i++)
		add(&p, usual[i].type, 0, usual[i].path);
	add_users(&p);
	return p.count;
}
