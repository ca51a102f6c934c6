// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/json_file.h"
#include "userspace/base/json_write.h"

static char *written;
static size_t written_n;

static FILE *begin(struct lt_json_writer *w)
{
	FILE *out = open_memstream(&written, &written_n);

	assert_non_null(out);
	lt_json_writer_init(w, out);
	return out;
}

static void ends_with(FILE *out, const char *expected)
{
	fclose(out);
	assert_string_equal(written, expected);
	free(written);
}

static void commas_stand_between_members_and_elements(void **state)
{
	struct lt_json_writer w;
	FILE *out = begin(&w);

	(void)state;
	lt_json_begin_object(&w);
	lt_json_key(&w, "a");
	lt_json_begin_array(&w);
	lt_json_u64(&w, UINT64_MAX);
	lt_json_i64(&w, INT64_MIN);
	lt_json_begin_object(&w);
	lt_json_end_object(&w);
	lt_json_begin_array(&w);
	lt_json_end_array(&w);
	lt_json_end_array(&w);
	lt_json_key(&w, "b");
	lt_json_string(&w, NULL);
	lt_json_key(&w, "c");
	lt_json_bool(&w, true);
	lt_json_key(&w, "d");
	lt_json_raw(&w, "0.10");
	lt_json_key(&w, "e");
	lt_json_null(&w);
	lt_json_end_object(&w);
	lt_json_bool(&w, false);
	ends_with(out,
		  "{\"a\":[18446744073709551615,-9223372036854775808,{},[]],\"b\":null,\"c\":true,"
		  "\"d\":0.10,\"e\":null}\nfalse");
}

static void texts_are_escaped(void **state)
{
	struct lt_json_writer w;
	FILE *out = begin(&w);

	(void)state;
	lt_json_bytes(&w, lt_bytes("q\" b\\ n\n r\r t\t \0 \x1b \x7f /", 22));
	ends_with(out, "\"q\\\" b\\\\ n\\n r\\r t\\t \\u0000 \\u001b \\u007f /\"");
}

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
		{"a\x80z", "\"a\xef\xbf\xbdz\""},
		{"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},		      /* overlong */
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
		{"\xf4\x90\x80\x80",
		 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* above U+10FFFF */
		{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},		  /* cut */
		{"\xc3\"", "\"\xef\xbf\xbd\\\"\""}, /* the quote is not swallowed */
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_json_writer w;
		FILE *out = begin(&w);

		lt_json_string(&w, cases[i].in);
		ends_with(out, cases[i].out);
	}
}

static void any_bytes_give_json(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct lt_json_file *file = NULL;
		struct lt_json_writer w;
		uint8_t bytes[40];
		FILE *out = begin(&w);

		for (size_t k = 0; k < sizeof(bytes); k++) {
			seed = seed * 1103515245 + 12345;
			bytes[k] = (uint8_t)(seed >> 16);
		}
		lt_json_begin_array(&w);
		lt_json_bytes(&w, lt_bytes(bytes, sizeof(bytes)));
		lt_json_end_array(&w);
		fclose(out);
		assert_int_equal(lt_json_file_parse(lt_bytes(written, written_n), "x", &file, NULL),
				 0);
		lt_json_file_free(file);
		free(written);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_between_members_and_elements),
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
		cmocka_unit_test(any_bytes_give_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
