// SPDX-License-Identifier: Apache-2.0
/*
 * Events tell what only the kernel knows in time (who started, where, from whom); /proc tells the
 * rest (the real executable, the environment) as long as the process lives. Events come by the
 * thousand, so /proc is read only for processes that somebody asks for, once after each exec: that
 * is "looked".
 *
 * Entries are chained by tgid alone, because /proc knows start times only to a clock tick: such an
 * entry is found within the slack, and takes over the exact time of whoever finds it.
 *
 * Where a process is: its cgroup of v2, or that of v1's memory controller when that one says more,
 * or what its ancestors say when neither does. Where it was is kept until its next exec: a call
 * that ends after a move is judged by where it began.
 */
#include "userspace/discover/process.h"

#include <dirent.h>
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/base/parse.h"
#include "userspace/discover/list.h"
#include "userspace/discover/names.h"
#include "userspace/discover/place.h"
#include "userspace/discover/process_env.h"
#include "userspace/discover/procfs.h"

enum {
	MAX_PROCESSES = 65536,
	MIN_PROCESSES = 64, /* so that a process and its ancestors never push each other out */
	ANCESTORS_MAX = 32, /* looked through for a container */
	SCAN_MAX = 4 << 20, /* the kernel's largest pid */
	STAYS_MAX = 8,	    /* former places that are remembered */
};

#define KEEP_ENDED_NS 60000000000ull

/* Where a process was before it moved. */
struct stay {
	uint64_t until_ns;
	uint64_t cgroup_id;
	struct lt_place *place;
};

struct stays {
	size_t count;
	struct stay stay[STAYS_MAX]; /* oldest first */
};

struct node {
	struct lt_process p; /* first: a process handed out is its node, or the table's view */
	struct node *chain;
	struct lt_list order; /* of those that live, most recently used first; or of the ended */
	uint64_t stack_start; /* of the program that runs; 0: not known */
	struct lt_place *in[LT_CGROUP_HIERARCHIES]; /* NULL: not known */
	struct stays *stays;			    /* NULL: it did not move */
	uint32_t seen;				    /* number of the scan that saw it last */
	bool exact;				    /* start_ns is the kernel's own */
	bool looked;				    /* what /proc says beyond the event was read */
	bool cut;				    /* the event could not carry the whole path */
	bool asked;				    /* the ancestors, all that there are */
};

struct lt_process_table {
	size_t max, count, buckets;
	uint64_t keep_ended_ns;
	char proc[256];
	char *env_names[LT_ENV_NAMES_MAX];
	size_t env_count;
	uint32_t scans;
	struct lt_list living; /* the most recently used first */
	struct lt_list ended;  /* the longest first */
	struct node **bucket;
	struct lt_names names;
	struct lt_places *places;
	struct lt_process view; /* of a process in the past */
};

static const struct lt_container nowhere;

static const char no_exe[] = "";

static struct node *of_order(struct lt_list *l)
{
	return LT_LIST_THING(l, struct node, order);
}

/* Where it is, with what ancestors say. NULL: not known. */
static struct lt_place *place_of(const struct node *n)
{
	const char *c = (const char *)n->p.container;

	return n->p.container == &nowhere
		       ? NULL
		       : (struct lt_place *)(uintptr_t)(c - offsetof(struct lt_place, container));
}

static struct node **bucket_of(struct lt_process_table *t, uint32_t tgid)
{
	return &t->bucket[(tgid * 2654435761u) & (t->buckets - 1)];
}

/* ---- what is shared ---- */

static void put_exe(struct lt_process_table *t, struct node *n)
{
	if (n->p.exe != no_exe)
		lt_name_put(&t->names, n->p.exe);
	n->p.exe = no_exe;
}

static void set_exe(struct lt_process_table *t, struct node *n, const char *exe)
{
	const char *name = exe[0] ? lt_name_take(&t->names, lt_bytes_str(exe)) : NULL;

	put_exe(t, n);
	n->p.exe = name ? name : no_exe;
}

/* Takes @env over. */
static void set_env(struct node *n, struct lt_env *env)
{
	struct lt_env *before = n->p.env;

	n->p.env = env;
	lt_env_put(before);
}

const char *lt_process_env(const struct lt_process *p, size_t i)
{
	return lt_env_value(p->env, i);
}

