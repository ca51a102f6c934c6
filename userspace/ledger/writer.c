// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/base/queue.h"
#include "userspace/ledger/amend.h"

enum {
	QUEUE_DEFAULT = 4096,
	BATCH_MS_DEFAULT = 100,
	BATCH_MS_MAX = 200,
	BATCH_RECORDS = 512,
	IDLE_MS = 1000,
	SLICE_MS = 5,
	RETRY_MS_MIN = 100,
	RETRY_MS_MAX = 5000,
	NS_PER_MS = 1000000,
	/* How often records that wait are looked at: more and more seldom while it is in vain. */
	AMEND_MS_MIN = 1000,
	AMEND_MS_MAX = 30000,
	AMEND_TURN_MS = 50,
};

/* What no orchestrator has told of for so long nobody waits for. */
#define GIVE_UP_NS (6 * 3600 * 1000000000ll)

struct lt_writer {
	struct lt_ledger *ledger;
	struct lt_writer_opts opts;
	struct lt_queue
		*queue; /* of pointers: a record is large, and a quiet queue must cost nothing */
	pthread_t thread;
	atomic_uint_least64_t deadline_ns; /* boot time; 0: not stopping */
	pthread_mutex_t amending;	   /* held while records are looked at again */
	bool settled;			   /* none is any more */
	bool failing;
	bool waiting;	      /* records were written that wait for an orchestrator */
	uint64_t version;     /* of what was known when they were looked at last */
	uint64_t amend_ns;    /* boot time of the next look */
	uint64_t amend_after; /* node_seq at which it goes on; 0: from the first one */
	unsigned amend_ms;    /* the pause behind the next look at all */
	const struct lt_record *batch[BATCH_RECORDS];
};

static bool past_deadline(const struct lt_writer *w)
{
	uint64_t deadline = atomic_load(&w->deadline_ns);

	return deadline != 0 && lt_clock_boot_ns() >= deadline;
}

/* Sleeps until @ms have passed, or the writer is stopped, or (@records != 0) so many are queued. */
static void linger(struct lt_writer *w, unsigned ms, size_t records)
{
	const struct timespec slice = {.tv_nsec = SLICE_MS * NS_PER_MS};
	uint64_t end = lt_clock_boot_ns() + (uint64_t)ms * NS_PER_MS;

	while (lt_clock_boot_ns() < end && !lt_queue_closed(w->queue) &&
	       (records == 0 || lt_queue_length(w->queue) < records))
		nanosleep(&slice, NULL);
}

static size_t gather(struct lt_writer *w)
{
	struct lt_record *const *item;
	size_t n = 0;

	while (n < BATCH_RECORDS && (item = lt_queue_peek(w->queue, n)) != NULL)
		w->batch[n++] = *item;
	return n;
}

/* Frees the oldest @n records and forgets them. */
static void forget(struct lt_writer *w, size_t n)
{
	struct lt_record *record;

	for (size_t i = 0; i < n && lt_queue_take(w->queue, &record); i++)
		lt_free(record);
}

static void tell(struct lt_writer *w, int error)
{
	if (w->failing == (error < 0))
		return;
	w->failing = error < 0;
	if (w->opts.status)
		w->opts.status(w->opts.arg, error, error < 0 ? lt_ledger_error(w->ledger) : "");
}

/* Commits the oldest records; they leave the queue only then. */
static int commit(struct lt_writer *w)
{
	size_t n = gather(w);
	int r;

	if (n == 0)
		return 0;
	r = lt_ledger_put(w->ledger, w->batch, n);
	tell(w, r);
	if (r < 0) {
		lt_counter_add(LT_C_LEDGER_ERRORS, 1);
		return r;
	}
	for (size_t i = 0; i < n; i++)
		w->waiting |= w->batch[i]->who.pending;
	forget(w, n);
	lt_counter_add(LT_C_RECORDS_WRITTEN, n);
	if (w->opts.committed)
		w->opts.committed(w->opts.arg);
	return 0;
}

