// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/view/csv.h"
#include "userspace/view/record_csv.h"
#include "userspace/export/record_json.h"
#include "userspace/view/table.h"

static char *text;
static size_t size;

static json_t *as_json(const struct lt_record *r, uint64_t node_seq)
{
	FILE *out = open_memstream(&text, &size);
	struct lt_json_writer w;
	json_t *json;

	lt_json_writer_init(&w, out);
	lt_record_json(&w, node_seq, r);
	fclose(out);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_non_null(json);
	return json;
}

static void what_nobody_knows_is_null(void **state)
{
	struct lt_record r = {.ttfb_ns = -1, .cost.status = LT_PRICE_UNPRICED, .cost.amount = 5};
	json_t *json = as_json(&r, 0), *usage = json_object_get(json, "usage");

	(void)state;
	assert_true(json_is_null(json_object_get(usage, "input_tokens")));
	assert_true(json_is_null(json_object_get(json_object_get(json, "cost"), "amount")));
	assert_true(json_is_null(json_object_get(json, "billable")));
	assert_true(json_is_null(json_object_get(json, "status_code")));
	assert_true(json_is_null(json_object_get(json, "team")));
	assert_null(json_object_get(json, "node_seq"));
	assert_null(json_object_get(json, "source_file"));
	json_decref(json);
}

static void zero_is_not_null_and_hostile_names_stay_names(void **state)
{
	struct lt_record r = {.cost.status = LT_PRICE_PRICED, .cost.amount = 1500000000000};
	json_t *json;

	(void)state;
	snprintf(r.who.comm, sizeof(r.who.comm), "a\"\n\xff\x1b[31m");
	r.call.usage.output.known = true;
	r.call.usage.unit_count = 1;
	snprintf(r.call.usage.units[0].name, LT_UNIT_NAME, "seconds");
	r.call.usage.units[0].amount_micro = 1050000;
	json = as_json(&r, 9);
	assert_int_equal(json_integer_value(json_object_get(json, "node_seq")), 9);
	assert_string_equal(json_string_value(json_object_get(json, "comm")),
			    "a\"\n\xef\xbf\xbd\x1b[31m");
	assert_true(
		json_is_integer(json_object_get(json_object_get(json, "usage"), "output_tokens")));
	assert_true(json_real_value(json_object_get(
			    json_object_get(json_object_get(json, "usage"), "units"), "seconds")) ==
		    1.05);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "cost"), "amount")), "1.5");
	json_decref(json);
}

static void csv_is_quoted_and_formulas_are_disarmed(void **state)
{
	static const char *const cases[][2] = {
		{"plain", "plain"},
		{"a,b", "\"a,b\""},
		{"a\"b", "\"a\"\"b\""},
		{"a\nb", "\"a\nb\""},
		{"=1+1", "\"'=1+1\""},
		{"@x", "\"'@x\""},
		{"-1.5", "-1.5"},
		{"-1+2", "\"'-1+2\""},
		{"+1", "\"'+1\""},
		{"\tx", "\"'\tx\""},
		{"", ""},
		{"-", "\"'-\""},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		FILE *out = open_memstream(&text, &size);

		lt_csv_field(out, cases[i][0]);
		fclose(out);
		assert_string_equal(text, cases[i][1]);
		free(text);
	}
}

static void every_promised_key_is_there(void **state)
{
	static const char *const keys[] = {
		"record_id",
		"start",
		"end",
		"provider",
		"api",
		"operation",
		"request_model",
		"response_model",
		"streaming",
		"status_code",
		"host",
		"usage",
		"usage_source",
		"usage_method",
		"usage_completeness",
		"lost_bytes",
		"tool_calls",
		"finish_reason",
		"response_id",
		"service_tier",
		"billable",
		"counts_in_total",
		"cost",
		"pid",
		"comm",
		"exe",
		"container_id",
		"runtime",
		"tenant",
		"team",
		"use_case",
		"tls_library",
		"capture_source",
		"coverage_class",
	};
	static const char *const usage_keys[] = {
		"input_tokens",	      "output_tokens",	       "cache_read_tokens",
		"cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
		"reasoning_tokens",   "audio_input_tokens",    "audio_output_tokens",
		"image_input_tokens", "image_output_tokens",   "units",
	};
	static const char *const cost_keys[] = {"amount", "currency", "status", "price_version",
						"breakdown"};
	struct lt_record r = {.source_file = "a.har"};
	json_t *json = as_json(&r, 3);

	(void)state;
	for (size_t i = 0; i < LT_COUNT(keys); i++)
		if (!json_object_get(json, keys[i]))
			fail_msg("no key %s", keys[i]);
	for (size_t i = 0; i < LT_COUNT(usage_keys); i++)
		if (!json_object_get(json_object_get(json, "usage"), usage_keys[i]))
			fail_msg("no key usage.%s", usage_keys[i]);
	for (size_t i = 0; i < LT_COUNT(cost_keys); i++)
		if (!json_object_get(json_object_get(json, "cost"), cost_keys[i]))
			fail_msg("no key cost.%s", cost_keys[i]);
	assert_string_equal(json_string_value(json_object_get(json, "source_file")), "a.har");
	assert_string_equal(json_string_value(json_object_get(json, "start")),
			    "1970-01-01T00:00:00.000Z");
	json_decref(json);
}

