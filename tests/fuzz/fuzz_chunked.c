// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a chunked body, whole and in pieces (the first byte is their length): the decoded
 * bytes and how it ends have to be the same.
 */
#include <stdlib.h>

#include "userspace/protocol/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	uint64_t hash, bytes, ends;
	enum lt_end why;
	int error;
};

static enum lt_interest on_request(void *arg, struct lt_exchange *x,
				   const struct lt_http_head *head)
{
	(void)arg;
	(void)x;
	(void)head;
	return LT_INTEREST_BODIES;
}

static void on_response(void *arg, struct lt_exchange *x, const struct lt_http_head *head)
{
	(void)arg;
	(void)x;
	(void)head;
}

static void on_body(void *arg, struct lt_exchange *x, enum lt_side side, struct lt_bytes bytes)
{
	struct outcome *o = arg;

	(void)x;
	(void)side;
	for (size_t i = 0; i < bytes.n; i++)
		o->hash = (o->hash ^ bytes.p[i]) * 0x100000001b3ull;
	o->bytes += bytes.n;
}

static void on_body_gap(void *arg, struct lt_exchange *x, enum lt_side side, uint64_t lost)
{
	(void)arg;
	(void)x;
	(void)side;
	(void)lost;
	abort(); /* nothing was lost */
}

static void on_end(void *arg, struct lt_exchange *x, enum lt_end why)
{
	struct outcome *o = arg;

	if (x->response_body_bytes != o->bytes)
		abort();
	o->ends++;
	o->why = why;
}

static struct outcome run(struct lt_bytes in, size_t piece)
{
	static const struct lt_conn conn;
	struct outcome o = {0};
	const struct lt_exchange_sink sink = {
		.arg = &o,
		.request = on_request,
		.response = on_response,
		.body = on_body,
		.body_gap = on_body_gap,
		.end = on_end,
	};
	struct lt_parser *p;

	if (lt_http1.open(&conn, &sink, &p) < 0)
		abort();
	if (lt_http1.feed(p, LT_SIDE_REQUEST, 1, lt_bytes_str("GET / HTTP/1.1\r\n\r\n")) < 0 ||
	    lt_http1.feed(p, LT_SIDE_RESPONSE, 2,
			  lt_bytes_str("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) <
		    0)
		abort();
	/* What follows the end is another matter. */
	while (in.n > 0 && o.ends == 0 && o.error == 0) {
		size_t n = in.n < piece ? in.n : piece;

		o.error = lt_http1.feed(p, LT_SIDE_RESPONSE, 3, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}
	lt_http1.close(p, 4, LT_CLOSE_FREED);
	if (o.ends != 1)
		abort();
	if (o.why == LT_END_COMPLETE)
		o.error = 0;
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;

	if (size < 2)
		return 0;
	whole = run(lt_bytes(data + 1, size - 1), SIZE_MAX);
	pieces = run(lt_bytes(data + 1, size - 1), data[0] + 1u);
	if (whole.hash != pieces.hash || whole.bytes != pieces.bytes || whole.why != pieces.why ||
	    whole.error != pieces.error)
		abort();
	return 0;
}
