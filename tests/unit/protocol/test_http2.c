// SPDX-License-Identifier: Apache-2.0
/* Conversations in HTTP/2, written frame by frame with literal fields (RFC 7541, 6.2.2). */
#include "userspace/protocol/protocol.h"

#include "tests/unit/protocol/trace.h"
#include "userspace/base/cleanup.h"

enum {
	DATA,
	HEADERS,
	PRIORITY,
	RST_STREAM,
	SETTINGS,
	PUSH_PROMISE,
	PING,
	GOAWAY,
	WINDOW_UPDATE,
	CONTINUATION
};

struct wire {
	uint8_t p[8192];
	size_t n;
};

struct run {
	struct trace trace;
	struct lt_exchange_sink sink;
	struct lt_parser *parser;
	int error;
};

static const struct lt_conn conn = {.key = {.tgid = 7}};

static void put(struct wire *w, const void *p, size_t n)
{
	assert_true(w->n + n <= sizeof(w->p));
	if (n > 0)
		memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void frame(struct wire *w, unsigned type, unsigned flags, uint32_t stream, const void *p,
		  size_t n)
{
	const uint8_t head[] = {
		(uint8_t)(n >> 16),	 (uint8_t)(n >> 8),	 (uint8_t)n,
		(uint8_t)type,		 (uint8_t)flags,	 (uint8_t)(stream >> 24),
		(uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream,
	};

	put(w, head, sizeof(head));
	put(w, p, n);
}

static void field(struct wire *w, const char *name, const char *value)
{
	const uint8_t literal = 0;
	uint8_t name_n = (uint8_t)strlen(name), value_n = (uint8_t)strlen(value);

	put(w, &literal, 1);
	put(w, &name_n, 1);
	put(w, name, name_n);
	put(w, &value_n, 1);
	put(w, value, value_n);
}

static void request(struct wire *w, uint32_t stream, const char *path, unsigned flags)
{
	struct wire block = {.n = 0};

	field(&block, ":method", "POST");
	field(&block, ":scheme", "https");
	field(&block, ":path", path);
	field(&block, ":authority", "api.example:8443");
	field(&block, "x-a", "1");
	frame(w, HEADERS, 4 | flags, stream, block.p, block.n);
}

static void response(struct wire *w, uint32_t stream, const char *status, unsigned flags)
{
	struct wire block = {.n = 0};

	field(&block, ":status", status);
	field(&block, "x-b", "2");
	frame(w, HEADERS, 4 | flags, stream, block.p, block.n);
}

static void data(struct wire *w, uint32_t stream, const char *text, bool end)
{
	frame(w, DATA, end, stream, text, strlen(text));
}

static void preface(struct wire *client, struct wire *server)
{
	put(client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	frame(client, SETTINGS, 0, 0, "\0\1\0\0\x20\0", 6);
	frame(server, SETTINGS, 0, 0, NULL, 0);
	frame(server, SETTINGS, 1, 0, NULL, 0);
}

static void begin(struct run *run)
{
	memset(run, 0, sizeof(*run));
	run->sink = trace_sink(&run->trace);
	assert_int_equal(lt_http2.open(&conn, &run->sink, &run->parser), 0);
}

static void feed(struct run *run, enum lt_side side, struct lt_bytes in, size_t piece)
{
	while (in.n > 0 && run->error == 0) {
		size_t n = in.n < piece ? in.n : piece;

		run->error = lt_http2.feed(run->parser, side, 5, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}
}

static const char *finish(struct run *run)
{
	run->parser = lt_http2.close(run->parser, 9, LT_CLOSE_FREED);
	assert_int_equal(run->trace.open, 0);
	if (run->trace.body_of)
		trace_bytes(&run->trace, lt_bytes("\n", 1));
	return run->trace.text;
}

/* The client's bytes, then the server's, in pieces of every size. */
static void expect(const struct wire *client, const struct wire *server, const char *text)
{
	static struct run run;

	for (size_t piece = 1; piece < 80; piece++) {
		begin(&run);
		feed(&run, LT_SIDE_REQUEST, lt_bytes(client->p, client->n), piece);
		feed(&run, LT_SIDE_RESPONSE, lt_bytes(server->p, server->n), piece);
		assert_int_equal(run.error, 0);
		assert_string_equal(finish(&run), text);
	}
}

static void a_call_has_heads_bodies_and_an_end(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	preface(&client, &server);
	request(&client, 1, "/a", 0);
	data(&client, 1, "question", true);
	response(&server, 1, "200", 0);
	data(&server, 1, "ans", false);
	frame(&server, PING, 0, 0, "12345678", 8);
	data(&server, 1, "wer", true);
	expect(&client, &server,
	       "REQ0 POST /a [api.example]:8443 1\n>0 question\nRESP0 200 1\n<0 answer\n"
	       "END0 complete 8/6\n");
}

static void streams_are_told_apart(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	preface(&client, &server);
	request(&client, 1, "/a", 1);
	request(&client, 3, "/b", 1);
	response(&server, 3, "200", 0);
	response(&server, 1, "429", 0);
	data(&server, 1, "x", false);
	data(&server, 3, "y", true);
	data(&server, 1, "z", true);
	expect(&client, &server,
	       "REQ0 POST /a [api.example]:8443 1\nREQ1 POST /b [api.example]:8443 1\n"
	       "RESP1 200 1\nRESP0 429 1\n<0 x\n<1 y\nEND1 complete 0/1\n<0 z\nEND0 complete "
	       "0/2\n");
}

static void padding_priority_continuation_and_promises_are_no_content(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0}, block = {.n = 0};

	(void)state;
	preface(&client, &server);
	put(&block, "\3\0\0\0\0\7", 6); /* three bytes of padding, a priority */
	field(&block, ":method", "GET");
	field(&block, ":path", "/p");
	put(&block, "\0\0\0", 3);
	frame(&client, HEADERS, 8 | 32 | 4 | 1, 1, block.p, block.n);
	block.n = 0;
	put(&block, "\0\0\0\2", 4); /* the promised stream */
	field(&block, ":path", "/pushed");
	frame(&server, PUSH_PROMISE, 4, 1, block.p, block.n);
	block.n = 0;
	field(&block, ":status", "200");
	field(&block, "x-b", "2");
	frame(&server, HEADERS, 0, 1, block.p, 5);
	frame(&server, CONTINUATION, 0, 1, block.p + 5, 3);
	frame(&server, CONTINUATION, 4, 1, block.p + 8, block.n - 8);
	frame(&server, DATA, 8, 1, "\2okPP", 5);
	frame(&server, DATA, 8 | 1, 1, "\0", 1);
	expect(&client, &server, "REQ0 GET /p []:0 0\nRESP0 200 1\n<0 ok\nEND0 complete 0/2\n");
}

static void interim_answers_are_skipped_and_trailers_shown(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0}, block = {.n = 0};

	(void)state;
	preface(&client, &server);
	request(&client, 1, "/a", 1);
	response(&server, 1, "103", 0);
	response(&server, 1, "200", 0);
	data(&server, 1, "x", false);
	field(&block, "grpc-status", "0");
	frame(&server, HEADERS, 4 | 1, 1, block.p, block.n);
	expect(&client, &server,
	       "REQ0 POST /a [api.example]:8443 1\nRESP0 200 1\n<0 x\nTRAILER0 1\nEND0 complete "
	       "0/1\n");
}

static void a_reset_ends_the_call(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0};
	static struct run run;

	(void)state;
	preface(&client, &server);
	request(&client, 1, "/a", 1);
	response(&server, 1, "200", 0);
	data(&server, 1, "x", false);
	begin(&run);
	feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
	feed(&run, LT_SIDE_RESPONSE, lt_bytes(server.p, server.n), 1000);
	client.n = 0;
	frame(&client, RST_STREAM, 0, 1, "\0\0\0\x08", 4);
	feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
	assert_string_equal(finish(&run), "REQ0 POST /a [api.example]:8443 1\nRESP0 200 1\n<0 x\n"
					  "END0 abort 0/1\n");
}

static void an_answer_that_breaks_off_is_an_abort(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	preface(&client, &server);
	request(&client, 1, "/a", 1);
	request(&client, 3, "/b", 1);
	response(&server, 1, "200", 0);
	expect(&client, &server,
	       "REQ0 POST /a [api.example]:8443 1\nREQ1 POST /b [api.example]:8443 1\n"
	       "RESP0 200 1\nEND0 abort 0/0\nEND1 no-response 0/0\n");
}

/* From every byte on, for every length: no crash, every exchange ends, and what follows a hole
 * within DATA is read on. */
static void holes_anywhere_do_no_harm(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0};
	static struct run run;

	(void)state;
	preface(&client, &server);
	request(&client, 1, "/a", 1);
	response(&server, 1, "200", 0);
	data(&server, 1, "0123456789", false);
	data(&server, 1, "end", true);
	for (size_t at = 0; at < server.n; at++) {
		for (size_t lost = 1; lost <= server.n - at; lost++) {
			begin(&run);
			feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
			feed(&run, LT_SIDE_RESPONSE, lt_bytes(server.p, at), 1000);
			run.error |= lt_http2.gap(run.parser, LT_SIDE_RESPONSE, 6, lost);
			feed(&run, LT_SIDE_RESPONSE,
			     lt_bytes(server.p + at + lost, server.n - at - lost), 1000);
			finish(&run);
		}
	}
	begin(&run);
	feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
	feed(&run, LT_SIDE_RESPONSE, lt_bytes(server.p, server.n - 18), 1000);
	assert_int_equal(lt_http2.gap(run.parser, LT_SIDE_RESPONSE, 6, 4), 0);
	feed(&run, LT_SIDE_RESPONSE, lt_bytes(server.p + server.n - 14, 14), 1000);
	assert_string_equal(finish(&run),
			    "REQ0 POST /a [api.example]:8443 1\nRESP0 200 1\n<0 0123\nGAP<0 4\n"
			    "<0 89end\nEND0 complete 0/9 lost< 4 missing\n");
}

