// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/money.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define E18 1000000000000000000ll

static struct lt_decimal parsed(const char *text)
{
	struct lt_decimal d;

	assert_int_equal(lt_decimal_parse(lt_bytes_str(text), &d), 0);
	return d;
}

static void decimals_are_exact(void **state)
{
	static const struct {
		const char *text;
		int64_t units;
		unsigned scale;
	} cases[] = {
		{"12", 12, 0},
		{"0.075", 75, 3},
		{"-1.5", -15, 1},
		{"2.5e-07", 25, 8},
		{"2.5E+2", 250, 0},
		{"0", 0, 0},
		{"-0.000", 0, 0},
		{"1.5000000000000000000000000", 15, 1},
		{"00012.0", 12, 0},
		{".5", 5, 1},
		{"5.", 5, 0},
		{"1200e-2", 12, 0},
		{"0.000000000000000001", 1, 18},
		{"1e-18", 1, 18},
		{"999999999999999999", E18 - 1, 0},
		{"0.999999999999999999", E18 - 1, 18},
		{"0e99", 0, 0},
		{"0e-999999999999", 0, 0},
		{"100000000000000000", E18 / 10, 0},
		{"1e17", E18 / 10, 0},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_decimal d = parsed(cases[i].text);

		assert_int_equal(d.units, cases[i].units);
		assert_int_equal(d.scale, cases[i].scale);
	}
}

static void what_is_not_a_decimal_is_refused(void **state)
{
	static const char *const bad[] = {"",	 "-",	".",   "-.",	"+1",  "1.2.3", "e5",
					  "1e",	 "1e-", "1e+", "1e5x",	" 1",  "1 ",	"0x10",
					  "1,5", "nan", "--1", "1e1.5", "inf", "1-",	"1e--1"};
	struct lt_decimal d = {.units = 7, .scale = 3};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++)
		assert_int_equal(lt_decimal_parse(lt_bytes_str(bad[i]), &d), -EINVAL);
	assert_int_equal(lt_decimal_parse(lt_bytes("1\0", 2), &d), -EINVAL);
	assert_int_equal(d.units, 7);
	assert_int_equal(d.scale, 3);
}

static void too_many_digits_or_places_are_out_of_range(void **state)
{
	static const char *const far[] = {"1234567890123456789",
					  "1e18",
					  "1e-19",
					  "0.0000000000000000001",
					  "1e99999999999999",
					  "1e-99999999999999",
					  "0.1234567890123456789"};
	struct lt_decimal d;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(far); i++)
		assert_int_equal(lt_decimal_parse(lt_bytes_str(far[i]), &d), -ERANGE);
}

static void pico_units_round_half_to_even(void **state)
{
	static const struct {
		const char *text;
		int64_t pico;
	} cases[] = {
		{"1", 1000000000000},
		{"0.0000000000005", 0},
		{"0.0000000000015", 2},
		{"0.0000000000025", 2},
		{"0.00000000000250001", 3},
		{"-0.0000000000005", 0},
		{"-0.0000000000015", -2},
		{"-0.00000000000250001", -3},
		{"0.000000000000499999", 0},
		{"9223372.0368547758", 9223372036854775800},
		{"-9223372.0368547758", -9223372036854775800},
	};
	int64_t pico;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		assert_int_equal(lt_decimal_pico(parsed(cases[i].text), &pico), 0);
		assert_int_equal(pico, cases[i].pico);
	}
	assert_int_equal(lt_decimal_pico(parsed("9223372.03685477581"), &pico), -ERANGE);
	assert_int_equal(lt_decimal_pico(parsed("999999999999999999"), &pico), -ERANGE);
	assert_int_equal(lt_decimal_pico((struct lt_decimal){.units = 1, .scale = 19}, &pico),
			 -EINVAL);
}

static void division_agrees_with_the_definition(void **state)
{
	int64_t q;

	(void)state;
	for (int n = -60; n <= 60; n++) {
		for (int d = 1; d <= 12; d++) {
			int twice;

			assert_int_equal(lt_money_divide(n, d, &q), 0);
			/* |n - q d| <= d / 2, and on a tie q is even. */
			twice = abs(n - (int)q * d) * 2;
			assert_true(twice <= d);
			if (twice == d)
				assert_int_equal(q % 2, 0);
		}
	}
}

static void division_at_the_edges(void **state)
{
	const lt_int128 most = (lt_int128)(((unsigned __int128)1 << 127) - 1);
	int64_t q = 5;

	(void)state;
	assert_int_equal(lt_money_divide(1, 0, &q), -EINVAL);
	assert_int_equal(lt_money_divide(1, -1, &q), -EINVAL);
	assert_int_equal(lt_money_divide(most, 1, &q), -ERANGE);
	assert_int_equal(lt_money_divide(-most - 1, 1, &q), -ERANGE);
	assert_int_equal(lt_money_divide((lt_int128)INT64_MAX + 1, 1, &q), -ERANGE);
	assert_int_equal(q, 5);
	assert_int_equal(lt_money_divide(most, most, &q), 0);
	assert_int_equal(q, 1);
	assert_int_equal(lt_money_divide(-most - 1, most, &q), 0);
	assert_int_equal(q, -1);
	assert_int_equal(lt_money_divide(most / 2, most, &q), 0);
	assert_int_equal(q, 0);
	assert_int_equal(lt_money_divide(most / 2 + 1, most, &q), 0);
	assert_int_equal(q, 1);
	assert_int_equal(lt_money_divide(INT64_MIN, 1, &q), 0);
	assert_int_equal(q, INT64_MIN);
}

static void money_is_written_in_full_and_short(void **state)
{
	const lt_int128 most = (lt_int128)(((unsigned __int128)1 << 127) - 1);
	char to[LT_MONEY_TEXT];

	(void)state;
	assert_string_equal(lt_money_format(0, to), "0");
	assert_string_equal(lt_money_format(1, to), "0.000000000001");
	assert_string_equal(lt_money_format(-1, to), "-0.000000000001");
	assert_string_equal(lt_money_format(12300000000, to), "0.0123");
	assert_string_equal(lt_money_format(1000000000000, to), "1");
	assert_string_equal(lt_money_format(-20500000000000, to), "-20.5");
	assert_string_equal(lt_money_format(INT64_MIN, to), "-9223372.036854775808");
	assert_string_equal(lt_money_format(most, to), "170141183460469231731687303.715884105727");
	assert_string_equal(lt_money_format(-most - 1, to),
			    "-170141183460469231731687303.715884105728");
}

static void what_is_written_reads_back(void **state)
{
	char to[LT_MONEY_TEXT];
	int64_t pico = 1, back;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		pico = (int64_t)((uint64_t)pico * 6364136223846793005u + 1442695040888963407u);
		pico /= 16; /* at most 18 digits */
		assert_int_equal(lt_decimal_pico(parsed(lt_money_format(pico, to)), &back), 0);
		assert_int_equal(back, pico);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_are_exact),
		cmocka_unit_test(what_is_not_a_decimal_is_refused),
		cmocka_unit_test(too_many_digits_or_places_are_out_of_range),
		cmocka_unit_test(pico_units_round_half_to_even),
		cmocka_unit_test(division_agrees_with_the_definition),
		cmocka_unit_test(division_at_the_edges),
		cmocka_unit_test(money_is_written_in_full_and_short),
		cmocka_unit_test(what_is_written_reads_back),
	};

	return cmocka_run_group_tests_name("base/money", tests, NULL, NULL);
}
