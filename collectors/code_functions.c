// SPDX-License-Identifier: Apache-2.0
#include "collectors/code_functions.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "userspace/base/alloc.h"

enum {
	TABLE_VERSION = 1,
	/* Encodings of the table's parts (LSB Core, 10.5.1): the only ones that linkers make. */
	ENC_PCREL_SDATA4 = 0x1b,
	ENC_UDATA4 = 0x03,
	ENC_DATAREL_SDATA4 = 0x3b,
	TABLE_HEADER = 12,
	TABLE_ENTRY = 8,
	TABLE_MAX = 16 << 20, /* entries */
	ALIGNMENT = 16,	      /* of functions, where padding is looked for */
	CALLS_WINDOW = 256 << 10,
	BACK_MAX = 16 << 10, /* how far a begin is looked for */
	AHEAD_MAX = 4 << 10,
};

static uint32_t word(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static int read_at(const struct lt_elf_image *image, uint64_t address, void *to, size_t n)
{
	uint64_t offset = lt_elf_offset_of(image, address);
	ssize_t got;

	if (offset == 0)
		return -ENOENT;
	got = lt_elf_read(image, offset, to, n);
	return got < 0 ? (int)got : (size_t)got < n ? -EBADMSG : 0;
}

/* ---- by the unwind table -------------------------------------------------------------------- */

struct entry {
	uint64_t start, record;
};

static int read_entry(const struct lt_elf_image *image, uint64_t table, uint32_t index,
		      struct entry *ret)
{
	uint8_t bytes[TABLE_ENTRY];
	int r = read_at(image, table + TABLE_HEADER + (uint64_t)index * TABLE_ENTRY, bytes,
			sizeof(bytes));

	if (r < 0)
		return r;
	ret->start = table + (uint64_t)(int64_t)(int32_t)word(bytes);
	ret->record = table + (uint64_t)(int64_t)(int32_t)word(bytes + 4);
	return 0;
}

/* The last entry that does not begin behind @address. */
static int search_table(const struct lt_elf_image *image, uint64_t table, uint32_t count,
			uint64_t address, struct entry *ret)
{
	uint32_t low = 0, high = count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		int r = read_entry(image, table, middle, ret);

		if (r < 0)
			return r;
		if (ret->start <= address)
			low = middle;
		else
			high = middle;
	}
	return read_entry(image, table, low, ret);
}

/* A record (FDE) says how long its function is, behind where it begins: length, CIE, begin, range,
 * all of 4 bytes in the encoding that is asked for. */
static int read_record(const struct lt_elf_image *image, const struct entry *entry,
		       struct lt_code_function *ret)
{
	uint8_t bytes[16];
	int r = read_at(image, entry->record, bytes, sizeof(bytes));

	if (r < 0)
		return r;
	if (entry->record + 8 + (uint64_t)(int64_t)(int32_t)word(bytes + 8) != entry->start)
		return -ENOENT;
	ret->start = entry->start;
	ret->end = entry->start + word(bytes + 12);
	return 0;
}

static int by_table(const struct lt_elf_image *image, uint64_t address,
		    struct lt_code_function *ret)
{
	uint64_t table = lt_elf_unwind_table(image);
	uint8_t header[TABLE_HEADER];
	struct entry entry;
	int r;

