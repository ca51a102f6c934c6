/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded queue between exactly two threads: one puts, one takes. The only place where threads
 * meet. Items are copied in and out; a full queue refuses (and the caller counts).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"

struct lt_queue;

/* @capacity is rounded up to a power of two. */
LT_MUST_CHECK int lt_queue_new(size_t item_size, size_t capacity, struct lt_queue **ret);
struct lt_queue *lt_queue_free(struct lt_queue *q);
LT_DEFINE_FREEP(lt_queue_free, struct lt_queue)

/* Thread: producer. False when full. Wakes the consumer when it sleeps. */
bool lt_queue_put(struct lt_queue *q, const void *item);
/* Thread: consumer. False when empty. */
bool lt_queue_take(struct lt_queue *q, void *ret_item);
/* Thread: consumer. The oldest item in place, NULL when empty; it stays queued until lt_queue_drop.
 */
const void *lt_queue_peek(struct lt_queue *q, size_t offset);
/* Thread: consumer. Forgets the @n oldest items. */
void lt_queue_drop(struct lt_queue *q, size_t n);
size_t lt_queue_length(const struct lt_queue *q);
/* Thread: consumer. Sleeps until something is there, the queue is closed or @timeout_ms passed. */
void lt_queue_wait(struct lt_queue *q, int timeout_ms);
/* Thread: producer. No more items will come; wakes the consumer. */
void lt_queue_close(struct lt_queue *q);
bool lt_queue_closed(const struct lt_queue *q);
