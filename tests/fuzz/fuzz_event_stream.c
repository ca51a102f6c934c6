// SPDX-License-Identifier: Apache-2.0
/* Any bytes as an AWS event stream, whole and in pieces (the first byte is their length): what
 * comes out has to be the same. */
#include <stdlib.h>

#include "userspace/protocol/base64_member.h"
#include "userspace/protocol/event_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mix(uint64_t *hash, struct lt_bytes bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		*hash = (*hash ^ bytes.p[i]) * 0x100000001b3ull;
}

/* What a real client's next step is: the member inside. */
static struct lt_base64_member inner;
static uint64_t inner_hash;

static void on_inner(void *arg, struct lt_bytes piece)
{
	(void)arg;
	mix(&inner_hash, piece);
}

static void on_begin(void *arg, const struct lt_event_stream_head *head)
{
	const struct lt_base64_member_sink sink = {.arg = arg, .data = on_inner};

	mix(arg, lt_bytes_str(head->message_type));
	mix(arg, lt_bytes_str(head->event_type));
	mix(arg, lt_bytes_str(head->exception_type));
	lt_base64_member_init(&inner, &sink);
}

static void on_data(void *arg, struct lt_bytes piece)
{
	if (piece.n == 0)
		abort();
	mix(arg, piece);
	lt_base64_member_feed(&inner, piece);
}

static void on_end(void *arg, bool intact)
{
	mix(arg, lt_bytes(&intact, 1));
}

static uint64_t run(struct lt_bytes in, size_t piece)
{
	uint64_t hash = 1;
	/* Pieces of one payload come in any number: they are mixed byte by byte. */
	const struct lt_event_stream_sink sink = {&hash, on_begin, on_data, on_end};
	struct lt_event_stream events;

	inner_hash = 1;
	lt_event_stream_init(&events, &sink);
	while (in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;

		lt_event_stream_feed(&events, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}

	return hash ^ inner_hash * 3;
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
