// SPDX-License-Identifier: Apache-2.0
#include "userspace/price/price.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEAD "ledgertap-book\t1\nname\tt\nversion\t2026-01-01\ncurrency\tUSD\n"

/* 2026-01-10T12:00:00Z */
static const int64_t noon = 1768046400ll * 1000000000;
static const int64_t hour = 3600ll * 1000000000;
static const int64_t day = 24 * 3600ll * 1000000000;

static const char rows[] = HEAD
	"provider\tazure\topenai\n"
	"model\topenai\tgpt\nmatch\tequals\tgpt\nprices\t-\n"
	"rate\tinput\t0.0000025\nrate\toutput\t0.00001\nrate\tcache_read\t0.00000125\n"
	"rate\tinput_audio\t0.00004\nrate\tweb_searches\t0.01\n"
	"tier\tpriority\t2026-01-05\nrate\tinput\t0.000005\nrate\toutput\t0.00002\n"
	"model\topenai\tembed\nmatch\tequals\tembed\nprices\t-\nrate\tinput\t0.00000002\n"
	"model\topenai\tlong\nmatch\tequals\tlong\nprices\t-\n"
	"rate\tinput\t0.000001\t>1000\t0.000002\t>2000\t0.000004\n"
	"rate\toutput\t0.00001\t>1000\t0.000015\n"
	"model\topenai\tempty\nmatch\tequals\tempty\nprices\t-\n"
	"model\tanthropic\tclaude\nmatch\tequals\tclaude\nprices\t-\n"
	"rate\tinput\t0.000003\nrate\toutput\t0.000015\nrate\tcache_read\t0.0000003\n"
	"rate\tcache_write\t0.00000375\n"
	"model\tp\tdated\nmatch\tequals\tdated\nprices\t-\nrate\tinput\t3\n"
	"prices\t2026-01-10\nrate\tinput\t2\nprices\t2026-02-01\nrate\tinput\t1\n"
	"model\tp\thours\nmatch\tequals\thours\nprices\t-\nrate\tinput\t1\n"
	"prices\t-\t12:00-13:30\nrate\tinput\t2\nprices\t-\t22:00-01:00\nrate\tinput\t3\n"
	"model\tp\tfree\nmatch\tequals\tfree\nprices\t-\nrate\tinput\t0\nrate\toutput\t0\n"
	"model\tp\thalf\nmatch\tequals\thalf\nprices\t-\n"
	"rate\tinput\t0.0000000000005\nrate\toutput\t0.0000000000005\n"
	"model\tp\tthird\nmatch\tequals\tthird\nprices\t-\nrate\tinput\t1/3\nrate\toutput\t1/7\n"
	"model\tp\tdear\nmatch\tequals\tdear\nprices\t-\nrate\tinput\t1\n"
	"model\tp\tpages\nmatch\tequals\tpages\nprices\t-\nrate\tpages\t0.001\nrate\trequests\t0."
	"005\n"
	"model\tp\taudio\nmatch\tequals\taudio\nprices\t-\nrate\taudio_seconds\t0.36/3600\n"
	"model\tp\tunits\nmatch\tequals\tunits\nprices\t-\nrate\tinput\t1\nrate\toutput\t1\n"
	"rate\tu0\t1\nrate\tu1\t1\nrate\tu2\t1\nrate\tu3\t1\n"
	"factor\topenai\t*\tbatch\t2025-01-01\t0.5\n"
	"factor\topenai\tgpt\tbatch\t2026-02-01\t1/3\n"
	"factor\tazure\t*\tbatch\t-\t0.5\n"
	"derive\tanthropic\tclaude*\tcache_write_1h\t2025-01-01\tinput\t2\n"
	"factor\tanthropic\t*\tbatch\t-\t0.5\n"
	"alias\tweb_search_requests\tweb_searches\nalias\tseconds\taudio_seconds\n";

static struct lt_book *book;

static int load(void **state)
{
	struct lt_problem problem = {0};
	char text[900];

	(void)state;
	if (lt_book_parse(lt_bytes_str(rows), "test", &book, &problem) == 0)
		return 0;
	fprintf(stderr, "%s\n", lt_problem_format(&problem, text, sizeof(text)));
	return -1;
}

