// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/reaper.h"

#include <errno.h>
#include <pthread.h>

#include "userspace/base/alloc.h"

/* What one waits for serves all who wait at that time. */
enum { THREADS_MAX = 16, QUEUE_MAX = 1024 };

struct lt_reaper {
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool ending;
	struct lt_attachment *queue[QUEUE_MAX];
	size_t first, count;
	size_t waiting; /* threads without work */
	size_t started; /* the owner's */
	pthread_t threads[THREADS_MAX];
};

/* NULL: there is no more. Under the lock. */
static struct lt_attachment *next(struct lt_reaper *r)
{
	struct lt_attachment *a;

	while (r->count == 0) {
		if (r->ending)
			return NULL;
		r->waiting++;
		pthread_cond_wait(&r->work, &r->lock);
		r->waiting--;
	}
	a = r->queue[r->first];
	r->first = (r->first + 1) % QUEUE_MAX;
	r->count--;
	return a;
}

static void *run(void *arg)
{
	struct lt_reaper *r = arg;
	struct lt_attachment *a;

	pthread_mutex_lock(&r->lock);
	while ((a = next(r))) {
		pthread_mutex_unlock(&r->lock);
		lt_attachment_free(a);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int lt_reaper_new(struct lt_reaper **ret)
{
	struct lt_reaper *r = lt_calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	*ret = r;
	return 0;
}

bool lt_reaper_take(struct lt_reaper *r, struct lt_attachment *a)
{
	bool room, enough;

	pthread_mutex_lock(&r->lock);
	room = r->count < QUEUE_MAX;
	if (room) {
		r->queue[(r->first + r->count) % QUEUE_MAX] = a;
		r->count++;
		pthread_cond_signal(&r->work);
	}
	enough = r->waiting >= r->count;
	pthread_mutex_unlock(&r->lock);
	if (room && !enough && r->started < THREADS_MAX &&
	    pthread_create(&r->threads[r->started], NULL, run, r) == 0)
		r->started++;
	return room;
}

struct lt_reaper *lt_reaper_free(struct lt_reaper *r)
{
	if (!r)
		return NULL;
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	/* This thread helps; where no other could be started it does all. */
	run(r);
	while (r->started > 0)
		pthread_join(r->threads[--r->started], NULL);
	pthread_cond_destroy(&r->work);
	pthread_mutex_destroy(&r->lock);
	lt_free(r);
	return NULL;
}
