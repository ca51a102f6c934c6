/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that a source is to look up: when, and how often that failed. Bounded; not locked. */
#pragma once

#include "userspace/base/cleanup.h"
#include "userspace/workload/container_draft.h"

enum { LT_ASKS_MAX = 256, LT_ASKS_FAILED = 64, LT_ASK_TRIES = 6 };

struct lt_ask {
	char id[LT_DRAFT_ID]; /* "": a free place */
	uint64_t due_ns;
	unsigned tries;
};

/* Zeroed is empty. */
struct lt_asks {
	struct lt_ask at[LT_ASKS_MAX];
	size_t count;
	struct {
		char id[LT_DRAFT_ID];
		uint64_t until_ns;
	} failed[LT_ASKS_FAILED]; /* given up a short while ago: not tried again yet */
	size_t next_failed;
};

/*
 * To be looked up now. False: it was given up a moment ago, or there is no room (where another one
 * was tried in vain already, that one makes room). @force: also when it was given up.
 */
bool lt_asks_put(struct lt_asks *asks, const char *id, uint64_t now_ns, bool force);
/* Takes out the one that is due the longest; false when none is. */
bool lt_asks_take(struct lt_asks *asks, uint64_t now_ns, struct lt_ask *ret);
/* It was not found: back for another try later, or given up (false). */
bool lt_asks_retry(struct lt_asks *asks, const struct lt_ask *ask, uint64_t now_ns);
/* When the next one is due; UINT64_MAX: none is there. */
uint64_t lt_asks_next_ns(const struct lt_asks *asks);
void lt_asks_clear(struct lt_asks *asks);
