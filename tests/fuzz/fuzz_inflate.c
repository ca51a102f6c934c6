// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes in any content coding (the first byte picks it), whole and in pieces (the second is
 * their length): what comes out has to be the same, and in bounded pieces. Bombs are cut short:
 * they cost time and nothing else.
 */
#include <stdlib.h>

#include "userspace/protocol/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENOUGH = 4 << 20 };

struct outcome {
	uint64_t hash, bytes;
	bool broken;
};

static void on_bytes(void *arg, struct lt_bytes bytes)
{
	struct outcome *o = arg;

	if (bytes.n == 0 || bytes.n > 16384)
		abort();
	o->bytes += bytes.n;
	if (o->bytes > ENOUGH)
		return;
	for (size_t i = 0; i < bytes.n; i++)
		o->hash = (o->hash ^ bytes.p[i]) * 0x100000001b3ull;
}

static struct outcome run(const char *coding, struct lt_bytes in, size_t piece)
{
	struct outcome o = {0};
	const struct lt_inflate_sink sink = {.arg = &o, .bytes = on_bytes};
	struct lt_inflate *z;

	if (lt_inflate_new(lt_bytes_str(coding), &sink, &z) < 0)
		abort();
	while (in.n > 0 && !o.broken && o.bytes <= ENOUGH) {
		size_t n = in.n < piece ? in.n : piece;

		o.broken = lt_inflate_feed(z, lt_bytes(in.p, n)) < 0;
		in = lt_bytes_skip(in, n);
	}
	lt_inflate_free(z);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const codings[] = {"gzip",	    "deflate",	    "br",
					      "zstd",	    "gzip, br",	    "br, gzip",
					      "zstd, zstd", "deflate, gzip"};
	const char *coding;
	struct outcome whole, pieces;

	if (size < 3)
		return 0;
	coding = codings[data[0] % LT_COUNT(codings)];
	whole = run(coding, lt_bytes(data + 2, size - 2), SIZE_MAX);
	if (whole.bytes > ENOUGH)
		return 0;
	pieces = run(coding, lt_bytes(data + 2, size - 2), data[1] + 1u);
	/* Broken data: how much of the good part comes out before the error is the libraries'
	 * affair. */
	if (whole.broken != pieces.broken ||
	    (!whole.broken && (whole.hash != pieces.hash || whole.bytes != pieces.bytes)))
		abort();
	return 0;
}