static void drop_stays(struct lt_process_table *t, struct node *n)
{
	for (size_t i = 0; n->stays && i < n->stays->count; i++)
		lt_place_put(t->places, n->stays->stay[i].place);
	lt_free(n->stays);
	n->stays = NULL;
}

/* ---- nodes ---- */

static void remove_node(struct lt_process_table *t, struct node *n)
{
	struct node **slot = bucket_of(t, n->p.tgid);

	while (*slot != n)
		slot = &(*slot)->chain;
	*slot = n->chain;
	lt_list_remove(&n->order);
	drop_stays(t, n);
	for (size_t i = 0; i < LT_CGROUP_HIERARCHIES; i++)
		lt_place_put(t->places, n->in[i]);
	lt_place_put(t->places, place_of(n));
	put_exe(t, n);
	set_env(n, NULL);
	t->count--;
	lt_free(n);
}

static void touch(struct lt_process_table *t, struct node *n)
{
	if (n->p.end_ns)
		return;
	lt_list_remove(&n->order);
	lt_list_prepend(&t->living, &n->order);
}

/* Those that ended go before those that live. */
static void forget_one(struct lt_process_table *t)
{
	remove_node(t, of_order(lt_list_is_empty(&t->ended) ? t->living.prev : t->ended.next));
	lt_counter_add(LT_C_PROCESSES_EVICTED, 1);
}

static struct node *add_node(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns)
{
	struct node *n, **slot = bucket_of(t, tgid);

	if (t->count >= t->max)
		forget_one(t);
	n = lt_calloc(1, sizeof(*n));
	if (!n) {
		lt_counter_add(LT_C_PROCESSES_EVICTED, 1);
		return NULL;
	}
	n->p.tgid = tgid;
	n->p.start_ns = start_ns;
	n->p.exe = no_exe;
	n->p.cgroup = "";
	n->p.container = &nowhere;
	n->chain = *slot;
	*slot = n;
	t->count++;
	lt_list_prepend(&t->living, &n->order);
	lt_counter_add(LT_C_PROCESSES, 1);
	return n;
}

static void node_ended(struct lt_process_table *t, struct node *n, uint64_t now_ns)
{
	n->p.end_ns = now_ns ? now_ns : 1;
	lt_list_remove(&n->order);
	lt_list_append(&t->ended, &n->order);
}

static bool starts_fit(uint64_t a, uint64_t b, bool exact)
{
	uint64_t apart = a > b ? a - b : b - a;

	return exact ? apart == 0 : apart <= LT_PROCFS_SLACK_NS;
}

/* @start_ns 0: the newest of that tgid. @exact: @start_ns is the kernel's own. */
static struct node *find_node(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns,
			      bool exact)
{
	struct node *best = NULL;

	for (struct node *n = *bucket_of(t, tgid); n; n = n->chain) {
		if (n->p.tgid != tgid)
			continue;
		if (start_ns && !starts_fit(n->p.start_ns, start_ns, exact && n->exact))
			continue;
		if (!best || n->p.start_ns > best->p.start_ns)
			best = n;
	}
	if (best && exact && start_ns) {
		best->p.start_ns = start_ns;
		best->exact = true;
	}
	return best;
}

/* The newest process of that tgid that was there when a child of it started at @start_ns. */
static struct node *find_before(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns)
{
	struct node *best = NULL;

	for (struct node *n = *bucket_of(t, tgid); n; n = n->chain) {
		if (n->p.tgid == tgid && n->p.start_ns <= start_ns + LT_PROCFS_SLACK_NS &&
		    (!best || n->p.start_ns > best->p.start_ns))
			best = n;
	}
	return best;
}

/* ---- places ---- */

static bool place_known(const struct node *n)
{
	return n->in[LT_CGROUP_V2] || n->in[LT_CGROUP_V1];
}

/* Takes @place over. */
static void set_place(struct lt_process_table *t, struct node *n, struct lt_place *place)
{
	struct lt_place *before = place_of(n);

	n->p.cgroup = place ? place->cgroup : "";
	n->p.container = place ? &place->container : &nowhere;
	lt_place_put(t->places, before);
}

