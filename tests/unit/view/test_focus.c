// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "userspace/base/alloc.h"
#include "userspace/view/focus.h"
#include "userspace/view/focus_before.h"
#include "userspace/view/focus_names.h"
#include "userspace/view/focus_row.h"
#include "userspace/view/focus_share.h"
#include "userspace/view/full_csv.h"
#include "userspace/export/record_json.h"

enum { ROWS_MAX = 512, COLUMNS_MAX = 128, PICO_PLACES = 12 };

/* ---- a table, read from CSV ---- */

struct table {
	char *text;
	size_t size;
	char *title[COLUMNS_MAX], *cell[ROWS_MAX][COLUMNS_MAX];
	size_t columns, rows;
};

/* One field of @p, unquoted in place; *@end: what ended it. */
static char *read_cell(char **p, char *end)
{
	char *from = *p, *to = *p, *start = *p;
	bool quoted = *from == '"';

	from += quoted;
	for (;; from++) {
		if (quoted && from[0] == '"' && from[1] == '"')
			from++;
		else if (quoted && from[0] == '"') {
			from++;
			break;
		} else if (!quoted && strchr(",\r", *from))
			break;
		*to++ = *from;
	}
	*end = *from;
	*p = from + (*from == '\r' ? 2 : 1);
	*to = '\0';
	return start;
}

static void read_table(struct table *t)
{
	char *p = t->text, end = ',';

	t->columns = t->rows = 0;
	while (end == ',')
		t->title[t->columns++] = read_cell(&p, &end);
	while (p < t->text + t->size) {
		end = ',';
		assert_true(t->rows < ROWS_MAX);
		for (size_t i = 0; end == ','; i++) {
			assert_true(i < t->columns);
			t->cell[t->rows][i] = read_cell(&p, &end);
		}
		t->rows++;
	}
}

static const char *get(const struct table *t, size_t row, const char *title)
{
	for (size_t i = 0; i < t->columns; i++) {
		if (strcmp(t->title[i], title) == 0)
			return t->cell[row][i];
	}
	fail_msg("there is no column %s", title);
	return NULL;
}

/* "-1.25" with at most @places decimals as an integer. */
static lt_int128 scaled(const char *text, unsigned places)
{
	bool negative = *text == '-', point = false;
	lt_int128 n = 0;

	for (text += negative; *text; text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		assert_true(*text >= '0' && *text <= '9');
		n = n * 10 + (*text - '0');
		places -= point;
	}
	while (places-- > 0)
		n *= 10;
	return negative ? -n : n;
}

static lt_int128 sum(const struct table *t, const char *title)
{
	lt_int128 total = 0;

	for (size_t i = 0; i < t->rows; i++)
		total += scaled(get(t, i, title), PICO_PLACES);
	return total;
}

/* @records through the exporter. */
static void export(struct lt_focus *f, const struct lt_record *records, size_t count,
		   struct table *ret)
{
	FILE *out = open_memstream(&ret->text, &ret->size);
	const char *reason;

	lt_focus_titles(out, f);
	for (size_t i = 0; i < count; i++)
		lt_focus_count(f, &records[i]);
	for (size_t i = 0; i < count; i++) {
		if (lt_focus_judge(&records[i], &reason) == LT_FOCUS_ROWS)
			lt_focus_write(out, f, &records[i], false);
	}
	if (f->mode == LT_FOCUS_SPLIT)
		lt_focus_residuals(out, f, 1793491200000000000, 1796083200000000000);
	fclose(out);
	read_table(ret);
}

/* ---- records ---- */

static struct lt_record record(const char *provider, const char *model)
{
	struct lt_record r = {
		.revision = 1,
		.ttfb_ns = -1,
		.counts_in_total = true,
		.start_ns = 1795000000250000000, /* 2026-11-18T11:06:40.25Z */
		.end_ns = 1795000001000000001,
		.cost.status = LT_PRICE_PRICED,
		.cost.currency = "USD",
		.cost.version = "book@2026-11-01",
		.call.record_type = "llm",
		.call.category = "llm_token",
		.call.operation = "chat",
		.call.usage.source = LT_USAGE_WIRE,
		.who.tenant = "acme",
	};

	lt_bytes_copy(r.call.provider, sizeof(r.call.provider), lt_bytes_str(provider));
	lt_bytes_copy(r.call.request_model, sizeof(r.call.request_model), lt_bytes_str(model));
	lt_bytes_copy(r.call.response_model, sizeof(r.call.response_model), lt_bytes_str(model));
	return r;
}

static void add_part(struct lt_record *r, const char *meter, uint64_t quantity, int64_t amount,
		     const char *price)
{
	struct lt_cost_part *part = &r->cost.parts[r->cost.part_count++];

	part->meter = meter;
	part->quantity = quantity;
	part->amount = amount;
	snprintf(part->price, sizeof(part->price), "%s", price);
	r->cost.amount += amount;
}

