// SPDX-License-Identifier: Apache-2.0
#include "collectors/code_functions.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "collectors/code_flow.h"
#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"

enum {
	TABLE_VERSION = 1,
	/* Encodings of the table's parts (LSB Core, 10.5.1): the only ones that linkers make. */
	ENC_PCREL_SDATA4 = 0x1b,
	ENC_UDATA4 = 0x03,
	ENC_DATAREL_SDATA4 = 0x3b,
	TABLE_HEADER = 12,
	TABLE_ENTRY = 8,
	TABLE_MAX = 16 << 20, /* entries */
	ALIGNMENT = 16,	      /* of functions that are padded */
	CALLS_WINDOW = 256 << 10,
	BACK_MAX = 16 << 10, /* how far a begin is looked for */
	AHEAD_MAX = 4 << 10,
};

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
	ret->start = table + (uint64_t)(int64_t)(int32_t)lt_le32(bytes);
	ret->record = table + (uint64_t)(int64_t)(int32_t)lt_le32(bytes + 4);
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

/* Whether what a record says of the frame (its first instruction: DW_CFA_def_cfa,
 * def_cfa_register, def_cfa_offset or offset, DWARF 5, 6.4.2) holds from the first byte on: there
 * is a frame already, so that is no function but a part of one that was moved out of its way. */
static bool is_part(const uint8_t *record, size_t n)
{
	/* Behind the range stands the length of what the compiler's language adds. */
	size_t at = 16 < n ? 17 + (size_t)record[16] : n;

	return at < n &&
	       ((record[at] >= 0x0c && record[at] <= 0x0e) || (record[at] & 0xc0) == 0x80);
}

/* A record (FDE) says how long its function is, behind where it begins: length, CIE, begin, range,
 * all of 4 bytes in the encoding that is asked for. -ENOTUNIQ: it is a part of a function. */
static int read_record(const struct lt_elf_image *image, const struct entry *entry,
		       struct lt_code_function *ret)
{
	uint8_t bytes[28];
	int r = read_at(image, entry->record, bytes, sizeof(bytes));

