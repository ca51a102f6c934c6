/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One metered exchange in progress: what the decoder's parts share. Body bytes go straight through
 * to the shape's rules; what stays is a few numbers and short names.
 */
#pragma once

#include "userspace/base/proto_scan.h"
#include "userspace/decode/decoder.h"
#include "userspace/decode/provider.h"
#include "userspace/estimate/text_count.h"
#include "userspace/protocol/base64_member.h"
#include "userspace/protocol/event_stream.h"
#include "userspace/protocol/grpc.h"
#include "userspace/protocol/multipart.h"
#include "userspace/protocol/sse.h"

enum { LT_DISTINCT_MAX = 256, LT_UNRANKED = 255 };

enum lt_body {
	LT_BODY_UNKNOWN,
	LT_BODY_JSON,
	LT_BODY_SSE,
	LT_BODY_EVENTS,
	LT_BODY_GRPC,
	LT_BODY_OTHER
};

enum lt_request_body { LT_REQUEST_JSON, LT_REQUEST_FORM, LT_REQUEST_GRPC };

/* An element that is charged beside the totals, while it passes. */
struct lt_element {
	bool open, counts;
	char model[LT_MODEL_SIZE]; /* "": the call's own */
	struct lt_count meter[LT_M_COUNT];
};

enum {
	LT_SHARES_MAX = 4,
	LT_RPC_MAX = 32,
	LT_SEEN_SETS = 2048,
	LT_SEEN_WAYS = 4,
	LT_PROGRESS_MAX = 128
};

/* What was read of an object whose numbers grow. */
struct lt_progress {
	uint64_t object;
	uint64_t unit[LT_UNITS_MAX];
	int64_t cost;
};

/* What another model used that the same exchange is charged for. */
struct lt_share {
	char model[LT_MODEL_SIZE];
	bool inside; /* the call's totals have it already */
	struct lt_count meter[LT_M_COUNT];
};

/* Of the payload at hand, and of the last one that had some: a later one repeats them. */
struct lt_shares {
	struct lt_share now[LT_SHARES_MAX], kept[LT_SHARES_MAX];
	unsigned now_count, kept_count;
};

/* A request of JSON-RPC; or the message at hand, of either side. */
struct lt_rpc_message {
	uint64_t id; /* hash of the id, 0: none */
	bool asks;   /* has a method */
	bool answered, failed;
	char method[LT_WORD_SIZE], tool[LT_TOOL_SIZE], error[LT_WORD_SIZE];
};

struct lt_rpc {
	struct lt_rpc_message now[2]; /* by side */
	struct lt_rpc_message pending[LT_RPC_MAX];
	unsigned pending_count, emitted;
};

enum { LT_LATER_MAX = 24, LT_LATER_TEXT = 64 };

/* A value that holds only in payloads of some type, met before the type was. */
struct lt_later {
	uint16_t path;
	uint8_t type, n; /* enum lt_json_type; bytes of the text */
	char text[LT_LATER_TEXT];
};

