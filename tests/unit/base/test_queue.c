// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/queue.h"

enum { ITEMS = 200000 };

static struct lt_queue *make(size_t capacity)
{
	struct lt_queue *q = NULL;

	assert_int_equal(lt_queue_new(sizeof(uint64_t), capacity, &q), 0);
	return q;
}

static void items_come_out_in_order_and_a_full_queue_refuses(void **state)
{
	struct lt_queue *q = make(5); /* rounded up to 8 */
	uint64_t item = 0;

	(void)state;
	assert_false(lt_queue_take(q, &item));
	/* More rounds than slots, so that the ring wraps. */
	for (uint64_t round = 0; round < 5; round++) {
		for (uint64_t i = 0; i < 8; i++) {
			item = round * 100 + i;
			assert_true(lt_queue_put(q, &item));
		}
		assert_false(lt_queue_put(q, &item));
		assert_int_equal(lt_queue_length(q), 8);
		for (uint64_t i = 0; i < 8; i++) {
			assert_true(lt_queue_take(q, &item));
			assert_int_equal(item, round * 100 + i);
		}
		assert_int_equal(lt_queue_length(q), 0);
	}
	assert_null(lt_queue_free(q));
	assert_null(lt_queue_free(NULL));
}

static void peeked_items_stay_until_dropped(void **state)
{
	struct lt_queue *q = make(4);
	uint64_t item;

	(void)state;
	for (item = 1; item <= 3; item++)
		assert_true(lt_queue_put(q, &item));
	assert_int_equal(*(const uint64_t *)lt_queue_peek(q, 0), 1);
	assert_int_equal(*(const uint64_t *)lt_queue_peek(q, 2), 3);
	assert_null(lt_queue_peek(q, 3));
	assert_int_equal(lt_queue_length(q), 3);
	lt_queue_drop(q, 2);
	assert_true(lt_queue_take(q, &item));
	assert_int_equal(item, 3);
	lt_queue_free(q);
}

static void waiting_ends_with_its_timeout(void **state)
{
	struct lt_queue *q = make(4);
	uint64_t begun = lt_clock_boot_ns(), passed;

	(void)state;
	lt_queue_wait(q, 30);
	passed = lt_clock_boot_ns() - begun;
	assert_true(passed >= 29000000);
	begun = lt_clock_boot_ns();
	lt_queue_wait(q, 0);
	assert_true(lt_queue_put(q, &begun));
	lt_queue_wait(q, 60000); /* something is there: does not sleep */
	assert_true(lt_clock_boot_ns() - begun < 10000000000);
	lt_queue_free(q);
}

static void *produce(void *arg)
{
	struct lt_queue *q = arg;

	for (uint64_t i = 1; i <= ITEMS;) {
		if (lt_queue_put(q, &i))
			i++;
		/* Now and then long enough for the consumer to fall asleep. */
		if (i % 20000 == 0)
			usleep(2000);
	}
	lt_queue_close(q);
	return NULL;
}

/* A lost wakeup would show as a wait of a minute. */
static void nothing_is_lost_between_two_threads(void **state)
{
	struct lt_queue *q = make(64);
	uint64_t expected = 1, item, begun = lt_clock_boot_ns();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, q), 0);
	while (!lt_queue_closed(q) || lt_queue_length(q) > 0) {
		if (!lt_queue_take(q, &item)) {
			lt_queue_wait(q, 60000);
			continue;
		}
		assert_int_equal(item, expected);
		expected++;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(expected, ITEMS + 1);
	assert_true(lt_clock_boot_ns() - begun < 50000000000);
	lt_queue_free(q);
}

static void *close_later(void *arg)
{
	usleep(20000);
	lt_queue_close(arg);
	return NULL;
}

static void closing_wakes_the_consumer(void **state)
{
	struct lt_queue *q = make(4);
	uint64_t begun = lt_clock_boot_ns();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, close_later, q), 0);
	while (!lt_queue_closed(q))
		lt_queue_wait(q, 60000);
	assert_true(lt_clock_boot_ns() - begun < 30000000000);
	assert_int_equal(pthread_join(thread, NULL), 0);
	lt_queue_free(q);
}

static void running_out_of_memory_is_said(void **state)
{
	(void)state;
	for (unsigned long n = 1; n <= 2; n++) {
		struct lt_queue *q = NULL;

		lt_alloc_fail_at(n);
		assert_true(lt_queue_new(8, 8, &q) < 0);
		assert_null(q);
	}
	lt_alloc_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_order_and_a_full_queue_refuses),
		cmocka_unit_test(peeked_items_stay_until_dropped),
		cmocka_unit_test(waiting_ends_with_its_timeout),
		cmocka_unit_test(nothing_is_lost_between_two_threads),
		cmocka_unit_test(closing_wakes_the_consumer),
		cmocka_unit_test(running_out_of_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
