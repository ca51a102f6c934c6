// SPDX-License-Identifier: Apache-2.0
/* What a request says of the conversation that it goes on with: its id, and what tools gave. */
#include "userspace/decode/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/decode/credential.h"
#include "userspace/protocol/protocol.h"

#define SESSION "54c1eb09-bc4c-4d2f-98eb-6d2ab2d5e2fe"
#define OTHER	"0199c7a4-3b52-7c31-9f60-5b1e4a2d8c10"
#define OK_JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define CHAT	"api.openai.com/v1/chat/completions"
#define ASK	"api.openai.com/v1/responses"
#define MESSAGE "api.anthropic.com/v1/messages"
#define GEMINI	"generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"

static const uint8_t key[32];
static struct lt_catalog *catalog;
static struct lt_decoder *decoder;
static struct lt_call call;
static unsigned count;

static void on_call(void *arg, const struct lt_call *c)
{
	(void)arg;
	call = *c;
	count++;
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
	const struct lt_call_sink sink = {.call = on_call};
	const struct lt_decoder_opts opts = {0};

	(void)state;
	return lt_decoder_new(&opts, catalog, &sink, &decoder);
}

static int end(void **state)
{
	(void)state;
	decoder = lt_decoder_free(decoder);
	return 0;
}

/* One call; of the body only @sent bytes come. */
static void post_part(const char *host_and_path, const char *fields, const char *body, size_t sent)
{
	const struct lt_exchange_sink sink = lt_decoder_sink(decoder);
	static const struct lt_conn conn;
	struct lt_parser *p;
	char head[1024];
	const char *slash = strchr(host_and_path, '/');

	snprintf(head, sizeof(head),
		 "POST %s HTTP/1.1\r\nHost: %.*s\r\nContent-Type: application/json\r\n%s"
		 "Content-Length: %zu\r\n\r\n",
		 slash, (int)(slash - host_and_path), host_and_path, fields, strlen(body));
	count = 0;
	assert_int_equal(lt_http1.open(&conn, &sink, &p), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_REQUEST, 1, lt_bytes_str(head)), 0);
	assert_int_equal(lt_http1.feed(p, LT_SIDE_REQUEST, 1, lt_bytes(body, sent)), 0);
	if (sent < strlen(body))
		lt_ignore(lt_http1.gap(p, LT_SIDE_REQUEST, 2, strlen(body) - sent));
	assert_int_equal(lt_http1.feed(p, LT_SIDE_RESPONSE, 3,
				       lt_bytes_str(OK_JSON "{\"usage\":{\"input_tokens\":1,"
							    "\"output_tokens\":1}}")),
			 0);
	lt_http1.close(p, 4, LT_CLOSE_FREED);
	assert_int_equal(count, 1);
}

static void post(const char *host_and_path, const char *fields, const char *body)
{
	post_part(host_and_path, fields, body, strlen(body));
}

/* ---- which conversation ---- */

static void assert_session(const char *id)
{
	assert_int_equal(call.session_fp, id ? lt_fingerprint(key, lt_bytes_str(id)) : 0);
}

static void headers_name_the_session(void **state)
{
	static const char *const names[] = {
		"X-Claude-Code-Session-Id", "session_id",	    "session-id",
		"conversation_id",	    "x-litellm-session-id", "x-opencode-session",
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(names); i++) {
		char fields[128];

		snprintf(fields, sizeof(fields), "%s: " SESSION "\r\n", names[i]);
		post(CHAT, fields, "{\"model\":\"m\",\"session_id\":\"another\"}");
		assert_session(SESSION);
	}
	post(CHAT, "x-session-id: general\r\nsession-id: " SESSION "\r\n", "{\"model\":\"m\"}");
	assert_session(SESSION); /* the more telling one */
	post(CHAT, "mcp-session-id: x\r\nx-request-id: y\r\n", "{\"model\":\"m\"}");
	assert_session(NULL);
}

/* Whichever way Claude Code says it, it is the same session; and a user in all sessions the same.
 */
