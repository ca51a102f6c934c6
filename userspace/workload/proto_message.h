/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf messages that are small and whole: read field by field, written as requests. (For those
 * that come in pieces: grpc_call.h.) https://protobuf.dev/programming-guides/encoding
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

enum lt_proto_kind {
	LT_PROTO_VARINT = 0,
	LT_PROTO_FIXED64 = 1,
	LT_PROTO_BYTES = 2,
	LT_PROTO_FIXED32 = 5
};

struct lt_proto_field {
	uint32_t number;
	enum lt_proto_kind kind;
	uint64_t value;	       /* VARINT */
	struct lt_bytes bytes; /* BYTES: a text, or a message to be read in turn; borrowed */
};

/* Takes the next field off the front of @message: 1, 0 at its end, -EBADMSG. */
LT_MUST_CHECK int lt_proto_next(struct lt_bytes *message, struct lt_proto_field *ret);
/* The last field of that number that is bytes; empty when there is none. */
struct lt_bytes lt_proto_get(struct lt_bytes message, uint32_t number);
/* One entry of a map of texts. */
void lt_proto_pair(struct lt_bytes entry, struct lt_bytes *ret_key, struct lt_bytes *ret_value);

enum { LT_PROTO_OUT = 2048 };

struct lt_proto_out {
	size_t n;
	bool full; /* something had no room: not to be sent */
	uint8_t at[LT_PROTO_OUT];
};

/* A field of bytes: a text or a message. */
void lt_proto_put(struct lt_proto_out *out, uint32_t number, struct lt_bytes bytes);