static void hostile_frames_end_the_parser(void **state)
{
	static const struct {
		unsigned type, flags;
		uint32_t stream;
		const char *p;
		size_t n;
	} bad[] = {
		{CONTINUATION, 4, 1, "", 0}, {SETTINGS, 0, 0, "12345", 5},
		{SETTINGS, 0, 1, "", 0},     {DATA, 8, 1, "", 0},
		{DATA, 8, 1, "\5abc", 4},    {HEADERS, 4, 0, "", 0},
		{HEADERS, 12, 1, "\xff", 1}, {HEADERS, 4, 1, "\xff\xff\xff\xff\xff\xff\xff", 7},
		{PING, 0, 0, "1", 1},	     {RST_STREAM, 0, 1, "1", 1},
	};
	static struct run run;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++) {
		struct wire client = {.n = 0}, server = {.n = 0};

		preface(&client, &server);
		frame(&client, bad[i].type, bad[i].flags, bad[i].stream, bad[i].p, bad[i].n);
		begin(&run);
		feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
		assert_int_equal(run.error, -EBADMSG);
		finish(&run);
	}
}

static void streams_have_a_ceiling(void **state)
{
	static struct run run;
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	preface(&client, &server);
	begin(&run);
	feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
	for (uint32_t i = 0; i < 300; i++) {
		client.n = 0;
		request(&client, 2 * i + 1, "/a", 0);
		feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
	}
	assert_int_equal(run.error, 0);
	assert_int_equal(run.trace.open, 256);
	finish(&run);
}

