// SPDX-License-Identifier: Apache-2.0
/* Hops of one call: what is joined, what must not be, and who pays. */
#include "tests/unit/ledger/ledger_test.h"

enum { CLIENT = 10, GATEWAY = 20, OTHER = 30, KEPT_MAX = 256, PARALLEL = 64 };

static struct lt_ledger *ledger;
static struct lt_record kept[KEPT_MAX];
static size_t kept_count;

/* The gateway listens on 4000 and 443, nobody else on anything. */
static bool serves(void *arg, uint32_t tgid, uint64_t process_start_ns, uint16_t port)
{
	(void)arg;
	assert_int_equal(process_start_ns, tgid * 1000);
	return tgid == GATEWAY && (port == 4000 || port == 443);
}

static int begin(void **state)
{
	int r = make_directory(state);

	if (r < 0)
		return r;
	ledger = open_ledger(LT_LEDGER_WRITE);
	lt_ledger_serves(ledger, serves, NULL);
	return 0;
}

static int end(void **state)
{
	ledger = lt_ledger_close(ledger);
	return remove_directory(state);
}

static struct lt_record call_of(uint32_t number, uint32_t tgid, const char *host, int64_t from,
				int64_t to)
{
	struct lt_record r = plain_record(number);

	r.call.conn.tgid = r.who.pid = tgid;
	r.call.process_start_ns = tgid * 1000;
	r.start_ns = 1764000000000000000 + from * 100000000; /* tenths of a second */
	r.end_ns = 1764000000000000000 + to * 100000000;
	snprintf(r.call.host, sizeof(r.call.host), "%s", host);
	snprintf(r.call.request_model, sizeof(r.call.request_model), "gpt-4o");
	r.call.usage.input.n = 31;
	r.call.usage.output.n = 17;
	r.cost.amount = 1000;
	return r;
}

/* A client's call to the gateway, by its host's own name. */
static struct lt_record outer_of(uint32_t number, int64_t from, int64_t to)
{
	struct lt_record r = call_of(number, CLIENT, "gateway", from, to);

	r.call.relayed = true;
	r.call.port = 4000;
	r.cost.status = LT_PRICE_UNPRICED;
	r.cost.amount = 0;
	snprintf(r.call.request_model, sizeof(r.call.request_model), "openai/gpt-4o");
	return r;
}

static struct lt_record inner_of(uint32_t number, int64_t from, int64_t to)
{
	return call_of(number, GATEWAY, "api.openai.com", from, to);
}

static struct lt_record failed_try(uint32_t number, int64_t from, int64_t to)
{
	struct lt_record r = inner_of(number, from, to);

	r.call.status = 429;
	r.call.usage = (struct lt_usage){0};
	r.cost.status = LT_PRICE_NO_USAGE;
	r.cost.amount = 0;
	snprintf(r.call.host, sizeof(r.call.host), "api.anthropic.com");
	return r;
}

static int keep(void *arg, uint64_t seq, const struct lt_record *record)
{
	(void)arg;
	(void)seq;
	assert_true(kept_count < KEPT_MAX);
	kept[kept_count++] = *record;
	return 0;
}

static void look(void)
{
	struct lt_filter f;

	lt_filter_init(&f);
	kept_count = 0;
	assert_int_equal(lt_query_records(ledger, &f, keep, NULL), 0);
}

/* As it is in the ledger now. */
static const struct lt_record *now(const struct lt_record *r)
{
	for (size_t i = 0; i < kept_count; i++) {
		if (memcmp(kept[i].id.b, r->id.b, 16) == 0)
			return &kept[i];
	}
	fail();
	return NULL;
}

static bool is_hop_of(const struct lt_record *child, const struct lt_record *parent)
{
	const struct lt_record *c = now(child);
	bool is = c->parent_known && memcmp(c->parent.b, parent->id.b, 16) == 0;

	if (is) {
		assert_false(c->counts_in_total);
		assert_int_not_equal(c->hop, LT_HOP_SINGLE);
	}
	return is;
}

static void assert_alone(const struct lt_record *r)
{
	const struct lt_record *got = now(r);

	assert_false(got->parent_known);
	assert_int_equal(got->hop, LT_HOP_SINGLE);
	assert_true(got->counts_in_total);
	assert_int_equal(got->call.inferred & LT_INFERRED_HOP, 0);
	assert_int_equal(got->cost.status, r->cost.status);
	assert_int_equal(got->cost.amount, r->cost.amount);
}

