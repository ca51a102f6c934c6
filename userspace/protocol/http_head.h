/* SPDX-License-Identifier: Apache-2.0 */
/* Parses one complete HTTP/1.x message head and says how its body is framed (RFC 9112). Pure. */
#pragma once

#include "userspace/base/cleanup.h"
#include "userspace/protocol/exchange.h"

enum lt_framing { LT_FRAMING_NONE, LT_FRAMING_LENGTH, LT_FRAMING_CHUNKED, LT_FRAMING_CLOSE };

struct lt_head_parse {
	struct lt_http_head head;
	struct lt_http_field fields[LT_HEAD_FIELDS_MAX];
	size_t skipped; /* fields above the ceiling */
	bool has_length, chunked, has_transfer_encoding;
	bool other_coding; /* a transfer coding besides chunked */
	bool has_host;
	uint64_t length;
	struct lt_bytes content_encoding;
};

/* @text: from the first line to the empty line, inclusive. Views point into @text. -EBADMSG: breaks
 * the protocol. */
LT_MUST_CHECK int lt_head_parse(struct lt_bytes text, enum lt_side side, struct lt_head_parse *ret);

/* Length of the head at the start of @text with its empty line, 0 when it is not whole. @from:
 * where to look on. */
size_t lt_head_length(struct lt_bytes text, size_t from);

/* Whether @text may begin a message of @side; MORE: too short to tell. */
enum { LT_START_NO, LT_START_MORE, LT_START_YES };
int lt_head_begins(struct lt_bytes text, enum lt_side side);