/* The one that says more. */
static struct lt_place *best_place(const struct node *n)
{
	struct lt_place *v2 = n->in[LT_CGROUP_V2], *v1 = n->in[LT_CGROUP_V1];

	return !v2 || (v1 && lt_cgroup_v1_says_more(v1->cgroup, v2->cgroup)) ? v1 : v2;
}

/* Takes @place over; NULL: it is not known any more. */
static void enter(struct lt_process_table *t, struct node *n, enum lt_cgroup_hierarchy hierarchy,
		  struct lt_place *place)
{
	struct lt_place *before = n->in[hierarchy], *was = best_place(n);

	n->in[hierarchy] = place;
	/* In the same place as before what ancestors told, who may be gone by now, stays. */
	if (best_place(n) != was) {
		n->asked = false;
		set_place(t, n, lt_place_share(best_place(n)));
	}
	lt_place_put(t->places, before);
}

/* Names leaf first -> path. Returns false when some of it may not have fitted into the event. */
static bool join_names(const struct lt_event_exec *event, char ret[LT_CGROUP_PATH])
{
	size_t levels = 0, at = 0;
	bool whole;

	while (levels < LT_CGROUP_LEVELS && event->cgroup[levels][0])
		levels++;
	whole = levels < LT_CGROUP_LEVELS;
	ret[0] = '\0';
	for (size_t i = levels; i-- > 0;) {
		size_t n = strnlen(event->cgroup[i], LT_CGROUP_NAME_SIZE);

		if (n >= LT_CGROUP_NAME_SIZE - 1)
			whole = false;
		if (at + n + 2 > LT_CGROUP_PATH)
			return false;
		ret[at++] = '/';
		memcpy(ret + at, event->cgroup[i], n);
		at += n;
		ret[at] = '\0';
	}
	if (levels == 0)
		lt_bytes_copy(ret, LT_CGROUP_PATH, lt_bytes_str("/"));
	return whole;
}

/* ---- /proc ---- */

/* Seen from a cgroup namespace of our own a path may be relative to it: no name for others. */
static bool is_absolute(const char *path)
{
	return strncmp(path, "/..", 3) != 0;
}

/* What an event said is exact; what it left open is read. */
static void read_cgroup(struct lt_process_table *t, struct node *n, int fd)
{
	struct lt_cgroup_paths paths;

	if (lt_procfs_cgroup(fd, &paths) < 0)
		return;
	if (paths.v2[0] && (!n->in[LT_CGROUP_V2] || n->cut)) {
		enter(t, n, LT_CGROUP_V2, lt_place_take(t->places, paths.v2));
		if (is_absolute(paths.v2))
			lt_places_learn(t->places, LT_CGROUP_V2, n->p.cgroup_id,
					n->in[LT_CGROUP_V2]);
	}
	if (paths.v1[0] && (!n->in[LT_CGROUP_V1] || n->cut))
		enter(t, n, LT_CGROUP_V1, lt_place_take(t->places, paths.v1));
	n->cut = false;
}

static int open_same(struct lt_process_table *t, struct node *n, struct lt_procfs_stat *ret)
{
	lt_defer(lt_closep)
	int fd = lt_procfs_open(t->proc, n->p.tgid);
	int r;

	if (fd < 0)
		return fd;
	r = lt_procfs_stat(fd, ret);
	if (r < 0)
		return r;
	if (!starts_fit(ret->start_ns, n->p.start_ns, false))
		return -ESRCH; /* the pid is somebody else's now */
	r = fd;
	fd = -1;
	return r;
}

static void read_env(struct lt_process_table *t, struct node *n, int fd)
{
	char values[LT_ENV_NAMES_MAX][LT_ENV_VALUE];

	if (t->env_count > 0 &&
	    lt_procfs_environ(fd, (const char *const *)t->env_names, t->env_count, values) == 0)
		set_env(n, lt_env_make(values, t->env_count));
}