static uint64_t random_u64(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Of any status, in any state, with any number of parts that are rounded by some pico. */
static struct lt_record random_record(uint64_t *seed)
{
	static const char *const providers[] = {"openai", "anthropic", "exa", "acme"};
	static const char *const meters[] = {"in_uncached", "cache_read", "out_visible",
					     "reasoning",   "seconds",	  "requests"};
	struct lt_record r = record(providers[random_u64(seed) % 4], "m");
	uint64_t id[2] = {random_u64(seed), random_u64(seed)};

	memcpy(r.id.b, id, sizeof(id));
	r.start_ns += (int64_t)(random_u64(seed) % 1000) * 1000000000;
	r.end_ns = r.start_ns + (int64_t)(random_u64(seed) % 3000000000);
	r.counts_in_total = random_u64(seed) % 8 > 0;
	r.state = random_u64(seed) % 8 == 0 ? LT_RECORD_VOID : LT_RECORD_FINAL;
	r.cost.status = random_u64(seed) % 7;
	r.call.usage.bucket[LT_B_IN_UNCACHED] = (struct lt_count){random_u64(seed) % 1000, true};
	if (r.cost.status == LT_PRICE_PRICED) {
		for (uint64_t n = random_u64(seed) % (LT_COST_PARTS_MAX + 1); n > 0; n--)
			add_part(&r, meters[random_u64(seed) % LT_COUNT(meters)],
				 random_u64(seed) >> (random_u64(seed) % 64),
				 (int64_t)(random_u64(seed) >> (12 + random_u64(seed) % 50)),
				 random_u64(seed) % 2 ? "acme/m/output@always" : "");
		r.cost.amount += (int64_t)(random_u64(seed) % 7) - 3;
	} else if (r.cost.status == LT_PRICE_INLINE) {
		r.cost.amount = (int64_t)(random_u64(seed) >> (8 + random_u64(seed) % 40));
		if (random_u64(seed) % 16 == 0)
			r.cost.amount = -r.cost.amount;
	}
	return r;
}

/* ---- golden rows ---- */

struct golden {
	const char *what, *meter, *sku_price, *consumed, *unit, *quantity, *pricing_unit, *price,
		*cost, *category;
};

static void assert_row(const struct table *t, size_t row, const struct golden *g)
{
	const char *const expected[][2] = {
		{"SkuMeter", g->meter},
		{"SkuPriceId", g->sku_price},
		{"ConsumedQuantity", g->consumed},
		{"ConsumedUnit", g->unit},
		{"PricingQuantity", g->quantity},
		{"PricingUnit", g->pricing_unit},
		{"ListUnitPrice", g->price},
		{"ContractedUnitPrice", g->price},
		{"ListCost", g->cost},
		{"ContractedCost", g->cost},
		{"EffectiveCost", g->cost},
		{"BilledCost", "0.0"},
		{"PricingCategory", g->category},
		{"ChargeCategory", "Usage"},
		{"ChargeFrequency", "Usage-Based"},
		{"ChargeClass", ""},
	};

	for (size_t i = 0; i < LT_COUNT(expected); i++) {
		if (strcmp(get(t, row, expected[i][0]), expected[i][1]) != 0)
			fail_msg("%s: %s is %s, not %s", g->what, expected[i][0],
				 get(t, row, expected[i][0]), expected[i][1]);
	}
}

static void every_kind_of_row(void **state)
{
	/* what, meter (bucket or unit), quantity, micro of a unit, pico, price */
	static const struct {
		const char *meter;
		uint64_t quantity, micro;
		int64_t amount;
		const char *price;
		struct golden g;
	} cases[] = {
		{"in_uncached",
		 500,
		 0,
		 1500000000,
		 "anthropic/claude/input@always",
		 {"uncached", "Input Tokens", "anthropic/claude/input", "500.0", "Tokens", "0.0005",
		  "1000000 Tokens", "3.0", "0.0015", "Standard"}},
		{"cache_read",
		 8000,
		 0,
		 2400000000,
		 "anthropic/claude/cache_read@2026-01-01",
		 {"read", "Cache Read Input Tokens", "anthropic/claude/cache_read", "8000.0",
		  "Tokens", "0.008", "1000000 Tokens", "0.3", "0.0024", "Standard"}},
		{"cache_write_5m",
		 1200,
		 0,
		 4500000000,
		 "anthropic/claude/cache_write@always",
		 {"write", "Cache Write Input Tokens", "anthropic/claude/cache_write", "1200.0",
		  "Tokens", "0.0012", "1000000 Tokens", "3.75", "0.0045", "Standard"}},
		{"cache_write_1h",
		 1000,
		 0,
		 6000000000,
		 "anthropic/claude/cache_write_1h=input@always",
		 {"write for an hour", "Cache Write Input Tokens",
		  "anthropic/claude/cache_write_1h=input", "1000.0", "Tokens", "0.001",
		  "1000000 Tokens", "6.0", "0.006", "Standard"}},
		{"out_visible",
		 350,
		 0,
		 5250000000,
		 "anthropic/claude/output@always",
		 {"output", "Output Tokens", "anthropic/claude/output", "350.0", "Tokens",
		  "0.00035", "1000000 Tokens", "15.0", "0.00525", "Standard"}},
		{"reasoning",
		 192,
		 0,
		 1920000000,
		 "openai/gpt-5/output@always",
		 {"reasoning at the price of output", "Output Tokens", "openai/gpt-5/output",
		  "192.0", "Tokens", "0.000192", "1000000 Tokens", "10.0", "0.00192", "Standard"}},
		{"reasoning",
		 10,
		 0,
		 30000000,
		 "x/y/output_reasoning@always",
		 {"reasoning apart", "Reasoning Output Tokens", "x/y/output_reasoning", "10.0",
		  "Tokens", "0.00001", "1000000 Tokens", "3.0", "0.00003", "Standard"}},
		{"in_audio",
		 100,
		 0,
		 4000000000,
		 "openai/gpt-audio/input_audio*batch@always",
		 {"audio, batch", "Audio Input Tokens", "openai/gpt-audio/input_audio*batch",
		  "100.0", "Tokens", "0.0001", "1000000 Tokens", "40.0", "0.004", "Standard"}},
		{"out_image",
		 4160,
		 0,
		 166400000000,
		 "openai/gpt-image-1/output_image:flex@always",
		 {"image, flex", "Image Output Tokens", "openai/gpt-image-1/output_image:flex",
		  "4160.0", "Tokens", "0.00416", "1000000 Tokens", "40.0", "0.1664", "Standard"}},
		{"in_uncached",
		 400000,
		 0,
		 1000000000000,
		 "google/gemini-2.5-pro/input>200000@always",
		 {"long context", "Input Tokens", "google/gemini-2.5-pro/input>200000", "400000.0",
		  "Tokens", "0.4", "1000000 Tokens", "2.5", "1.0", "Standard"}},
		{"in_uncached",
		 1000,
		 0,
		 135000000,
		 "deepseek/v3/input@2025-02-08T1630-0030",
		 {"by the hour", "Input Tokens", "deepseek/v3/input@T1630-0030", "1000.0", "Tokens",
		  "0.001", "1000000 Tokens", "0.135", "0.000135", "Standard"}},
		{"audio_seconds",
		 12,
		 12345678,
		 1234567800,
		 "openai/whisper-1/audio_seconds@always",
		 {"seconds with decimals", "Audio Seconds", "openai/whisper-1/audio_seconds",
		  "12.345678", "Seconds", "12.345678", "Seconds", "0.0001", "0.0012345678",
		  "Standard"}},
		{"rerank_searches",
		 2,
		 2000000,
		 4000000000,
		 "cohere/rerank/rerank_searches@always",
		 {"search units", "Rerank Searches", "cohere/rerank/rerank_searches", "2.0",
		  "Searches", "2.0", "Searches", "0.002", "0.004", "Standard"}},
		{"requests",
		 1,
		 0,
		 5000000000,
		 "perplexity/sonar/requests@always",
		 {"a fee for each call", "Requests", "perplexity/sonar/requests", "1.0", "Requests",
		  "1.0", "Requests", "0.005", "0.005", "Standard"}},
		{"out_visible",
		 7,
		 0,
		 500000000,
		 "acme/odd/output@always",
		 {"a price without an end", "Output Tokens", "acme/odd/output", "7.0", "Tokens",
		  "0.000007", "1000000 Tokens", "71.428571428571428571", "0.0005", "Standard"}},
		{"other",
		 3,
		 0,
		 2000000,
		 "",
		 {"the rest of many parts", "Other", "openai/gpt/other:sum", "3.0", "Units", "3.0",
		  "Units", "0.000000666666666667", "0.000002", "Standard"}},
		{"video_seconds",
		 0,
		 0,
		 7,
		 "x/y/video_seconds@always",
		 {"less than shows", "Video Seconds", "x/y/video_seconds", "1.0", "Requests", "1.0",
		  "Requests", "0.000000000007", "0.000000000007", "Standard"}},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_record r = record("openai", "gpt");
		struct lt_focus f = {0};
		struct table t;

		add_part(&r, cases[i].meter, cases[i].quantity, cases[i].amount, cases[i].price);
		if (cases[i].micro) {
			r.call.usage.unit_count = 1;
			snprintf(r.call.usage.units[0].name, LT_UNIT_NAME, "as_on_the_wire");
			r.call.usage.units[0].amount_micro = cases[i].micro;
		}
		export(&f, &r, 1, &t);
		assert_int_equal(t.rows, 1);
		assert_row(&t, 0, &cases[i].g);
		free(t.text);
	}
}

/* Amounts that have no parts. */
static void one_amount_for_the_call(void **state)
{
	static const struct {
		enum lt_price_status status;
		int64_t amount;
		bool used;
		struct golden g;
	} cases[] = {
		{LT_PRICE_INLINE,
		 123456789,
		 true,
		 {"inline", "Requests", "openai/gpt/requests:inline", "1.0", "Requests", "1.0",
		  "Requests", "0.000123456789", "0.000123456789", "Dynamic"}},
		{LT_PRICE_INLINE,
		 -5,
		 true,
		 {"a credit", "Requests", "openai/gpt/requests:inline", "-1.0", "Requests", "-1.0",
		  "Requests", "0.000000000005", "-0.000000000005", "Dynamic"}},
		{LT_PRICE_FREE,
		 0,
		 true,
		 {"free", "Requests", "openai/gpt/requests:call", "1.0", "Requests", "1.0",
		  "Requests", "0.0", "0.0", "Standard"}},
		{LT_PRICE_SUBSCRIPTION,
		 0,
		 true,
		 {"plan", "Input Tokens", "openai/gpt/in_uncached:plan", "118.0", "Tokens",
		  "0.000118", "1000000 Tokens", "0.0", "0.0", "Other"}},
		{LT_PRICE_SUBSCRIPTION,
		 0,
		 false,
		 {"plan, usage not known", "Requests", "openai/gpt/requests:plan", "1.0",
		  "Requests", "1.0", "Requests", "0.0", "0.0", "Other"}},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_record r = record("openai", "gpt");
		struct lt_focus f = {0};
		struct table t;

		r.cost.status = cases[i].status;
		r.cost.amount = cases[i].amount;
		r.call.usage.bucket[LT_B_IN_UNCACHED] = (struct lt_count){118, cases[i].used};
		export(&f, &r, 1, &t);
		assert_int_equal(t.rows, 1);
		assert_row(&t, 0, &cases[i].g);
		free(t.text);
	}
}

static void what_is_not_known_is_quarantined(void **state)
{
	static const struct {
		enum lt_price_status status;
		enum lt_record_state state;
		enum lt_coverage coverage;
		bool counts;
		const char *currency;
		enum lt_focus_verdict verdict;
		const char *reason;
	} cases[] = {
		{LT_PRICE_PRICED, LT_RECORD_AMENDED, 0, true, "EUR", LT_FOCUS_ROWS, NULL},
		{LT_PRICE_SUBSCRIPTION, 0, 0, true, "USD", LT_FOCUS_ROWS, NULL},
		{LT_PRICE_UNPRICED, 0, 0, true, "USD", LT_FOCUS_QUARANTINE, "unpriced"},
		{LT_PRICE_NO_USAGE, 0, 0, true, "", LT_FOCUS_QUARANTINE, "no_usage"},
		{LT_PRICE_PRICED, 0, 0, true, "CREDITS", LT_FOCUS_QUARANTINE, "currency"},
		{LT_PRICE_PRICED, 0, 0, true, "", LT_FOCUS_QUARANTINE, "currency"},
		{LT_PRICE_NO_USAGE, 0, LT_COVERAGE_KNOWN_HOST_ENCRYPTED, true, "",
		 LT_FOCUS_QUARANTINE, "not_read"},
		{LT_PRICE_NOT_BILLABLE, 0, 0, true, "USD", LT_FOCUS_NOTHING, NULL},
		{LT_PRICE_PRICED, 0, 0, false, "USD", LT_FOCUS_NOTHING, NULL},
		{LT_PRICE_UNPRICED, LT_RECORD_VOID, 0, true, "USD", LT_FOCUS_NOTHING, NULL},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_record r = record("openai", "gpt");
		const char *reason;

		r.cost.status = cases[i].status;
		r.state = cases[i].state;
		r.coverage = cases[i].coverage;
		r.counts_in_total = cases[i].counts;
		snprintf(r.cost.currency, sizeof(r.cost.currency), "%s", cases[i].currency);
		assert_int_equal(lt_focus_judge(&r, &reason), cases[i].verdict);
		if (cases[i].reason)
			assert_string_equal(reason, cases[i].reason);
		else
			assert_null(reason);
	}
}

/* ---- sums ---- */

static lt_int128 counted(const struct lt_record *records, size_t count)
{
	lt_int128 total = 0;
	const char *reason;

	for (size_t i = 0; i < count; i++) {
		if (lt_focus_judge(&records[i], &reason) == LT_FOCUS_ROWS &&
		    lt_record_has_amount(&records[i]))
			total += records[i].cost.amount;
	}
	return total;
}

static void assert_products(const struct table *t, size_t row)
{
	lt_int128 price = scaled(get(t, row, "ListUnitPrice"), LT_PRICE_PLACES);
	lt_int128 quantity = scaled(get(t, row, "PricingQuantity"), 6);
	lt_int128 cost = scaled(get(t, row, "ListCost"), PICO_PLACES);
	lt_int128 unit = 1000000000000, product; /* 10^(18 + 6 - 12) */

	assert_true(price >= 0);
	assert_false(__builtin_mul_overflow(price, quantity, &product));
	/* Equal in as many places as the cost has, where the quantity is one that can occur. */
	if (quantity < unit && quantity > -unit)
		assert_true(product - cost * unit <= unit / 2 && cost * unit - product <= unit / 2);
}

static void rows_sum_to_the_records_exactly(void **state)
{
	static struct lt_record records[24];
	uint64_t seed = 42;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct lt_focus f = {.version = round % 2, .mode = LT_FOCUS_PRIMARY};
		size_t n = random_u64(&seed) % LT_COUNT(records);
		struct table t;

		for (size_t i = 0; i < n; i++)
			records[i] = random_record(&seed);
		export(&f, records, n, &t);
		assert_true(sum(&t, "EffectiveCost") == counted(records, n));
		assert_true(sum(&t, "BilledCost") == counted(records, n));
		for (size_t i = 0; i < t.rows; i++)
			assert_products(&t, i);
		free(t.text);
	}
}