static int unload(void **state)
{
	(void)state;
	book = lt_book_free(book);
	return 0;
}

static struct lt_call a_call(const char *provider, const char *model)
{
	struct lt_call c = {.billable = LT_BILLABLE_YES, .usage.source = LT_USAGE_WIRE};

	lt_bytes_copy(c.provider, sizeof(c.provider), lt_bytes_str(provider));
	lt_bytes_copy(c.response_model, sizeof(c.response_model), lt_bytes_str(model));
	return c;
}

static void use(struct lt_call *c, enum lt_bucket b, uint64_t n)
{
	c->usage.bucket[b] = (struct lt_count){.n = n, .known = true};
}

static void use_unit(struct lt_call *c, const char *name, uint64_t milli)
{
	struct lt_unit *u = &c->usage.units[c->usage.unit_count++];

	lt_bytes_copy(u->name, sizeof(u->name), lt_bytes_str(name));
	u->amount_micro = milli * 1000;
}

static struct lt_cost priced_at(const struct lt_call *c, int64_t at)
{
	struct lt_cost cost;

	assert_int_equal(lt_price_call(book, c, at, &cost), 0);
	return cost;
}

static struct lt_cost priced(const struct lt_call *c)
{
	return priced_at(c, noon);
}

static void each_bucket_is_charged_at_its_own_price(void **state)
{
	struct lt_call c = a_call("openai", "gpt");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 1000);
	use(&c, LT_B_CACHE_READ, 400);
	use(&c, LT_B_IN_AUDIO, 10);
	use(&c, LT_B_OUT_VISIBLE, 30);
	use(&c, LT_B_REASONING, 7);
	cost = priced(&c);
	assert_int_equal(cost.status, LT_PRICE_PRICED);
	assert_string_equal(cost.currency, "USD");
	assert_string_equal(cost.version, "t@2026-01-01");
	assert_int_equal(cost.part_count, 5);
	assert_string_equal(cost.parts[0].meter, "in_uncached");
	assert_int_equal(cost.parts[0].amount, 2500000000);
	assert_string_equal(cost.parts[0].price, "openai/gpt/input@always");
	assert_string_equal(cost.parts[1].meter, "in_audio");
	assert_int_equal(cost.parts[1].amount, 400000000);
	assert_string_equal(cost.parts[1].price, "openai/gpt/input_audio@always");
	assert_int_equal(cost.parts[2].amount, 500000000);
	assert_int_equal(cost.parts[3].amount, 300000000);
	assert_string_equal(cost.parts[4].meter, "reasoning");
	assert_int_equal(cost.parts[4].quantity, 7);
	assert_int_equal(cost.parts[4].amount, 70000000);
	assert_string_equal(cost.parts[4].price, "openai/gpt/output@always");
	assert_int_equal(cost.amount, 3770000000);
}

static void a_bucket_without_a_price_falls_back(void **state)
{
	struct lt_call c = a_call("anthropic", "claude");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_IN_AUDIO, 1);
	use(&c, LT_B_IN_IMAGE, 1);
	use(&c, LT_B_CACHE_WRITE, 1);
	use(&c, LT_B_CACHE_WRITE_5M, 1);
	use(&c, LT_B_CACHE_WRITE_1H, 1);
	use(&c, LT_B_OUT_AUDIO, 1);
	use(&c, LT_B_OUT_IMAGE, 1);
	cost = priced(&c);
	assert_int_equal(cost.part_count, 7);
	assert_string_equal(cost.parts[0].price, "anthropic/claude/input@always");
	assert_string_equal(cost.parts[1].price, "anthropic/claude/input@always");
	assert_string_equal(cost.parts[2].price, "anthropic/claude/cache_write@always");
	assert_string_equal(cost.parts[3].price, "anthropic/claude/cache_write@always");
	assert_string_equal(cost.parts[4].price, "anthropic/claude/cache_write_1h=input@always");
	assert_int_equal(cost.parts[4].amount, 6000000);
	assert_string_equal(cost.parts[5].price, "anthropic/claude/output@always");
	/* Before the derivation holds, a one-hour write is a write. */
	cost = priced_at(&c, 0);
	assert_string_equal(cost.parts[4].price, "anthropic/claude/cache_write@always");
	assert_int_equal(cost.parts[4].amount, 3750000);
	strcpy(c.provider, "openai");
	strcpy(c.response_model, "gpt");
	cost = priced(&c);
	assert_string_equal(cost.parts[4].price, "openai/gpt/input@always");
}

