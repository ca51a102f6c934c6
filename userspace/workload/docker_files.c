// SPDX-License-Identifier: Apache-2.0
/* The files of Docker's data root: for hosts where its socket is not to be had. */
#include <dirent.h>
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/runtime_answers.h"
#include "userspace/workload/runtime_files.h"

enum { FILE_PATH = LT_SOURCE_PATH + LT_DRAFT_ID + 300 };

static void close_folderp(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

/* As Docker names its containers: nothing that leads elsewhere. */
static bool is_id(const char *name)
{
	return strlen(name) == 64 && name[strspn(name, "0123456789abcdef")] == '\0';
}

static int on_config(void *arg, const struct lt_json_value *v)
{
	lt_docker_file(v, arg);
	return 0;
}

static int on_repositories(void *arg, const struct lt_json_value *v)
{
	lt_docker_repositories(v, arg);
	return 0;
}

/* Each storage driver has a file of its own. */
static void read_digest(const struct lt_place *place, struct lt_container_draft *d)
{
	char path[FILE_PATH];
	lt_defer(close_folderp)
	DIR *drivers = NULL;
	const struct dirent *e;

	snprintf(path, sizeof(path), "%s/image", place->path);
	drivers = opendir(path);
	while (drivers && !d->digest[0] && (e = readdir(drivers))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/image/%s/repositories.json", place->path,
			 e->d_name);
		lt_ignore(lt_files_items(path, place->uid, on_repositories, d));
	}
}

static int look(struct lt_source *s, const char *id, struct lt_problem *problem)
{
	const struct lt_place *place = lt_source_place(s);
	struct lt_container_draft *d = lt_source_draft(s);
	char path[FILE_PATH];
	int r;

	(void)problem;
	if (!is_id(id))
		return -ENXIO;
	snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", place->path, id);
	r = lt_files_items(path, place->uid, on_config, d);
	if (r < 0 || strcmp(d->id, id) != 0)
		return r == -ENOMEM ? r : -ENXIO;
	if (!d->digest[0])
		read_digest(place, d);
	lt_source_found(s);
	return 0;
}

static int list(struct lt_source *s, struct lt_problem *problem)
{
	char path[FILE_PATH];
	lt_defer(close_folderp)
	DIR *containers = NULL;
	const struct dirent *e;

	(void)problem;
	snprintf(path, sizeof(path), "%s/containers", lt_source_place(s)->path);
	containers = opendir(path);
	if (!containers)
		return -errno;
	while ((e = readdir(containers))) {
		if (is_id(e->d_name))
			lt_source_listed(s, e->d_name);
	}
	return 0;
}

static int watch(struct lt_source *s, struct lt_problem *problem)
{
	char path[FILE_PATH];
	const char *folder = path;

	(void)problem;
	snprintf(path, sizeof(path), "%s/containers", lt_source_place(s)->path);
	return lt_files_watch(s, &folder, 1, NULL);
}

/* Nothing is kept between two looks. */
static int files_open(struct lt_source *s, struct lt_problem *problem)
{
	(void)s;
	(void)problem;
	return 0;
}

const struct lt_source_ops lt_docker_root_ops = {
	.open = files_open, .look = look, .list = list, .watch = watch, .rank = 1};
