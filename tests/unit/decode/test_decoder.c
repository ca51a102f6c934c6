// SPDX-License-Identifier: Apache-2.0
/* Exchanges that are more than one call, and calls that are more than one exchange: batches, stored
 * objects, several models, JSON-RPC. Through HTTP/1.1 and the built-in catalog. */
#include "userspace/decode/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/protocol/protocol.h"

enum { CALLS_MAX = 16 };

static struct lt_catalog *catalog;
static struct lt_decoder *decoder;
static struct lt_call calls[CALLS_MAX];
static unsigned count, connections, begun;
static char last_host[64];

static void on_call(void *arg, const struct lt_call *call)
{
	(void)arg;
	assert_true(count < CALLS_MAX);
	calls[count++] = *call;
}

static void on_connection(void *arg, const struct lt_conn *conn, struct lt_bytes host)
{
	(void)arg;
	assert_int_equal(conn->key.tgid, 0);
	connections++;
	lt_bytes_copy(last_host, sizeof(last_host), host);
}

static void on_begins(void *arg, const struct lt_conn *conn)
{
	(void)arg;
	assert_int_equal(conn->key.tgid, 0);
	begun++;
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

static int begin(void **state)
{
	const struct lt_call_sink sink = {
		.call = on_call, .begins = on_begins, .connection = on_connection};
	const struct lt_decoder_opts opts = {0};

	(void)state;
	count = connections = begun = 0;
	return lt_decoder_new(&opts, catalog, &sink, &decoder);
}

static int end(void **state)
{
	(void)state;
	decoder = lt_decoder_free(decoder);
	return 0;
}

/* One exchange on a connection of its own; @answer has a head and is read until it ends. */
static void exchange(const char *request, const char *answer)
{
	const struct lt_exchange_sink sink = lt_decoder_sink(decoder);
	static const struct lt_conn conn;
	struct lt_parser *p;

	assert_int_equal(lt_http1.open(&conn, &sink, &p), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_REQUEST, 1, lt_bytes_str(request)), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_RESPONSE, 2, lt_bytes_str(answer)), 0);
	lt_http1.close(p, 3, LT_CLOSE_FREED);
}

static void post(const char *host_and_path, const char *fields, const char *body,
		 const char *answer)
{
	char text[4096];
	const char *slash = strchr(host_and_path, '/');

	snprintf(text, sizeof(text),
		 "POST %s HTTP/1.1\r\nHost: %.*s\r\nContent-Type: application/json\r\n%s"
		 "Content-Length: %zu\r\n\r\n%s",
		 slash, (int)(slash - host_and_path), host_and_path, fields, strlen(body), body);
	exchange(text, answer);
}

static void get(const char *host_and_path, const char *answer)
{
	char text[512];
	const char *slash = strchr(host_and_path, '/');

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %.*s\r\n\r\n", slash,
		 (int)(slash - host_and_path), host_and_path);
	exchange(text, answer);
}

#define OK_JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define OK_SSE	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
#define LINE(id, in, out)                                                                          \
	"{\"id\":\"batch_req_" id "\",\"custom_id\":\"a\",\"response\":{\"status_code\":200,"      \
	"\"body\":{\"id\":\"chatcmpl-" id "\",\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":"   \
	"\"default\",\"usage\":{\"prompt_tokens\":" in ",\"completion_tokens\":" out "}}}}\n"

static void assert_call(unsigned i, uint64_t in, uint64_t out)
{
	assert_true(i < count);
	assert_int_equal(calls[i].usage.input.n, in);
	assert_int_equal(calls[i].usage.output.n, out);
}

static void a_batch_file_is_a_call_for_each_line(void **state)
{
	static const char answer[] = OK_JSON LINE("1", "10",
						  "2") "{\"id\":\"batch_req_x\",\"response\":{"
						       "\"status_code\":400,\"body\":{\"error\":{"
						       "\"code\":\"e\"}}}}\n" LINE("2", "30", "4");

	(void)state;
	for (int again = 0; again < 2; again++) {
		count = 0;
		get("api.openai.com/v1/files/file-1/content", answer);
		assert_int_equal(count, 2);
		assert_call(0, 10, 2);
		assert_call(1, 30, 4);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(calls[i].tier, LT_TIER_BATCH);
			assert_string_equal(calls[i].response_model, "gpt-4o-2024-08-06");
			assert_int_equal(calls[i].repeat, again); /* whoever reads it twice */
			assert_true(calls[i].stored);
			assert_int_equal(calls[i].billable, LT_BILLABLE_YES);
		}
		assert_string_equal(calls[1].response_id, "chatcmpl-2");
		assert_int_not_equal(calls[0].ordinal, calls[1].ordinal);
	}
}

