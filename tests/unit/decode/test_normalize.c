// SPDX-License-Identifier: Apache-2.0
/* The wire's numbers into disjoint buckets: the parts of a side add up to its total. */
#include "userspace/decode/normalize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct lt_usage of(const struct lt_count meter[LT_M_COUNT], uint32_t outside)
{
	struct lt_usage u = {0};

	lt_normalize(meter, outside, &u);
	return u;
}

#define SAID(number)                                                                               \
	{                                                                                          \
		.n = (number), .known = true                                                       \
	}

static void assert_count(struct lt_count count, bool known, uint64_t n)
{
	assert_int_equal(count.known, known);
	assert_int_equal(count.n, n);
}

static uint64_t input_sum(const struct lt_usage *u)
{
	uint64_t sum = 0;

	for (int b = LT_B_IN_UNCACHED; b <= LT_B_CACHE_WRITE_1H; b++)
		sum += u->bucket[b].n;
	return sum;
}

static void audio_and_images_from_a_cache_are_counted_once(void **state)
{
	const struct lt_count meter[LT_M_COUNT] = {
		[LT_M_INPUT] = SAID(1000),	     [LT_M_CACHE_READ] = SAID(640),
		[LT_M_CACHE_READ_AUDIO] = SAID(400), [LT_M_AUDIO_INPUT] = SAID(500),
		[LT_M_CACHE_READ_IMAGE] = SAID(100), [LT_M_IMAGE_INPUT] = SAID(150),
	};
	struct lt_usage u = of(meter, 0);

	(void)state;
	assert_false(u.contradictory);
	assert_count(u.input, true, 1000);
	assert_count(u.bucket[LT_B_CACHE_READ], true, 140);
	assert_count(u.bucket[LT_B_CACHE_READ_AUDIO], true, 400);
	assert_count(u.bucket[LT_B_CACHE_READ_IMAGE], true, 100);
	assert_count(u.bucket[LT_B_IN_AUDIO], true, 100);
	assert_count(u.bucket[LT_B_IN_IMAGE], true, 50);
	assert_count(u.bucket[LT_B_IN_UNCACHED], true, 210);
	assert_int_equal(input_sum(&u), 1000);
	/* And the inclusive numbers are as they were stated. */
	assert_count(lt_usage_cache_read(&u), true, 640);
	assert_count(lt_usage_audio_input(&u), true, 500);
	assert_count(lt_usage_image_input(&u), true, 150);
}

static void a_cross_part_that_is_larger_than_either_is_a_contradiction(void **state)
{
	struct lt_count meter[LT_M_COUNT] = {
		[LT_M_INPUT] = SAID(100),
		[LT_M_CACHE_READ] = SAID(50),
		[LT_M_CACHE_READ_AUDIO] = SAID(51),
		[LT_M_AUDIO_INPUT] = SAID(60),
	};

	(void)state;
	assert_true(of(meter, 0).contradictory);
	meter[LT_M_CACHE_READ_AUDIO].n = 50;
	assert_false(of(meter, 0).contradictory);
	meter[LT_M_AUDIO_INPUT].n = 49;
	assert_true(of(meter, 0).contradictory);
}

static void what_stands_outside_of_the_total_is_added(void **state)
{
	const struct lt_count meter[LT_M_COUNT] = {
		[LT_M_INPUT] = SAID(10), [LT_M_CACHE_READ] = SAID(30), [LT_M_CACHE_WRITE] = SAID(5),
		[LT_M_OUTPUT] = SAID(7), [LT_M_REASONING] = SAID(3),
	};
	struct lt_usage u = of(meter, 1U << LT_M_CACHE_READ | 1U << LT_M_CACHE_WRITE |
					      1U << LT_M_REASONING);

	(void)state;
	assert_count(u.input, true, 45);
	assert_count(u.bucket[LT_B_IN_UNCACHED], true, 10);
	assert_count(u.output, true, 10);
	assert_count(u.bucket[LT_B_OUT_VISIBLE], true, 7);
	assert_int_equal(input_sum(&u), 45);
}

static void silence_is_not_zero(void **state)
{
	const struct lt_count nothing[LT_M_COUNT] = {0};
	struct lt_usage u = of(nothing, 0);

	(void)state;
	assert_false(u.input.known || u.output.known || u.contradictory);
	for (int b = 0; b < LT_BUCKET_COUNT; b++)
		assert_false(u.bucket[b].known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(audio_and_images_from_a_cache_are_counted_once),
		cmocka_unit_test(a_cross_part_that_is_larger_than_either_is_a_contradiction),
		cmocka_unit_test(what_stands_outside_of_the_total_is_added),
		cmocka_unit_test(silence_is_not_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
