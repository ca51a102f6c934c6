// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/workload.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/facts.h"

#define KEEP_GONE_NS 600000000000ull

enum {
	ENTRIES_DEFAULT = 16384,
	ENTRIES_MAX = 1 << 20,
	/* Gone, from the next tick on: whoever said so had no clock. */
	GONE_FROM_NEXT_TICK = 1,
};

/* The texts of facts, by number. */
enum { C_ID, C_NAME, C_IMAGE, C_DIGEST, C_POD_UID, C_POD, C_NAMESPACE };
enum { P_UID, P_CGROUP_UID, P_NAME, P_NAMESPACE, P_NODE, P_ACCOUNT, P_OWNER_KIND, P_OWNER_NAME };

/* A node of a doubly linked ring; the head of a list is one, too. */
struct link {
	struct link *prev, *next;
};

/* A workload and what its pointers point into. */
struct joined {
	struct lt_workload workload; /* first: found by its address */
	atomic_uint refs;
	struct lt_facts *facts[3];
};

/* Ways to a pod: by its uid, and by that of its cgroup. */
struct pod_key {
	struct pod_key *next; /* of the same bucket */
	struct pod *pod;
	const char *uid;
	uint64_t hash;
};

struct pod {
	struct link lru;
	struct pod_key keys[2];
	struct lt_facts *facts;
	struct link containers;
	struct joined *joined; /* of the pod alone; NULL: to be made */
	uint64_t gone_ns;      /* 0: it is there */
};

struct container {
	struct link lru, of_pod;
	struct container *next; /* of the same bucket */
	struct pod *pod;	/* NULL: none, or not known yet */
	struct lt_facts *by_runtime, *by_pod;
	struct joined *joined; /* NULL: to be made */
	uint64_t gone_ns, hash;
	uint32_t user; /* who told by_runtime */
	char id[];
};

struct lt_workloads {
	pthread_mutex_t lock; /* of all that follows */
	struct lt_workloads_opts opts;
	size_t mask; /* of the tables */
	struct container **containers;
	struct pod_key **pods;
	struct link container_lru, pod_lru; /* the longest unused first */
	size_t container_count, pod_count;
	_Atomic uint64_t version;
};

#define of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void ring_init(struct link *head)
{
	head->prev = head->next = head;
}

static void ring_remove(struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	ring_init(link);
}

