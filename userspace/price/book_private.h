/* SPDX-License-Identifier: Apache-2.0 */
/* How a book lies in memory: flat arrays, texts are views into the book's text. Only for this room.
 */
#pragma once

#include "userspace/price/lookup.h"

enum {
	LT_BOOK_LAYERS = 4,
	LT_BOOK_FALLBACKS = 8,
	LT_BOOK_NAME = 24,
	LT_BOOK_WORD = 32,
	LT_BOOK_WORDS_MAX = 1024,
	LT_BOOK_PROVIDERS_MAX = 1024,
	LT_BOOK_NAMES_MAX = 80, /* provider and model id together */
	LT_BOOK_FIELDS_MAX = 32,
	LT_BOOK_FILE_MAX = 16 << 20,
	LT_BOOK_NO_DAY = INT32_MIN,
};

enum lt_match_op {
	LT_MATCH_EQUALS,
	LT_MATCH_STARTS,
	LT_MATCH_ENDS,
	LT_MATCH_CONTAINS,
	LT_MATCH_LIKE,
};

struct lt_book_text {
	const char *p; /* not NUL terminated */
	uint32_t n;
};

/* One condition on a model name; conditions up to the one marked last must all hold. */
struct lt_book_term {
	struct lt_book_text text;
	uint8_t op;
	bool negated;
	bool last;
};

struct lt_book_rate {
	struct lt_ratio price;
	uint32_t above; /* from this many tokens of total input, exclusively; 0: base */
	uint16_t meter;
};

/* Prices that hold from a day and in certain hours: all of them (standard), or what a tier changes.
 */
struct lt_book_set {
	int32_t from_day;
	int16_t start_minute; /* -1: all day */
	int16_t end_minute;
	uint16_t tier; /* word; LT_METER_NONE: standard */
	uint16_t rate_count;
	uint32_t first_rate;
};

struct lt_book_model {
	struct lt_book_text id;
	uint32_t first_term, term_count;
	uint32_t first_set, set_count;
	uint32_t rank;
	uint32_t next_rule; /* next model of the provider that needs more than a look-up, by rank */
	uint32_t line;
	uint16_t provider;
	uint8_t layer;
};

struct lt_book_provider {
	struct lt_book_text id;
	uint16_t fallback[LT_BOOK_FALLBACKS];
	unsigned fallback_count;
	uint32_t first_rule, last_rule; /* UINT32_MAX: none */
};

/* factor: meter of a tier = standard x ratio. derive: meter = base x ratio where the model has no
 * price for it. */
struct lt_book_rule {
	char model[LT_BOOK_NAMES_MAX + 1]; /* glob over the entry's id */
	struct lt_ratio ratio;
	int32_t from_day;
	uint16_t provider;
	uint16_t tier;	/* factor */
	uint16_t meter; /* derive */
	uint16_t base;
	bool derive;
};

struct lt_book_alias {
	char unit[LT_BOOK_WORD];
	uint16_t meter;
};

#define LT_BOOK_ARRAY(type)                                                                        \
	struct {                                                                                   \
		type *v;                                                                           \
		size_t n, room;                                                                    \
	}

struct lt_book_layer {
	char name[LT_BOOK_NAME];
	char version[16];
	char source[64];
	char currency[8];
	char *text; /* owned, NULL for the built-in texts */
};

struct lt_book {
	struct lt_book_layer layer[LT_BOOK_LAYERS];
	unsigned layer_count;
	char version[LT_PRICE_VERSION];
	LT_BOOK_ARRAY(struct lt_book_provider) providers;
	LT_BOOK_ARRAY(struct lt_book_model) models;
	LT_BOOK_ARRAY(struct lt_book_term) terms;
	LT_BOOK_ARRAY(struct lt_book_set) sets;
	LT_BOOK_ARRAY(struct lt_book_rate) rates;
	LT_BOOK_ARRAY(struct lt_book_rule) rules;
	LT_BOOK_ARRAY(struct lt_book_alias) aliases;
	LT_BOOK_ARRAY(char *) words;
	uint32_t *slots; /* index of terms that are a plain "equals"; value = term's model + 1 */
	uint32_t *slot_terms;
	size_t slot_mask;
};

/* Room for one more element, zeroed, or NULL. */
#define lt_book_push(array)                                                                        \
	((__typeof__((array)->v))lt_book_push_(&(array)->v, &(array)->n, &(array)->room,           \
					       sizeof((array)->v[0])))
void *lt_book_push_(void *vector, size_t *n, size_t *room, size_t size);

/* book_parse.c: appends one text, which must live as long as the book, as a new layer. */
LT_MUST_CHECK int lt_book_read(struct lt_book *book, struct lt_bytes text, const char *name,
			       struct lt_problem *problem);
/* lookup.c: builds what lt_book_find needs, after the last layer. */
LT_MUST_CHECK int lt_book_index(struct lt_book *book, const char *name, struct lt_problem *problem);
/* -1: the provider is not in the book. */
int lt_book_provider_find(const struct lt_book *book, struct lt_bytes id);
/* A word (meter, tier) as it stands, without translation; LT_METER_NONE: not in the book. */
uint16_t lt_book_word_find(const struct lt_book *book, struct lt_bytes word);

/* builtin.c */
struct lt_bytes lt_book_builtin_prices(void);
struct lt_bytes lt_book_builtin_tiers(void);