static void other_files_are_no_batch(void **state)
{
	(void)state;
	get("api.openai.com/v1/files/file-2/content",
	    OK_JSON "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n{\"model\":\"m\"}\n");
	get("api.openai.com/v1/files/file-3/content", "HTTP/1.1 200 OK\r\n\r\n%PDF-1.7 ...");
	assert_int_equal(count, 0);
}

static void a_stored_answer_counts_once_and_when_it_is_there(void **state)
{
	static const char path[] = "api.openai.com/v1/responses/resp_1";
	static const char whole[] = OK_JSON
		"{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\","
		"\"model\":\"gpt-5\",\"usage\":{\"input_tokens\":9,\"output_tokens\":3}}";

	(void)state;
	get(path, OK_JSON "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\","
			  "\"model\":\"gpt-5\",\"usage\":null}");
	get(path, "HTTP/1.1 404 Not Found\r\n\r\n{\"error\":{\"code\":\"not_found\"}}");
	assert_int_equal(count, 0);
	get(path, whole);
	get(path, whole);
	assert_int_equal(count, 2);
	assert_call(0, 9, 3);
	assert_false(calls[0].repeat);
	assert_true(calls[1].repeat);
}

static void what_was_created_with_its_usage_is_not_counted_again(void **state)
{
	static const char answer[] = OK_JSON
		"{\"id\":\"resp_2\",\"object\":\"response\",\"status\":\"completed\",\"model\":"
		"\"gpt-5\",\"usage\":{\"input_tokens\":9,\"output_tokens\":3}}";

	(void)state;
	post("api.openai.com/v1/responses", "", "{\"model\":\"gpt-5\"}", answer);
	get("api.openai.com/v1/responses/resp_2", answer);
	post("api.openai.com/v1/responses", "", "{\"model\":\"gpt-5\"}", answer);
	assert_int_equal(count, 3);
	assert_false(calls[0].repeat);
	assert_true(calls[1].repeat);
	assert_false(calls[2].repeat); /* a new call, whatever its id */
}

/* A crawl says at each look what it has used so far. */
static void numbers_that_grow_count_for_what_has_come(void **state)
{
	static const struct {
		const char *answer;
		uint64_t credits;
		bool repeat;
	} looks[] = {
		{OK_JSON "{\"status\":\"scraping\",\"creditsUsed\":2}", 2, false},
		{OK_JSON "{\"status\":\"scraping\",\"creditsUsed\":5}", 3, false},
		{OK_JSON "{\"status\":\"completed\",\"creditsUsed\":5}", 0, true},
	};

	(void)state;
	for (unsigned i = 0; i < LT_COUNT(looks); i++) {
		get("api.firecrawl.dev/v2/crawl/c-1", looks[i].answer);
		assert_int_equal(count, i + 1);
		assert_string_equal(calls[i].response_id, "c-1"); /* of the path */
		assert_int_equal(calls[i].usage.units[0].amount_micro, looks[i].credits * 1000000);
		assert_int_equal(calls[i].repeat, looks[i].repeat);
	}
}

static void what_a_gateways_cache_answers_costs_nothing(void **state)
{
	static const char body[] = "{\"model\":\"gpt-4o\",\"messages\":[]}";
	static const char whole[] =
		"Content-Type: application/json\r\n\r\n{\"id\":\"c\",\"choices\":[],"
		"\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}";
	char answer[512];

	(void)state;
	for (int hit = 0; hit < 2; hit++) {
		snprintf(answer, sizeof(answer),
			 "HTTP/1.1 200 OK\r\nx-portkey-cache-status: %s\r\n%s",
			 hit ? "HIT" : "MISS", whole);
		post("api.portkey.ai/v1/chat/completions", "", body, answer);
		assert_int_equal(calls[hit].billable, hit ? LT_BILLABLE_NO : LT_BILLABLE_YES);
		assert_call((unsigned)hit, 3, 4);
	}
}