static void a_tier_multiplies_or_replaces(void **state)
{
	struct lt_call c = a_call("openai", "gpt");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 3);
	use_unit(&c, "web_search_requests", 2000);
	c.tier = LT_TIER_BATCH;
	cost = priced(&c);
	assert_int_equal(cost.amount, 3750000 + 20000000000); /* searches keep their price */
	assert_string_equal(cost.parts[0].price, "openai/gpt/input*batch@always");
	assert_string_equal(cost.parts[1].price, "openai/gpt/web_searches@always");
	cost = priced_at(&c, noon + 30 * day);
	assert_int_equal(cost.amount, 2500000 + 20000000000);
	c.tier = LT_TIER_PRIORITY;
	cost = priced(&c);
	assert_int_equal(cost.amount, 15000000 + 20000000000);
	assert_string_equal(cost.parts[0].price, "openai/gpt/input:priority@2026-01-05");
	/* Not before its first day: nobody knows the price then. */
	assert_int_equal(priced_at(&c, noon - 10 * day).status, LT_PRICE_UNPRICED);
	c.tier = LT_TIER_FLEX;
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
	c.tier = LT_TIER_UNKNOWN;
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
	strcpy(c.service_tier, "priority");
	assert_int_equal(priced(&c).amount, 15000000 + 20000000000);
	c.tier = LT_TIER_STANDARD;
	strcpy(c.service_tier, "default");
	assert_int_equal(priced(&c).amount, 7500000 + 20000000000);
	c.tier = LT_TIER_PROVISIONED;
	cost = priced(&c);
	assert_int_equal(cost.status, LT_PRICE_SUBSCRIPTION);
	assert_int_equal(cost.amount, 0);
	assert_int_equal(cost.part_count, 0);
}

static void what_a_tier_leaves_out_costs_the_standard_price(void **state)
{
	struct lt_call c = a_call("openai", "gpt");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_CACHE_READ, 1);
	use(&c, LT_B_OUT_VISIBLE, 1);
	c.tier = LT_TIER_PRIORITY;
	cost = priced(&c);
	assert_string_equal(cost.parts[0].price, "openai/gpt/cache_read@always");
	assert_string_equal(cost.parts[1].price, "openai/gpt/output:priority@2026-01-05");
}

static void a_derived_price_takes_the_tier_along(void **state)
{
	struct lt_call c = a_call("anthropic", "claude");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_CACHE_WRITE_1H, 1);
	c.tier = LT_TIER_BATCH;
	cost = priced(&c);
	assert_int_equal(cost.amount, 3000000);
	assert_string_equal(cost.parts[0].price,
			    "anthropic/claude/cache_write_1h=input*batch@always");
}

static void another_providers_row_says_so_and_brings_no_tier_along(void **state)
{
	struct lt_call c = a_call("azure", "gpt");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 2);
	cost = priced(&c);
	assert_int_equal(cost.amount, 5000000);
	assert_string_equal(cost.parts[0].price, "openai/gpt/input@always");
	c.tier = LT_TIER_BATCH;
	assert_int_equal(priced(&c).amount, 2500000);
	c.tier = LT_TIER_PRIORITY;
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
}

