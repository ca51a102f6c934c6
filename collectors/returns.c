// SPDX-License-Identifier: Apache-2.0
#include "collectors/returns.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>

#include "collectors/code_functions.h"
#include "collectors/elf_image.h"
#include "collectors/go_code.h"
#include "userspace/base/alloc.h"

enum { RETURNS_MAX = 32 }; /* of one function */

/* Where a byte of the file is in memory, 0: nowhere. */
static uint64_t address_of(const struct lt_elf_image *image, uint64_t offset)
{
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(image, segments);

	for (size_t i = 0; i < count; i++) {
		if (segments[i].executable && offset >= segments[i].offset &&
		    offset - segments[i].offset < segments[i].size)
			return offset - segments[i].offset + segments[i].address;
	}
	return 0;
}

/* Whether the code jumps to where a register or memory says: most likely into another function,
 * whose return would be this one's. */
static bool jumps_away(unsigned machine, const uint8_t *code, size_t n)
{
	for (size_t i = 0, length; i + 2 <= n; i += length) {
		size_t prefix = code[i] == 0x3e || (code[i] & 0xf0) == 0x40; /* notrack, REX */

		length = machine == EM_X86_64 ? lt_go_x86_length(code + i, n - i) : 4;
		if (length == 0 || i + length > n)
			return true;
		if (machine == EM_X86_64 && i + prefix + 1 < n && code[i + prefix] == 0xff &&
		    (code[i + prefix + 1] >> 3 & 7) == 4)
			return true;
		/* br xn */
		if (machine != EM_X86_64 && (code[i] & 0x1f) == 0 && code[i + 2] == 0x1f &&
		    code[i + 3] == 0xd6)
			return true;
	}
	return false;
}

static int returns_of(const struct lt_elf_image *image, uint64_t offset, uint32_t *ret, size_t max)
{
	uint64_t address = address_of(image, offset);
	struct lt_code_function function;
	lt_defer(lt_freep)
	uint8_t *code = NULL;
	ssize_t got;
	int r = address ? lt_code_function(image, address, &function) : -ENOENT;

	if (r < 0 || function.start != address ||
	    function.end - function.start > LT_CODE_FUNCTION_MAX)
		return r == -ENOMEM ? r : -ENOTSUP;
	code = lt_calloc(1, function.end - function.start);
	if (!code)
		return -ENOMEM;
	got = lt_elf_read(image, offset, code, function.end - function.start);
	if (got < 0)
		return (int)got;
	if (jumps_away(lt_elf_machine(image), code, (size_t)got))
		return -ENOTSUP;
	r = lt_go_returns(lt_elf_machine(image), code, (size_t)got, ret, max);
	return r > 0 && (size_t)r <= max ? r : r == -ENOMEM ? r : -ENOTSUP;
}

int lt_returns_plan(const struct lt_elf_image *image, struct lt_probe_plan *plan)
{
	unsigned functions = plan->count;

	for (unsigned i = 0; i < functions; i++) {
		const struct lt_probe *function = &plan->probes[i];
		uint32_t offsets[RETURNS_MAX];
		char symbol[sizeof(function->symbol)];
		int count;

		if (!lt_hook_returns(function->hook))
			continue;
		count = returns_of(image, function->offset, offsets, RETURNS_MAX);
		if (count < 0)
			return count;
		snprintf(symbol, sizeof(symbol), "%.26s, RET", function->symbol);
		for (int n = 0; n < count; n++) {
			int r = lt_plan_add(plan,
					    lt_hook_of_aead(function->hook) ? LT_HOOK_AEAD_LEAVE
									    : LT_HOOK_LEAVE,
					    function->offset + offsets[n], symbol);

			if (r < 0)
				return r;
		}
	}
	return 0;
}
