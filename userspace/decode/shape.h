/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shape: how an API family writes its requests and responses, compiled from YAML. Every path
 * becomes one rule; the rule's number is the path's number in the scanner's set, so a hit costs one
 * array access.
 */
#pragma once

#include "userspace/base/json_scan.h"
#include "userspace/base/yaml.h"
#include "userspace/decode/usage.h"

enum {
	LT_RULES_MAX = 160,
	LT_WORDS_MAX = 12,    /* values in one "in" list */
	LT_COUNTERS_MAX = 16, /* counters of a shape */
	LT_TYPES_MAX = 32,    /* payload types that a shape names */
	LT_EACH_MAX = 8,      /* element scopes */
	LT_HEADER_RULES_MAX = 12,
	LT_FINISH_NAMES_MAX = 24,
	LT_TIER_NAMES_MAX = 8,
	LT_SHAPE_WORD = 64,
};

/* Numbers as the wire names them, before they are made disjoint. */
enum lt_meter {
	LT_M_INPUT,
	LT_M_OUTPUT,
	LT_M_CACHE_READ,
	LT_M_CACHE_READ_AUDIO, /* part of cache_read and of audio_input, as the next one */
	LT_M_CACHE_READ_IMAGE,
	LT_M_CACHE_WRITE,
	LT_M_CACHE_WRITE_5M,
	LT_M_CACHE_WRITE_1H,
	LT_M_REASONING,
	LT_M_AUDIO_INPUT,
	LT_M_AUDIO_OUTPUT,
	LT_M_IMAGE_INPUT,
	LT_M_IMAGE_OUTPUT,
	LT_M_INPUT_EXTRA,  /* charged input beside the total, without a meter of its own */
	LT_M_OUTPUT_EXTRA, /* the same for output */
	LT_M_TOTAL,
	LT_M_COUNT,
};

/* -ENOENT: no such meter. */
LT_MUST_CHECK int lt_meter_parse(const char *name, enum lt_meter *ret);

enum lt_field {
	LT_F_MODEL,
	LT_F_ID,
	LT_F_FINISH_REASON,
	LT_F_SERVICE_TIER,
	LT_F_SPEED, /* a way to run the model: other than standard, it takes the tier's place */
	LT_F_ERROR_TYPE,
	LT_F_USER,
	LT_F_OPERATION,
	LT_F_STREAM,
	LT_F_BLOCKED,	/* why a prompt got no answer: the finish reason, with a mark */
	LT_F_SESSION,	/* id of the conversation */
	LT_F_PREVIOUS,	/* id of the answer that the request goes on from */
	LT_F_CACHE_KEY, /* the conversation's, with some clients */
	LT_F_COUNT,
};

enum { LT_COUNTS_TOOL_CALLS = 255 }; /* in lt_shape.counts */

enum lt_keep { LT_KEEP_LAST, LT_KEEP_FIRST, LT_KEEP_SUM, LT_KEEP_MAX };

enum lt_rule_kind {
	LT_RULE_FIELD,
	LT_RULE_METER,
	LT_RULE_UNIT,
	LT_RULE_COUNT,	  /* a value (in the list, if there is one) counts one */
	LT_RULE_DISTINCT, /* each new text counts one */
	LT_RULE_TYPE,	  /* the payload's type */
	LT_RULE_EACH,	  /* begin and end of an element */
	LT_RULE_EACH_TYPE,
	LT_RULE_EACH_METER,
	LT_RULE_REPLACE, /* a usage object begins that replaces what was said before */
	LT_RULE_COST,	 /* money stated by the provider */
	LT_RULE_LENGTH,	 /* a unit: the text's characters */
	LT_RULE_EMIT,	 /* an object that ends one of several calls of a session */
	LT_RULE_CONFIRM, /* the answer has the shape */
	LT_RULE_TEXT, /* what tokens are estimated from, where nobody states them; KEEP_FIRST: only
			 where no other path has it */
	LT_RULE_TEXT_EACH,  /* framing of a known number of tokens */
	LT_RULE_TEXT_SIZE,  /* an object or list that is rendered in another form: by its bytes */
	LT_RULE_DROP,	    /* only exchanges whose request says one of the words are charged */
	LT_RULE_EACH_MODEL, /* the model that the element was charged for */
	LT_RULE_RPC,	    /* a member of a JSON-RPC message: enum lt_rpc_part */
	LT_RULE_MODEL_TURN, /* the model has spoken: what tools gave before is no news */
	LT_RULE_RESULT,	    /* what a tool gave */
	LT_RULE_RESULT_ID,  /* of the call that it answers */
};