static void the_rounding_of_parts_is_on_the_last_row(void **state)
{
	struct lt_record r = record("acme", "m");
	struct lt_focus f = {0};
	struct table t;

	(void)state;
	add_part(&r, "in_uncached", 1, 10, "acme/m/input@always");
	add_part(&r, "out_visible", 1, 10, "acme/m/output@always");
	r.cost.amount = 21;
	export(&f, &r, 1, &t);
	assert_string_equal(get(&t, 0, "EffectiveCost"), "0.00000000001");
	assert_string_equal(get(&t, 1, "EffectiveCost"), "0.000000000011");
	assert_string_equal(get(&t, 1, "ListCost"), "0.00000000001");
	assert_string_equal(get(&t, 0, "x_RecordCount"), "1");
	assert_string_equal(get(&t, 1, "x_RecordCount"), "0");
	free(t.text);
}

static lt_int128 sum_of_invoice(const struct table *t, const char *id)
{
	lt_int128 total = 0;

	for (size_t i = 0; i < t->rows; i++) {
		if (strcmp(get(t, i, "InvoiceId"), id) == 0)
			total += scaled(get(t, i, "BilledCost"), PICO_PLACES);
	}
	return total;
}

/* Whether more or less was invoiced than recorded, by whatever, to the pico. */
static void an_invoice_is_spread_exactly(void **state)
{
	static struct lt_record records[24];
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct lt_focus f = {
			.version = round % 2,
			.mode = LT_FOCUS_SPLIT,
			.invoices = {{.provider = "openai",
				      .id = "INV-1",
				      .currency = "USD",
				      .amount = (int64_t)(random_u64(&seed) >>
							  (1 + random_u64(&seed) % 60))},
				     {.provider = "exa",
				      .id = "INV-2",
				      .currency = "EUR",
				      .amount = 5}},
			.invoice_count = 2};
		size_t n = random_u64(&seed) % LT_COUNT(records);
		struct table t;

		for (size_t i = 0; i < n; i++)
			records[i] = random_record(&seed);
		export(&f, records, n, &t);
		assert_true(sum_of_invoice(&t, "INV-1") == f.invoices[0].amount);
		assert_true(sum_of_invoice(&t, "INV-2") == 5);
		assert_true(sum(&t, "ContractedCost") - sum(&t, "BilledCost") <= INT64_MAX);
		free(t.text);
	}
}