/* A path that looks like one, on a host that nobody named: the answer has to prove it. */
static void strangers_have_to_prove_what_they_are(void **state)
{
	static const struct {
		const char *url, *request, *answer;
		unsigned records;
	} cases[] = {
		{"x.example/images/edits", "{\"model\":\"camera\"}",
		 OK_JSON "{\"url\":\"x\",\"model\":\"camera\"}", 0},
		{"x.example/v1/responses", "{\"model\":\"A4\"}",
		 OK_JSON "{\"model\":\"A4\",\"id\":\"survey\"}", 0},
		{"x.example/v2/completions", "{\"model\":\"A4\"}",
		 "HTTP/1.1 400 Bad\r\n\r\n{\"error\":{\"code\":\"no\"}}", 0},
		{"x.example/v1/chat/completions", "{\"model\":\"m\",\"messages\":[]}",
		 "HTTP/1.1 401 No\r\n\r\n{\"error\":{\"code\":\"no\"}}", 1},
		{"x.example/v1/chat/completions", "{\"model\":\"m\",\"messages\":[]}",
		 OK_JSON "{\"model\":\"m\",\"choices\":[]}", 1},
	};

	(void)state;
	for (unsigned i = 0; i < LT_COUNT(cases); i++) {
		count = 0;
		post(cases[i].url, "", cases[i].request, cases[i].answer);
		assert_int_equal(count, cases[i].records);
	}
}

static void a_form_says_what_a_document_would(void **state)
{
	static const char body[] =
		"--b\r\nContent-Disposition: form-data; name=\"model_id\"\r\n\r\n"
		"scribe_v1\r\n--b--\r\n";
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text),
		 "POST /v1/speech-to-text HTTP/1.1\r\nHost: api.elevenlabs.io\r\nContent-Type: "
		 "multipart/form-data; boundary=b\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	exchange(text, OK_JSON "{\"text\":\"hello\"}");
	assert_int_equal(count, 1);
	assert_string_equal(calls[0].request_model, "scribe_v1");
}

static void a_blocked_prompt_says_that_it_was(void **state)
{
	(void)state;
	post("generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent", "",
	     "{\"contents\":[]}",
	     OK_JSON "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{"
		     "\"promptTokenCount\":9}}");
	assert_string_equal(calls[0].finish_reason, "BLOCKED:SAFETY");
}

static void services_by_the_month_have_no_cost_of_their_own(void **state)
{
	(void)state;
	post("cloud.langfuse.com/api/public/scores", "", "{}", OK_JSON "{}");
	assert_int_equal(count, 1);
	assert_true(calls[0].plan);
	assert_int_equal(calls[0].billable, LT_BILLABLE_UNKNOWN);
	get("api.github.com/rate_limit", OK_JSON "{}"); /* and this is nothing at all */
	assert_int_equal(count, 1);
}

static void another_model_is_a_call_of_its_own(void **state)
{
	(void)state;
	post("api.anthropic.com/v1/messages", "", "{\"model\":\"claude-sonnet-4-6\"}",
	     OK_JSON
	     "{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"claude-sonnet-4-6\",\"stop_"
	     "reason\":"
	     "\"end_turn\",\"usage\":{\"input_tokens\":10,\"output_tokens\":20,\"iterations\":["
	     "{\"type\":\"message\",\"input_tokens\":10,\"output_tokens\":20},"
	     "{\"type\":\"compaction\",\"input_tokens\":100,\"output_tokens\":5},"
	     "{\"type\":\"advisor_message\",\"model\":\"claude-opus-4-7\",\"input_tokens\":7,"
	     "\"output_tokens\":1},"
	     "{\"type\":\"advisor_message\",\"model\":\"claude-opus-4-7\",\"input_tokens\":8,"
	     "\"output_tokens\":2,\"cache_read_input_tokens\":40}]}}");
	assert_int_equal(count, 2);
	assert_call(0, 110, 25);
	assert_int_equal(calls[0].model, 0);
	assert_call(1, 55, 3);
	assert_int_equal(calls[1].usage.bucket[LT_B_CACHE_READ].n, 40);
	assert_int_equal(calls[1].model, 1);
	assert_string_equal(calls[1].response_model, "claude-opus-4-7");
	assert_int_equal(calls[1].ordinal, calls[0].ordinal);
}

