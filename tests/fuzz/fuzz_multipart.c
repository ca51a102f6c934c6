// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a form, whole and in pieces (the first byte is their length): what comes out has to
 * be the same. */
#include <stdlib.h>

#include "userspace/protocol/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mix(uint64_t *hash, struct lt_bytes bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		*hash = (*hash ^ bytes.p[i]) * 0x100000001b3ull;
}

static void on_field(void *arg, struct lt_bytes name, struct lt_bytes value)
{
	if (name.n == 0 || name.n > LT_FORM_NAME || value.n > LT_FORM_VALUE)
		abort();
	mix(arg, name);
	mix(arg, lt_bytes("|", 1));
	mix(arg, value);
}

static uint64_t run(struct lt_bytes in, size_t piece)
{
	uint64_t hash = 1;
	const struct lt_multipart_sink sink = {.arg = &hash, .field = on_field};
	struct lt_multipart form;

	if (!lt_multipart_init(&form, lt_bytes_str("multipart/form-data; boundary=x"), &sink))
		abort();
	while (in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;

		lt_multipart_feed(&form, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}

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
