// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/protocol.h"

#include "tests/unit/protocol/http1_cases.h"
#include "tests/unit/protocol/trace.h"
#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"

static const struct lt_conn conn;

struct run {
	struct trace trace;
	struct lt_exchange_sink sink;
	struct lt_parser *parser;
	uint64_t now;
	int error;
};

static void begin(struct run *run)
{
	memset(run, 0, sizeof(*run));
	run->sink = trace_sink(&run->trace);
	assert_int_equal(lt_http1.open(&conn, &run->sink, &run->parser), 0);
}

/* As the session does: nothing more is fed after an error, or when the parser says so. */
static void feed(struct run *run, enum lt_side side, struct lt_bytes in)
{
	uint8_t *exact;

	if (run->error < 0 || lt_http1.state(run->parser) != LT_PARSER_GOOD || in.n == 0)
		return;
	/* A copy of exactly that size, so that the sanitizer sees a read beyond the end. */
	exact = malloc(in.n);
	assert_non_null(exact);
	memcpy(exact, in.p, in.n);
	run->error = lt_http1.feed(run->parser, side, ++run->now, lt_bytes(exact, in.n));
	free(exact);
}

static void finish(struct run *run, enum lt_close_reason why)
{
	if (run->error < 0)
		trace_line(&run->trace, "ERROR %s\n",
			   run->error == -EBADMSG ? "bad message" : "ceiling");
	else if (lt_http1.state(run->parser) == LT_PARSER_UPGRADED)
		trace_line(&run->trace, "UPGRADED\n");
	else if (lt_http1.state(run->parser) == LT_PARSER_IGNORE)
		trace_line(&run->trace, "IGNORE\n");
	assert_null(lt_http1.close(run->parser, ++run->now, why));
	assert_int_equal(run->trace.open, 0);
	assert_false(run->trace.times_wrong);
}

static void expect(struct run *run, const char *text)
{
	finish(run, LT_CLOSE_FREED);
	assert_string_equal(run->trace.text, text);
}

static void say(struct run *run, enum lt_side side, const char *text)
{
	feed(run, side, lt_bytes_str(text));
}

static void lose(struct run *run, enum lt_side side, uint64_t lost)
{
	assert_int_equal(lt_http1.gap(run->parser, side, ++run->now, lost), 0);
}

#define REQ(text)  say(&run, LT_SIDE_REQUEST, text)
#define RESP(text) say(&run, LT_SIDE_RESPONSE, text)

static void every_message_gives_what_is_expected(void **state)
{
	static struct run run;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		begin(&run);
		for (size_t k = 0; k < STEPS_MAX && cases[i].steps[k].text.p; k++)
			feed(&run, cases[i].steps[k].side, cases[i].steps[k].text);
		finish(&run, LT_CLOSE_FREED);
		if (strcmp(run.trace.text, cases[i].trace) != 0)
			fail_msg("%s:\n--- expected\n%s--- found\n%s", cases[i].name,
				 cases[i].trace, run.trace.text);
	}
}

static void run_split(struct run *run, const struct http1_case *c, size_t step, size_t at,
		      size_t size)
{
	begin(run);
	for (size_t k = 0; k < STEPS_MAX && c->steps[k].text.p; k++) {
		struct lt_bytes text = c->steps[k].text;

		if (k == step) {
			feed(run, c->steps[k].side, lt_bytes(text.p, at));
			text = lt_bytes_skip(text, at);
		}
		while (text.n > 0) {
			size_t n = text.n < size ? text.n : size;

			feed(run, c->steps[k].side, lt_bytes(text.p, n));
			text = lt_bytes_skip(text, n);
		}
	}
	finish(run, LT_CLOSE_FREED);
	if (strcmp(run->trace.text, c->trace) != 0)
		fail_msg("%s, step %zu split at %zu, pieces of %zu:\n--- expected\n%s--- found\n%s",
			 c->name, step, at, size, c->trace, run->trace.text);
}

static void any_split_gives_the_same(void **state)
{
	static struct run run;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		for (size_t k = 0; k < STEPS_MAX && cases[i].steps[k].text.p; k++) {
			for (size_t at = 1; at < cases[i].steps[k].text.n; at++)
				run_split(&run, &cases[i], k, at, SIZE_MAX);
		}
		for (size_t size = 1; size < 8; size++)
			run_split(&run, &cases[i], 0, 0, size);
	}
}

static void a_failed_allocation_ends_every_exchange_once(void **state)
{
	static struct run run;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		for (unsigned long nth = 1; nth < 12; nth++) {
			begin(&run);
			lt_alloc_fail_at(nth);
			for (size_t k = 0; k < STEPS_MAX && cases[i].steps[k].text.p; k++) {
				struct lt_bytes text = cases[i].steps[k].text;

				feed(&run, cases[i].steps[k].side, lt_bytes(text.p, text.n / 2));
				feed(&run, cases[i].steps[k].side, lt_bytes_skip(text, text.n / 2));
			}
			lt_alloc_fail_at(0);
			finish(&run, LT_CLOSE_FREED);
		}
	}
}