/* ---- JSON-RPC ---- */

#define MCP_HOST   "tools.example/mcp"
#define MCP_ACCEPT "Accept: application/json, text/event-stream\r\n"

static void a_tool_call_has_the_name_of_its_tool(void **state)
{
	(void)state;
	post(MCP_HOST, MCP_ACCEPT,
	     "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\",\"params\":{\"arguments\":{"
	     "\"name\":\"x\"},\"name\":\"read file!\"}}",
	     OK_SSE
	     "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"sampling/"
	     "createMessage\"}\n\n"
	     "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"4\",\"error\":{\"code\":1}}\n\n"
	     "event: message\ndata: "
	     "{\"jsonrpc\":\"2.0\",\"result\":{\"content\":[]},\"id\":4}\n\n");
	assert_int_equal(count, 1);
	assert_string_equal(calls[0].operation, "tools/call");
	assert_string_equal(calls[0].tool_name, "read_file_");
	assert_string_equal(calls[0].provider, "tools.example");
	assert_string_equal(calls[0].error_type, "");
	assert_int_equal(calls[0].usage.completeness, LT_COMPLETE);
	assert_int_equal(calls[0].billable, LT_BILLABLE_YES);
	assert_int_equal(calls[0].tool_calls.n, 1);
}

static void a_list_of_requests_is_as_many_calls(void **state)
{
	(void)state;
	post(MCP_HOST, "Mcp-Session-Id: s\r\n",
	     "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
	     "call\",\"params\":{\"name\":\"a\"}},"
	     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"},"
	     "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"b\"}},"
	     "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/"
	     "call\",\"params\":{\"name\":\"c\"}}]",
	     OK_JSON
	     "[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"isError\":true}},"
	     "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"m\"}}]");
	assert_int_equal(count, 3);
	assert_string_equal(calls[0].tool_name, "a");
	assert_string_equal(calls[0].error_type, "-32602");
	assert_int_equal(calls[0].billable, LT_BILLABLE_NO);
	assert_string_equal(calls[1].tool_name, "b");
	assert_string_equal(calls[1].error_type, "tool_error");
	assert_string_equal(calls[2].tool_name, "c");
	assert_int_equal(calls[2].usage.completeness, LT_TRUNCATED); /* nobody answered it */
}

