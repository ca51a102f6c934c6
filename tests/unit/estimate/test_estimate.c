// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/estimate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	const char *text;
	size_t n;
	uint64_t tokens[2];
} cases[] = {
#include "tests/unit/estimate/token_cases.h"
};

static const char *const names[2] = {"o200k_base", "cl100k_base"};
static struct lt_bpe *bpe[2];
static struct lt_token_counter counter;

static int open_encodings(void **state)
{
	(void)state;
	setenv("LEDGERTAP_DATA", "packaging", 1);
	for (int i = 0; i < 2; i++)
		if (lt_bpe_open(names[i], &bpe[i], NULL) < 0)
			return -1;
	return 0;
}

static int close_encodings(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		bpe[i] = lt_bpe_free(bpe[i]);
	return 0;
}

static uint64_t count(int encoding, struct lt_bytes text, size_t piece)
{
	lt_token_counter_init(&counter, bpe[encoding]);
	while (text.n > 0) {
		size_t n = text.n < piece ? text.n : piece;

		lt_token_counter_feed(&counter, lt_bytes(text.p, n));
		text = lt_bytes_skip(text, n);
	}
	return lt_token_counter_finish(&counter);
}

static uint64_t count_str(int encoding, const char *text)
{
	return count(encoding, lt_bytes_str(text), SIZE_MAX);
}

static void counts_are_those_of_tiktoken(void **state)
{
	(void)state;
	assert_true(LT_COUNT(cases) > 100);
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		for (int e = 0; e < 2; e++) {
			uint64_t n = count(e, lt_bytes(cases[i].text, cases[i].n), SIZE_MAX);

			if (n != cases[i].tokens[e])
				fail_msg("%s, case %zu \"%s\": %llu tokens, expected %llu",
					 names[e], i, cases[i].text, (unsigned long long)n,
					 (unsigned long long)cases[i].tokens[e]);
		}
	}
}

static void a_split_anywhere_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_bytes text = lt_bytes(cases[i].text, cases[i].n);

		for (int e = 0; e < 2; e++) {
			assert_int_equal(count(e, text, 1), cases[i].tokens[e]);
			for (size_t at = 0; at <= text.n; at++) {
				lt_token_counter_init(&counter, bpe[e]);
				lt_token_counter_feed(&counter, lt_bytes(text.p, at));
				lt_token_counter_feed(&counter, lt_bytes_skip(text, at));
				assert_int_equal(lt_token_counter_finish(&counter),
						 cases[i].tokens[e]);
			}
		}
	}
}

static void what_is_not_utf8_counts_as_replacement_characters(void **state)
{
	static const struct {
		const char *bytes, *text;
	} pairs[] = {
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xe4\xb8", "\xef\xbf\xbd"},
		{"\xf0\x9f\x98", "\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe4\xb8 a", "\xef\xbf\xbd a"},
		{"\xe4\xe4\xb8\xad", "\xef\xbf\xbd\xe4\xb8\xad"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(pairs); i++) {
		for (int e = 0; e < 2; e++) {
			assert_int_equal(count_str(e, pairs[i].bytes), count_str(e, pairs[i].text));
			assert_int_equal(count(e, lt_bytes_str(pairs[i].bytes), 1),
					 count_str(e, pairs[i].text));
		}
	}
}

/* @n bytes of @text again and again. */
static struct lt_bytes repeat(const char *text, size_t n)
{
	static char to[1 << 20];

	assert_true(n <= sizeof(to));
	for (size_t i = 0; i < n; i++)
		to[i] = text[i % strlen(text)];
	return lt_bytes(to, n);
}

static void runs_up_to_the_ceiling_are_exact(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		uint64_t tokens[2];
	} runs[] = {
		{"a", 1024, {128, 128}},
		{" ", 1024, {8, 8}},
		{"\xe4\xb8\xad", 1023, {341, 341}},
		{"!?", 1024, {258, 513}},
		{"A", 1024, {128, 128}},
		{"xq", 1024, {513, 513}},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(runs); i++)
		for (int e = 0; e < 2; e++)
			assert_int_equal(count(e, repeat(runs[i].text, runs[i].n), 100),
					 runs[i].tokens[e]);
}

static void longer_runs_are_cut_and_counted(void **state)
{
	(void)state;
	for (int e = 0; e < 2; e++) {
		lt_token_counter_init(&counter, bpe[e]);
		lt_token_counter_feed(&counter, repeat("a", 1024));
		assert_int_equal(counter.cuts, 0);
		lt_token_counter_feed(&counter, lt_bytes_str("a"));
		assert_int_equal(counter.cuts, 1);
		lt_token_counter_finish(&counter);
		/* Without end, of everything that has no end of its own. */
		for (size_t i = 0; i < 6; i++) {
			static const char *const endless[] = {"a", "\xe4\xb8\xad", "!", " \n ",
							      "A", "!\n"};

			lt_token_counter_init(&counter, bpe[e]);
			lt_token_counter_feed(&counter, repeat(endless[i], 1 << 20));
			assert_true(counter.n <= LT_TOKEN_RUN_MAX);
			assert_true(lt_token_counter_finish(&counter) > 1 << 10);
		}
	}
}

static void nothing_of_the_text_remains(void **state)
{
	struct lt_token_counter fresh;

	(void)state;
	for (int e = 0; e < 2; e++) {
		memset(&fresh, 0, sizeof(fresh));
		memset(&counter, 0, sizeof(counter));
		lt_token_counter_init(&fresh, bpe[e]);
		lt_token_counter_init(&counter, bpe[e]);
		lt_token_counter_feed(&counter, lt_bytes_str("a secret of some length \xe4\xb8"));
		lt_token_counter_finish(&counter);
		assert_memory_equal(counter.piece, fresh.piece, sizeof(fresh.piece));
		assert_memory_equal(counter.utf8, fresh.utf8, sizeof(fresh.utf8));
		lt_token_counter_feed(&counter, lt_bytes_str("another"));
		lt_token_counter_reset(&counter);
		assert_memory_equal(counter.piece, fresh.piece, sizeof(fresh.piece));
		assert_int_equal(counter.tokens, 0);
	}
}

static void a_counter_can_be_used_again(void **state)
{
	(void)state;
	lt_token_counter_init(&counter, bpe[0]);
	for (int i = 0; i < 3; i++) {
		lt_token_counter_feed(&counter, lt_bytes_str("hello world"));
		assert_int_equal(lt_token_counter_finish(&counter), 2);
	}
	assert_int_equal(lt_token_counter_finish(&counter), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_those_of_tiktoken),
		cmocka_unit_test(a_split_anywhere_changes_nothing),
		cmocka_unit_test(what_is_not_utf8_counts_as_replacement_characters),
		cmocka_unit_test(runs_up_to_the_ceiling_are_exact),
		cmocka_unit_test(longer_runs_are_cut_and_counted),
		cmocka_unit_test(nothing_of_the_text_remains),
		cmocka_unit_test(a_counter_can_be_used_again),
	};

	return cmocka_run_group_tests(tests, open_encodings, close_encodings);
}
