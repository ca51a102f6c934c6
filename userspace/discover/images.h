/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files were examined and which are attached. Two questions, two tables:
 *
 * - "seen": (device, inode) as a mapping shows them. Most mappings end here, without opening
 * anything.
 * - "attached": the real file. A uprobe belongs to the real inode below an overlay mount, where
 * st_ino is the same in every container but st_dev is not; so overlay files are compared by inode,
 * size and build id without the device.
 */
#pragma once

#include "userspace/capture/capture.h"

struct lt_images;

struct lt_image_id {
	uint64_t device; /* 0 for a file on overlayfs */
	uint64_t inode;
	uint64_t size;
	uint8_t build_id[20];
	uint32_t build_id_n;
};

struct lt_elf_image;

/* Which file the descriptor and its image are. */
LT_MUST_CHECK int lt_images_identify(int fd, const struct lt_elf_image *image,
				     struct lt_image_id *ret);
/* Whether two ids name one file: the lower file itself and its sights through overlays do. */
bool lt_images_same(const struct lt_image_id *a, const struct lt_image_id *b);

enum { LT_IMAGES_SEEN_MAX = 65536, LT_IMAGES_ATTACHED_MAX = 1024 };

LT_MUST_CHECK int lt_images_new(struct lt_images **ret);
/* Detaches everything. */
struct lt_images *lt_images_free(struct lt_images *t);
LT_DEFINE_FREEP(lt_images_free, struct lt_images)

/*
 * True the first time; false when it was seen before. The oldest of a full bucket is forgotten, and
 * examined again.
 * @inode may be mixed with its generation: file systems give the number of a deleted file to a new
 * one.
 */
bool lt_images_first_sight(struct lt_images *t, uint64_t device, uint64_t inode);
/* Forgets all sights: a number that was re-used without our notice is found by the sweep after
 * that. */
void lt_images_forget_sights(struct lt_images *t);
/* Forgets a sight, so that the next sweep tries again. */
void lt_images_unsee(struct lt_images *t, uint64_t device, uint64_t inode);

/* True when that file is attached already. */
bool lt_images_attached(const struct lt_images *t, const struct lt_image_id *id);
/* Takes over @a. @seen_device and @sight as lt_images_first_sight was asked. -ENOBUFS: too many
 * files. */
LT_MUST_CHECK int lt_images_add(struct lt_images *t, const struct lt_image_id *id,
				uint64_t seen_device, uint64_t sight, struct lt_attachment *a,
				uint64_t now_ns);
/* Three quarters of what can be attached is. */
bool lt_images_crowded(const struct lt_images *t);
/* Begins to watch the content of the file behind @fd (file_watch.h). Its number for
 * lt_images_guard, or 0: it cannot be watched. */
int lt_images_watch(struct lt_images *t, int fd);
/* @a, which was added, is of the file with that number: it is detached when that changes. */
void lt_images_guard(struct lt_images *t, const struct lt_attachment *a, int number);
/* Becomes readable when a file changed, -1: there is no such notice. Then lt_images_check detaches
 * all that is of it, and forgets it: what it is now is looked at when somebody maps it. */
int lt_images_guard_fd(const struct lt_images *t);
void lt_images_check(struct lt_images *t);

/* @a, which was added, has to prove itself; @path is copied, @collector stays the caller's. Without
 * memory it is taken as proven. */
void lt_images_try(struct lt_images *t, const struct lt_attachment *a, const char *path,
		   const char *collector);
/*
 * Looks at all that have to prove themselves. Tells of each that is decided, once. What is wrong is
 * detached, and stays known, so that it is not attached again.
 */
void lt_images_judge(struct lt_images *t,
		     void (*decided)(void *arg, const char *path, const char *collector,
				     enum lt_site_state state),
		     void *arg);
/* Whether there are any. */
bool lt_images_on_trial(const struct lt_images *t);
/* A process maps it: called for every mapping of a sweep. */
void lt_images_touch(struct lt_images *t, uint64_t seen_device, uint64_t inode, uint64_t now_ns);
/* What is attached now stays attached, used or not. */
void lt_images_pin(struct lt_images *t);
/* Detaches what was not touched since @before_ns, beside the caller; what there are too many of for
 * that stays until the next time. */
void lt_images_retire(struct lt_images *t, uint64_t before_ns);
