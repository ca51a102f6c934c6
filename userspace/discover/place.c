// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/place.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/discover/list.h"

enum { MAX_IDS = 65536 };

/* A cgroup by its number. */
struct numbered {
	struct lt_hash_link link;
	struct lt_list order; /* living: by the time they were learnt; gone: by their end */
	uint64_t key;	      /* see key_of */
	uint64_t gone_ns;     /* 0: it lives */
	struct lt_place *place;
};

struct lt_places {
	void (*container)(void *arg, const struct lt_container *container);
	void *arg;
	struct lt_hash by_path, by_container, ids;
	struct lt_list living, gone;
};

int lt_places_new(void (*container)(void *arg, const struct lt_container *container), void *arg,
		  struct lt_places **ret)
{
	lt_defer(lt_places_freep)
	struct lt_places *places = lt_calloc(1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	lt_list_init(&places->living);
	lt_list_init(&places->gone);
	places->container = container;
	places->arg = arg;
	if (lt_hash_init(&places->by_path) < 0 || lt_hash_init(&places->by_container) < 0 ||
	    lt_hash_init(&places->ids) < 0)
		return -ENOMEM;
	*ret = lt_take(places);
	return 0;
}

static void forget(struct lt_places *places, struct numbered *n)
{
	lt_hash_remove(&places->ids, &n->link);
	lt_list_remove(&n->order);
	lt_place_put(places, n->place);
	lt_free(n);
}

static struct numbered *first_of(struct lt_list *list)
{
	return list->next == list ? NULL : LT_LIST_THING(list->next, struct numbered, order);
}

struct lt_places *lt_places_free(struct lt_places *places)
{
	if (!places)
		return NULL;
	while (first_of(&places->living))
		forget(places, first_of(&places->living));
	while (first_of(&places->gone))
		forget(places, first_of(&places->gone));
	lt_hash_done(&places->by_path);
	lt_hash_done(&places->by_container);
	lt_hash_done(&places->ids);
	lt_free(places);
	return NULL;
}

/* ---- places ---- */

static bool same_container(const struct lt_container *a, const struct lt_container *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->runtime, b->runtime) == 0 &&
	       strcmp(a->pod_uid, b->pod_uid) == 0 && strcmp(a->qos, b->qos) == 0 &&
	       strcmp(a->unit, b->unit) == 0 && a->id_is_claim == b->id_is_claim &&
	       a->pod_is_claim == b->pod_is_claim;
}

/* A path too long keeps its end, where the container is. */
static const char *end_of(const char *path)
{
	size_t n = strlen(path);
	const char *slash;

	if (n < LT_CGROUP_PATH)
		return path;
	path += n - (LT_CGROUP_PATH - 1);
	slash = strchr(path, '/');
	return slash ? slash : path;
}

static void told(struct lt_places *places, struct lt_place *place)
{
	uint64_t hash = lt_hash_of_bytes(lt_bytes_str(place->container.id));
	bool known = false;

	for (struct lt_hash_link *l = lt_hash_first(&places->by_container, hash); l;
	     l = lt_hash_next(l)) {
		const struct lt_place *other = LT_HASH_THING(l, struct lt_place, by_id);

		if (strcmp(other->container.id, place->container.id) == 0)
			known = true;
	}
	lt_hash_add(&places->by_container, &place->by_id, hash);
	if (!known && places->container)
		places->container(places->arg, &place->container);
}

struct lt_place *lt_place_take_within(struct lt_places *places, const char *path,
				      const struct lt_container *container)
{
	struct lt_bytes text = lt_bytes_str(end_of(path));
	uint64_t hash = lt_hash_of_bytes(text);
	struct lt_place *place;

	for (struct lt_hash_link *l = lt_hash_first(&places->by_path, hash); l;
	     l = lt_hash_next(l)) {
		place = LT_HASH_THING(l, struct lt_place, by_path);
		if (lt_bytes_is(text, place->cgroup) &&
		    same_container(&place->container, container))
			return lt_place_share(place);
	}
	place = lt_calloc(1, sizeof(*place) + text.n + 1);
	if (!place)
		return NULL;
	place->users = 1;
	place->container = *container;
	lt_bytes_copy(place->cgroup, text.n + 1, text);
	lt_hash_add(&places->by_path, &place->by_path, hash);
	if (container->id[0])
		told(places, place);
	return place;
}

