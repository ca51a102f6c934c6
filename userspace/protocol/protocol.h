/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of every protocol parser: bytes in, exchanges out; no I/O; bounded state. Thread:
 * drain. */
#pragma once

#include "userspace/protocol/exchange.h"

enum lt_sniff { LT_SNIFF_NO, LT_SNIFF_MORE, LT_SNIFF_YES };

/* What a parser tells its session about the whole connection. */
enum lt_parser_state {
	LT_PARSER_GOOD,
	LT_PARSER_IGNORE,   /* nothing here will ever matter: stop copying */
	LT_PARSER_UPGRADED, /* another protocol begins with the next byte */
};

struct lt_parser; /* each protocol's own */

struct lt_protocol {
	const char *name;
	/* Both sides ask: a process that reads a request need not be the one that serves. */
	bool mutual;
	/* Whether @head begins a message of this protocol on @side. MORE: too short to tell. */
	enum lt_sniff (*sniff)(struct lt_bytes head, enum lt_side side);
	/* The same for a connection that was there before us. NULL: it cannot be joined but where a
	 * message begins. */
	enum lt_sniff (*sniff_joined)(struct lt_bytes piece, enum lt_side side);
	/*
	 * Whether @answer, the next bytes of the response's side, begins to answer a request that
	 * the parser has not been given yet. Its session then waits for the other side: a thread
	 * that reads may be told of before the one that wrote. NULL: never.
	 */
	bool (*early)(const struct lt_parser *p, struct lt_bytes answer);
	/* @conn and @sink outlive the parser. */
	int (*open)(const struct lt_conn *conn, const struct lt_exchange_sink *sink,
		    struct lt_parser **ret);
	/* Consumes all of @in. -EBADMSG: the bytes break the protocol, close the parser. */
	int (*feed)(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, struct lt_bytes in);
	/* @lost bytes are missing; the parser resynchronises or returns -EBADMSG. */
	int (*gap)(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, uint64_t lost);
	enum lt_parser_state (*state)(const struct lt_parser *p);
	/*
	 * Asked right after the feed that ended UPGRADED: what goes on in this parser's place, and
	 * which bytes of that feed are its first. -EPROTONOSUPPORT: nothing that we read. NULL: the
	 * same.
	 */
	int (*succeed)(struct lt_parser *p, const struct lt_protocol **ret_protocol,
		       struct lt_parser **ret, struct lt_bytes *ret_rest);
	/* Ends open exchanges, frees, returns NULL. */
	struct lt_parser *(*close)(struct lt_parser *p, uint64_t ts_ns, enum lt_close_reason why);
};

extern const struct lt_protocol lt_http1;
extern const struct lt_protocol lt_http2;
/* MCP over a child's standard input and output: each call of a tool, its listing and the handshake
 * is an exchange. */
extern const struct lt_protocol lt_rpc_lines;

/*
 * A connection that HTTP/1.1 has upgraded (RFC 7540, 3.2): the preface of both sides comes next,
 * and stream 1 is the answer to @x, which goes on as the new parser's.
 */
LT_MUST_CHECK int lt_http2_adopt(const struct lt_conn *conn, const struct lt_exchange_sink *sink,
				 const struct lt_exchange *x, enum lt_interest interest,
				 struct lt_parser **ret);
