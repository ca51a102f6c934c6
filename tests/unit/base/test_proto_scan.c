// SPDX-License-Identifier: Apache-2.0
/* Fields of protobuf messages, in any pieces. */
#include "userspace/base/proto_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static char seen[2048];
static size_t seen_n;

static void LT_PRINTF(1, 2) say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	seen_n += (size_t)vsnprintf(seen + seen_n, sizeof(seen) - seen_n, format, args);
	va_end(args);
	assert_true(seen_n < sizeof(seen));
}

static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	static const char *const types[] = {"null", "false", "true", "n", "s", "{", "[", "}"};

	(void)arg;
	say("%u%s%.*s", hit->path, types[hit->type], (int)hit->text.n, (const char *)hit->text.p);
	say(hit->cut ? "... " : " ");
}

static size_t text_n;

static void on_text(void *arg, uint32_t path, struct lt_bytes piece)
{
	(void)arg;
	(void)path;
	text_n += piece.n;
}

/* Whole and in pieces of every size the hits and the verdict are the same. */
static void expect(const char *const *paths, size_t count, const uint8_t *p, size_t n, int verdict,
		   const char *text)
{
	const struct lt_json_sink sink = {.hit = on_hit, .text = on_text};
	lt_defer(lt_json_paths_freep)
	struct lt_json_paths *set = NULL;
	lt_defer(lt_proto_scan_freep)
	struct lt_proto_scan *s = NULL;
	size_t bad;

	assert_int_equal(lt_json_paths_new(paths, count, &set, &bad), 0);
	lt_json_paths_want_text(set, 0);
	assert_int_equal(lt_proto_scan_new(set, &sink, &s), 0);
	for (size_t step = n ? n : 1; step > 0; step--) {
		int r = 0;

		seen_n = text_n = 0;
		seen[0] = '\0';
		lt_proto_scan_reset(s);
		for (size_t at = 0; at < n && r == 0; at += step)
			r = lt_proto_scan_feed(s, lt_bytes(p + at, n - at < step ? n - at : step));
		if (r == 0)
			r = lt_proto_scan_finish(s);
		assert_int_equal(r, verdict);
		assert_string_equal(seen, text);
	}
}

static void numbers_strings_and_messages_are_found(void **state)
{
	static const char *const paths[] = {"2", "4", "4.1", "4.9.2", "1"};
	/* 1: 150; 2: "hi"; 3 (nobody's): a fixed32; 4: {1: 300, 9: {2: 7}, 9: {}}; 2: "" */
	const uint8_t message[] = {0x08, 0x96, 0x01, 0x12, 0x02, 'h',  'i',  0x1d, 1,
				   2,	 3,    4,    0x22, 0x09, 0x08, 0xac, 0x02, 0x4a,
				   0x02, 0x10, 7,    0x4a, 0x00, 0x12, 0x00};

	(void)state;
	expect(paths, 5, message, sizeof(message), 0, "4n150 0shi 1{ 2n300 3n7 1} 0s ");
}

static void a_message_ends_with_the_one_that_it_is_the_last_of(void **state)
{
	static const char *const paths[] = {"1", "1.1", "1.1.1"};
	/* 1: {1: {1: 5}} and an empty 1 */
	const uint8_t message[] = {0x0a, 4, 0x0a, 2, 0x08, 5, 0x0a, 0};

	(void)state;
	expect(paths, 3, message, sizeof(message), 0, "0{ 1{ 2n5 1} 0} 0{ 0} ");
}

static void numbers_of_64_bits_are_whole(void **state)
{
	static const char *const paths[] = {"1"};

	(void)state;
	expect(paths, 1, BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), 0,
	       "0n18446744073709551615 ");
}

static void long_strings_are_cut_and_flow_whole(void **state)
{
	static const char *const paths[] = {"1"};
	uint8_t message[1003] = {0x0a, 0xe8, 0x07}; /* 1000 bytes */
	char want[300] = "0s";

	(void)state;
	memset(message + 3, 'x', 1000);
	memset(want + 2, 'x', LT_JSON_TEXT_MAX);
	strcpy(want + 2 + LT_JSON_TEXT_MAX, "... ");
	expect(paths, 1, message, sizeof(message), 0, want);
	assert_int_equal(text_n, 1000);
}

static void what_is_no_protobuf_is_refused(void **state)
{
	static const char *const paths[] = {"1.1", "2"};

	(void)state;
	expect(paths, 2, BYTES(0x00, 0x01), -EBADMSG, "");	       /* field 0 */
	expect(paths, 2, BYTES(0x0b), -EBADMSG, "");		       /* a group */
	expect(paths, 2, BYTES(0x0f), -EBADMSG, "");		       /* no wire type */
	expect(paths, 2, BYTES(0x12, 0x03, 'a'), -EBADMSG, "");	       /* cut */
	expect(paths, 2, BYTES(0x10, 0x80), -EBADMSG, "");	       /* cut in a number */
	expect(paths, 2, BYTES(0x0a, 0x02, 0x0a, 0x05), -EBADMSG, ""); /* longer than its message */
	expect(paths, 2, BYTES(0x0a, 0x02, 0x08, 0x80, 0x01), -EBADMSG, ""); /* the same */
	expect(paths, 2,
	       BYTES(0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
	       -EBADMSG, ""); /* a number without an end */
	expect(paths, 2, NULL, 0, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_strings_and_messages_are_found),
		cmocka_unit_test(a_message_ends_with_the_one_that_it_is_the_last_of),
		cmocka_unit_test(numbers_of_64_bits_are_whole),
		cmocka_unit_test(long_strings_are_cut_and_flow_whole),
		cmocka_unit_test(what_is_no_protobuf_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