static void long_context_prices_hold_for_the_whole_call(void **state)
{
	static const struct {
		uint64_t fresh, cached;
		int64_t amount;
		const char *key;
	} cases[] = {
		{1000, 0, 1000000000 + 10000000, "openai/long/input@always"},
		{1001, 0, 2002000000 + 15000000, "openai/long/input>1000@always"},
		{1, 1000, 2002000000 + 15000000, "openai/long/input>1000@always"},
		{2000, 0, 4000000000 + 15000000, "openai/long/input>1000@always"},
		{2001, 0, 8004000000 + 15000000, "openai/long/input>2000@always"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_call c = a_call("openai", "long");
		struct lt_cost cost;

		use(&c, LT_B_IN_UNCACHED, cases[i].fresh);
		use(&c, LT_B_CACHE_READ, cases[i].cached);
		use(&c, LT_B_OUT_VISIBLE, 1);
		cost = priced(&c);
		assert_int_equal(cost.amount, cases[i].amount);
		assert_string_equal(cost.parts[0].price, cases[i].key);
	}
}

static void dated_prices_are_those_in_force_then(void **state)
{
	struct lt_call c = a_call("p", "dated");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 1);
	cost = priced(&c);
	assert_int_equal(cost.amount, 2000000000000);
	assert_string_equal(cost.parts[0].price, "p/dated/input@2026-01-10");
	assert_int_equal(priced_at(&c, noon - 12 * hour).amount, 2000000000000);
	cost = priced_at(&c, noon - 12 * hour - 1);
	assert_int_equal(cost.amount, 3000000000000);
	assert_string_equal(cost.parts[0].price, "p/dated/input@always");
	assert_int_equal(priced_at(&c, noon + 40 * day).amount, 1000000000000);
	assert_int_equal(priced_at(&c, INT64_MIN).amount, 3000000000000);
	assert_int_equal(priced_at(&c, INT64_MAX).amount, 1000000000000);
}

static void prices_by_the_hour_follow_the_clock(void **state)
{
	struct lt_call c = a_call("p", "hours");

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 1);
	assert_int_equal(priced(&c).amount, 2000000000000);
	assert_string_equal(priced(&c).parts[0].price, "p/hours/input@alwaysT1200-1330");
	assert_int_equal(priced_at(&c, noon - 1).amount, 1000000000000);
	assert_int_equal(priced_at(&c, noon + hour * 3 / 2 - 1).amount, 2000000000000);
	assert_int_equal(priced_at(&c, noon + hour * 3 / 2).amount, 1000000000000);
	assert_int_equal(priced_at(&c, noon + 10 * hour).amount, 3000000000000);
	assert_int_equal(priced_at(&c, noon + 13 * hour - 1).amount, 3000000000000);
	assert_int_equal(priced_at(&c, noon + 13 * hour).amount, 1000000000000);
}

static void rounding_happens_once_and_half_to_even(void **state)
{
	static const struct {
		uint64_t in, out;
		int64_t amount;
	} cases[] = {{1, 0, 0}, {1, 1, 1}, {3, 0, 2}, {5, 0, 2}, {7, 0, 4}, {2, 1, 2}, {4, 1, 2}};
	struct lt_call third = a_call("p", "third");
	struct lt_cost cost;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_call c = a_call("p", "half");

		use(&c, LT_B_IN_UNCACHED, cases[i].in);
		use(&c, LT_B_OUT_VISIBLE, cases[i].out);
		assert_int_equal(priced(&c).amount, cases[i].amount);
	}
	/* 1/3 + 1/7 = 10/21: the parts shown are rounded, the amount comes from the exact sum. */
	use(&third, LT_B_IN_UNCACHED, 1);
	use(&third, LT_B_OUT_VISIBLE, 1);
	cost = priced(&third);
	assert_int_equal(cost.parts[0].amount, 333333333333);
	assert_int_equal(cost.parts[1].amount, 142857142857);
	assert_int_equal(cost.amount, 476190476190);
	use(&third, LT_B_IN_UNCACHED, 2);
	use(&third, LT_B_OUT_VISIBLE, 4);
	cost = priced(&third);
	assert_int_equal(cost.parts[0].amount + cost.parts[1].amount, 1238095238096);
	assert_int_equal(cost.amount, 1238095238095);
}