static void put_all(const struct lt_record *const *r, size_t count)
{
	assert_int_equal(lt_ledger_put(ledger, r, count), 0);
	look();
}

static void without_a_common_id_the_facts_have_to_fit(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct lt_record o = outer_of(10u + (unsigned)order, order * 1000,
					      order * 1000 + 100);
		struct lt_record i = inner_of(20u + (unsigned)order, order * 1000 + 10,
					      order * 1000 + 90);
		const struct lt_record *const both[] = {order ? &o : &i, order ? &i : &o};

		put_all(both, 2);
		assert_true(is_hop_of(&i, &o));
		assert_int_equal(now(&i)->call.inferred, LT_INFERRED_HOP);
		assert_int_equal(now(&i)->hop, LT_HOP_TERMINAL);
		assert_int_equal(now(&o)->hop, LT_HOP_ORIGIN);
		assert_true(now(&o)->counts_in_total);
		assert_int_equal(now(&o)->cost.amount, 1000);
		assert_int_equal(now(&o)->cost.status, LT_PRICE_PRICED);
		assert_string_equal(now(&o)->who.tenant, o.who.tenant);
	}
}

static void nothing_less_will_do(void **state)
{
	enum { CASES = 14 };

	(void)state;
	for (uint32_t c = 0; c < CASES; c++) {
		int64_t at = c * 1000;
		struct lt_record o = outer_of(100 + c, at, at + 100);
		struct lt_record i = inner_of(200 + c, at + 10, at + 90);
		const struct lt_record *const both[] = {&i, &o};
		struct lt_record *const each[] = {&o, &i};

		lt_ledger_serves(ledger, c == 0 ? NULL : serves, NULL);
		if (c == 1)
			o.call.port = 4001;
		if (c == 2)
			i.call.usage.input.n++;
		if (c == 3)
			i.call.usage.output.n++;
		if (c == 4) {
			snprintf(o.call.request_model, LT_MODEL_SIZE, "gpt-4");
			snprintf(o.call.response_model, LT_MODEL_SIZE, "gpt-4-0613");
		}
		if (c == 5)
			snprintf(i.call.host, LT_HOST_SIZE, "gateway");
		if (c == 6)
			o.call.conn.tgid = GATEWAY;
		if (c == 7)
			i.end_ns = o.end_ns + 1000000000;
		if (c == 8)
			i.start_ns = o.start_ns;
		if (c == 9)
			o.call.relayed = false;
		if (c == 10)
			i.call.usage.source = LT_USAGE_ESTIMATED;
		if (c == 11)
			i.call.conn.tgid = OTHER, i.call.process_start_ns = OTHER * 1000;
		if (c == 13) /* one after the other, in the same second */
			i.start_ns = o.end_ns + 1, i.end_ns = o.end_ns + 1000;
		for (int k = 0; c == 12 && k < 2; k++)
			each[k]->call.usage.input.n = 0;
		put_all(both, 2);
		assert_alone(&o);
		assert_alone(&i);
	}
}

static void models_are_alike_up_to_their_date(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool same;
	} cases[] = {
		{"gpt-4o", "gpt-4o-2024-08-06", true},
		{"azure/gpt-4o", "gpt-4o", true},
		{"openrouter/anthropic/claude-sonnet-4-5", "claude-sonnet-4-5@20250929", true},
		{"GPT-4o", "gpt-4o", true},
		{"gpt-4", "gpt-4o", false},
		{"gpt-4o-mini", "gpt-4o", true}, /* which the tokens have to tell apart */
		{"fast", "gpt-4o", false},
		{"", "gpt-4o", true},		 /* it does not say */
		{"asked/gpt-5", "gpt-4o", true}, /* it was asked so, and answers so */
	};

	(void)state;
	for (uint32_t c = 0; c < LT_COUNT(cases); c++) {
		struct lt_record o = outer_of(100 + c, c * 1000, c * 1000 + 100);
		struct lt_record i = inner_of(200 + c, c * 1000 + 10, c * 1000 + 90);
		const struct lt_record *const both[] = {&i, &o};

		snprintf(o.call.response_model, LT_MODEL_SIZE, "%s", cases[c].outer);
		snprintf(o.call.request_model, LT_MODEL_SIZE, "gpt-5");
		snprintf(i.call.request_model, LT_MODEL_SIZE, "%s", cases[c].inner);
		put_all(both, 2);
		assert_int_equal(is_hop_of(&i, &o), cases[c].same);
	}
}