/* Reads once what only /proc knows. What cannot be read stays as the event said. */
static void look(struct lt_process_table *t, struct node *n)
{
	lt_defer(lt_closep)
	int fd = -1;
	struct lt_procfs_stat stat;
	char exe[LT_EXE_SIZE];

	if (n->looked)
		return;
	n->looked = true;
	fd = open_same(t, n, &stat);
	if (fd < 0)
		return;
	read_cgroup(t, n, fd);
	if (!n->p.parent_tgid)
		n->p.parent_tgid = stat.parent_tgid;
	/* Its next program runs already; the event about that is still on its way. */
	if (n->stack_start && stat.stack_start && n->stack_start != stat.stack_start)
		return;
	memcpy(n->p.comm, stat.comm, sizeof(n->p.comm));
	if (lt_procfs_exe(fd, exe) == 0)
		set_exe(t, n, exe);
	read_env(t, n, fd);
}

/* Adds the process that /proc shows under @tgid. NULL: none, or it started at another time. */
static struct node *load(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns)
{
	lt_defer(lt_closep)
	int fd = lt_procfs_open(t->proc, tgid);
	struct lt_procfs_stat stat;
	char exe[LT_EXE_SIZE];
	struct node *n;

	if (fd < 0 || lt_procfs_stat(fd, &stat) < 0 || stat.kernel_thread)
		return NULL;
	if (start_ns && !starts_fit(stat.start_ns, start_ns, false))
		return NULL;
	n = add_node(t, tgid, start_ns ? start_ns : stat.start_ns);
	if (!n)
		return NULL;
	n->exact = start_ns != 0;
	n->stack_start = stat.stack_start;
	n->p.parent_tgid = stat.parent_tgid;
	memcpy(n->p.comm, stat.comm, sizeof(n->p.comm));
	lt_ignore(lt_procfs_uid(fd, &n->p.uid));
	if (lt_procfs_exe(fd, exe) == 0)
		set_exe(t, n, exe);
	read_cgroup(t, n, fd);
	return n;
}

/* ---- ancestors ---- */

static struct node *parent_of(struct lt_process_table *t, const struct node *child, bool may_load)
{
	uint64_t before = child->p.start_ns + LT_PROCFS_SLACK_NS;
	struct node *n;

	if (!child->p.parent_tgid || child->p.parent_tgid == child->p.tgid)
		return NULL;
	n = find_before(t, child->p.parent_tgid, child->p.start_ns);
	if (n || !may_load || find_node(t, child->p.parent_tgid, 0, false))
		return n;
	n = load(t, child->p.parent_tgid, 0);
	return n && n->p.start_ns <= before ? n : NULL;
}

/*
 * Containers inside containers may sit in cgroups that tell nothing of the outer one
 * ("/docker/<id>" at the root, or just "/" in a private view): what the path leaves open comes from
 * the nearest ancestor that knows.
 */
static void ask_ancestors(struct lt_process_table *t, struct node *n, bool may_load)
{
	struct lt_container c = *n->p.container;
	bool want_all = !c.id[0] && !c.unit[0] && !c.pod_uid[0];
	bool want_pod = c.id[0] && !c.pod_uid[0];
	bool told = false;
	struct lt_place *place;
	struct node *a = n;

	if (n->asked)
		return;
	for (int i = 0; i < ANCESTORS_MAX && (want_all || want_pod); i++) {
		const struct lt_container *theirs;

		a = parent_of(t, a, may_load);
		if (!a)
			break;
		theirs = a->p.container;
		if (want_all && theirs->id[0]) {
			c = *theirs;
			told = true;
			want_all = false;
			want_pod = !c.pod_uid[0];
		} else if (want_pod && theirs->pod_uid[0]) {
			memcpy(c.pod_uid, theirs->pod_uid, sizeof(c.pod_uid));
			memcpy(c.qos, theirs->qos, sizeof(c.qos));
			c.pod_is_claim = theirs->pod_is_claim;
			told = true;
			want_pod = false;
		}
	}
	n->asked = may_load;
	place = told ? lt_place_take_within(t->places, n->p.cgroup, &c) : NULL;
	if (place)
		set_place(t, n, place);
}

/* ---- the past ---- */

/* Where it is now is where it was until @until_ns. */
static void remember_stay(struct lt_process_table *t, struct node *n, uint64_t until_ns)
{
	struct stays *s = n->stays;

	ask_ancestors(t, n, false);
	if (!place_of(n))
		return;
	if (!s)
		s = n->stays = lt_calloc(1, sizeof(*s));
	if (!s)
		return;
	if (s->count == STAYS_MAX) {
		lt_place_put(t->places, s->stay[0].place);
		memmove(s->stay, s->stay + 1, --s->count * sizeof(s->stay[0]));
	}
	s->stay[s->count++] = (struct stay){.until_ns = until_ns,
					    .cgroup_id = n->p.cgroup_id,
					    .place = lt_place_share(place_of(n))};
}