static void nothing_of_interest_ignores_the_connection(void **state)
{
	static struct run run;
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	preface(&client, &server);
	request(&client, 1, "/never", 1);
	begin(&run);
	feed(&run, LT_SIDE_REQUEST, lt_bytes(client.p, client.n), 1000);
	assert_int_equal(lt_http2.state(run.parser), LT_PARSER_IGNORE);
	finish(&run);
}

/* What came before @cut was not seen; one piece a side, as frames are found at pieces. */
static void expect_joined(const struct wire *client, size_t client_cut, const struct wire *server,
			  size_t server_cut, const char *text)
{
	static struct run run;

	begin(&run);
	if (client->n > client_cut)
		feed(&run, LT_SIDE_REQUEST,
		     lt_bytes(client->p + client_cut, client->n - client_cut), client->n);
	feed(&run, LT_SIDE_RESPONSE, lt_bytes(server->p + server_cut, server->n - server_cut),
	     server->n);
	assert_int_equal(run.error, 0);
	assert_string_equal(finish(&run), text);
}

static void a_request_after_the_join_is_whole(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	preface(&client, &server);
	request(&client, 5, "/a", 1);
	response(&server, 5, "200", 0);
	data(&server, 5, "answer", true);
	for (size_t cut = 1; cut < 24; cut++)
		expect_joined(&client, cut, &server, cut < 9 ? cut : 9,
			      "REQ0 POST /a [api.example]:8443 1\nRESP0 200 1\n<0 answer\n"
			      "END0 complete 0/6\n");
}

