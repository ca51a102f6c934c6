// SPDX-License-Identifier: Apache-2.0
/* The JSON scanner: any split of any bytes gives the same hits and the same verdict as the whole.
 */
#include <assert.h>
#include <stdlib.h>

#include "userspace/base/json_scan.h"

static const char *const paths[] = {
	"a",	      "a.b",	     "[]",	     "[0].a", "usage.prompt_tokens",
	"x[].y[].id", "x[0].y[].id", "x[0].y[1].id", "",
};

/* What a run reported, as a running hash. */
static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	uint64_t *hash = arg;

	*hash = (*hash ^ (hit->path * 8U + hit->type + hit->cut * 1000U)) * 0x100000001b3ULL;
	for (size_t i = 0; i < hit->text.n; i++)
		*hash = (*hash ^ hit->text.p[i]) * 0x100000001b3ULL;
}

static int scan(const struct lt_json_paths *set, const uint8_t *data, size_t n, size_t step,
		uint64_t *hash)
{
	struct lt_json_sink sink = {.arg = hash, .hit = on_hit};
	struct lt_json_scan *s;
	int r = 0;

	if (lt_json_scan_new(set, &sink, &s) < 0)
		abort();
	for (size_t at = 0; r == 0 && at < n; at += step) {
		size_t left = n - at;
		size_t size = left < step ? left : step;
		/* A copy of its own size, so that a read past the end of a piece is seen. */
		uint8_t *piece = malloc(size);

		memcpy(piece, data + at, size);
		r = lt_json_scan_feed(s, lt_bytes(piece, size));
		free(piece);
	}
	if (r == 0)
		r = lt_json_scan_finish(s);
	lt_json_scan_free(s);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lt_json_paths *set;
	uint64_t whole = 0, split = 0;
	size_t bad;
	int r;

	if (!set && lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad) < 0)
		abort();
	if (size < 2)
		return 0;
	r = scan(set, data + 1, size - 1, size, &whole);
	assert(scan(set, data + 1, size - 1, 1 + data[0] % 37, &split) == r);
	assert(whole == split);
	return 0;
}
