/* SPDX-License-Identifier: Apache-2.0 */
/* What one call used: disjoint nullable buckets (null = the wire said nothing, 0 = the provider
 * said zero). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Disjoint: input total = sum of the input buckets, output total = sum of the output buckets.
 * X(identifier, column and JSON-breakdown name, side: I or O)
 */
#define LT_BUCKETS(X)                                                                              \
	X(IN_UNCACHED, "in_uncached", I) /* text (or unsplit) input not served by a cache */       \
	X(IN_AUDIO, "in_audio", I)	 /* as the next one: what no cache served */               \
	X(IN_IMAGE, "in_image", I)                                                                 \
	X(CACHE_READ, "cache_read", I) /* text, or of a kind that is not stated */                 \
	X(CACHE_READ_AUDIO, "cache_read_audio", I)                                                 \
	X(CACHE_READ_IMAGE, "cache_read_image", I)                                                 \
	X(CACHE_WRITE, "cache_write", I) /* TTL not stated: priced as 5 minutes */                 \
	X(CACHE_WRITE_5M, "cache_write_5m", I)                                                     \
	X(CACHE_WRITE_1H, "cache_write_1h", I)                                                     \
	X(OUT_VISIBLE, "out_visible", O) /* all output when reasoning is not split off */          \
	X(OUT_AUDIO, "out_audio", O)                                                               \
	X(OUT_IMAGE, "out_image", O)                                                               \
	X(REASONING, "reasoning", O)

enum lt_bucket {
#define LT_X(id, name, side) LT_B_##id,
	LT_BUCKETS(LT_X)
#undef LT_X
		LT_BUCKET_COUNT,
};

/* Nullable unsigned. */
struct lt_count {
	uint64_t n;
	bool known;
};

/* Where the numbers came from. */
enum lt_usage_source { LT_USAGE_NONE, LT_USAGE_WIRE, LT_USAGE_ESTIMATED };

/* "none" | "wire" | "estimated" */
const char *lt_usage_source_name(enum lt_usage_source s);

enum lt_completeness {
	LT_COMPLETE,
	LT_CLIENT_ABORT,
	LT_UPSTREAM_ERROR,
	LT_TRUNCATED,	/* the response ended without its terminal part */
	LT_CAPTURE_GAP, /* we missed bytes */
};

/* "complete" | "client_abort" | "upstream_error" | "truncated" | "capture_gap" */
const char *lt_completeness_name(enum lt_completeness c);

enum { LT_UNITS_MAX = 16, LT_UNIT_NAME = 32, LT_METHOD_NAME = 32 };

/* Another billing unit on the wire: searches, images, seconds ... */
struct lt_unit {
	char name[LT_UNIT_NAME];
	uint64_t amount_micro; /* millionths, since seconds come with decimals */
};

struct lt_usage {
	struct lt_count bucket[LT_BUCKET_COUNT];
	/* Inclusive totals as normalised, kept because a total may be known where its split
	 * contradicts itself. */
	struct lt_count input;
	struct lt_count output;
	struct lt_count cache_write_total;
	struct lt_unit units[LT_UNITS_MAX];
	unsigned unit_count;
	enum lt_usage_source source;
	char method[LT_METHOD_NAME]; /* of an estimate: estimate/text_count.h */
	enum lt_completeness completeness;
	bool contradictory; /* parts exceeded their total: the total is kept, the parts are as on
			       the wire */
};

/* Inclusive numbers as a provider states them: input served by a cache whatever its kind, and audio
 * or images whether served by a cache or not. */
struct lt_count lt_usage_cache_read(const struct lt_usage *u);
struct lt_count lt_usage_audio_input(const struct lt_usage *u);
struct lt_count lt_usage_image_input(const struct lt_usage *u);