	if (table == 0)
		return -ENOENT;
	r = read_at(image, table, header, sizeof(header));
	if (r < 0)
		return r;
	if (header[0] != TABLE_VERSION || header[1] != ENC_PCREL_SDATA4 ||
	    header[2] != ENC_UDATA4 || header[3] != ENC_DATAREL_SDATA4 || word(header + 8) == 0 ||
	    word(header + 8) > TABLE_MAX)
		return -ENOENT;
	r = search_table(image, table, word(header + 8), address, &entry);
	if (r == 0)
		r = read_record(image, &entry, ret);
	if (r < 0)
		return r;
	return address >= ret->start && address < ret->end ? 0 : -ENOENT;
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* The instruction at @p: a direct call or jump, and where to. */
static bool is_call(unsigned machine, const uint8_t *p, uint64_t address, uint64_t *ret)
{
	if (machine == EM_X86_64) {
		if (p[0] != 0xe8 && p[0] != 0xe9)
			return false;
		*ret = address + 5 + (uint64_t)(int64_t)(int32_t)word(p + 1);
		return true;
	}
	if ((word(p) & 0x7c000000) != 0x14000000)
		return false;
	*ret = address + (uint64_t)((int64_t)((int32_t)(word(p) << 6) >> 6) * 4);
	return true;
}

static size_t call_size(unsigned machine)
{
	return machine == EM_X86_64 ? 5 : 4;
}

int lt_code_calls(const struct lt_elf_image *image, const struct lt_code_function *function,
		  struct lt_code_call *ret, size_t max)
{
	uint64_t offset = lt_elf_offset(image, function->start);
	uint64_t size = function->end - function->start;
	size_t n = size < LT_CODE_FUNCTION_MAX ? (size_t)size : LT_CODE_FUNCTION_MAX;
	unsigned machine = lt_elf_machine(image);
	size_t count = 0;
	lt_defer(lt_freep)
	uint8_t *code = lt_calloc(1, n);
	ssize_t got;

