// SPDX-License-Identifier: Apache-2.0
/* Keys: which are one and the same, of what kind they are, and that nothing of them stays. */
#include "userspace/decode/credential.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/decode/decoder.h"
#include "userspace/protocol/protocol.h"

static const uint8_t secret[32] = "a secret of the tests, no more..";
static const uint8_t older[32] = "and the one that was before it..";

static struct lt_catalog *catalog;
static struct lt_call call;
static unsigned count;

static struct lt_credential read_as(const char *provider, const char *text)
{
	const struct lt_key_secrets secrets = {.current = secret};
	struct lt_credential c;

	lt_ignore(lt_credential_read(&secrets, provider, lt_bytes_str(text), &c));
	return c;
}

static uint64_t fp(const char *text)
{
	return lt_fingerprint(secret, lt_bytes_str(text));
}

static void every_kind_is_told_by_its_prefix(void **state)
{
	static const struct {
		const char *provider, *text, *kind;
		unsigned traits;
	} cases[] = {
		{"openai", "Bearer sk-proj-0123456789", "openai_project", 0},
		{"openai", "Bearer sk-svcacct-0123456789", "openai_service_account", 0},
		{"openai", "Bearer sk-admin-0123456789", "openai_admin", LT_KEY_ADMIN},
		{"openai", "Bearer sk-None-0123456789", "openai_user", 0},
		{"openai", "Bearer sk-0123456789", "openai_user", 0},
		{"openai", "Bearer sess-0123456789", "openai_session", 6},
		{"openai", "Bearer ek_0123456789", "openai_ephemeral", LT_KEY_SHORT},
		{"openai", "Bearer eyJhbGciOi.e30.x", "openai_oauth", 6},
		{"chatgpt-codex", "Bearer eyJhbGciOi.e30.x", "openai_oauth", 6},
		{"anthropic", "sk-ant-api03-0123456789", "anthropic_api_key", 0},
		{"anthropic", "sk-ant-admin01-0123456789", "anthropic_admin", LT_KEY_ADMIN},
		{"anthropic", "Bearer sk-ant-oat01-0123456789", "anthropic_oauth", 6},
		{"anthropic", "sk-ant-sid01-0123456789", "anthropic_session", 6},
		{"openrouter", "Bearer sk-or-v1-0123456789", "openrouter_api_key", 0},
		{"helicone", "Bearer sk-helicone-0123456", "helicone_api_key", 0},
		{"langfuse", "Bearer sk-lf-0123456", "langfuse_secret", 0},
		{"gemini", "AIzaSy0123456789", "google_api_key", 0},
		{"gemini", "AQ.0123456789", "google_bound_key", 0},
		{"vertex", "Bearer ya29.a0AfH", "google_oauth", 6},
		{"vertex", "Bearer ya29.c.b0AX", "google_service_account", LT_KEY_SHORT},
		{"bedrock",
		 "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261124/us-east-1/bedrock/"
		 "aws4_request, SignedHeaders=host, Signature=00",
		 "aws_access_key", 0},
		{"bedrock",
		 "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261124/us-east-1/bedrock/"
		 "aws4_request, SignedHeaders=host, Signature=00",
		 "aws_temporary", LT_KEY_SHORT},
		{"bedrock", "Bearer ABSK0123456789", "aws_bedrock_key", 0},
		{"bedrock", "Bearer bedrock-api-key-0123", "aws_bedrock_temporary", LT_KEY_SHORT},
		{"groq", "Bearer gsk_0123456789", "groq_api_key", 0},
		{"xai", "Bearer xai-0123456789", "xai_api_key", 0},
		{"xai", "Bearer xai-token-0123456789", "xai_management", LT_KEY_ADMIN},
		{"perplexity", "Bearer pplx-0123456789", "perplexity_api_key", 0},
		{"huggingface", "Bearer hf_0123456789", "huggingface_user", 0},
		{"huggingface", "Bearer api_org_0123456789", "huggingface_organization", 0},
		{"replicate", "Token r8_0123456789", "replicate_api_key", 0},
		{"fireworks", "Bearer fw_0123456789", "fireworks_api_key", 0},
		{"nvidia", "Bearer nvapi-0123456789", "nvidia_api_key", 0},
		{"cerebras", "Bearer csk-0123456789", "cerebras_api_key", 0},
		{"together", "Bearer tgp_v1_0123456789", "together_api_key", 0},
		{"friendli", "Bearer flp_0123456789", "friendli_api_key", 0},
		{"vercel-gateway", "Bearer vck_0123456789", "vercel_gateway_key", 0},
		{"jina", "Bearer jina_0123456789", "jina_api_key", 0},
		{"upstage", "Bearer up_0123456789", "upstage_api_key", 0},
		{"voyage", "Bearer pa-0123456789", "voyage_api_key", 0},
		{"databricks", "Bearer dapi0123456789", "databricks_token", 0},
		{"github-copilot", "Bearer tid=0123;exp=17;sku=x", "github_copilot", 6},
		{"github-copilot", "Bearer eyJhbGciOi.e30.x", "github_copilot", 6},
		{"github-copilot", "token ghu_0123456789", "github_app_user", 6},
		{"github-models", "Bearer gho_0123456789", "github_oauth", LT_KEY_PERSONAL},
		{"github-models", "Bearer ghp_0123456789", "github_personal", LT_KEY_PERSONAL},
		{"github-models", "Bearer github_pat_0123", "github_personal", LT_KEY_PERSONAL},
		{"github-models", "Bearer ghs_0123456789", "github_app", LT_KEY_SHORT},
		{"pinecone", "pcsk_0123456789", "pinecone_api_key", 0},
		{"tavily", "Bearer tvly-0123456789", "tavily_api_key", 0},
		{"firecrawl", "Bearer fc-0123456789", "firecrawl_api_key", 0},
		{"e2b", "e2b_0123456789", "e2b_api_key", 0},
		{"browserbase", "bb_live_0123456789", "browserbase_api_key", 0},
		{"apify", "Bearer apify_api_0123456789", "apify_token", 0},
		{"langsmith", "lsv2_pt_0123456789", "langsmith_personal", 0},
		{"langsmith", "lsv2_sk_0123456789", "langsmith_service", 0},
		{"notion", "Bearer ntn_0123456789", "notion_token", 0},
		{"sendgrid", "Bearer SG.0123456789", "sendgrid_api_key", 0},
		{"slack", "Bearer xoxb-0123456789", "slack_bot", 0},
		{"slack", "Bearer xoxp-0123456789", "slack_user", LT_KEY_PERSONAL},
		{"stripe", "Bearer sk_live_0123456789", "stripe_secret", 0},
		{"stripe", "Bearer rk_live_0123456789", "stripe_restricted", 0},
		{"elevenlabs", "sk_0123456789", "elevenlabs_api_key", 0},
		{"azure", "0123456789abcdef0123456789abcdef", "azure_api_key", 0},
		{"azure",
		 "012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		 "123",
		 "azure_api_key", 0},
		{"azure", "Bearer eyJhbGciOi.e30.x", "azure_entra", LT_KEY_SHORT},
		{"watsonx", "Bearer eyJhbGciOi.e30.x", "jwt", LT_KEY_SHORT},
		{"deepseek", "Bearer sk-0123456789", "deepseek_api_key", 0},
		{"alibaba", "Bearer sk-0123456789", "alibaba_api_key", 0},
		{"moonshot", "Bearer sk-0123456789", "moonshot_api_key", 0},
		{"stability", "Bearer sk-0123456789", "stability_api_key", 0},
		{"compatible", "Bearer sk-0123456789", "sk_key", 0},
		{"mistral", "Bearer 0123456789abcdef0123456789abcdef", "mistral_api_key", 0},
		{"cohere", "Bearer 0123456789abcdef0123456789abcdef01234567", "cohere_api_key", 0},
		{"twilio", "Basic QUM6YWJj", "basic", 0},
		{"exa", "0f6b1c1e-3c5a-4f0e-a2f5-5e8a3d1b7c22", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_credential c = read_as(cases[i].provider, cases[i].text);
		const struct lt_key_kind *kind = lt_key_kind_named(c.kind);

		if (c.fp == 0 || strcmp(c.kind, cases[i].kind) != 0 ||
		    (kind ? kind->traits : 0) != cases[i].traits || strlen(c.kind) >= LT_WORD_SIZE)
			fail_msg("%s at %s is '%s' (%u)", cases[i].text, cases[i].provider, c.kind,
				 kind ? kind->traits : 0);
	}
	assert_null(lt_key_kind_named("no such kind"));
}

static void one_key_has_one_fingerprint(void **state)
{
	static const char *const same[] = {
		"Bearer sk-proj-1", "bearer sk-proj-1", "BEARER  sk-proj-1 ", "sk-proj-1",
		"Key sk-proj-1",    "ApiKey sk-proj-1", "Token sk-proj-1"};
	static const char signed_with[] = "AWS4-HMAC-SHA256 Credential=AKIA1/20261124/us-east-1/"
					  "bedrock/aws4_request, Signature=";
	char text[256];

	(void)state;
	for (size_t i = 0; i < LT_COUNT(same); i++)
		assert_int_equal(read_as("openai", same[i]).fp, fp("sk-proj-1"));
	for (int i = 0; i < 3; i++) { /* another signature each time */
		snprintf(text, sizeof(text), "%s%d", signed_with, i);
		assert_int_equal(read_as("bedrock", text).fp, fp("AKIA1"));
	}
	assert_int_equal(read_as("github-copilot", "Bearer tid=abc;exp=1").fp,
			 read_as("github-copilot", "Bearer tid=abc;exp=2").fp);
	assert_int_equal(read_as("openai", "").fp, 0);
	assert_int_equal(read_as("openai", "Bearer ").fp, 0);
	assert_int_equal(read_as("bedrock", "AWS4-HMAC-SHA256 Signature=1").fp, 0);
}

enum { KEY_SIZE = 40, SCAN = 1 << 16, MAPPING_MAX = 64 << 20 };

/* The key's byte @i, of which the program has no copy in one piece. */
static uint8_t key_byte(size_t i)
{
	return (uint8_t)('A' + (i * 7 + i * i * 3) % 26);
}

static bool has_key(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + KEY_SIZE <= n; i++) {
		size_t k = 0;

		while (k < KEY_SIZE && p[i + k] == key_byte(k))
			k++;
		if (k == KEY_SIZE)
			return true;
	}
	return false;
}

