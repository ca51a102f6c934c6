// SPDX-License-Identifier: Apache-2.0
/*
 * A ledger to export from: "make_ledger DIR" writes a call of every kind there, each with its kind
 * as tenant; "make_ledger DIR N" writes N calls of one kind after the other.
 */
#include <stdio.h>
#include <stdlib.h>

#include "userspace/ledger/ledger.h"
#include "userspace/price/price.h"

enum { BATCH = 1000 };

struct kind {
	const char *name;
	const char *provider, *host, *record_type, *category, *operation, *model;
	uint64_t bucket[LT_BUCKET_COUNT];
	const char *unit; /* another one, or NULL */
	uint64_t micro;
	enum lt_tier tier;
	enum lt_price_status forced; /* where the book is not asked: see @amount */
	int64_t amount;		     /* pico; 0: by the book */
	bool plan;
	const char *currency; /* NULL: USD */
};

#define LLM(provider, host, model) provider, host, "llm", "llm_token", "chat", model

/* clang-format off */
static const struct kind kinds[] = {
	{"llm_cached", LLM("anthropic", "api.anthropic.com", "claude-sonnet-4-5-20250929"),
	 {[LT_B_IN_UNCACHED] = 500, [LT_B_CACHE_READ] = 8000, [LT_B_CACHE_WRITE_5M] = 1200,
	  [LT_B_CACHE_WRITE_1H] = 700, [LT_B_OUT_VISIBLE] = 350}},
	{"reasoning", LLM("openai", "api.openai.com", "gpt-5"),
	 {[LT_B_IN_UNCACHED] = 40000, [LT_B_OUT_VISIBLE] = 23, [LT_B_REASONING] = 192}},
	{"long_context", LLM("gemini", "generativelanguage.googleapis.com", "gemini-2.5-pro"),
	 {[LT_B_IN_UNCACHED] = 400000, [LT_B_OUT_VISIBLE] = 5}},
	{"batch", LLM("openai", "api.openai.com", "gpt-4o"),
	 {[LT_B_IN_UNCACHED] = 1001, [LT_B_OUT_VISIBLE] = 3}, .tier = LT_TIER_BATCH},
	{"audio", LLM("openai", "api.openai.com", "gpt-4o-audio-preview"),
	 {[LT_B_IN_UNCACHED] = 10, [LT_B_IN_AUDIO] = 900, [LT_B_OUT_VISIBLE] = 7, [LT_B_OUT_AUDIO] = 400}},
	{"image", LLM("openai", "api.openai.com", "gpt-image-1"),
	 {[LT_B_IN_UNCACHED] = 10, [LT_B_IN_IMAGE] = 300, [LT_B_OUT_IMAGE] = 4160}},
	{"azure", LLM("azure", "corp.openai.azure.com", "gpt-4o"),
	 {[LT_B_IN_UNCACHED] = 118, [LT_B_OUT_VISIBLE] = 16}},
	{"bedrock", LLM("bedrock", "bedrock-runtime.eu-central-1.amazonaws.com", "anthropic.claude-3-haiku-20240307-v1:0"),
	 {[LT_B_IN_UNCACHED] = 118, [LT_B_OUT_VISIBLE] = 16}},
	{"embedding", "openai", "api.openai.com", "embedding", "llm_token", "embeddings", "text-embedding-3-small",
	 {[LT_B_IN_UNCACHED] = 7}},
	{"seconds", "openai", "api.openai.com", "llm", "llm_token", "speech_to_text", "whisper-1",
	 {0}, "seconds", 12345678, .forced = LT_PRICE_PRICED, .amount = 1234567800},
	{"search_units", "cohere", "api.cohere.com", "rerank", "llm_token", "rerank", "rerank-v3.5",
	 {0}, "search_units", 2000000, .forced = LT_PRICE_PRICED, .amount = 4000000000},
	{"tool_call", "exa", "api.exa.ai", "tool_api", "tool_call", "execute_tool", "",
	 {0}, .forced = LT_PRICE_INLINE, .amount = 5000000000},
	{"vector_db", "pinecone", "idx.svc.pinecone.io", "vector_db", "vector_db", "query", "",
	 {0}, "read_units", 6000000, .forced = LT_PRICE_PRICED, .amount = 96000000},
	{"inline", LLM("openrouter", "openrouter.ai", "acme/new-model"),
	 {[LT_B_IN_UNCACHED] = 118, [LT_B_OUT_VISIBLE] = 16}, .forced = LT_PRICE_INLINE, .amount = 123456789},
	{"free", LLM("ollama", "127.0.0.1", "llama3"),
	 {[LT_B_IN_UNCACHED] = 118, [LT_B_OUT_VISIBLE] = 16}, .forced = LT_PRICE_FREE},
	{"plan", LLM("chatgpt-codex", "chatgpt.com", "gpt-5-codex"),
	 {[LT_B_IN_UNCACHED] = 118, [LT_B_CACHE_READ] = 3, [LT_B_OUT_VISIBLE] = 16}, .plan = true},
	{"provisioned", LLM("azure", "corp.openai.azure.com", "gpt-4o"),
	 {[LT_B_IN_UNCACHED] = 118, [LT_B_OUT_VISIBLE] = 16}, .tier = LT_TIER_PROVISIONED},
	{"thirds", LLM("acme", "llm.acme.example", "odd"),
	 {[LT_B_IN_UNCACHED] = 3, [LT_B_OUT_VISIBLE] = 7}, .forced = LT_PRICE_PRICED, .amount = 1000000001},
	{"unpriced", LLM("acme", "llm.acme.example", "unknown-model"),
	 {[LT_B_IN_UNCACHED] = 118, [LT_B_OUT_VISIBLE] = 16}},
	{"credits", LLM("poe", "api.poe.com", "bot"),
	 {[LT_B_IN_UNCACHED] = 118}, .forced = LT_PRICE_PRICED, .amount = 7000000, .currency = "CREDITS"},
};
/* clang-format on */

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "make_ledger: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void copy(char *to, size_t size, const char *from)
{
	lt_ignore(lt_bytes_copy(to, size, lt_bytes_str(from)));
}

