// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/protocol/trace.h"
#include "userspace/base/alloc.h"

#define INITIALIZE                                                                                 \
	"{\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\","               \
	"\"clientInfo\":"                                                                          \
	"{\"name\":\"agent\"}},\"jsonrpc\":\"2.0\",\"id\":0}\n"
#define INITIALIZED                                                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-11-25\","            \
	"\"serverInfo\":{\"name\":\"git tools\",\"version\":\"1\"}}}\n"
#define CALL(id, tool)                                                                             \
	"{\"jsonrpc\":\"2.0\",\"id\":" id                                                          \
	",\"method\":\"tools/call\",\"params\":{\"name\":\"" tool                                  \
	"\",\"arguments\":{\"name\":\"SECRET\"}}}\n"
#define RESULT(id)                                                                                 \
	"{\"result\":{\"content\":[{\"text\":\"SECRET\"}],\"isError\":false},\"jsonrpc\":\"2.0\"," \
	"\"id\":" id "}\n"

static struct trace trace;
static struct lt_exchange_sink sink;
static struct lt_parser *parser;
static struct lt_conn conn;
static uint64_t now;

static int set_up(void **state)
{
	(void)state;
	memset(&trace, 0, sizeof(trace));
	memset(&conn, 0, sizeof(conn));
	now = 0;
	sink = trace_sink(&trace);
	strcpy(conn.server_name, "/usr/local/bin/git-server");
	assert_int_equal(lt_rpc_lines.open(&conn, &sink, &parser), 0);
	return 0;
}

static void end(enum lt_close_reason why)
{
	if (parser)
		parser = lt_rpc_lines.close(parser, ++now, why);
	assert_int_equal(trace.open, 0);
	assert_false(trace.times_wrong);
}

static int tear_down(void **state)
{
	(void)state;
	end(LT_CLOSE_FREED);
	return 0;
}

static void say(enum lt_side side, const char *text)
{
	assert_int_equal(lt_rpc_lines.feed(parser, side, ++now, lt_bytes_str(text)), 0);
}

static void asks(const char *text)
{
	say(LT_SIDE_REQUEST, text);
}

static void answers(const char *text)
{
	say(LT_SIDE_RESPONSE, text);
}

static void told(const char *text)
{
	if (strcmp(trace.text, text) != 0)
		fail_msg("told:\n%s\nexpected:\n%s", trace.text, text);
}

static void a_call_is_an_exchange_under_the_server_s_name(void **state)
{
	(void)state;
	asks(INITIALIZE);
	told("");
	answers(INITIALIZED);
	asks("{\"method\":\"notifications/initialized\",\"jsonrpc\":\"2.0\"}\n");
	asks(CALL("1", "git_log"));
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n");
	answers(RESULT("1"));
	told("REQ0 STDIO / [git_tools]:0 1\n"
	     ">0 "
	     "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"name\":\"\"}}\n"
	     "RESP0 200 0\n"
	     "<0 {\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"isError\":false}}\n"
	     "END0 complete 118/114\n"
	     "REQ1 STDIO / [git_tools]:0 1\n"
	     ">1 "
	     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
	     "call\",\"params\":{\"name\":\"git_log\"}}\n"
	     "RESP1 200 0\n"
	     "<1 {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":false}}\n"
	     "END1 complete 104/81\n");
	assert_null(strstr(trace.text, "SECRET"));
}

static void answers_find_their_requests_by_id(void **state)
{
	(void)state;
	asks(CALL("1", "a") CALL("\"1\"", "b") CALL("2", "c"));
	answers("{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32602,\"message\":\"SECRET\"}}"
		"\n");
	answers("{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"isError\":true}}\n");
	answers(RESULT("7"));
	end(LT_CLOSE_FREED);
	told("REQ0 STDIO / [git-server]:0 1\n"
	     ">0 "
	     "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/"
	     "call\",\"params\":{\"name\":\"c\"}}\n"
	     "RESP0 200 0\n"
	     "<0 {\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32602}}\n"
	     "END0 complete 98/67\n"
	     "REQ1 STDIO / [git-server]:0 1\n"
	     ">1 "
	     "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"method\":\"tools/"
	     "call\",\"params\":{\"name\":\"b\"}}\n"
	     "RESP1 200 0\n"
	     "<1 {\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"isError\":true}}\n"
	     "END1 complete 100/52\n"
	     "REQ2 STDIO / [git-server]:0 1\n"
	     ">2 "
	     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
	     "call\",\"params\":{\"name\":\"a\"}}\n"
	     "END2 no-response 98/0\n");
}

static void an_answer_may_be_told_of_before_its_request(void **state)
{
	(void)state;
	answers(RESULT("5"));
	asks(CALL("5", "a"));
	assert_non_null(strstr(trace.text, "END0 complete"));
}