	if (r < 0)
		return r;
	if (entry->record + 8 + (uint64_t)(int64_t)(int32_t)lt_le32(bytes + 8) != entry->start)
		return -ENOENT;
	ret->start = entry->start;
	ret->end = entry->start + lt_le32(bytes + 12);
	return is_part(bytes, sizeof(bytes)) ? -ENOTUNIQ : 0;
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
	    header[2] != ENC_UDATA4 || header[3] != ENC_DATAREL_SDATA4 ||
	    lt_le32(header + 8) == 0 || lt_le32(header + 8) > TABLE_MAX)
		return -ENOENT;
	r = search_table(image, table, lt_le32(header + 8), address, &entry);
	if (r == 0)
		r = read_record(image, &entry, ret);
	if (r < 0 && r != -ENOTUNIQ)
		return r;
	return address >= ret->start && address < ret->end ? r : -ENOENT;
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* The instruction at @p: a direct call or jump, and where to. */
static bool is_call(unsigned machine, const uint8_t *p, uint64_t address, uint64_t *ret)
{
	if (machine == EM_X86_64) {
		if (p[0] != 0xe8 && p[0] != 0xe9)
			return false;
		*ret = address + 5 + (uint64_t)(int64_t)(int32_t)lt_le32(p + 1);
		return true;
	}
	if ((lt_le32(p) & 0x7c000000) != 0x14000000)
		return false;
	*ret = address + (uint64_t)((int64_t)((int32_t)(lt_le32(p) << 6) >> 6) * 4);
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

/* ---- by calls and padding ------------------------------------------------------------------- */

/* The code around an address, within its segment. */
struct around {
	const struct lt_elf_image *image;
	unsigned machine;
	uint64_t address; /* of code[0] */
	size_t n, at;	  /* how much, and where in it the address is that is asked for */
	uint8_t *code;	  /* to be freed */
	uint8_t *marks;	  /* for each byte; behind the code */
};

enum { MARK_CALLED = 1, MARK_SEEN = 2 };

static int read_around(const struct lt_elf_image *image, uint64_t address, struct around *ret)
{
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(image, segments), i = 0;
	uint64_t ahead;
	ssize_t got;

	while (i < count && !(segments[i].executable && address >= segments[i].address &&
			      address - segments[i].address < segments[i].size))
		i++;
	if (i == count)
		return -ENOENT;
	ret->at = address - segments[i].address < BACK_MAX ? address - segments[i].address
							   : BACK_MAX;
	ahead = segments[i].size - (address - segments[i].address);
	ret->n = ret->at + (ahead < AHEAD_MAX ? (size_t)ahead : AHEAD_MAX);
	ret->image = image;
	ret->machine = lt_elf_machine(image);
	ret->address = address - ret->at;
	ret->code = lt_calloc(2, BACK_MAX + AHEAD_MAX);
	if (!ret->code)
		return -ENOMEM;
	ret->marks = ret->code + BACK_MAX + AHEAD_MAX;
	got = lt_elf_read(image, lt_elf_offset(image, ret->address), ret->code, ret->n);
	return got < 0 ? (int)got : (size_t)got < ret->n ? -EBADMSG : 0;
}

/* Marks what the calls in @code, which stands at @address, call. */
static void mark_calls(struct around *a, const uint8_t *code, size_t n, uint64_t address)
{
	bool x86 = a->machine == EM_X86_64;

	for (size_t i = 0; i + call_size(a->machine) <= n; i += x86 ? 1 : 4) {
		const uint8_t *next = x86 ? memchr(code + i, 0xe8, n - i) : code + i;
		uint64_t target;

		if (!next)
			return;
		i = (size_t)(next - code);
		if (i + call_size(a->machine) > n)
			return;
		if (!x86 && (code[i + 3] & 0xfc) != 0x94)
			continue;
		if (is_call(a->machine, code + i, address + i, &target) &&
		    target - a->address < a->n)
			a->marks[target - a->address] |= MARK_CALLED;
	}
}

static int mark_all_calls(struct around *a)
{
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(a->image, segments);
	lt_defer(lt_freep)
	uint8_t *code = lt_calloc(1, CALLS_WINDOW);

	if (!code)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct lt_elf_segment *segment = &segments[i];

		for (uint64_t at = 0; segment->executable && at < segment->size;) {
			uint64_t left = segment->size - at;
			ssize_t got = lt_elf_read(a->image, segment->offset + at, code,
						  left < CALLS_WINDOW ? (size_t)left
								      : CALLS_WINDOW);

			if (got < (ssize_t)call_size(a->machine))
				break;
			mark_calls(a, code, (size_t)got, segment->address + at);
			/* A call may lie across two windows. A file cut short ends the walk. */
			at += (size_t)got == left || got <= 4 ? left : (size_t)got - 4;
		}
	}
	return 0;
}

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

/* Whether code does not go on to @at: RET, JMP or UD2 is before it, and padding between. *@traps:
 * of INT3, which is put between functions alone; NOPs stand inside of them too. */
static bool x86_ends_before(const uint8_t *code, size_t at, bool *traps)
{
	size_t end = at, n;

	while (end > 0 && code[end - 1] == 0xcc)
		end--;
	*traps = end < at;
	while (!*traps && (n = nop_before(code, end)) > 0)
		end -= n;
	if (end >= 1 && code[end - 1] == 0xc3)
		return true;
	if (end >= 2 &&
	    (code[end - 2] == 0xeb || (code[end - 2] == 0x0f && code[end - 1] == 0x0b) ||
	     (code[end - 2] == 0xff && (code[end - 1] & 0xf8) == 0xe0)))
		return true;
	return end >= 5 && (code[end - 5] == 0xe9 || code[end - 5] == 0xe8) &&
	       (*traps || code[end - 5] == 0xe9);
}

/* How functions of C begin that call others: endbr64, push, sub rsp. */
static bool x86_begins(const uint8_t *code, size_t n)
{
	return n >= 4 &&
	       (memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0 || (code[0] & 0xf8) == 0x50 ||
		(code[0] == 0x41 && (code[1] & 0xf8) == 0x50) ||
		(code[0] == 0x48 && (code[1] == 0x83 || code[1] == 0x81) && code[2] == 0xec));
}