/* Where it was at @at_ns; NULL: where it is. A move is told of a moment after it happened: in that
 * moment the id knows better. */
static const struct stay *stay_at(const struct node *n, uint64_t at_ns, uint64_t cgroup_id)
{
	size_t count = at_ns && n->stays ? n->stays->count : 0;
	size_t i = 0;
	uint64_t next;

	while (i < count && at_ns >= n->stays->stay[i].until_ns)
		i++;
	if (i == count)
		return NULL;
	next = i + 1 < count ? n->stays->stay[i + 1].cgroup_id : n->p.cgroup_id;
	if (cgroup_id && cgroup_id != n->stays->stay[i].cgroup_id && cgroup_id == next)
		i++;
	return i < count ? &n->stays->stay[i] : NULL;
}

/* ---- events ---- */

/* Where an exec event says that the process is. */
static void place_of_exec(struct lt_process_table *t, struct node *n,
			  const struct lt_event_exec *event)
{
	enum lt_cgroup_hierarchy hierarchy = lt_cgroup_id_tells(event->cgroup_id) ? LT_CGROUP_V2
										  : LT_CGROUP_V1;
	bool stayed = n->p.cgroup_id == event->cgroup_id && n->in[hierarchy] && !n->cut;
	char path[LT_CGROUP_PATH];
	bool whole = join_names(event, path);
	struct lt_place *known = NULL;

	n->p.cgroup_id = event->cgroup_id;
	if (!whole && stayed)
		return;
	if (!whole && hierarchy == LT_CGROUP_V2)
		known = lt_places_of_id(t->places, LT_CGROUP_V2, event->cgroup_id);
	enter(t, n, hierarchy, known ? lt_place_share(known) : lt_place_take(t->places, path));
	n->cut = !whole && !known;
	if (whole && hierarchy == LT_CGROUP_V2)
		lt_places_learn(t->places, LT_CGROUP_V2, event->cgroup_id, n->in[hierarchy]);
}

void lt_process_exec(struct lt_process_table *t, const struct lt_event_exec *event)
{
	struct node *n = find_node(t, event->head.tgid, event->process_start_ns, true);
	char file[LT_EXE_SIZE];

	if (!n)
		n = add_node(t, event->head.tgid, event->process_start_ns);
	if (!n)
		return;
	n->exact = true;
	n->p.end_ns = 0; /* it came back: the end of its first thread is none */
	touch(t, n);
	n->p.parent_tgid = event->parent_tgid;
	n->p.uid = event->uid;
	lt_bytes_copy(n->p.comm, sizeof(n->p.comm),
		      lt_bytes(event->comm, strnlen(event->comm, sizeof(event->comm))));
	lt_bytes_copy(file, sizeof(file),
		      lt_bytes(event->file, strnlen(event->file, sizeof(event->file))));
	set_exe(t, n, file);
	set_env(n, NULL);
	n->looked = false;
	n->stack_start = event->stack_start;
	drop_stays(t, n); /* the old program's calls have ended with it */
	place_of_exec(t, n, event);
	ask_ancestors(t, n, false);
}

/* The same program with the same environment, until it execs. */
static void inherit(struct lt_process_table *t, struct node *n, const struct node *parent)
{
	memcpy(n->p.comm, parent->p.comm, sizeof(n->p.comm));
	if (parent->p.exe != no_exe)
		n->p.exe = lt_name_share(parent->p.exe);
	set_env(n, lt_env_share(parent->p.env));
	n->looked = parent->looked;
	n->stack_start = parent->stack_start;
	for (size_t i = 0; i < LT_CGROUP_HIERARCHIES; i++)
		n->in[i] = lt_place_share(parent->in[i]);
	n->cut = parent->cut;
	n->asked = parent->asked;
	set_place(t, n, lt_place_share(place_of(parent)));
}

