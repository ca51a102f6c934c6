// SPDX-License-Identifier: Apache-2.0
/* Which API a request belongs to, by the files that are built in. */
#include "userspace/decode/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/decode/provider.h"

static struct lt_catalog *catalog;

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

static void every_api_is_found_by_host_method_and_path(void **state)
{
	static const struct {
		const char *method, *host, *path, *provider, *api;
	} calls[] = {
		{"POST", "api.openai.com", "/v1/chat/completions", "openai", "chat_completions"},
		{"POST", "eu.api.openai.com", "/v1/responses", "openai", "responses"},
		{"GET", "api.openai.com", "/v1/realtime", "openai", "realtime_ws"},
		{"POST", "API.Anthropic.com", "/v1/messages", "anthropic", "messages"},
		{"GET", "api.anthropic.com", "/v1/messages/batches/b_1/results", "anthropic",
		 "batch_results"},
		{"POST", "r.openai.azure.com", "/openai/deployments/d/chat/completions", "azure",
		 "chat_completions"},
		{"POST", "generativelanguage.googleapis.com",
		 "/v1beta/models/gemini-2.5-pro:streamGenerateContent", "gemini",
		 "stream_generate_content"},
		{"POST", "us-east5-aiplatform.googleapis.com",
		 "/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict",
		 "vertex", "anthropic_raw_predict"},
		{"POST", "bedrock-runtime.eu-west-1.amazonaws.com", "/model/m%3A0/converse-stream",
		 "bedrock", "converse_stream"},
		{"POST", "api.x.ai", "/v1/chat/completions", "xai", "chat_completions"},
		{"POST", "openrouter.ai", "/api/v1/chat/completions", "openrouter",
		 "chat_completions"},
		{"POST", "api.groq.com", "/openai/v1/chat/completions", "groq", "chat_completions"},
		{"DELETE", "api.smith.langchain.com", "/runs/1", "langsmith", "api"},
		/* Nobody's host: the path says what it may be. */
		{"POST", "localhost", "/v1/chat/completions", "compatible", "chat_completions"},
		{"POST", "10.0.0.7", "/api/chat", "compatible", "native_chat"},
		{"POST", "llm.internal", "/v1/embeddings", "compatible", "embeddings"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(calls); i++) {
		struct lt_ask ask = {
			.host = lt_bytes_str(calls[i].host),
			.method = lt_bytes_str(calls[i].method),
			.path = lt_bytes_str(calls[i].path),
		};
		const struct lt_api *api = NULL;

		if (lt_catalog_match(catalog, &ask, &api) != LT_HOST_METERED)
			fail_msg("%s %s%s is not known", calls[i].method, calls[i].host,
				 calls[i].path);
		assert_string_equal(api->provider->name, calls[i].provider);
		assert_string_equal(api->name, calls[i].api);
	}
}

static enum lt_host_match match(const char *method, const char *host, const char *path)
{
	struct lt_ask ask = {.host = lt_bytes_str(host),
			     .method = lt_bytes_str(method),
			     .path = lt_bytes_str(path)};
	const struct lt_api *api;

	return lt_catalog_match(catalog, &ask, &api);
}

static void what_is_not_metered_is_no_call(void **state)
{
	(void)state;
	assert_int_equal(match("GET", "api.openai.com", "/v1/models"), LT_HOST_KNOWN);
	assert_int_equal(match("POST", "api.anthropic.com", "/v1/messages/count_tokens"),
			 LT_HOST_KNOWN);
	assert_int_equal(match("GET", "api.openai.com", "/v1/organization/usage/completions"),
			 LT_HOST_KNOWN);
	assert_int_equal(match("POST", "example.com", "/login"), LT_HOST_UNKNOWN);
	assert_int_equal(match("POST", "notapi.openai.com.evil.example", "/v1/files"),
			 LT_HOST_UNKNOWN);
	/* A client of an in-house server lists its models before it calls, on one connection. */
	assert_int_equal(match("GET", "llm.internal", "/v1/models"), LT_HOST_BESIDE);
	assert_int_equal(match("GET", "llm.internal", "/v1/modelsx"), LT_HOST_UNKNOWN);
	assert_false(lt_catalog_knows_host(catalog, lt_bytes_str("example.com")));
	assert_true(lt_catalog_knows_host(catalog, lt_bytes_str("api.mistral.ai")));
}

static void a_host_alone_tells_the_provider(void **state)
{
	struct lt_call call = {.host = "before"};

	(void)state;
	assert_false(lt_catalog_describe_host(catalog, lt_bytes_str("example.com"), &call));
	assert_string_equal(call.host, "before");
	assert_string_equal(call.provider, "");
	assert_true(lt_catalog_describe_host(catalog, lt_bytes_str("api.anthropic.com"), &call));
	assert_string_equal(call.host, "api.anthropic.com");
	assert_string_equal(call.provider, "anthropic");
	assert_string_equal(call.gen_ai_provider, "anthropic");
	assert_string_equal(call.category, "llm_token");
}

static void mcp_is_told_by_its_headers(void **state)
{
	struct lt_ask ask = {.host = lt_bytes_str("tools.example"),
			     .method = lt_bytes_str("POST"),
			     .path = lt_bytes_str("/mcp")};
	const struct lt_api *api = NULL;

	(void)state;
	assert_int_equal(lt_catalog_match(catalog, &ask, &api), LT_HOST_UNKNOWN);
	ask.mcp = true;
	assert_int_equal(lt_catalog_match(catalog, &ask, &api), LT_HOST_METERED);
	assert_string_equal(api->provider->name, "mcp");
}

static void paths_give_the_model(void **state)
{
	struct lt_path_parts parts = {0};

	(void)state;
	assert_true(lt_path_match("*/models/{model}:predict",
				  lt_bytes_str("/v1/x/models/m-1:predict"), &parts));
	assert_true(lt_bytes_is(parts.model, "m-1"));
	assert_true(lt_path_match("/v1/models/{model...}/predictions",
				  lt_bytes_str("/v1/models/meta/llama/predictions"), &parts));
	assert_true(lt_bytes_is(parts.model, "meta/llama"));
	assert_false(lt_path_match("/d/{model}/chat", lt_bytes_str("/d/a/b/chat"), &parts));
	assert_false(lt_path_match("/d/{model}/chat", lt_bytes_str("/d//chat"), &parts));
	assert_false(lt_path_match("/v1/chat", lt_bytes_str("/v1/chats"), NULL));
	assert_true(lt_path_match("*", lt_bytes_str(""), NULL));
}

/* A pattern and a path made to be slow cost a bounded time. */
static void hostile_paths_end(void **state)
{
	static char path[4096];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	assert_false(lt_path_match("*a*a*a*a*a*b", lt_bytes_str(path), NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_api_is_found_by_host_method_and_path),
		cmocka_unit_test(what_is_not_metered_is_no_call),
		cmocka_unit_test(a_host_alone_tells_the_provider),
		cmocka_unit_test(mcp_is_told_by_its_headers),
		cmocka_unit_test(paths_give_the_model),
		cmocka_unit_test(hostile_paths_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
