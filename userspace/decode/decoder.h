/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Implements the exchange sink: decodes each metered exchange with the catalog's rules while its
 * bytes pass, and emits one call when it ends. Body bytes are read once and never stored. Thread:
 * drain.
 */
#pragma once

#include "userspace/decode/call.h"
#include "userspace/decode/catalog.h"

struct lt_decoder;

struct lt_decoder_opts {
	uint8_t fingerprint_key[32]; /* per-install or per-cluster secret */
	uint8_t previous_key[32];    /* the one before, while both are in use */
	uint64_t previous_until_ns;  /* boot time; 0: there is none */
	bool estimate;	      /* tokens that the wire does not state are counted from the text */
	size_t max_exchanges; /* 0: 4096 decoded at one time; further ones are counted, not decoded
			       */
};

/* @catalog and what @sink points to must outlive the decoder. */
LT_MUST_CHECK int lt_decoder_new(const struct lt_decoder_opts *opts,
				 const struct lt_catalog *catalog, const struct lt_call_sink *sink,
				 struct lt_decoder **ret);
struct lt_decoder *lt_decoder_free(struct lt_decoder *d);
LT_DEFINE_FREEP(lt_decoder_free, struct lt_decoder)

/*
 * Request headers whose values go into lt_call.claim from the next request on, at most
 * LT_CLAIMS_MAX of at most 64 bytes; copied. @stamp tells this list apart from others.
 */
void lt_decoder_claims(struct lt_decoder *d, const char *const *names, size_t count,
		       uint32_t stamp);

/* The sink to give to lt_sessions_new; its arg is @d. */
struct lt_exchange_sink lt_decoder_sink(struct lt_decoder *d);
