// SPDX-License-Identifier: Apache-2.0
/*
 * Events tell what only the kernel knows in time (who started, where, from whom); /proc tells the
 * rest (the real executable, the environment) as long as the process lives. Events come by the
 * thousand, so /proc is read only for processes that somebody asks for, once after each exec: that
 * is "looked".
 *
 * Entries are chained by tgid alone, because /proc knows start times only to a clock tick: such an
 * entry is found within the slack, and takes over the exact time of whoever finds it.
 */
#include "userspace/discover/process.h"

#include <dirent.h>
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/base/parse.h"
#include "userspace/discover/procfs.h"

enum {
	MAX_PROCESSES = 32768,
	MIN_PROCESSES = 64,  /* so that a process and its ancestors never push each other out */
	CGROUP_SLOTS = 1024, /* power of two; a clash forgets the older path */
	ANCESTORS_MAX = 32,  /* looked through for a container */
	SCAN_MAX = 4 << 20,  /* the kernel's largest pid */
};

#define KEEP_ENDED_NS 60000000000ull

struct link {
	struct link *prev, *next;
};

struct node {
	struct lt_process p; /* first: a process handed out is its node */
	struct node *chain;
	struct link recent; /* of all, most recently used first */
	struct link ended;  /* of those that ended, in that order */
	uint32_t seen;	    /* number of the scan that saw it last */
	bool exact;	    /* start_ns is the kernel's own */
	bool looked;	    /* what /proc says beyond the event was read */
	bool cgroup_cut;    /* the event could not carry the whole path */
	bool cgroup_known;
};

struct cgroup_path {
	uint64_t id;
	char path[LT_CGROUP_PATH];
};

struct lt_process_table {
	size_t max, count, buckets;
	uint64_t keep_ended_ns;
	char proc[256];
	char *env_names[LT_ENV_NAMES_MAX];
	size_t env_count;
	uint32_t scans;
	struct link recent, ended;
	struct node **bucket;
	struct cgroup_path *cgroups;
};

static struct node *of_recent(struct link *l)
{
	return (struct node *)((char *)l - offsetof(struct node, recent));
}

static struct node *of_ended(struct link *l)
{
	return (struct node *)((char *)l - offsetof(struct node, ended));
}

static void link_after(struct link *at, struct link *l)
{
	l->prev = at;
	l->next = at->next;
	at->next->prev = l;
	at->next = l;
}

/* A link that is in no list is fine. */
static void unlink_it(struct link *l)
{
	if (!l->next)
		return;
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->prev = l->next = NULL;
}

static struct node **bucket_of(struct lt_process_table *t, uint32_t tgid)
{
	return &t->bucket[(tgid * 2654435761u) & (t->buckets - 1)];
}

static void remove_node(struct lt_process_table *t, struct node *n)
{
	struct node **slot = bucket_of(t, n->p.tgid);

	while (*slot != n)
		slot = &(*slot)->chain;
	*slot = n->chain;
	unlink_it(&n->recent);
	unlink_it(&n->ended);
	t->count--;
	lt_free(n);
}

static void touch(struct lt_process_table *t, struct node *n)
{
	unlink_it(&n->recent);
	link_after(&t->recent, &n->recent);
}

static struct node *add_node(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns)
{
	struct node *n, **slot = bucket_of(t, tgid);

