// SPDX-License-Identifier: Apache-2.0
/* Any bytes as messages of gRPC (the first byte is the length of the pieces, the second one chooses
 * the coding): whole and in pieces the same messages, and the same fields in them. */
#include <stdlib.h>

#include "userspace/base/proto_scan.h"
#include "userspace/protocol/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {"1", "4.1", "4.9.1", "2.2.2.5", "2.2.2.1", "3"};

struct run {
	uint64_t hash;
	bool broken; /* a message's compression: how much comes out of it first is zlib's affair */
	struct lt_proto_scan *scan;
};

static void mix(struct run *run, uint64_t n)
{
	run->hash = (run->hash ^ n) * 0x100000001b3ull;
}

static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	mix(arg, hit->path * 8u + hit->type + hit->cut * 1000u);
	mix(arg, hit->characters);
	for (size_t i = 0; i < hit->text.n; i++)
		mix(arg, hit->text.p[i]);
}

static void on_text(void *arg, uint32_t path, struct lt_bytes piece)
{
	(void)path;
	for (size_t i = 0; i < piece.n; i++)
		mix(arg, piece.p[i]);
}

static void on_begin(void *arg)
{
	lt_proto_scan_reset(((struct run *)arg)->scan);
}

static void on_data(void *arg, struct lt_bytes piece)
{
	lt_ignore(lt_proto_scan_feed(((struct run *)arg)->scan, piece));
}

static void on_end(void *arg, bool whole)
{
	struct run *run = arg;

	run->broken |= !whole;
	mix(run, whole * 2u + (lt_proto_scan_finish(run->scan) == 0));
}

/* 0: nothing to compare. */
static uint64_t scan(const struct lt_json_paths *set, const char *coding, struct lt_bytes in,
		     size_t piece)
{
	struct run run = {.hash = 1};
	const struct lt_grpc_sink sink = {&run, on_begin, on_data, on_end};
	const struct lt_json_sink hits = {&run, on_hit, on_text};
	struct lt_grpc g;

	if (lt_proto_scan_new(set, &hits, &run.scan) < 0)
		abort();
	lt_grpc_init(&g, lt_bytes_str(coding), &sink);
	while (in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;

		lt_grpc_feed(&g, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}
	run.broken |= g.inside && g.broken;
	lt_grpc_done(&g);
	lt_proto_scan_free(run.scan);
	return run.broken ? 0 : run.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lt_json_paths *set;
	uint64_t whole, split;
	const char *coding;
	size_t bad;

	if (!set) {
		if (lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad) < 0)
			abort();
		lt_json_paths_want_text(set, 4);
	}
	if (size < 3)
		return 0;
	coding = data[1] & 1 ? "gzip" : "";
	whole = scan(set, coding, lt_bytes(data + 2, size - 2), SIZE_MAX);
	split = scan(set, coding, lt_bytes(data + 2, size - 2), data[0] + 1u);
	if (whole != 0 && split != 0 && whole != split)
		abort();
	return 0;
}
