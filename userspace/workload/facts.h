/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one source said of one container or pod: texts and pairs in one allocation, never changed,
 * counted references. For this room alone.
 */
#pragma once

#include <stdatomic.h>

#include "userspace/workload/workload.h"

enum {
	LT_FACTS_MAX = 8,
	LT_FACTS_PAIRS = 64,	     /* labels, and as many annotations */
	LT_FACTS_TEXT = 1024,	     /* bytes of a name or a value; a label's key has fewer */
	LT_FACTS_BUDGET = 16 * 1024, /* bytes of all texts; pairs beyond it are left out */
};

struct lt_facts {
	atomic_uint refs;
	uint32_t text_bytes;
	bool flag;
	const char *text[LT_FACTS_MAX]; /* never NULL */
	struct lt_pairs labels, annotations;
	struct lt_pair pairs[]; /* labels, annotations; the texts are behind them */
};

/* @texts: LT_FACTS_MAX of them, NULL is "". The pairs are sorted by key. -ENOMEM. */
LT_MUST_CHECK int lt_facts_new(const char *const *texts, struct lt_pairs labels,
			       struct lt_pairs annotations, bool flag, struct lt_facts **ret);
/* NULL is fine. */
struct lt_facts *lt_facts_ref(struct lt_facts *facts);
struct lt_facts *lt_facts_free(struct lt_facts *facts);
LT_DEFINE_FREEP(lt_facts_free, struct lt_facts)
/* Whether both say the same; either may be NULL. */
bool lt_facts_equal(const struct lt_facts *a, const struct lt_facts *b);