/* A bounded number in a turn, so that new records do not wait behind old ones. */
static void amend(struct lt_writer *w)
{
	struct lt_amend_opts opts = {
		.again = w->opts.again,
		.arg = w->opts.arg,
		.after_seq = w->amend_after,
		.give_up_ns = lt_clock_wall_ns() - GIVE_UP_NS,
	};
	uint64_t now_ns = lt_clock_boot_ns();
	struct lt_amended done;
	uint64_t version;

	if (now_ns < w->amend_ns || w->failing)
		return;
	version = w->opts.version(w->opts.arg);
	if (version == w->version && !w->waiting && w->amend_after == 0)
		return;
	if (w->amend_after == 0) {
		w->version = version;
		w->waiting = false;
		w->amend_ms = w->amend_ms * 2 < AMEND_MS_MAX ? w->amend_ms * 2 : AMEND_MS_MAX;
	}
	if (lt_ledger_amend(w->ledger, &opts, &done) < 0) {
		lt_counter_add(LT_C_LEDGER_ERRORS, 1);
		w->waiting = true; /* done is empty: all of them again, after the pause */
	}
	w->amend_after = done.last_seq;
	if (done.changed > 0)
		w->amend_ms = AMEND_MS_MIN;
	w->amend_ns = now_ns + (uint64_t)(w->amend_after ? AMEND_TURN_MS : w->amend_ms) * NS_PER_MS;
	lt_counter_add(LT_C_RECORDS_AMENDED, done.changed);
}

static void amend_if_due(struct lt_writer *w)
{
	pthread_mutex_lock(&w->amending);
	if (w->opts.again && !w->settled)
		amend(w);
	pthread_mutex_unlock(&w->amending);
}

void lt_writer_settle(struct lt_writer *w)
{
	pthread_mutex_lock(&w->amending);
	w->settled = true;
	pthread_mutex_unlock(&w->amending);
}

static void *work(void *arg)
{
	struct lt_writer *w = arg;
	unsigned retry_ms = RETRY_MS_MIN;

	for (;;) {
		lt_queue_wait(w->queue, w->amend_after != 0 ? AMEND_TURN_MS : IDLE_MS);
		amend_if_due(w);
		if (lt_queue_length(w->queue) == 0) {
			if (lt_queue_closed(w->queue))
				return NULL;
			continue;
		}
		linger(w, w->opts.batch_ms, BATCH_RECORDS);
		if (commit(w) == 0) {
			retry_ms = RETRY_MS_MIN;
			continue;
		}
		if (past_deadline(w))
			return NULL;
		if (lt_queue_closed(w->queue)) {
			const struct timespec slice = {.tv_nsec = SLICE_MS * NS_PER_MS};

			nanosleep(&slice, NULL);
			continue;
		}
		linger(w, retry_ms, 0);
		retry_ms = retry_ms * 2 < RETRY_MS_MAX ? retry_ms * 2 : RETRY_MS_MAX;
	}
}

static struct lt_writer *free_writer(struct lt_writer *w)
{
	if (!w)
		return NULL;
	if (w->queue)
		forget(w, lt_queue_length(w->queue));
	w->queue = lt_queue_free(w->queue);
	pthread_mutex_destroy(&w->amending);
	lt_free(w);
	return NULL;
}
LT_DEFINE_FREEP(free_writer, struct lt_writer)

int lt_writer_start(struct lt_ledger *ledger, const struct lt_writer_opts *opts,
		    struct lt_writer **ret)
{
	lt_defer(free_writerp)
	struct lt_writer *w = lt_calloc(1, sizeof(*w));
	sigset_t all, old;
	int r;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->amending, NULL);
	w->ledger = ledger;
	w->opts = *opts;
	w->amend_ms = AMEND_MS_MIN;
	w->waiting = true; /* what an earlier run left */
	if (w->opts.batch_ms == 0)
		w->opts.batch_ms = BATCH_MS_DEFAULT;
	if (w->opts.batch_ms > BATCH_MS_MAX)
		w->opts.batch_ms = BATCH_MS_MAX;
	r = lt_queue_new(sizeof(struct lt_record *),
			 w->opts.queue_records ? w->opts.queue_records : QUEUE_DEFAULT, &w->queue);
	if (r < 0)
		return r;
	/* Signals are for the main thread, which waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return r;
	pthread_setname_np(w->thread, "ledger-writer");
	*ret = lt_take(w);
	return 0;
}

bool lt_writer_put(struct lt_writer *w, const struct lt_record *record)
{
	struct lt_record *copy = lt_calloc(1, sizeof(*copy));
	bool taken;

	if (copy)
		*copy = *record;
	taken = copy && lt_queue_put(w->queue, &copy);
	if (!taken)
		lt_free(copy);
	lt_counter_add(taken ? LT_C_RECORDS_QUEUED : LT_C_RECORDS_DROPPED, 1);
	return taken;
}

struct lt_writer *lt_writer_stop(struct lt_writer *w, unsigned timeout_ms)
{
	if (!w)
		return NULL;
	atomic_store(&w->deadline_ns, lt_clock_boot_ns() + (uint64_t)timeout_ms * NS_PER_MS);
	lt_queue_close(w->queue);
	pthread_join(w->thread, NULL);
	lt_counter_add(LT_C_RECORDS_DROPPED, lt_queue_length(w->queue));
	return free_writer(w);
}
