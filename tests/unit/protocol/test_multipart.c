// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
	char text[1024];
	size_t n;
};

static void add(struct seen *seen, struct lt_bytes b)
{
	assert_true(seen->n + b.n < sizeof(seen->text));
	if (b.n > 0)
		memcpy(seen->text + seen->n, b.p, b.n);
	seen->n += b.n;
	seen->text[seen->n] = '\0';
}

static void on_field(void *arg, struct lt_bytes name, struct lt_bytes value)
{
	add(arg, name);
	add(arg, lt_bytes_str("="));
	add(arg, value);
	add(arg, lt_bytes_str(";"));
}

static void expect(const char *type, const char *text, const char *fields)
{
	for (size_t piece = 1; piece <= strlen(text); piece++) {
		struct seen seen = {.n = 0};
		const struct lt_multipart_sink sink = {&seen, on_field};
		struct lt_bytes in = lt_bytes_str(text);
		struct lt_multipart m;

		assert_true(lt_multipart_init(&m, lt_bytes_str(type), &sink));
		while (in.n > 0) {
			size_t n = in.n < piece ? in.n : piece;

			lt_multipart_feed(&m, lt_bytes(in.p, n));
			in = lt_bytes_skip(in, n);
		}
		assert_string_equal(seen.text, fields);
	}
}

#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

static void fields_come_out_and_files_do_not(void **state)
{
	(void)state;
	expect("multipart/form-data; boundary=xx",
	       "--xx\r\n" FIELD(
		       "file\"; filename=\"a.mp3") "Content-Type: audio/mpeg\r\n\r\n"
						   "ID3\r\n\r\n--x\r\nmore\n\r\n--xx\r\n" FIELD(
							   "model") "\r\nwhisper-1\r\n--"
								    "xx\r\n" FIELD("stream") "\r\nt"
											     "rue\r"
											     "\n--"
											     "xx--"
											     "\r\ne"
											     "pilog"
											     "ue",
	       "model=whisper-1;stream=true;");
}

static void boundaries_may_be_quoted_and_preceded_by_a_preamble(void **state)
{
	(void)state;
	expect("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"",
	       "preamble\r\n--a b\r\n" FIELD("m") "\r\n1\r\n--a b--", "m=1;");
}

static void what_looks_like_a_boundary_is_a_value(void **state)
{
	(void)state;
	expect("multipart/form-data; boundary=xx",
	       "--xx\r\n" FIELD("m") "\r\n\r\r\n-\r\n--x\r\r\n--y\r\n--xx--",
	       "m=\r\r\n-\r\n--x\r\r\n--y;");
}

static void a_bare_line_feed_in_a_value_stays_bare(void **state)
{
	(void)state;
	expect("multipart/form-data; boundary=xx",
	       "--xx\r\n" FIELD("m") "\r\na\nb\n\n-c\n--xx\n" FIELD("n") "\r\n2\r\n--xx--",
	       "m=a\nb\n\n-c;n=2;");
}

static void a_field_may_be_named_filename(void **state)
{
	(void)state;
	expect("multipart/form-data; boundary=xx",
	       "--xx\r\n" FIELD("filename") "\r\n1\r\n--xx\r\n" FIELD(
		       "f\"; filename*=\"UTF-8''x") "\r\n2\r\n--xx--",
	       "filename=1;");
}

static void a_form_that_breaks_off_gives_what_was_whole(void **state)
{
	(void)state;
	expect("multipart/form-data; boundary=xx",
	       "--xx\r\n" FIELD("m") "\r\n1\r\n--xx\r\n" FIELD("n") "\r\n2\r\n--x", "m=1;");
}

static void long_values_are_cut_and_long_names_dropped(void **state)
{
	char text[1024], value[400], name[80];
	struct seen seen = {.n = 0};
	const struct lt_multipart_sink sink = {&seen, on_field};
	struct lt_multipart m;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "--x\r\n" FIELD("%s") "\r\n1\r\n--x\r\n" FIELD("m") "\r\n%s\r\n--x--", name,
		 value);
	assert_true(lt_multipart_init(&m, lt_bytes_str("multipart/form-data;boundary=x"), &sink));
	lt_multipart_feed(&m, lt_bytes_str(text));
	assert_int_equal(seen.n, 2 + LT_FORM_VALUE + 1);
}

static void other_types_are_no_forms(void **state)
{
	const struct lt_multipart_sink sink = {NULL, on_field};
	struct lt_multipart m;
	char wide[120] = "multipart/form-data; boundary=";

	(void)state;
	memset(wide + strlen(wide), 'b', 71);
	assert_false(lt_multipart_init(&m, lt_bytes_str("application/json"), &sink));
	assert_false(lt_multipart_init(&m, lt_bytes_str("multipart/form-data"), &sink));
	assert_false(lt_multipart_init(&m, lt_bytes_str("multipart/form-data; boundary="), &sink));
	assert_false(lt_multipart_init(&m, lt_bytes_str(wide), &sink));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_out_and_files_do_not),
		cmocka_unit_test(boundaries_may_be_quoted_and_preceded_by_a_preamble),
		cmocka_unit_test(what_looks_like_a_boundary_is_a_value),
		cmocka_unit_test(a_bare_line_feed_in_a_value_stays_bare),
		cmocka_unit_test(a_field_may_be_named_filename),
		cmocka_unit_test(a_form_that_breaks_off_gives_what_was_whole),
		cmocka_unit_test(long_values_are_cut_and_long_names_dropped),
		cmocka_unit_test(other_types_are_no_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