/* As many fields in a line as in the titles, whatever the record holds. */
static void a_csv_line_has_the_fields_of_the_titles(void **state)
{
	struct lt_record r = {.revision = 1};
	FILE *out = open_memstream(&text, &size);
	size_t commas[2] = {0}, line = 0;
	bool quoted = false;

	(void)state;
	snprintf(r.who.comm, sizeof(r.who.comm), "a,\"b\r\nc");
	snprintf(r.who.exe, sizeof(r.who.exe), "=cmd|' /C calc'!A0");
	lt_view_csv_titles(out);
	lt_view_record_csv(out, &r);
	fclose(out);
	for (size_t i = 0; i < size; i++) {
		quoted ^= text[i] == '"';
		commas[line] += !quoted && text[i] == ',';
		if (!quoted && text[i] == '\n' && i + 1 < size)
			assert_int_equal(++line, 1);
	}
	assert_int_equal(commas[0], commas[1]);
	assert_true(commas[0] > 20);
	assert_non_null(strstr(text, "\"'=cmd|"));
	assert_string_equal(text + size - 2, "\r\n");
	free(text);
}

static const char *print(const struct lt_table_column *columns, size_t count, unsigned width,
			 bool colour, const char *const (*rows)[4], size_t row_count)
{
	static char kept[2000];
	FILE *out = fmemopen(kept, sizeof(kept), "w");
	struct lt_table *t;

	assert_int_equal(lt_table_new(columns, count, width, colour, &t), 0);
	for (size_t i = 0; i < row_count; i++)
		assert_int_equal(lt_table_row(t, rows[i], NULL), 0);
	lt_table_print(t, out);
	assert_int_equal(lt_table_rows(t), 0);
	fclose(out);
	lt_table_free(t);
	return kept;
}

static void a_table_fits_and_keeps_controls_from_the_terminal(void **state)
{
	static const struct lt_table_column columns[] = {{"NAME", LT_LEFT, 4, 0, 0},
							 {"N", LT_RIGHT, 0, 0, 0}};
	static const char *const rows[][4] = {{"long\033[31m\xc2\x9bname", "12"},
					      {"x\xe2\x80\xae\xff", "1"}};

	(void)state;
	assert_string_equal(print(columns, 2, 12, false, rows, 2),
			    "NAME       N\nlong?[3\xe2\x80\xa6  12\nx??        1\n");
	assert_string_equal(print(columns, 2, 0, false, rows, 1),
			    "NAME             N\nlong?[31m?name  12\n");
}

static void wide_and_combining_characters_keep_the_columns_straight(void **state)
{
	static const struct lt_table_column columns[] = {{"NAME", LT_LEFT, 4, 0, 0},
							 {"N", LT_RIGHT, 0, 0, 0}};
	/* two wide characters; an e with an accent of its own; a precomposed one */
	static const char *const rows[][4] = {
		{"\xe6\x9d\xb1\xe4\xba\xac", "1"}, {"e\xcc\x81", "2"}, {"\xc3\xa9", "3"}};

	(void)state;
	assert_string_equal(print(columns, 2, 0, false, rows, 3), "NAME  N\n"
								  "\xe6\x9d\xb1\xe4\xba\xac  1\n"
								  "e\xcc\x81     2\n"
								  "\xc3\xa9     3\n");
	/* A wide character that does not fit any more leaves a blank, not a longer line. */
	assert_string_equal(
		print((struct lt_table_column[]){{"N", LT_LEFT, 2, 0, 0}, {"N", LT_RIGHT, 0, 0, 0}},
		      2, 5, false, rows, 1),
		"N   N\n\xe2\x80\xa6   1\n");
}

static void decimal_points_stand_below_each_other(void **state)
{
	static const struct lt_table_column columns[] = {{"COST", LT_POINT, 0, 0, 0},
							 {"X", LT_LEFT, 0, 0, 0}};
	static const char *const rows[][4] = {
		{"$0.000012345", "a"}, {"$12.500000", "b"}, {"-", "c"}};

	(void)state;
	assert_string_equal(print(columns, 2, 0, false, rows, 3), "         COST  X\n"
								  " $0.000012345  a\n"
								  "$12.500000     b\n"
								  "            -  c\n");
}

static void what_has_no_room_is_left_out_in_order(void **state)
{
	static const struct lt_table_column columns[] = {{"AAAAAA", LT_LEFT, 4, 0, 0},
							 {"BBBB", LT_LEFT, 0, 2, 0},
							 {"CCCC", LT_RIGHT, 0, 1, 0}};
	static const char *const rows[][4] = {{"aaaaaa", "b", "c"}};

	(void)state;
	assert_string_equal(print(columns, 3, 16, false, rows, 1),
			    "AAA\xe2\x80\xa6  BBBB  CCCC\naaa\xe2\x80\xa6  b        c\n");
	assert_string_equal(print(columns, 3, 15, false, rows, 1), "AAAAAA  CCCC\naaaaaa     c\n");
	assert_string_equal(print(columns, 3, 9, false, rows, 1), "AAAAAA\naaaaaa\n");
	assert_string_equal(print(columns, 3, 5, false, rows, 1),
			    "AAAA\xe2\x80\xa6\naaaa\xe2\x80\xa6\n");
}