static void the_parts_add_up_without_rounding_for_list_prices(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct lt_call c = a_call(i % 2 ? "openai" : "anthropic", i % 2 ? "gpt" : "claude");
		struct lt_cost cost;
		int64_t sum = 0;

		c.tier = i % 3 ? LT_TIER_STANDARD : LT_TIER_BATCH;
		for (unsigned b = 0; b < LT_BUCKET_COUNT; b++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			if (seed >> 63)
				use(&c, b, seed >> 42);
		}
		use(&c, LT_B_OUT_VISIBLE, (seed >> 50) * 2);
		cost = priced(&c);
		assert_int_equal(cost.status, LT_PRICE_PRICED);
		for (unsigned p = 0; p < cost.part_count; p++)
			sum += cost.parts[p].amount;
		assert_int_equal(sum, cost.amount);
	}
}

static void what_does_not_fit_is_out_of_range(void **state)
{
	struct lt_call c = a_call("p", "dear");
	struct lt_cost cost = {.amount = 42};

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 9223372);
	assert_int_equal(priced(&c).amount, 9223372000000000000);
	use(&c, LT_B_IN_UNCACHED, 9223373);
	assert_int_equal(lt_price_call(book, &c, noon, &cost), -ERANGE);
	use(&c, LT_B_IN_UNCACHED, UINT64_MAX);
	assert_int_equal(lt_price_call(book, &c, noon, &cost), -ERANGE);
	use(&c, LT_B_CACHE_READ, UINT64_MAX);
	assert_int_equal(lt_price_call(book, &c, noon, &cost), -ERANGE);
	use(&c, LT_B_IN_UNCACHED, 5000000);
	use(&c, LT_B_CACHE_READ, 5000000);
	assert_int_equal(lt_price_call(book, &c, noon, &cost), -ERANGE);
	assert_int_equal(cost.amount, 42);
	assert_int_equal(cost.part_count, 0);
}

static void the_returned_model_counts_then_the_requested_one(void **state)
{
	struct lt_call c = a_call("openai", "gpt");

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 1);
	strcpy(c.request_model, "embed");
	assert_int_equal(priced(&c).amount, 2500000);
	strcpy(c.response_model, "unheard-of");
	assert_int_equal(priced(&c).amount, 20000);
	c.response_model[0] = '\0';
	assert_int_equal(priced(&c).amount, 20000);
	c.request_model[0] = '\0';
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
}

static void what_the_book_does_not_know_is_never_zero_in_silence(void **state)
{
	struct lt_call c = a_call("openai", "unheard-of");
	struct lt_cost cost;

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 10);
	use(&c, LT_B_OUT_VISIBLE, 10);
	cost = priced(&c);
	assert_int_equal(cost.status, LT_PRICE_UNPRICED);
	assert_int_equal(cost.part_count, 0);
	c.inline_cost_known = true;
	c.inline_cost_pico = 123;
	cost = priced(&c);
	assert_int_equal(cost.status, LT_PRICE_INLINE);
	assert_int_equal(cost.amount, 123);
	assert_string_equal(cost.version, "");
	/* The book wins over the provider's word; the entry without prices does not. */
	strcpy(c.response_model, "gpt");
	assert_int_equal(priced(&c).status, LT_PRICE_PRICED);
	strcpy(c.response_model, "empty");
	assert_int_equal(priced(&c).status, LT_PRICE_INLINE);
	c.inline_cost_known = false;
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
	/* Tokens of a kind that the entry has no price for. */
	strcpy(c.response_model, "embed");
	cost = priced(&c);
	assert_int_equal(cost.status, LT_PRICE_UNPRICED);
	assert_int_equal(cost.part_count, 0);
	use(&c, LT_B_OUT_VISIBLE, 0);
	assert_int_equal(priced(&c).status, LT_PRICE_PRICED);
	/* Another host with the same model name is another price. */
	strcpy(c.provider, "openai_compatible");
	strcpy(c.response_model, "gpt");
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
	strcpy(c.price_provider, "openai");
	assert_int_equal(priced(&c).status, LT_PRICE_PRICED);
}

static void a_contradictory_usage_is_not_priced(void **state)
{
	struct lt_call c = a_call("openai", "gpt");

	(void)state;
	use(&c, LT_B_CACHE_READ, 200);
	c.usage.input = (struct lt_count){.n = 100, .known = true};
	c.usage.contradictory = true;
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
}

