/* SPDX-License-Identifier: Apache-2.0 */
/* The facts that a record holds: its columns, what it keeps beside them, and what orchestrators
 * say now. Pure. */
#pragma once

#include "userspace/attribute/fact_json.h"
#include "userspace/decode/call.h"
#include "userspace/workload/workload.h"

/* What the facts point into besides the identity and the call. */
struct lt_fact_scratch {
	char credential[17];
	char parents[LT_PARENT_CHAIN];
	const char *parent[LT_PARENTS_MAX];
	struct lt_fact_store store;
};

/* Takes over what @w says; what it does not say stays. */
void lt_identity_workload(struct lt_identity *id, const struct lt_workload *w);

/* Of the columns alone; @scratch and @ret are filled anew. */
void lt_facts_of_columns(const struct lt_identity *id, const struct lt_call *call,
			 struct lt_fact_scratch *scratch, struct lt_facts *ret);
/* Adds labels, annotations and service account; @w may be NULL. */
void lt_facts_of_workload(const struct lt_rules *rules, const struct lt_workload *w,
			  struct lt_facts *facts);
/* All of a record: columns, kept facts, workload. -EBADMSG: the kept facts cannot be read. -ENOMEM.
 */
LT_MUST_CHECK int lt_facts_of_record(const struct lt_rules *rules, const struct lt_identity *id,
				     const struct lt_call *call, const struct lt_workload *w,
				     struct lt_fact_scratch *scratch, struct lt_facts *ret);
