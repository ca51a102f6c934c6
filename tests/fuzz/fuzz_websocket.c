// SPDX-License-Identifier: Apache-2.0
/* Any bytes as frames of a client (the first bit) or a server, compressed or not, whole and in
 * pieces (the first byte is their length): what comes out has to be the same. */
#include <stdlib.h>

#include "userspace/protocol/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mix(uint64_t *hash, struct lt_bytes bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		*hash = (*hash ^ bytes.p[i]) * 0x100000001b3ull;
}

static void on_data(void *arg, struct lt_bytes piece)
{
	mix(arg, piece);
}

static void on_message(void *arg)
{
	mix(arg, lt_bytes("\0|", 2));
}

static uint64_t run(struct lt_bytes in, size_t piece)
{
	uint64_t hash = 1;
	const struct lt_websocket_sink sink = {&hash, on_data, on_message};
	const struct lt_websocket_opts opts = {
		.from_client = in.p[0] & 1, .deflate = in.p[0] & 2, .takeover = in.p[0] & 4};
	struct lt_websocket *ws;

	if (lt_websocket_new(&opts, &sink, &ws) < 0)
		return 0;
	in = lt_bytes_skip(in, 1);
	while (in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;

		if (lt_websocket_feed(ws, lt_bytes(in.p, n)) < 0)
			break;
		in = lt_bytes_skip(in, n);
	}
	/* A piece that breaks the protocol may have given a part of its data before. */
	if (in.n > 0)
		hash = 0;
	lt_websocket_free(ws);

	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (run(lt_bytes(data + 1, size - 1), SIZE_MAX) !=
	    run(lt_bytes(data + 1, size - 1), data[0] + 1u))
		abort();
	return 0;
}