static void no_usage_and_not_billable_are_told_apart(void **state)
{
	struct lt_call c = a_call("openai", "gpt");
	struct lt_cost cost;

	(void)state;
	cost = priced(&c);
	assert_int_equal(cost.status, LT_PRICE_NO_USAGE);
	assert_string_equal(cost.version, "");
	use(&c, LT_B_IN_UNCACHED, 10);
	c.usage.source = LT_USAGE_NONE;
	assert_int_equal(priced(&c).status, LT_PRICE_NO_USAGE);
	c.usage.source = LT_USAGE_WIRE;
	c.billable = LT_BILLABLE_NO;
	cost = priced(&c);
	assert_int_equal(cost.status, LT_PRICE_NOT_BILLABLE);
	assert_int_equal(cost.amount, 0);
	assert_int_equal(cost.part_count, 0);
	c.billable = LT_BILLABLE_UNKNOWN;
	assert_int_equal(priced(&c).status, LT_PRICE_PRICED);
}

static void zero_usage_costs_zero_and_free_is_free(void **state)
{
	struct lt_call c = a_call("openai", "gpt");

	(void)state;
	use(&c, LT_B_IN_UNCACHED, 0);
	assert_int_equal(priced(&c).status, LT_PRICE_PRICED);
	assert_int_equal(priced(&c).amount, 0);
	c = a_call("p", "free");
	use(&c, LT_B_IN_UNCACHED, 1000);
	assert_int_equal(priced(&c).status, LT_PRICE_FREE);
	assert_int_equal(priced(&c).amount, 0);
	assert_int_equal(priced(&c).part_count, 1);
}

static void a_bare_total_is_charged_as_plain_tokens(void **state)
{
	struct lt_call c = a_call("openai", "gpt");
	struct lt_cost cost;

	(void)state;
	c.usage.input = (struct lt_count){.n = 100, .known = true};
	c.usage.output = (struct lt_count){.n = 10, .known = true};
	use(&c, LT_B_CACHE_READ, 40);
	cost = priced(&c);
	assert_int_equal(cost.amount, 60 * 2500000ll + 40 * 1250000ll + 10 * 10000000ll);
}

static void other_units_are_charged_where_the_book_prices_them(void **state)
{
	struct lt_call c = a_call("p", "audio");
	struct lt_cost cost;

	(void)state;
	use_unit(&c, "seconds", 12345);
	use_unit(&c, "channels", 2000);
	cost = priced(&c);
	assert_int_equal(cost.amount, 1234500000);
	assert_string_equal(cost.parts[0].meter, "audio_seconds");
	assert_int_equal(cost.parts[0].quantity, 12);
	/* Tokens beside a unit that is what the provider charges for. */
	use(&c, LT_B_IN_UNCACHED, 5);
	assert_int_equal(priced(&c).amount, 1234500000);
	c = a_call("p", "audio");
	use(&c, LT_B_IN_UNCACHED, 5);
	assert_int_equal(priced(&c).status, LT_PRICE_UNPRICED);
	/* A fee per request is due once. */
	c = a_call("p", "pages");
	use_unit(&c, "pages", 3000);
	assert_int_equal(priced(&c).amount, 8000000000);
	use_unit(&c, "requests", 2000);
	assert_int_equal(priced(&c).amount, 13000000000);
}

static void more_parts_than_a_record_shows_are_folded_and_still_exact(void **state)
{
	struct lt_call c = a_call("p", "units");
	struct lt_cost cost;
	int64_t sum = 0;

	(void)state;
	for (unsigned b = 0; b < LT_BUCKET_COUNT; b++)
		use(&c, b, 1);
	use_unit(&c, "u0", 1000);
	use_unit(&c, "u1", 1000);
	use_unit(&c, "u2", 1000);
	use_unit(&c, "u3", 1000);
	cost = priced(&c);
	assert_int_equal(cost.part_count, LT_COST_PARTS_MAX);
	assert_int_equal(cost.amount, 17000000000000);
	assert_string_equal(cost.parts[LT_COST_PARTS_MAX - 1].meter, "other");
	assert_int_equal(cost.parts[LT_COST_PARTS_MAX - 1].quantity, 4);
	for (unsigned p = 0; p < cost.part_count; p++)
		sum += cost.parts[p].amount;
	assert_int_equal(sum, cost.amount);
}

