// SPDX-License-Identifier: Apache-2.0
/* The pods that were told of, so that their end can be, and those whose owner is to follow. */
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/kube_internal.h"

/* The texts of a pending pod's facts. */
enum { P_UID, P_CGROUP_UID, P_NAME, P_NAMESPACE, P_NODE, P_ACCOUNT };
enum { C_ID, C_NAME, C_IMAGE, C_DIGEST };

static size_t bucket(const char *uid)
{
	uint32_t h = 2166136261;

	for (; *uid; uid++)
		h = (h ^ (unsigned char)*uid) * 16777619;
	return (h ^ h >> 16) % LT_KUBE_BUCKETS;
}

static struct lt_kube_known **slot(struct lt_kubernetes *k, const char *uid)
{
	struct lt_kube_known **at = &k->known[bucket(uid)];

	while (*at && strcmp((*at)->uid, uid) != 0)
		at = &(*at)->next;
	return at;
}

bool lt_kube_known_has(const struct lt_kubernetes *k, const char *uid)
{
	return *slot((struct lt_kubernetes *)k, uid);
}

static void free_pending(struct lt_kube_pending *p)
{
	if (!p)
		return;
	lt_facts_free(p->pod);
	for (size_t i = 0; i < p->container_count; i++)
		lt_facts_free(p->containers[i]);
	lt_free(p);
}

static void drop_pending(struct lt_kubernetes *k, struct lt_kube_known *known)
{
	k->pending_count -= known->pending != NULL;
	free_pending(known->pending);
	known->pending = NULL;
}

static void forget(struct lt_kubernetes *k, struct lt_kube_known **at)
{
	struct lt_kube_known *known = *at;

	*at = known->next;
	drop_pending(k, known);
	lt_free(known);
	k->known_count--;
}

/* A copy of what is told of the pod. */
static int new_pending(const struct lt_kube_pod *pod, const struct lt_pod_facts *told,
		       struct lt_kube_pending **ret)
{
	const char *text[LT_FACTS_MAX] = {
		[P_UID] = told->uid,   [P_CGROUP_UID] = told->cgroup_uid,
		[P_NAME] = told->name, [P_NAMESPACE] = told->namespace,
		[P_NODE] = told->node, [P_ACCOUNT] = told->service_account,
	};
	size_t n = told->container_count;
	struct lt_kube_pending *p = lt_calloc(1, sizeof(*p) + n * sizeof(p->containers[0]));
	int r;

	if (!p)
		return -ENOMEM;
	p->owner = pod->owner;
	lt_ignore(snprintf(p->guess_kind, sizeof(p->guess_kind), "%s", told->owner_kind));
	lt_ignore(snprintf(p->guess_name, sizeof(p->guess_name), "%s", told->owner_name));
	p->container_count = n;
	r = lt_facts_new(text, told->labels, told->annotations, false, &p->pod);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct lt_container_facts *c = &told->containers[i];
		const char *of_container[LT_FACTS_MAX] = {[C_ID] = c->id,
							  [C_NAME] = c->name,
							  [C_IMAGE] = c->image,
							  [C_DIGEST] = c->digest};

		r = lt_facts_new(of_container, (struct lt_pairs){0}, (struct lt_pairs){0}, false,
				 &p->containers[i]);
	}
	if (r < 0)
		free_pending(p);
	else
		*ret = p;
	return r;
}

static int remember(struct lt_kubernetes *k, const struct lt_kube_pod *pod,
		    const struct lt_pod_facts *told)
{
	struct lt_kube_known **at = slot(k, told->uid), *known = *at;

	if (!known) {
		if (k->known_count >= LT_KUBE_KNOWN_MAX)
			return 0;
		known = lt_calloc(1, sizeof(*known));
		if (!known)
			return -ENOMEM;
		lt_ignore(lt_bytes_copy(known->uid, sizeof(known->uid), lt_bytes_str(told->uid)));
		*at = known;
		k->known_count++;
		k->news = true;
	}
	known->generation = k->generation;
	drop_pending(k, known);
	if (!told->owner_pending)
		return 0;
	k->pending_count++;
	return new_pending(pod, told, &known->pending);
}