static void pieces_of_bodies_are_passed_in_place(void **state)
{
	static struct run run;
	unsigned long before;

	(void)state;
	begin(&run);
	REQ("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	before = lt_alloc_count();
	for (int i = 0; i < 100; i++)
		REQ("5\r\nhello\r\n");
	assert_int_equal(lt_alloc_count(), before);
	REQ("0\r\n\r\n");
	RESP("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	finish(&run, LT_CLOSE_FREED);
}

#define POST_5	  "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define LENGTH_10 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

static void a_hole_inside_a_counted_body_is_subtracted(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP(LENGTH_10 "012");
	lose(&run, LT_SIDE_RESPONSE, 4);
	RESP("789");
	REQ(POST_5);
	RESP("HTTP/1.1 204 No\r\n\r\n");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 1\n<0 012\nGAP<0 4\n<0 789\n"
		     "END0 complete 5/6 lost< 4 missing\n"
		     "REQ1 POST /a [h]:0 2\n>1 hello\nRESP1 204 0\nEND1 complete 5/0\n");
}

static void a_hole_up_to_the_end_of_a_counted_body_ends_it(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP(LENGTH_10 "012");
	lose(&run, LT_SIDE_RESPONSE, 7);
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 1\n<0 012\nGAP<0 7\n"
		     "END0 complete 5/3 lost< 7 missing\n");
}

static void a_hole_beyond_a_counted_body_ends_it_and_finds_the_next(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5 POST_5 POST_5);
	RESP(LENGTH_10 "012");
	lose(&run, LT_SIDE_RESPONSE, 20); /* 7 of this, 13 of the next one's head */
	RESP("t-Length: 3\r\n\r\nabc");
	RESP(LENGTH_10 "0123456789");
	finish(&run, LT_CLOSE_FREED);
	assert_non_null(strstr(run.trace.text, "GAP<0 7\nEND0 complete 5/3 lost< 7 missing\n"));
	assert_non_null(strstr(run.trace.text, "GAP<1 13\n"));
	assert_non_null(strstr(run.trace.text, "RESP1 200 1\n<1 0123456789\nEND1"));
}

static void a_hole_inside_a_chunk_is_subtracted(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP(CHUNKED "a\r\n012");
	lose(&run, LT_SIDE_RESPONSE, 4);
	RESP("789\r\n3\r\nabc\r\n0\r\n\r\n");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 1\n<0 012\nGAP<0 4\n<0 789abc\n"
		     "END0 complete 5/9 lost< 4 missing\n");
}

static void a_hole_up_to_the_end_of_a_chunk_ends_it(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP(CHUNKED "a\r\n012");
	lose(&run, LT_SIDE_RESPONSE, 7);
	RESP("\r\n3\r\nabc\r\n0\r\n\r\n");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 1\n<0 012\nGAP<0 7\n<0 abc\n"
		     "END0 complete 5/6 lost< 7 missing\n");
}

static void a_hole_over_chunk_ends_is_left_at_the_next_chunk(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP(CHUNKED "a\r\n012");
	lose(&run, LT_SIDE_RESPONSE, 400);
	RESP("rest of something\r\n");
	RESP("3\r\nabc\r\n");
	RESP("0\r\n\r\n");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 1\n<0 012\nGAP<0 400\n<0 abc\n"
		     "END0 complete 5/6 lost< 400 missing\n");
}

static void an_end_among_lost_bytes_is_a_gap(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP(CHUNKED "a\r\n012");
	lose(&run, LT_SIDE_RESPONSE, 400);
	REQ(POST_5);
	RESP("late bytes of the first one");
	RESP(LENGTH_10 "0123456789");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 1\n<0 012\nGAP<0 400\n"
		     "END0 gap 5/3 lost< 400 missing\nREQ1 POST /a [h]:0 2\n>1 hello\n"
		     "RESP1 200 1\n<1 0123456789\nEND1 complete 5/10\n");
}

static void a_lost_answer_is_a_gap_and_the_next_one_is_found(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	lose(&run, LT_SIDE_RESPONSE, 300);
	REQ(POST_5);
	RESP(LENGTH_10 "0123456789");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nGAP<0 300\nEND0 gap 5/0 lost< 300 missing\n"
		     "REQ1 POST /a [h]:0 2\n>1 hello\nRESP1 200 1\n<1 0123456789\n"
		     "END1 complete 5/10\n");
}

