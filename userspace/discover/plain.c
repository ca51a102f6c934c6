// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/plain.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"

enum {
	NETWORKS_MAX = 512,  /* network namespaces looked into */
	SOCKETS_MAX = 16384, /* connections to wanted ports */
	LINES_MAX = 1 << 20, /* of one namespace's list */
	CGROUPS_MAX = 4096,
	TCP_ESTABLISHED = 1,
};

/* The sockets that are wanted, by inode. */
struct sockets {
	uint64_t networks[NETWORKS_MAX];
	size_t network_count;
	uint64_t inodes[SOCKETS_MAX];
	size_t count;
};

static const char *proc_of(const struct lt_plain_opts *opts)
{
	return opts->proc ? opts->proc : "/proc";
}

/* ---- cgroups ---- */

/* Where cgroup v2 is mounted; -ENOENT. */
static int cgroup_mount(const struct lt_plain_opts *opts, char *ret, size_t size)
{
	lt_defer(lt_fclosep)
	FILE *mounts = NULL;
	char path[512], line[2048];

	snprintf(path, sizeof(path), "%s/self/mounts", proc_of(opts));
	mounts = fopen(path, "re");
	if (!mounts)
		return -errno;
	while (fgets(line, sizeof(line), mounts)) {
		char where[1024], kind[32];

		if (sscanf(line, "%*s %1023s %31s", where, kind) == 2 &&
		    strcmp(kind, "cgroup2") == 0 && strlen(where) < size) {
			memcpy(ret, where, strlen(where) + 1);
			return 0;
		}
	}
	return -ENOENT;
}

static void tell_processes(const char *folder, const struct lt_plain_found *found)
{
	lt_defer(lt_fclosep)
	FILE *procs = NULL;
	char path[4352];
	unsigned tgid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	procs = fopen(path, "re");
	while (procs && fscanf(procs, "%u", &tgid) == 1)
		found->process(found->arg, tgid);
}

int lt_plain_find_cgroups(const struct lt_plain_opts *opts, const struct lt_plain_found *found)
{
	char mount[1024], pattern[4096];
	glob_t folders = {0};
	int r = opts->cgroup_count > 0 ? cgroup_mount(opts, mount, sizeof(mount)) : 0;

	for (size_t i = 0; r == 0 && i < opts->cgroup_count; i++) {
		snprintf(pattern, sizeof(pattern), "%s%s", mount, opts->cgroups[i]);
		lt_ignore(glob(pattern, GLOB_ONLYDIR | (i > 0 ? GLOB_APPEND : 0), NULL, &folders));
	}
	for (size_t i = 0; r == 0 && i < folders.gl_pathc && i < CGROUPS_MAX; i++) {
		struct stat st;

		/* The inode of a cgroup's folder is its id. */
		if (stat(folders.gl_pathv[i], &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		found->cgroup(found->arg, st.st_ino);
		tell_processes(folders.gl_pathv[i], found);
	}
	globfree(&folders);
	return r;
}

/* ---- connections ---- */

static bool is_wanted(const struct lt_plain_opts *opts, unsigned port)
{
	return port <= 65535 && (opts->ports[port / 64] >> (port % 64) & 1);
}

static bool has(const uint64_t *list, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == value)
			return true;
	}
	return false;
}

/* A line of /proc/net/tcp or tcp6: "sl: local:port remote:port state tx:rx tr:when retrnsmt uid
 * timeout inode ...". */
static void read_line(const struct lt_plain_opts *opts, const char *line, struct sockets *s)
{
	unsigned long long inode;
	unsigned port, state;

	if (s->count < SOCKETS_MAX &&
	    sscanf(line, "%*u: %*[0-9A-Fa-f]:%*x %*[0-9A-Fa-f]:%x %x %*s %*s %*s %*u %*u %llu",
		   &port, &state, &inode) == 3 &&
	    state == TCP_ESTABLISHED && inode != 0 && is_wanted(opts, port))
		s->inodes[s->count++] = inode;
}

static void read_list(const struct lt_plain_opts *opts, uint32_t pid, const char *name,
		      struct sockets *s)
{
	lt_defer(lt_fclosep)
	FILE *list = NULL;
	char path[512], line[512];

	snprintf(path, sizeof(path), "%s/%u/net/%s", proc_of(opts), pid, name);
	list = fopen(path, "re");
	for (size_t i = 0; list && i < LINES_MAX && fgets(line, sizeof(line), list); i++)
		read_line(opts, line, s);
}

/* The lists of @pid's network namespace, once. */
static void read_network(const struct lt_plain_opts *opts, uint32_t pid, struct sockets *s)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%u/ns/net", proc_of(opts), pid);
	if (stat(path, &st) < 0 || s->network_count == NETWORKS_MAX ||
	    has(s->networks, s->network_count, st.st_ino))
		return;
	s->networks[s->network_count++] = st.st_ino;
	read_list(opts, pid, "tcp", s);
	read_list(opts, pid, "tcp6", s);
}

static bool holds_socket(const struct lt_plain_opts *opts, uint32_t pid, const struct sockets *s)
{
	struct dirent *entry;
	bool found = false;
	char path[512];
	DIR *folder;

	snprintf(path, sizeof(path), "%s/%u/fd", proc_of(opts), pid);
	folder = opendir(path);
	while (folder && !found && (entry = readdir(folder))) {
		unsigned long long inode;
		char target[64];
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		found = sscanf(target, "socket:[%llu]", &inode) == 1 &&
			has(s->inodes, s->count, inode);
	}
	if (folder)
		closedir(folder);
	return found;
}

/* Goes through all processes: reads their lists of connections, or tells who holds one of them. */
static int each_process(const struct lt_plain_opts *opts, struct sockets *s,
			const struct lt_plain_found *found)
{
	DIR *proc = opendir(proc_of(opts));
	struct dirent *entry;

	if (!proc)
		return -errno;
	while ((entry = readdir(proc))) {
		uint64_t pid;

		if (lt_parse_u64(lt_bytes_str(entry->d_name), &pid) < 0 || pid > UINT32_MAX)
			continue;
		if (!found)
			read_network(opts, (uint32_t)pid, s);
		else if (holds_socket(opts, (uint32_t)pid, s))
			found->process(found->arg, (uint32_t)pid);
	}
	closedir(proc);
	return 0;
}

int lt_plain_find_connected(const struct lt_plain_opts *opts, const struct lt_plain_found *found)
{
	lt_defer(lt_freep)
	struct sockets *s = lt_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = opts->ports ? each_process(opts, s, NULL) : 0;
	return r < 0 || s->count == 0 ? r : each_process(opts, s, found);
}
