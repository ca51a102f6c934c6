// SPDX-License-Identifier: Apache-2.0
#include "userspace/price/price.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/price/lookup.h"

enum { PICO_PLACES = 12, MICRO_PLACES = 6 };

const char *lt_price_status_name(enum lt_price_status s)
{
	static const char *const name[] = {
		[LT_PRICE_UNPRICED] = "unpriced",
		[LT_PRICE_PRICED] = "priced",
		[LT_PRICE_INLINE] = "inline",
		[LT_PRICE_FREE] = "free",
		[LT_PRICE_SUBSCRIPTION] = "subscription",
		[LT_PRICE_NOT_BILLABLE] = "not_billable",
		[LT_PRICE_NO_USAGE] = "no_usage",
	};

	return (unsigned)s < LT_COUNT(name) ? name[s] : "unpriced";
}

/* ---- exact sums ---- */

/* numerator / 10^scale / divisor, kept short by cancelling so that sums stay within 128 bits. */
struct sum {
	lt_int128 numerator;
	lt_int128 divisor;
	unsigned scale;
};

static lt_int128 common_divisor(lt_int128 a, lt_int128 b)
{
	while (b != 0) {
		lt_int128 rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void cancel(struct sum *s)
{
	lt_int128 g;

	while (s->scale > 0 && s->numerator % 10 == 0) {
		s->numerator /= 10;
		s->scale--;
		if (s->numerator == 0)
			s->scale = 0;
	}
	g = common_divisor(s->numerator, s->divisor);
	if (g > 1) {
		s->numerator /= g;
		s->divisor /= g;
	}
}

static int multiply(lt_int128 *n, lt_int128 by)
{
	return __builtin_mul_overflow(*n, by, n) ? -ERANGE : 0;
}

static int multiply_tens(lt_int128 *n, unsigned tens)
{
	int err = 0;

	for (; tens > 0 && !err; tens--)
		err = multiply(n, 10);
	return err;
}

static int sum_of(const struct lt_quote *q, uint64_t quantity, unsigned quantity_places,
		  struct sum *ret)
{
	struct sum s = {.numerator = quantity, .divisor = 1, .scale = quantity_places};

	for (unsigned i = 0; i < q->ratio_count; i++) {
		const struct lt_ratio *r = &q->ratio[i];

		cancel(&s);
		if (multiply(&s.numerator, r->units) || multiply(&s.divisor, r->divisor))
			return -ERANGE;
		s.scale += r->scale;
	}
	cancel(&s);
	*ret = s;
	return 0;
}

static int add(struct sum *to, struct sum s)
{
	lt_int128 g = common_divisor(to->divisor, s.divisor);
	lt_int128 to_by = s.divisor / g;
	lt_int128 s_by = to->divisor / g;
	unsigned scale = to->scale > s.scale ? to->scale : s.scale;

	if (multiply(&to->numerator, to_by) || multiply(&to->divisor, to_by) ||
	    multiply(&s.numerator, s_by) || multiply_tens(&to->numerator, scale - to->scale) ||
	    multiply_tens(&s.numerator, scale - s.scale) ||
	    __builtin_add_overflow(to->numerator, s.numerator, &to->numerator))
		return -ERANGE;
	to->scale = scale;
	cancel(to);
	return 0;
}

static int to_pico(struct sum s, int64_t *ret)
{
	if (s.scale <= PICO_PLACES) {
		if (multiply_tens(&s.numerator, PICO_PLACES - s.scale))
			return -ERANGE;
	} else if (multiply_tens(&s.divisor, s.scale - PICO_PLACES)) {
		return -ERANGE;
	}
	return lt_money_divide(s.numerator, s.divisor, ret);
}

int lt_quote_amount(const struct lt_quote *quote, uint64_t quantity, int64_t *ret_pico)
{
	struct sum s;
	int err = sum_of(quote, quantity, 0, &s);

	return err ? err : to_pico(s, ret_pico);
}

/* ---- what is charged ---- */

struct bill {
	const struct lt_tariff *tariff;
	struct lt_cost *cost;
	uint64_t total_input;
	struct sum total;
	struct sum rest; /* of the parts folded into the last one */
	bool charged;
};

/* More parts than a record shows: the last one becomes their sum. The amount stays exact. */
static int fold(struct bill *b, const struct sum *s, uint64_t quantity)
{
	struct lt_cost_part *last = &b->cost->parts[LT_COST_PARTS_MAX - 1];
	int err = add(&b->rest, *s);

	last->meter = "other";
	last->price[0] = '\0';
	if (__builtin_add_overflow(last->quantity, quantity, &last->quantity))
		return -ERANGE;
	return err ? err : to_pico(b->rest, &last->amount);
}

static int charge(struct bill *b, const struct lt_quote *q, const char *meter, uint64_t quantity,
		  unsigned places)
{
	uint64_t shown = places ? quantity / 1000000 + (quantity % 1000000 >= 500000) : quantity;
	struct lt_cost_part *part;
	struct sum s;
	int err = sum_of(q, quantity, places, &s);

	if (!err)
		err = add(&b->total, s);
	if (err)
		return err;
	b->charged = true;
	if (b->cost->part_count == LT_COST_PARTS_MAX)
		return fold(b, &s, shown);
	part = &b->cost->parts[b->cost->part_count++];
	part->meter = meter;
	part->quantity = shown;
	memcpy(part->price, q->key, sizeof(part->price));
	b->rest = s;
	return to_pico(s, &part->amount);
}

/* A bucket and the meters that may price it, the most specific first. */
static const struct {
	const char *name;
	uint16_t meter[3];
} buckets[LT_BUCKET_COUNT] = {
#define NONE   LT_METER_NONE
#define INPUT  LT_METER_INPUT
#define OUTPUT LT_METER_OUTPUT
	[LT_B_IN_UNCACHED] = {"in_uncached", {INPUT, NONE, NONE}},
	[LT_B_IN_AUDIO] = {"in_audio", {LT_METER_INPUT_AUDIO, INPUT, NONE}},
	[LT_B_IN_IMAGE] = {"in_image", {LT_METER_INPUT_IMAGE, INPUT, NONE}},
	[LT_B_CACHE_READ] = {"cache_read", {LT_METER_CACHE_READ, INPUT, NONE}},
	[LT_B_CACHE_READ_AUDIO] = {"cache_read_audio",
				   {LT_METER_CACHE_AUDIO_READ, LT_METER_CACHE_READ, INPUT}},
	[LT_B_CACHE_READ_IMAGE] = {"cache_read_image",
				   {LT_METER_CACHE_IMAGE_READ, LT_METER_CACHE_READ, INPUT}},
	[LT_B_CACHE_WRITE] = {"cache_write", {LT_METER_CACHE_WRITE, INPUT, NONE}},
	[LT_B_CACHE_WRITE_5M] = {"cache_write_5m",
				 {LT_METER_CACHE_WRITE_5M, LT_METER_CACHE_WRITE, INPUT}},
	[LT_B_CACHE_WRITE_1H] = {"cache_write_1h",
				 {LT_METER_CACHE_WRITE_1H, LT_METER_CACHE_WRITE, INPUT}},
	[LT_B_OUT_VISIBLE] = {"out_visible", {OUTPUT, NONE, NONE}},
	[LT_B_OUT_AUDIO] = {"out_audio", {LT_METER_OUTPUT_AUDIO, OUTPUT, NONE}},
	[LT_B_OUT_IMAGE] = {"out_image", {LT_METER_OUTPUT_IMAGE, OUTPUT, NONE}},
	[LT_B_REASONING] = {"reasoning", {LT_METER_OUTPUT_REASONING, OUTPUT, NONE}},
#undef NONE
#undef INPUT
#undef OUTPUT
};

static int quote_bucket(const struct bill *b, enum lt_bucket bucket, struct lt_quote *ret)
{
	int err = -ENOENT;

	for (unsigned i = 0; err && i < LT_COUNT(buckets[bucket].meter); i++)
		err = lt_tariff_quote(b->tariff, buckets[bucket].meter[i], b->total_input, ret);
	return err;
}

static int charge_units(struct bill *b, const struct lt_usage *usage)
{
	const struct lt_book *book = b->tariff->book;
	bool has_requests = false;
	struct lt_quote q;
	int err;

	for (unsigned i = 0; i < usage->unit_count && i < LT_UNITS_MAX; i++) {
		const struct lt_unit *u = &usage->units[i];
		uint16_t meter = lt_book_meter(book, u->name);

		if (meter == LT_METER_NONE || u->amount_micro == 0 ||
		    lt_tariff_quote(b->tariff, meter, b->total_input, &q))
			continue;
		has_requests |= meter == LT_METER_REQUESTS;
		err = charge(b, &q, lt_book_meter_name(book, meter), u->amount_micro, MICRO_PLACES);
		if (err)
			return err;
	}
	if (has_requests || lt_tariff_quote(b->tariff, LT_METER_REQUESTS, b->total_input, &q))
		return 0;
	return charge(b, &q, lt_book_meter_name(book, LT_METER_REQUESTS), 1, 0);
}

/*
 * -ENOENT: tokens for which the book has no price. A model whose book entry prices only other units
 * (pages, seconds) is not charged for tokens when such a unit was charged.
 */
static int charge_all(struct bill *b, const struct lt_usage *usage,
		      const struct lt_count bucket[LT_BUCKET_COUNT])
{
	bool missing = false, token_priced = false;
	struct lt_quote q;
	int err = 0;

	for (unsigned i = 0; !err && i < LT_BUCKET_COUNT; i++) {
		if (!bucket[i].known)
			continue;
		err = quote_bucket(b, i, &q);
		if (err == -ENOENT) {
			missing |= bucket[i].n > 0;
			err = 0;
			continue;
		}
		token_priced = true;
		if (bucket[i].n > 0)
			err = charge(b, &q, buckets[i].name, bucket[i].n, 0);
	}
	if (!err)
		err = charge_units(b, usage);
	if (err)
		return err;
	if (missing && (token_priced || !b->charged))
		return -ENOENT;
	return b->charged || token_priced ? 0 : -ENOENT;
}

/* The sum of the known buckets from @first to @last; -1: overflow, which no real call can have. */
static int side_sum(const struct lt_count *bucket, unsigned first, unsigned last, uint64_t *ret)
{
	*ret = 0;
	for (unsigned i = first; i <= last; i++)
		if (bucket[i].known && __builtin_add_overflow(*ret, bucket[i].n, ret))
			return -ERANGE;
	return 0;
}

/* Where only the total of a side is known, what its parts leave over belongs to the plain bucket.
 */
static int complete_side(struct lt_count *bucket, unsigned first, unsigned last,
			 const struct lt_count *total, uint64_t *ret_sum)
{
	int err = side_sum(bucket, first, last, ret_sum);

	if (err || bucket[first].known || !total->known || total->n < *ret_sum)
		return err;
	bucket[first] = (struct lt_count){.n = total->n - *ret_sum, .known = true};
	*ret_sum = total->n;
	return 0;
}

static bool is_used(const struct lt_usage *u)
{
	bool known = u->input.known || u->output.known || u->unit_count > 0;

	for (unsigned i = 0; i < LT_BUCKET_COUNT; i++)
		known |= u->bucket[i].known;
	return known && u->source != LT_USAGE_NONE;
}

static int price_usage(const struct lt_tariff *tariff, const struct lt_usage *usage,
		       struct lt_cost *cost)
{
	struct lt_count bucket[LT_BUCKET_COUNT];
	struct bill b = {.tariff = tariff, .cost = cost, .total.divisor = 1, .rest.divisor = 1};
	uint64_t output;
	int err;

	memcpy(bucket, usage->bucket, sizeof(bucket));
	err = complete_side(bucket, LT_B_IN_UNCACHED, LT_B_CACHE_WRITE_1H, &usage->input,
			    &b.total_input);
	if (!err)
		err = complete_side(bucket, LT_B_OUT_VISIBLE, LT_B_REASONING, &usage->output,
				    &output);
	if (!err)
		err = charge_all(&b, usage, bucket);
	if (!err)
		err = to_pico(b.total, &cost->amount);
	if (err)
		return err;
	cost->status = lt_tariff_is_free(tariff) ? LT_PRICE_FREE : LT_PRICE_PRICED;
	return 0;
}

/* The word under which the book knows the tier of a call, the provider's own word first. NULL: not
 * known. */
static const char *normal_tier(enum lt_tier tier)
{
	switch (tier) {
	case LT_TIER_UNSTATED:
	case LT_TIER_STANDARD:
		return "";
	case LT_TIER_BATCH:
		return "batch";
	case LT_TIER_FLEX:
		return "flex";
	case LT_TIER_PRIORITY:
		return "priority";
	case LT_TIER_PROVISIONED:
	case LT_TIER_UNKNOWN:
		break;
	}
	return NULL;
}

static int find_tariff(const struct lt_book *book, const struct lt_book_model *model,
		       const char *provider, const struct lt_call *call, int64_t at_ns,
		       struct lt_tariff *ret)
{
	const char *tier = normal_tier(call->tier);

	if (tier && tier[0] == '\0')
		return lt_tariff_find(book, model, provider, "", at_ns, ret);
	if (call->service_tier[0] != '\0' &&
	    lt_tariff_find(book, model, provider, call->service_tier, at_ns, ret) == 0)
		return 0;
	return tier ? lt_tariff_find(book, model, provider, tier, at_ns, ret) : -ENOENT;
}

static int price_by_book(const struct lt_book *book, const struct lt_call *call, int64_t at_ns,
			 struct lt_cost *cost)
{
	const char *provider = call->price_provider[0] ? call->price_provider : call->provider;
	const struct lt_book_model *model = lt_book_find(book, provider, call->response_model);
	struct lt_tariff tariff;
	int err;

	if (!model)
		model = lt_book_find(book, provider, call->request_model);
	if (!model)
		return -ENOENT;
	err = find_tariff(book, model, provider, call, at_ns, &tariff);
	return err ? err : price_usage(&tariff, &call->usage, cost);
}

/* Nothing in the book: the provider's own word, if it gave one. */
static void settle_without_book(const struct lt_call *call, enum lt_price_status status,
				struct lt_cost *cost)
{
	cost->status = call->inline_cost_known ? LT_PRICE_INLINE : status;
	cost->amount = call->inline_cost_known ? call->inline_cost_pico : 0;
	cost->part_count = 0;
	if (call->inline_cost_known)
		cost->version[0] = '\0';
}

static void copy_text(char *to, size_t size, const char *from)
{
	lt_ignore(lt_bytes_copy(to, size, lt_bytes_str(from)));
}

int lt_price_call(const struct lt_book *book, const struct lt_call *call, int64_t at_ns,
		  struct lt_cost *ret)
{
	struct lt_cost cost = {.status = LT_PRICE_NOT_BILLABLE};
	int err = -ENOENT;

	copy_text(cost.currency, sizeof(cost.currency), lt_book_currency(book));
	if (call->billable == LT_BILLABLE_NO) {
		*ret = cost;
		return 0;
	}
	if (call->plan) {
		cost.status = LT_PRICE_SUBSCRIPTION;
		*ret = cost;
		return 0;
	}
	if (!is_used(&call->usage)) {
		settle_without_book(call, LT_PRICE_NO_USAGE, &cost);
		*ret = cost;
		return 0;
	}
	if (call->tier == LT_TIER_PROVISIONED) {
		cost.status = LT_PRICE_SUBSCRIPTION;
		*ret = cost;
		return 0;
	}
	copy_text(cost.version, sizeof(cost.version), lt_book_version(book));
	if (!call->usage.contradictory)
		err = price_by_book(book, call, at_ns, &cost);
	if (err == -ENOENT)
		settle_without_book(call, LT_PRICE_UNPRICED, &cost);
	else if (err)
		return err;
	*ret = cost;
	return 0;
}
