// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/http_head.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lt_head_parse parsed;

static int parse(enum lt_side side, const char *text)
{
	return lt_head_parse(lt_bytes_str(text), side, &parsed);
}

static void a_request_is_taken_apart(void **state)
{
	(void)state;
	assert_int_equal(parse(LT_SIDE_REQUEST,
			       "POST /v1/x?y=z HTTP/1.1\r\nHOST: Api.Example:8443\r\n"
			       "Content-Length: 12\r\nX: 1\r\nx: 2\r\n\r\n"),
			 0);
	assert_true(lt_bytes_is(parsed.head.method, "POST"));
	assert_true(lt_bytes_is(parsed.head.target, "/v1/x?y=z"));
	assert_true(lt_bytes_is(parsed.head.host, "Api.Example"));
	assert_int_equal(parsed.head.port, 8443);
	assert_int_equal(parsed.head.field_count, 4);
	assert_true(parsed.has_length);
	assert_int_equal(parsed.length, 12);
	assert_false(parsed.has_transfer_encoding);
	assert_true(lt_bytes_is(lt_http_field(&parsed.head, "X"), "1"));
	assert_int_equal(lt_http_field(&parsed.head, "absent").n, 0);
}

static void a_response_is_taken_apart(void **state)
{
	(void)state;
	assert_int_equal(parse(LT_SIDE_RESPONSE,
			       "HTTP/1.1 529 \r\nTransfer-Encoding: gzip\r\n"
			       "transfer-encoding: Chunked\r\n"
			       "Content-Encoding: br\r\nHost: a\r\nHost: b\r\n\r\n"),
			 0);
	assert_int_equal(parsed.head.status, 529);
	assert_true(parsed.chunked);
	assert_true(parsed.other_coding);
	assert_true(lt_bytes_is(parsed.content_encoding, "br"));
	assert_int_equal(parsed.head.host.n, 0);
}

static void chunked_has_to_come_last(void **state)
{
	(void)state;
	assert_int_equal(parse(LT_SIDE_RESPONSE,
			       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip,\r\n\r\n"),
			 0);
	assert_true(parsed.has_transfer_encoding);
	assert_false(parsed.chunked);
}

static void nothing_stays_from_the_head_before(void **state)
{
	(void)state;
	assert_int_equal(parse(LT_SIDE_REQUEST,
			       "POST / HTTP/1.1\r\nHost: h:1\r\nContent-Length: 1\r\n"
			       "Transfer-Encoding: gzip, chunked\r\n"
			       "Content-Encoding: br\r\n\r\n"),
			 0);
	assert_int_equal(parse(LT_SIDE_REQUEST, "GET / HTTP/1.1\r\n\r\n"), 0);
	assert_false(parsed.has_length || parsed.chunked || parsed.other_coding ||
		     parsed.has_transfer_encoding || parsed.has_host);
	assert_int_equal(parsed.length, 0);
	assert_int_equal(parsed.head.port, 0);
	assert_int_equal(parsed.head.host.n + parsed.content_encoding.n + parsed.head.field_count,
			 0);
}

static void the_end_is_found_from_anywhere(void **state)
{
	static const char *const heads[] = {"GET / HTTP/1.1\r\nA: b\r\n\r\nbody\r\n\r\n",
					    "GET / HTTP/1.1\nA: b\n\nbody\n\n",
					    "GET / HTTP/1.1\r\nA: b\n\r\nbody\n\n"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(heads); i++) {
		size_t length = (size_t)(strstr(heads[i], "body") - heads[i]);

		for (size_t n = 0; n <= length; n++) {
			for (size_t from = 0; from <= n; from++) {
				struct lt_bytes text = lt_bytes(heads[i], n);

				/* Nothing ends before @from, that is what it says. */
				assert_int_equal(
					lt_head_length(text, from < length ? from : length - 1),
					n == length ? length : 0);
			}
		}
	}
}

static void a_start_is_known_as_soon_as_it_can_be(void **state)
{
	(void)state;
	assert_int_equal(lt_head_begins(lt_bytes_str(""), LT_SIDE_REQUEST), LT_START_MORE);
	assert_int_equal(lt_head_begins(lt_bytes_str("P"), LT_SIDE_REQUEST), LT_START_MORE);
	assert_int_equal(lt_head_begins(lt_bytes_str("POST"), LT_SIDE_REQUEST), LT_START_MORE);
	assert_int_equal(lt_head_begins(lt_bytes_str("POST /"), LT_SIDE_REQUEST), LT_START_YES);
	assert_int_equal(lt_head_begins(lt_bytes_str("POSTS"), LT_SIDE_REQUEST), LT_START_NO);
	assert_int_equal(lt_head_begins(lt_bytes_str("get /"), LT_SIDE_REQUEST), LT_START_NO);
	assert_int_equal(lt_head_begins(lt_bytes_str("HTTP/1"), LT_SIDE_REQUEST), LT_START_NO);
	assert_int_equal(lt_head_begins(lt_bytes_str("HTTP/1"), LT_SIDE_RESPONSE), LT_START_MORE);
	assert_int_equal(lt_head_begins(lt_bytes_str("HTTP/1.1 200"), LT_SIDE_RESPONSE),
			 LT_START_YES);
	assert_int_equal(lt_head_begins(lt_bytes_str("HTTP/2"), LT_SIDE_RESPONSE), LT_START_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_taken_apart),
		cmocka_unit_test(a_response_is_taken_apart),
		cmocka_unit_test(chunked_has_to_come_last),
		cmocka_unit_test(nothing_stays_from_the_head_before),
		cmocka_unit_test(the_end_is_found_from_anywhere),
		cmocka_unit_test(a_start_is_known_as_soon_as_it_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
