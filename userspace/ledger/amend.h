/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records whose container or pod was not known to its orchestrator when they were written
 * (identity_pending), looked at again. Never edited: one whose tenant stays gets a revision; with
 * another tenant it becomes void, and a record with an id made from the old one's stands in its
 * place, so that no reader ever sees a record change its tenant.
 */
#pragma once

#include "userspace/ledger/ledger.h"

struct lt_amend_opts {
	/*
	 * Fills in what is known by now; false: nothing new. May change @record->who alone, whose
	 * pending says whether more is to come.
	 */
	bool (*again)(void *arg, struct lt_record *record);
	void *arg;
	uint64_t after_seq; /* only records with a greater node_seq */
	size_t limit;	    /* so many are looked at; 0: 256 */
	int64_t give_up_ns; /* wall: what began before waits no longer */
};

struct lt_amended {
	size_t looked_at, changed;
	uint64_t last_seq; /* of those looked at: where to go on; 0: these were the last ones */
};

/* One transaction: -ENOSPC, -EIO ...: nothing was changed. */
LT_MUST_CHECK int lt_ledger_amend(struct lt_ledger *l, const struct lt_amend_opts *opts,
				  struct lt_amended *ret);
