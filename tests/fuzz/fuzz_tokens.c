// SPDX-License-Identifier: Apache-2.0
/* Any bytes as text, whole and in pieces (the first byte is their length): the counts have to be
 * the same, and no more than bytes. */
#include <stdlib.h>

#include "userspace/estimate/estimate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t run(const struct lt_bpe *bpe, struct lt_bytes in, size_t piece)
{
	static struct lt_token_counter counter;
	uint64_t tokens;

	lt_token_counter_init(&counter, bpe);
	while (in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;

		lt_token_counter_feed(&counter, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
		if (counter.n > LT_BPE_PIECE_MAX || counter.mark > counter.n ||
		    (counter.n > 0 && counter.last >= LT_BPE_PIECE_MAX))
			abort();
	}
	tokens = lt_token_counter_finish(&counter);
	for (size_t i = 0; i < sizeof(counter.piece); i++)
		if (counter.piece[i] != 0)
			abort();
	return tokens;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"o200k_base", "cl100k_base"};
	static struct lt_bpe *bpe[LT_COUNT(names)];

	if (size < 2)
		return 0;
	for (size_t i = 0; i < LT_COUNT(names); i++) {
		struct lt_bytes text = lt_bytes(data + 1, size - 1);
		uint64_t tokens;

		setenv("LEDGERTAP_DATA", "packaging", 1);
		if (!bpe[i] && lt_bpe_open(names[i], &bpe[i], NULL) < 0)
			abort();
		tokens = run(bpe[i], text, SIZE_MAX);
		/* A byte that is not UTF-8 counts as the three of U+FFFD. */
		if (tokens == 0 || tokens > 3 * text.n || tokens != run(bpe[i], text, data[0] + 1u))
			abort();
	}
	return 0;
}
