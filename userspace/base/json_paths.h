/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled path set, shared by json_paths.c (which makes it) and json_scan.c (which walks it).
 */
#pragma once

#include "userspace/base/json_scan.h"

enum {
	LT_JSON_SEGMENTS_MAX = 24, /* of one path */
	LT_JSON_NODES_MAX = 2048,
	LT_JSON_NAME_MAX = 96, /* longest member name in a path */
};

/* A node of the trie; children are chains of siblings. 0 = none (node 0 is the root value, nobody's
 * child). */
struct lt_json_node {
	uint16_t first_member; /* children by member name */
	uint16_t any;	       /* child for every element */
	uint16_t first_index;  /* children for one element */
	uint16_t next;	       /* sibling */
	uint16_t name_n;       /* as a member child */
	uint16_t hit_count;
	uint32_t index;	    /* as an index child */
	uint16_t first_hit; /* into hits[] */
	char name[LT_JSON_NAME_MAX];
};

struct lt_json_paths {
	size_t count;
	struct lt_json_node nodes[LT_JSON_NODES_MAX];
	uint16_t node_of[LT_JSON_PATHS_MAX]; /* where each path ends */
	uint16_t hits[LT_JSON_PATHS_MAX];    /* path numbers, grouped by node */
};
