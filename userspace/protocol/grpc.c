// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/grpc.h"

#include "userspace/base/counter.h"
#include "userspace/base/parse.h"

enum { COMPRESSED = 0x01, TRAILERS = 0x80 };

void lt_grpc_init(struct lt_grpc *g, struct lt_bytes coding, const struct lt_grpc_sink *sink)
{
	memset(g, 0, sizeof(*g));
	g->sink = *sink;
	lt_bytes_copy(g->coding, sizeof(g->coding), coding);
}

static void inflated(void *arg, struct lt_bytes data)
{
	struct lt_grpc *g = arg;

	g->sink.data(g->sink.arg, data);
}

static void message_ends(struct lt_grpc *g)
{
	g->inflate = lt_inflate_free(g->inflate);
	g->inside = false;
	g->n = 0;
	if (!g->skips)
		g->sink.end(g->sink.arg, !g->broken);
}

static void break_message(struct lt_grpc *g)
{
	lt_counter_add(LT_C_INFLATE_ERRORS, 1);
	g->broken = true;
	g->inflate = lt_inflate_free(g->inflate);
}

static void message_begins(struct lt_grpc *g)
{
	const struct lt_inflate_sink sink = {.arg = g, .bytes = inflated};
	const uint8_t *p = g->prefix;

	g->left = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	g->inside = true;
	g->broken = false;
	g->skips = p[0] & TRAILERS;
	if (!g->skips)
		g->sink.begin(g->sink.arg);
	if (p[0] & COMPRESSED && !g->skips &&
	    (lt_inflate_new(lt_bytes_str(g->coding), &sink, &g->inflate) < 0 || !g->inflate))
		break_message(g);
	if (g->left == 0)
		message_ends(g);
}

static void feed_message(struct lt_grpc *g, struct lt_bytes data)
{
	if (g->skips || g->broken)
		return;
	if (!g->inflate)
		g->sink.data(g->sink.arg, data);
	else if (lt_inflate_feed(g->inflate, data) < 0)
		break_message(g);
}

void lt_grpc_feed(struct lt_grpc *g, struct lt_bytes in)
{
	while (in.n > 0 && g->n <= LT_GRPC_PREFIX) {
		size_t n = 1;

		if (!g->inside) {
			g->prefix[g->n++] = in.p[0];
			if (g->n == LT_GRPC_PREFIX)
				message_begins(g);
		} else {
			n = in.n < g->left ? in.n : g->left;
			feed_message(g, lt_bytes(in.p, n));
			g->left -= (uint32_t)n;
			if (g->left == 0)
				message_ends(g);
		}
		in = lt_bytes_skip(in, n);
	}
}

void lt_grpc_lose(struct lt_grpc *g)
{
	lt_grpc_done(g);
	g->n = LT_GRPC_PREFIX + 1;
}

void lt_grpc_done(struct lt_grpc *g)
{
	g->inflate = lt_inflate_free(g->inflate);
}

const char *lt_grpc_status(struct lt_bytes code)
{
	static const char *const names[] = {
		"",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};
	uint64_t n;

	return lt_parse_u64(code, &n) == 0 && n < LT_COUNT(names) ? names[n] : "";
}
