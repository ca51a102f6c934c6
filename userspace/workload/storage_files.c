// SPDX-License-Identifier: Apache-2.0
/*
 * The files of containers/storage, which Podman and CRI-O keep their containers in: known also
 * where no daemon runs, and to root also those of users. They say name, image and digest; labels
 * are in Podman's own database.
 */
#include <errno.h>
#include <sys/stat.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/runtime_answers.h"
#include "userspace/workload/runtime_files.h"

enum { IMAGES_MAX = 4096, FIRST_IMAGES = 64, FILE_PATH = LT_SOURCE_PATH + 64 };

static const char *const drivers[] = {"overlay", "vfs", "btrfs", "zfs"};
/* The second has those that are removed when they end. */
static const char *const lists[] = {"containers.json", "volatile-containers.json", NULL};

struct image {
	char id[LT_DRAFT_DIGEST];
	char digest[LT_DRAFT_DIGEST];
};

struct storage {
	struct image *images;
	size_t count, room;
	uint64_t lists_sight, images_sight; /* as they were when they were read */
};

/* Changes when one of the files does. */
static uint64_t sight_of(const char *path, const char *folder, const char *const *files)
{
	uint64_t sight = 0xcbf29ce484222325ULL;
	char file[FILE_PATH];
	struct stat st;

	for (size_t i = 0; i < LT_COUNT(drivers); i++) {
		for (size_t j = 0; files[j]; j++) {
			snprintf(file, sizeof(file), "%s/%s-%s/%s", path, drivers[i], folder,
				 files[j]);
			if (stat(file, &st) < 0)
				st = (struct stat){0};
			sight = (sight ^ (uint64_t)st.st_ino) * 0x100000001b3ULL;
			sight = (sight ^ (uint64_t)st.st_size) * 0x100000001b3ULL;
			sight = (sight ^ (uint64_t)st.st_mtim.tv_sec) * 0x100000001b3ULL;
			sight = (sight ^ (uint64_t)st.st_mtim.tv_nsec) * 0x100000001b3ULL;
		}
	}
	return sight;
}

/* Those that are there; at least one is, or it is no storage. */
static int read_files(struct lt_source *s, const char *folder, const char *const *files,
		      int (*item)(void *arg, const struct lt_json_value *value))
{
	const struct lt_place *place = lt_source_place(s);
	char file[FILE_PATH];
	int r = -ENOENT, e;

	for (size_t i = 0; i < LT_COUNT(drivers); i++) {
		for (size_t j = 0; files[j]; j++) {
			snprintf(file, sizeof(file), "%s/%s-%s/%s", place->path, drivers[i], folder,
				 files[j]);
			e = lt_files_items(file, place->uid, item, s);
			if (e == 0)
				r = 0;
			else if (e != -ENOENT && e != -ENOTDIR)
				return e;
		}
	}
	return r;
}

static int on_image(void *arg, const struct lt_json_value *v)
{
	struct storage *k = lt_source_kept(arg);
	size_t room = k->room ? k->room * 2 : FIRST_IMAGES;
	struct image *grown;

	if (k->count == IMAGES_MAX)
		return 0;
	if (k->count == k->room) {
		grown = lt_reallocarray(k->images, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		k->images = grown;
		k->room = room;
	}
	lt_storage_image(v, k->images[k->count].id, k->images[k->count].digest);
	k->count++;
	return 0;
}

static void read_images(struct lt_source *s)
{
	static const char *const files[] = {"images.json", NULL};
	struct storage *k = lt_source_kept(s);
	uint64_t sight = sight_of(lt_source_place(s)->path, "images", files);

	if (sight == k->images_sight)
		return;
	k->count = 0;
	/* Without images there are no digests, and names all the same. */
	if (read_files(s, "images", files, on_image) == 0)
		k->images_sight = sight;
}

static int on_container(void *arg, const struct lt_json_value *v)
{
	const struct storage *k = lt_source_kept(arg);
	struct lt_container_draft *d = lt_source_draft(arg);

	lt_storage_container(v, d);
	for (size_t i = 0; d->image_id[0] && i < k->count; i++) {
		if (strcmp(k->images[i].id, d->image_id) != 0)
			continue;
		lt_draft_digest(d, lt_bytes_str(k->images[i].digest));
		break;
	}
	lt_source_found(arg);
	return 0;
}

static int list(struct lt_source *s, struct lt_problem *problem)
{
	struct storage *k = lt_source_kept(s);
	uint64_t sight = sight_of(lt_source_place(s)->path, "containers", lists);
	int r;

	(void)problem;
	read_images(s);
	r = read_files(s, "containers", lists, on_container);
	k->lists_sight = r == 0 ? sight : 0;
	return r;
}

static int look(struct lt_source *s, const char *id, struct lt_problem *problem)
{
	const struct storage *k = lt_source_kept(s);
	int r;

	if (!lt_source_knows(s, id) &&
	    k->lists_sight == sight_of(lt_source_place(s)->path, "containers", lists))
		return -ENXIO;
	r = list(s, problem);
	if (r < 0)
		return r;
	return lt_source_knows(s, id) ? 0 : -ENXIO;
}

static int watch(struct lt_source *s, struct lt_problem *problem)
{
	char paths[LT_COUNT(drivers)][FILE_PATH];
	const char *folders[LT_COUNT(drivers) + 1] = {lt_source_place(s)->path};

	(void)problem;
	for (size_t i = 0; i < LT_COUNT(drivers); i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%s-containers", folders[0], drivers[i]);
		folders[i + 1] = paths[i];
	}
	return lt_files_watch(s, folders, LT_COUNT(folders), lists);
}

static int storage_open(struct lt_source *s, struct lt_problem *problem)
{
	struct storage *k = lt_calloc(1, sizeof(*k));

	(void)problem;
	if (!k)
		return -ENOMEM;
	lt_source_keep(s, k);
	return 0;
}

static void storage_free(void *kept)
{
	struct storage *k = kept;

	lt_free(k->images);
	lt_free(k);
}

const struct lt_source_ops lt_storage_ops = {.open = storage_open,
					     .close = storage_free,
					     .look = look,
					     .list = list,
					     .watch = watch,
					     .rank = 1};
