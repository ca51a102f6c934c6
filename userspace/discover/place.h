/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places: a cgroup path with what it says (container, pod, unit), kept once for all processes that
 * are there; and which cgroup id is which place. Thread: drain.
 */
#pragma once

#include "bpf/events.h"
#include "userspace/base/cleanup.h"
#include "userspace/discover/container.h"
#include "userspace/discover/hash.h"

struct lt_place {
	struct lt_hash_link by_path;
	struct lt_hash_link by_id; /* of its container; only when it has one */
	uint32_t users;
	struct lt_container container;
	char cgroup[];
};

struct lt_places;

/* @container is told of each container that is met for the first time; may be NULL. It must not
 * call back. */
LT_MUST_CHECK int lt_places_new(void (*container)(void *arg, const struct lt_container *container),
				void *arg, struct lt_places **ret);
/* Every place that was taken must have been put back. */
struct lt_places *lt_places_free(struct lt_places *places);
LT_DEFINE_FREEP(lt_places_free, struct lt_places)

/* The place of @path, of which the end is kept when it is too long, with one more user; put it
 * back. NULL: no memory. */
struct lt_place *lt_place_take(struct lt_places *places, const char *path);
/* The same path, said to be in @container by somebody who knows better. */
struct lt_place *lt_place_take_within(struct lt_places *places, const char *path,
				      const struct lt_container *container);
/* One more user of @place. NULL is fine. */
struct lt_place *lt_place_share(struct lt_place *place);
/* NULL is fine. */
void lt_place_put(struct lt_places *places, struct lt_place *place);

/* Whether @id tells where a process is: the root's does not (on hosts with v1 hierarchies every
 * process may sit in v2's root). */
bool lt_cgroup_id_tells(uint64_t id);
/* The cgroup @id is @place. The longest known are forgotten beyond 65,536. */
void lt_places_learn(struct lt_places *places, enum lt_cgroup_hierarchy hierarchy, uint64_t id,
		     struct lt_place *place);
/* The cgroup was removed: its id is kept for those who ask late, and forgotten by lt_places_tick.
 */
void lt_places_gone(struct lt_places *places, enum lt_cgroup_hierarchy hierarchy, uint64_t id,
		    uint64_t now_ns);
/* Borrowed. NULL: not known. */
struct lt_place *lt_places_of_id(const struct lt_places *places, enum lt_cgroup_hierarchy hierarchy,
				 uint64_t id);
/* Forgets the ids of cgroups that were removed @keep_ns ago or longer. */
void lt_places_tick(struct lt_places *places, uint64_t now_ns, uint64_t keep_ns);