static void a_rest_belongs_to_nobody(void **state)
{
	struct lt_focus f = {.mode = LT_FOCUS_SPLIT,
			     .invoices = {{.provider = "openai",
					   .id = "INV-1",
					   .currency = "USD",
					   .amount = 3000000000000}},
			     .invoice_count = 1};
	struct lt_record r = record("openai", "gpt");
	struct table t;

	(void)state;
	snprintf(r.who.workload, sizeof(r.who.workload), "Deployment/web");
	add_part(&r, "in_uncached", 1000000, 2500000000000, "openai/gpt/input@always");
	export(&f, &r, 1, &t);
	assert_int_equal(t.rows, 2);
	assert_string_equal(get(&t, 0, "BilledCost"), "2.5");
	assert_string_equal(get(&t, 0, "InvoiceId"), "INV-1");
	assert_string_equal(get(&t, 0, "AllocatedMethodId"), "ledger-share");
	assert_string_equal(get(&t, 0, "AllocatedResourceId"), "Deployment/web");
	assert_string_equal(get(&t, 1, "BilledCost"), "0.5");
	assert_string_equal(get(&t, 1, "ChargeCategory"), "Adjustment");
	assert_string_equal(get(&t, 1, "x_CostCategory"), "unattributed");
	assert_string_equal(get(&t, 1, "ServiceName"), "OpenAI API");
	assert_string_equal(get(&t, 1, "SkuId"), "");
	assert_string_equal(get(&t, 1, "ConsumedQuantity"), "");
	assert_string_equal(get(&t, 1, "BillingPeriodStart"), "2026-11-01T00:00:00Z");
	assert_string_equal(get(&t, 1, "ChargePeriodEnd"), "2026-12-01T00:00:00Z");
	free(t.text);
	/* A tenth of it was billed: each call has a tenth. */
	f.invoices[0] = (struct lt_focus_invoice){
		.provider = "openai", .id = "INV-1", .currency = "USD", .amount = 250000000000};
	export(&f, &r, 1, &t);
	assert_int_equal(t.rows, 1);
	assert_string_equal(get(&t, 0, "BilledCost"), "0.25");
	assert_string_equal(get(&t, 0, "EffectiveCost"), "0.25");
	assert_string_equal(get(&t, 0, "ListCost"), "2.5");
	free(t.text);
}

