/* SPDX-License-Identifier: Apache-2.0 */
/* What a call costs, part by part. Plain data. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LT_COST_PARTS_MAX = 14, LT_PRICE_KEY = 160, LT_PRICE_VERSION = 64 };

enum lt_price_status {
	LT_PRICE_UNPRICED, /* usage, but the book has no price: never 0 */
	LT_PRICE_PRICED,
	LT_PRICE_INLINE, /* the provider stated the cost and the book has none */
	LT_PRICE_FREE,	 /* by configuration */
	LT_PRICE_SUBSCRIPTION,
	LT_PRICE_NOT_BILLABLE, /* failed, or no usage is due */
	LT_PRICE_NO_USAGE,     /* a billable call whose usage nobody knows */
};

/* "unpriced" | "priced" | "inline" | "free" | "subscription" | "not_billable" | "no_usage" */
const char *lt_price_status_name(enum lt_price_status s);

struct lt_cost_part {
	const char *meter; /* bucket or unit name, static or owned by the book */
	uint64_t quantity; /* units */
	int64_t amount;	   /* pico, rounded for show; the record's amount is rounded once from the
			      exact sum */
	char price[LT_PRICE_KEY]; /* id of the price book entry: see books/README.md */
};

struct lt_cost {
	enum lt_price_status status;
	int64_t amount; /* pico of @currency; meaningful when PRICED, INLINE, FREE */
	char currency[8];
	char version[LT_PRICE_VERSION]; /* book@version, "" when no book was used */
	struct lt_cost_part parts[LT_COST_PARTS_MAX];
	unsigned part_count;
};
