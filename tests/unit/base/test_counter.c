// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "userspace/base/counter.h"

enum { THREADS = 4, ROUNDS = 20000 };

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++)
		lt_counter_add(LT_C_EVENTS, 2);
	return NULL;
}

static void no_increment_is_lost_between_threads(void **state)
{
	pthread_t threads[THREADS];
	uint64_t before = lt_counter_get(LT_C_EVENTS);

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(lt_counter_get(LT_C_EVENTS) - before, 2 * THREADS * ROUNDS);
}

static void set_replaces_the_value(void **state)
{
	(void)state;
	lt_counter_set(LT_C_CALLS, 7);
	lt_counter_set(LT_C_CALLS, 5);
	assert_int_equal(lt_counter_get(LT_C_CALLS), 5);
}

static void every_counter_has_its_own_name_and_a_help(void **state)
{
	(void)state;
	for (int i = 0; i < LT_COUNTER_COUNT; i++) {
		assert_true(strlen(lt_counter_name((enum lt_counter)i)) > 0);
		assert_true(strlen(lt_counter_help((enum lt_counter)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(lt_counter_name((enum lt_counter)i),
						lt_counter_name((enum lt_counter)j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_increment_is_lost_between_threads),
		cmocka_unit_test(set_replaces_the_value),
		cmocka_unit_test(every_counter_has_its_own_name_and_a_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
