/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled path set, shared by json_paths.c (which makes it) and json_scan.c (which walks it).
 */
#pragma once

#include <endian.h>

#include "userspace/base/json_scan.h"

enum {
	LT_JSON_SEGMENTS_MAX = 24, /* of one path */
	LT_JSON_NODES_MAX = 2048,
	LT_JSON_SLOTS = 4096,	/* of the hash table of member names: never more than half full */
	LT_JSON_NAME_MAX = 96,	/* longest member name in a path */
	LT_JSON_ACTIVE_MAX = 8, /* nodes that match one value; sets with more are refused */
};

/* A node of the trie. 0 = none (node 0 is the root value, nobody's child). */
struct lt_json_node {
	uint64_t prefix; /* as a member child: lt_json_prefix() of its name */
	uint16_t parent;
	uint16_t name_n;
	uint16_t hit_count;
	bool flows;	       /* a path that wants the whole text ends here */
	uint16_t first_hit;    /* into hits[] */
	uint16_t any;	       /* child for every element */
	uint16_t first_index;  /* children for one element */
	uint16_t first_member; /* children by member name */
	uint16_t next;	       /* sibling of the same kind */
	uint32_t index;	       /* as an index child */
	char name[LT_JSON_NAME_MAX];
};

struct lt_json_paths {
	size_t count;
	size_t node_count;
	uint16_t slots[LT_JSON_SLOTS];	     /* member children by parent and name */
	uint16_t node_of[LT_JSON_PATHS_MAX]; /* where each path ends */
	uint16_t hits[LT_JSON_PATHS_MAX];    /* path numbers, grouped by node */
	struct lt_json_node nodes[LT_JSON_NODES_MAX];
};

/* The nodes that match one value. */
struct lt_json_set {
	uint8_t n;
	bool wanted; /* a path ends at one of them */
	bool flows;  /* and one of these wants the whole text */
	bool over;   /* there was no room for all of them */
	uint16_t node[LT_JSON_ACTIVE_MAX];
};

/* The first eight bytes of a name as a number, zeros behind a shorter one. @room: readable bytes at
 * @name. */
static inline uint64_t lt_json_prefix(const uint8_t *name, size_t n, size_t room)
{
	uint64_t v = 0;

	if (room < 8) {
		memcpy(&v, name, n < room ? n : room);
		return le64toh(v);
	}
	memcpy(&v, name, 8);
	v = le64toh(v);
	return n >= 8 ? v : n == 0 ? 0 : v & (~0ULL >> (64 - 8 * n));
}

static inline size_t lt_json_slot(uint16_t parent, size_t n, uint64_t prefix)
{
	uint64_t h = prefix + parent * 0x9e3779b97f4a7c15ULL + n * 0xc2b2ae3d27d4eb4fULL;

	h ^= h >> 32;
	return (size_t)(h * 0xd6e8feb86659fd93ULL >> 52) % LT_JSON_SLOTS;
}

/* The slot of @parent's member, or the empty one where it would be. */
static inline size_t lt_json_find_slot(const struct lt_json_paths *t, uint16_t parent,
				       const uint8_t *name, size_t n, uint64_t prefix)
{
	size_t at = lt_json_slot(parent, n, prefix);

	for (;; at = (at + 1) % LT_JSON_SLOTS) {
		const struct lt_json_node *node = &t->nodes[t->slots[at]];

		if (t->slots[at] == 0 ||
		    (node->prefix == prefix && node->name_n == n && node->parent == parent &&
		     (n <= 8 || memcmp(node->name + 8, name + 8, n - 8) == 0)))
			return at;
	}
}

/* Sets are filled in place and copied node by node: a copy of the whole struct would read with one
 * wide load what narrow stores have just written, which stalls the processor. */
static inline void lt_json_set_clear(struct lt_json_set *set)
{
	set->n = 0;
	set->wanted = false;
	set->flows = false;
	set->over = false;
}

static inline void lt_json_set_add(const struct lt_json_paths *t, struct lt_json_set *set,
				   uint16_t node)
{
	if (node == 0)
		return;
	if (set->n == LT_JSON_ACTIVE_MAX) {
		set->over = true;
		return;
	}
	set->node[set->n++] = node;
	set->wanted |= t->nodes[node].hit_count > 0;
	set->flows |= t->nodes[node].flows;
}

static inline void lt_json_set_copy(struct lt_json_set *to, const struct lt_json_set *from)
{
	to->n = from->n;
	to->wanted = from->wanted;
	to->flows = from->flows;
	to->over = from->over;
	for (unsigned i = 0; i < from->n; i++)
		to->node[i] = from->node[i];
}

/* @ret: the nodes that match element @index of an array that @array matches. */
static inline void lt_json_set_element(const struct lt_json_paths *t,
				       const struct lt_json_set *array, uint32_t index,
				       struct lt_json_set *ret)
{
	lt_json_set_clear(ret);
	for (unsigned i = 0; i < array->n; i++) {
		const struct lt_json_node *node = &t->nodes[array->node[i]];
		uint16_t child = node->first_index;

		lt_json_set_add(t, ret, node->any);
		while (child && t->nodes[child].index != index)
			child = t->nodes[child].next;
		lt_json_set_add(t, ret, child);
	}
}

/* @ret: the nodes that match a member of an object that @object matches. */
static inline void lt_json_set_member(const struct lt_json_paths *t,
				      const struct lt_json_set *object, struct lt_bytes name,
				      size_t room, struct lt_json_set *ret)
{
	uint64_t prefix = lt_json_prefix(name.p, name.n, room);

	lt_json_set_clear(ret);
	for (unsigned i = 0; i < object->n; i++)
		lt_json_set_add(
			t, ret,
			t->slots[lt_json_find_slot(t, object->node[i], name.p, name.n, prefix)]);
}