/* ---- columns ---- */

static void who_and_when(void **state)
{
	struct lt_focus f = {.accounts = {{"", "fallback"}, {"bedrock", "111122223333"}},
			     .account_count = 2};
	struct lt_record r = record("bedrock", "claude");
	struct table t;

	(void)state;
	snprintf(r.call.host, sizeof(r.call.host), "bedrock-runtime.eu-central-1.amazonaws.com");
	snprintf(r.who.cluster, sizeof(r.who.cluster), "c1");
	snprintf(r.who.namespace, sizeof(r.who.namespace), "prod");
	snprintf(r.who.workload, sizeof(r.who.workload), "Deployment/web");
	snprintf(r.who.team, sizeof(r.who.team), "billing");
	snprintf(r.who.agent_role, sizeof(r.who.agent_role), "planner");
	snprintf(r.who.tags, sizeof(r.who.tags), "{\"team\":\"no\",\"a\\\"b\":\"x,\\\"y\"}");
	r.call.tool_calls = (struct lt_count){3, true};
	add_part(&r, "in_uncached", 1, 10, "aws/claude/input@always");
	add_part(&r, "out_visible", 1, 10, "aws/claude/output@always");
	export(&f, &r, 1, &t);
	assert_string_equal(get(&t, 0, "BillingAccountId"), "111122223333");
	assert_string_equal(get(&t, 0, "ServiceProviderName"), "AWS");
	assert_string_equal(get(&t, 0, "ServiceName"), "Amazon Bedrock");
	assert_string_equal(get(&t, 0, "RegionId"), "eu-central-1");
	assert_string_equal(get(&t, 0, "SubAccountId"), "acme");
	assert_string_equal(get(&t, 0, "SubAccountType"), "Tenant");
	assert_string_equal(get(&t, 0, "x_PrincipalId"), "c1/prod/Deployment/web");
	assert_string_equal(get(&t, 0, "Tags"),
			    "{\"agent_role\":\"planner\",\"team\":\"billing\","
			    "\"k8s_cluster\":\"c1\",\"k8s_namespace\":\"prod\","
			    "\"workload\":\"Deployment/web\",\"a\\\"b\":\"x,\\\"y\"}");
	assert_string_equal(get(&t, 0, "SkuPriceDetails"),
			    "{\"x_ModelId\":\"claude\",\"x_TokenDirection\":\"Input\","
			    "\"x_TokenCacheAction\":\"Uncached\",\"x_Modality\":\"Text\","
			    "\"x_ServiceTier\":\"standard\"}");
	assert_string_equal(get(&t, 0, "ChargePeriodStart"), "2026-11-18T11:06:40Z");
	assert_string_equal(get(&t, 0, "ChargePeriodEnd"), "2026-11-18T11:06:42Z");
	assert_string_equal(get(&t, 0, "x_RequestStart"), "2026-11-18T11:06:40.250000000Z");
	assert_string_equal(get(&t, 0, "x_ToolCallCount"), "3");
	assert_string_equal(get(&t, 1, "x_ToolCallCount"), "");
	free(t.text);
	/* Another provider's account: what it says itself, then the one for all. */
	snprintf(r.call.provider, sizeof(r.call.provider), "openai");
	snprintf(r.call.organization, sizeof(r.call.organization), "org-1");
	export(&f, &r, 1, &t);
	assert_string_equal(get(&t, 0, "BillingAccountId"), "org-1");
	free(t.text);
	r.call.organization[0] = '\0';
	export(&f, &r, 1, &t);
	assert_string_equal(get(&t, 0, "BillingAccountId"), "fallback");
	free(t.text);
}

