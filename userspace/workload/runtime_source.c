// SPDX-License-Identifier: Apache-2.0
/*
 * The worker has one task after the other: come up again, list, look up what is asked for, look up
 * what was listed. Whatever waits for a runtime does so on one of the source's two threads, never
 * with the lock held.
 */
#include "userspace/workload/runtime_source.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/workload/asks.h"
#include "userspace/workload/members.h"

#define SECOND_NS      1000000000ULL
#define POLL_NS	       (10 * SECOND_NS)
#define WATCHED_NS     (300 * SECOND_NS) /* news tell of changes: only to be sure */
#define SOON_NS	       (SECOND_NS / 4)	 /* what happened before the news began */
#define BACKOFF_NS     SECOND_NS
#define BACKOFF_MAX_NS (30 * SECOND_NS)
#define FRESH_NS       SECOND_NS
#define ON_DEMAND_NS   (600 * SECOND_NS) /* each list starts the daemon */
#define SAY_AGAIN_NS   (60 * SECOND_NS)

enum { STACK_BYTES = 512 << 10 };

struct lt_source {
	struct lt_place place;
	const struct lt_source_ops *ops;
	struct lt_source_owner owner;
	void *kept;
	int stop_fd;
	atomic_bool stop;
	pthread_t worker, watcher;
	bool worker_runs, watcher_runs;
	bool on_demand; /* its daemon runs only while it is spoken to: left asleep */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct lt_asks asks;
	struct lt_members *members;
	size_t unknown; /* members that are not looked up yet; or more: a hint */
	bool up, opened, watching, settled;
	uint64_t retry_ns, backoff_ns, list_ns;
	enum { SAID_NOTHING, SAID_UP, SAID_DOWN } said;
	uint64_t said_down_ns;

	/* The worker's own. */
	const char *looking; /* the container that it looks up, NULL: none */
	struct lt_container_draft draft;
};

