// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/hurry.h"

#include <fcntl.h>
#include <string.h>

/*
 * To the kernel every number but 0 is the same. This one is ours: who finds it knows that an agent
 * was killed in the middle of an attach, and that 0 was there before.
 */
static const char mark[] = "7411\n", none[] = "0\n";

static bool says(const struct lt_hurry *h, const char *value)
{
	char now[16];
	ssize_t n = pread(h->fd, now, sizeof(now), 0);

	return n >= (ssize_t)strlen(value) && memcmp(now, value, strlen(value)) == 0;
}

static void say(const struct lt_hurry *h, const char *value)
{
	lt_ignore(pwrite(h->fd, value, strlen(value), 0));
}

void lt_hurry_open(struct lt_hurry *h, const char *path)
{
	pthread_mutex_init(&h->lock, NULL);
	h->users = 0;
	h->fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (h->fd >= 0 && says(h, mark))
		say(h, none);
}

void lt_hurry_close(struct lt_hurry *h)
{
	lt_closep(&h->fd);
	pthread_mutex_destroy(&h->lock);
}

void lt_hurry_begin(struct lt_hurry *h)
{
	if (h->fd < 0)
		return;
	pthread_mutex_lock(&h->lock);
	if (h->users++ == 0 && says(h, none))
		say(h, mark);
	pthread_mutex_unlock(&h->lock);
}

void lt_hurry_end(struct lt_hurry *h)
{
	if (h->fd < 0)
		return;
	pthread_mutex_lock(&h->lock);
	if (--h->users == 0 && says(h, mark))
		say(h, none);
	pthread_mutex_unlock(&h->lock);
}