static void fill_call(struct lt_call *call, const struct kind *k, uint64_t n)
{
	struct lt_usage *u = &call->usage;

	call->conn.tgid = 4711;
	call->first_byte_ns = n;
	call->end_ns = n + 1500000000;
	call->ordinal = n;
	copy(call->provider, sizeof(call->provider), k->provider);
	copy(call->host, sizeof(call->host), k->host);
	copy(call->record_type, sizeof(call->record_type), k->record_type);
	copy(call->category, sizeof(call->category), k->category);
	copy(call->operation, sizeof(call->operation), k->operation);
	copy(call->request_model, sizeof(call->request_model), k->model);
	copy(call->response_model, sizeof(call->response_model), k->model);
	if (strcmp(k->provider, "gemini") == 0)
		copy(call->price_provider, sizeof(call->price_provider), "google");
	if (strcmp(k->provider, "bedrock") == 0)
		copy(call->price_provider, sizeof(call->price_provider), "aws");
	call->billable = LT_BILLABLE_YES;
	call->status = 200;
	call->tier = k->tier;
	call->plan = k->plan;
	u->source = LT_USAGE_WIRE;
	for (unsigned i = 0; i < LT_BUCKET_COUNT; i++)
		u->bucket[i] = (struct lt_count){k->bucket[i], k->bucket[i] > 0};
	if (k->unit) {
		u->unit_count = 1;
		copy(u->units[0].name, LT_UNIT_NAME, k->unit);
		u->units[0].amount_micro = k->micro;
	}
}

/* As a book with this one price would have it. */
static void force_cost(struct lt_cost *cost, const struct lt_usage *u, const struct kind *k)
{
	static const char *const names[] = {
#define LT_X(id, name, side) [LT_B_##id] = name,
		LT_BUCKETS(LT_X)
#undef LT_X
	};
	unsigned parts = 0;

	*cost = (struct lt_cost){.status = k->forced, .amount = k->amount};
	copy(cost->currency, sizeof(cost->currency), k->currency ? k->currency : "USD");
	if (k->forced == LT_PRICE_INLINE)
		return;
	copy(cost->version, sizeof(cost->version), "test@2026-01-01");
	for (unsigned i = 0; i < LT_BUCKET_COUNT; i++) {
		if (u->bucket[i].known)
			cost->parts[parts++] = (struct lt_cost_part){.meter = names[i],
								     .quantity = u->bucket[i].n};
	}
	if (k->unit)
		cost->parts[parts++] = (struct lt_cost_part){
			.meter = k->unit, .quantity = (k->micro + 500000) / 1000000};
	for (unsigned i = 0; i < parts; i++) {
		cost->parts[i].amount = k->amount / parts;
		snprintf(cost->parts[i].price, LT_PRICE_KEY, "%s/%s/%s@2026-01-01", k->provider,
			 k->model[0] ? k->model : "any", cost->parts[i].meter);
	}
	cost->part_count = parts;
}

static void make(const struct lt_book *book, const struct kind *k, uint64_t n,
		 struct lt_record *ret)
{
	static const uint8_t node[16] = {1}, boot[16] = {2};
	static struct lt_call call;
	static struct lt_identity who;
	static struct lt_cost cost;
	const int64_t start_ns = 1795000000000000000 + (int64_t)n * 1000000; /* 2026-11-18 */

	memset(&call, 0, sizeof(call));
	memset(&who, 0, sizeof(who));
	fill_call(&call, k, n);
	copy(who.tenant, sizeof(who.tenant), k->name);
	copy(who.team, sizeof(who.team), "billing");
	copy(who.namespace, sizeof(who.namespace), "prod");
	copy(who.workload, sizeof(who.workload), "Deployment/web");
	copy(who.tags, sizeof(who.tags), "{\"ticket\":\"A-1\"}");
	if (k->forced || k->amount)
		force_cost(&cost, &call.usage, k);
	else
		check(lt_price_call(book, &call, start_ns, &cost), "price");
	check(lt_record_make(node, boot, &call, &who, &cost, ret), "record");
	ret->start_ns = start_ns;
	ret->end_ns = start_ns + 1500000000;
}

int main(int argc, char **argv)
{
	size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : LT_COUNT(kinds), used = 0;
	static struct lt_record records[BATCH];
	static const struct lt_record *pointers[BATCH];
	struct lt_problem problem = {0};
	struct lt_ledger *ledger = NULL;
	struct lt_book *book = NULL;

	if (argc < 2) {
		fprintf(stderr, "usage: make_ledger DIR [N]\n");
		return 2;
	}
	check(lt_book_load(NULL, NULL, &book, &problem), problem.text);
	check(lt_ledger_open(argv[1], LT_LEDGER_WRITE, &ledger, &problem), problem.text);
	for (size_t i = 0; i < n; i++) {
		make(book, &kinds[i % LT_COUNT(kinds)], i, &records[used]);
		pointers[used] = &records[used];
		if (++used < BATCH && i + 1 < n)
			continue;
		check(lt_ledger_put(ledger, pointers, used), "put");
		used = 0;
	}
	for (size_t i = 0; argc == 2 && i < LT_COUNT(kinds); i++)
		puts(kinds[i].name);
	lt_ledger_close(ledger);
	lt_book_free(book);
	return 0;
}