static void a_user_id_may_hold_the_session(void **state)
{
	uint64_t user;

	(void)state;
	post(MESSAGE, "",
	     "{\"metadata\":{\"user_id\":\"user_ab12_account_cd34_session_" SESSION "\"}}");
	assert_session(SESSION);
	user = call.end_user_fp;
	assert_int_not_equal(user, 0);
	post(MESSAGE, "",
	     "{\"metadata\":{\"user_id\":\"user_ab12_account_cd34_session_" OTHER "\"}}");
	assert_session(OTHER);
	assert_int_equal(call.end_user_fp, user);
	post(MESSAGE, "",
	     "{\"metadata\":{\"user_id\":\"{\\\"device_id\\\":\\\"d\\\",\\\"account_uuid\\\":"
	     "\\\"\\\",\\\"session_id\\\":\\\"" SESSION "\\\"}\"}}");
	assert_session(SESSION);
	user = call.end_user_fp;
	post(MESSAGE, "",
	     "{\"metadata\":{\"user_id\":\"{\\\"device_id\\\":\\\"d\\\",\\\"account_uuid\\\":"
	     "\\\"\\\",\\\"session_id\\\":\\\"" OTHER "\\\"}\"}}");
	assert_session(OTHER);
	assert_int_equal(call.end_user_fp, user);
	post(MESSAGE, "", "{\"metadata\":{\"user_id\":\"someone\"}}");
	assert_session(NULL);
	assert_int_equal(call.end_user_fp, lt_fingerprint(key, lt_bytes_str("someone")));
}

static void a_cache_key_may_be_the_sessions(void **state)
{
	(void)state;
	post(ASK, "", "{\"prompt_cache_key\":\"" SESSION "\",\"input\":\"x\"}");
	assert_session(SESSION);
	post(ASK, "", "{\"prompt_cache_key\":\"ses_4f2a\",\"input\":\"x\"}");
	assert_session("ses_4f2a");
	post(ASK, "", "{\"prompt_cache_key\":\"support-bot-v2\",\"input\":\"x\"}");
	assert_session(NULL);
	post(ASK, "",
	     "{\"prompt_cache_key\":\"" OTHER "\",\"conversation\":{\"id\":\"conv_1\"},"
	     "\"input\":\"x\"}");
	assert_session("conv_1");
	post(ASK, "",
	     "{\"conversation\":\"conv_1\",\"prompt_cache_key\":\"" OTHER "\",\"input\":\"x\"}");
	assert_session("conv_1");
}

static void a_request_may_go_on_from_an_answer(void **state)
{
	(void)state;
	post(ASK, "", "{\"previous_response_id\":\"resp_1\",\"input\":\"x\"}");
	assert_string_equal(call.previous_id, "resp_1");
	post(ASK, "", "{\"previous_response_id\":null,\"input\":\"x\"}");
	assert_string_equal(call.previous_id, "");
}

/* ---- what tools gave ---- */

static void assert_results(uint64_t n)
{
	assert_true(call.tool_results.known);
	assert_int_equal(call.tool_results.n, n);
	assert_int_equal(call.results_hash != 0, n > 0);
}

#define SYSTEM	   "{\"role\":\"system\",\"content\":\"tool\"},"
#define ASSISTANT  "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\"}]},"
#define TOOL(id)   "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"x\"}"
#define CHATS(...) "{\"messages\":[" __VA_ARGS__ "]}"

static void only_news_since_the_model_spoke_count(void **state)
{
	(void)state;
	post(CHAT, "", CHATS(SYSTEM "{\"role\":\"user\"}"));
	assert_results(0);
	post(CHAT, "", CHATS(SYSTEM ASSISTANT TOOL("a")));
	assert_results(1);
	post(CHAT, "", CHATS(SYSTEM ASSISTANT TOOL("a") "," ASSISTANT TOOL("b") "," TOOL("c")));
	assert_results(2);
	post(CHAT, "", CHATS(ASSISTANT TOOL("a") "," ASSISTANT "{\"role\":\"user\"}"));
	assert_results(0);
	/* The question that follows the results is sent with them. */
	post(CHAT, "", CHATS(ASSISTANT TOOL("a") ",{\"role\":\"user\"}"));
	assert_results(1);
}

