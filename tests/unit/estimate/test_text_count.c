// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/text_count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lt_bpe_shelf shelf;

static int set_up(void **state)
{
	(void)state;
	setenv("LEDGERTAP_DATA", "packaging", 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lt_bpe_shelf_clear(&shelf);
	unsetenv("LEDGERTAP_DATA");
	return 0;
}

static void expect(const char *early, const char *late, const char *text, uint64_t tokens,
		   const char *method)
{
	for (size_t piece = 1; piece <= strlen(text); piece++) {
		struct lt_text_count *t = NULL;
		struct lt_bytes in = lt_bytes_str(text);
		char got[LT_METHOD_SIZE];

		assert_int_equal(lt_text_count_new(&shelf, lt_bytes_str(early), &t), 0);
		while (in.n > 0) {
			size_t n = in.n < piece ? in.n : piece;

			lt_text_count_feed(t, lt_bytes(in.p, n));
			in = lt_bytes_skip(in, n);
		}
		assert_int_equal(lt_text_count_end(t, lt_bytes_str(late), got), tokens);
		assert_string_equal(got, method);
		lt_text_count_free(t);
	}
}

static void a_model_is_counted_in_its_own_encoding(void **state)
{
	(void)state;
	expect("gpt-4o", "gpt-4o-2024-08-06", "Hello, world!", 4, "o200k_base");
	expect("gpt-4", "gpt-4-0613", "Hello, world!", 4, "cl100k_base");
}

static void a_model_that_is_named_last_is_as_good(void **state)
{
	const char *text = "Größenwahn und Übermut 你好";

	(void)state;
	expect("", "gpt-4o", text, 10, "o200k_base");
	expect("", "gpt-4", text, 11, "cl100k_base");
}

static void other_models_are_scaled(void **state)
{
	(void)state;
	expect("claude-x", "claude-x", "one two three four five six seven eight nine ten", 12,
	       "o200k_base*1.15");
}

static void texts_that_end_share_no_token(void **state)
{
	struct lt_text_count *t = NULL;
	char method[LT_METHOD_SIZE];

	(void)state;
	assert_int_equal(lt_text_count_new(&shelf, lt_bytes_str("gpt-4o"), &t), 0);
	lt_text_count_feed(t, lt_bytes_str("hel"));
	lt_text_count_break(t);
	lt_text_count_feed(t, lt_bytes_str("lo"));
	lt_text_count_add(t, 3);
	assert_int_equal(lt_text_count_end(t, lt_bytes_str("gpt-4o"), method), 5);
	lt_text_count_free(t);
}

static void what_lies_behind_the_ceiling_is_taken_to_be_alike(void **state)
{
	struct lt_text_count *t = NULL;
	char method[LT_METHOD_SIZE];
	uint64_t tokens;

	(void)state;
	assert_int_equal(lt_text_count_new(&shelf, lt_bytes_str("gpt-4o"), &t), 0);
	for (int i = 0; i < 4 * LT_TEXT_ENCODED_MAX / 5; i++)
		lt_text_count_feed(t, lt_bytes_str(" word"));
	tokens = lt_text_count_end(t, lt_bytes_str("gpt-4o"), method);
	assert_in_range(tokens, 4 * LT_TEXT_ENCODED_MAX / 5 - 10, 4 * LT_TEXT_ENCODED_MAX / 5 + 10);
	lt_text_count_free(t);
}

static void without_ranks_bytes_are_divided(void **state)
{
	struct lt_bpe_shelf empty = {0};
	struct lt_text_count *t = NULL;
	char method[LT_METHOD_SIZE];

	(void)state;
	setenv("LEDGERTAP_DATA", "tests/unit", 1);
	/* Both slots are taken by failures, as where nothing is installed. */
	empty.slots[0].name = "o200k_base";
	empty.slots[1].name = "cl100k_base";
	empty.slots[0].error = empty.slots[1].error = -2;
	assert_int_equal(lt_text_count_new(&empty, lt_bytes_str("claude"), &t), 0);
	lt_text_count_feed(t, lt_bytes_str("exactly 24 bytes of text"));
	assert_int_equal(lt_text_count_end(t, lt_bytes_str("claude"), method), 6);
	assert_string_equal(method, "bytes/4.00");
	lt_text_count_free(t);
	setenv("LEDGERTAP_DATA", "packaging", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_counted_in_its_own_encoding),
		cmocka_unit_test(a_model_that_is_named_last_is_as_good),
		cmocka_unit_test(other_models_are_scaled),
		cmocka_unit_test(texts_that_end_share_no_token),
		cmocka_unit_test(what_lies_behind_the_ceiling_is_taken_to_be_alike),
		cmocka_unit_test(without_ranks_bytes_are_divided),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
