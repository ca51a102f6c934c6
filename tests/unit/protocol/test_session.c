// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/session.h"

#include "tests/unit/protocol/http1_cases.h"
#include "tests/unit/protocol/trace.h"
#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"

#define GET	  "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_HEAD  "GET /head HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_NEVER "GET /never HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_NONE  "GET /none HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK_2	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define PREFACE	  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static struct trace trace;
static struct lt_sessions *sessions;
static struct lt_stream_sink sink;
static struct lt_conn conn;
static void *user;
static enum lt_verdict verdict;
static unsigned verdicts;
static bool any_conn; /* the stream made it */
static uint64_t now;

static void on_verdict(void *arg, const struct lt_conn *c, enum lt_verdict v)
{
	assert_ptr_equal(arg, &trace);
	if (!any_conn)
		assert_ptr_equal(c, &conn);
	assert_int_not_equal(v, verdict);
	verdict = v;
	verdicts++;
}

static int set_up(void **state)
{
	struct lt_exchange_sink inner = trace_sink(&trace);
	struct lt_verdict_sink verdict_sink = {.arg = &trace, .set = on_verdict};

	(void)state;
	memset(&trace, 0, sizeof(trace));
	verdict = LT_VERDICT_PROBE;
	verdicts = 0;
	any_conn = false;
	now = 0;
	assert_int_equal(lt_sessions_new(&inner, &verdict_sink, &sessions), 0);
	sink = lt_sessions_sink(sessions);
	sink.open(sink.arg, &conn, &user);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sink.close(sink.arg, user, ++now, LT_CLOSE_FREED);
	assert_int_equal(trace.open, 0);
	assert_null(lt_sessions_free(sessions));
	return 0;
}

static void bytes(enum lt_dir dir, const char *text)
{
	sink.bytes(sink.arg, user, dir, ++now, lt_bytes_str(text));
}

#define W(text) bytes(LT_DIR_WRITE, text)
#define R(text) bytes(LT_DIR_READ, text)

static void a_client_of_interest_is_followed(void **state)
{
	(void)state;
	W(GET);
	assert_int_equal(verdict, LT_VERDICT_FULL);
	R(OK_2);
	W(GET);
	R(OK_2);
	assert_int_equal(verdicts, 1);
	assert_non_null(strstr(trace.text, "<1 ok\nEND1 complete 0/2\n"));
}

/* A thread writes, another one reads: the reader's event may come first. When the write began is
 * known all the same. */
static void an_answer_may_be_told_of_before_its_request(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) { /* the first exchange, which finds the parser; and another */
		now = 100 + 100 * (uint64_t)i;
		R("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
		R("ok");
		now = 50 + 100 * (uint64_t)i;
		W(GET);
	}
	assert_string_equal(trace.text,
			    "REQ0 GET /a [h]:0 1\nRESP0 200 1\n<0 ok\nEND0 complete 0/2\n"
			    "REQ1 GET /a [h]:0 1\nRESP1 200 1\n<1 ok\nEND1 complete 0/2\n");
}

/* One that was read before the request was begun answers something that nobody has seen. */
static void an_answer_that_is_older_than_the_request_is_not_its_own(void **state)
{
	(void)state;
	R(OK_2);
	W(GET);
	R("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno");
	assert_string_equal(trace.text,
			    "REQ0 GET /a [h]:0 1\nRESP0 404 1\n<0 no\nEND0 complete 0/2\n");
}

