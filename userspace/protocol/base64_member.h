/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of {"bytes":"<base64>", ...}, incremental: how streamed model answers travel inside AWS
 * events. Constant memory; what is not that member is skipped.
 */
#pragma once

#include "userspace/base/bytes.h"

struct lt_base64_member_sink {
	void *arg;
	void (*data)(void *arg, struct lt_bytes piece);
};

/* Plain state; init it with the sink, and again for every document. */
struct lt_base64_member {
	struct lt_base64_member_sink sink;
	unsigned state;
	unsigned depth;	 /* open objects and arrays: the member is one of the outermost */
	unsigned escape; /* inside one: which byte of it comes next; 0: none */
	unsigned code;	 /* of \uXXXX, so far */
	unsigned key_n;
	char key[6]; /* "bytes" and one more: a longer one is another */
	unsigned bits_n;
	uint32_t bits;
	unsigned out_n;
	uint8_t out[192];
};

void lt_base64_member_init(struct lt_base64_member *m, const struct lt_base64_member_sink *sink);
void lt_base64_member_feed(struct lt_base64_member *m, struct lt_bytes in);
