// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/images.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "collectors/elf_image.h"
#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/discover/file_watch.h"
#include "userspace/discover/reaper.h"

enum { WAYS = 4, BUCKETS = LT_IMAGES_SEEN_MAX / WAYS };

struct sight {
	uint64_t device, inode; /* 0, 0: empty */
};

struct attached {
	struct lt_image_id id;
	struct lt_attachment *attachment; /* NULL: free slot */
	uint64_t seen_device;		  /* under which it was found */
	uint64_t sight;			  /* the same: the inode, mixed with its generation */
	uint64_t used_ns;
	char *path; /* of what has to prove itself, until that is decided */
	const char *collector;
	int number; /* of the file in the watch, 0: it is not watched */
	bool wrong; /* detached for ever */
};

struct lt_images {
	struct sight (*seen)[WAYS]; /* newest first */
	struct attached attached[LT_IMAGES_ATTACHED_MAX];
	size_t count; /* slots in use or used before */
	size_t in_use;
	struct lt_reaper *reaper;
	struct lt_file_watch *watch; /* NULL: this host has none left */
};

int lt_images_new(struct lt_images **ret)
{
	lt_defer(lt_images_freep)
	struct lt_images *t = lt_calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = lt_reaper_new(&t->reaper);
	if (r < 0)
		return r;
	if (lt_file_watch_new(&t->watch) < 0)
		t->watch = NULL;
	t->seen = lt_calloc(BUCKETS, sizeof(*t->seen));
	if (!t->seen)
		return -ENOMEM;
	*ret = lt_take(t);
	return 0;
}

/* A file may have several attachments, and one watch. */
static void unguard(struct lt_images *t, struct attached *a)
{
	int number = a->number;

	a->number = 0;
	for (size_t i = 0; i < t->count; i++) {
		if (t->attached[i].number == number)
			return;
	}
	if (number > 0)
		lt_file_watch_remove(t->watch, number);
}

/* False when it has to wait for others. */
static bool detach(struct lt_images *t, struct attached *a)
{
	if (!lt_reaper_take(t->reaper, a->attachment))
		return false;
	a->attachment = NULL;
	t->in_use--;
	unguard(t, a);
	return true;
}

struct lt_images *lt_images_free(struct lt_images *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->count; i++) {
		if (t->attached[i].attachment && !detach(t, &t->attached[i]))
			lt_attachment_free(t->attached[i].attachment);
		lt_free(t->attached[i].path);
	}
	lt_reaper_free(t->reaper);
	lt_file_watch_free(t->watch);
	lt_free(t->seen);
	lt_free(t);
	return NULL;
}

static struct sight *bucket(struct lt_images *t, uint64_t device, uint64_t inode)
{
	uint64_t hash = (inode ^ device << 32 ^ device >> 32) * 0x9e3779b97f4a7c15ULL;

	return t->seen[(hash >> 32) % BUCKETS];
}

bool lt_images_first_sight(struct lt_images *t, uint64_t device, uint64_t inode)
{
	struct sight *ways = bucket(t, device, inode);

	for (int i = 0; i < WAYS; i++) {
		if (ways[i].device == device && ways[i].inode == inode)
			return false;
	}
	memmove(&ways[1], &ways[0], (WAYS - 1) * sizeof(*ways));
	ways[0] = (struct sight){.device = device, .inode = inode};
	return true;
}

void lt_images_unsee(struct lt_images *t, uint64_t device, uint64_t inode)
{
	struct sight *ways = bucket(t, device, inode);

	for (int i = 0; i < WAYS; i++) {
		if (ways[i].device == device && ways[i].inode == inode)
			ways[i] = (struct sight){0};
	}
}

void lt_images_forget_sights(struct lt_images *t)
{
	memset(t->seen, 0, BUCKETS * sizeof(*t->seen));
}

int lt_images_identify(int fd, const struct lt_elf_image *image, struct lt_image_id *ret)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	ret->device = fs.f_type == OVERLAYFS_SUPER_MAGIC ? 0 : st.st_dev;
	ret->inode = st.st_ino;
	ret->size = (uint64_t)st.st_size;
	ret->build_id_n = (uint32_t)lt_elf_build_id(image, ret->build_id);
	return 0;
}

bool lt_images_same(const struct lt_image_id *a, const struct lt_image_id *b)
{
	/* An overlay's sight has no device, and the inode of the file below it: one side without
	 * device is enough. */
	if (a->device != 0 && b->device != 0 && a->device != b->device)
		return false;
	return a->inode == b->inode && a->size == b->size && a->build_id_n == b->build_id_n &&
	       memcmp(a->build_id, b->build_id, a->build_id_n) == 0;
}

