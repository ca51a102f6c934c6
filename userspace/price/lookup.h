/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a book: which entry is this model, what does one unit of a meter cost there and
 * then. For price.c and for showing a book; nobody else needs it. All of it is read-only and safe
 * in any thread.
 */
#pragma once

#include "userspace/price/book.h"
#include "userspace/price/cost.h"

/*
 * Meters with a meaning in the code; any other name is a unit that a decoder reports and a book
 * prices. X(identifier, name in the book). Up to REQUESTS they count tokens, and factors of service
 * tiers apply.
 */
#define LT_METERS(X)                                                                               \
	X(INPUT, "input")                                                                          \
	X(CACHE_READ, "cache_read")                                                                \
	X(CACHE_WRITE, "cache_write")                                                              \
	X(CACHE_WRITE_5M, "cache_write_5m")                                                        \
	X(CACHE_WRITE_1H, "cache_write_1h")                                                        \
	X(INPUT_AUDIO, "input_audio")                                                              \
	X(INPUT_IMAGE, "input_image")                                                              \
	X(INPUT_VIDEO, "input_video")                                                              \
	X(CACHE_AUDIO_READ, "cache_audio_read")                                                    \
	X(CACHE_IMAGE_READ, "cache_image_read")                                                    \
	X(OUTPUT, "output")                                                                        \
	X(OUTPUT_AUDIO, "output_audio")                                                            \
	X(OUTPUT_IMAGE, "output_image")                                                            \
	X(OUTPUT_VIDEO, "output_video")                                                            \
	X(OUTPUT_REASONING, "output_reasoning")                                                    \
	X(OUTPUT_CITATION, "output_citation")                                                      \
	X(REQUESTS, "requests")

enum lt_meter {
#define LT_X(id, name) LT_METER_##id,
	LT_METERS(LT_X)
#undef LT_X
		LT_METER_KNOWN,
	LT_METER_NONE = UINT16_MAX,
};

static inline bool lt_meter_is_token(uint16_t meter)
{
	return meter < LT_METER_REQUESTS;
}

/* An exact non-negative number: units / 10^scale / divisor. */
struct lt_ratio {
	int64_t units;
	uint32_t divisor;
	uint8_t scale;
};

/* The price of one unit of a meter: the product of up to three ratios (entry, derivation, tier
 * factor). */
struct lt_quote {
	struct lt_ratio ratio[3];
	unsigned ratio_count;
	char key[LT_PRICE_KEY];
};

struct lt_book_model;

/* The entry of @provider (or of the providers it falls back to) that matches @model; NULL: none. */
const struct lt_book_model *lt_book_find(const struct lt_book *book, const char *provider,
					 const char *model);
/* The n-th entry in the order of the book; NULL beyond the last. */
const struct lt_book_model *lt_book_at(const struct lt_book *book, size_t n);
struct lt_bytes lt_book_model_provider(const struct lt_book *book,
				       const struct lt_book_model *model);
struct lt_bytes lt_book_model_id(const struct lt_book_model *model);

/* The meter of that name (a decoder's unit names are translated), LT_METER_NONE: the book has no
 * such price. */
uint16_t lt_book_meter(const struct lt_book *book, const char *name);
/* The name of the n-th meter, owned by the book; NULL beyond the last. */
const char *lt_book_meter_name(const struct lt_book *book, uint16_t meter);

/* The prices of one model for one kind of call at one time. */
struct lt_tariff {
	const struct lt_book *book;
	const struct lt_book_model *model;
	const struct lt_book_set *standard;
	uint16_t tier;	 /* word of the book */
	int32_t day;	 /* since 1970 */
	int16_t minute;	 /* of the day, UTC */
	bool tiered;	 /* a service tier other than standard */
	bool own_prices; /* the model states prices for that tier */
	bool factored;	 /* else this factor holds for all token meters */
	struct lt_ratio factor;
};

/*
 * @provider is the one that was called: its tier factors apply, and the entry's own tier prices
 * only when the entry is its own and not one it fell back to. @tier "" or "standard": none.
 * -ENOENT: no prices for that tier.
 */
LT_MUST_CHECK int lt_tariff_find(const struct lt_book *book, const struct lt_book_model *model,
				 const char *provider, const char *tier, int64_t at_ns,
				 struct lt_tariff *ret);
/* The price of @meter when the call had @total_input tokens of input. -ENOENT: this meter has none.
 */
LT_MUST_CHECK int lt_tariff_quote(const struct lt_tariff *tariff, uint16_t meter,
				  uint64_t total_input, struct lt_quote *ret);
/* Every standard price of the entry is zero (and there is one). */
bool lt_tariff_is_free(const struct lt_tariff *tariff);

/* -ERANGE instead of a wrong amount. Pico units, rounded half to even once. */
LT_MUST_CHECK int lt_quote_amount(const struct lt_quote *quote, uint64_t quantity,
				  int64_t *ret_pico);