/* Members of JSON-RPC messages that rules name. */
enum lt_rpc_part {
	LT_RPC_MESSAGE, /* begins and ends */
	LT_RPC_ID,
	LT_RPC_METHOD,
	LT_RPC_TOOL,
	LT_RPC_ERROR,
	LT_RPC_FAILED, /* the tool's own failure */
};

struct lt_rule {
	enum lt_rule_kind kind;
	enum lt_keep keep;
	uint8_t target; /* field, meter, unit, counter, element scope, or tokens (TEXT_EACH) */
	uint8_t meter;	/* EACH_METER */
	int8_t scale;	/* COST: one on the wire is 10^-scale of the currency */
	uint8_t rank;	/* of a field's paths: a lower one is not replaced by a higher one */
	uint8_t word_count;
	char words[LT_WORDS_MAX][LT_SHAPE_WORD];
	uint32_t when; /* bits of payload types under which it holds, 0 = always */
};

/* One side's rules and the path set that they are numbered by. */
struct lt_rules {
	struct lt_json_paths *paths;
	struct lt_rule rule[LT_RULES_MAX];
	const char *path[LT_RULES_MAX]; /* while compiling */
	unsigned count;
	bool has_framing;
	uint8_t text_base; /* tokens beside the framing of each part */
};

/* A response header that says what the body does not, or what it says as well. */
struct lt_header_rule {
	enum lt_rule_kind kind; /* FIELD, METER, UNIT or COST */
	uint8_t target;
	char name[LT_SHAPE_WORD];
};

struct lt_shape {
	char name[LT_SHAPE_WORD];
	struct lt_rules request, response;
	struct lt_header_rule header[LT_HEADER_RULES_MAX];
	unsigned header_count;
	struct lt_header_rule request_header[LT_HEADER_RULES_MAX]; /* fields only */
	unsigned request_header_count;
	bool request_confirms; /* a request has to have the shape as well */
	bool plan;	       /* paid for by the month: no call has a cost of its own */
	uint32_t zero;	       /* bits of meters that are 0 when usage is stated without them */
	uint32_t emit;	       /* bits of types that end one of several calls of a session */
	char finish_names[LT_FINISH_NAMES_MAX][LT_SHAPE_WORD]; /* of reasons that come as numbers */
	unsigned finish_count;
	bool has_per_call;
	uint16_t per_call[LT_UNITS_MAX]; /* units of every answered call */
	bool unwrap;			 /* events carry their payload in base64 */
	uint32_t outside;		 /* bits of meters that their side's total leaves out */
	char types[LT_TYPES_MAX][LT_SHAPE_WORD];
	unsigned type_count;
	uint32_t terminal; /* bits of types that end a stream */
	uint32_t error;	   /* bits of types that report a failure */
	char done[16];	   /* payload that ends a stream, "" = none */
	char units[LT_UNITS_MAX][LT_UNIT_NAME];
	unsigned unit_count;
	unsigned counter_count;
	uint8_t counts[LT_COUNTERS_MAX]; /* what each counter is of: a unit, or LT_COUNTS_TOOL_CALLS
					  */
	unsigned each_count;
	bool each_inside[LT_EACH_MAX]; /* the totals have the element's numbers already */
	bool protobuf;		       /* paths are field numbers; bodies are gRPC */
	char tier_names[LT_TIER_NAMES_MAX][LT_SHAPE_WORD]; /* as finish_names */
	unsigned tier_name_count;
	bool has_results; /* says what tools gave, in its requests */
	bool rpc; /* messages of JSON-RPC: each request that is answered is a call of its own */
	char rpc_methods[LT_WORDS_MAX][LT_SHAPE_WORD]; /* those that are */
	unsigned rpc_method_count;
};

LT_MUST_CHECK int lt_shape_parse(const struct lt_yaml *yaml, struct lt_shape **ret,
				 struct lt_problem *problem);
struct lt_shape *lt_shape_free(struct lt_shape *shape);
LT_DEFINE_FREEP(lt_shape_free, struct lt_shape)