static void a_hole_in_a_head_loses_that_message_only(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ("POST /lost HTTP/1.1\r\nAuthorization: Be");
	lose(&run, LT_SIDE_REQUEST, 30);
	REQ("\r\nHost: h\r\n\r\n");
	RESP(LENGTH_10 "0123456789");
	REQ(POST_5);
	RESP(LENGTH_10 "0123456789");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 1\n<0 0123456789\n"
		     "END0 complete 5/10\n");
}

static void a_hole_in_a_chunked_request_is_settled_by_the_answer(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe");
	lose(&run, LT_SIDE_REQUEST, 4000);
	REQ("no chunk");
	RESP(LENGTH_10 "0123456789");
	assert_int_equal(run.trace.open, 0); /* at once, not at the close */
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 he\nGAP>0 4000\nRESP0 200 1\n<0 0123456789\n"
		     "END0 complete 2/10 lost> 4000 missing\n");
}

static void a_hole_in_a_body_up_to_the_close_leaves_its_end_known(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP("HTTP/1.0 200 OK\r\n\r\nabc");
	lose(&run, LT_SIDE_RESPONSE, 9);
	RESP("def");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 0\n<0 abc\nGAP<0 9\n<0 def\n"
		     "END0 complete 5/6 lost< 9 missing\n");
}

