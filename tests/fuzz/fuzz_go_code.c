// SPDX-License-Identifier: Apache-2.0
/* The walk over machine code of programs that anybody may have built: it stays inside, ends, and
 * what it finds are RETs. The first byte chooses the machine. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/go_code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RETURNS = 8 };

static void check_lengths(const uint8_t *code, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t length = lt_go_x86_length(code + at, n - at);

		if (length > 15 || length > n - at)
			abort();
		if (length == 0)
			return;
		/* What is measured does not depend on what follows. */
		if (lt_go_x86_length(code + at, length) != length)
			abort();
		at += length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned machine = size > 0 && data[0] & 1 ? EM_AARCH64 : EM_X86_64;
	uint32_t returns[RETURNS];
	size_t n = size > 0 ? size - 1 : 0;
	uint8_t *code = malloc(n > 0 ? n : 1); /* exactly so long: a byte too far is seen */
	int count;

	if (!code)
		return 0;
	if (n > 0)
		memcpy(code, data + 1, n);
	count = lt_go_returns(machine, code, n, returns, RETURNS);
	for (int i = 0; i < count && i < RETURNS; i++) {
		if (returns[i] >= n || (i > 0 && returns[i] <= returns[i - 1]))
			abort();
		if (machine == EM_X86_64 && code[returns[i]] != 0xc3 && code[returns[i]] != 0xc2 &&
		    code[returns[i]] != 0xf3)
			abort();
	}
	if ((size_t)(count < 0 ? 0 : count) > n)
		abort();
	check_lengths(code, n);
	lt_go_begin(machine, code, n);
	free(code);
	return 0;
}