bool lt_images_attached(const struct lt_images *t, const struct lt_image_id *id)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct attached *a = &t->attached[i];

		if ((a->attachment || a->wrong) && lt_images_same(&a->id, id))
			return true;
	}
	return false;
}

int lt_images_add(struct lt_images *t, const struct lt_image_id *id, uint64_t seen_device,
		  uint64_t sight, struct lt_attachment *a, uint64_t now_ns)
{
	size_t slot = 0;

	while (slot < t->count && (t->attached[slot].attachment || t->attached[slot].wrong))
		slot++;
	if (slot == LT_IMAGES_ATTACHED_MAX)
		return -ENOBUFS;
	if (slot == t->count)
		t->count++;
	t->attached[slot] = (struct attached){
		.id = *id,
		.attachment = a,
		.seen_device = seen_device,
		.sight = sight,
		.used_ns = now_ns,
	};
	t->in_use++;
	lt_counter_add(LT_C_ATTACHMENTS, 1);
	return 0;
}

void lt_images_touch(struct lt_images *t, uint64_t seen_device, uint64_t inode, uint64_t now_ns)
{
	for (size_t i = 0; i < t->count; i++) {
		struct attached *a = &t->attached[i];

		/* An overlay's device differs in each container, the inode does not. */
		if (a->attachment && a->used_ns != UINT64_MAX && a->id.inode == inode &&
		    (a->id.device == 0 || a->seen_device == seen_device))
			a->used_ns = now_ns;
	}
}

void lt_images_pin(struct lt_images *t)
{
	for (size_t i = 0; i < t->count; i++)
		t->attached[i].used_ns = UINT64_MAX;
}

void lt_images_retire(struct lt_images *t, uint64_t before_ns)
{
	for (size_t i = 0; i < t->count; i++) {
		struct attached *a = &t->attached[i];

		if (!a->attachment || a->used_ns >= before_ns)
			continue;
		if (!detach(t, a))
			return;
		lt_images_unsee(t, a->seen_device, a->sight);
		lt_freep(&a->path);
	}
}

int lt_images_watch(struct lt_images *t, int fd)
{
	int number = t->watch ? lt_file_watch_add(t->watch, fd) : -EOPNOTSUPP;

	return number > 0 ? number : 0;
}

void lt_images_guard(struct lt_images *t, const struct lt_attachment *a, int number)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->attached[i].attachment == a)
			t->attached[i].number = number;
	}
}

int lt_images_guard_fd(const struct lt_images *t)
{
	return t->watch ? lt_file_watch_fd(t->watch) : -1;
}

/* Who runs the file now would crash: whoever detaches, it is not put off. */
static void on_change(void *arg, int number)
{
	struct lt_images *t = arg;

	for (size_t i = 0; i < t->count; i++) {
		struct attached *a = &t->attached[i];

		if (!a->attachment || a->number == 0 || (number > 0 && a->number != number))
			continue;
		if (!detach(t, a)) {
			a->attachment = lt_attachment_free(a->attachment);
			t->in_use--;
			unguard(t, a);
		}
		lt_images_unsee(t, a->seen_device, a->sight);
		lt_freep(&a->path);
	}
}

void lt_images_check(struct lt_images *t)
{
	if (t->watch)
		lt_file_watch_read(t->watch, on_change, t);
}

void lt_images_try(struct lt_images *t, const struct lt_attachment *a, const char *path,
		   const char *collector)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->attached[i].attachment != a)
			continue;
		t->attached[i].path = lt_strdup(path);
		t->attached[i].collector = collector;
	}
}

bool lt_images_on_trial(const struct lt_images *t)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->attached[i].path)
			return true;
	}
	return false;
}

void lt_images_judge(struct lt_images *t,
		     void (*decided)(void *arg, const char *path, const char *collector,
				     enum lt_site_state state),
		     void *arg)
{
	for (size_t i = 0; i < t->count; i++) {
		struct attached *a = &t->attached[i];
		enum lt_site_state state;

		if (!a->path)
			continue;
		state = lt_attachment_state(a->attachment);
		if (state == LT_SITE_UNPROVEN)
			continue;
		if (state == LT_SITE_WRONG) {
			if (!detach(t, a))
				continue; /* the next time */
			a->wrong = true;
		}
		decided(arg, a->path, a->collector, state);
		lt_freep(&a->path);
	}
}

bool lt_images_crowded(const struct lt_images *t)
{
	return t->in_use > LT_IMAGES_ATTACHED_MAX * 3 / 4;
}
