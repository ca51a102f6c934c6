// SPDX-License-Identifier: Apache-2.0
/*
 * Sources are only ever added: one whose runtime went away waits, and costs a thread that sleeps.
 * So their array needs no lock to be walked.
 */
#include "userspace/workload/runtimes.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/runtime_source.h"

enum { LOOK_AGAIN_S = 30 };

struct lt_runtimes {
	struct lt_runtimes_opts opts;
	struct lt_runtimes_config *config;
	struct lt_source_owner owner;
	struct lt_source *sources[LT_SOURCES_MAX];
	atomic_size_t count;
	pthread_mutex_t tell; /* one callback at a time */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	pthread_t finder; /* of new sources in the usual places */
	bool finder_runs;
};

/* ---- what the sources tell ---- */

/*
 * Whether what @s says of the container counts less than what was said before: root's sources
 * before those of users, the better before the worse; a user says nothing of another one's.
 */
static bool is_outranked(const struct lt_runtimes *r, const struct lt_source *s, const char *id)
{
	struct lt_runtime_source about = lt_source_about(s), other;

	for (size_t i = 0; i < atomic_load(&r->count); i++) {
		if (r->sources[i] == s || !lt_source_knows(r->sources[i], id))
			continue;
		other = lt_source_about(r->sources[i]);
		if (lt_source_rank(r->sources[i]) > lt_source_rank(s) ||
		    (about.uid != 0 && other.uid != about.uid))
			return true;
	}
	return false;
}

/* One that knows more may not have heard of it yet, and the container may not live long. */
static void ask_the_better(const struct lt_runtimes *r, const struct lt_source *s, const char *id)
{
	for (size_t i = 0; i < atomic_load(&r->count); i++) {
		if (r->sources[i] != s && lt_source_rank(r->sources[i]) > lt_source_rank(s) &&
		    !lt_source_knows(r->sources[i], id))
			lt_source_ask(r->sources[i], id, false);
	}
}

static void on_found(void *arg, struct lt_source *s, const struct lt_container_facts *facts)
{
	struct lt_runtimes *r = arg;
	struct lt_runtime_source about = lt_source_about(s);

	pthread_mutex_lock(&r->tell);
	if (!is_outranked(r, s, facts->id))
		r->opts.container(r->opts.arg, &about, facts);
	pthread_mutex_unlock(&r->tell);
	ask_the_better(r, s, facts->id);
}

static void on_gone(void *arg, struct lt_source *s, const char *id)
{
	struct lt_runtimes *r = arg;

	if (!r->opts.gone)
		return;
	pthread_mutex_lock(&r->tell);
	if (!is_outranked(r, s, id))
		r->opts.gone(r->opts.arg, id);
	pthread_mutex_unlock(&r->tell);
}

static void on_state(void *arg, struct lt_source *s, const char *problem)
{
	struct lt_runtimes *r = arg;
	struct lt_runtime_source about = lt_source_about(s);

	if (!r->opts.state)
		return;
	pthread_mutex_lock(&r->tell);
	r->opts.state(r->opts.arg, &about, problem);
	pthread_mutex_unlock(&r->tell);
}

static bool on_known(void *arg, const struct lt_source *s, const char *id)
{
	const struct lt_runtimes *r = arg;

	for (size_t i = 0; i < atomic_load(&r->count); i++) {
		if (r->sources[i] != s && lt_source_rank(r->sources[i]) >= lt_source_rank(s) &&
		    lt_source_knows(r->sources[i], id))
			return true;
	}
	return false;
}

/* ---- which sources there are ---- */

static bool is_there(const struct lt_runtimes *r, const struct lt_place *place)
{
	for (size_t i = 0; i < atomic_load(&r->count); i++) {
		struct lt_runtime_source about = lt_source_about(r->sources[i]);

		if (about.type == place->type && strcmp(about.path, place->path) == 0)
			return true;
	}
	return false;
}

