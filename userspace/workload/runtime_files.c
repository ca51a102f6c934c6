// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/runtime_files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"

enum { FILE_MAX = 64 << 20, PIECE = 16 << 10 };

/* Not through a link, not from a pipe or a device: a user would make root open something else. */
static int open_plain(const char *path, uid_t uid, int *ret)
{
	lt_defer(lt_closep)
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -EACCES : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != uid && st.st_uid != 0))
		return -EACCES;
	if (st.st_size > FILE_MAX)
		return -EFBIG;
	*ret = fd;
	fd = -1;
	return 0;
}

static int feed(int fd, struct lt_json_items *items, uint8_t *piece)
{
	for (size_t total = 0; total <= FILE_MAX;) {
		ssize_t n = read(fd, piece, PIECE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : lt_json_items_finish(items);
		r = lt_json_items_feed(items, lt_bytes(piece, (size_t)n));
		if (r < 0)
			return r;
		total += (size_t)n;
	}
	return -EFBIG;
}

int lt_files_items(const char *path, uid_t uid,
		   int (*item)(void *arg, const struct lt_json_value *value), void *arg)
{
	lt_defer(lt_json_items_freep)
	struct lt_json_items *items = NULL;
	lt_defer(lt_freep)
	uint8_t *piece = NULL;
	lt_defer(lt_closep)
	int fd = -1;
	int r = open_plain(path, uid, &fd);

	if (r == 0)
		r = lt_json_items_new(item, arg, &items);
	if (r < 0)
		return r;
	piece = lt_calloc(PIECE, 1);
	if (!piece)
		return -ENOMEM;
	r = feed(fd, items, piece);
	lt_wipe(piece, PIECE);
	return r;
}

static bool concerns(const struct inotify_event *e, const char *const *names)
{
	if (!names)
		return true;
	for (; e->len > 0 && *names; names++) {
		if (strcmp(e->name, *names) == 0)
			return true;
	}
	return false;
}

/* 1: a folder itself went, or one came. */
static int take_changes(struct lt_source *s, int fd, const char *const *names)
{
	_Alignas(struct inotify_event) char buffer[4096];
	bool relist = false, again = false;
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *e = (const void *)(buffer + at);

			if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
				again = true;
			else if (names && (e->mask & IN_CREATE) && (e->mask & IN_ISDIR))
				again = true;
			relist |= (e->mask & IN_Q_OVERFLOW) || concerns(e, names);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	if (relist)
		lt_source_relist(s);
	return again;
}

static int wait_for_changes(struct lt_source *s, int fd, const char *const *names)
{
	struct pollfd wait[] = {{.fd = fd, .events = POLLIN},
				{.fd = lt_source_stop_fd(s), .events = POLLIN}};

	for (;;) {
		if (poll(wait, LT_COUNT(wait), -1) < 0 && errno != EINTR)
			return -errno;
		if (atomic_load(lt_source_stop(s)))
			return -ECANCELED;
		if (take_changes(s, fd, names) > 0)
			return 0;
	}
}

int lt_files_watch(struct lt_source *s, const char *const *folders, size_t count,
		   const char *const *names)
{
	lt_defer(lt_closep)
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	size_t watched = 0;

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < count; i++)
		watched += inotify_add_watch(fd, folders[i],
					     IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_CLOSE_WRITE |
						     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) >=
			   0;
	return watched > 0 ? wait_for_changes(s, fd, names) : -ENOENT;
}
