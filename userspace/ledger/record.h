/* SPDX-License-Identifier: Apache-2.0 */
/* The record: one call with its identity and cost, ready for the ledger. Plain data, copied by value. */
#pragma once

#include "userspace/attribute/identity.h"
#include "userspace/base/record_id.h"
#include "userspace/decode/call.h"
#include "userspace/price/cost.h"

enum lt_coverage { LT_COVERAGE_DECODED, LT_COVERAGE_KNOWN_HOST_ENCRYPTED, LT_COVERAGE_UNKNOWN_HOST };

struct lt_record {
	struct lt_record_id id;
	uint32_t revision;
	int64_t start_ns;    /* wall, UTC, as the next three */
	int64_t end_ns;
	int64_t ttfb_ns;     /* duration until the first response byte, -1 = null */
	int64_t observed_ns;
	bool counts_in_total;
	bool dedupe_known;
	uint8_t dedupe_key[16]; /* SHA-256(provider | response_id), first 16 bytes */
	enum lt_coverage coverage;
	struct lt_call call;
	struct lt_identity who;
	struct lt_cost cost;
	char source_file[256]; /* replay only, else "" */
};

/* Builds a record from its parts: ids, wall times, dedupe key. */
LT_MUST_CHECK int lt_record_make(const uint8_t node_uid[16], const uint8_t boot_id[16],
				 const struct lt_call *call, const struct lt_identity *who,
				 const struct lt_cost *cost, struct lt_record *ret);