static void every_api_has_its_own_words_for_them(void **state)
{
	static const struct {
		const char *to, *body;
		uint64_t results;
	} cases[] = {
		/* The role may stand behind the content. */
		{MESSAGE,
		 "{\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"id\":\"a\"}],\"role\":"
		 "\"assistant\"},{\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\","
		 "\"content\":[{\"type\":\"tool_result\"}]},{\"type\":\"text\"},{\"type\":"
		 "\"tool_result\",\"tool_use_id\":\"b\"}],\"role\":\"user\"}]}",
		 2},
		{MESSAGE,
		 "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":"
		 "\"web_search_tool_result\"}]},{\"role\":\"user\",\"content\":\"tool_result\"}]}",
		 0},
		{ASK,
		 "{\"input\":[{\"type\":\"function_call\",\"call_id\":\"a\"},{\"type\":"
		 "\"function_call_output\",\"call_id\":\"a\"},{\"type\":\"reasoning\"},{\"type\":"
		 "\"custom_tool_call\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"b\"}]}",
		 1},
		{ASK,
		 "{\"previous_response_id\":\"r\",\"input\":[{\"type\":\"function_call_output\","
		 "\"call_id\":\"a\"},{\"type\":\"local_shell_call_output\",\"call_id\":\"b\"}]}",
		 2},
		{ASK,
		 "{\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"a\"},{\"type\":"
		 "\"message\",\"role\":\"assistant\"},{\"role\":\"user\"}]}",
		 0},
		{GEMINI,
		 "{\"contents\":[{\"parts\":[{\"functionCall\":{\"name\":\"f\"}}],\"role\":"
		 "\"model\"},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"f\"}},"
		 "{\"functionResponse\":{\"name\":\"g\"}}]}]}",
		 2},
		{"bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
		 "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"toolUse\":{}}]},{\"role\":"
		 "\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"a\"}}]}]}",
		 1},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		post(cases[i].to, "", cases[i].body);
		assert_results(cases[i].results);
	}
}

/* A retry says the same, the next turn does not. */
static void the_same_results_are_known_again(void **state)
{
	uint64_t hash;

	(void)state;
	post(CHAT, "", CHATS(ASSISTANT TOOL("a")));
	hash = call.results_hash;
	post(CHAT, "", CHATS(SYSTEM ASSISTANT TOOL("a")));
	assert_int_equal(call.results_hash, hash);
	post(CHAT, "", CHATS(ASSISTANT TOOL("b")));
	assert_int_not_equal(call.results_hash, hash);
	post(CHAT, "", CHATS(ASSISTANT TOOL("a") "," ASSISTANT TOOL("a")));
	assert_int_not_equal(call.results_hash, hash);
	/* Gemini's results have no ids: the turns tell them apart. */
	post(GEMINI, "",
	     "{\"contents\":[{\"role\":\"model\"},{\"parts\":[{\"functionResponse\":{}}]}]}");
	hash = call.results_hash;
	post(GEMINI, "",
	     "{\"contents\":[{\"role\":\"model\"},{\"parts\":[{\"functionResponse\":{}}]},"
	     "{\"role\":\"model\"},{\"parts\":[{\"functionResponse\":{}}]}]}");
	assert_int_not_equal(call.results_hash, hash);
}

/* Half a conversation would end with another turn. */
static void what_was_seen_in_part_is_not_counted(void **state)
{
	static const char body[] = CHATS(ASSISTANT TOOL("a") "," ASSISTANT TOOL("b"));

	(void)state;
	post_part(CHAT, "", body, sizeof(body) / 2);
	assert_false(call.tool_results.known);
	assert_int_equal(call.results_hash, 0);
	post(CHAT, "", "no JSON at all");
	assert_false(call.tool_results.known);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_name_the_session),
		TEST(a_user_id_may_hold_the_session),
		TEST(a_cache_key_may_be_the_sessions),
		TEST(a_request_may_go_on_from_an_answer),
		TEST(only_news_since_the_model_spoke_count),
		TEST(every_api_has_its_own_words_for_them),
		TEST(the_same_results_are_known_again),
		TEST(what_was_seen_in_part_is_not_counted),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
