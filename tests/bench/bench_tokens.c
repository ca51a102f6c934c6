// SPDX-License-Identifier: Apache-2.0
/*
 * Counts tokens, for speed and for comparison:
 *
 *   bench_tokens speed [FILE]   lines "name value", MB/s of text in pieces of 50 bytes; without
 * FILE a paragraph of English bench_tokens count NAME     samples on stdin, each a 32-bit length
 * (of this host) and its bytes; one line "tokens cuts" for each
 */
#include <stdio.h>
#include <stdlib.h>

#include "userspace/base/clock.h"
#include "userspace/estimate/estimate.h"

enum { RUN_MS = 700, PIECE = 50, SAMPLE_MAX = 64 << 20 };

static const char english[] =
	"The committee met on Tuesday to discuss the harbour's future. Its chairman, who had "
	"served for 12 years, didn't expect an agreement; nevertheless, by 9:30 in the evening "
	"everybody had signed.\n\nWhat follows is a summary of the 3 proposals, with their costs, "
	"and of the arguments that were brought forward for and against each of them. Readers in "
	"a hurry will find the conclusions at the end (page 48).\n";

static uint64_t count(struct lt_token_counter *counter, struct lt_bytes text, size_t piece,
		      uint64_t *ret_cuts)
{
	while (text.n > 0) {
		size_t n = text.n < piece ? text.n : piece;

		lt_token_counter_feed(counter, lt_bytes(text.p, n));
		text = lt_bytes_skip(text, n);
	}
	*ret_cuts = counter->cuts;
	return lt_token_counter_finish(counter);
}

static struct lt_bytes read_all(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *p = malloc(SAMPLE_MAX);
	size_t n;

	if (!f || !p)
		abort();
	n = fread(p, 1, SAMPLE_MAX, f);
	fclose(f);
	return lt_bytes(p, n);
}

static void speed(const struct lt_bpe *bpe, struct lt_bytes text)
{
	static struct lt_token_counter counter;
	uint64_t begun = lt_clock_boot_ns(), passed = 0, bytes = 0, tokens = 0, cuts;

	lt_token_counter_init(&counter, bpe);
	while (passed < RUN_MS * 1000000ULL) {
		tokens = count(&counter, text, PIECE, &cuts);
		bytes += text.n;
		passed = lt_clock_boot_ns() - begun;
	}
	printf("%s_mb_per_s %.1f\n", lt_bpe_name(bpe), (double)bytes * 1e3 / (double)passed);
	printf("%s_bytes_per_token %.2f\n", lt_bpe_name(bpe), (double)text.n / (double)tokens);
}

static int compare(const struct lt_bpe *bpe)
{
	static struct lt_token_counter counter;
	uint8_t *sample = malloc(SAMPLE_MAX);
	uint32_t n;

	if (!sample)
		abort();
	lt_token_counter_init(&counter, bpe);
	while (fread(&n, sizeof(n), 1, stdin) == 1) {
		uint64_t cuts, tokens;

		if (n > SAMPLE_MAX || fread(sample, 1, n, stdin) != n)
			return 1;
		tokens = count(&counter, lt_bytes(sample, n), SIZE_MAX, &cuts);
		printf("%llu %llu\n", (unsigned long long)tokens, (unsigned long long)cuts);
	}
	free(sample);
	return 0;
}

static struct lt_bpe *open_or_exit(const char *name)
{
	struct lt_bpe *bpe = NULL;
	struct lt_problem problem;
	char text[1024];

	if (lt_bpe_open(name, &bpe, &problem) < 0) {
		fprintf(stderr, "%s\n", lt_problem_format(&problem, text, sizeof(text)));
		exit(1);
	}
	return bpe;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"o200k_base", "cl100k_base"};
	struct lt_bpe *bpe = NULL;
	int code = 0;

	if (argc == 3 && strcmp(argv[1], "count") == 0) {
		bpe = open_or_exit(argv[2]);
		code = compare(bpe);
		lt_bpe_free(bpe);
		return code;
	}
	if (argc < 2 || strcmp(argv[1], "speed") != 0)
		return 2;
	for (size_t i = 0; i < LT_COUNT(names); i++) {
		bpe = open_or_exit(names[i]);
		speed(bpe, argc > 2 ? read_all(argv[2]) : lt_bytes_str(english));
		lt_bpe_free(bpe);
	}
	return 0;
}
