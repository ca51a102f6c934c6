// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/sse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/cleanup.h"

struct seen {
	char text[4096]; /* data of each event, then "|name;" */
	size_t n;
	unsigned pieces;
};

static void add(struct seen *seen, struct lt_bytes b)
{
	assert_true(seen->n + b.n < sizeof(seen->text));
	memcpy(seen->text + seen->n, b.p, b.n);
	seen->n += b.n;
	seen->text[seen->n] = '\0';
}

static void on_data(void *arg, struct lt_bytes piece)
{
	struct seen *seen = arg;

	assert_true(piece.n > 0);
	seen->pieces++;
	add(seen, piece);
}

static void on_event(void *arg, const char *name)
{
	add(arg, lt_bytes("|", 1));
	add(arg, lt_bytes_str(name));
	add(arg, lt_bytes(";", 1));
}

static const struct {
	const char *name, *in, *out;
} cases[] = {
	{"one event", "data: {\"a\":1}\n\n", "{\"a\":1}|;"},
	{"no space after the colon", "data:x\n\ndata:  y\n\n", "x|; y|;"},
	{"several data lines", "data: a\ndata: b\ndata\ndata:\ndata: c\n\n", "a\nb\n\n\nc|;"},
	{"named", "event: message_start\ndata: x\n\n", "x|message_start;"},
	{"the name is one event's only", "event: a\ndata: 1\n\ndata: 2\n\n", "1|a;2|;"},
	{"the last name counts", "event: a\nevent: bb\ndata: 1\n\n", "1|bb;"},
	{"a name without data is no event", "event: ping\n\ndata: 1\n\n", "1|;"},
	{"CRLF", "event: a\r\ndata: 1\r\ndata: 2\r\n\r\ndata: 3\r\n\r\n", "1\n2|a;3|;"},
	{"CR", "event: a\rdata: 1\rdata: 2\r\rdata: 3\r\r", "1\n2|a;3|;"},
	{"mixed line ends", "data: 1\r\n\ndata: 2\n\r\ndata: 3\r\n\r", "1|;2|;3|;"},
	{"comments", ": OPENROUTER PROCESSING\n\n:\ndata: 1\n: x\ndata: 2\n\n", "1\n2|;"},
	{"other fields", "id: 7\nretry: 10\nfoo: bar\nxdata: n\ndatax: n\ndata: 1\n\n", "1|;"},
	{"a colon in the value", "data: a: b\n\n", "a: b|;"},
	{"empty data", "data\n\ndata:\n\n", "|;|;"},
	{"the last event lacks its blank line", "data: 1\n\ndata: [DONE]\n", "1|;[DONE]|;"},
	{"the last event lacks its line end", "event: e\ndata: 1", "1|e;"},
	{"the last value is empty", "data:", "|;"},
	{"byte order mark",
	 "\xef\xbb\xbf"
	 "data: 1\n\n\xef\xbb\xbf"
	 "data: 2\n\n",
	 "1|;"},
	{"almost a byte order mark",
	 "\xef\xbb"
	 "data: 0\n\ndata: 1\n\n",
	 "1|;"},
	{"blank lines", "\n\n\r\n\r\rdata: 1\n\n\n\n", "1|;"},
	{"case matters", "DATA: 1\nData: 2\ndata: 3\n\n", "3|;"},
	{"white space before the field", " data: 1\ndata: 2\n\n", "2|;"},
	{"nothing", "", ""},
	{"a long name is cut",
	 "event: 0123456789012345678901234567890123456789012345678901234567890123456789\ndata: "
	 "1\n\n",
	 "1|012345678901234567890123456789012345678901234567890123456789012;"},
};

static const struct lt_sse_sink sink_of = {.data = on_data, .event = on_event};

static void begin(struct lt_sse *sse, struct seen *seen)
{
	struct lt_sse_sink sink = sink_of;

	memset(seen, 0, sizeof(*seen));
	sink.arg = seen;
	lt_sse_init(sse, &sink);
}

/* From memory of exactly that size, for the sanitizer. */
static void feed(struct lt_sse *sse, const char *p, size_t n)
{
	char *copy = malloc(n + 1);

	assert_non_null(copy);
	memcpy(copy + 1, p, n);
	lt_sse_feed(sse, lt_bytes(copy + 1, n));
	free(copy);
}

static void every_stream_gives_what_is_expected_in_any_split(void **state)
{
	struct seen seen;
	struct lt_sse sse;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		size_t n = strlen(cases[i].in);

		for (size_t a = 0; a <= n; a++) {
			for (size_t b = a; b <= n; b++) {
				begin(&sse, &seen);
				feed(&sse, cases[i].in, a);
				feed(&sse, cases[i].in + a, b - a);
				feed(&sse, cases[i].in + b, n - b);
				lt_sse_finish(&sse);
				if (strcmp(seen.text, cases[i].out) != 0)
					fail_msg("%s, cut at %zu and %zu: \"%s\" is not \"%s\"",
						 cases[i].name, a, b, seen.text, cases[i].out);
			}
		}
		begin(&sse, &seen);
		for (size_t k = 0; k < n; k++)
			feed(&sse, cases[i].in + k, 1);
		lt_sse_finish(&sse);
		assert_string_equal(seen.text, cases[i].out);
	}
}

static void a_whole_event_is_one_piece_in_place(void **state)
{
	static const char text[] = "event: x\ndata: {\"delta\":\"a b: c\"}\n\n";
	struct seen seen;
	struct lt_sse sse;
	unsigned long before;

	(void)state;
	begin(&sse, &seen);
	before = lt_alloc_count();
	lt_sse_feed(&sse, lt_bytes_str(text));
	assert_int_equal(seen.pieces, 1);
	assert_string_equal(seen.text, "{\"delta\":\"a b: c\"}|x;");
	assert_int_equal(lt_alloc_count(), before);
}

static void any_bytes_are_data(void **state)
{
	static const char text[] = "data: a\0b\xff\n\n";
	struct seen seen;
	struct lt_sse sse;

	(void)state;
	begin(&sse, &seen);
	lt_sse_feed(&sse, lt_bytes(text, sizeof(text) - 1));
	assert_int_equal(seen.n, 6);
	assert_memory_equal(seen.text, "a\0b\xff|;", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stream_gives_what_is_expected_in_any_split),
		cmocka_unit_test(a_whole_event_is_one_piece_in_place),
		cmocka_unit_test(any_bytes_are_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