	if (t->count >= t->max) {
		remove_node(t, of_recent(t->recent.prev));
		lt_counter_add(LT_C_PROCESSES_EVICTED, 1);
	}
	n = lt_calloc(1, sizeof(*n));
	if (!n) {
		lt_counter_add(LT_C_PROCESSES_EVICTED, 1);
		return NULL;
	}
	n->p.tgid = tgid;
	n->p.start_ns = start_ns;
	n->chain = *slot;
	*slot = n;
	t->count++;
	link_after(&t->recent, &n->recent);
	lt_counter_add(LT_C_PROCESSES, 1);
	return n;
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

/* ---- cgroup ids ---- */

static struct cgroup_path *cgroup_slot(struct lt_process_table *t, uint64_t id)
{
	return &t->cgroups[(id * 0x9e3779b97f4a7c15ull >> 32) & (CGROUP_SLOTS - 1)];
}

/* On hosts with v1 hierarchies every process may sit in v2's root: that id says nothing. */
static bool telling_id(uint64_t id)
{
	return id != 0 && (uint32_t)id != 1;
}

static void learn_cgroup(struct lt_process_table *t, uint64_t id, const char *path)
{
	struct cgroup_path *slot = cgroup_slot(t, id);

	if (!telling_id(id) || !path[0])
		return;
	slot->id = id;
	lt_bytes_copy(slot->path, sizeof(slot->path), lt_bytes_str(path));
}

static const char *cgroup_of_id(struct lt_process_table *t, uint64_t id)
{
	const struct cgroup_path *slot = cgroup_slot(t, id);

	return telling_id(id) && slot->id == id ? slot->path : NULL;
}

static void set_cgroup(struct node *n, const char *path)
{
	if (path != n->p.cgroup)
		lt_bytes_copy(n->p.cgroup, sizeof(n->p.cgroup), lt_bytes_str(path));
	lt_container_parse(n->p.cgroup, &n->p.container);
	n->cgroup_known = true;
	n->cgroup_cut = false;
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

static void read_cgroup(struct lt_process_table *t, struct node *n, int fd)
{
	char path[LT_CGROUP_PATH];
	struct lt_container c;
	bool v2;

	if (lt_procfs_cgroup(fd, path, &v2) < 0)
		return;
	lt_container_parse(path, &c);
	/* The event's path is absolute, ours may be relative to our namespace: it must have more to
	 * say. */
	if (n->cgroup_known && !n->cgroup_cut && (!c.id[0] || strcmp(c.id, n->p.container.id) == 0))
		return;
	if (n->cgroup_cut && n->p.container.id[0] && !c.id[0])
		return;
	set_cgroup(n, path);
	if (v2 && strncmp(path, "/..", 3) != 0)
		learn_cgroup(t, n->p.cgroup_id, path);
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

/* Reads once what only /proc knows. What cannot be read stays as the event said. */
static void look(struct lt_process_table *t, struct node *n)
{
	lt_defer(lt_closep)
	int fd = -1;
	struct lt_procfs_stat stat;

	if (n->looked)
		return;
	n->looked = true;
	fd = open_same(t, n, &stat);
	if (fd < 0)
		return;
	memcpy(n->p.comm, stat.comm, sizeof(n->p.comm));
	if (!n->p.parent_tgid)
		n->p.parent_tgid = stat.parent_tgid;
	lt_ignore(lt_procfs_exe(fd, n->p.exe));
	if (t->env_count > 0)
		lt_ignore(lt_procfs_environ(fd, (const char *const *)t->env_names, t->env_count,
					    n->p.env));
	read_cgroup(t, n, fd);
}

/* Adds the process that /proc shows under @tgid. NULL: none, or it started at another time. */
static struct node *load(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns)
{
	lt_defer(lt_closep)
	int fd = lt_procfs_open(t->proc, tgid);
	struct lt_procfs_stat stat;
	struct node *n;

	if (fd < 0 || lt_procfs_stat(fd, &stat) < 0 || stat.kernel_thread)
		return NULL;
	if (start_ns && !starts_fit(stat.start_ns, start_ns, false))
		return NULL;
	n = add_node(t, tgid, start_ns ? start_ns : stat.start_ns);
	if (!n)
		return NULL;
	n->exact = start_ns != 0;
	n->p.parent_tgid = stat.parent_tgid;
	memcpy(n->p.comm, stat.comm, sizeof(n->p.comm));
	lt_ignore(lt_procfs_uid(fd, &n->p.uid));
	lt_ignore(lt_procfs_exe(fd, n->p.exe));
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
	struct lt_container *c = &n->p.container;
	bool want_all = !c->id[0] && !c->unit[0] && !c->pod_uid[0];
	bool want_pod = c->id[0] && !c->pod_uid[0];
	struct node *a = n;

	for (int i = 0; i < ANCESTORS_MAX && (want_all || want_pod); i++) {
		a = parent_of(t, a, may_load);
		if (!a)
			return;
		if (want_all && a->p.container.id[0]) {
			*c = a->p.container;
			want_all = false;
			want_pod = !c->pod_uid[0];
		} else if (want_pod && a->p.container.pod_uid[0]) {
			memcpy(c->pod_uid, a->p.container.pod_uid, sizeof(c->pod_uid));
			memcpy(c->qos, a->p.container.qos, sizeof(c->qos));
			return;
		}
	}
}

/* ---- events ---- */

static void came_back(struct node *n)
{
	n->p.end_ns = 0;
	unlink_it(&n->ended);
}

void lt_process_exec(struct lt_process_table *t, const struct lt_event_exec *event)
{
	struct node *n = find_node(t, event->head.tgid, event->process_start_ns, true);
	char path[LT_CGROUP_PATH];
	const char *known, *path_now;
	bool whole;

	if (!n)
		n = add_node(t, event->head.tgid, event->process_start_ns);
	if (!n)
		return;
	n->exact = true;
	came_back(n);
	touch(t, n);
	n->p.parent_tgid = event->parent_tgid;
	n->p.uid = event->uid;
	n->p.cgroup_id = event->cgroup_id;
	lt_bytes_copy(n->p.comm, sizeof(n->p.comm),
		      lt_bytes(event->comm, strnlen(event->comm, sizeof(event->comm))));
	lt_bytes_copy(n->p.exe, sizeof(n->p.exe),
		      lt_bytes(event->file, strnlen(event->file, sizeof(event->file))));
	memset(n->p.env, 0, sizeof(n->p.env));
	n->looked = false;

	whole = join_names(event, path);
	known = whole ? NULL : cgroup_of_id(t, event->cgroup_id);
	path_now = known ? known : path;
	/* In the same place: what ancestors told, who may be gone by now, stays. */
	if (!n->cgroup_known || strcmp(n->p.cgroup, path_now) != 0)
		set_cgroup(n, path_now);
	n->cgroup_cut = !whole && !known;
	if (whole)
		learn_cgroup(t, event->cgroup_id, path);
	ask_ancestors(t, n, false);
}

void lt_process_fork(struct lt_process_table *t, const struct lt_event_fork *event)
{
	struct node *n = find_node(t, event->head.tgid, event->process_start_ns, true);
	struct node *parent;
	const char *path;

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
	if (parent) {
		/* The same program with the same environment, until it execs. */
		memcpy(n->p.comm, parent->p.comm, sizeof(n->p.comm));
		memcpy(n->p.exe, parent->p.exe, sizeof(n->p.exe));
		memcpy(n->p.env, parent->p.env, sizeof(n->p.env));
		n->looked = parent->looked;
	}
	if (parent && parent->cgroup_known &&
	    (!parent->p.cgroup_id || parent->p.cgroup_id == event->cgroup_id)) {
		memcpy(n->p.cgroup, parent->p.cgroup, sizeof(n->p.cgroup));
		n->p.container = parent->p.container;
		n->cgroup_known = true;
		n->cgroup_cut = parent->cgroup_cut;
		return;
	}
	/* Born into another cgroup (clone3), or the parent was never seen. */
	path = cgroup_of_id(t, event->cgroup_id);
	if (path)
		set_cgroup(n, path);
	else
		n->looked = false;
}

void lt_process_exit(struct lt_process_table *t, const struct lt_event_exit *event)
{
	struct node *n = find_node(t, event->head.tgid, event->process_start_ns, true);

	if (!n || n->p.end_ns)
		return;
	n->p.end_ns = event->head.ts_ns ? event->head.ts_ns : 1;
	link_after(t->ended.prev, &n->ended);
}

void lt_process_tick(struct lt_process_table *t, uint64_t now_ns)
{
	while (t->ended.next != &t->ended) {
		struct node *n = of_ended(t->ended.next);

		if (n->p.end_ns > now_ns || now_ns - n->p.end_ns < t->keep_ended_ns)
			return;
		remove_node(t, n);
	}
}

/* ---- questions ---- */

/* The call's cgroup is not the one that we have: learnt late, or the process was moved. */
static void moved(struct lt_process_table *t, struct node *n, uint64_t cgroup_id)
{
	lt_defer(lt_closep)
	int fd = -1;
	bool was_known = n->p.cgroup_id != 0;
	const char *path = cgroup_of_id(t, cgroup_id);
	struct lt_procfs_stat stat;

	n->p.cgroup_id = cgroup_id;
	if (path) {
		set_cgroup(n, path);
		return;
	}
	if (!was_known && n->cgroup_known)
		return;
	fd = open_same(t, n, &stat);
	if (fd < 0)
		return;
	n->cgroup_known = false;
	read_cgroup(t, n, fd);
}

/* A process that is gone and was never seen: its cgroup, if another process taught us. */
static struct node *from_cgroup(struct lt_process_table *t, uint32_t tgid, uint64_t start_ns,
				uint64_t cgroup_id)
{
	const char *path = cgroup_of_id(t, cgroup_id);
	struct node *n = path ? add_node(t, tgid, start_ns) : NULL;

	if (!n)
		return NULL;
	n->exact = start_ns != 0;
	n->looked = true;
	n->p.cgroup_id = cgroup_id;
	set_cgroup(n, path);
	n->p.end_ns = lt_clock_boot_ns();
	link_after(t->ended.prev, &n->ended);
	return n;
}

const struct lt_process *lt_process_find(struct lt_process_table *t, uint32_t tgid,
					 uint64_t start_ns, uint64_t cgroup_id)
{
	struct node *n = tgid ? find_node(t, tgid, start_ns, true) : NULL;

	if (!tgid)
		return NULL;
	if (!n)
		n = load(t, tgid, start_ns);
	if (!n)
		n = from_cgroup(t, tgid, start_ns, cgroup_id);
	if (!n)
		return NULL;
	touch(t, n);
	look(t, n);
	if (cgroup_id && cgroup_id != n->p.cgroup_id)
		moved(t, n, cgroup_id);
	ask_ancestors(t, n, true);
	return &n->p;
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
	lt_environ_take(event->text, event->len, (const char *const *)t->env_names, t->env_count,
			values);
	/* /proc says more (the whole environment), when it could still be read. */
	for (size_t i = 0; n && i < t->env_count; i++) {
		if (!n->p.env[i][0])
			memcpy(n->p.env[i], values[i], sizeof(values[i]));
	}
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
	for (struct link *l = t->recent.next; l != &t->recent; l = l->next) {
		struct node *n = of_recent(l);

		if (n->seen == t->scans || n->p.end_ns)
			continue;
		n->p.end_ns = lt_clock_boot_ns();
		link_after(t->ended.prev, &n->ended);
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

static void drop_names(char *names[LT_ENV_NAMES_MAX], size_t count)
{
	for (size_t i = 0; i < count; i++)
		lt_free(names[i]);
}

static int copy_names(const char *const *names, size_t count, char *ret[LT_ENV_NAMES_MAX])
{
	if (count > LT_ENV_NAMES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		ret[i] = lt_strdup(names[i]);
		if (!ret[i]) {
			drop_names(ret, i);
			return -ENOMEM;
		}
	}
	return 0;
}

/* The values of the names that were there before, in their new places. */
static void move_values(struct lt_process_table *t, struct node *n, char *const *names,
			size_t count)
{
	char before[LT_ENV_NAMES_MAX][LT_ENV_VALUE];

	memcpy(before, n->p.env, sizeof(before));
	memset(n->p.env, 0, sizeof(n->p.env));
	n->looked = false;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < t->env_count; k++) {
			if (strcmp(names[i], t->env_names[k]) == 0)
				memcpy(n->p.env[i], before[k], sizeof(before[k]));
		}
	}
}

int lt_process_table_env(struct lt_process_table *t, const char *const *names, size_t count)
{
	char *copies[LT_ENV_NAMES_MAX] = {NULL};
	int r = copy_names(names, count, copies);

	if (r < 0)
		return r;
	for (struct link *l = t->recent.next; l != &t->recent; l = l->next)
		move_values(t, of_recent(l), copies, count);
	drop_names(t->env_names, t->env_count);
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
	t->recent.prev = t->recent.next = &t->recent;
	t->ended.prev = t->ended.next = &t->ended;
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
	t->cgroups = lt_calloc(CGROUP_SLOTS, sizeof(struct cgroup_path));
	if (!t->bucket || !t->cgroups)
		return -ENOMEM;
	r = copy_names(opts->env_names, opts->env_count, t->env_names);
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
	while (t->recent.next != &t->recent)
		remove_node(t, of_recent(t->recent.next));
	drop_names(t->env_names, t->env_count);
	lt_free(t->bucket);
	lt_free(t->cgroups);
	lt_free(t);
	return NULL;
}
