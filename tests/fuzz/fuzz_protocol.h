/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of a connection in any pieces, with holes. The first byte seeds the splits; then
 * pieces follow, each with a byte that says which side and how long: bit 7 the side, bit 6 a hole
 * before it, 0-5 its length (63: the rest). Every request() has to be followed by exactly one
 * end(), and nothing of an exchange may come outside of it.
 */
#pragma once

#include <stdlib.h>

#include "userspace/protocol/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct lt_protocol *const fuzzed;

struct seen {
	unsigned open;
	uint64_t next;
	uint8_t seed;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static enum lt_interest on_request(void *arg, struct lt_exchange *x,
				   const struct lt_http_head *head)
{
	struct seen *seen = arg;

	check(!x->user && x->ordinal == seen->next++);
	check(head->field_count <= LT_HEAD_FIELDS_MAX &&
	      (x->joined || head->method.n > 0 || fuzzed == &lt_http2));
	x->user = seen;
	seen->open++;
	if (lt_http_field(head, "none").n > 0)
		return LT_INTEREST_NONE;
	if (lt_http_field(head, "heads").n > 0)
		return LT_INTEREST_HEAD;
	return LT_INTEREST_BODIES;
}

static void on_response(void *arg, struct lt_exchange *x, const struct lt_http_head *head)
{
	check(x->user == arg &&
	      (head->status >= 200 || head->status == 101 || fuzzed == &lt_http2));
}

static void on_body(void *arg, struct lt_exchange *x, enum lt_side side, struct lt_bytes bytes)
{
	volatile uint8_t last;

	(void)side;
	check(x->user == arg && bytes.n > 0);
	last = bytes.p[bytes.n - 1]; /* the sanitizer looks */
	(void)last;
}

static void on_body_gap(void *arg, struct lt_exchange *x, enum lt_side side, uint64_t lost)
{
	check(x->user == arg && lost > 0 && x->lost[side] && x->lost_bytes >= lost);
}

static void on_end(void *arg, struct lt_exchange *x, enum lt_end why)
{
	struct seen *seen = arg;

	check(x->user == arg && seen->open > 0 && why <= LT_END_EVICTED);
	x->user = NULL;
	seen->open--;
}

static int feed(struct lt_parser *p, enum lt_side side, uint64_t now, struct lt_bytes in)
{
	uint8_t *copy = malloc(in.n + 1);
	int r;

	check(copy);
	memcpy(copy + 1, in.p, in.n);
	r = fuzzed->feed(p, side, now, lt_bytes(copy + 1, in.n));
	free(copy);
	return r;
}

static int one_piece(struct lt_parser *p, struct seen *seen, uint64_t now, struct lt_bytes *in)
{
	uint8_t how = in->p[0];
	enum lt_side side = how & 0x80 ? LT_SIDE_RESPONSE : LT_SIDE_REQUEST;
	size_t n = (how & 0x3f) == 0x3f ? in->n - 1 : how & 0x3f;
	int r = 0;

	*in = lt_bytes_skip(*in, 1);
	if (n > in->n)
		n = in->n;
	if (how & 0x40) {
		seen->seed = (uint8_t)(seen->seed * 5 + 3);
		r = fuzzed->gap(p, side, now, seen->seed + 1u);
	}
	if (r == 0 && n > 0)
		r = feed(p, side, now, lt_bytes(in->p, n));
	*in = lt_bytes_skip(*in, n);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lt_conn conn;
	struct seen seen = {0};
	const struct lt_exchange_sink sink = {
		.arg = &seen,
		.request = on_request,
		.response = on_response,
		.body = on_body,
		.body_gap = on_body_gap,
		.end = on_end,
	};
	struct lt_bytes in = lt_bytes(data, size);
	struct lt_parser *p;
	uint64_t now = 1;

	if (in.n < 2 || fuzzed->open(&conn, &sink, &p) < 0)
		return 0;
	seen.seed = in.p[0];
	in = lt_bytes_skip(in, 1);
	while (in.n > 0 && fuzzed->state(p) == LT_PARSER_GOOD) {
		if (one_piece(p, &seen, now++, &in) < 0)
			break;
	}
	fuzzed->close(p, now, (enum lt_close_reason)(seen.seed & 3));
	check(seen.open == 0);
	return 0;
}
