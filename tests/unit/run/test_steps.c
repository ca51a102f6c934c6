// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/run/steps.h"

static int set_up(void **state)
{
	struct lt_steps *steps = NULL;

	assert_int_equal(lt_steps_new(16, &steps), 0);
	*state = steps;
	return 0;
}

static int tear_down(void **state)
{
	assert_null(lt_steps_free(*state));
	return 0;
}

/* A call of the session that brings results back, 0: none. */
static uint32_t step(void **state, uint64_t session, uint64_t results)
{
	const struct lt_call call = {.results_hash = results};

	return lt_steps_call(*state, session, &call);
}

static void grows_with_what_tools_gave(void **state)
{
	assert_int_equal(step(state, 1, 0), 1);
	assert_int_equal(step(state, 1, 11), 2);
	assert_int_equal(step(state, 1, 12), 3);
	assert_int_equal(step(state, 2, 0), 1);
	assert_int_equal(step(state, 1, 13), 4);
	assert_int_equal(lt_steps_now(*state, 1), 4);
	assert_int_equal(lt_steps_now(*state, 2), 1);
	assert_int_equal(lt_steps_now(*state, 3), 0);
	assert_int_equal(lt_steps_now(*state, 0), 0);
}

static void side_calls_and_retries_do_not_count(void **state)
{
	assert_int_equal(step(state, 1, 0), 1);
	assert_int_equal(step(state, 1, 0), 1); /* a title */
	assert_int_equal(step(state, 1, 11), 2);
	assert_int_equal(step(state, 1, 11), 2); /* a retry */
	assert_int_equal(step(state, 1, 0), 2);
	assert_int_equal(step(state, 1, 12), 3);
	assert_int_equal(step(state, 1, 11), 3); /* a late one of a parallel turn */
}

/* What happened before the agent came is not known: the first call that was seen is step 1. */
static void a_session_that_was_joined_begins_at_1(void **state)
{
	assert_int_equal(step(state, 1, 11), 1);
	assert_int_equal(step(state, 1, 11), 1);
	assert_int_equal(step(state, 1, 12), 2);
}

static void forgets_the_longest_unused(void **state)
{
	step(state, 1, 0);
	step(state, 1, 11);
	for (uint64_t key = 2; key < 200; key++) {
		assert_int_equal(step(state, key, 0), 1);
		assert_int_equal(lt_steps_now(*state, 1), 2); /* used again and again */
		assert_int_equal(lt_steps_now(*state, key), 1);
	}
	assert_int_equal(lt_steps_now(*state, 2), 0);
}

static void remembers_whose_an_answer_is(void **state)
{
	assert_int_equal(lt_steps_recall(*state, "resp_1"), 0);
	lt_steps_remember(*state, "resp_1", 7);
	lt_steps_remember(*state, "resp_2", 8);
	lt_steps_remember(*state, "", 9);
	assert_int_equal(lt_steps_recall(*state, "resp_1"), 7);
	assert_int_equal(lt_steps_recall(*state, "resp_2"), 8);
	assert_int_equal(lt_steps_recall(*state, ""), 0);
}

static void fails_when_memory_runs_out(void **state)
{
	struct lt_steps *steps = NULL;

	(void)state;
	for (unsigned long n = 1; n <= 2; n++) {
		lt_alloc_fail_at(n);
		assert_true(lt_steps_new(0, &steps) < 0);
		assert_null(steps);
	}
	lt_alloc_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(grows_with_what_tools_gave, set_up, tear_down),
		cmocka_unit_test_setup_teardown(side_calls_and_retries_do_not_count, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_session_that_was_joined_begins_at_1, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(forgets_the_longest_unused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remembers_whose_an_answer_is, set_up, tear_down),
		cmocka_unit_test(fails_when_memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
