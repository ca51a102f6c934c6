/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of gRPC in one direction's body (https://github.com/grpc/grpc/blob/master/doc/
 * PROTOCOL-HTTP2.md, Length-Prefixed-Message; PROTOCOL-WEB.md for trailers among them), in any
 * split, each undone on its own when it is compressed. Nothing is gathered.
 */
#pragma once

#include "userspace/protocol/inflate.h"

enum { LT_GRPC_PREFIX = 5, LT_GRPC_CODING = 16 };

struct lt_grpc_sink {
	void *arg;
	void (*begin)(void *arg);
	void (*data)(void *arg, struct lt_bytes piece);
	/* !@whole: its compression could not be undone. */
	void (*end)(void *arg, bool whole);
};

/* Plain state; ended by lt_grpc_done. */
struct lt_grpc {
	struct lt_grpc_sink sink;
	unsigned n; /* bytes of the prefix so far */
	uint8_t prefix[LT_GRPC_PREFIX];
	uint32_t left; /* of the message */
	bool inside, skips, broken;
	struct lt_inflate *inflate;
	char coding[LT_GRPC_CODING];
};

/* @coding: the value of grpc-encoding, may be empty. */
void lt_grpc_init(struct lt_grpc *g, struct lt_bytes coding, const struct lt_grpc_sink *sink);
void lt_grpc_feed(struct lt_grpc *g, struct lt_bytes in);
/* Bytes are missing: where the next message begins nobody knows. */
void lt_grpc_lose(struct lt_grpc *g);
/* Frees what a message that was cut needed. */
void lt_grpc_done(struct lt_grpc *g);
/* The name of a status code, "" for OK and for what is none (grpc/statuscodes.md). */
const char *lt_grpc_status(struct lt_bytes code);
