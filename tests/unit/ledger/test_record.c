// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ledger/ledger_test.h"

#include "userspace/base/clock.h"
#include "userspace/base/digest.h"

static const uint8_t node[16] = {1}, boot[16] = {2};

static struct lt_call plain_call(void)
{
	struct lt_call call = {.conn = {.tgid = 10, .ctx = 0x7f0000001000, .generation = 77}};

	call.process_start_ns = 5;
	call.first_byte_ns = lt_clock_boot_ns();
	call.first_response_ns = call.first_byte_ns + 30;
	call.end_ns = call.first_byte_ns + 100;
	snprintf(call.provider, sizeof(call.provider), "openai");
	snprintf(call.response_id, sizeof(call.response_id), "resp-1");
	return call;
}

static struct lt_record make(const struct lt_call *call)
{
	struct lt_identity who = {.pid = 10};
	struct lt_cost cost = {0};
	struct lt_record r;

	memset(&r, 0x5a, sizeof(r));
	assert_int_equal(lt_record_make(node, boot, call, &who, &cost, &r), 0);
	return r;
}

static bool same_id(const struct lt_record *a, const struct lt_record *b)
{
	return memcmp(a->id.b, b->id.b, 16) == 0;
}

static void the_same_facts_give_the_same_id(void **state)
{
	struct lt_call call = plain_call(), other = call;
	struct lt_record first = make(&call), again;

	(void)state;
	/* What a later decoder may understand better is no part of the id. */
	snprintf(other.response_model, sizeof(other.response_model), "another");
	other.end_ns += 1000;
	again = make(&other);
	assert_true(same_id(&first, &again));
	assert_int_equal(first.revision, 1);
	assert_true(first.counts_in_total);
}

static void every_fact_of_the_exchange_changes_the_id(void **state)
{
	struct lt_call call = plain_call(), other[7];
	struct lt_record first = make(&call);

	(void)state;
	for (size_t i = 0; i < LT_COUNT(other); i++)
		other[i] = call;
	other[0].conn.tgid++;
	other[1].conn.ctx += 16;
	other[2].conn.generation++;
	other[3].process_start_ns++;
	other[4].stream_id += 2;
	other[5].first_byte_ns++;
	other[6].ordinal++; /* pipelined: two requests in one write */
	for (size_t i = 0; i < LT_COUNT(other); i++) {
		struct lt_record r = make(&other[i]);

		assert_false(same_id(&first, &r));
	}
}

static void the_dedupe_key_is_of_provider_and_response(void **state)
{
	struct lt_call call = plain_call();
	struct lt_bytes text = lt_bytes_str("openai|resp-1");
	struct lt_record r = make(&call);
	uint8_t digest[LT_SHA256_SIZE];

	(void)state;
	assert_int_equal(lt_sha256(&text, 1, digest), 0);
	assert_true(r.dedupe_known);
	assert_memory_equal(r.dedupe_key, digest, 16);
	call.response_id[0] = '\0';
	r = make(&call);
	assert_false(r.dedupe_known);
}

static void times_are_differences_of_the_kernels_stamps(void **state)
{
	struct lt_call call = plain_call();
	struct lt_record r = make(&call);
	int64_t now = lt_clock_wall_ns();

	(void)state;
	assert_int_equal(r.end_ns - r.start_ns, 100);
	assert_int_equal(r.ttfb_ns, 30);
	assert_true(llabs(now - r.start_ns) < 5000000000);
	assert_true(llabs(now - r.observed_ns) < 5000000000);
	call.first_response_ns = 0;
	call.end_ns = call.first_byte_ns -
		      50; /* synthetic nonsense ends no earlier than it began */
	r = make(&call);
	assert_int_equal(r.ttfb_ns, -1);
	assert_int_equal(r.end_ns, r.start_ns);
}

static void the_meters_outlive_the_book(void **state)
{
	char meter[] = "web_searches", large[64];
	struct lt_call call = plain_call();
	struct lt_identity who = {0};
	struct lt_cost cost = {.part_count = 1, .parts[0].meter = meter};
	struct lt_record r;

	(void)state;
	assert_int_equal(lt_record_make(node, boot, &call, &who, &cost, &r), 0);
	memset(meter, 'x', sizeof(meter) - 1);
	assert_string_equal(r.cost.parts[0].meter, "web_searches");
	assert_ptr_equal(lt_record_meter("web_searches"), r.cost.parts[0].meter);
	memset(large, 'x', sizeof(large));
	large[63] = '\0';
	assert_string_equal(lt_record_meter(large), "other");
	/* A flood of names fills a table of fixed size and no more. */
	for (int i = 0; i < 2000; i++) {
		snprintf(large, sizeof(large), "meter-%d", i);
		assert_non_null(lt_record_meter(large));
	}
	assert_string_equal(lt_record_meter("one-more"), "other");
	assert_string_equal(lt_record_meter("web_searches"), "web_searches");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_facts_give_the_same_id),
		cmocka_unit_test(every_fact_of_the_exchange_changes_the_id),
		cmocka_unit_test(the_dedupe_key_is_of_provider_and_response),
		cmocka_unit_test(times_are_differences_of_the_kernels_stamps),
		cmocka_unit_test(the_meters_outlive_the_book),
	};

	return cmocka_run_group_tests_name("ledger/record", tests, NULL, NULL);
}