static bool mapping_has_key(int mem, uint64_t from, uint64_t to)
{
	static uint8_t piece[SCAN + KEY_SIZE];
	bool found = false;

	for (uint64_t at = from; at < to && !found; at += SCAN) {
		uint64_t left = to - at;
		size_t want = left < sizeof(piece) ? (size_t)left : sizeof(piece);
		ssize_t n = pread(mem, piece, want, (off_t)at);

		if (at <= (uintptr_t)piece && (uintptr_t)piece < at + SCAN)
			continue; /* not what was read itself */
		found = n > 0 && has_key(piece, (size_t)n);
	}
	lt_wipe(piece, sizeof(piece));
	return found;
}

/* Whether the key stands anywhere in the memory that this process may write to. */
static bool memory_has_key(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	uint64_t from, to;
	char line[512], mode[5];
	bool found = false;

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (!found && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, mode) == 3 &&
		    mode[1] == 'w' && to - from <= MAPPING_MAX)
			found = mapping_has_key(mem, from, to);
	}
	fclose(maps);
	close(mem);
	return found;
}

static void on_call(void *arg, const struct lt_call *c)
{
	(void)arg;
	call = *c;
	count++;
}

/* One exchange whose request begins with @head, which is wiped. Whether the key is still somewhere
 * when the request's head has passed, or at the end. */
