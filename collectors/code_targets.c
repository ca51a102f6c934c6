// SPDX-License-Identifier: Apache-2.0
#include "collectors/code_targets.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "userspace/base/alloc.h"

enum { WINDOW = 256 << 10, X86_CALL = 0xe8, X86_JMP = 0xe9, X86_SIZE = 5 };

struct search {
	const struct lt_elf_image *image;
	uint64_t low, high;
	uint64_t *found;
	size_t count, max;
	bool full;
};

static int32_t word(const uint8_t *p)
{
	return (int32_t)(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
}

/* Puts @target in its place among those that are known. */
static void add(struct search *s, uint64_t target)
{
	size_t at = s->count;

	while (at > 0 && s->found[at - 1] > target)
		at--;
	if (at > 0 && s->found[at - 1] == target)
		return;
	if (s->count == s->max) {
		s->full = true;
		return;
	}
	memmove(&s->found[at + 1], &s->found[at], (s->count - at) * sizeof(*s->found));
	s->found[at] = target;
	s->count++;
}

static void consider(struct search *s, uint64_t at, uint64_t target, bool calls)
{
	if (target < s->low || target >= s->high)
		return;
	/* Jumps inside of the stretch are most likely those of one function. */
	if (calls || at < s->low || at >= s->high)
		add(s, target);
}

static void look_x86(struct search *s, const uint8_t *code, size_t n, uint64_t address)
{
	for (size_t i = 0; i + X86_SIZE <= n; i++) {
		if ((code[i] & 0xfe) != X86_CALL)
			continue;
		consider(s, address + i,
			 address + i + X86_SIZE + (uint64_t)(int64_t)word(code + i + 1),
			 code[i] != X86_JMP);
	}
}

/* B and BL with their 26 bits of distance. */
static void look_arm64(struct search *s, const uint8_t *code, size_t n, uint64_t address)
{
	for (size_t i = 0; i + 4 <= n; i += 4) {
		uint32_t instruction = (uint32_t)word(code + i);
		int64_t distance = (int64_t)((int32_t)(instruction << 6) >> 6) * 4;

		if ((instruction & 0x7c000000) == 0x14000000)
			consider(s, address + i, address + i + (uint64_t)distance,
				 instruction >> 31);
	}
}

static int walk(struct search *s, const struct lt_elf_segment *segment, uint8_t *code)
{
	bool x86 = lt_elf_machine(s->image) == EM_X86_64;

	for (uint64_t at = 0; at < segment->size && !s->full;) {
		uint64_t left = segment->size - at;
		size_t want = left < WINDOW ? (size_t)left : WINDOW;
		ssize_t got = lt_elf_read(s->image, segment->offset + at, code, want);

		if (got < X86_SIZE)
			return got < 0 ? (int)got : 0;
		if (x86)
			look_x86(s, code, (size_t)got, segment->address + at);
		else
			look_arm64(s, code, (size_t)got, segment->address + at);
		/* A call may lie across two windows. */
		at += (uint64_t)got == left ? left : (uint64_t)got - 4;
	}
	return 0;
}

int lt_code_targets(const struct lt_elf_image *image, uint64_t low, uint64_t high, uint64_t *ret,
		    size_t max)
{
	struct search s = {.image = image, .low = low, .high = high, .found = ret, .max = max};
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(image, segments);
	unsigned machine = lt_elf_machine(image);
	lt_defer(lt_freep)
	uint8_t *code = lt_calloc(1, WINDOW);
	int r = 0;

	if (machine != EM_X86_64 && machine != EM_AARCH64)
		return -EOPNOTSUPP;
	if (!code)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		if (segments[i].executable)
			r = walk(&s, &segments[i], code);
	}
	return r < 0 ? r : s.full ? -E2BIG : (int)s.count;
}
