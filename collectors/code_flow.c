// SPDX-License-Identifier: Apache-2.0
#include "collectors/code_flow.h"

#include <elf.h>
#include <string.h>

#include "collectors/go_code.h"
#include "userspace/base/bytes.h"

static size_t x86_prefixes(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != 0 && strchr("\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65", p[i]))
		i++;
	return i < n && (p[i] & 0xf0) == 0x40 ? i + 1 : i;
}

/* Displacements stand at the end of an instruction. */
static void x86_jump(const uint8_t *p, size_t width, struct lt_code_step *ret)
{
	const uint8_t *at = p + ret->length - width;

	ret->jumps = true;
	ret->target = (int64_t)ret->length + (width == 1 ? (int8_t)*at : (int32_t)lt_le32(at));
}

/* ret, int3, hlt, ud2, jmp through a register or memory. */
static bool x86_ends(unsigned code, unsigned next)
{
	switch (code) {
	case 0xc2:
	case 0xc3:
	case 0xcc:
	case 0xf4:
		return true;
	case 0x0f:
		return next == 0x0b;
	default:
		return code == 0xff && ((next >> 3 & 7) == 4 || (next >> 3 & 7) == 5);
	}
}

static bool x86_step(const uint8_t *p, size_t n, struct lt_code_step *ret)
{
	size_t length = lt_go_x86_length(p, n), i = x86_prefixes(p, length), left = length - i;
	unsigned code = i < length ? p[i] : 0, next = i + 1 < length ? p[i + 1] : 0;

	if (length == 0 || i >= length)
		return false;
	*ret = (struct lt_code_step){.length = length, .goes_on = !x86_ends(code, next)};
	if ((code & 0xf0) == 0x70 || (code & 0xfc) == 0xe0)
		x86_jump(p, 1, ret);
	else if (code == 0x0f && (next & 0xf0) == 0x80 && left == 6)
		x86_jump(p, 4, ret);
	if ((code != 0xe8 && code != 0xe9 && code != 0xeb) || left != (code == 0xeb ? 2 : 5))
		return true;
	x86_jump(p, code == 0xeb ? 1 : 4, ret);
	ret->call = code == 0xe8;
	ret->goes_on = ret->call;
	return true;
}

/* The signed number of instructions in @bits bits of @instruction from @from on, in bytes. */
static int64_t arm64_distance(uint32_t instruction, unsigned from, unsigned bits)
{
	return (int64_t)((int32_t)(instruction << (32 - from - bits)) >> (32 - bits)) * 4;
}

static bool arm64_step(const uint8_t *p, size_t n, struct lt_code_step *ret)
{
	uint32_t code = n >= 4 ? lt_le32(p) : 0;

	*ret = (struct lt_code_step){.length = 4, .goes_on = true};
	if (n < 4)
		return false;
	if ((code & 0x7c000000) == 0x14000000) { /* b, bl */
		ret->jumps = true;
		ret->call = code >> 31;
		ret->goes_on = ret->call;
		ret->target = arm64_distance(code, 0, 26);
	} else if ((code & 0xff000010) == 0x54000000 || (code & 0x7e000000) == 0x34000000) {
		ret->jumps = true; /* b.cond, cbz, cbnz */
		ret->target = arm64_distance(code, 5, 19);
	} else if ((code & 0x7e000000) == 0x36000000) { /* tbz, tbnz */
		ret->jumps = true;
		ret->target = arm64_distance(code, 5, 14);
	} else if ((code & 0xfe000000) == 0xd6000000) { /* by register; bit 21: a call */
		ret->goes_on = (code & 0x00600000) == 0x00200000;
	} else if ((code & 0xffe0001f) == 0xd4200000 || (code & 0xffff0000) == 0) {
		ret->goes_on = false; /* brk, udf */
	}
	return true;
}

bool lt_code_step(unsigned machine, const uint8_t *code, size_t n, struct lt_code_step *ret)
{
	return machine == EM_X86_64 ? x86_step(code, n, ret) : arm64_step(code, n, ret);
}
