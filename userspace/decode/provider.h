/* SPDX-License-Identifier: Apache-2.0 */
/* A provider as its file describes it: hosts, credential headers, and its metered APIs. */
#pragma once

#include "userspace/decode/call.h"
#include "userspace/decode/shape.h"
#include "userspace/protocol/exchange.h"

enum {
	LT_PROVIDER_HOSTS_MAX = 32,
	LT_PROVIDER_APIS_MAX = 48,
	LT_API_PATHS_MAX = 4,
	LT_HEADER_NAMES_MAX = 4,
	LT_BESIDE_MAX = 16,
	LT_PATTERN_SIZE = 96,
};

struct lt_provider;

struct lt_api {
	const struct lt_provider *provider;
	const struct lt_shape *shape; /* resolved when the whole catalog is read */
	char shape_name[LT_SHAPE_WORD];
	char name[LT_WORD_SIZE], operation[LT_WORD_SIZE], record_type[LT_WORD_SIZE];
	char method[8];	   /* POST by default, * any */
	bool mcp;	   /* only what speaks the Model Context Protocol, wherever it is */
	bool websocket;	   /* only requests for a socket */
	bool free;	   /* metered, never charged */
	bool ignore;	   /* what else has its paths: no record */
	bool total_output; /* charged output is the stated total less the input */
	bool confirm;	   /* the path alone does not tell: the answer has to look like a call */
	bool stored;	   /* reads an object, whose usage counts once however often it is read */
	/* Stored, and its numbers grow while it is read: each reading counts for what has come. */
	bool cumulative;
	char tier[LT_WORD_SIZE]; /* service tier of every call, "" = as the answer says */
	char category[LT_WORD_SIZE], price_provider[LT_WORD_SIZE]; /* "": the provider's */
	uint32_t outside; /* bits of meters that totals leave out here, besides the shape's */
	char paths[LT_API_PATHS_MAX][LT_PATTERN_SIZE];
	unsigned path_count;
};

struct lt_provider {
	char name[LT_WORD_SIZE], gen_ai_provider[LT_WORD_SIZE], category[LT_WORD_SIZE];
	char price_provider[LT_WORD_SIZE];
	char hosts[LT_PROVIDER_HOSTS_MAX][LT_PATTERN_SIZE];
	unsigned host_count;
	char credential_headers[LT_HEADER_NAMES_MAX][LT_WORD_SIZE];
	unsigned credential_header_count;
	char request_id_headers[LT_HEADER_NAMES_MAX][LT_WORD_SIZE];
	unsigned request_id_header_count;
	/* Response headers that say HIT when a cache gave the answer, for nothing. */
	char free_on_hit[LT_HEADER_NAMES_MAX][LT_WORD_SIZE];
	unsigned free_on_hit_count;
	bool head_only;		 /* capture: head */
	bool named;		 /* the config says that this host speaks these shapes */
	bool keeps_objects;	 /* has an API that is stored */
	bool confirm;		 /* found by path on any host: the answer has to look like a call */
	char like[LT_WORD_SIZE]; /* has the APIs of this provider as well */
	/* Requests of no interest themselves, on whose connection calls may follow (confirm). */
	char beside[LT_BESIDE_MAX][LT_WORD_SIZE];
	unsigned beside_count;
	struct lt_api apis[LT_PROVIDER_APIS_MAX];
	unsigned api_count;
};

LT_MUST_CHECK int lt_provider_parse(const struct lt_yaml *yaml, struct lt_provider **ret,
				    struct lt_problem *problem);

/* What a path's variables stand for, empty where it has none; of several ids the last. */
struct lt_path_parts {
	struct lt_bytes model, id;
};

/*
 * Matches a path pattern: '*' any run of characters, "{model}" and "{id}" one segment, "{model...}"
 * one that may have slashes in it. *@ret (may be NULL) is set on a match only.
 */
bool lt_path_match(const char *pattern, struct lt_bytes path, struct lt_path_parts *ret);
