/* SPDX-License-Identifier: Apache-2.0 */
/* What the protocol room emits: request/response pairs with their heads and (content-decoded) body
 * bytes. */
#pragma once

#include "userspace/stream/stream.h"

enum lt_side { LT_SIDE_REQUEST, LT_SIDE_RESPONSE };

enum {
	LT_HEAD_BYTES_MAX =
		65536, /* a larger header block is refused (hostile), the connection given up */
	LT_HEAD_FIELDS_MAX = 256, /* further fields are skipped and counted */
};

struct lt_http_field {
	struct lt_bytes name;  /* as on the wire: compare without case */
	struct lt_bytes value; /* outer white space cut */
};

/* A message head. Borrowed for the call; the parser wipes the memory afterwards (it holds keys). */
struct lt_http_head {
	enum lt_side side;
	struct lt_bytes method; /* request */
	struct lt_bytes
		target; /* request: as on the wire, with query; of an absolute form the path */
	struct lt_bytes host; /* request: Host field or authority, without port; may be empty */
	uint16_t port;	      /* request: port in Host or authority, 0 when none */
	unsigned status;      /* response */
	const struct lt_http_field *fields;
	size_t field_count;
};

/* First field of that name (case ignored), empty view when absent. */
struct lt_bytes lt_http_field(const struct lt_http_head *head, const char *name);

/* How an exchange ended. */
enum lt_end {
	LT_END_COMPLETE,       /* both messages ended as their framing says */
	LT_END_CLIENT_ABORT,   /* closed before the response's framing was complete */
	LT_END_NO_RESPONSE,    /* closed before any response byte */
	LT_END_GAP,	       /* bytes were lost and the end could not be found */
	LT_END_PROTOCOL_ERROR, /* the bytes broke the protocol */
	LT_END_UPGRADED,       /* 101: the connection speaks something else from here on */
	LT_END_EVICTED,	       /* a ceiling was hit */
};

/* What the consumer wants of an exchange, answered when its request head is known. */
enum lt_interest {
	LT_INTEREST_NONE,   /* frame it, but deliver nothing more of it */
	LT_INTEREST_BODIES, /* deliver heads and decoded bodies of both sides */
	/* Heads only: the connection may go to verdict HEAD. Body bytes that are left out then
	   count as no loss. */
	LT_INTEREST_HEAD,
	LT_INTEREST_LATER, /* nothing of this one, but a later one may matter: the verdict stays */
	LT_INTEREST_CONNECTION_NONE, /* nothing on this connection will ever matter: verdict IGNORE
				      */
};

/* One exchange. Owned by the parser; lives from request() to end(). Times are boot time, 0 = not
 * yet. */
struct lt_exchange {
	const struct lt_conn *conn;
	uint64_t stream_id; /* 0 on HTTP/1.1 */
	uint64_t ordinal;   /* of the exchange on its connection, from 0 */
	uint64_t first_byte_ns;
	uint64_t request_end_ns;
	uint64_t first_response_ns;
	uint64_t last_ns;
	unsigned status;	     /* of the response head, 0 = none yet */
	uint64_t request_body_bytes; /* on the wire, after transfer coding, before content coding is
					undone */
	uint64_t response_body_bytes;
	uint64_t lost_bytes; /* missing bytes within this exchange, both sides */
	bool lost[2];	     /* by side: some of its body is missing */
	bool body_error[2];  /* by side: content coding could not be undone from some byte on */
	bool joined; /* begun before we saw it: its request head is not known, or not all of it */
	bool websocket; /* from its response head on, bodies are messages */
	void *user;	/* the consumer's */
};

/* Implemented by the decode room. Every request() is followed by exactly one end(). */
struct lt_exchange_sink {
	void *arg;
	enum lt_interest (*request)(void *arg, struct lt_exchange *x,
				    const struct lt_http_head *head);
	/* Final response head (1xx other than 101 are not shown). */
	void (*response)(void *arg, struct lt_exchange *x, const struct lt_http_head *head);
	/* Body bytes in order, transfer and content coding undone. */
	void (*body)(void *arg, struct lt_exchange *x, enum lt_side side, struct lt_bytes data);
	/* @lost bytes (before content decoding) are missing here. After a gap in an encoded body
	 * nothing follows. */
	void (*body_gap)(void *arg, struct lt_exchange *x, enum lt_side side, uint64_t lost);
	/* May be NULL. A WebSocket message of @side is whole; its data went through body(). */
	void (*message)(void *arg, struct lt_exchange *x, enum lt_side side);
	/* May be NULL. Fields behind a body (chunked trailer, HTTP/2 trailers such as grpc-status).
	 */
	void (*trailer)(void *arg, struct lt_exchange *x, const struct lt_http_head *trailer);
	/* May be NULL. The exchange goes on as @x, what it was before is gone (h2c: its answer
	 * comes over another protocol). */
	void (*moved)(void *arg, struct lt_exchange *x);
	void (*end)(void *arg, struct lt_exchange *x, enum lt_end why);
};