static void a_call_belongs_to_the_month_it_began_in(void **state)
{
	struct lt_record r = record("openai", "gpt");
	struct lt_focus f = {0};
	struct table t;

	(void)state;
	r.start_ns = 1796083199900000000; /* 2026-11-30T23:59:59.9Z */
	r.end_ns = r.start_ns + 9000000000;
	export(&f, &r, 1, &t);
	assert_string_equal(get(&t, 0, "ChargePeriodStart"), "2026-11-30T23:59:59Z");
	assert_string_equal(get(&t, 0, "ChargePeriodEnd"), "2026-12-01T00:00:00Z");
	assert_string_equal(get(&t, 0, "BillingPeriodEnd"), "2026-12-01T00:00:00Z");
	free(t.text);
	r.end_ns = r.start_ns = 1795000000000000000;
	export(&f, &r, 1, &t);
	assert_string_equal(get(&t, 0, "ChargePeriodEnd"), "2026-11-18T11:06:41Z");
	free(t.text);
}

static void hostile_texts_stay_in_their_cells(void **state)
{
	struct lt_record r = record("openai", "=cmd|' /C calc'!A0");
	struct lt_focus f = {0};
	struct table t;

	(void)state;
	snprintf(r.who.tenant, sizeof(r.who.tenant), "+1,\"\r\n\xc3\xa9\xff");
	snprintf(r.call.request_model, sizeof(r.call.request_model), "@SUM(1)");
	/* Not what our rules write: what cannot be read is left out. */
	snprintf(r.who.tags, sizeof(r.who.tags), "{\"a\":\"b\",\"c\":[1]}");
	r.cost.status = LT_PRICE_INLINE;
	export(&f, &r, 1, &t);
	assert_int_equal(t.rows, 1);
	assert_string_equal(get(&t, 0, "SubAccountId"), "'+1,\"\r\n\xc3\xa9\xef\xbf\xbd");
	assert_string_equal(get(&t, 0, "x_RequestModel"), "'@SUM(1)");
	assert_string_equal(get(&t, 0, "x_ResponseModel"), "'=cmd|' /C calc'!A0");
	assert_string_equal(get(&t, 0, "Tags"), "{\"a\":\"b\"}");
	free(t.text);
}

