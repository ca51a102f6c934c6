// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/event_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/crc32.h"
#include "userspace/protocol/base64_member.h"

struct seen {
	char text[1024];
	size_t n;
};

struct wire {
	uint8_t p[1024];
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

static void on_begin(void *arg, const struct lt_event_stream_head *head)
{
	add(arg, lt_bytes_str(head->message_type));
	add(arg, lt_bytes_str("/"));
	add(arg, lt_bytes_str(head->event_type));
	add(arg, lt_bytes_str(head->exception_type));
	add(arg, lt_bytes_str(":"));
}

static void on_data(void *arg, struct lt_bytes piece)
{
	add(arg, piece);
}

static void on_end(void *arg, bool intact)
{
	add(arg, lt_bytes_str(intact ? ";" : "!"));
}

static void put32(struct wire *w, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		w->p[w->n++] = (uint8_t)(v >> shift);
}

static void put(struct wire *w, const char *p, size_t n)
{
	assert_true(w->n + n < sizeof(w->p));
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void string_header(struct wire *w, const char *name, const char *value)
{
	w->p[w->n++] = (uint8_t)strlen(name);
	put(w, name, strlen(name));
	w->p[w->n++] = 7;
	w->p[w->n++] = 0;
	w->p[w->n++] = (uint8_t)strlen(value);
	put(w, value, strlen(value));
}

/* One message with a string, a time, a boolean and bytes among its headers. */
static void message(struct wire *w, const char *type, const char *event, const char *payload)
{
	struct wire headers = {.n = 0};
	size_t from = w->n;

	string_header(&headers, ":message-type", type);
	put(&headers, "\4when\10\0\0\0\0\0\0\0\1", 14);
	put(&headers, "\3yes\0\3raw\6\0\2ab", 14);
	string_header(&headers, strcmp(type, "event") == 0 ? ":event-type" : ":exception-type",
		      event);
	put32(w, (uint32_t)(16 + headers.n + strlen(payload)));
	put32(w, (uint32_t)headers.n);
	put32(w, lt_crc32(0, lt_bytes(w->p + from, 8)));
	put(w, (const char *)headers.p, headers.n);
	put(w, payload, strlen(payload));
	put32(w, lt_crc32(0, lt_bytes(w->p + from, w->n - from)));
}

static void expect(const struct wire *w, const char *text)
{
	for (size_t piece = 1; piece <= w->n; piece++) {
		struct seen seen = {.n = 0};
		const struct lt_event_stream_sink sink = {&seen, on_begin, on_data, on_end};
		struct lt_bytes in = lt_bytes(w->p, w->n);
		struct lt_event_stream s;

		lt_event_stream_init(&s, &sink);
		while (in.n > 0) {
			size_t n = in.n < piece ? in.n : piece;

			lt_event_stream_feed(&s, lt_bytes(in.p, n));
			in = lt_bytes_skip(in, n);
		}
		assert_string_equal(seen.text, text);
	}
}

static void crc32_is_the_one_of_ieee(void **state)
{
	(void)state;
	assert_int_equal(lt_crc32(0, lt_bytes_str("123456789")), 0xcbf43926);
	assert_int_equal(lt_crc32(lt_crc32(0, lt_bytes_str("1234")), lt_bytes_str("56789")),
			 0xcbf43926);
}

static void events_and_exceptions_come_out(void **state)
{
	struct wire w = {.n = 0};

	(void)state;
	message(&w, "event", "chunk", "{\"a\":1}");
	message(&w, "event", "empty", "");
	message(&w, "exception", "throttlingException", "{}");
	expect(&w, "event/chunk:{\"a\":1};event/empty:;exception/throttlingException:{};");
}

static void a_broken_payload_is_marked(void **state)
{
	struct wire w = {.n = 0};
	size_t first;

	(void)state;
	message(&w, "event", "one", "abc");
	first = w.n;
	message(&w, "event", "two", "d");
	w.p[first - 5] ^= 1;
	expect(&w, "event/one:abb!event/two:d;");
}

static void the_next_message_is_found_behind_garbage(void **state)
{
	struct wire w = {.n = 0};

	(void)state;
	put(&w, "no message at all", 17);
	message(&w, "event", "one", "abc");
	put(&w, "\0\0\0\x20\0\0\0\0\0\0\0\0", 12);
	message(&w, "event", "two", "d");
	expect(&w, "event/one:abc;event/two:d;");
}

static void headers_that_are_none_are_skipped_with_their_message(void **state)
{
	struct wire w = {.n = 0};
	size_t first;

	(void)state;
	message(&w, "event", "one", "abc");
	first = w.n;
	w.p[12 + 1 + 13] = 99; /* the type of the first header's value */
	message(&w, "event", "two", "d");
	(void)first;
	expect(&w, "/:abc!event/two:d;");
}

static void on_inner(void *arg, struct lt_bytes piece)
{
	assert_true(piece.n > 0);
	add(arg, piece);
}

static void expect_member(const char *text, const char *bytes)
{
	for (size_t piece = 1; piece <= strlen(text); piece++) {
		struct seen seen = {.n = 0};
		const struct lt_base64_member_sink sink = {&seen, on_inner};
		struct lt_bytes in = lt_bytes_str(text);
		struct lt_base64_member m;

		lt_base64_member_init(&m, &sink);
		while (in.n > 0) {
			size_t n = in.n < piece ? in.n : piece;

			lt_base64_member_feed(&m, lt_bytes(in.p, n));
			in = lt_bytes_skip(in, n);
		}
		assert_string_equal(seen.text, bytes);
	}
}

static void the_member_bytes_is_decoded(void **state)
{
	(void)state;
	expect_member("{\"bytes\":\"eyJhIjoxfQ==\",\"p\":\"abc\"}", "{\"a\":1}");
	expect_member("{ \"p\" : \"bytes\", \"q\":\"\\\"bytes\\\":\", \"bytes\" : \"YWI\" }", "ab");
	expect_member("{\"bytes\":null,\"p\":\"YWI=\"}", "");
	expect_member("{\"bytes\":\"Pz8\\/\"}", "???");
	expect_member("{\"bytes\":\"Pz8\\u002f\"}", "???");
	expect_member("{\"bytes\":\"Pz\\n8\\u002F\\r\\n\"}", "???");
}

static void a_member_of_another_object_is_not_the_one(void **state)
{
	(void)state;
	expect_member("{\"usage\":{\"bytes\":\"YWI=\"},\"list\":[{\"bytes\":\"YWI=\"}],"
		      "\"bytes\":\"Y2Q=\"}",
		      "cd");
}

static void a_header_given_twice_holds_its_last_value(void **state)
{
	struct wire w = {.n = 0}, headers = {.n = 0};

	(void)state;
	string_header(&headers, ":message-type", "exception");
	string_header(&headers, ":message-type", "event");
	put32(&w, (uint32_t)(16 + headers.n));
	put32(&w, (uint32_t)headers.n);
	put32(&w, lt_crc32(0, lt_bytes(w.p, 8)));
	put(&w, (const char *)headers.p, headers.n);
	put32(&w, lt_crc32(0, lt_bytes(w.p, w.n)));
	expect(&w, "event/:;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32_is_the_one_of_ieee),
		cmocka_unit_test(events_and_exceptions_come_out),
		cmocka_unit_test(a_broken_payload_is_marked),
		cmocka_unit_test(the_next_message_is_found_behind_garbage),
		cmocka_unit_test(headers_that_are_none_are_skipped_with_their_message),
		cmocka_unit_test(the_member_bytes_is_decoded),
		cmocka_unit_test(a_member_of_another_object_is_not_the_one),
		cmocka_unit_test(a_header_given_twice_holds_its_last_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