/* A landing pad, a signed return address or a frame. */
static bool arm64_begins(uint32_t code)
{
	return code == 0xd503233f || code == 0xd503245f || (code & 0xffc07fff) == 0xa9807bfd ||
	       (code & 0xffc003ff) == 0xd10003ff;
}

/* Whether a function begins at @at. What looks like a call on x86-64 may be none, so what it calls
 * has to look like a begin as well. */
static bool is_begin(const struct around *a, size_t at)
{
	bool called = a->marks[at] & MARK_CALLED, aligned = (a->address + at) % ALIGNMENT == 0;
	bool traps;

	if (a->machine != EM_X86_64)
		return called;
	if (!called && !aligned)
		return false;
	if (x86_ends_before(a->code, at, &traps))
		return called || traps;
	return called && aligned && x86_begins(a->code + at, a->n - at);
}

/* A function that nobody is seen to call: a jump there leaves. */
static bool may_begin(const struct around *a, size_t at)
{
	bool traps;

	if (a->machine != EM_X86_64)
		return a->n - at >= 4 && arm64_begins(lt_le32(a->code + at));
	return x86_begins(a->code + at, a->n - at) && x86_ends_before(a->code, at, &traps);
}

enum { OPEN_MAX = 128 };

/* What has to be followed yet. */
struct open {
	uint32_t at[OPEN_MAX];
	size_t count;
};

/* One straight piece of code from @at on; returns where it ends. */
static size_t follow(struct around *a, size_t start, size_t at, struct open *open)
{
	while (at < a->n && !(a->marks[at] & MARK_SEEN) && (at == start || !is_begin(a, at))) {
		struct lt_code_step step;
		uint64_t target;

		if (!lt_code_step(a->machine, a->code + at, a->n - at, &step))
			return at;
		a->marks[at] |= MARK_SEEN;
		target = at + (uint64_t)step.target;
		if (step.jumps && !step.call && target > start && target < a->n &&
		    open->count < OPEN_MAX && (step.goes_on || !may_begin(a, (size_t)target)))
			open->at[open->count++] = (uint32_t)target;
		at += step.length;
		if (!step.goes_on)
			return at;
	}
	return at;
}

/* Follows the code of the function that begins at @start: marks what belongs to it, returns its
 * end. */
static size_t follow_function(struct around *a, size_t start)
{
	struct open open = {.at = {(uint32_t)start}, .count = 1};
	size_t end = start;

	for (size_t i = 0; i < a->n; i++)
		a->marks[i] &= (uint8_t)~MARK_SEEN;
	while (open.count > 0) {
		size_t to = follow(a, start, open.at[--open.count], &open);

		if (to > end)
			end = to;
	}
	return end;
}

/* The nearest begin from which the code leads to the address. */
static int find_begin(struct around *a, struct lt_code_function *ret)
{
	size_t step = a->machine == EM_X86_64 ? 1 : 4;

	for (size_t at = a->at; at <= a->at; at -= step) {
		size_t end;

		if (!is_begin(a, at))
			continue;
		end = follow_function(a, at);
		if (!(a->marks[a->at] & MARK_SEEN))
			continue;
		ret->start = a->address + at;
		ret->end = a->address + end;
		return 0;
	}
	return -ENOENT;
}

/* Who is called is looked for only where padding does not tell: it takes a look at all code. */
static int by_calls(const struct lt_elf_image *image, uint64_t address,
		    struct lt_code_function *ret)
{
	struct around around = {0};
	int r = read_around(image, address, &around);
	lt_defer(lt_freep)
	uint8_t *owned = around.code;

	if (r < 0 || !owned)
		return r;
	if (find_begin(&around, ret) == 0)
		return 0;
	r = mark_all_calls(&around);
	return r < 0 ? r : find_begin(&around, ret);
}

int lt_code_function(const struct lt_elf_image *image, uint64_t address,
		     struct lt_code_function *ret)
{
	int r = by_table(image, address, ret);

	if (r == -ENOENT)
		return by_calls(image, address, ret);
	return r == -ENOTUNIQ ? -ENOENT : r;
}
