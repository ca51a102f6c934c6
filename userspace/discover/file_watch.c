// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/file_watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "userspace/base/alloc.h"

struct lt_file_watch {
	int fd;
};

int lt_file_watch_new(struct lt_file_watch **ret)
{
	lt_defer(lt_file_watch_freep)
	struct lt_file_watch *w = lt_calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	*ret = lt_take(w);
	return 0;
}

struct lt_file_watch *lt_file_watch_free(struct lt_file_watch *w)
{
	if (!w)
		return NULL;
	lt_closep(&w->fd);
	lt_free(w);
	return NULL;
}

int lt_file_watch_fd(const struct lt_file_watch *w)
{
	return w->fd;
}

int lt_file_watch_add(struct lt_file_watch *w, int fd)
{
	char path[32];
	int number;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	number = inotify_add_watch(w->fd, path, IN_MODIFY);
	return number < 0 ? -errno : number;
}

void lt_file_watch_remove(struct lt_file_watch *w, int number)
{
	lt_ignore(inotify_rm_watch(w->fd, number)); /* gone with its file */
}

void lt_file_watch_read(struct lt_file_watch *w, void (*changed)(void *arg, int number), void *arg)
{
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t got;

	while ((got = read(w->fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *e = (const void *)(buffer + at);

			if (e->mask & (IN_MODIFY | IN_Q_OVERFLOW))
				changed(arg, e->mask & IN_Q_OVERFLOW ? -1 : e->wd);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
}