struct lt_work {
	struct lt_decoder *decoder;
	const struct lt_api *api;
	const struct lt_exchange *exchange;
	struct lt_json_scan *request; /* NULL: not wanted any more */
	struct lt_json_scan *response;
	union {
		struct lt_sse sse;
		struct lt_event_stream events;
	};
	struct lt_base64_member inner; /* of an event's payload */
	struct lt_multipart form;
	/* By side; only for shapes whose paths are field numbers. */
	struct lt_grpc grpc[2];
	struct lt_proto_scan *proto[2];
	bool unwraps;	  /* this event's payload is base64 */
	bool says_events; /* by its content type */
	enum lt_body body;
	bool says_sse;		 /* by its content type */
	bool in_document;	 /* of a JSON body */
	uint64_t document_bytes; /* of it so far */
	bool bad_json;
	bool failed;	/* the answer reports an error */
	char start[16]; /* first bytes of an SSE payload: is it the done marker? */
	unsigned start_n;
	uint32_t type; /* bit of the payload's type */
	uint32_t types_seen;
	char speed[LT_WORD_SIZE];    /* as the answer says it ran */
	bool done;		     /* the stream's last payload was seen */
	uint8_t rank[2][LT_F_COUNT]; /* of the path that filled a field, by side */
	struct lt_count meter[LT_M_COUNT];
	struct lt_count unit[LT_UNITS_MAX]; /* millionths */
	struct lt_count extra[LT_M_COUNT];  /* sums of charged elements */
	struct lt_count payload_extra[LT_M_COUNT];
	struct lt_element element[LT_EACH_MAX];
	uint64_t counter[LT_COUNTERS_MAX];
	uint64_t payload_counter[LT_RULES_MAX]; /* conditional counts, by rule, until the type is
						   known */
	bool payload_counted;
	/* Of the request: turns of the model, what tools gave since the last one, for which calls.
	 */
	uint64_t model_turns, results, result_ids;
	bool session_said;			  /* by a header */
	struct lt_count header_meter[LT_M_COUNT]; /* said by headers, where the body says nothing */
	bool replaces;	    /* the next meter begins a usage object that replaces the one before */
	bool guessed;	    /* the request was not seen: the answer's beginning chose the API */
	bool confirmed;	    /* the answer has the shape */
	bool emit_now;	    /* the call of a session ends with this payload */
	bool dropped;	    /* the request is none of those that are charged */
	unsigned documents; /* that ended in a body of several */
	unsigned emitted;   /* calls of this session so far */
	enum lt_request_body request_body;
	uint64_t distinct[LT_DISTINCT_MAX];
	unsigned distinct_count;
	struct lt_text_count *text[2]; /* by side; NULL until there is some */
	uint32_t text_path[2];	       /* from which the last of it came */
	bool text_said[2];	       /* it was at the paths that come first */
	bool framed[2];		       /* a part with marks around it was among it */
	uint64_t size_from;	       /* where the structure at hand began */
	struct lt_shares *shares;      /* NULL until an element names a model */
	struct lt_rpc *rpc;	       /* NULL: the shape has no messages */
	struct lt_later *later;	       /* LT_LATER_MAX of them; NULL until there is one */
	unsigned later_count;
	char object[LT_ID_SIZE]; /* the id in the path */
	bool asked;		 /* the request has the shape */
	bool cached;		 /* a gateway's cache answered, for nothing */
	bool answered;		 /* the request of JSON-RPC that is the call at hand */
	struct lt_call call;
};

struct lt_decoder {
	struct lt_decoder_opts opts;
	const struct lt_catalog *catalog;
	struct lt_call_sink sink;
	struct lt_bpe_shelf shelf;
	size_t open;
	uint64_t (*seen)[LT_SEEN_WAYS]; /* objects whose usage has passed, newest first in a set */
	char claim_names[LT_CLAIMS_MAX][LT_CLAIM_SIZE + 1];
	size_t claim_count;
	uint32_t claim_stamp;
	struct lt_progress *progress; /* LT_PROGRESS_MAX of them, by their object's hash */
};

/* ---- extract.c: a value that was found, by the rule of its path ---- */

void lt_work_request_hit(struct lt_work *w, const struct lt_json_hit *hit);
void lt_work_response_hit(struct lt_work *w, const struct lt_json_hit *hit);
/* A request's form field, which is as good as a member of that name. */
void lt_work_form_field(struct lt_work *w, struct lt_bytes name, struct lt_bytes value);
void lt_work_headers(struct lt_work *w, const struct lt_http_head *head);
void lt_work_request_headers(struct lt_work *w, const struct lt_http_head *head);
/* The payload's type, where its framing says it. */
void lt_work_type(struct lt_work *w, struct lt_bytes type);
void lt_work_field(struct lt_work *w, enum lt_side side, enum lt_field field, struct lt_bytes text);
/* A payload (or the one JSON body) is whole: what depended on its type is settled. */
void lt_work_payload_ends(struct lt_work *w);
/* What a payload that cannot be finished said so far is kept, but for what depends on its end. */
void lt_work_payload_drop(struct lt_work *w);
/* Printable words only: anything else on the wire is not taken over as it is. */
void lt_copy_word(char *to, size_t size, struct lt_bytes text);