static void the_versions_differ_in_names(void **state)
{
	struct lt_record r = record("openai", "gpt");
	struct lt_focus old = {.version = LT_FOCUS_1_2}, new = {.version = LT_FOCUS_1_4};
	struct table t;
	bool own = false;

	(void)state;
	export(&new, &r, 1, &t);
	assert_string_equal(get(&t, 0, "HostProviderName"), "OpenAI");
	for (size_t i = 0; i < t.columns; i++) {
		assert_string_not_equal(t.title[i], "ProviderName");
		assert_string_not_equal(t.title[i], "PublisherName");
		if (own)
			assert_memory_equal(t.title[i], "x_", 2);
		own |= strncmp(t.title[i], "x_", 2) == 0;
	}
	free(t.text);
	export(&old, &r, 1, &t);
	assert_string_equal(get(&t, 0, "ProviderName"), "OpenAI");
	assert_string_equal(get(&t, 0, "PublisherName"), "OpenAI");
	free(t.text);
}

static void a_name_has_one_category(void **state)
{
	static const char *const types[] = {"llm",	    "embedding", "rerank",    "tool_api",
					    "mcp",	    "saas",	 "vector_db", "evaluation",
					    "human_review", "new"};
	static const char *const providers[] = {"openai", "pinecone", "exa", "acme", ""};
	struct lt_focus_service s[LT_COUNT(types) * LT_COUNT(providers)];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(types); i++) {
		for (size_t j = 0; j < LT_COUNT(providers); j++) {
			struct lt_call call = {0};

			snprintf(call.provider, sizeof(call.provider), "%s", providers[j]);
			snprintf(call.record_type, sizeof(call.record_type), "%s", types[i]);
			lt_focus_service(&call, &s[n++]);
		}
	}
	for (size_t i = 0; i < n; i++) {
		assert_true(s[i].name[0] && s[i].provider[0]);
		for (size_t j = 0; j < n; j++) {
			if (strcmp(s[i].name, s[j].name) == 0) {
				assert_string_equal(s[i].category, s[j].category);
				assert_string_equal(s[i].subcategory, s[j].subcategory);
			}
		}
	}
}

/* ---- an earlier export, corrected ---- */

static int by_time(const void *a, const void *b)
{
	const struct lt_record *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static int correct(const char *before, const struct lt_record *records, size_t count,
		   struct table *ret, struct lt_problem *problem)
{
	FILE *in = fmemopen((void *)(uintptr_t)before, strlen(before), "r");
	FILE *out = open_memstream(&ret->text, &ret->size);
	struct lt_focus f = {0};
	lt_defer(lt_focus_before_freep)
	struct lt_focus_before *b = NULL;
	const char *reason;
	bool same;
	int r;

	r = lt_focus_before_new(in, "before.csv", LT_FOCUS_1_4, 0, INT64_MAX, &b, problem);
	lt_focus_titles(out, &f);
	for (size_t i = 0; r == 0 && i < count; i++) {
		bool charged = lt_focus_judge(&records[i], &reason) == LT_FOCUS_ROWS;

		r = lt_focus_before_record(b, &records[i], charged, out, &same, problem);
		if (r == 0 && charged && !same)
			lt_focus_write(out, &f, &records[i], true);
	}
	if (r == 0)
		r = lt_focus_before_end(b, out, problem);
	fclose(in);
	fclose(out);
	read_table(ret);
	return r;
}

static void what_changed_is_taken_back_and_charged_anew(void **state)
{
	static struct lt_record records[24], later[24];
	static const char *const sums[] = {"EffectiveCost", "ListCost",		"ContractedCost",
					   "BilledCost",    "ConsumedQuantity", "x_RecordCount"};
	uint64_t seed = 11, taken_back = 0;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct lt_focus f = {0};
		struct lt_problem problem = {0};
		struct table before, after, corrections;
		size_t n = random_u64(&seed) % LT_COUNT(records), m = 0;
		char *copy;

		for (size_t i = 0; i < n; i++) {
			records[i] = random_record(&seed);
			/* Kept, void, gone, amended, or new. */
			later[m] = records[i];
			switch (random_u64(&seed) % 5) {
			case 0:
				later[m++].state = LT_RECORD_VOID;
				break;
			case 1:
				break;
			case 2:
				later[m].cost.amount += 17;
				later[m++].revision = 2;
				break;
			case 3:
				later[m++] = random_record(&seed);
				break;
			default:
				m++;
			}
		}
		qsort(records, n, sizeof(records[0]), by_time);
		qsort(later, m, sizeof(later[0]), by_time);
		export(&f, later, m, &after);
		{
			FILE *out = open_memstream(&before.text, &before.size);
			const char *reason;

			lt_focus_titles(out, &f);
			for (size_t i = 0; i < n; i++) {
				if (lt_focus_judge(&records[i], &reason) == LT_FOCUS_ROWS)
					lt_focus_write(out, &f, &records[i], false);
			}
			fclose(out);
		}
		copy = strdup(before.text);
		read_table(&before);
		if (correct(copy, later, m, &corrections, &problem) != 0)
			fail_msg("%s", problem.text);
		for (size_t i = 0; i < LT_COUNT(sums); i++)
			assert_true(sum(&before, sums[i]) + sum(&corrections, sums[i]) ==
				    sum(&after, sums[i]));
		for (size_t i = 0; i < corrections.rows; i++) {
			assert_string_equal(get(&corrections, i, "ChargeClass"), "Correction");
			assert_products(&corrections, i);
			taken_back += get(&corrections, i, "PricingQuantity")[0] == '-';
		}
		free(copy);
		free(before.text);
		free(after.text);
		free(corrections.text);
	}
	assert_true(taken_back > 100);
}

