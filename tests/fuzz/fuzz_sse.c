// SPDX-License-Identifier: Apache-2.0
/* Any bytes as an event stream, whole and in pieces (the first byte is their length): the events
 * have to be the same. */
#include <stdlib.h>

#include "userspace/protocol/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mix(uint64_t *hash, struct lt_bytes bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		*hash = (*hash ^ bytes.p[i]) * 0x100000001b3ull;
}

static void on_data(void *arg, struct lt_bytes piece)
{
	if (piece.n == 0)
		abort();
	mix(arg, piece);
}

static void on_event(void *arg, const char *name)
{
	if (strlen(name) >= LT_SSE_NAME_MAX)
		abort();
	mix(arg, lt_bytes("\0|", 2));
	mix(arg, lt_bytes_str(name));
}

static uint64_t run(struct lt_bytes in, size_t piece)
{
	uint64_t hash = 1;
	const struct lt_sse_sink sink = {.arg = &hash, .data = on_data, .event = on_event};
	struct lt_sse sse;

	lt_sse_init(&sse, &sink);
	while (in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;

		lt_sse_feed(&sse, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}
	lt_sse_finish(&sse);
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