/* Two candidates are none, on either side; and when the second comes later, the first is let go. */
static void doubt_joins_nothing(void **state)
{
	struct lt_record o1 = outer_of(1, 0, 100), i1 = inner_of(2, 20, 80);
	struct lt_record o2 = outer_of(3, 10, 120), i2 = inner_of(4, 30, 90);
	const struct lt_record *const first[] = {&i1, &o1};
	const struct lt_record *const second[] = {&o2};
	const struct lt_record *const third[] = {&i2};

	(void)state;
	put_all(first, 2);
	assert_true(is_hop_of(&i1, &o1));
	put_all(second, 1);
	assert_alone(&i1);
	assert_alone(&o1); /* its own cost again: none */
	assert_alone(&o2);
	put_all(third, 1);
	assert_alone(&i2);
	assert_alone(&o1);
}

/* A client of the provider and one of somebody else's gateway, side by side. */
static void honest_parallel_calls_stay_apart(void **state)
{
	uint64_t seed = 3;
	uint32_t number = 0;

	(void)state;
	for (int i = 0; i < PARALLEL; i++) {
		/* Half of them among others, half where nothing but the listening tells. */
		int64_t from = i % 2 ? (int64_t)(random_u64(&seed) % 1000) : 100000 + i * 1000;
		struct lt_record a = outer_of(++number, from, from + 500);
		struct lt_record b = call_of(++number, OTHER, "api.openai.com", from + 100,
					     from + 400);
		const struct lt_record *const both[] = {&b, &a};

		put_all(both, 2);
	}
	assert_int_equal(kept_count, 2 * PARALLEL);
	for (size_t i = 0; i < kept_count; i++)
		assert_int_equal(kept[i].hop, LT_HOP_SINGLE);
}

static int by_end(const void *a, const void *b)
{
	const struct lt_record *x = a, *y = b;

	return (x->end_ns > y->end_ns) - (x->end_ns < y->end_ns);
}

/* 64 like calls through one gateway: a join is made only where it is the right one, and the sum is
 * that of what the provider was asked for. */
static void parallel_calls_through_a_gateway_are_never_crossed(void **state)
{
	static struct lt_record all[2 * PARALLEL];
	size_t joined = 0;
	uint64_t seed = 5;

	(void)state;
	for (uint32_t round = 0; round < 20; round++) {
		int64_t base = round * 1000000, width = 100 << round % 10;
		lt_int128 sum = 0;

		for (uint32_t i = 0; i < PARALLEL; i++) {
			int64_t from = base + (int64_t)(random_u64(&seed) % 5000);
			int64_t to = from + 10 + (int64_t)(random_u64(&seed) % (uint64_t)width);
			uint32_t number = 1000 * (round + 1) + i;

			all[2 * i] = outer_of(number, from, to);
			all[2 * i + 1] = inner_of(number + 500, from + 1 + (int64_t)(i % 3),
						  to - 1 - (int64_t)(i % 4));
		}
		qsort(all, 2 * PARALLEL, sizeof(all[0]), by_end);
		for (size_t i = 0; i < 2 * PARALLEL; i++)
			assert_int_equal(put(ledger, &all[i]), 0);
		look();
		for (size_t i = 0; i < kept_count; i++) {
			uint32_t number, parent;

			memcpy(&number, kept[i].id.b, 4);
			memcpy(&parent, kept[i].parent.b, 4);
			if (kept[i].parent_known) {
				assert_int_equal(parent + 500, number);
				joined++;
			}
			if (kept[i].counts_in_total && lt_record_has_amount(&kept[i]))
				sum += kept[i].cost.amount;
		}
		assert_true(sum == 1000 * PARALLEL);
		lt_ledger_close(ledger);
		remove_directory(state);
		begin(state);
	}
	assert_true(joined > 100 && joined < 20 * PARALLEL);
}

static void what_a_gateway_tried_is_paid_by_who_asked(void **state)
{
	struct lt_record o = outer_of(1, 0, 1000), f1 = failed_try(2, 10, 100);
	struct lt_record f2 = inner_of(3, 110, 300), i = inner_of(4, 310, 900);
	struct lt_record stranger = failed_try(5, 400, 500), health = inner_of(6, 600, 700);
	const struct lt_record *const all[] = {&f1, &f2, &stranger, &health, &i, &o};

	(void)state;
	f2.call.usage.completeness = LT_TRUNCATED; /* broke off, and is charged so far */
	f2.call.usage.output.n = 3;
	f2.cost.amount = 70;
	stranger.call.conn.tgid = OTHER;
	health.call.usage.output.n = 1; /* what the gateway does of its own accord */
	put_all(all, LT_COUNT(all));
	assert_true(is_hop_of(&f1, &o));
	assert_true(is_hop_of(&f2, &o));
	assert_true(is_hop_of(&i, &o));
	assert_alone(&stranger);
	assert_alone(&health);
	assert_int_equal(now(&o)->cost.amount, 1070);
	assert_int_equal(now(&f1)->call.inferred, LT_INFERRED_HOP);
}