static int add(struct lt_runtimes *r, const struct lt_place *place)
{
	size_t n = atomic_load(&r->count);
	int e;

	if (n == LT_SOURCES_MAX || is_there(r, place))
		return 0;
	e = lt_source_start(place, &r->owner, &r->sources[n]);
	if (e == 0)
		atomic_store(&r->count, n + 1);
	return e;
}

static int add_usual(struct lt_runtimes *r)
{
	lt_defer(lt_freep)
	struct lt_place *places = lt_calloc(LT_SOURCES_MAX, sizeof(*places));
	size_t n;
	int e = 0;

	if (!places)
		return -ENOMEM;
	n = lt_usual_places(r->config->host_root, places, LT_SOURCES_MAX);
	for (size_t i = 0; i < n && e == 0; i++)
		e = add(r, &places[i]);
	return e;
}

static bool wait_to_look_again(struct lt_runtimes *r)
{
	struct timespec until;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_AGAIN_S;
	pthread_mutex_lock(&r->lock);
	while (!r->stopping && pthread_cond_timedwait(&r->wake, &r->lock, &until) == 0)
		;
	go_on = !r->stopping;
	pthread_mutex_unlock(&r->lock);
	return go_on;
}

static void *find(void *arg)
{
	struct lt_runtimes *r = arg;

	while (wait_to_look_again(r))
		lt_ignore(add_usual(r)); /* no memory, no thread: in 30 s perhaps */
	return NULL;
}

/* ---- begin and end ---- */

static int start_finder(struct lt_runtimes *r)
{
	int e = add_usual(r);

	if (e < 0)
		return e;
	e = pthread_create(&r->finder, NULL, find, r);
	r->finder_runs = e == 0;
	return -e;
}

static void init_locks(struct lt_runtimes *r)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&r->tell, NULL);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
}

int lt_runtimes_start(const struct lt_runtimes_opts *opts, struct lt_runtimes **ret)
{
	lt_defer(lt_runtimes_stopp)
	struct lt_runtimes *r = lt_calloc(1, sizeof(*r));
	int e = 0;

	if (!r)
		return -ENOMEM;
	init_locks(r);
	r->opts = *opts;
	r->owner = (struct lt_source_owner){
		.arg = r, .found = on_found, .gone = on_gone, .state = on_state, .known = on_known};
	r->config = lt_calloc(1, sizeof(*r->config));
	if (!r->config)
		return -ENOMEM;
	*r->config = *opts->config;
	for (size_t i = 0; i < r->config->count && e == 0; i++)
		e = add(r, &r->config->places[i]);
	if (e == 0 && r->config->automatic)
		e = start_finder(r);
	if (e < 0)
		return e;
	*ret = lt_take(r);
	return 0;
}

struct lt_runtimes *lt_runtimes_stop(struct lt_runtimes *r)
{
	if (!r)
		return NULL;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	if (r->finder_runs)
		pthread_join(r->finder, NULL);
	/* All at once: each may need a while to leave its request. */
	for (size_t i = 0; i < atomic_load(&r->count); i++)
		lt_source_cancel(r->sources[i]);
	for (size_t i = 0; i < atomic_load(&r->count); i++)
		lt_source_join(r->sources[i]);
	for (size_t i = 0; i < atomic_load(&r->count); i++)
		lt_source_free(r->sources[i]);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->tell);
	lt_free(r->config);
	lt_free(r);
	return NULL;
}

void lt_runtimes_ask(struct lt_runtimes *r, const char *id)
{
	for (size_t i = 0; i < atomic_load(&r->count); i++)
		lt_source_ask(r->sources[i], id, false);
}

bool lt_runtimes_settled(struct lt_runtimes *r)
{
	for (size_t i = 0; i < atomic_load(&r->count); i++) {
		if (!lt_source_settled(r->sources[i]))
			return false;
	}
	return true;
}