/* ---- text.c: tokens that nobody states ---- */

/* The rules TEXT, TEXT_EACH and TEXT_SIZE; @piece of a string, or the @hit that ends one. */
void lt_work_text(struct lt_work *w, enum lt_side side, uint32_t path, struct lt_bytes piece);
void lt_work_text_hit(struct lt_work *w, enum lt_side side, const struct lt_rule *rule,
		      const struct lt_json_hit *hit);
/* Fills what the wire left open, and says so. @streams: the answer came in pieces. */
void lt_work_estimate(struct lt_work *w, bool streams);
void lt_work_text_drop(struct lt_work *w, enum lt_side side);

/* ---- decoder.c ---- */

/* The call at hand is whole, as far as it will be: it goes out, and the next one of the exchange
 * begins. */
void lt_work_emit(struct lt_work *w, enum lt_end why);

/* ---- grpc_body.c: messages of gRPC, by side ---- */

/* Whether the message's body is gRPC, and one that the shape has rules for; then it is ready for
 * it. */
bool lt_work_grpc_begins(struct lt_work *w, const struct lt_http_head *head);
/* The call's own status, in the response's head or behind its body. */
void lt_work_grpc_status(struct lt_work *w, const struct lt_http_head *head);
void lt_work_grpc_done(struct lt_work *w);

/* ---- objects.c: what is stored and can be read again ---- */

/* Says whether the usage of the call's object has passed before, or (of one that grows) takes off
 * what had. */
void lt_work_object(struct lt_work *w);
void lt_decoder_forget(struct lt_decoder *d);

/* ---- describe.c: what a request's head says of the call ---- */

struct lt_bytes lt_request_path(const struct lt_http_head *head);
/* Whether the head is that of a client of the Model Context Protocol. */
bool lt_request_is_mcp(const struct lt_http_head *head);
/* @host: asked for in the head, or what is known of the connection. */
void lt_work_describe(struct lt_work *w, const struct lt_exchange *x,
		      const struct lt_http_head *head, struct lt_bytes host);

/* Whom the provider bills, as the head of a request or an answer says. */
void lt_work_billed(struct lt_work *w, const struct lt_http_head *head);

/* ---- shares.c: several models charged in one exchange ---- */

/* An element has ended whose numbers are those of a model of its own. */
void lt_work_share(struct lt_work *w, const struct lt_element *e, bool inside);
void lt_work_shares_payload_ends(struct lt_work *w);
/* Those of the call's own model go into its numbers; those inside of its totals are taken off. */
void lt_work_shares_settle(struct lt_work *w);
/* The n-th further call, from 1 on. False: there are no more. */
bool lt_work_shares_call(const struct lt_work *w, unsigned n, struct lt_call *ret);

/* ---- jsonrpc.c: messages of JSON-RPC, each request a call ---- */

void lt_work_rpc_hit(struct lt_work *w, enum lt_side side, const struct lt_rule *rule,
		     const struct lt_json_hit *hit);
/* The exchange's next request with its answer, as the call at hand. False: there are no more. */
bool lt_work_rpc_next(struct lt_work *w);

/* ---- settle.c: what was found, as one call ---- */

/* Fills usage, counts and whether the call is charged. @why: how the exchange ended. */
void lt_work_settle(struct lt_work *w, const struct lt_exchange *x, enum lt_end why);
/* Whether anything that is charged was said since the last call of the session. */
bool lt_work_has_usage(const struct lt_work *w);
/* Ready for the session's next call: what belongs to the connection stays. */
void lt_work_next_call(struct lt_work *w);