void lt_process_fork(struct lt_process_table *t, const struct lt_event_fork *event)
{
	struct node *n = find_node(t, event->head.tgid, event->process_start_ns, true);
	struct node *parent;
	struct lt_place *born;

	if (n)
		return; /* read from /proc before the event came */
	n = add_node(t, event->head.tgid, event->process_start_ns);
	if (!n)
		return;
	n->exact = true;
	n->p.parent_tgid = event->parent_tgid;
	n->p.uid = event->uid;
	n->p.cgroup_id = event->cgroup_id;
	parent = parent_of(t, n, false);
	if (parent)
		inherit(t, n, parent);
	if (parent && place_known(parent) &&
	    (!parent->p.cgroup_id || parent->p.cgroup_id == event->cgroup_id))
		return;
	/* Born into another cgroup (clone3), or the parent was never seen. */
	born = lt_places_of_id(t->places, LT_CGROUP_V2, event->cgroup_id);
	enter(t, n, LT_CGROUP_V2, lt_place_share(born));
	n->cut = false;
	if (!born)
		n->looked = false;
}

void lt_process_exit(struct lt_process_table *t, const struct lt_event_exit *event)
{
	struct node *n = find_node(t, event->head.tgid, event->process_start_ns, true);

	if (n && !n->p.end_ns)
		node_ended(t, n, event->head.ts_ns);
}

static void entered(struct lt_process_table *t, const struct lt_event_cgroup *event,
		    enum lt_cgroup_hierarchy hierarchy, struct lt_place *place)
{
	struct node *n = find_node(t, event->head.tgid, event->process_start_ns, true);

	if (!n)
		return; /* whoever asks for it reads where it is then */
	if (n->in[hierarchy] != place) {
		remember_stay(t, n, event->head.ts_ns);
		enter(t, n, hierarchy, lt_place_share(place));
		n->cut = false;
	}
	if (hierarchy == LT_CGROUP_V2)
		n->p.cgroup_id = event->id;
	if (!place)
		n->looked = false;
}

void lt_process_cgroup(struct lt_process_table *t, const struct lt_event_cgroup *event)
{
	enum lt_cgroup_hierarchy hierarchy = event->hierarchy == LT_CGROUP_V1 ? LT_CGROUP_V1
									      : LT_CGROUP_V2;
	char path[LT_CGROUP_EVENT_PATH];
	struct lt_place *place;

	if (event->change == LT_CGROUP_GONE) {
		lt_places_gone(t->places, hierarchy, event->id, event->head.ts_ns);
		return;
	}
	lt_bytes_copy(path, sizeof(path),
		      lt_bytes(event->path, strnlen(event->path, sizeof(event->path))));
	place = path[0] == '/' ? lt_place_take(t->places, path)
			       : lt_place_share(lt_places_of_id(t->places, hierarchy, event->id));
	lt_places_learn(t->places, hierarchy, event->id, place);
	if (event->change == LT_CGROUP_ENTERED)
		entered(t, event, hierarchy, place);
	lt_place_put(t->places, place);
}

void lt_process_tick(struct lt_process_table *t, uint64_t now_ns)
{
	lt_places_tick(t->places, now_ns, t->keep_ended_ns);
	while (!lt_list_is_empty(&t->ended)) {
		struct node *n = of_order(t->ended.next);

		if (n->p.end_ns > now_ns || now_ns - n->p.end_ns < t->keep_ended_ns)
			return;
		remove_node(t, n);
	}
}

/* ---- questions ---- */

/* The call's cgroup is not the one that we have: learnt late, or the process was moved and no event
 * told of it. */
static void moved(struct lt_process_table *t, struct node *n, uint64_t cgroup_id, uint64_t at_ns)
{
	lt_defer(lt_closep)
	int fd = -1;
	bool was_known = n->p.cgroup_id != 0;
	struct lt_place *place = lt_places_of_id(t->places, LT_CGROUP_V2, cgroup_id);
	struct lt_procfs_stat stat;

	if (was_known && at_ns)
		remember_stay(t, n, at_ns);
	n->p.cgroup_id = cgroup_id;
	if (place) {
		enter(t, n, LT_CGROUP_V2, lt_place_share(place));
		n->cut = false;
		return;
	}
	if (!was_known && place_known(n)) {
		if (n->in[LT_CGROUP_V2] && is_absolute(n->in[LT_CGROUP_V2]->cgroup))
			lt_places_learn(t->places, LT_CGROUP_V2, cgroup_id, n->in[LT_CGROUP_V2]);
		return;
	}
	fd = open_same(t, n, &stat);
	if (fd < 0)
		return;
	enter(t, n, LT_CGROUP_V2, NULL);
	enter(t, n, LT_CGROUP_V1, NULL);
	read_cgroup(t, n, fd);
}