static void the_built_in_book_prices_what_providers_list(void **state)
{
	lt_defer(lt_book_freep)
	struct lt_book *builtin = NULL;
	struct lt_problem problem = {0};
	struct lt_call c = a_call("openai", "gpt-4o-2024-08-06");
	struct lt_cost cost;

	(void)state;
	assert_int_equal(lt_book_load(NULL, NULL, &builtin, &problem), 0);
	use(&c, LT_B_IN_UNCACHED, 1000000);
	use(&c, LT_B_OUT_VISIBLE, 1000000);
	assert_int_equal(lt_price_call(builtin, &c, noon, &cost), 0);
	assert_int_equal(cost.amount, 12500000000000);
	c.tier = LT_TIER_BATCH;
	assert_int_equal(lt_price_call(builtin, &c, noon, &cost), 0);
	assert_int_equal(cost.amount, 6250000000000);
	c.tier = LT_TIER_PRIORITY;
	assert_int_equal(lt_price_call(builtin, &c, noon, &cost), 0);
	assert_int_equal(cost.amount, 21250000000000);
	c = a_call("anthropic", "claude-opus-4-5-20251101");
	use(&c, LT_B_CACHE_WRITE_1H, 1000000);
	assert_int_equal(lt_price_call(builtin, &c, noon, &cost), 0);
	assert_int_equal(cost.amount, 10000000000000);
}

static void every_status_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(lt_price_status_name(LT_PRICE_UNPRICED), "unpriced");
	assert_string_equal(lt_price_status_name(LT_PRICE_PRICED), "priced");
	assert_string_equal(lt_price_status_name(LT_PRICE_INLINE), "inline");
	assert_string_equal(lt_price_status_name(LT_PRICE_FREE), "free");
	assert_string_equal(lt_price_status_name(LT_PRICE_SUBSCRIPTION), "subscription");
	assert_string_equal(lt_price_status_name(LT_PRICE_NOT_BILLABLE), "not_billable");
	assert_string_equal(lt_price_status_name(LT_PRICE_NO_USAGE), "no_usage");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bucket_is_charged_at_its_own_price),
		cmocka_unit_test(a_bucket_without_a_price_falls_back),
		cmocka_unit_test(a_tier_multiplies_or_replaces),
		cmocka_unit_test(what_a_tier_leaves_out_costs_the_standard_price),
		cmocka_unit_test(a_derived_price_takes_the_tier_along),
		cmocka_unit_test(another_providers_row_says_so_and_brings_no_tier_along),
		cmocka_unit_test(long_context_prices_hold_for_the_whole_call),
		cmocka_unit_test(dated_prices_are_those_in_force_then),
		cmocka_unit_test(prices_by_the_hour_follow_the_clock),
		cmocka_unit_test(rounding_happens_once_and_half_to_even),
		cmocka_unit_test(the_parts_add_up_without_rounding_for_list_prices),
		cmocka_unit_test(what_does_not_fit_is_out_of_range),
		cmocka_unit_test(the_returned_model_counts_then_the_requested_one),
		cmocka_unit_test(what_the_book_does_not_know_is_never_zero_in_silence),
		cmocka_unit_test(a_contradictory_usage_is_not_priced),
		cmocka_unit_test(no_usage_and_not_billable_are_told_apart),
		cmocka_unit_test(zero_usage_costs_zero_and_free_is_free),
		cmocka_unit_test(a_bare_total_is_charged_as_plain_tokens),
		cmocka_unit_test(other_units_are_charged_where_the_book_prices_them),
		cmocka_unit_test(more_parts_than_a_record_shows_are_folded_and_still_exact),
		cmocka_unit_test(the_built_in_book_prices_what_providers_list),
		cmocka_unit_test(every_status_has_a_name),
	};

	return cmocka_run_group_tests_name("price/price", tests, load, unload);
}