static void what_surrounds_tools_is_free_or_nothing(void **state)
{
	(void)state;
	post(MCP_HOST, MCP_ACCEPT, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
	     "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
	post(MCP_HOST, MCP_ACCEPT, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
	     OK_JSON "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	assert_int_equal(count, 0);
	post(MCP_HOST, MCP_ACCEPT, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}",
	     OK_JSON "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"tools\":[]}}");
	assert_int_equal(count, 1);
	assert_int_equal(calls[0].billable, LT_BILLABLE_NO);
	assert_false(calls[0].tool_calls.known);
}

/* The answer comes on another connection: that the tool was called is known all the same. */
static void the_older_transport_posts_to_a_session(void **state)
{
	(void)state;
	post("tools.example/messages?session_id=1", "",
	     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\"}}",
	     "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted");
	assert_int_equal(count, 1);
	assert_string_equal(calls[0].tool_name, "a");
	assert_int_equal(calls[0].status, 202);
	assert_int_equal(calls[0].billable, LT_BILLABLE_YES);
}

/* Also where the host is a provider's. */
static void tools_at_a_known_host_are_tools(void **state)
{
	(void)state;
	post("api.githubcopilot.com/mcp/", MCP_ACCEPT,
	     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\"}}",
	     OK_JSON "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	assert_int_equal(count, 1);
	assert_string_equal(calls[0].tool_name, "a");
}

/* ---- gRPC ---- */

/* As HTTP/2 tells it: heads, @body of the answer, the call's status behind it or (@early) in its
 * head. */
static void grpc(struct lt_bytes body, const char *status, bool early)
{
	const struct lt_http_field fields[] = {
		{lt_bytes_str("content-type"), lt_bytes_str("application/grpc+proto")},
		{lt_bytes_str("grpc-status"), lt_bytes_str(status)},
	};
	const struct lt_http_head request = {.side = LT_SIDE_REQUEST,
					     .method = lt_bytes_str("POST"),
					     .target = lt_bytes_str("/xai_api.Chat/GetCompletion"),
					     .host = lt_bytes_str("api.x.ai"),
					     .fields = fields,
					     .field_count = 1};
	const struct lt_http_head response = {.side = LT_SIDE_RESPONSE,
					      .status = 200,
					      .fields = fields,
					      .field_count = early ? 2 : 1};
	const struct lt_http_head trailer = {
		.side = LT_SIDE_RESPONSE, .fields = fields + 1, .field_count = 1};
	const struct lt_exchange_sink sink = lt_decoder_sink(decoder);
	static const struct lt_conn conn;
	struct lt_exchange x = {.conn = &conn, .status = 200};

	assert_int_equal(sink.request(sink.arg, &x, &request), LT_INTEREST_BODIES);
	sink.response(sink.arg, &x, &response);
	if (body.n > 0)
		sink.body(sink.arg, &x, LT_SIDE_RESPONSE, body);
	if (!early)
		sink.trailer(sink.arg, &x, &trailer);
	sink.end(sink.arg, &x, LT_END_COMPLETE);
}

static void a_call_of_grpc_may_fail_behind_its_body(void **state)
{
	(void)state;
	grpc(lt_bytes_str(""), "8", false);
	grpc(lt_bytes_str(""), "16", true);
	assert_int_equal(count, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(calls[i].status, 200);
		assert_int_equal(calls[i].billable, LT_BILLABLE_NO);
		assert_int_equal(calls[i].usage.completeness, LT_UPSTREAM_ERROR);
	}
	assert_string_equal(calls[0].error_type, "RESOURCE_EXHAUSTED");
	assert_string_equal(calls[1].error_type, "UNAUTHENTICATED");
}

/* id, model, usage (9): {prompt 300 (2), completion 4 (1), reasoning 7 (6), 12345 ticks (11)} */
static void usage_of_grpc_is_found_by_its_numbers(void **state)
{
	static const uint8_t body[] = {
		0,    0,  0,	0,    20,				       /* prefix */
		0x0a, 3,  'i',	'd',  '1',				       /* id */
		0x32, 1,  'g',						       /* model */
		0x4a, 10, 0x10, 0xac, 2,   0x08, 4, 0x30, 7, 0x58, 0xb9, 0x60, /* usage */
	};

	(void)state;
	grpc(lt_bytes(body, sizeof(body)), "0", false);
	assert_int_equal(count, 1);
	assert_call(0, 300, 11);
	assert_string_equal(calls[0].response_model, "g");
	assert_string_equal(calls[0].response_id, "id1");
	assert_true(calls[0].inline_cost_known);
	assert_int_equal(calls[0].inline_cost_pico, 1234500);
	assert_int_equal(calls[0].usage.completeness, LT_COMPLETE);
	assert_false(calls[0].streaming);
}

/* ---- sockets ---- */

static void add_frame(char *to, size_t *n, const char *text)
{
	size_t length = strlen(text);

	assert_true(length < 65536);
	to[(*n)++] = (char)0x81;
	to[(*n)++] = 126;
	to[(*n)++] = (char)(length >> 8);
	to[(*n)++] = (char)length;
	memcpy(to + *n, text, length);
	*n += length;
}

static void responses_on_a_socket_are_a_call_each(void **state)
{
	static const char request[] =
		"GET /v1/responses HTTP/1.1\r\nHost: api.openai.com\r\n"
		"Connection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a2V5\r\n\r\n";
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				   "Connection: Upgrade\r\n\r\n";
	const struct lt_exchange_sink sink = lt_decoder_sink(decoder);
	static const struct lt_conn conn;
	char answer[4096];
	size_t n = sizeof(head) - 1;
	struct lt_parser *p;

	(void)state;
	memcpy(answer, head, n);
	add_frame(answer, &n,
		  "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_a\","
		  "\"model\":\"gpt-5\",\"usage\":null}}");
	add_frame(answer, &n,
		  "{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_a\",\"model\":"
		  "\"gpt-5\",\"usage\":{\"input_tokens\":5,\"output_tokens\":6}}}");
	add_frame(answer, &n,
		  "{\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_b\",\"model\":"
		  "\"gpt-5-mini\",\"usage\":{\"input_tokens\":7,\"output_tokens\":8}}}");
	assert_int_equal(lt_http1.open(&conn, &sink, &p), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_REQUEST, 1, lt_bytes_str(request)), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_RESPONSE, 2, lt_bytes(answer, n)), 0);
	lt_http1.close(p, 3, LT_CLOSE_FREED);
	assert_int_equal(count, 2);
	assert_call(0, 5, 6);
	assert_string_equal(calls[0].response_id, "resp_a");
	assert_call(1, 7, 8);
	assert_string_equal(calls[1].response_model, "gpt-5-mini");
}