int lt_kube_known_pod(struct lt_kubernetes *k, const struct lt_kube_pod *pod)
{
	char kind[LT_KUBE_KIND], name[LT_KUBE_NAME];
	struct lt_pod_facts told = pod->facts;
	const struct lt_kube_top *top = NULL;
	int r;

	lt_kube_owner_guess(pod, kind, name);
	told.owner_kind = kind;
	told.owner_name = name;
	if (lt_kube_owner_has_owner(&pod->owner)) {
		top = lt_kube_owner_top(k, pod->owner.uid);
		told.owner_pending = !top && !lt_kube_owner_denied(k, pod->owner.kind);
	}
	if (top) {
		told.owner_kind = top->kind;
		told.owner_name = top->name;
	}
	r = remember(k, pod, &told);
	if (r < 0)
		return r;
	k->sink.pod(k->sink.arg, &told);
	if (told.owner_pending)
		pthread_cond_broadcast(&k->wake);
	return 0;
}

void lt_kube_known_gone(struct lt_kubernetes *k, const char *uid)
{
	struct lt_kube_known **at = slot(k, uid);

	if (*at)
		forget(k, at);
	k->sink.pod_gone(k->sink.arg, uid);
}

void lt_kube_known_sweep(struct lt_kubernetes *k)
{
	for (size_t i = 0; i < LT_KUBE_BUCKETS; i++) {
		struct lt_kube_known **at = &k->known[i];

		while (*at) {
			if ((*at)->generation == k->generation) {
				at = &(*at)->next;
				continue;
			}
			k->sink.pod_gone(k->sink.arg, (*at)->uid);
			forget(k, at);
		}
	}
}

static void tell_again(struct lt_kubernetes *k, const struct lt_kube_pending *p,
		       const struct lt_kube_top *top)
{
	struct lt_container_facts containers[LT_KUBE_CONTAINERS];
	const struct lt_pod_facts told = {
		.uid = p->pod->text[P_UID],
		.cgroup_uid = p->pod->text[P_CGROUP_UID],
		.name = p->pod->text[P_NAME],
		.namespace = p->pod->text[P_NAMESPACE],
		.node = p->pod->text[P_NODE],
		.service_account = p->pod->text[P_ACCOUNT],
		.owner_kind = top ? top->kind : p->guess_kind,
		.owner_name = top ? top->name : p->guess_name,
		.labels = p->pod->labels,
		.annotations = p->pod->annotations,
		.containers = containers,
		.container_count = p->container_count,
	};

	for (size_t i = 0; i < p->container_count; i++)
		containers[i] = (struct lt_container_facts){
			.id = p->containers[i]->text[C_ID],
			.name = p->containers[i]->text[C_NAME],
			.image = p->containers[i]->text[C_IMAGE],
			.digest = p->containers[i]->text[C_DIGEST],
		};
	k->sink.pod(k->sink.arg, &told);
}

void lt_kube_known_settle(struct lt_kubernetes *k, const char *uid, const struct lt_kube_top *top)
{
	for (size_t i = 0; i < LT_KUBE_BUCKETS && k->pending_count > 0; i++) {
		for (struct lt_kube_known *at = k->known[i]; at; at = at->next) {
			if (!at->pending || strcmp(at->pending->owner.uid, uid) != 0)
				continue;
			tell_again(k, at->pending, top);
			drop_pending(k, at);
		}
	}
}

bool lt_kube_known_question(struct lt_kubernetes *k, struct lt_kube_owner *ret,
			    char ret_namespace[LT_KUBE_NAME])
{
	struct lt_kube_pending *next = NULL;

	for (size_t i = 0; i < LT_KUBE_BUCKETS && k->pending_count > 0; i++) {
		for (struct lt_kube_known *at = k->known[i]; at; at = at->next) {
			if (at->pending && (!next || at->pending->asked < next->asked))
				next = at->pending;
		}
	}
	if (!next)
		return false;
	next->asked++; /* one that fails must not stand before the others */
	*ret = next->owner;
	lt_ignore(lt_bytes_copy(ret_namespace, LT_KUBE_NAME,
				lt_bytes_str(next->pod->text[P_NAMESPACE])));
	return true;
}

void lt_kube_known_free(struct lt_kubernetes *k)
{
	for (size_t i = 0; i < LT_KUBE_BUCKETS; i++) {
		while (k->known[i])
			forget(k, &k->known[i]);
	}
}