/* A process that is gone and was never seen: its cgroup, if an event taught us. */
static struct node *from_cgroup(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns,
				uint64_t cgroup_id)
{
	struct lt_place *place = lt_places_of_id(t->places, LT_CGROUP_V2, cgroup_id);
	struct node *n = place ? add_node(t, tgid, start_ns) : NULL;

	if (!n)
		return NULL;
	n->exact = start_ns != 0;
	n->looked = true;
	n->p.cgroup_id = cgroup_id;
	enter(t, n, LT_CGROUP_V2, lt_place_share(place));
	node_ended(t, n, lt_clock_boot_ns());
	return n;
}

static struct node *find_or_make(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns,
				 uint64_t cgroup_id)
{
	struct node *n = tgid ? find_node(t, tgid, start_ns, true) : NULL;

	if (!n && tgid)
		n = load(t, tgid, start_ns);
	if (!n && tgid)
		n = from_cgroup(t, tgid, start_ns, cgroup_id);
	return n;
}

const struct lt_process *lt_process_find_at(struct lt_process_table *t, uint32_t tgid,
					    uint64_t start_ns, uint64_t cgroup_id, uint64_t at_ns)
{
	struct node *n = find_or_make(t, tgid, start_ns, cgroup_id);
	const struct stay *then;

	if (!n)
		return NULL;
	touch(t, n);
	look(t, n);
	then = stay_at(n, at_ns, cgroup_id);
	if (!then && cgroup_id && cgroup_id != n->p.cgroup_id)
		moved(t, n, cgroup_id, at_ns);
	ask_ancestors(t, n, true);
	if (!then)
		return &n->p;
	t->view = n->p;
	t->view.cgroup_id = then->cgroup_id;
	t->view.cgroup = then->place->cgroup;
	t->view.container = &then->place->container;
	return &t->view;
}

const struct lt_process *lt_process_find(struct lt_process_table *t, uint32_t tgid,
					 uint64_t start_ns, uint64_t cgroup_id)
{
	return lt_process_find_at(t, tgid, start_ns, cgroup_id, 0);
}

void lt_process_environ(struct lt_process_table *t, const struct lt_event_environ *event)
{
	char values[LT_ENV_NAMES_MAX][LT_ENV_VALUE];
	const struct lt_event_conn *c = &event->conn;
	struct node *n;

	if (t->env_count == 0 || event->len > sizeof(event->text) ||
	    !lt_process_find(t, c->head.tgid, c->process_start_ns, c->cgroup_id))
		return;
	n = find_node(t, c->head.tgid, c->process_start_ns, true);
	if (!n)
		return;
	lt_environ_take(event->text, event->len, (const char *const *)t->env_names, t->env_count,
			values);
	/* /proc says more (the whole environment), when it could still be read. */
	for (size_t i = 0; i < t->env_count; i++) {
		if (lt_process_env(&n->p, i)[0])
			lt_bytes_copy(values[i], LT_ENV_VALUE,
				      lt_bytes_str(lt_process_env(&n->p, i)));
	}
	set_env(n, lt_env_make(values, t->env_count));
}

size_t lt_process_parents(struct lt_process_table *t, const struct lt_process *p,
			  const struct lt_process *ret[LT_PARENTS_MAX])
{
	struct node *n = find_node(t, p->tgid, p->start_ns, false);
	size_t count = 0;

	while (n && count < LT_PARENTS_MAX) {
		n = parent_of(t, n, true);
		if (!n)
			break;
		touch(t, n);
		ret[count++] = &n->p;
	}
	return count;
}

/* ---- the table ---- */

static void scan_one(struct lt_process_table *t, uint32_t tgid)
{
	lt_defer(lt_closep)
	int fd = lt_procfs_open(t->proc, tgid);
	struct lt_procfs_stat stat;
	struct node *n;

	if (fd < 0 || lt_procfs_stat(fd, &stat) < 0)
		return;
	n = find_node(t, tgid, stat.start_ns, false);
	if (!n)
		n = load(t, tgid, 0);
	if (n)
		n->seen = t->scans;
}