static void the_split_of_the_bytes_does_not_matter(void **state)
{
	static const char all[] = CALL("1", "a") "\r\n" CALL("2", "b");
	static const char back[] = "starting up\n" RESULT("1") "\n" RESULT("2");
	static char whole[sizeof(trace.text)];

	asks(all);
	answers(back);
	strcpy(whole, trace.text);
	assert_non_null(strstr(whole, "END1 complete"));
	for (size_t size = 1; size < sizeof(all); size++) {
		tear_down(state);
		set_up(state);
		for (size_t at = 0; at < sizeof(all) - 1; at += size)
			lt_ignore(lt_rpc_lines.feed(
				parser, LT_SIDE_REQUEST, ++now,
				lt_bytes_skip(lt_bytes(all, at + size < sizeof(all) - 1
								    ? at + size
								    : sizeof(all) - 1),
					      at)));
		for (size_t at = 0; at < sizeof(back) - 1; at += size)
			lt_ignore(lt_rpc_lines.feed(
				parser, LT_SIDE_RESPONSE, ++now,
				lt_bytes_skip(lt_bytes(back, at + size < sizeof(back) - 1
								     ? at + size
								     : sizeof(back) - 1),
					      at)));
		told(whole);
	}
}

static void a_gap_costs_the_line_that_it_is_in(void **state)
{
	(void)state;
	asks(CALL("1", "a"));
	asks("{\"jsonrpc\":\"2.0\",\"id\":2,");
	assert_int_equal(lt_rpc_lines.gap(parser, LT_SIDE_REQUEST, ++now, 100), 0);
	asks("\"method\":\"tools/call\"}\n" CALL("3", "c"));
	answers(RESULT("3") RESULT("2") RESULT("1"));
	assert_non_null(strstr(trace.text, "\"name\":\"c\""));
	assert_non_null(strstr(trace.text, "END1 complete"));
	assert_null(strstr(trace.text, "REQ2"));
}

static void another_protocol_is_given_up(void **state)
{
	(void)state;
	/* The Agent Client Protocol begins alike; its version is a number. */
	asks("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
	     "\"protocolVersion\":1}}\n");
	assert_int_equal(lt_rpc_lines.state(parser), LT_PARSER_IGNORE);
	tear_down(state);
	set_up(state);
	for (int i = 0; i < 70; i++)
		answers("not JSON\n");
	assert_int_equal(lt_rpc_lines.state(parser), LT_PARSER_IGNORE);
	tear_down(state);
	set_up(state);
	for (int i = 0; i < 200; i++)
		answers("log line\n" RESULT("1"));
	assert_int_equal(lt_rpc_lines.state(parser), LT_PARSER_GOOD);
	told("");
}

static void what_waits_is_bounded(void **state)
{
	char line[256];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), CALL("%d", "a"), i);
		asks(line);
	}
	assert_non_null(strstr(trace.text, "END35 evicted"));
	assert_null(strstr(trace.text, "END36"));
}

static void names_are_no_way_out_of_json(void **state)
{
	(void)state;
	asks(CALL("\"a\\\"b\"", "x\\\",\\n{"));
	answers(RESULT("\"a\\\"b\""));
	assert_non_null(strstr(trace.text,
			       "\"id\":\"a_b\",\"method\":\"tools/call\",\"params\":{\"name\":\"x__"
			       "__\"}"));
}

static void the_start_tells(void **state)
{
	(void)state;
	assert_int_equal(lt_rpc_lines.sniff(lt_bytes_str(INITIALIZE), LT_SIDE_REQUEST),
			 LT_SNIFF_YES);
	assert_int_equal(lt_rpc_lines.sniff(lt_bytes_str("{\"js"), LT_SIDE_REQUEST), LT_SNIFF_MORE);
	assert_int_equal(lt_rpc_lines.sniff(lt_bytes_str("{\"result\""), LT_SIDE_REQUEST),
			 LT_SNIFF_NO);
	assert_int_equal(lt_rpc_lines.sniff(lt_bytes_str("{\"result\""), LT_SIDE_RESPONSE),
			 LT_SNIFF_YES);
	assert_int_equal(lt_rpc_lines.sniff(lt_bytes_str("{\"model\":"), LT_SIDE_REQUEST),
			 LT_SNIFF_NO);
	assert_int_equal(lt_rpc_lines.sniff(lt_bytes_str(""), LT_SIDE_REQUEST), LT_SNIFF_NO);
}

static void memory_may_be_short(void **state)
{
	struct lt_parser *p = NULL;
	int r = -ENOMEM;

	(void)state;
	for (unsigned long n = 1; r == -ENOMEM && n < 10; n++) {
		lt_alloc_fail_at(n);
		r = lt_rpc_lines.open(&conn, &sink, &p);
		lt_alloc_fail_at(0);
	}
	assert_int_equal(r, 0);
	lt_rpc_lines.close(p, 1, LT_CLOSE_FREED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_call_is_an_exchange_under_the_server_s_name,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_find_their_requests_by_id, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_answer_may_be_told_of_before_its_request, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_split_of_the_bytes_does_not_matter, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_gap_costs_the_line_that_it_is_in, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_protocol_is_given_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_waits_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_are_no_way_out_of_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_start_tells, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_may_be_short, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