static void ring_append(struct link *head, struct link *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static void touch(struct link *head, struct link *link)
{
	ring_remove(link);
	ring_append(head, link);
}

static uint64_t hash_of(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3;
	return h ^ h >> 32;
}

static void free_joined(struct joined *joined)
{
	if (!joined || atomic_fetch_sub_explicit(&joined->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < LT_COUNT(joined->facts); i++)
		lt_facts_free(joined->facts[i]);
	lt_free(joined);
}

static void forget_joined(struct joined **joined)
{
	free_joined(*joined);
	*joined = NULL;
}

/* ---- entries --------------------------------------------------------------------------------- */

static void unlink_pod(struct container *c)
{
	ring_remove(&c->of_pod);
	c->pod = NULL;
	forget_joined(&c->joined);
}

static void remove_container(struct lt_workloads *w, struct container *c)
{
	struct container **at = &w->containers[c->hash & w->mask];

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	unlink_pod(c);
	ring_remove(&c->lru);
	lt_facts_free(c->by_runtime);
	lt_facts_free(c->by_pod);
	lt_free(c);
	w->container_count--;
}

static void remove_key(struct lt_workloads *w, struct pod_key *key)
{
	struct pod_key **at = &w->pods[key->hash & w->mask];

	if (!key->uid)
		return;
	while (*at != key)
		at = &(*at)->next;
	*at = key->next;
	key->uid = NULL;
}

/* And its containers, but those that their runtime knows. */
static void remove_pod(struct lt_workloads *w, struct pod *pod)
{
	while (pod->containers.next != &pod->containers) {
		struct container *c = of(pod->containers.next, struct container, of_pod);

		if (c->by_runtime)
			unlink_pod(c);
		else
			remove_container(w, c);
	}
	for (size_t i = 0; i < LT_COUNT(pod->keys); i++)
		remove_key(w, &pod->keys[i]);
	ring_remove(&pod->lru);
	forget_joined(&pod->joined);
	lt_facts_free(pod->facts);
	lt_free(pod);
	w->pod_count--;
}

static struct container *find_container(const struct lt_workloads *w, const char *id)
{
	uint64_t hash = hash_of(id);
	struct container *c = w->containers[hash & w->mask];

	while (c && (c->hash != hash || strcmp(c->id, id) != 0))
		c = c->next;
	return c;
}

/*
 * By its own uid first. Of two that claim one cgroup uid the older one, as long as it is there: a
 * claim is an annotation, which anybody can copy.
 */
static struct pod *find_pod(const struct lt_workloads *w, const char *uid)
{
	uint64_t hash = hash_of(uid);
	struct pod *gone = NULL, *there = NULL;

	for (struct pod_key *key = w->pods[hash & w->mask]; key; key = key->next) {
		if (key->hash != hash || strcmp(key->uid, uid) != 0)
			continue;
		if (key == &key->pod->keys[0])
			return key->pod;
		if (!key->pod->gone_ns)
			there = key->pod; /* the last one came first */
		else if (!gone)
			gone = key->pod;
	}
	return there ? there : gone;
}

static int add_container(struct lt_workloads *w, const char *id, struct container **ret)
{
	struct container *c = find_container(w, id);
	size_t size = strlen(id) + 1;

	if (!c) {
		if (w->container_count >= w->opts.max_containers)
			remove_container(w, of(w->container_lru.next, struct container, lru));
		c = lt_calloc(1, sizeof(*c) + size);
		if (!c)
			return -ENOMEM;
		memcpy(c->id, id, size);
		c->hash = hash_of(id);
		c->next = w->containers[c->hash & w->mask];
		w->containers[c->hash & w->mask] = c;
		ring_init(&c->of_pod);
		ring_init(&c->lru);
		w->container_count++;
	}
	touch(&w->container_lru, &c->lru);
	*ret = c;
	return 0;
}

static void add_key(struct lt_workloads *w, struct pod *pod, struct pod_key *key, const char *uid)
{
	struct pod_key **bucket;

	if (key->uid && strcmp(key->uid, uid) == 0) {
		key->uid = uid; /* it keeps its place */
		return;
	}
	remove_key(w, key);
	if (!uid[0])
		return;
	key->pod = pod;
	key->uid = uid;
	key->hash = hash_of(uid);
	bucket = &w->pods[key->hash & w->mask];
	key->next = *bucket;
	*bucket = key;
}

/* The pod of exactly this uid, which may be new; takes @facts. */
static int add_pod(struct lt_workloads *w, struct lt_facts *facts, struct pod **ret)
{
	struct pod *pod = find_pod(w, facts->text[P_UID]);
	struct lt_facts *old;

	if (pod && strcmp(pod->facts->text[P_UID], facts->text[P_UID]) != 0)
		pod = NULL; /* another's cgroup */
	if (!pod) {
		if (w->pod_count >= w->opts.max_pods)
			remove_pod(w, of(w->pod_lru.next, struct pod, lru));
		pod = lt_calloc(1, sizeof(*pod));
		if (!pod) {
			lt_facts_free(facts);
			return -ENOMEM;
		}
		ring_init(&pod->lru);
		ring_init(&pod->containers);
		w->pod_count++;
	}
	old = pod->facts;
	pod->facts = facts;
	add_key(w, pod, &pod->keys[0], facts->text[P_UID]);
	add_key(w, pod, &pod->keys[1], facts->text[P_CGROUP_UID]);
	lt_facts_free(old); /* the keys pointed into it */
	*ret = pod;
	return 0;
}

static void link_pod(struct container *c, struct pod *pod)
{
	if (c->pod == pod)
		return;
	unlink_pod(c);
	c->pod = pod;
	ring_append(&pod->containers, &c->of_pod);
}

static void forget_joined_of_pod(struct pod *pod)
{
	forget_joined(&pod->joined);
	for (struct link *i = pod->containers.next; i != &pod->containers; i = i->next)
		forget_joined(&of(i, struct container, of_pod)->joined);
}

/* ---- putting --------------------------------------------------------------------------------- */

static int container_facts(const struct lt_container_facts *c, const char *pod_uid,
			   struct lt_facts **ret)
{
	const char *text[LT_FACTS_MAX] = {
		[C_ID] = c->id,
		[C_NAME] = c->name,
		[C_IMAGE] = c->image,
		[C_DIGEST] = c->digest,
		[C_POD_UID] = pod_uid,
		[C_POD] = c->pod,
		[C_NAMESPACE] = c->namespace,
	};

	return lt_facts_new(text, c->labels, (struct lt_pairs){0}, false, ret);
}

/* Takes @facts. True when they are news. */
static bool replace(struct lt_facts **slot, struct lt_facts *facts)
{
	bool news = !lt_facts_equal(*slot, facts);

	if (news) {
		lt_facts_free(*slot);
		*slot = facts;
	} else {
		lt_facts_free(facts);
	}
	return news;
}

static bool is_id(const char *id)
{
	return id && id[0] && strlen(id) <= LT_FACTS_TEXT;
}

int lt_workloads_container(struct lt_workloads *w, const struct lt_container_facts *c)
{
	struct lt_facts *facts = NULL;
	struct container *entry;
	int r;

	if (!is_id(c->id))
		return -EINVAL;
	r = container_facts(c, c->pod_uid, &facts);
	if (r < 0)
		return r;
	pthread_mutex_lock(&w->lock);
	r = add_container(w, c->id, &entry);
	if (r < 0) {
		lt_facts_free(facts);
	} else if (replace(&entry->by_runtime, facts) || entry->gone_ns || entry->user != c->user) {
		forget_joined(&entry->joined);
		entry->gone_ns = 0;
		entry->user = c->user;
		w->version++;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* The containers of a pod; those that it has no more are gone. *@news is set, not cleared. */
static int put_containers(struct lt_workloads *w, struct pod *pod, const struct lt_pod_facts *p,
			  struct lt_facts **facts, bool *news)
{
	for (struct link *i = pod->containers.next; i != &pod->containers; i = i->next) {
		struct container *c = of(i, struct container, of_pod);

		if (!c->by_runtime && !c->gone_ns)
			c->gone_ns = GONE_FROM_NEXT_TICK;
	}
	for (size_t i = 0; i < p->container_count; i++) {
		struct container *c;
		int r;

		if (!facts[i])
			continue;
		r = add_container(w, p->containers[i].id, &c);
		if (r < 0)
			return r;
		if (replace(&c->by_pod, lt_take(facts[i])) || c->pod != pod ||
		    c->gone_ns > GONE_FROM_NEXT_TICK) {
			forget_joined(&c->joined);
			*news = true;
		}
		c->gone_ns = 0;
		link_pod(c, pod);
	}
	return 0;
}

static int put_pod(struct lt_workloads *w, const struct lt_pod_facts *p, struct lt_facts *pod_facts,
		   struct lt_facts **facts)
{
	struct pod *pod = find_pod(w, p->uid);
	bool news = !pod || pod->gone_ns || !lt_facts_equal(pod->facts, pod_facts);
	int r = 0;

	if (news)
		r = add_pod(w, pod_facts, &pod);
	else
		lt_facts_free(pod_facts);
	if (r < 0)
		return r;
	pod->gone_ns = 0;
	touch(&w->pod_lru, &pod->lru);
	r = put_containers(w, pod, p, facts, &news);
	if (news) {
		forget_joined_of_pod(pod);
		w->version++;
	}
	return r;
}

int lt_workloads_pod(struct lt_workloads *w, const struct lt_pod_facts *p)
{
	const char *text[LT_FACTS_MAX] = {
		[P_UID] = p->uid,
		[P_CGROUP_UID] = p->cgroup_uid,
		[P_NAME] = p->name,
		[P_NAMESPACE] = p->namespace,
		[P_NODE] = p->node,
		[P_ACCOUNT] = p->service_account,
		[P_OWNER_KIND] = p->owner_kind,
		[P_OWNER_NAME] = p->owner_name,
	};
	struct lt_facts *pod_facts = NULL;
	lt_defer(lt_freep)
	struct lt_facts **facts = NULL;
	int r;

	if (!is_id(p->uid))
		return -EINVAL;
	facts = lt_calloc(p->container_count + 1, sizeof(facts[0]));
	r = facts ? lt_facts_new(text, p->labels, p->annotations, p->owner_pending, &pod_facts)
		  : -ENOMEM;
	for (size_t i = 0; r == 0 && i < p->container_count; i++) {
		if (is_id(p->containers[i].id)) /* one that has not begun has none */
			r = container_facts(&p->containers[i], p->uid, &facts[i]);
	}
	if (r == 0) {
		pthread_mutex_lock(&w->lock);
		r = put_pod(w, p, lt_take(pod_facts), facts);
		pthread_mutex_unlock(&w->lock);
	}
	lt_facts_free(pod_facts);
	for (size_t i = 0; facts && i < p->container_count; i++)
		lt_facts_free(facts[i]);
	return r;
}

/* ---- what is gone ---------------------------------------------------------------------------- */

static void set_gone(struct container *c, uint64_t now_ns)
{
	if (c->gone_ns > GONE_FROM_NEXT_TICK)
		return;
	c->gone_ns = now_ns > GONE_FROM_NEXT_TICK ? now_ns : GONE_FROM_NEXT_TICK;
	forget_joined(&c->joined);
}

void lt_workloads_container_gone(struct lt_workloads *w, const char *id, uint64_t now_ns)
{
	struct container *c;

	pthread_mutex_lock(&w->lock);
	c = is_id(id) ? find_container(w, id) : NULL;
	if (c) {
		set_gone(c, now_ns);
		w->version++;
	}
	pthread_mutex_unlock(&w->lock);
}

void lt_workloads_pod_gone(struct lt_workloads *w, const char *uid, uint64_t now_ns)
{
	struct pod *pod;

	pthread_mutex_lock(&w->lock);
	pod = is_id(uid) ? find_pod(w, uid) : NULL;
	if (pod && !pod->gone_ns && strcmp(pod->facts->text[P_UID], uid) == 0) {
		pod->gone_ns = now_ns > GONE_FROM_NEXT_TICK ? now_ns : GONE_FROM_NEXT_TICK;
		for (struct link *i = pod->containers.next; i != &pod->containers; i = i->next) {
			struct container *c = of(i, struct container, of_pod);

			if (!c->by_runtime)
				set_gone(c, now_ns);
		}
		forget_joined_of_pod(pod);
		w->version++;
	}
	pthread_mutex_unlock(&w->lock);
}

/* Whether it is to be forgotten. */
static bool is_old(const struct lt_workloads *w, uint64_t *gone_ns, uint64_t now_ns)
{
	if (*gone_ns == GONE_FROM_NEXT_TICK)
		*gone_ns = now_ns;
	return *gone_ns && now_ns > *gone_ns && now_ns - *gone_ns > w->opts.keep_gone_ns;
}

void lt_workloads_tick(struct lt_workloads *w, uint64_t now_ns)
{
	struct link *i, *next;

	pthread_mutex_lock(&w->lock);
	for (i = w->container_lru.next; i != &w->container_lru; i = next) {
		struct container *c = of(i, struct container, lru);

		next = i->next;
		if (is_old(w, &c->gone_ns, now_ns))
			remove_container(w, c);
	}
	for (i = w->pod_lru.next; i != &w->pod_lru; i = next) {
		struct pod *pod = of(i, struct pod, lru);

		next = i->next;
		if (is_old(w, &pod->gone_ns, now_ns))
			remove_pod(w, pod);
	}
	pthread_mutex_unlock(&w->lock);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The first text that says something. */
static const char *first(const struct lt_facts *a, unsigned at_a, const struct lt_facts *b,
			 unsigned at_b)
{
	const char *text = a ? a->text[at_a] : "";

	return text[0] || !b ? text : b->text[at_b];
}

static void fill_container(struct lt_workload *to, const struct container *c)
{
	const struct lt_facts *runtime = c->by_runtime, *pod = c->by_pod;

	to->container_name = first(pod, C_NAME, runtime, C_NAME);
	to->image = first(runtime, C_IMAGE, pod, C_IMAGE);
	to->digest = first(runtime, C_DIGEST, pod, C_DIGEST);
	to->pod_uid = first(pod, C_POD_UID, runtime, C_POD_UID);
	to->pod = first(runtime, C_POD, NULL, 0);
	to->namespace = first(runtime, C_NAMESPACE, NULL, 0);
	if (runtime)
		to->labels = runtime->labels;
	to->user = pod ? 0 : c->user;
}

static void fill_pod(struct lt_workload *to, const struct lt_facts *pod)
{
	to->pod_uid = pod->text[P_UID];
	to->pod = pod->text[P_NAME];
	to->namespace = pod->text[P_NAMESPACE];
	to->node = pod->text[P_NODE];
	to->service_account = pod->text[P_ACCOUNT];
	to->owner_kind = pod->text[P_OWNER_KIND];
	to->owner_name = pod->text[P_OWNER_NAME];
	to->labels = pod->labels;
	to->annotations = pod->annotations;
}

/*
 * A pod's container shows some time after the pod itself, and its pod's owner too. Nothing more
 * comes of what is gone.
 */
static bool is_whole(const struct lt_workloads *w, const struct container *c, const struct pod *pod,
		     const char *pod_uid, bool asked_for_container)
{
	if (pod && pod->gone_ns)
		return true;
	if (w->opts.has_kubernetes && pod_uid[0])
		return pod && !pod->facts->flag && (c || !asked_for_container);
	return c && (c->by_runtime || !w->opts.has_runtime);
}

static struct joined *join(const struct lt_workloads *w, struct container *c, struct pod *pod,
			   const char *pod_uid, bool asked_for_container)
{
	struct joined *j = lt_calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->workload = (struct lt_workload){
		.container_name = "",
		.image = "",
		.digest = "",
		.pod_uid = "",
		.pod = "",
		.namespace = "",
		.node = "",
		.service_account = "",
		.owner_kind = "",
		.owner_name = "",
	};
	if (c) {
		fill_container(&j->workload, c);
		j->facts[0] = lt_facts_ref(c->by_runtime);
		j->facts[1] = lt_facts_ref(c->by_pod);
		if (j->workload.pod_uid[0])
			pod_uid = j->workload.pod_uid;
	}
	if (pod) {
		fill_pod(&j->workload, pod->facts);
		j->facts[2] = lt_facts_ref(pod->facts);
	}
	j->workload.whole = is_whole(w, c, pod, pod_uid, asked_for_container);
	atomic_init(&j->refs, 1);
	return j;
}

static struct joined *found_container(struct lt_workloads *w, struct container *c,
				      const char *pod_uid)
{
	touch(&w->container_lru, &c->lru);
	if (!c->pod) {
		const char *own = first(c->by_pod, C_POD_UID, c->by_runtime, C_POD_UID);
		struct pod *pod = NULL;

		if (own[0])
			pod = find_pod(w, own);
		if (!pod && pod_uid[0])
			pod = find_pod(w, pod_uid);
		if (pod)
			link_pod(c, pod);
	}
	if (c->pod)
		touch(&w->pod_lru, &c->pod->lru);
	if (!c->joined)
		c->joined = join(w, c, c->pod, pod_uid, true);
	return c->joined;
}

static struct joined *found_pod(struct lt_workloads *w, struct pod *pod, bool asked_for_container)
{
	touch(&w->pod_lru, &pod->lru);
	/* What was asked for decides whether it is whole: usually the same for a pod. */
	if (pod->joined &&
	    pod->joined->workload.whole !=
		    is_whole(w, NULL, pod, pod->facts->text[P_UID], asked_for_container))
		forget_joined(&pod->joined);
	if (!pod->joined)
		pod->joined = join(w, NULL, pod, pod->facts->text[P_UID], asked_for_container);
	return pod->joined;
}

const struct lt_workload *lt_workloads_find(struct lt_workloads *w, const char *container_id,
					    const char *pod_uid)
{
	struct joined *joined = NULL;
	struct container *c;
	struct pod *pod;

	if (!container_id)
		container_id = "";
	if (!pod_uid)
		pod_uid = "";
	pthread_mutex_lock(&w->lock);
	c = container_id[0] ? find_container(w, container_id) : NULL;
	pod = !c && pod_uid[0] ? find_pod(w, pod_uid) : NULL;
	if (c)
		joined = found_container(w, c, pod_uid);
	else if (pod)
		joined = found_pod(w, pod, container_id[0]);
	if (joined)
		atomic_fetch_add_explicit(&joined->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&w->lock);
	return joined ? &joined->workload : NULL;
}

void lt_workload_put(const struct lt_workload *workload)
{
	if (workload)
		free_joined((struct joined *)workload);
}

uint64_t lt_workloads_version(const struct lt_workloads *w)
{
	return atomic_load(&w->version);
}

/* ---- the table ------------------------------------------------------------------------------- */

static size_t ceiling(size_t wanted)
{
	if (!wanted)
		return ENTRIES_DEFAULT;
	return wanted < ENTRIES_MAX ? wanted : ENTRIES_MAX;
}

int lt_workloads_new(const struct lt_workloads_opts *opts, struct lt_workloads **ret)
{
	lt_defer(lt_workloads_freep)
	struct lt_workloads *w = lt_calloc(1, sizeof(*w));
	size_t buckets = 64;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	ring_init(&w->container_lru);
	ring_init(&w->pod_lru);
	w->opts = *opts;
	w->opts.max_containers = ceiling(opts->max_containers);
	w->opts.max_pods = ceiling(opts->max_pods);
	if (!opts->keep_gone_ns)
		w->opts.keep_gone_ns = KEEP_GONE_NS;
	while (buckets < w->opts.max_containers || buckets < w->opts.max_pods)
		buckets *= 2;
	w->mask = buckets - 1;
	w->containers = lt_calloc(buckets, sizeof(w->containers[0]));
	w->pods = lt_calloc(buckets, sizeof(w->pods[0]));
	if (!w->containers || !w->pods)
		return -ENOMEM;
	*ret = lt_take(w);
	return 0;
}

void lt_workloads_expect(struct lt_workloads *w, bool runtime, bool kubernetes)
{
	pthread_mutex_lock(&w->lock);
	w->opts.has_runtime = runtime;
	w->opts.has_kubernetes = kubernetes;
	pthread_mutex_unlock(&w->lock);
}

struct lt_workloads *lt_workloads_free(struct lt_workloads *w)
{
	if (!w)
		return NULL;
	while (w->container_lru.next != &w->container_lru)
		remove_container(w, of(w->container_lru.next, struct container, lru));
	while (w->pod_lru.next != &w->pod_lru)
		remove_pod(w, of(w->pod_lru.next, struct pod, lru));
	lt_free(w->containers);
	lt_free(w->pods);
	pthread_mutex_destroy(&w->lock);
	lt_free(w);
	return NULL;
}