static bool exchange(char *head, size_t n, uint64_t previous_until_ns)
{
	static const char answer[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"id\":\"chatcmpl-1\","
		"\"object\":\"chat.completion\",\"model\":\"gpt-4o\",\"usage\":{\"prompt_tokens\":"
		"3,\"completion_tokens\":4}}";
	const struct lt_call_sink calls = {.call = on_call};
	struct lt_decoder_opts opts = {.previous_until_ns = previous_until_ns};
	struct lt_exchange_sink sink;
	struct lt_decoder *decoder = NULL;
	static const struct lt_conn conn;
	struct lt_parser *p;
	bool stays;

	memcpy(opts.fingerprint_key, secret, sizeof(secret));
	memcpy(opts.previous_key, older, sizeof(older));
	count = 0;
	assert_int_equal(lt_decoder_new(&opts, catalog, &calls, &decoder), 0);
	sink = lt_decoder_sink(decoder);
	assert_int_equal(lt_http1.open(&conn, &sink, &p), 0);
	/* In pieces: then the parser gathers the head in a place of its own. */
	for (size_t at = 0; at < n; at += 50)
		assert_int_equal(lt_http1.feed(p, LT_SIDE_REQUEST, 100,
					       lt_bytes(head + at, n - at < 50 ? n - at : 50)),
				 0);
	lt_wipe(head, n);
	stays = memory_has_key();
	assert_int_equal(lt_http1.feed(p, LT_SIDE_RESPONSE, 200, lt_bytes_str(answer)), 0);
	lt_http1.close(p, 300, LT_CLOSE_FREED);
	lt_decoder_free(decoder);
	assert_int_equal(count, 1);
	return stays || memory_has_key();
}

static void ask(const char *target, const char *fields)
{
	char head[1024];
	int n = snprintf(head, sizeof(head),
			 "POST %s HTTP/1.1\r\nHost: api.openai.com\r\n%sContent-Type: "
			 "application/json\r\nContent-Length: 2\r\n\r\n{}",
			 target, fields);

	exchange(head, (size_t)n, 0);
}

static void keys_are_found_wherever_they_stand(void **state)
{
	static const struct {
		const char *target, *fields, *key;
	} cases[] = {
		{"", "Authorization: Bearer sk-1\r\n", "sk-1"},
		{"", "X-Api-Key: sk-1\r\n", "sk-1"},
		{"", "Api-Key: sk-1\r\n", "sk-1"},
		{"", "X-Goog-Api-Key: sk-1\r\n", "sk-1"},
		{"?key=AIza1", "", "AIza1"},
		{"?alt=sse&key=AIza1", "", "AIza1"},
		{"?api_key=a%2Fb%3d&x=1", "", "a/b="},
		{"?token=t1", "", "t1"},
		{"?access_token=t1", "", "t1"},
		{"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIA1%2F20261124%2Fus-east-1",
		 "", "ASIA1"},
		{"", "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-1, x\r\n",
		 "sk-1"},
		{"", "Sec-WebSocket-Protocol: token, sk-1\r\n", "sk-1"},
		{"?monkey=1&keys=2", "Sec-WebSocket-Protocol: realtime\r\n", NULL},
		/* A header is what the provider looks at first. */
		{"?key=AIza1", "Authorization: Bearer sk-1\r\n", "sk-1"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		char target[256];

		snprintf(target, sizeof(target), "/v1/chat/completions%s", cases[i].target);
		ask(target, cases[i].fields);
		assert_int_equal(call.credential_fp, cases[i].key ? fp(cases[i].key) : 0);
	}
}

static void both_secrets_hold_for_the_overlap(void **state)
{
	static const uint64_t until[] = {0, 100, 101}; /* the request begins at 100 */

	(void)state;
	for (size_t i = 0; i < LT_COUNT(until); i++) {
		char head[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
			      "Authorization: Bearer sk-proj-1\r\nContent-Length: 2\r\n\r\n{}";

		exchange(head, sizeof(head) - 1, until[i]);
		assert_int_equal(call.credential_fp, fp("sk-proj-1"));
		assert_int_equal(call.previous_fp,
				 until[i] == 101 ? lt_fingerprint(older, lt_bytes_str("sk-proj-1"))
						 : 0);
		assert_string_equal(call.key_kind, "openai_project");
	}
}

/* A key in each of the places where one can stand, one after the other. */
static size_t write_request(char *to, size_t size, int place)
{
	static const char *const form[] = {
		"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: "
		"Bearer %s\r\nContent-Length: 2\r\n\r\n{}",
		"POST /v1/chat/completions?key=%s HTTP/1.1\r\nHost: api.openai.com\r\n"
		"Content-Length: 2\r\n\r\n{}",
		"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: "
		"AWS4-HMAC-SHA256 Credential=%s/20261124\r\nContent-Length: 2\r\n\r\n{}",
	};
	char *mark;
	size_t before, n = strlen(form[place]);

	assert_true(n + KEY_SIZE < size);
	memcpy(to, form[place], n + 1);
	mark = strstr(to, "%s");
	before = (size_t)(mark - to);
	memmove(mark + KEY_SIZE, mark + 2, n - before - 1);
	for (size_t i = 0; i < KEY_SIZE; i++)
		mark[i] = (char)key_byte(i);
	return n - 2 + KEY_SIZE;
}

static void nothing_of_a_key_stays_in_memory(void **state)
{
	char *probe = lt_calloc(1, 1024);

	(void)state;
	assert_non_null(probe);
	write_request(probe, 1024, 0); /* the search finds what there is */
	assert_true(memory_has_key());
	lt_wipe(probe, 1024);
	lt_free(probe);
	for (int place = 0; place < 3; place++) {
		char head[1024];

		size_t n = write_request(head, sizeof(head), place);

		assert_false(exchange(head, n, UINT64_MAX));
		assert_int_not_equal(call.credential_fp, 0);
		assert_false(has_key((const uint8_t *)&call, sizeof(call)));
	}
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
		cmocka_unit_test(every_kind_is_told_by_its_prefix),
		cmocka_unit_test(one_key_has_one_fingerprint),
		cmocka_unit_test(keys_are_found_wherever_they_stand),
		cmocka_unit_test(both_secrets_hold_for_the_overlap),
		cmocka_unit_test(nothing_of_a_key_stays_in_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
