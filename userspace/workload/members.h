/* SPDX-License-Identifier: Apache-2.0 */
/* The containers that one runtime has told of. Bounded; not locked. */
#pragma once

#include "userspace/base/cleanup.h"
#include "userspace/workload/container_draft.h"

enum { LT_MEMBERS_MAX = 8192 };

struct lt_member {
	char id[LT_DRAFT_ID];
	bool known;	    /* its facts were told; else it is only known to be there */
	uint32_t next;	    /* members.c: of the same hash, plus one */
	uint64_t looked_ns; /* when its facts came, or when it was listed last */
	uint64_t hash;	    /* of its facts */
};

struct lt_members;

LT_MUST_CHECK int lt_members_new(struct lt_members **ret);
struct lt_members *lt_members_free(struct lt_members *m);
LT_DEFINE_FREEP(lt_members_free, struct lt_members)

struct lt_member *lt_members_find(struct lt_members *m, const char *id);
/* The one that is there, or a new one; NULL when there is no room. Moves the others. */
struct lt_member *lt_members_add(struct lt_members *m, const char *id);
/* Moves the others: the last one takes its place. */
void lt_members_remove(struct lt_members *m, struct lt_member *member);
size_t lt_members_count(const struct lt_members *m);
struct lt_member *lt_members_at(struct lt_members *m, size_t index);
