// SPDX-License-Identifier: Apache-2.0
/* What a connection holds does not grow with what passes: 200 MB through each kind of body. */
#include "userspace/decode/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/protocol/protocol.h"

enum { STREAM_BYTES = 200000000, STATE_MAX = 64 << 10, PIECE = 16000 };

static unsigned calls;

static void on_call(void *arg, const struct lt_call *call)
{
	(void)arg;
	assert_int_equal(call->usage.input.n, 7);
	assert_int_equal(call->usage.output.n, 8);
	assert_int_equal(call->usage.completeness, LT_COMPLETE);
	calls++;
}

#define EVENT                                                                                      \
	"data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"    \
	"\" word and more\"},\"finish_reason\":null}],\"usage\":null}\n\n"
#define LAST                                                                                       \
	"data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,"        \
	"\"completion_tokens\":8}}\n\ndata: [DONE]\n\n"

/* One conversation: what comes first on either side, what is repeated, what ends it. */
struct flow {
	const struct lt_protocol *protocol;
	struct lt_bytes request, begin, again, end;
};

static struct lt_catalog *catalog;

static unsigned long feed(struct lt_parser *p, const struct flow *f, struct lt_bytes in)
{
	unsigned long most = 0;

	while (in.n > 0) {
		size_t n = in.n < PIECE ? in.n : PIECE;

		assert_int_equal(f->protocol->feed(p, LT_SIDE_RESPONSE, 1, lt_bytes(in.p, n)), 0);
		in = lt_bytes_skip(in, n);
		if (lt_alloc_live() > most)
			most = lt_alloc_live();
	}
	return most;
}

static void expect_bounded(const struct flow *f)
{
	const struct lt_call_sink sink = {.call = on_call};
	const struct lt_decoder_opts opts = {.estimate = true};
	static const struct lt_conn conn;
	struct lt_exchange_sink exchanges;
	struct lt_decoder *decoder;
	unsigned long at_first = lt_alloc_live(), before, most = 0;
	struct lt_parser *p;

	calls = 0;
	assert_int_equal(lt_decoder_new(&opts, catalog, &sink, &decoder), 0);
	exchanges = lt_decoder_sink(decoder);
	before = lt_alloc_live();
	assert_int_equal(f->protocol->open(&conn, &exchanges, &p), 0);
	assert_int_equal(f->protocol->feed(p, LT_SIDE_REQUEST, 1, f->request), 0);
	feed(p, f, f->begin);
	for (size_t passed = 0; passed < STREAM_BYTES; passed += f->again.n) {
		unsigned long now = feed(p, f, f->again);

		most = now > most ? now : most;
	}
	feed(p, f, f->end);
	f->protocol->close(p, 2, LT_CLOSE_FREED);
	assert_int_equal(calls, 1);
	assert_true(most - before <= STATE_MAX);
	lt_decoder_free(decoder);
	assert_int_equal(lt_alloc_live(), at_first);
}

#define POST                                                                                       \
	"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 13\r\n\r\n" \
	"{\"model\":\"m\"}"

/* Many times the same, so that a round through the parser is worth its while. */
static struct lt_bytes repeated(const void *unit, size_t n)
{
	size_t times = 1000000 / n;
	uint8_t *all = malloc(times * n), *to = all;

	assert_non_null(all);
	for (size_t i = 0; i < times; i++)
		to = mempcpy(to, unit, n);
	return lt_bytes(all, times * n);
}

static void streams_over_http1(void **state)
{
	static const char chunk[] = "7d\r\n" EVENT "\r\n";
	struct flow f = {
		&lt_http1,
		lt_bytes_str(POST),
		lt_bytes_str("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
			     "Transfer-Encoding: chunked\r\n\r\n"),
		.end = lt_bytes_str("6e\r\n" LAST "\r\n0\r\n\r\n"),
	};

	(void)state;
	assert_int_equal(sizeof(EVENT) - 1, 0x7d);
	assert_int_equal(sizeof(LAST) - 1, 0x6e);
	f.again = repeated(chunk, sizeof(chunk) - 1);
	expect_bounded(&f);
	free((void *)(uintptr_t)f.again.p);
}

static void streams_over_http2(void **state)
{
	static const char request[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
				      "\0\0\x2c\1\5\0\0\0\1\x83\x87\4\x14/v1/chat/completions"
				      "\1\x0e"
				      "api.openai.com\x0f\x0d\1"
				      "0";
	static const char begin[] = "\0\0\0\4\0\0\0\0\0\0\0\x15\1\4\0\0\0\1\x88\x0f\x10\x11"
				    "text/event-stream";
	static const char data[] = "\0\0\x7d\0\0\0\0\0\1" EVENT;
	static const char end[] = "\0\0\x6e\0\1\0\0\0\1" LAST;
	struct flow f = {&lt_http2, lt_bytes(request, sizeof(request) - 1),
			 lt_bytes(begin, sizeof(begin) - 1), .end = lt_bytes(end, sizeof(end) - 1)};

	(void)state;
	f.again = repeated(data, sizeof(data) - 1);
	expect_bounded(&f);
	free((void *)(uintptr_t)f.again.p);
}

static void one_document(void **state)
{
	struct flow f = {
		&lt_http1,
		lt_bytes_str(POST),
		lt_bytes_str("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
			     "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\""),
		.end = lt_bytes_str(
			"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,"
			"\"completion_tokens\":8}}"),
	};

	(void)state;
	f.again = repeated("a sentence, \\\"quoted\\\". ", 25);
	expect_bounded(&f);
	free((void *)(uintptr_t)f.again.p);
}

static int set_up(void **state)
{
	struct lt_problem problem;

	(void)state;
	return lt_catalog_load(NULL, &catalog, &problem);
}

static int tear_down(void **state)
{
	(void)state;
	catalog = lt_catalog_free(catalog);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_over_http1),
		cmocka_unit_test(streams_over_http2),
		cmocka_unit_test(one_document),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