static void an_answer_does_not_wait_for_ever(void **state)
{
	(void)state;
	W(GET);
	R(OK_2);
	R(OK_2); /* nobody asks */
	now += 2000000000;
	R("HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n");
	W(GET);
	R(OK_2);
	assert_non_null(strstr(trace.text, "REQ1 GET /a [h]:0 1\nRESP1 200 1\n<1 ok\n"));
	for (int i = 0; i < 70; i++) {
		char many[1025];

		memset(many, 'x', sizeof(many) - 1);
		many[1024] = '\0';
		R(i == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 70656\r\n\r\n" : many);
	}
	W(GET);
	R(OK_2);
	assert_non_null(strstr(trace.text, "RESP2 200 1\n<2 ok\n"));
}

/* The answer to an upgraded request is stream 1; others follow on the same connection. */
static void an_upgrade_to_http2_goes_on_there(void **state)
{
	static const char request[] =
		"GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings"
		"\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
	static const uint8_t answer[] =
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		"Upgrade: h2c\r\n\r\n"
		"\0\0\0\4\0\0\0\0\0"	 /* SETTINGS */
		"\0\0\1\1\4\0\0\0\1\x88" /* :status 200 */
		"\0\0\2\0\1\0\0\0\1ok";	 /* DATA, the end */
	static const uint8_t client[] = PREFACE "\0\0\0\4\0\0\0\0\0"
						"\0\0\7\1\5\0\0\0\3\x82\x84\x86\x41\2hh";
	static const uint8_t second[] = "\0\0\1\1\5\0\0\0\3\x88";
	size_t whole = sizeof(answer) - 1;

	(void)state;
	for (size_t cut = whole; cut > 0; cut -= cut > 40 ? 20 : 1) {
		tear_down(state);
		set_up(state);
		W(request);
		sink.bytes(sink.arg, user, LT_DIR_READ, ++now, lt_bytes(answer, cut));
		if (cut < whole)
			sink.bytes(sink.arg, user, LT_DIR_READ, ++now,
				   lt_bytes(answer + cut, whole - cut));
		sink.bytes(sink.arg, user, LT_DIR_WRITE, ++now,
			   lt_bytes(client, sizeof(client) - 1));
		sink.bytes(sink.arg, user, LT_DIR_READ, ++now,
			   lt_bytes(second, sizeof(second) - 1));
		assert_string_equal(trace.text,
				    "REQ0 GET /a [h]:0 4\nRESP0 200 0\n<0 ok\nEND0 complete "
				    "0/2\nREQ1 GET / [hh]:0 0\nRESP1 200 0\nEND1 "
				    "complete 0/0\n");
	}
}

static void an_exchange_of_no_interest_still_needs_its_framing(void **state)
{
	(void)state;
	W(GET_NONE);
	assert_int_equal(verdict, LT_VERDICT_FULL);
}

static void heads_need_heads_only_until_a_body_is_wanted(void **state)
{
	(void)state;
	W(GET_HEAD);
	assert_int_equal(verdict, LT_VERDICT_HEAD);
	R(OK_2);
	W(GET_NONE);
	R(OK_2);
	assert_int_equal(verdict, LT_VERDICT_HEAD);
	W(GET);
	assert_int_equal(verdict, LT_VERDICT_FULL);
	R(OK_2);
	W(GET_HEAD);
	assert_int_equal(verdict, LT_VERDICT_FULL);
}

static void a_client_of_no_interest_is_ignored(void **state)
{
	(void)state;
	W(GET_NEVER);
	assert_int_equal(verdict, LT_VERDICT_IGNORE);
	R(OK_2);
	W(GET);
	assert_string_equal(trace.text, "REQ0 GET /never [h]:0 1\nEND0 no-response 0/0\n");
}

static void a_server_is_ignored(void **state)
{
	(void)state;
	R(GET);
	assert_int_equal(verdict, LT_VERDICT_IGNORE);
	W(OK_2);
	assert_string_equal(trace.text, "");
}

static void a_server_joined_in_the_middle_is_ignored(void **state)
{
	(void)state;
	W(OK_2);
	assert_int_equal(verdict, LT_VERDICT_IGNORE);
}

static void http2_is_recognised_and_counted(void **state)
{
	uint64_t before = lt_counter_get(LT_C_HTTP2_CONNECTIONS);

	(void)state;
	W("PRI * H");
	assert_int_equal(verdict, LT_VERDICT_PROBE);
	W(&PREFACE[7]);
	assert_int_equal(verdict, LT_VERDICT_PROBE);
	assert_int_equal(lt_counter_get(LT_C_HTTP2_CONNECTIONS), before + 1);
}

static void a_request_cut_in_its_first_bytes_is_recognised(void **state)
{
	static const char request[] = GET;

	(void)state;
	for (size_t i = 0; i < sizeof(request) - 1; i++)
		sink.bytes(sink.arg, user, LT_DIR_WRITE, ++now, lt_bytes(request + i, 1));
	R(OK_2);
	assert_string_equal(trace.text, "REQ0 GET /a [h]:0 1\nRESP0 200 1\n<0 ok\n"
					"END0 complete 0/2\n");
}

static void joined_in_the_middle_it_waits_for_a_request(void **state)
{
	(void)state;
	R("data: {}\n\n");
	W("the rest of a body");
	R("HTTP/1.1 200 OK\r\nContent-Le"); /* the end of something that we did not see begin */
	W(GET);
	R(OK_2);
	assert_int_equal(verdict, LT_VERDICT_FULL);
	assert_string_equal(trace.text, "REQ0 GET /a [h]:0 1\nRESP0 200 1\n<0 ok\n"
					"END0 complete 0/2\n");
}

static void what_never_begins_is_given_up(void **state)
{
	(void)state;
	for (int i = 0; i < 64; i++)
		W("\x01\x02 mqtt or so");
	assert_int_equal(verdict, LT_VERDICT_PROBE);
	W("\x01\x02 mqtt or so");
	assert_int_equal(verdict, LT_VERDICT_IGNORE);
}

static void broken_bytes_are_ignored_and_counted(void **state)
{
	uint64_t before = lt_counter_get(LT_C_PARSE_ERRORS);

	(void)state;
	W("GET / HTTP/1.1\r\nA : b\r\n\r\n");
	assert_int_equal(verdict, LT_VERDICT_IGNORE);
	assert_int_equal(lt_counter_get(LT_C_PARSE_ERRORS), before + 1);
	W(GET);
	assert_string_equal(trace.text, "");
}

static void an_upgraded_connection_is_ignored(void **state)
{
	(void)state;
	W(GET);
	R("HTTP/1.1 101 Switching Protocols\r\n\r\n\x81");
	assert_int_equal(verdict, LT_VERDICT_IGNORE);
	assert_string_equal(trace.text, "REQ0 GET /a [h]:0 1\nRESP0 101 0\nEND0 upgraded 0/0\n");
}

static void holes_are_counted_where_bytes_matter(void **state)
{
	uint64_t gaps = lt_counter_get(LT_C_STREAM_GAPS);
	uint64_t lost = lt_counter_get(LT_C_STREAM_GAP_BYTES);

	(void)state;
	sink.gap(sink.arg, user, LT_DIR_WRITE, ++now, 5);
	assert_int_equal(lt_counter_get(LT_C_STREAM_GAPS), gaps);
	W(GET);
	sink.gap(sink.arg, user, LT_DIR_READ, ++now, 70);
	assert_int_equal(lt_counter_get(LT_C_STREAM_GAPS), gaps + 1);
	assert_int_equal(lt_counter_get(LT_C_STREAM_GAP_BYTES), lost + 70);
	R("not the start of anything");
	W(GET_NEVER);
	sink.gap(sink.arg, user, LT_DIR_READ, ++now, 70);
	assert_int_equal(lt_counter_get(LT_C_STREAM_GAPS), gaps + 1);
}

static void bytes_left_out_under_head_are_no_holes(void **state)
{
	uint64_t gaps = lt_counter_get(LT_C_STREAM_GAPS);

	(void)state;
	W(GET_HEAD);
	R("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\nok");
	sink.gap(sink.arg, user, LT_DIR_READ, ++now, 1998);
	assert_int_equal(lt_counter_get(LT_C_STREAM_GAPS), gaps);
	assert_non_null(strstr(trace.text, "END0 complete 0/2\n"));
}

static void without_memory_a_connection_is_passed_by(void **state)
{
	void *other = &trace;

	(void)state;
	lt_alloc_fail_at(1);
	sink.open(sink.arg, &conn, &other);
	lt_alloc_fail_at(0);
	assert_null(other);
	sink.bytes(sink.arg, other, LT_DIR_WRITE, ++now, lt_bytes_str(GET));
	sink.gap(sink.arg, other, LT_DIR_WRITE, ++now, 1);
	sink.close(sink.arg, other, ++now, LT_CLOSE_FREED);
	lt_alloc_fail_at(1);
	W(GET);
	lt_alloc_fail_at(0);
	assert_int_equal(verdict, LT_VERDICT_IGNORE);
}

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

/* One step's bytes as chunks of any size, the ones after a direction's first in any order, some
 * twice. */
static void shuffled(struct lt_stream *stream, enum lt_side side, struct lt_bytes text,
		     uint64_t *position)
{
	struct lt_event_conn event = {.head = {.tgid = 1}, .ctx = 2, .generation = 3};
	struct lt_chunk chunks[12], other;
	size_t count = 0, first = *position == 0 ? 1 : 0;

	while (text.n > 0) {
		size_t n = count == LT_COUNT(chunks) - 1 ? text.n : 1 + any((uint32_t)text.n);

		chunks[count++] = (struct lt_chunk){
			.conn = &event,
			.dir = side == LT_SIDE_REQUEST ? LT_DIR_WRITE : LT_DIR_READ,
			.ts_ns = ++now,
			.position = *position,
			.data = lt_bytes(text.p, n),
		};
		*position += n;
		text = lt_bytes_skip(text, n);
	}
	for (size_t i = count; i > first + 1; i--) {
		size_t k = first + any((uint32_t)(i - first));

		other = chunks[i - 1];
		chunks[i - 1] = chunks[k];
		chunks[k] = other;
	}
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(lt_stream_data(stream, &chunks[i]), 0);
		if (any(4) == 0)
			assert_int_equal(lt_stream_data(stream, &chunks[i]), 0);
	}
}