static const struct lt_source_ops *const ops_of[] = {
	[LT_RUNTIME_DOCKER] = &lt_docker_ops,	[LT_RUNTIME_PODMAN] = &lt_podman_ops,
	[LT_RUNTIME_CRI] = &lt_cri_ops,		[LT_RUNTIME_CONTAINERD] = &lt_containerd_ops,
	[LT_RUNTIME_STORAGE] = &lt_storage_ops, [LT_RUNTIME_DOCKER_ROOT] = &lt_docker_root_ops,
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void unlockp(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

#define LOCKED(s)                                                                                  \
	lt_defer(unlockp)                                                                          \
	__attribute__((unused))                                                                    \
	pthread_mutex_t *locked_ = (pthread_mutex_lock(&(s)->lock), &(s)->lock)

static void wait_until(struct lt_source *s, uint64_t until_ns)
{
	struct timespec t = {.tv_sec = (time_t)(until_ns / SECOND_NS),
			     .tv_nsec = (long)(until_ns % SECOND_NS)};

	if (!atomic_load(&s->stop))
		pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

/* ---- told by the ops ---- */

const struct lt_place *lt_source_place(const struct lt_source *s)
{
	return &s->place;
}

void lt_source_links_done(struct lt_source_links *links)
{
	links->http = lt_http_free(links->http);
	links->news = lt_http_free(links->news);
}

int lt_source_links_new(const struct lt_source *s, bool http2, struct lt_source_links *ret,
			struct lt_problem *problem)
{
	const struct lt_http_opts opts = {.url = "http://localhost",
					  .unix_socket = lt_source_place(s)->path,
					  .http2 = http2,
					  .timeout_ms = LT_SOURCE_TIMEOUT_MS};
	struct lt_source_links links = {0};
	int r = lt_http_new(&opts, &links.http, problem);

	if (r == 0)
		r = lt_http_new(&opts, &links.news, problem);
	if (r < 0) {
		lt_source_links_done(&links);
		return r;
	}
	*ret = links;
	return 0;
}

void lt_source_keep(struct lt_source *s, void *kept)
{
	s->kept = kept;
}

void *lt_source_kept(const struct lt_source *s)
{
	return s->kept;
}

const atomic_bool *lt_source_stop(const struct lt_source *s)
{
	return &s->stop;
}

int lt_source_stop_fd(const struct lt_source *s)
{
	return s->stop_fd;
}

struct lt_container_draft *lt_source_draft(struct lt_source *s)
{
	lt_draft_reset(&s->draft);
	return &s->draft;
}

/* Whether the draft's facts are to be told, which are remembered as told. */
static bool is_news(struct lt_source *s)
{
	LOCKED(s);
	uint64_t hash = lt_draft_hash(&s->draft);
	struct lt_member *m = lt_members_add(s->members, s->draft.id);
	bool news = !m || !m->known || m->hash != hash ||
		    (s->looking && strcmp(s->looking, s->draft.id) == 0);

	if (m) {
		m->known = true;
		m->hash = hash;
		m->looked_ns = now_ns();
	}
	return news;
}

void lt_source_found(struct lt_source *s)
{
	struct lt_container_facts facts;

	/* A user's containers are in no pod of this node, whatever their labels say. */
	if (s->place.uid != 0)
		s->draft.pod_uid[0] = s->draft.pod[0] = s->draft.namespace[0] = '\0';
	if (!s->draft.id[0] || !is_news(s))
		return;
	facts = lt_draft_facts(&s->draft);
	s->owner.found(s->owner.arg, s, &facts);
}

void lt_source_listed(struct lt_source *s, const char *id)
{
	LOCKED(s);
	struct lt_member *m = lt_members_add(s->members, id);

	if (!m)
		return;
	m->looked_ns = now_ns();
	s->unknown += !m->known;
}

void lt_source_news(struct lt_source *s, const char *id, bool gone)
{
	bool was = false;

	if (!gone) {
		lt_source_ask(s, id, true);
		return;
	}
	{
		LOCKED(s);
		struct lt_member *m = lt_members_find(s->members, id);

		was = m && m->known;
		if (m)
			lt_members_remove(s->members, m);
	}
	if (was)
		s->owner.gone(s->owner.arg, s, id);
}

void lt_source_relist(struct lt_source *s)
{
	LOCKED(s);

	s->list_ns = 0;
	pthread_cond_broadcast(&s->wake);
}

/* ---- asked by the owner ---- */

void lt_source_ask(struct lt_source *s, const char *id, bool force)
{
	uint64_t now = now_ns();
	LOCKED(s);
	const struct lt_member *m = lt_members_find(s->members, id);

	/* Once it can be asked again all is listed anyway. */
	if ((!s->up && s->retry_ns > 0) ||
	    (!force && m && m->known && now - m->looked_ns < FRESH_NS))
		return;
	if (lt_asks_put(&s->asks, id, now, force))
		pthread_cond_broadcast(&s->wake);
	else if (s->asks.count == LT_ASKS_MAX)
		lt_counter_add(LT_C_RUNTIME_ASKS_DROPPED, 1);
}

bool lt_source_knows(struct lt_source *s, const char *id)
{
	LOCKED(s);
	const struct lt_member *m = lt_members_find(s->members, id);

	return m && m->known;
}

bool lt_source_settled(struct lt_source *s)
{
	LOCKED(s);

	return s->settled;
}

unsigned lt_source_rank(const struct lt_source *s)
{
	return s->ops->rank + (s->place.uid == 0 ? LT_SOURCE_RANK_ROOT : 0);
}

struct lt_runtime_source lt_source_about(const struct lt_source *s)
{
	return (struct lt_runtime_source){.type = s->place.type,
					  .path = s->place.path,
					  .uid = s->place.uid,
					  .automatic = s->place.automatic};
}

/* ---- the worker ---- */

/* The library's words for a socket speak of hosts and ports. */
static const char *describe(int error, const struct lt_problem *problem)
{
	switch (error) {
	case -ENOENT:
		return "it is not there";
	case -ECONNREFUSED:
		return "nobody listens there";
	case -EACCES:
		return "permission denied";
	case -ETIMEDOUT:
		return "it does not answer";
	default:
		return problem->text[0] ? problem->text : strerror(-error);
	}
}

static void went_down(struct lt_source *s, int error, const struct lt_problem *problem)
{
	uint64_t now = now_ns();
	bool say;

	{
		LOCKED(s);
		s->up = false;
		s->settled = true;
		s->backoff_ns = s->backoff_ns == 0 ? BACKOFF_NS : s->backoff_ns * 2;
		if (s->backoff_ns > BACKOFF_MAX_NS)
			s->backoff_ns = BACKOFF_MAX_NS;
		s->retry_ns = now + s->backoff_ns;
		lt_asks_clear(&s->asks);
		/* A usual place that is empty again is nothing to speak of. */
		say = error != -ECANCELED && !(s->place.automatic && error == -ENOENT) &&
		      s->said != SAID_DOWN &&
		      (s->said_down_ns == 0 || now - s->said_down_ns > SAY_AGAIN_NS);
		if (say) {
			s->said = SAID_DOWN;
			s->said_down_ns = now;
		}
	}
	if (say)
		s->owner.state(s->owner.arg, s, describe(error, problem));
}

static void came_up(struct lt_source *s)
{
	bool say;

	{
		LOCKED(s);
		/* What began while the list was on its way. */
		if (!s->up && !s->on_demand)
			s->list_ns = now_ns() + SOON_NS;
		say = s->said != SAID_UP;
		s->said = SAID_UP;
		s->up = true;
		s->backoff_ns = 0;
		pthread_cond_broadcast(&s->wake);
	}
	if (say)
		s->owner.state(s->owner.arg, s, NULL);
}

/* Those that were there before the list began, and are not in it. */
static bool take_missing(struct lt_source *s, uint64_t before_ns, char ret_id[LT_DRAFT_ID],
			 bool *ret_known)
{
	LOCKED(s);

	for (size_t i = 0; i < lt_members_count(s->members); i++) {
		struct lt_member *m = lt_members_at(s->members, i);

		if (m->looked_ns >= before_ns)
			continue;
		memcpy(ret_id, m->id, LT_DRAFT_ID);
		*ret_known = m->known;
		lt_members_remove(s->members, m);
		return true;
	}
	return false;
}

static uint64_t list_period_ns(const struct lt_source *s)
{
	if (s->on_demand)
		return ON_DEMAND_NS;
	return s->watching ? WATCHED_NS : POLL_NS;
}

static void list_all(struct lt_source *s)
{
	struct lt_problem problem = {0};
	uint64_t began_ns = now_ns();
	char id[LT_DRAFT_ID];
	bool known;
	int r;

	{
		LOCKED(s);
		/* What asks for another list meanwhile shall have it. */
		s->list_ns = began_ns + list_period_ns(s);
	}
	r = s->ops->list(s, &problem);
	if (r < 0) {
		went_down(s, r, &problem);
		return;
	}
	while (take_missing(s, began_ns, id, &known)) {
		if (known)
			s->owner.gone(s->owner.arg, s, id);
	}
	came_up(s);
}

/* The answer is wrong, or it has none for this container: it can be asked for others. */
static bool is_of_one(int error)
{
	return error == -ENXIO || error == -EPROTO || error == -EBADMSG || error == -EMSGSIZE ||
	       error == -EOPNOTSUPP || error == -ENOMEM;
}

static void not_found(struct lt_source *s, const struct lt_ask *ask)
{
	struct lt_member *m;
	LOCKED(s);

	if (lt_asks_retry(&s->asks, ask, now_ns()))
		return;
	m = lt_members_find(s->members, ask->id);
	if (m && !m->known)
		lt_members_remove(s->members, m);
}

static void look_up(struct lt_source *s, const struct lt_ask *ask)
{
	struct lt_problem problem = {0};
	int r;

	/* The first try is always made: two runtimes may share a container. */
	if (ask->tries > 0 && s->owner.known(s->owner.arg, s, ask->id))
		return;
	s->looking = ask->id;
	r = s->ops->look(s, ask->id, &problem);
	s->looking = NULL;
	if (r == 0)
		return;
	if (is_of_one(r))
		not_found(s, ask);
	else
		went_down(s, r, &problem);
}

/* The next of those that were listed and are not looked up yet. */
static bool take_unknown(struct lt_source *s, struct lt_ask *ret)
{
	for (size_t i = 0; s->unknown > 0 && i < lt_members_count(s->members); i++) {
		const struct lt_member *m = lt_members_at(s->members, i);

		if (m->known)
			continue;
		*ret = (struct lt_ask){.tries = 0};
		memcpy(ret->id, m->id, sizeof(ret->id));
		/* Not found: the retries are the queue's. */
		lt_members_remove(s->members, lt_members_at(s->members, i));
		return true;
	}
	s->unknown = 0;
	return false;
}

enum task { WAIT, OPEN, LIST, LOOK };

/* What to do next; sleeps when there is nothing. */
static enum task next_task(struct lt_source *s, struct lt_ask *ret_ask)
{
	LOCKED(s);
	uint64_t now = now_ns(), next;

	if (!s->up && now < s->retry_ns) {
		wait_until(s, s->retry_ns);
		return WAIT;
	}
	if (!s->up)
		return s->opened ? LIST : OPEN;
	if (lt_asks_take(&s->asks, now, ret_ask))
		return LOOK;
	if (now >= s->list_ns)
		return LIST;
	if (take_unknown(s, ret_ask))
		return LOOK;
	s->settled = s->settled || s->asks.count == 0;
	next = lt_asks_next_ns(&s->asks);
	wait_until(s, next < s->list_ns ? next : s->list_ns);
	return WAIT;
}

static void open_it(struct lt_source *s)
{
	struct lt_problem problem = {0};
	int r = s->ops->open(s, &problem);

	if (r < 0) {
		went_down(s, r, &problem);
		return;
	}
	{
		LOCKED(s);
		s->opened = true;
	}
	list_all(s);
}

static void *work(void *arg)
{
	struct lt_source *s = arg;
	struct lt_ask ask;

	while (!atomic_load(&s->stop)) {
		switch (next_task(s, &ask)) {
		case OPEN:
			open_it(s);
			break;
		case LIST:
			list_all(s);
			break;
		case LOOK:
			look_up(s, &ask);
			break;
		case WAIT:
			break;
		}
	}
	return NULL;
}

/* ---- the watcher ---- */

static bool wait_up(struct lt_source *s)
{
	LOCKED(s);

	while (!s->up && !atomic_load(&s->stop))
		wait_until(s, now_ns() + 60 * SECOND_NS);
	s->watching = true;
	s->list_ns = now_ns() + SOON_NS;
	pthread_cond_broadcast(&s->wake);
	return !atomic_load(&s->stop);
}

/* News have ended: from now on the list is asked for, until they begin again. */
static void rest(struct lt_source *s, uint64_t pause_ns)
{
	uint64_t until = now_ns() + pause_ns;
	LOCKED(s);

	s->watching = false;
	s->list_ns = 0;
	pthread_cond_broadcast(&s->wake);
	while (!atomic_load(&s->stop) && now_ns() < until)
		wait_until(s, until);
}

static void *watch(void *arg)
{
	struct lt_source *s = arg;
	uint64_t pause_ns = 0, began_ns;
	struct lt_problem problem;
	int r = 0;

	while (r != -EOPNOTSUPP && wait_up(s)) {
		began_ns = now_ns();
		problem = (struct lt_problem){0};
		r = s->ops->watch(s, &problem);
		if (r == -EOPNOTSUPP || now_ns() - began_ns > BACKOFF_MAX_NS)
			pause_ns = 0;
		rest(s, pause_ns);
		pause_ns = pause_ns == 0 ? BACKOFF_NS : pause_ns * 2;
		if (pause_ns > BACKOFF_MAX_NS)
			pause_ns = BACKOFF_MAX_NS;
	}
	return NULL;
}

/* ---- begin and end ---- */

static void init_lock(struct lt_source *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
}

static int start_thread(struct lt_source *s, pthread_t *thread, void *(*run)(void *))
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(thread, &attr, run, s);
	pthread_attr_destroy(&attr);
	return -r;
}

static int start_threads(struct lt_source *s)
{
	int r = start_thread(s, &s->worker, work);

	if (r < 0)
		return r;
	s->worker_runs = true;
	if (!s->ops->watch || s->on_demand)
		return 0;
	r = start_thread(s, &s->watcher, watch);
	s->watcher_runs = r == 0;
	return r;
}

static void source_freep(struct lt_source **s)
{
	*s = lt_source_free(*s);
}

int lt_source_start(const struct lt_place *place, const struct lt_source_owner *owner,
		    struct lt_source **ret)
{
	lt_defer(source_freep)
	struct lt_source *s = lt_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->place = *place;
	s->owner = *owner;
	s->ops = ops_of[place->type];
	s->on_demand = place->automatic && place->type == LT_RUNTIME_PODMAN;
	init_lock(s);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->stop_fd < 0)
		return -errno;
	r = lt_members_new(&s->members);
	if (r == 0)
		r = start_threads(s);
	if (r < 0)
		return r;
	*ret = lt_take(s);
	return 0;
}

void lt_source_cancel(struct lt_source *s)
{
	LOCKED(s);

	atomic_store(&s->stop, true);
	if (s->stop_fd >= 0)
		lt_ignore(eventfd_write(s->stop_fd, 1));
	pthread_cond_broadcast(&s->wake);
}

void lt_source_join(struct lt_source *s)
{
	if (s->worker_runs)
		pthread_join(s->worker, NULL);
	if (s->watcher_runs)
		pthread_join(s->watcher, NULL);
	s->worker_runs = s->watcher_runs = false;
}

struct lt_source *lt_source_free(struct lt_source *s)
{
	if (!s)
		return NULL;
	lt_source_cancel(s);
	lt_source_join(s);
	if (s->kept)
		s->ops->close(s->kept);
	lt_closep(&s->stop_fd);
	lt_members_free(s->members);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	lt_free(s);
	return NULL;
}