/* Exit events can be lost: what the scan did not meet is gone. */
static void end_unseen(struct lt_process_table *t)
{
	for (struct lt_list *l = t->living.next, *next; l != &t->living; l = next) {
		struct node *n = of_order(l);

		next = l->next;
		if (n->seen != t->scans)
			node_ended(t, n, lt_clock_boot_ns());
	}
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int lt_process_table_scan(struct lt_process_table *t)
{
	lt_defer(closedirp)
	DIR *dir = opendir(t->proc);
	int count = 0;

	if (!dir)
		return -errno;
	t->scans++;
	for (int i = 0; i < SCAN_MAX; i++) {
		struct dirent *entry = readdir(dir);
		uint64_t tgid;

		if (!entry)
			break;
		if (lt_parse_u64(lt_bytes_str(entry->d_name), &tgid) < 0 || tgid == 0 ||
		    tgid > UINT32_MAX)
			continue;
		scan_one(t, (uint32_t)tgid);
		count++;
	}
	end_unseen(t);
	return count;
}

/* ---- the environment's names ---- */

/* The values of the names that were there before, in their new places. */
static void move_values(struct lt_process_table *t, struct node *n, char *const *names,
			size_t count)
{
	char values[LT_ENV_NAMES_MAX][LT_ENV_VALUE] = {{0}};

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < t->env_count; k++) {
			if (strcmp(names[i], t->env_names[k]) == 0)
				lt_bytes_copy(values[i], sizeof(values[i]),
					      lt_bytes_str(lt_process_env(&n->p, k)));
		}
	}
	set_env(n, lt_env_make(values, count));
	n->looked = false;
}

int lt_process_table_env(struct lt_process_table *t, const char *const *names, size_t count)
{
	char *copies[LT_ENV_NAMES_MAX] = {NULL};
	int r = lt_env_names_copy(names, count, copies);

	if (r < 0)
		return r;
	for (size_t i = 0; i < t->buckets; i++) {
		for (struct node *n = t->bucket[i]; n; n = n->chain)
			move_values(t, n, copies, count);
	}
	lt_env_names_drop(t->env_names, t->env_count);
	memcpy(t->env_names, copies, sizeof(copies));
	t->env_count = count;
	return 0;
}

int lt_process_table_new(const struct lt_process_opts *opts, struct lt_process_table **ret)
{
	lt_defer(lt_process_table_freep)
	struct lt_process_table *t = lt_calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	lt_list_init(&t->living);
	lt_list_init(&t->ended);
	t->max = opts->max_processes ? opts->max_processes : MAX_PROCESSES;
	if (t->max < MIN_PROCESSES)
		t->max = MIN_PROCESSES;
	t->keep_ended_ns = opts->keep_ended_ns ? opts->keep_ended_ns : KEEP_ENDED_NS;
	if (!lt_bytes_copy(t->proc, sizeof(t->proc),
			   lt_bytes_str(opts->proc ? opts->proc : "/proc")))
		return -EINVAL;
	for (t->buckets = MIN_PROCESSES; t->buckets < t->max; t->buckets *= 2)
		;
	t->bucket = lt_calloc(t->buckets, sizeof(struct node *));
	if (!t->bucket || lt_names_init(&t->names) < 0)
		return -ENOMEM;
	r = lt_places_new(opts->container, opts->arg, &t->places);
	if (r == 0)
		r = lt_env_names_copy(opts->env_names, opts->env_count, t->env_names);
	if (r < 0)
		return r;
	t->env_count = opts->env_count;
	*ret = lt_take(t);
	return 0;
}

struct lt_process_table *lt_process_table_free(struct lt_process_table *t)
{
	if (!t)
		return NULL;
	while (t->count > 0)
		remove_node(
			t, of_order(lt_list_is_empty(&t->living) ? t->ended.next : t->living.next));
	lt_env_names_drop(t->env_names, t->env_count);
	lt_free(t->bucket);
	lt_places_free(t->places);
	lt_names_done(&t->names);
	lt_free(t);
	return NULL;
}