	if (!code)
		return -ENOMEM;
	got = offset ? lt_elf_read(image, offset, code, n) : 0;
	if (got < 0)
		return (int)got;
	for (size_t i = 0; i + call_size(machine) <= (size_t)got && count < max;
	     i += machine == EM_X86_64 ? 1 : 4) {
		if (is_call(machine, code + i, function->start + i, &ret[count].target))
			ret[count++].at = function->start + i;
	}
	return (int)count;
}

static bool calls_in(unsigned machine, const uint8_t *code, size_t n, uint64_t address,
		     uint64_t wanted)
{
	for (size_t i = 0; i + call_size(machine) <= n; i += machine == EM_X86_64 ? 1 : 4) {
		uint64_t target;

		if (is_call(machine, code + i, address + i, &target) && target == wanted)
			return true;
	}
	return false;
}

/* Is @target called from anywhere in @segment? */
static bool called_from(const struct lt_elf_image *image, const struct lt_elf_segment *segment,
			uint64_t target, uint8_t *code)
{
	unsigned machine = lt_elf_machine(image);

	for (uint64_t at = 0; at < segment->size;) {
		uint64_t left = segment->size - at;
		size_t want = left < CALLS_WINDOW ? (size_t)left : CALLS_WINDOW;
		ssize_t got = lt_elf_read(image, segment->offset + at, code, want);

		if (got < (ssize_t)call_size(machine))
			return false;
		if (calls_in(machine, code, (size_t)got, segment->address + at, target))
			return true;
		/* A call may lie across two windows. */
		at += (size_t)got == left ? left : (size_t)got - 4;
	}
	return false;
}

static bool is_called(const struct lt_elf_image *image, uint64_t target)
{
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(image, segments);
	lt_defer(lt_freep)
	uint8_t *code = lt_calloc(1, CALLS_WINDOW);

	for (size_t i = 0; code && i < count; i++) {
		if (segments[i].executable && called_from(image, &segments[i], target, code))
			return true;
	}
	return false;
}

/* ---- by padding ----------------------------------------------------------------------------- */

/* Length of the one NOP of x86-64 that ends right before @at (the forms that compilers pad with),
 * 0: none does. */
static size_t nop_before(const uint8_t *code, size_t at)
{
	for (size_t n = 1; n <= 15 && n <= at; n++) {
		const uint8_t *p = code + at - n;
		size_t i = 0;

		while (i < n && (p[i] == 0x66 || p[i] == 0x2e))
			i++;
		if (i + 1 == n && p[i] == 0x90)
			return n;
		if (n - i >= 3 && p[i] == 0x0f && p[i + 1] == 0x1f && n - i <= 9)
			return n;
	}
	return 0;
}

/* Whether what is before @at is padding behind code that does not go on: INT3 (what linkers fill
 * with), or NOPs behind a RET or JMP. */
static bool x86_padded(const uint8_t *code, size_t at, bool *trap)
{
	size_t end = at, n;

	*trap = at > 0 && code[at - 1] == 0xcc;
	if (*trap)
		return true;
	while ((n = nop_before(code, end)) > 0)
		end -= n;
	if (end == at && at > 0)
		return code[at - 1] == 0xc3;
	if (end == 0)
		return false;
	return code[end - 1] == 0xc3 || (end >= 5 && code[end - 5] == 0xe9) ||
	       (end >= 2 && code[end - 2] == 0xeb) || (end >= 2 && code[end - 2] == 0x0f);
}

/* How functions of C begin: endbr64, push, sub rsp, a move of an argument or a test of one. */
static bool x86_begins(const uint8_t *code, size_t n)
{
	if (n < 4)
		return false;
	if (memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0 || (code[0] & 0xf8) == 0x50)
		return true;
	if (code[0] == 0x41 && (code[1] & 0xf8) == 0x50)
		return true;
	if (code[0] == 0x48 && (code[1] == 0x83 || code[1] == 0x81) && code[2] == 0xec)
		return true;
	return false;
}

/* Functions of arm64 begin with a landing pad, a signed return address or their frame. */
static bool arm64_begins(uint32_t instruction)
{
	return instruction == 0xd503233f || instruction == 0xd503245f ||
	       (instruction & 0xffc07fff) == 0xa9807bfd || (instruction & 0xffc003ff) == 0xd10003ff;
}

/* Whether a function may begin at @at; *@sure when nothing else is known to look like that. */
static bool may_begin(const struct lt_elf_image *image, const uint8_t *code, size_t at, size_t n,
		      bool *sure)
{
	if (lt_elf_machine(image) == EM_X86_64)
		return x86_padded(code, at, sure) && x86_begins(code + at, n - at);
	/* What is before tells nothing: a call that does not return may be the end of a function.
	 */
	*sure = false;
	return n - at >= 4 && arm64_begins(word(code + at));
}

/* The next begin behind @at, or the end of what was read. */
static size_t next_begin(const struct lt_elf_image *image, const uint8_t *code, size_t at, size_t n,
			 size_t step)
{
	bool sure;

	for (at += step; at + ALIGNMENT <= n; at += step) {
		if (may_begin(image, code, at, n, &sure))
			return at;
	}
	return n;
}

/*
 * From @address back to where a function may begin. Padding by traps is only put between functions;
 * NOPs stand inside of them too, so a begin that they mark has to be called from somewhere.
 */
static int by_padding(const struct lt_elf_image *image, uint64_t address,
		      struct lt_code_function *ret)
{
	size_t step = lt_elf_machine(image) == EM_X86_64 ? ALIGNMENT : 4;
	uint64_t offset = lt_elf_offset(image, address);
	size_t before = offset < BACK_MAX ? (size_t)offset : BACK_MAX;
	lt_defer(lt_freep)
	uint8_t *code = lt_calloc(1, before + AHEAD_MAX);
	ssize_t got;

	if (!code)
		return -ENOMEM;
	got = offset ? lt_elf_read(image, offset - before, code, before + AHEAD_MAX) : 0;
	if (got < (ssize_t)before + 4)
		return -ENOENT;
	for (size_t at = before - (size_t)(address % step); at >= step && at <= before;
	     at -= step) {
		uint64_t start = address - before + at;
		bool sure;

		if (!may_begin(image, code, at, (size_t)got, &sure) ||
		    (!sure && !is_called(image, start)))
			continue;
		ret->start = start;
		ret->end = address - before +
			   next_begin(image, code, before - (size_t)(address % step), (size_t)got,
				      step);
		return 0;
	}
	return -ENOENT;
}

int lt_code_function(const struct lt_elf_image *image, uint64_t address,
		     struct lt_code_function *ret)
{
	int r = by_table(image, address, ret);

	return r == -ENOENT ? by_padding(image, address, ret) : r;
}
