// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "userspace/base/alloc.h"

struct lt_queue {
	uint8_t *items;
	size_t item_size;
	size_t mask;
	atomic_size_t head; /* items put so far */
	atomic_size_t tail; /* items taken so far */
	atomic_bool sleeping;
	atomic_bool closed;
	pthread_mutex_t lock; /* for the sleep alone */
	pthread_cond_t wake;
};

int lt_queue_new(size_t item_size, size_t capacity, struct lt_queue **ret)
{
	struct lt_queue *q = lt_calloc(1, sizeof(*q));
	pthread_condattr_t attr;
	size_t slots = 1;

	if (!q)
		return -ENOMEM;
	while (slots < capacity)
		slots *= 2;
	q->items = lt_calloc(slots, item_size);
	if (!q->items) {
		lt_free(q);
		return -ENOMEM;
	}
	q->item_size = item_size;
	q->mask = slots - 1;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->wake, &attr);
	pthread_condattr_destroy(&attr);
	*ret = q;
	return 0;
}

struct lt_queue *lt_queue_free(struct lt_queue *q)
{
	if (!q)
		return NULL;
	pthread_cond_destroy(&q->wake);
	pthread_mutex_destroy(&q->lock);
	lt_free(q->items);
	lt_free(q);
	return NULL;
}

static uint8_t *slot(const struct lt_queue *q, size_t at)
{
	return q->items + (at & q->mask) * q->item_size;
}

static void wake(struct lt_queue *q)
{
	if (!atomic_load(&q->sleeping))
		return;
	pthread_mutex_lock(&q->lock);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

bool lt_queue_put(struct lt_queue *q, const void *item)
{
	size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&q->tail, memory_order_acquire) > q->mask)
		return false;
	memcpy(slot(q, head), item, q->item_size);
	atomic_store(&q->head, head + 1);
	wake(q);
	return true;
}

const void *lt_queue_peek(struct lt_queue *q, size_t offset)
{
	return offset < lt_queue_length(q) ? slot(q, atomic_load(&q->tail) + offset) : NULL;
}

void lt_queue_drop(struct lt_queue *q, size_t n)
{
	atomic_fetch_add_explicit(&q->tail, n, memory_order_release);
}

bool lt_queue_take(struct lt_queue *q, void *ret_item)
{
	const void *item = lt_queue_peek(q, 0);

	if (!item)
		return false;
	memcpy(ret_item, item, q->item_size);
	lt_queue_drop(q, 1);
	return true;
}

size_t lt_queue_length(const struct lt_queue *q)
{
	size_t tail = atomic_load(&q->tail); /* first, so that it is never ahead of the head */

	return atomic_load(&q->head) - tail;
}

void lt_queue_wait(struct lt_queue *q, int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&q->lock);
	atomic_store(&q->sleeping, true);
	/* Looked at after "sleeping" is set: a producer that put before sees it, or we see its
	 * item. */
	while (lt_queue_length(q) == 0 && !atomic_load(&q->closed)) {
		if (pthread_cond_timedwait(&q->wake, &q->lock, &until) == ETIMEDOUT)
			break;
	}
	atomic_store(&q->sleeping, false);
	pthread_mutex_unlock(&q->lock);
}

void lt_queue_close(struct lt_queue *q)
{
	atomic_store(&q->closed, true);
	pthread_mutex_lock(&q->lock);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

bool lt_queue_closed(const struct lt_queue *q)
{
	return atomic_load(&q->closed);
}