struct lt_place *lt_place_take(struct lt_places *places, const char *path)
{
	struct lt_container container;

	lt_container_parse(end_of(path), &container);
	return lt_place_take_within(places, path, &container);
}

struct lt_place *lt_place_share(struct lt_place *place)
{
	if (place)
		place->users++;
	return place;
}

void lt_place_put(struct lt_places *places, struct lt_place *place)
{
	if (!place || --place->users > 0)
		return;
	lt_hash_remove(&places->by_path, &place->by_path);
	if (place->container.id[0])
		lt_hash_remove(&places->by_container, &place->by_id);
	lt_free(place);
}

/* ---- ids ---- */

bool lt_cgroup_id_tells(uint64_t id)
{
	return id != 0 && (uint32_t)id != 1;
}

/* Ids are unique in their hierarchy only. They count from 1 up. */
static uint64_t key_of(enum lt_cgroup_hierarchy hierarchy, uint64_t id)
{
	return id ^ (uint64_t)hierarchy << 63;
}

static struct numbered *find_id(const struct lt_places *places, enum lt_cgroup_hierarchy hierarchy,
				uint64_t id)
{
	uint64_t key = key_of(hierarchy, id);

	for (struct lt_hash_link *l = lt_hash_first(&places->ids, lt_hash_of_number(key)); l;
	     l = lt_hash_next(l)) {
		struct numbered *n = LT_HASH_THING(l, struct numbered, link);

		if (n->key == key)
			return n;
	}
	return NULL;
}

static struct numbered *add_id(struct lt_places *places, enum lt_cgroup_hierarchy hierarchy,
			       uint64_t id)
{
	struct numbered *n;

	if (places->ids.count >= MAX_IDS)
		forget(places, first_of(&places->gone) ? first_of(&places->gone)
						       : first_of(&places->living));
	n = lt_calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->key = key_of(hierarchy, id);
	lt_hash_add(&places->ids, &n->link, lt_hash_of_number(n->key));
	lt_list_append(&places->living, &n->order);
	return n;
}

void lt_places_learn(struct lt_places *places, enum lt_cgroup_hierarchy hierarchy, uint64_t id,
		     struct lt_place *place)
{
	struct numbered *n = find_id(places, hierarchy, id);

	if (!lt_cgroup_id_tells(id) || !place)
		return;
	if (!n)
		n = add_id(places, hierarchy, id);
	if (!n || n->place == place)
		return;
	lt_place_share(place);
	lt_place_put(places, n->place);
	n->place = place;
}

struct lt_place *lt_places_of_id(const struct lt_places *places, enum lt_cgroup_hierarchy hierarchy,
				 uint64_t id)
{
	const struct numbered *n = find_id(places, hierarchy, id);

	return n ? n->place : NULL;
}

void lt_places_gone(struct lt_places *places, enum lt_cgroup_hierarchy hierarchy, uint64_t id,
		    uint64_t now_ns)
{
	struct numbered *n = find_id(places, hierarchy, id);

	if (!n || n->gone_ns)
		return;
	n->gone_ns = now_ns ? now_ns : 1;
	lt_list_remove(&n->order);
	lt_list_append(&places->gone, &n->order);
}

void lt_places_tick(struct lt_places *places, uint64_t now_ns, uint64_t keep_ns)
{
	struct numbered *n;

	while ((n = first_of(&places->gone)) && n->gone_ns <= now_ns &&
	       now_ns - n->gone_ns >= keep_ns)
		forget(places, n);
}