static void a_file_that_is_no_earlier_export_is_refused(void **state)
{
	struct lt_record r = record("openai", "gpt");
	struct lt_focus f = {0};
	struct lt_problem problem;
	struct table t, out;
	char *good, *bad;
	size_t n;

	(void)state;
	{
		FILE *to = open_memstream(&good, &n);

		lt_focus_titles(to, &f);
		lt_focus_write(to, &f, &r, false);
		r.start_ns -= 5;
		lt_focus_write(to, &f, &r, false);
		fclose(to);
	}
	/* In the wrong order, then cut anywhere in its first row. */
	assert_int_equal(correct(good, NULL, 0, &out, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "order"));
	free(out.text);
	for (size_t cut = 0; cut < (size_t)(strstr(good, "\r\n") - good); cut += 7) {
		bad = strndup(good, cut);
		if (cut > 0) {
			assert_int_equal(correct(bad, NULL, 0, &out, &problem), -EINVAL);
			free(out.text);
		}
		free(bad);
	}
	free(good);
	/* Corrections cannot be corrected. */
	{
		FILE *to = open_memstream(&t.text, &t.size);

		lt_focus_titles(to, &f);
		lt_focus_write(to, &f, &r, true);
		fclose(to);
	}
	assert_int_equal(correct(t.text, NULL, 0, &out, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "corrections"));
	free(out.text);
	free(t.text);
}

/* ---- every field ---- */

/* Where a member of the record's JSON stands in the CSV, if not under its own name. */
static const char *csv_name(const char *group, const char *key)
{
	static const char *const names[][3] = {
		{"cost", "amount", "cost"},
		{"cost", "status", "price_status"},
		{"cost", "breakdown", "cost_breakdown"},
	};

	for (size_t i = 0; group && i < LT_COUNT(names); i++) {
		if (strcmp(group, names[i][0]) == 0 && strcmp(key, names[i][1]) == 0)
			return names[i][2];
	}
	return key;
}

static void assert_members(const struct table *t, const char *group, json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		const char *cell;

		if (!group && (strcmp(key, "usage") == 0 || strcmp(key, "cost") == 0)) {
			assert_members(t, key, value);
			continue;
		}
		cell = get(t, 0, csv_name(group, key));
		if (json_is_string(value))
			assert_string_equal(cell, json_string_value(value));
		if (json_is_null(value))
			assert_string_equal(cell, "");
		if (json_is_integer(value))
			assert_int_equal(strtoll(cell, NULL, 10), json_integer_value(value));
	}
}

static void csv_has_every_member_of_the_json(void **state)
{
	struct lt_record r = record("openai", "gpt");
	struct lt_json_writer w;
	struct table t;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *json;

	(void)state;
	add_part(&r, "in_uncached", 500, 1500000000, "openai/gpt/input@always");
	snprintf(r.source_file, sizeof(r.source_file), "a.har");
	r.call.usage.unit_count = 1;
	snprintf(r.call.usage.units[0].name, LT_UNIT_NAME, "seconds");
	r.call.usage.units[0].amount_micro = 1050000;
	r.call.usage.bucket[LT_B_IN_UNCACHED] = (struct lt_count){500, true};
	r.who.claim_conflict = 15;
	lt_json_writer_init(&w, out);
	lt_record_json(&w, 9, &r);
	fclose(out);
	json = json_loads(text, 0, NULL);
	free(text);
	out = open_memstream(&t.text, &t.size);
	lt_view_full_csv_titles(out);
	lt_view_full_csv(out, 9, &r);
	fclose(out);
	read_table(&t);
	assert_members(&t, NULL, json);
	assert_string_equal(get(&t, 0, "units"), "{\"seconds\":1.05}");
	assert_string_equal(get(&t, 0, "in_uncached_bucket"), "500");
	assert_string_equal(get(&t, 0, "claim_conflict"), "tenant use_case agent_role user");
	assert_string_equal(get(&t, 0, "cost_breakdown"),
			    "[{\"meter\":\"in_uncached\",\"quantity\":500,\"amount\":\"0.0015\","
			    "\"price\":\"openai/gpt/input@always\"}]");
	json_decref(json);
	free(t.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_row),
		cmocka_unit_test(one_amount_for_the_call),
		cmocka_unit_test(what_is_not_known_is_quarantined),
		cmocka_unit_test(rows_sum_to_the_records_exactly),
		cmocka_unit_test(the_rounding_of_parts_is_on_the_last_row),
		cmocka_unit_test(an_invoice_is_spread_exactly),
		cmocka_unit_test(a_rest_belongs_to_nobody),
		cmocka_unit_test(who_and_when),
		cmocka_unit_test(a_call_belongs_to_the_month_it_began_in),
		cmocka_unit_test(hostile_texts_stay_in_their_cells),
		cmocka_unit_test(the_versions_differ_in_names),
		cmocka_unit_test(a_name_has_one_category),
		cmocka_unit_test(what_changed_is_taken_back_and_charged_anew),
		cmocka_unit_test(a_file_that_is_no_earlier_export_is_refused),
		cmocka_unit_test(csv_has_every_member_of_the_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
