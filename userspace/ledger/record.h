/* SPDX-License-Identifier: Apache-2.0 */
/* The record: one call with its identity and cost, ready for the ledger. Plain data, copied by
 * value. */
#pragma once

#include "userspace/attribute/identity.h"
#include "userspace/base/record_id.h"
#include "userspace/decode/call.h"
#include "userspace/price/cost.h"

enum lt_coverage {
	LT_COVERAGE_DECODED,
	LT_COVERAGE_KNOWN_HOST_ENCRYPTED,
	LT_COVERAGE_UNKNOWN_HOST
};

/* Where a call stands among the hops of one request, as far as they were seen on this host. */
enum lt_hop {
	LT_HOP_SINGLE,
	LT_HOP_ORIGIN,	 /* whose process began it: counts, and has the cost */
	LT_HOP_TRANSIT,	 /* a gateway's call to another gateway */
	LT_HOP_TERMINAL, /* a gateway's call to the provider */
};

/* What a record is worth: void is a tombstone, another record stands in its place. */
enum lt_record_state {
	LT_RECORD_FINAL,
	LT_RECORD_AMENDED, /* a later revision says more than the first */
	LT_RECORD_VOID,
};

struct lt_record {
	struct lt_record_id id;
	uint32_t revision;
	enum lt_record_state state;
	int64_t start_ns; /* wall, UTC, as the next three */
	int64_t end_ns;
	int64_t ttfb_ns; /* duration until the first response byte, -1 = null */
	int64_t observed_ns;
	bool counts_in_total;
	bool dedupe_known;
	uint8_t dedupe_key[16]; /* SHA-256(response_id), first 16 bytes; with a short id
				   SHA-256(provider | response_id) */
	enum lt_hop hop;	/* set by the ledger */
	/* The call that this is a part of (another model, an inner hop, an object read again); the
	 * latter two are set by the ledger. */
	bool parent_known;
	struct lt_record_id parent;
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

/* What tells apart the records of one instant on one stream; @model: lt_call.model. */
static inline uint64_t lt_record_ordinal(const struct lt_call *call, unsigned model)
{
	return call->ordinal | (uint64_t)model << 56;
}

/* Whether @record->cost.amount means something. */
bool lt_record_has_amount(const struct lt_record *record);

/* "final" | "amended" | "void" */
const char *lt_record_state_name(enum lt_record_state s);
/* "decoded" | "known_host_encrypted" | "unknown_host" */
const char *lt_coverage_name(enum lt_coverage c);
/* "single" | "origin" | "transit" | "terminal" */
const char *lt_hop_name(enum lt_hop h);
/* "unknown" | "openssl" | "boringssl" | "gnutls" | "nss" | "go_tls" | "rustls" | "s2n" | "mbedtls"
 * | "wolfssl" | "replay" */
const char *lt_library_name(enum lt_library l);

/*
 * The meter's name in storage that lives as long as the process, so that a record outlives the book
 * and the database row it came from. Any thread. A process that meets more than a few hundred names
 * gets "other" for the rest.
 */
const char *lt_record_meter(const char *name);