static void a_try_for_one_of_two_is_nobodys(void **state)
{
	struct lt_record o1 = outer_of(1, 0, 1000), i1 = inner_of(2, 300, 900);
	struct lt_record o2 = outer_of(3, 10, 2000), i2 = inner_of(4, 310, 1900);
	struct lt_record f = failed_try(5, 20, 100);
	const struct lt_record *const first[] = {&f, &i1, &o1}, *const second[] = {&i2, &o2};

	(void)state;
	i2.call.usage.input.n = o2.call.usage.input.n = 32;
	put_all(first, 3);
	assert_true(is_hop_of(&f, &o1));
	put_all(second, 2);
	assert_true(is_hop_of(&i1, &o1));
	assert_true(is_hop_of(&i2, &o2));
	assert_alone(&f);
}

static void set_id(struct lt_record *r, uint8_t id)
{
	r->dedupe_known = true;
	r->dedupe_key[0] = id;
}

/* In whatever order the hops of a chain are written. */
static void a_gateway_behind_a_gateway(void **state)
{
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (uint32_t k = 0; k < 6; k++) {
		int64_t at = k * 1000;
		struct lt_record hop[3] = {
			outer_of(100 + k, at, at + 100),
			call_of(200 + k, GATEWAY, "inner-gateway", at + 10, at + 90),
			call_of(300 + k, OTHER, "api.openai.com", at + 20, at + 80),
		};

		for (int i = 0; i < 3; i++)
			set_id(&hop[i], (uint8_t)(1 + k));
		hop[0].cost.status = LT_PRICE_PRICED; /* at another price than was paid */
		hop[0].cost.amount = 5000;
		for (int i = 0; i < 3; i++)
			assert_int_equal(put(ledger, &hop[orders[k][i]]), 0);
		look();
		assert_true(is_hop_of(&hop[1], &hop[0]));
		assert_true(is_hop_of(&hop[2], &hop[1]));
		assert_int_equal(now(&hop[0])->hop, LT_HOP_ORIGIN);
		assert_int_equal(now(&hop[1])->hop, LT_HOP_TRANSIT);
		assert_int_equal(now(&hop[2])->hop, LT_HOP_TERMINAL);
		for (int i = 0; i < 3; i++)
			assert_int_equal(now(&hop[i])->cost.amount, 1000);
		assert_int_equal(now(&hop[2])->call.inferred, 0);
	}
}

/* A later revision of either says more of it, and is a hop as before. */
static void a_revision_stays_where_it_was(void **state)
{
	(void)state;
	for (uint32_t stated = 0; stated < 2; stated++) {
		struct lt_record o = outer_of(100 + stated, stated * 1000, stated * 1000 + 100);
		struct lt_record i = inner_of(200 + stated, stated * 1000 + 10, stated * 1000 + 90);
		const struct lt_record *const both[] = {&i, &o};

		for (int k = 0; stated && k < 2; k++)
			set_id(k ? &o : &i, 9);
		put_all(both, 2);
		i.revision = o.revision = 20;
		i.state = o.state = LT_RECORD_AMENDED;
		put_all(both, 2);
		assert_true(is_hop_of(&i, &o));
		assert_int_equal(now(&o)->hop, LT_HOP_ORIGIN);
		assert_int_equal(now(&o)->cost.amount, 1000);
		assert_int_equal(now(&i)->call.inferred, stated ? 0 : LT_INFERRED_HOP);
	}
}

#define KEPT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT(without_a_common_id_the_facts_have_to_fit),
		KEPT(nothing_less_will_do),
		KEPT(models_are_alike_up_to_their_date),
		KEPT(doubt_joins_nothing),
		KEPT(honest_parallel_calls_stay_apart),
		KEPT(parallel_calls_through_a_gateway_are_never_crossed),
		KEPT(what_a_gateway_tried_is_paid_by_who_asked),
		KEPT(a_try_for_one_of_two_is_nobodys),
		KEPT(a_gateway_behind_a_gateway),
		KEPT(a_revision_stays_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
