// SPDX-License-Identifier: Apache-2.0
#include "userspace/export/spool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/ledger/query.h"

enum {
	RETRY_MS_MIN = 1000,
	RETRY_MS_MAX = 300000,
	PAUSE_S_MAX = 3600, /* what another side may ask for at most */
	IDLE_MS = 1000,
	NS_PER_MS = 1000000,
};

/* A sink and its thread. */
struct runner {
	struct lt_spool *spool;
	struct lt_sink *sink;
	pthread_t thread;
	bool started;
	struct lt_ledger *ledger; /* NULL: to be opened */
	uint8_t uid[16];
	uint64_t place;
	size_t chunk; /* records in the next request at most: fewer while one is searched for */
	unsigned retry_ms;
	enum lt_sink_state state;
	/* The request that is being made. */
	size_t count;
	uint64_t last_seq;
	struct lt_dead_letter first; /* its first record, in case that it is at fault */
};

struct lt_spool {
	struct lt_spool_opts opts;
	char state_dir[4000];
	pthread_mutex_t lock; /* of news */
	pthread_cond_t wake;
	uint64_t news;	   /* grows with every wake */
	atomic_bool stop;  /* send no more than what is at hand */
	atomic_bool abort; /* and end what is being sent */
	struct runner *runners;
	size_t count;
};

/* ---- waiting ---- */

