// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "userspace/base/clock.h"
#include "userspace/base/parse.h"

static struct lt_bytes text(const char *s)
{
	return lt_bytes_str(s);
}

static void numbers_must_fit_whole(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1a", "1.0"};
	uint64_t n = 7;

	(void)state;
	assert_int_equal(lt_parse_u64(text("0"), &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(lt_parse_u64(text("18446744073709551615"), &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(lt_parse_u64(text("18446744073709551616"), &n), -ERANGE);
	assert_int_equal(lt_parse_u64(text("99999999999999999999999"), &n), -ERANGE);
	for (size_t i = 0; i < LT_COUNT(bad); i++)
		assert_int_equal(lt_parse_u64(text(bad[i]), &n), -EINVAL);
	assert_true(n == UINT64_MAX); /* not touched by a failure */
	assert_int_equal(lt_parse_u64(lt_bytes("12\0", 3), &n), -EINVAL);
}

static void hexadecimal_has_sixteen_digits_at_most(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(lt_parse_hex_u64(text("fFfFfFfFfFfFfFfF"), &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(lt_parse_hex_u64(text("1a0"), &n), 0);
	assert_int_equal(n, 0x1a0);
	assert_int_equal(lt_parse_hex_u64(text("10000000000000000"), &n), -ERANGE);
	assert_int_equal(lt_parse_hex_u64(text("0x1"), &n), -EINVAL);
	assert_int_equal(lt_parse_hex_u64(text(""), &n), -EINVAL);
}

static void booleans_have_eight_words(void **state)
{
	static const char *const words[] = {"true", "false", "YES", "no", "on", "OFF", "1", "0"};
	bool b;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(words); i++) {
		assert_int_equal(lt_parse_bool(text(words[i]), &b), 0);
		assert_int_equal(b, i % 2 == 0);
	}
	assert_int_equal(lt_parse_bool(text("y"), &b), -EINVAL);
	assert_int_equal(lt_parse_bool(text(""), &b), -EINVAL);
}

static void durations_and_sizes_take_one_unit(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(lt_parse_duration(text("90"), &n), 0);
	assert_true(n == 90000000000ULL);
	assert_int_equal(lt_parse_duration(text("15m"), &n), 0);
	assert_true(n == 900000000000ULL);
	assert_int_equal(lt_parse_duration(text("7d"), &n), 0);
	assert_true(n == 7 * 86400 * 1000000000ULL);
	assert_int_equal(lt_parse_duration(text("2h30m"), &n), -EINVAL);
	assert_int_equal(lt_parse_duration(text("h"), &n), -EINVAL);
	assert_int_equal(lt_parse_duration(lt_bytes("1\0", 2), &n), -EINVAL);
	assert_int_equal(lt_parse_duration(text("99999999999999d"), &n), -ERANGE);
	assert_int_equal(lt_parse_size(text("64k"), &n), 0);
	assert_int_equal(n, 65536);
	assert_int_equal(lt_parse_size(text("1G"), &n), 0);
	assert_int_equal(n, 1 << 30);
	assert_int_equal(lt_parse_size(text("18446744073709551615k"), &n), -ERANGE);
	assert_int_equal(lt_parse_size(text("1T"), &n), -EINVAL);
}

static void times_are_calendar_times(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-13-01",
		"2026-02-29",
		"2026-04-31",
		"2026-1-1",
		"1969-12-31",
		"2026-11-24T24:00:00Z",
		"2026-11-24T00:30:00",
		"2026-11-24T00:30:00.Z",
		"2026-11-24T00:30:00Zx",
		"2026-11-24T00:30:00+24:00",
		"2026-11-24T00:30:00+01:60",
		"2026-11-24T00:30:00+0100",
		"2026-11-24T",
		"2026-11-24x",
	};
	int64_t a = 5, b;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++)
		assert_int_equal(lt_parse_time(text(bad[i]), &a), -EINVAL);
	assert_int_equal(a, 5);
	assert_int_equal(lt_parse_time(text("1970-01-01"), &a), 0);
	assert_int_equal(a, 0);
	assert_int_equal(lt_parse_time(text("2024-02-29T12:00:00Z"), &a), 0);
	assert_int_equal(a, 1709208000000000000);
	assert_int_equal(lt_parse_time(text("2024-02-29T13:30:00.000000001234+01:30"), &b), 0);
	assert_int_equal(b - a, 1);
	assert_int_equal(lt_parse_time(text("2024-02-29t07:00:00.5-05:00"), &b), 0);
	assert_int_equal(b - a, 500000000);
}

static void what_is_formatted_parses_back(void **state)
{
	char to[LT_CLOCK_TEXT];
	int64_t wall = 0, back;

	(void)state;
	/* A step that is no multiple of a day, a month or a year. */
	for (int i = 0; i < 20000; i++, wall += 31622401777000000 / 100) {
		assert_int_equal(lt_parse_time(text(lt_clock_format(wall, to)), &back), 0);
		assert_int_equal(back, wall / 1000000 * 1000000);
		assert_int_equal(strlen(to), 24);
		if (wall > 7000000000000000000)
			break;
	}
}

static void moments_are_times_or_lie_before_now(void **state)
{
	int64_t now = 1709208000000000000, at;

	(void)state;
	assert_int_equal(lt_parse_moment(text("2h"), now, &at), 0);
	assert_int_equal(now - at, 7200000000000);
	assert_int_equal(lt_parse_moment(text("2024-02-29T12:00:00Z"), 1, &at), 0);
	assert_int_equal(at, now);
	assert_int_equal(lt_parse_moment(text("yesterday"), now, &at), -EINVAL);
	assert_int_equal(lt_parse_moment(text("99999999999999d"), now, &at), -ERANGE);
}

static void globs_match_the_whole_text(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"?", "", false},
		{"?", "a", true},
		{"a*c", "abc", true},
		{"a*c", "ac", true},
		{"a*c", "abcd", false},
		{"*.example.com", "a.b.example.com", true},
		{"*.example.com", "example.com", false},
		{"a*b*c", "aXbXbXc", true},
		{"**", "x", true},
		{"*?", "", false},
		{"*ab", "aab", true},
		{"ab", "abc", false},
		{"[a]", "a", false},
		{"A", "a", false},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++)
		assert_int_equal(lt_glob_match(cases[i].pattern, text(cases[i].text)),
				 cases[i].matches);
	assert_true(lt_glob_match_nocase("API.*", text("api.Openai.com")));
	assert_true(lt_glob_match("a?b", lt_bytes("a\0b", 3)));
	assert_false(lt_glob_match("a", lt_bytes("a\0", 2)));
}

static void globs_do_not_explode(void **state)
{
	char many[4001], pattern[201];
	uint64_t begun = lt_clock_boot_ns();

	(void)state;
	memset(many, 'a', 4000);
	many[4000] = '\0';
	for (int i = 0; i < 100; i++)
		memcpy(pattern + 2 * i, "a*", 2);
	pattern[199] = 'b';
	pattern[200] = '\0';
	assert_false(lt_glob_match(pattern, text(many)));
	assert_true(lt_clock_boot_ns() - begun < 1000000000); /* exponential: never */
}

static void base64_is_strict(void **state)
{
	static const struct {
		const char *text, *plain;
	} good[] = {
		{"", ""},
		{"Zg==", "f"},
		{"Zg", "f"},
		{"Zm8=", "fo"},
		{"Zm8", "fo"},
		{"Zm9v", "foo"},
		{"Zm9v\nYmFy", "foobar"},
		{" Z g = = ", "f"},
		{"++//", "\xfb\xef\xff"},
	};
	static const char *const bad[] = {"Z",	   "Zg=",      "Zg===", "=",	"====",	  "Z===",
					  "Zm9v=", "Zg==Zg==", "Zm-v",	"Zm_v", "Zm9\x80"};
	uint8_t to[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(good); i++) {
		assert_int_equal(lt_base64_decode(text(good[i].text), to, &n), 0);
		assert_int_equal(n, strlen(good[i].plain));
		assert_memory_equal(to, good[i].plain, n);
	}
	for (size_t i = 0; i < LT_COUNT(bad); i++)
		assert_int_equal(lt_base64_decode(text(bad[i]), to, &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_must_fit_whole),
		cmocka_unit_test(hexadecimal_has_sixteen_digits_at_most),
		cmocka_unit_test(booleans_have_eight_words),
		cmocka_unit_test(durations_and_sizes_take_one_unit),
		cmocka_unit_test(times_are_calendar_times),
		cmocka_unit_test(what_is_formatted_parses_back),
		cmocka_unit_test(moments_are_times_or_lie_before_now),
		cmocka_unit_test(globs_match_the_whole_text),
		cmocka_unit_test(globs_do_not_explode),
		cmocka_unit_test(base64_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