/* Encoders that sort their keys write the type behind the numbers that depend on it. */
static void a_type_may_come_last(void **state)
{
	static const char request[] = "GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: "
				      "api.openai.com\r\nConnection: Upgrade\r\nUpgrade: "
				      "websocket\r\n\r\n";
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				   "Connection: Upgrade\r\n\r\n";
	const struct lt_exchange_sink sink = lt_decoder_sink(decoder);
	static const struct lt_conn conn;
	char answer[2048];
	size_t n = sizeof(head) - 1;
	struct lt_parser *p;

	(void)state;
	memcpy(answer, head, n);
	add_frame(answer, &n,
		  "{\"response\":{\"id\":\"r\",\"usage\":{\"input_tokens\":90,"
		  "\"output_tokens\":91}},\"type\":\"response.created\"}");
	add_frame(answer, &n,
		  "{\"response\":{\"id\":\"r\",\"usage\":{\"input_tokens\":5,"
		  "\"output_tokens\":6}},\"type\":\"response.done\"}");
	assert_int_equal(lt_http1.open(&conn, &sink, &p), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_REQUEST, 1, lt_bytes_str(request)), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_RESPONSE, 2, lt_bytes(answer, n)), 0);
	lt_http1.close(p, 3, LT_CLOSE_FREED);
	assert_int_equal(count, 1);
	assert_call(0, 5, 6);
	assert_true(calls[0].streaming);
}

static void a_list_of_stored_responses_is_no_socket(void **state)
{
	(void)state;
	get("api.openai.com/v1/responses", OK_JSON "{\"data\":[]}");
	assert_int_equal(count, 0);
}