static void an_answer_to_an_unseen_request_is_an_exchange(void **state)
{
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	response(&server, 7, "200", 0);
	data(&server, 7, "answer", true);
	expect_joined(&client, 0, &server, 0,
		      "REQ0   []:0 0 joined\nRESP0 200 1\n<0 answer\nEND0 complete 0/6\n");
	/* Its head has gone by as well. */
	expect_joined(&client, 0, &server, 20,
		      "REQ0   []:0 0 joined\n<0 answer\nEND0 complete 0/6\n");
}

static void fields_of_the_unseen_table_are_left_out(void **state)
{
	/* :method POST, :path literal, :authority of an unknown entry, x-a: 1 into the table; then
	 * the same by indices: the entry that we have seen, and one that we have not. */
	static const uint8_t first[] = {0x83, 0x04, 2,	 '/', 'a', 0xc5, 0x40,
					3,    'x',  '-', 'a', 1,   '1'};
	static const uint8_t second[] = {0x83, 0x04, 2, '/', 'b', 0xbe, 0xc6};
	struct wire client = {.n = 0}, server = {.n = 0};

	(void)state;
	frame(&client, HEADERS, 5, 5, first, sizeof(first));
	frame(&client, HEADERS, 5, 7, second, sizeof(second));
	response(&server, 5, "200", 1);
	response(&server, 7, "200", 1);
	expect_joined(&client, 0, &server, 0,
		      "REQ0 POST /a []:0 1 joined\nREQ1 POST /b []:0 1 joined\n"
		      "RESP0 200 1\nEND0 complete 0/0\nRESP1 200 1\nEND1 complete 0/0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_has_heads_bodies_and_an_end),
		cmocka_unit_test(streams_are_told_apart),
		cmocka_unit_test(padding_priority_continuation_and_promises_are_no_content),
		cmocka_unit_test(interim_answers_are_skipped_and_trailers_shown),
		cmocka_unit_test(a_reset_ends_the_call),
		cmocka_unit_test(an_answer_that_breaks_off_is_an_abort),
		cmocka_unit_test(holes_anywhere_do_no_harm),
		cmocka_unit_test(hostile_frames_end_the_parser),
		cmocka_unit_test(streams_have_a_ceiling),
		cmocka_unit_test(nothing_of_interest_ignores_the_connection),
		cmocka_unit_test(a_request_after_the_join_is_whole),
		cmocka_unit_test(an_answer_to_an_unseen_request_is_an_exchange),
		cmocka_unit_test(fields_of_the_unseen_table_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