static struct timespec in_ms(unsigned ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * NS_PER_MS;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* Until @ms have passed, the spool is stopped, or (@news) there is more than @since. */
static void wait_ms(struct lt_spool *s, unsigned ms, bool news, uint64_t since)
{
	struct timespec end = in_ms(ms);

	pthread_mutex_lock(&s->lock);
	while (!atomic_load(&s->stop) && !(news && s->news != since)) {
		if (pthread_cond_timedwait(&s->wake, &s->lock, &end) == ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&s->lock);
}

static uint64_t news_so_far(struct lt_spool *s)
{
	uint64_t news;

	pthread_mutex_lock(&s->lock);
	news = s->news;
	pthread_mutex_unlock(&s->lock);
	return news;
}

void lt_spool_wake(struct lt_spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->news++;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* ---- one request ---- */

static void tell(struct runner *r, enum lt_sink_state state, const char *reason)
{
	const struct lt_spool_opts *opts = &r->spool->opts;

	if (r->state == state)
		return;
	r->state = state;
	if (opts->state)
		opts->state(opts->arg, r->sink, state, reason);
}

/* Half of it by chance, so that many agents do not come back at once. */
static unsigned with_jitter(unsigned ms)
{
	return ms / 2 + (unsigned)(lt_clock_boot_ns() / 1000 % (ms / 2 + 1));
}

static void pause_later(struct runner *r, unsigned pause_s)
{
	const struct lt_spool_opts *opts = &r->spool->opts;
	unsigned asked_ms = (pause_s < PAUSE_S_MAX ? pause_s : PAUSE_S_MAX) * 1000;
	unsigned ms = with_jitter(r->retry_ms);

	wait_ms(r->spool, asked_ms > ms ? asked_ms : ms, false, 0);
	r->retry_ms = r->retry_ms * 2 < opts->retry_ms_max ? r->retry_ms * 2 : opts->retry_ms_max;
}

static int open_ledger(struct runner *r)
{
	struct lt_problem problem = {0};
	int e;

	if (r->ledger && lt_ledger_is_current(r->ledger))
		return 0;
	r->ledger = lt_ledger_close(r->ledger);
	e = lt_ledger_open(r->spool->state_dir, LT_LEDGER_FOLLOW, &r->ledger, &problem);
	if (e == 0)
		e = lt_ledger_uid(r->ledger, r->uid);
	if (e == 0)
		e = lt_cursor_get(r->spool->opts.cursors, r->sink->name, r->uid, &r->place);
	if (e < 0)
		r->ledger = lt_ledger_close(r->ledger);
	return e;
}

static int add(void *arg, uint64_t change_seq, uint64_t node_seq, const struct lt_record *record)
{
	struct runner *r = arg;
	int e = r->sink->ops->add(r->sink, node_seq, record);

	if (r->count == 0)
		r->first = (struct lt_dead_letter){
			.id = record->id, .revision = record->revision, .change_seq = change_seq};
	if (e != 0) /* -ECANCELED ends the reading */
		return e > 0 ? -ECANCELED : e;
	r->count++;
	r->last_seq = change_seq;
	return 0;
}

/* -ENODATA: there is nothing to be sent; -EMSGSIZE: the next record alone does not fit. */
static int gather(struct runner *r)
{
	int e = open_ledger(r);

	r->count = 0;
	r->first = (struct lt_dead_letter){0};
	if (e == 0)
		e = lt_query_changes(r->ledger, r->place, r->chunk, add, r);
	if (e < 0 && e != -ECANCELED)
		return e;
	if (r->count > 0)
		return 0;
	return e == -ECANCELED ? -EMSGSIZE : -ENODATA;
}

static int advance(struct runner *r, uint64_t seq, uint64_t delivered,
		   const struct lt_dead_letter *dead)
{
	const struct lt_spool_opts *opts = &r->spool->opts;
	int e = lt_cursor_advance(opts->cursors, r->sink->name, r->uid, seq, delivered, dead,
				  dead ? 1 : 0);

	if (e < 0) /* a full disk: sent once more later, under the same ids */
		return e;
	r->place = seq;
	r->retry_ms = opts->retry_ms_min;
	lt_counter_add(LT_C_SINK_DELIVERED, delivered);
	if (!dead)
		return 0;
	lt_counter_add(LT_C_SINK_DEAD, 1);
	if (opts->dead)
		opts->dead(opts->arg, r->sink, dead);
	return 0;
}

static int bury(struct runner *r, const char *reason)
{
	r->first.at_ns = lt_clock_wall_ns();
	snprintf(r->first.reason, sizeof(r->first.reason), "%s", reason);
	return advance(r, r->first.change_seq, 0, &r->first);
}

static int delivered(struct runner *r, const struct lt_delivery_report *report)
{
	uint64_t taken = r->count > report->rejected ? r->count - report->rejected : 0;

	tell(r, LT_SINK_WORKS, "");
	r->chunk = r->chunk * 2 < r->sink->batch ? r->chunk * 2 : r->sink->batch;
	if (report->rejected == 0)
		return advance(r, r->last_seq, taken, NULL);
	/* Which ones it was is not said: the first of them stands for the request. */
	r->first.at_ns = lt_clock_wall_ns();
	snprintf(r->first.reason, sizeof(r->first.reason),
		 "%u of %zu records from this one on were rejected: %.150s", report->rejected,
		 r->count, report->reason);
	return advance(r, r->last_seq, taken, &r->first);
}

static int send_request(struct runner *r)
{
	const struct lt_spool_opts *opts = &r->spool->opts;
	struct lt_delivery_report report = {0};
	enum lt_delivery d = r->sink->ops->send(r->sink, &r->spool->abort, &report);

	switch (d) {
	case LT_DELIVERED:
		return delivered(r, &report);
	case LT_TOO_LARGE:
	case LT_REFUSED:
		if (r->count == 1)
			return bury(r, report.reason);
		r->chunk = r->count / 2;
		return 0;
	case LT_MISCONFIGURED:
		tell(r, LT_SINK_STUCK, report.reason);
		r->retry_ms = opts->retry_ms_max;
		break;
	case LT_LATER:
		tell(r, LT_SINK_WAITS, report.reason);
		break;
	}
	lt_counter_add(LT_C_SINK_RETRIES, 1);
	pause_later(r, report.pause_s);
	return 0;
}

static void turn(struct runner *r)
{
	struct lt_spool *s = r->spool;
	uint64_t news = news_so_far(s);
	int e = gather(r);

	if (e == 0) {
		e = send_request(r);
	} else if (e == -EMSGSIZE) {
		r->sink->ops->reset(r->sink);
		e = bury(r, "larger than a request may be");
	} else {
		r->sink->ops->reset(r->sink);
	}
	if (e == -ENODATA) {
		wait_ms(s, IDLE_MS, true, news);
		/* A moment for more to come: one request instead of many. */
		if (news_so_far(s) != news)
			wait_ms(s, r->sink->linger_ms, false, 0);
	} else if (e < 0) {
		r->ledger = lt_ledger_close(r->ledger);
		lt_counter_add(LT_C_SINK_ERRORS, 1);
		wait_ms(s, IDLE_MS, false, 0);
	}
}

static void *run(void *arg)
{
	struct runner *r = arg;

	while (!atomic_load(&r->spool->stop))
		turn(r);
	/* What was recorded last is sent while there is time. */
	while (!atomic_load(&r->spool->abort) && r->state == LT_SINK_WORKS && gather(r) == 0 &&
	       send_request(r) == 0 && r->state == LT_SINK_WORKS)
		;
	r->sink->ops->reset(r->sink);
	r->ledger = lt_ledger_close(r->ledger);
	return NULL;
}

/* ---- the whole ---- */

static int start_runner(struct lt_spool *s, struct runner *r, struct lt_sink *sink)
{
	char name[16];
	int e;

	*r = (struct runner){
		.spool = s, .sink = sink, .chunk = sink->batch, .retry_ms = s->opts.retry_ms_min};
	e = -pthread_create(&r->thread, NULL, run, r);
	if (e < 0)
		return e;
	r->started = true;
	snprintf(name, sizeof(name), "sink-%.10s", sink->name);
	pthread_setname_np(r->thread, name);
	return 0;
}

static struct lt_spool *new_spool(const struct lt_spool_opts *opts, size_t count)
{
	struct lt_spool *s = lt_calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return NULL;
	s->runners = lt_calloc(count + 1, sizeof(s->runners[0]));
	if (!s->runners) {
		lt_free(s);
		return NULL;
	}
	s->opts = *opts;
	snprintf(s->state_dir, sizeof(s->state_dir), "%s", opts->state_dir);
	if (s->opts.retry_ms_min == 0)
		s->opts.retry_ms_min = RETRY_MS_MIN;
	if (s->opts.retry_ms_max == 0)
		s->opts.retry_ms_max = RETRY_MS_MAX;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	return s;
}

int lt_spool_start(const struct lt_spool_opts *opts, struct lt_sink **sinks, size_t count,
		   struct lt_spool **ret)
{
	struct lt_spool *s = new_spool(opts, count);
	sigset_t all, old;
	int e = s ? 0 : -ENOMEM;

	/* Signals are for the main thread, which waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (size_t i = 0; i < count; i++) {
		if (e == 0)
			e = start_runner(s, &s->runners[s->count], sinks[i]);
		if (e == 0)
			s->count++;
		else
			sinks[i]->ops->free(sinks[i]);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e < 0) {
		lt_spool_stop(s, 0);
		return e;
	}
	*ret = s;
	return 0;
}

/* Whether all threads ended by then; those that did are joined. */
static bool join_until(struct lt_spool *s, const struct timespec *end)
{
	bool all = true;

	for (size_t i = 0; i < s->count; i++) {
		struct runner *r = &s->runners[i];

		if (r->started && pthread_clockjoin_np(r->thread, NULL, CLOCK_MONOTONIC, end) == 0)
			r->started = false;
		all &= !r->started;
	}
	return all;
}

struct lt_spool *lt_spool_stop(struct lt_spool *s, unsigned timeout_ms)
{
	struct timespec end = in_ms(timeout_ms);

	if (!s)
		return NULL;
	atomic_store(&s->stop, true);
	lt_spool_wake(s);
	if (!join_until(s, &end)) {
		atomic_store(&s->abort, true);
		for (size_t i = 0; i < s->count; i++) {
			if (s->runners[i].started)
				pthread_join(s->runners[i].thread, NULL);
		}
	}
	for (size_t i = 0; i < s->count; i++)
		s->runners[i].sink->ops->free(s->runners[i].sink);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	lt_free(s->runners);
	lt_free(s);
	return NULL;
}