/* Of whatever host: what is decoded needs no flow record. */
static void a_connection_is_told_of_once(void **state)
{
	const struct lt_exchange_sink sink = lt_decoder_sink(decoder);
	static const struct lt_conn conn;
	struct lt_parser *p;

	(void)state;
	assert_int_equal(lt_http1.open(&conn, &sink, &p), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(lt_http1.feed(p, LT_SIDE_REQUEST, 1,
					       lt_bytes_str("GET / HTTP/1.1\r\nHost: "
							    "any.example:8443\r\n\r\n")),
				 0);
	lt_http1.close(p, 3, LT_CLOSE_FREED);
	assert_int_equal(connections, 1);
	assert_string_equal(last_host, "any.example");
}

#define ASK(fields) post("api.openai.com/v1/responses", fields, "{\"model\":\"gpt-5\"}", answer)

static void named_headers_are_handed_over(void **state)
{
	static const char *const names[] = {"x-tenant-id", "x-team"};
	static const char answer[] = OK_JSON "{\"id\":\"resp_1\",\"object\":\"response\"}";

	(void)state;
	lt_decoder_claims(decoder, names, 2, 7);
	ASK("X-Tenant-ID: acme corp\t1\r\nX-Other: no\r\n");
	assert_string_equal(calls[0].claim[0], "acme corp_1");
	assert_string_equal(calls[0].claim[1], "");
	assert_int_equal(calls[0].claim_names, 7);
	assert_int_equal(begun, 1);
	get("api.openai.com/v1/models", OK_JSON "{}");
	assert_int_equal(begun, 1);
	/* A part of a name may be another's: what is too long is left out. */
	ASK("x-tenant-id: a234567890123456789012345678901234567890123456789012345678901234\r\n"
	    "x-team: b23456789012345678901234567890123456789012345678901234567890123\r\n");
	assert_string_equal(calls[1].claim[0], "");
	assert_int_equal(strlen(calls[1].claim[1]), LT_CLAIM_SIZE - 1);
	lt_decoder_claims(decoder, names + 1, 1, 8);
	ASK("x-tenant-id: acme\r\nx-team: search\r\n");
	assert_string_equal(calls[2].claim[0], "search");
	assert_string_equal(calls[2].claim[1], "");
	assert_int_equal(calls[2].claim_names, 8);
	lt_decoder_claims(decoder, NULL, 0, 9);
	ASK("x-team: search\r\n");
	assert_string_equal(calls[3].claim[0], "");
}

static void whom_the_provider_bills_is_the_answers_word(void **state)
{
	static const char silent[] = OK_JSON "{\"id\":\"resp_1\",\"object\":\"response\"}";
	static const char said[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nOpenAI-Organization: acme\r\n"
		"openai-project: proj_real\r\n\r\n{\"id\":\"resp_2\",\"object\":\"response\"}";
	static const char claude[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		"anthropic-organization-id: 5b0c7f5e-0000-4000-8000-000000000000\r\n\r\n"
		"{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"claude-sonnet-4-5\","
		"\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}";
	const char *answer = silent;

	(void)state;
	ASK("OpenAI-Organization: org-mine\r\nOpenAI-Project: proj_mine\r\n");
	assert_string_equal(calls[0].organization, "org-mine");
	assert_string_equal(calls[0].project, "proj_mine");
	assert_true(calls[0].organization_claimed && calls[0].project_claimed);
	answer = said;
	ASK("OpenAI-Organization: org-mine\r\nOpenAI-Project: proj_mine\r\n");
	assert_string_equal(calls[1].organization, "acme");
	assert_string_equal(calls[1].project, "proj_real");
	assert_false(calls[1].organization_claimed || calls[1].project_claimed);
	post("api.anthropic.com/v1/messages", "", "{\"model\":\"claude-sonnet-4-5\"}", claude);
	assert_string_equal(calls[2].organization, "5b0c7f5e-0000-4000-8000-000000000000");
	assert_false(calls[2].organization_claimed);
	answer = silent;
	ASK("");
	assert_string_equal(calls[3].organization, "");
	assert_false(calls[3].organization_claimed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_connection_is_told_of_once),
		TEST(named_headers_are_handed_over),
		TEST(whom_the_provider_bills_is_the_answers_word),
		TEST(a_batch_file_is_a_call_for_each_line),
		TEST(other_files_are_no_batch),
		TEST(a_stored_answer_counts_once_and_when_it_is_there),
		TEST(what_was_created_with_its_usage_is_not_counted_again),
		TEST(numbers_that_grow_count_for_what_has_come),
		TEST(what_a_gateways_cache_answers_costs_nothing),
		TEST(strangers_have_to_prove_what_they_are),
		TEST(a_form_says_what_a_document_would),
		TEST(a_blocked_prompt_says_that_it_was),
		TEST(services_by_the_month_have_no_cost_of_their_own),
		TEST(another_model_is_a_call_of_its_own),
		TEST(tools_at_a_known_host_are_tools),
		TEST(a_type_may_come_last),
		TEST(a_tool_call_has_the_name_of_its_tool),
		TEST(a_list_of_requests_is_as_many_calls),
		TEST(what_surrounds_tools_is_free_or_nothing),
		TEST(the_older_transport_posts_to_a_session),
		TEST(a_call_of_grpc_may_fail_behind_its_body),
		TEST(usage_of_grpc_is_found_by_its_numbers),
		TEST(responses_on_a_socket_are_a_call_each),
		TEST(a_list_of_stored_responses_is_no_socket),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