/* Stream, session and parser together: good conversations come out the same in whatever order their
 * chunks come. */
static void chunks_in_any_order_give_the_same_exchanges(void **state)
{
	const struct lt_stream_opts opts = {0};

	(void)state;
	for (seed = 1; seed < 40000; seed += 977) {
		for (size_t i = 0; i < LT_COUNT(cases); i++) {
			const struct http1_case *c = &cases[i];
			uint64_t position[2] = {0, 0};
			struct lt_stream *stream;
			const char *stop = strstr(c->trace, "UPGRADED\n");
			uint32_t used = seed;

			/* Errors and verdicts are the session's; an answer to nobody needs no
			 * session. */
			if (strstr(c->trace, "ERROR") || strstr(c->trace, "IGNORE") || stop ||
			    c->steps[0].side == LT_SIDE_RESPONSE)
				continue;
			memset(&trace, 0, sizeof(trace));
			verdict = LT_VERDICT_PROBE;
			any_conn = true;
			assert_int_equal(lt_stream_new(&opts, &sink, &stream), 0);
			for (size_t k = 0; k < STEPS_MAX && c->steps[k].text.p; k++)
				shuffled(stream, c->steps[k].side, c->steps[k].text,
					 &position[c->steps[k].side]);
			lt_stream_exit(stream, 1, ++now);
			stream = lt_stream_free(stream);
			if (strcmp(trace.text, c->trace) != 0)
				fail_msg("%s, seed %u:\n--- expected\n%s--- found\n%s", c->name,
					 used, c->trace, trace.text);
			seed = used;
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_of_interest_is_followed),
		TEST(an_answer_may_be_told_of_before_its_request),
		TEST(an_answer_that_is_older_than_the_request_is_not_its_own),
		TEST(an_answer_does_not_wait_for_ever),
		TEST(an_upgrade_to_http2_goes_on_there),
		TEST(an_exchange_of_no_interest_still_needs_its_framing),
		TEST(heads_need_heads_only_until_a_body_is_wanted),
		TEST(a_client_of_no_interest_is_ignored),
		TEST(a_server_is_ignored),
		TEST(a_server_joined_in_the_middle_is_ignored),
		TEST(http2_is_recognised_and_counted),
		TEST(a_request_cut_in_its_first_bytes_is_recognised),
		TEST(joined_in_the_middle_it_waits_for_a_request),
		TEST(what_never_begins_is_given_up),
		TEST(broken_bytes_are_ignored_and_counted),
		TEST(an_upgraded_connection_is_ignored),
		TEST(holes_are_counted_where_bytes_matter),
		TEST(bytes_left_out_under_head_are_no_holes),
		TEST(without_memory_a_connection_is_passed_by),
		TEST(chunks_in_any_order_give_the_same_exchanges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