/* No line is ever wider than the terminal, whatever the width, as long as what must stay fits. */
static void no_line_is_wider_than_the_terminal(void **state)
{
	static const struct lt_table_column columns[] = {{"A", LT_LEFT, 3, 0, 9},
							 {"B", LT_RIGHT, 0, 2, 7},
							 {"C", LT_POINT, 0, 1, 9},
							 {"D", LT_LEFT, 2, 3, 5}};
	static const char *const rows[][4] = {{"some name", "123,456", "$0.25", "a note, and more"},
					      {"x", "-", "$1.1234567", ""}};

	(void)state;
	for (unsigned width = 3; width < 60; width++) {
		const char *line = print(columns, 4, width, false, rows, 2);

		while (*line) {
			unsigned n = 0;

			for (; *line != '\n'; line++)
				n += ((unsigned char)*line & 0xc0) != 0x80;
			assert_true(n <= width);
			line++;
		}
	}
}

static void colours_come_only_when_asked_for(void **state)
{
	static const struct lt_table_column columns[] = {{"A", LT_LEFT, 0, 0, 0}};
	static const char *const rows[][4] = {{"x"}};

	(void)state;
	assert_null(strchr(print(columns, 1, 0, false, rows, 1), '\033'));
	assert_string_equal(print(columns, 1, 0, true, rows, 1), "\033[1mA\033[0m\nx\n");
}

static void every_failed_allocation_of_a_table_is_reported(void **state)
{
	static const struct lt_table_column columns[] = {{"A", LT_LEFT, 0, 0, 0}};
	const char *cells[] = {"x"};
	struct lt_table *t = NULL;

	(void)state;
	lt_alloc_fail_at(1);
	assert_int_equal(lt_table_new(columns, 1, 0, false, &t), -ENOMEM);
	assert_int_equal(lt_table_new(columns, 1, 0, false, &t), 0);
	lt_alloc_fail_at(1);
	assert_int_equal(lt_table_row(t, cells, NULL), -ENOMEM);
	assert_int_equal(lt_table_rows(t), 0);
	lt_alloc_fail_at(0);
	assert_int_equal(lt_table_row(t, cells, NULL), 0);
	lt_table_free(t);
}

static void money_for_people_shows_six_digits_that_count(void **state)
{
	static const struct {
		int64_t pico;
		const char *currency, *text;
	} cases[] = {
		{0, "USD", "$0.000000"},
		{1, "USD", "$0.000000000001"},
		{1500000000000, "USD", "$1.500000"},
		{12345678901234, "EUR", "12.345679 EUR"},
		{123456789012, "USD", "$0.123457"},
		{12345678901, "USD", "$0.0123457"},
		{1234567890, "USD", "$0.00123457"},
		{87000000, "USD", "$0.000087"},
		{12345600, "", "0.0000123456"},
		{-2500000000000, "USD", "-$2.500000"},
		{999999999999, "USD", "$1.000000"},
	};
	char to[LT_HUMAN_TEXT];

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++)
		assert_string_equal(lt_human_money(cases[i].pico, cases[i].currency, to),
				    cases[i].text);
	assert_string_equal(lt_human_number(0, to), "0");
	assert_string_equal(lt_human_number(999, to), "999");
	assert_string_equal(lt_human_number(1234567, to), "1,234,567");
	assert_string_equal(lt_human_number(UINT64_MAX, to), "18,446,744,073,709,551,615");
}

static void times_of_another_day_carry_their_date(void **state)
{
	static const int64_t noon = 1768046400ll * 1000000000, hour = 3600ll * 1000000000;
	char to[LT_HUMAN_TEXT];

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_string_equal(lt_human_time(noon, noon + 11 * hour, to), "12:00:00");
	assert_string_equal(lt_human_time(noon, noon + 12 * hour, to), "2026-01-10 12:00:00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_knows_is_null),
		cmocka_unit_test(zero_is_not_null_and_hostile_names_stay_names),
		cmocka_unit_test(every_promised_key_is_there),
		cmocka_unit_test(csv_is_quoted_and_formulas_are_disarmed),
		cmocka_unit_test(a_csv_line_has_the_fields_of_the_titles),
		cmocka_unit_test(a_table_fits_and_keeps_controls_from_the_terminal),
		cmocka_unit_test(wide_and_combining_characters_keep_the_columns_straight),
		cmocka_unit_test(decimal_points_stand_below_each_other),
		cmocka_unit_test(what_has_no_room_is_left_out_in_order),
		cmocka_unit_test(no_line_is_wider_than_the_terminal),
		cmocka_unit_test(colours_come_only_when_asked_for),
		cmocka_unit_test(every_failed_allocation_of_a_table_is_reported),
		cmocka_unit_test(money_for_people_shows_six_digits_that_count),
		cmocka_unit_test(times_of_another_day_carry_their_date),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