static void bytes_left_out_under_verdict_head_are_no_loss(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ("POST /head HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
	lose(&run, LT_SIDE_REQUEST, 6);
	RESP(LENGTH_10 "012");
	lose(&run, LT_SIDE_RESPONSE, 7);
	expect(&run, "REQ0 POST /head [h]:0 2\nRESP0 200 1\nEND0 complete 3/3\n");
}

static void an_end_left_out_under_verdict_head_is_no_loss(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ("GET /head HTTP/1.1\r\nHost: h\r\n\r\n");
	RESP(CHUNKED "ff\r\n012");
	lose(&run, LT_SIDE_RESPONSE, 9000);
	REQ("GET /head HTTP/1.1\r\nHost: h\r\n\r\n");
	RESP(CHUNKED "ff\r\n012");
	lose(&run, LT_SIDE_RESPONSE, 9000);
	expect(&run, "REQ0 GET /head [h]:0 1\nRESP0 200 1\nEND0 complete 0/3\n"
		     "REQ1 GET /head [h]:0 1\nRESP1 200 1\nEND1 complete 0/3\n");
}

static void a_wrong_guess_after_a_hole_is_taken_back(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP(CHUNKED "ff\r\n012");
	lose(&run, LT_SIDE_RESPONSE, 900);
	RESP("12\r\nis no chunk: too long by far\r\n");
	RESP("no start");
	RESP("3\r\nabc\r\n0\r\n\r\n");
	REQ(POST_5);
	lose(&run, LT_SIDE_RESPONSE, 10);
	RESP("HTTP/1.1 is an old protocol\r\n\r\n");
	RESP(LENGTH_10 "0123456789");
	finish(&run, LT_CLOSE_FREED);
	assert_non_null(strstr(run.trace.text, "abc\nEND0 complete 5/24 lost< 900 missing\n"));
	assert_non_null(strstr(run.trace.text, "RESP1 200 1\n<1 0123456789\nEND1 complete 5/10"));
}

static void a_compressed_body_ends_at_a_hole(void **state)
{
	static const uint8_t gz[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	RESP("HTTP/1.1 200 OK\r\nContent-Length: 30\r\nContent-Encoding: gzip\r\n\r\n");
	feed(&run, LT_SIDE_RESPONSE, lt_bytes(gz, sizeof(gz)));
	lose(&run, LT_SIDE_RESPONSE, 10);
	RESP("0123456789");
	expect(&run, "REQ0 POST /a [h]:0 2\n>0 hello\nRESP0 200 2\nGAP<0 10\n"
		     "END0 complete 5/20 lost< error< 10 missing\n");
}

static void the_end_says_why_the_connection_ended(void **state)
{
	static struct run run;

	(void)state;
	begin(&run);
	REQ(POST_5);
	finish(&run, LT_CLOSE_EXIT);
	assert_non_null(strstr(run.trace.text, "END0 no-response"));
	begin(&run);
	REQ(POST_5);
	RESP(LENGTH_10 "012");
	finish(&run, LT_CLOSE_EXIT);
	assert_non_null(strstr(run.trace.text, "END0 abort"));
	begin(&run);
	REQ(POST_5);
	RESP(LENGTH_10 "012");
	finish(&run, LT_CLOSE_STOP);
	assert_non_null(strstr(run.trace.text, "END0 evicted"));
	begin(&run);
	REQ(POST_5);
	RESP(LENGTH_10 "012");
	lose(&run, LT_SIDE_RESPONSE, 8);
	finish(&run, LT_CLOSE_FREED);
	assert_non_null(strstr(run.trace.text, "END0 complete"));
}

static void the_pipeline_has_a_ceiling(void **state)
{
	static struct run run;
	uint64_t before = lt_counter_get(LT_C_EXCHANGES_EVICTED);

	(void)state;
	begin(&run);
	for (int i = 0; i < 64; i++)
		REQ(POST_5);
	assert_int_equal(run.error, 0);
	REQ(POST_5);
	assert_int_equal(run.error, -ENOBUFS);
	finish(&run, LT_CLOSE_FREED);
	assert_int_equal(lt_counter_get(LT_C_EXCHANGES_EVICTED) - before, 64);
	assert_non_null(strstr(run.trace.text, "END63 evicted"));
}

static void a_head_has_a_ceiling(void **state)
{
	static char big[LT_HEAD_BYTES_MAX + 100];
	static struct run run;
	uint64_t before = lt_counter_get(LT_C_HEADER_TOO_LARGE);

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "GET / HTTP/1.1\r\nA: ", 19);
	for (size_t size = 1000; size < 3 * sizeof(big); size *= 3) {
		begin(&run);
		for (size_t at = 0; at < sizeof(big) - 1; at += size)
			feed(&run, LT_SIDE_REQUEST,
			     lt_bytes(big + at,
				      size < sizeof(big) - 1 - at ? size : sizeof(big) - 1 - at));
		assert_int_equal(run.error, -EBADMSG);
		expect(&run, "ERROR bad message\n");
	}
	assert_true(lt_counter_get(LT_C_HEADER_TOO_LARGE) > before);
}

static void the_largest_head_fits(void **state)
{
	static char big[LT_HEAD_BYTES_MAX + 1];
	static struct run run;

	(void)state;
	memset(big, 'x', LT_HEAD_BYTES_MAX);
	memcpy(big, "GET / HTTP/1.1\r\nA: ", 19);
	memcpy(big + LT_HEAD_BYTES_MAX - 4, "\r\n\r\n", 4);
	for (size_t at = 0; at <= LT_HEAD_BYTES_MAX; at += 8192) {
		begin(&run);
		feed(&run, LT_SIDE_REQUEST, lt_bytes(big, at));
		feed(&run, LT_SIDE_REQUEST, lt_bytes(big + at, LT_HEAD_BYTES_MAX - at));
		expect(&run, "REQ0 GET / []:0 1\nEND0 no-response 0/0\n");
	}
}

static void fields_above_the_ceiling_are_skipped(void **state)
{
	static char text[LT_HEAD_BYTES_MAX];
	static struct run run;
	int n = sprintf(text, "POST /a HTTP/1.1\r\n");

	(void)state;
	for (int i = 0; i < LT_HEAD_FIELDS_MAX + 10; i++)
		n += sprintf(text + n, "x: y\r\n");
	strcpy(text + n, "content-length: 2\r\n\r\nok");
	begin(&run);
	REQ(text);
	expect(&run, "REQ0 POST /a []:0 256\n>0 ok\nEND0 no-response 2/0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_gives_what_is_expected),
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(a_failed_allocation_ends_every_exchange_once),
		cmocka_unit_test(pieces_of_bodies_are_passed_in_place),
		cmocka_unit_test(a_hole_inside_a_counted_body_is_subtracted),
		cmocka_unit_test(a_hole_up_to_the_end_of_a_counted_body_ends_it),
		cmocka_unit_test(a_hole_beyond_a_counted_body_ends_it_and_finds_the_next),
		cmocka_unit_test(a_hole_inside_a_chunk_is_subtracted),
		cmocka_unit_test(a_hole_up_to_the_end_of_a_chunk_ends_it),
		cmocka_unit_test(a_hole_over_chunk_ends_is_left_at_the_next_chunk),
		cmocka_unit_test(an_end_among_lost_bytes_is_a_gap),
		cmocka_unit_test(a_lost_answer_is_a_gap_and_the_next_one_is_found),
		cmocka_unit_test(a_hole_in_a_head_loses_that_message_only),
		cmocka_unit_test(a_hole_in_a_chunked_request_is_settled_by_the_answer),
		cmocka_unit_test(a_hole_in_a_body_up_to_the_close_leaves_its_end_known),
		cmocka_unit_test(bytes_left_out_under_verdict_head_are_no_loss),
		cmocka_unit_test(an_end_left_out_under_verdict_head_is_no_loss),
		cmocka_unit_test(a_wrong_guess_after_a_hole_is_taken_back),
		cmocka_unit_test(a_compressed_body_ends_at_a_hole),
		cmocka_unit_test(the_end_says_why_the_connection_ended),
		cmocka_unit_test(the_pipeline_has_a_ceiling),
		cmocka_unit_test(a_head_has_a_ceiling),
		cmocka_unit_test(the_largest_head_fits),
		cmocka_unit_test(fields_above_the_ceiling_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
