/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inventory of keys: who used which fingerprint, from when to when, for how much. It is kept
 * beside the records, by triggers on them, so that it follows every revision and outlives the
 * records.
 */
#pragma once

#include "userspace/base/money.h"
#include "userspace/ledger/ledger.h"

/* What one workload of one tenant did with one key at one host. Texts are borrowed for the call. */
struct lt_key_use {
	uint64_t fp; /* under the newest secret, as far as the ledger knows */
	const char *kind, *provider, *host, *tenant, *workload, *currency; /* "" when not known */
	int64_t first_ns, last_ns;					   /* wall */
	uint64_t calls, errors;
	lt_int128
		cost; /* pico; of a call through a gateway both its key and the gateway's have it */
};

/*
 * Uses of one key after the other, keys by cost. -ENOENT: the ledger is of an agent that kept none
 * yet.
 */
LT_MUST_CHECK int lt_query_keys(struct lt_ledger *l,
				int (*each)(void *arg, const struct lt_key_use *use), void *arg);
/* Fingerprints of earlier secrets, with what they are now. */
LT_MUST_CHECK int lt_query_key_aliases(struct lt_ledger *l,
				       int (*each)(void *arg, uint64_t old_fp, uint64_t fp),
				       void *arg);
