// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/record.h"

#include <pthread.h>

#include "userspace/base/clock.h"
#include "userspace/base/digest.h"

bool lt_record_has_amount(const struct lt_record *record)
{
	return record->cost.status == LT_PRICE_PRICED || record->cost.status == LT_PRICE_INLINE ||
	       record->cost.status == LT_PRICE_FREE;
}

const char *lt_record_state_name(enum lt_record_state s)
{
	static const char *const name[] = {
		[LT_RECORD_FINAL] = "final",
		[LT_RECORD_AMENDED] = "amended",
		[LT_RECORD_VOID] = "void",
	};

	return (size_t)s < LT_COUNT(name) ? name[s] : "unknown";
}

const char *lt_coverage_name(enum lt_coverage c)
{
	static const char *const name[] = {
		[LT_COVERAGE_DECODED] = "decoded",
		[LT_COVERAGE_KNOWN_HOST_ENCRYPTED] = "known_host_encrypted",
		[LT_COVERAGE_UNKNOWN_HOST] = "unknown_host",
	};

	return (size_t)c < LT_COUNT(name) ? name[c] : "unknown";
}

const char *lt_hop_name(enum lt_hop h)
{
	static const char *const name[] = {
		[LT_HOP_SINGLE] = "single",
		[LT_HOP_ORIGIN] = "origin",
		[LT_HOP_TRANSIT] = "transit",
		[LT_HOP_TERMINAL] = "terminal",
	};

	return (size_t)h < LT_COUNT(name) ? name[h] : "unknown";
}

const char *lt_library_name(enum lt_library l)
{
	static const char *const name[LT_LIBRARY_COUNT] = {
		[LT_LIBRARY_UNKNOWN] = "unknown",
		[LT_LIBRARY_OPENSSL] = "openssl",
		[LT_LIBRARY_BORINGSSL] = "boringssl",
		[LT_LIBRARY_REPLAY] = "replay",
		[LT_LIBRARY_GNUTLS] = "gnutls",
		[LT_LIBRARY_NSS] = "nss",
		[LT_LIBRARY_GO_TLS] = "go_tls",
		[LT_LIBRARY_RUSTLS] = "rustls",
		[LT_LIBRARY_S2N] = "s2n",
		[LT_LIBRARY_MBEDTLS] = "mbedtls",
		[LT_LIBRARY_WOLFSSL] = "wolfssl",
		[LT_LIBRARY_PLAINTEXT] = "plaintext",
	};

	return (size_t)l < LT_COUNT(name) ? name[l] : "unknown";
}

const char *lt_record_meter(const char *name)
{
	enum { METERS_MAX = 384, METER_SIZE = 40 };
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char meters[METERS_MAX][METER_SIZE];
	static size_t count;
	const char *found = NULL;

	if (strlen(name) >= METER_SIZE)
		return "other";
	pthread_mutex_lock(&lock);
	for (size_t i = 0; !found && i < count; i++) {
		if (strcmp(meters[i], name) == 0)
			found = meters[i];
	}
	if (!found && count < METERS_MAX) {
		lt_bytes_copy(meters[count], METER_SIZE, lt_bytes_str(name));
		found = meters[count++];
	}
	pthread_mutex_unlock(&lock);
	return found ? found : "other";
}

static int make_id(const uint8_t node_uid[16], const uint8_t boot_id[16],
		   const struct lt_call *call, unsigned model, struct lt_record_id *ret)
{
	struct lt_record_id_facts facts = {
		.tgid = call->conn.tgid,
		.process_start_ns = call->process_start_ns,
		/* Multiplied, so that no address and generation add up to another's. */
		.connection = call->conn.ctx ^ (call->conn.generation * 0x9e3779b97f4a7c15u),
		.stream_id = call->stream_id,
		.first_byte_ns = call->first_byte_ns,
		.ordinal = lt_record_ordinal(call, model),
	};

	memcpy(facts.node_uid, node_uid, sizeof(facts.node_uid));
	memcpy(facts.boot_id, boot_id, sizeof(facts.boot_id));
	return lt_record_id_make(&facts, ret);
}

/*
 * The provider is not the same at both sides of a gateway, the id is: so a long id stands for
 * itself. A short one ("chatcmpl-168") may be given by several servers.
 */
static int make_dedupe_key(const struct lt_call *call, uint8_t ret[16])
{
	enum { UNIQUE_ID_LENGTH = 20 };
	bool unique = strlen(call->response_id) >= UNIQUE_ID_LENGTH;
	const struct lt_bytes parts[] = {
		lt_bytes_str(unique ? "" : call->provider),
		lt_bytes_str(unique ? "" : "|"),
		lt_bytes_str(call->response_id),
	};
	uint8_t digest[LT_SHA256_SIZE];
	int r;

	r = lt_sha256(parts, LT_COUNT(parts), digest);
	if (r == 0)
		memcpy(ret, digest, 16);
	return r;
}

int lt_record_make(const uint8_t node_uid[16], const uint8_t boot_id[16],
		   const struct lt_call *call, const struct lt_identity *who,
		   const struct lt_cost *cost, struct lt_record *ret)
{
	struct lt_record_id id, parent = {0};
	uint8_t dedupe_key[16] = {0};
	int r;

	r = make_id(node_uid, boot_id, call, call->model, &id);
	if (r == 0 && call->model > 0)
		r = make_id(node_uid, boot_id, call, 0, &parent);
	if (r == 0 && call->response_id[0])
		r = make_dedupe_key(call, dedupe_key);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	ret->id = id;
	ret->revision = 1;
	ret->start_ns = lt_clock_boot_to_wall(call->first_byte_ns);
	/* By the difference, not by the clock again: a step of NTP must not make a call end before
	 * it began. */
	ret->end_ns = ret->start_ns;
	if (call->end_ns > call->first_byte_ns)
		ret->end_ns += (int64_t)(call->end_ns - call->first_byte_ns);
	ret->ttfb_ns = -1;
	if (call->first_response_ns >= call->first_byte_ns && call->first_response_ns != 0)
		ret->ttfb_ns = (int64_t)(call->first_response_ns - call->first_byte_ns);
	ret->observed_ns = lt_clock_wall_ns();
	ret->counts_in_total = !call->repeat;
	ret->dedupe_known = call->response_id[0] != '\0' && call->model == 0;
	ret->parent_known = call->model > 0;
	ret->parent = parent;
	memcpy(ret->dedupe_key, dedupe_key, sizeof(dedupe_key));
	ret->coverage = LT_COVERAGE_DECODED;
	ret->call = *call;
	ret->who = *who;
	ret->cost = *cost;
	for (unsigned i = 0; i < ret->cost.part_count; i++)
		ret->cost.parts[i].meter = lt_record_meter(cost->parts[i].meter);
	return 0;
}
