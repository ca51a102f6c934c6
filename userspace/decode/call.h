/* SPDX-License-Identifier: Apache-2.0 */
/* What decode emits: one provider call, as the wire showed it. Plain data, no content, no secrets.
 */
#pragma once

#include "userspace/capture/chunk.h"
#include "userspace/decode/usage.h"

enum {
	LT_MODEL_SIZE = 128,
	LT_ID_SIZE = 128,
	LT_WORD_SIZE = 40,
	LT_HOST_SIZE = 256,
	LT_TOOL_SIZE = 65,
	LT_CLAIMS_MAX = 4, /* request headers that the config names */
	LT_CLAIM_SIZE = 64,
};

enum lt_tier {
	LT_TIER_UNSTATED,
	LT_TIER_STANDARD,
	LT_TIER_BATCH,
	LT_TIER_FLEX,
	LT_TIER_PRIORITY,
	LT_TIER_PROVISIONED,
	LT_TIER_UNKNOWN,
};

/* What was not seen and had to be concluded, as bits of lt_call.inferred. */
enum {
	LT_INFERRED_HOST = 1, /* from the TLS connection, not from the request */
	LT_INFERRED_API = 2,  /* from what the answer looks like; its path was not seen */
	LT_INFERRED_HOP = 4, /* whose call it is a hop of, without a common id; set by the ledger */
};

/* Whether a usage record is due: not when the call failed or the API is not metered. */
enum lt_billable { LT_BILLABLE_UNKNOWN, LT_BILLABLE_NO, LT_BILLABLE_YES };

struct lt_call {
	struct lt_conn_key conn;
	uint64_t process_start_ns; /* boot time, as all *_ns here */
	uint64_t cgroup_id;
	uint32_t uid;
	enum lt_library library;
	uint64_t socket_cookie;
	uint64_t stream_id;
	uint64_t ordinal; /* of the exchange on its connection: pipelined requests share a first
			     byte time */
	uint64_t first_byte_ns;
	uint64_t first_response_ns; /* 0: no response */
	uint64_t end_ns;

	char host[LT_HOST_SIZE];	    /* without port */
	uint16_t port;			    /* 0 when the default */
	char provider[LT_WORD_SIZE];	    /* catalog name: openai, azure, anthropic ... */
	char gen_ai_provider[LT_WORD_SIZE]; /* OpenTelemetry gen_ai.provider.name value */
	char api[LT_WORD_SIZE];		    /* chat_completions, responses, messages ... */
	char operation[LT_WORD_SIZE]; /* gen_ai.operation.name: chat, embeddings, text_completion */
	char category[LT_WORD_SIZE];  /* llm_token, tool_call, vector_db, evaluation, human_review,
					 saas */
	char record_type[LT_WORD_SIZE];	   /* llm, embedding, rerank, tool_api ... */
	char price_provider[LT_WORD_SIZE]; /* key into the price book; "" = same as provider */

	char request_model[LT_MODEL_SIZE];
	char response_model[LT_MODEL_SIZE];
	char response_id[LT_ID_SIZE];
	char request_id[LT_ID_SIZE]; /* the provider's request id header */
	char finish_reason[LT_WORD_SIZE];
	char service_tier[LT_WORD_SIZE]; /* granted, as on the wire */
	enum lt_tier tier;		 /* the same, normalised */
	char error_type[64];
	char tool_name[LT_TOOL_SIZE]; /* of a tool's call: letters, digits, "_-./" */
	unsigned status;	      /* 0: no response */
	unsigned inferred;	      /* LT_INFERRED_* */
	bool stored;  /* reads an object (a batch's line, a stored answer) that can be read again */
	bool plan;    /* paid for by the month: no cost of its own */
	bool relayed; /* the host is no provider's own: a gateway or a server at home */
	bool repeat;  /* this process has seen that object's usage before: it counts no more */
	unsigned model; /* 0; n: what the n-th further model used that this exchange is charged for
			 */
	bool streaming;
	enum lt_billable billable;
	struct lt_count tool_calls;
	struct lt_usage usage;
	bool inline_cost_known;
	int64_t inline_cost_pico; /* stated by the provider, USD */
	uint64_t request_body_bytes;
	uint64_t response_body_bytes;
	uint64_t lost_bytes;
	uint64_t credential_fp;	     /* keyed fingerprint, 0 = none seen */
	uint64_t previous_fp;	     /* the same key under the secret before this one, 0 = none */
	uint64_t end_user_fp;	     /* keyed fingerprint of the request's user field, 0 = none */
	char key_kind[LT_WORD_SIZE]; /* of the credential, by its public prefix; "" = not known */
	/* Whom the provider bills, by its own headers (openai-organization,
	 * anthropic-organization-id
	 * ...); ids, not secrets. */
	char organization[LT_ID_SIZE];
	char project[LT_ID_SIZE];
	/* Only the request names it, the answer does not. */
	bool organization_claimed, project_claimed;
	/* Values of the headers that lt_decoder_claims names, "" = not sent; @claim_names: its
	 * stamp. */
	char claim[LT_CLAIMS_MAX][LT_CLAIM_SIZE];
	uint32_t claim_names;
	uint64_t session_fp; /* keyed fingerprint of the conversation's id on the wire, 0 = none */
	struct lt_count tool_results; /* of tools, that the request brings back */
	/* The same for requests that bring the same results back, as a retry does; 0 = none. Not
	 * kept. */
	uint64_t results_hash;
	char previous_id[LT_ID_SIZE]; /* response_id of the call that this one goes on from */
	char user_agent[64];	      /* product token only, e.g. "OpenAI/Python 2.54.0" */
};

/* "unstated" | "standard" | "batch" | "flex" | "priority" | "provisioned" | "unknown" */
const char *lt_tier_name(enum lt_tier t);

struct lt_call_sink {
	void *arg;
	void (*call)(void *arg, const struct lt_call *call);
	/* May be NULL. A metered request was seen, of which a call may come. */
	void (*begins)(void *arg, const struct lt_conn *conn);
	/* May be NULL. The first request of a connection was decoded; @host: as it names it. */
	void (*connection)(void *arg, const struct lt_conn *conn, struct lt_bytes host);
};
