// SPDX-License-Identifier: Apache-2.0
/*
 * Two passes. The first looks for the texts among the constants; most files end here. The second
 * looks through the code for instructions that load one of their addresses:
 *
 *   x86-64  lea r64, [rip + d32]; mov r32, imm32 where the program does not move (ET_EXEC)
 *   arm64   adrp and add, or adrp, add and add, some instructions apart
 *
 * Code is not disassembled for that: what looks like a load and hits the very first byte of the
 * text is one.
 */
#include "collectors/code_refs.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/go_code.h"
#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"

enum {
	WINDOW = 256 << 10,
	BEFORE = 1088, /* bytes kept of the window before: the begin of a text, an adrp */
	PLACES_MAX = 64,
	PATH_MAX_N = 256,
	ADRP_REACH = 256 * 4, /* bytes between adrp and add */
	ARM64_FP = 29,
	ARM64_SP = 31,
	AROUND = 48, /* bytes on either side in which a call's arguments are loaded */
};

/* Where a text begins in memory. */
struct place {
	uint64_t address;
	uint8_t text;
};

struct search {
	const struct lt_elf_image *image;
	const struct lt_code_text *texts;
	size_t texts_n;
	unsigned machine;
	bool fixed;    /* addresses are what they are at run time */
	bool anywhere; /* the texts may go on behind what is looked for */
	struct place places[PLACES_MAX];
	size_t places_n;
	uint64_t lowest, highest; /* of the places */
	struct lt_code_refs *refs;
	bool full;
};

/* A part of a segment: [from, n) is new, what is before was there the last time. */
struct window {
	const uint8_t *bytes;
	size_t from, n;
	uint64_t address; /* of bytes[0] */
};

/* Calls @look for all of @segment, in windows. */
static int walk(struct search *s, const struct lt_elf_segment *segment, uint8_t *buffer,
		void (*look)(struct search *s, const struct window *w))
{
	uint64_t done = 0;
	size_t kept = 0;

	while (done < segment->size && !s->full) {
		size_t want = segment->size - done < WINDOW ? segment->size - done : WINDOW;
		ssize_t got = lt_elf_read(s->image, segment->offset + done, buffer + kept, want);
		struct window w = {.bytes = buffer, .from = kept};

		if (got < 0)
			return (int)got;
		if (got == 0)
			return 0;
		w.n = kept + (size_t)got;
		w.address = segment->address + done - kept;
		look(s, &w);
		done += (uint64_t)got;
		kept = w.n < BEFORE ? w.n : BEFORE;
		memmove(buffer, buffer + w.n - kept, kept);
	}
	return 0;
}

static void add_place(struct search *s, uint8_t text, uint64_t address)
{
	for (size_t i = 0; i < s->places_n; i++) {
		if (s->places[i].address == address)
			return;
	}
	if (s->places_n == PLACES_MAX)
		return;
	s->places[s->places_n++] = (struct place){.address = address, .text = text};
	if (address < s->lowest)
		s->lowest = address;
	if (address > s->highest)
		s->highest = address;
}

/* Where the text begins whose end is at @at. */
static size_t begin_of(const struct window *w, size_t at)
{
	size_t begin = at;

	while (begin > 0 && at - begin < PATH_MAX_N && w->bytes[begin - 1] >= 0x20 &&
	       w->bytes[begin - 1] < 0x7f)
		begin--;
	return begin;
}

static void look_for_texts(struct search *s, const struct window *w)
{
	for (size_t i = 0; i < s->texts_n; i++) {
		size_t n = strlen(s->texts[i].text) + !s->anywhere; /* the NUL too */
		size_t at = w->from > n ? w->from - n : 0;
		const uint8_t *found;

		while (at < w->n &&
		       (found = memmem(w->bytes + at, w->n - at, s->texts[i].text, n))) {
			size_t begin = (size_t)(found - w->bytes);

			at = begin + 1;
			if (s->texts[i].tail)
				begin = begin_of(w, begin);
			add_place(s, (uint8_t)i, w->address + begin);
		}
	}
}

static const struct place *place_at(const struct search *s, uint64_t address)
{
	if (address < s->lowest || address > s->highest)
		return NULL;
	for (size_t i = 0; i < s->places_n; i++) {
		if (s->places[i].address == address)
			return &s->places[i];
	}
	return NULL;
}

static void add_ref(struct search *s, const struct lt_code_ref *ref)
{
	struct lt_code_refs *all = s->refs;

	/* A window begins with what the one before ended with. */
	for (size_t i = all->count; i > 0 && all->count - i < 4; i--) {
		if (all->refs[i - 1].at == ref->at)
			return;
	}
	if (all->count == LT_CODE_REFS_MAX) {
		s->full = true;
		return;
	}
	all->refs[all->count++] = *ref;
}

/* Which argument a register of x86-64 carries (System V ABI, 3.2.3), by the register's number. */
static uint8_t x86_argument(unsigned number)
{
	static const uint8_t arguments[16] = {6, 3, 2, 6, 6, 6, 1, 0, 4, 5, 6, 6, 6, 6, 6, 6};

	return arguments[number & 15];
}

/* lea r64, [rip + d32] at @p: its target in *ret; false: it is none. */
static bool x86_lea(const uint8_t *p, size_t n, uint64_t address, struct lt_code_ref *ref,
		    uint64_t *ret)
{
	if (n < 7 || (p[0] & 0xfb) != 0x48 || p[1] != 0x8d || (p[2] & 0xc7) != 5)
		return false;
	ref->at = address;
	ref->size = 7;
	ref->argument = x86_argument((p[2] >> 3 & 7) | (p[0] & 4) << 1);
	*ret = address + 7 + (uint64_t)(int64_t)(int32_t)lt_le32(p + 3);
	return true;
}

/* mov r32, imm32 at @p. */
static bool x86_mov(const uint8_t *p, size_t n, uint64_t address, struct lt_code_ref *ref,
		    uint64_t *ret)
{
	bool high = n > 0 && p[0] == 0x41;

	p += high;
	if (n < 5U + high || (p[0] & 0xf8) != 0xb8)
		return false;
	ref->at = address;
	ref->size = 5 + high;
	ref->argument = x86_argument((p[0] & 7) | (unsigned)high << 3);
	*ret = lt_le32(p + 1);
	return true;
}

static void look_for_leas(struct search *s, const struct window *w)
{
	size_t at = w->from > 8 ? w->from - 8 : 1;
	const uint8_t *found;

	while (at < w->n && (found = memchr(w->bytes + at, 0x8d, w->n - at))) {
		size_t begin = (size_t)(found - w->bytes) - 1;
		struct lt_code_ref ref;
		const struct place *place;
		uint64_t target;

		at = begin + 2;
		if (!x86_lea(w->bytes + begin, w->n - begin, w->address + begin, &ref, &target))
			continue;
		place = place_at(s, target);
		if (!place)
			continue;
		ref.text = place->text;
		add_ref(s, &ref);
	}
}

static void look_for_moves(struct search *s, const struct window *w, const struct place *place)
{
	const uint8_t immediate[4] = {(uint8_t)place->address, (uint8_t)(place->address >> 8),
				      (uint8_t)(place->address >> 16),
				      (uint8_t)(place->address >> 24)};
	size_t at = w->from > 8 ? w->from - 8 : 2;
	const uint8_t *found;

	while (at < w->n && (found = memmem(w->bytes + at, w->n - at, immediate, 4))) {
		size_t begin = (size_t)(found - w->bytes) - 1;
		struct lt_code_ref ref;
		uint64_t target;

		at = begin + 2;
		if (begin > 0 && w->bytes[begin - 1] == 0x41)
			begin--;
		if (!x86_mov(w->bytes + begin, w->n - begin, w->address + begin, &ref, &target) ||
		    target != place->address)
			continue;
		ref.text = place->text;
		add_ref(s, &ref);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct lt_code_ref *left = a, *right = b;

	return left->at < right->at ? -1 : left->at > right->at;
}

static void look_x86(struct search *s, const struct window *w)
{
	size_t before = s->refs->count;

	look_for_leas(s, w);
	if (!s->fixed)
		return;
	for (size_t i = 0; i < s->places_n; i++) {
		if (s->places[i].address <= INT32_MAX)
			look_for_moves(s, w, &s->places[i]);
	}
	qsort(s->refs->refs + before, s->refs->count - before, sizeof(s->refs->refs[0]),
	      by_address);
}

/* add xd, xn, #imm */
static bool arm64_is_add(uint32_t instruction)
{
	return (instruction & 0xffc00000) == 0x91000000;
}

/* Whether @instruction, neither adrp nor such an add, may set register @n: all that has it as its
 * destination but stores, branches and compares. */
static bool arm64_may_set(uint32_t instruction, unsigned n)
{
	bool store = (instruction & 0x0a000000) == 0x08000000 && !(instruction & 1 << 22);
	bool branch = (instruction & 0x1c000000) == 0x14000000;

	return (instruction & 31) == n && !store && !branch;
}

/*
 * The add at @at of @w: the sum of its immediate, of those of the adds that feed it (compilers
 * reach the constants of a file from one anchor) and of the page that an adrp before them loads.
 */
static bool arm64_add(const struct window *w, size_t at, struct lt_code_ref *ref, uint64_t *ret)
{
	uint32_t add = lt_le32(w->bytes + at);
	unsigned n = add >> 5 & 31, d = add & 31;
	uint64_t sum = add >> 10 & 0xfff;

	/* What is reached from the frame is no constant. */
	if (!arm64_is_add(add) || n == ARM64_SP || n == ARM64_FP)
		return false;
	for (size_t back = 4; back <= ADRP_REACH && back <= at; back += 4) {
		uint32_t before = lt_le32(w->bytes + at - back);

		if ((before & 0x9f00001f) == (0x90000000 | n)) {
			int64_t pages = (int64_t)((int32_t)(before << 8) >> 13) * 4 +
					(before >> 29 & 3);

			ref->at = w->address + at;
			ref->size = 4;
			ref->argument = d < LT_CODE_ARGUMENTS ? (uint8_t)d : LT_CODE_ARGUMENTS;
			*ret = ((w->address + at - back) & ~0xfffULL) + (uint64_t)pages * 4096 +
			       sum;
			return true;
		}
		if (arm64_is_add(before) && (before & 31) == n) {
			sum += before >> 10 & 0xfff;
			n = before >> 5 & 31;
		} else if (arm64_may_set(before, n)) {
			return false;
		}
	}
	return false;
}

static void look_arm64(struct search *s, const struct window *w)
{
	size_t at = w->from & ~(size_t)3;

	for (; at + 4 <= w->n; at += 4) {
		const struct place *place;
		struct lt_code_ref ref;
		uint64_t target;

		if (w->bytes[at + 3] != 0x91 || !arm64_add(w, at, &ref, &target))
			continue;
		place = place_at(s, target);
		if (!place)
			continue;
		ref.text = place->text;
		add_ref(s, &ref);
	}
}

static int find_places(struct search *s, const struct lt_elf_segment *segments, size_t count,
		       uint8_t *buffer)
{
	bool apart = false;
	int r = 0;

	/* Constants have a segment of their own, or (older linkers) share the code's. */
	for (size_t i = 0; i < count; i++)
		apart |= !segments[i].executable && !segments[i].writable;
	for (size_t i = 0; i < count && r == 0; i++) {
		if (!segments[i].writable && segments[i].executable != apart)
			r = walk(s, &segments[i], buffer, look_for_texts);
	}
	return r < 0 ? r : s->places_n == 0 ? -ENOENT : 0;
}

bool lt_code_mentions(const struct lt_elf_image *image, const char *text)
{
	const struct lt_code_text texts[] = {{text, true}};
	struct search s = {.image = image, .texts = texts, .texts_n = 1, .anywhere = true};
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(image, segments);
	lt_defer(lt_freep)
	uint8_t *buffer = lt_calloc(1, WINDOW + BEFORE);

	return buffer && find_places(&s, segments, count, buffer) == 0;
}

static int search(struct search *s)
{
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(s->image, segments);
	lt_defer(lt_freep)
	uint8_t *buffer = lt_calloc(1, WINDOW + BEFORE);
	int r;

	if (!buffer)
		return -ENOMEM;
	r = find_places(s, segments, count, buffer);
	for (size_t i = 0; i < count && r == 0; i++) {
		if (segments[i].executable)
			r = walk(s, &segments[i], buffer,
				 s->machine == EM_X86_64 ? look_x86 : look_arm64);
	}
	if (r < 0)
		return r;
	if (s->full)
		return -E2BIG;
	return s->refs->count == 0 ? -ENOENT : 0;
}

/* The text at @address is @text, or ends with it. */
static bool is_text(const struct lt_elf_image *image, uint64_t address,
		    const struct lt_code_text *text)
{
	char found[PATH_MAX_N + LT_CODE_TEXT_MAX];
	uint64_t offset = lt_elf_offset_of(image, address);
	ssize_t got = offset ? lt_elf_read(image, offset, found, sizeof(found)) : 0;
	size_t n = got > 0 ? strnlen(found, (size_t)got) : 0, want = strlen(text->text);

	if (got <= 0 || n == (size_t)got || n < want || (!text->tail && n != want))
		return false;
	return memcmp(found + n - want, text->text, want) == 0;
}

/* Whether what was remembered is there. */
static bool holds(const struct search *s, const struct lt_code_ref *ref)
{
	uint8_t bytes[ADRP_REACH + 8];
	struct lt_code_ref again = {0};
	uint64_t offset = lt_elf_offset(s->image, ref->at), target = 0;
	size_t before = s->machine == EM_X86_64 || offset < ADRP_REACH ? 0 : ADRP_REACH;
	struct window w = {.bytes = bytes, .address = ref->at - before};
	ssize_t got = offset ? lt_elf_read(s->image, offset - before, bytes, sizeof(bytes)) : 0;
	bool found;

	if (got < (ssize_t)before + 7 || ref->text >= s->texts_n)
		return false;
	w.n = (size_t)got;
	if (s->machine == EM_X86_64)
		found = x86_lea(bytes, w.n, ref->at, &again, &target) ||
			(s->fixed && x86_mov(bytes, w.n, ref->at, &again, &target));
	else
		found = arm64_add(&w, before, &again, &target);
	return found && again.argument == ref->argument && again.size == ref->size &&
	       is_text(s->image, target, &s->texts[ref->text]);
}

static int begin_search(const struct lt_elf_image *image, const struct lt_code_text *texts,
			size_t count, struct lt_code_refs *refs, struct search *ret)
{
	*ret = (struct search){
		.image = image,
		.texts = texts,
		.texts_n = count < LT_CODE_TEXTS_MAX ? count : LT_CODE_TEXTS_MAX,
		.machine = lt_elf_machine(image),
		.fixed = lt_elf_type(image) == ET_EXEC,
		.lowest = UINT64_MAX,
		.refs = refs,
	};
	refs->count = 0;
	return ret->machine == EM_X86_64 || ret->machine == EM_AARCH64 ? 0 : -EOPNOTSUPP;
}

int lt_code_find(const struct lt_elf_image *image, const struct lt_code_text *texts, size_t count,
		 struct lt_code_refs *ret)
{
	struct search s;
	int r = begin_search(image, texts, count, ret, &s);

	return r < 0 ? r : search(&s);
}

/* The references that are remembered and still there. -ENOENT: not all are. */
static int recall(const struct lt_elf_image *image, const struct lt_code_text *texts, size_t count,
		  struct lt_code_refs *ret)
{
	const struct lt_code_memory *memory = lt_elf_memory(image);
	struct search s;
	int r = begin_search(image, texts, count, ret, &s);

	if (r < 0)
		return r;
	if (!memory || !memory->recall(memory->arg, texts[0].text, ret) || ret->count == 0 ||
	    ret->count > LT_CODE_REFS_MAX)
		return -ENOENT;
	for (size_t i = 0; i < ret->count; i++) {
		if (!holds(&s, &ret->refs[i]))
			return -ENOENT;
	}
	return 0;
}

int lt_code_plan(const struct lt_elf_image *image, const struct lt_code_text *texts, size_t count,
		 int (*plan)(const struct lt_elf_image *image, const struct lt_code_refs *refs,
			     struct lt_probe_plan *ret),
		 struct lt_probe_plan *ret)
{
	const struct lt_code_memory *memory = lt_elf_memory(image);
	lt_defer(lt_freep)
	struct lt_code_refs *refs = lt_calloc(1, sizeof(*refs));
	int r;

	if (!refs)
		return -ENOMEM;
	r = recall(image, texts, count, refs);
	if (r == 0)
		r = plan(image, refs, ret);
	if (r != -ENOENT)
		return r;
	r = lt_code_find(image, texts, count, refs);
	if (r == 0)
		r = plan(image, refs, ret);
	if (r == 0 && memory)
		memory->keep(memory->arg, texts[0].text, refs);
	return r;
}

/* ---- constants of a call -------------------------------------------------------------------- */

static bool x86_constant(const uint8_t *p, size_t n, uint8_t *argument, int64_t *ret)
{
	struct lt_code_ref ref;
	uint64_t value;

	if (n >= 2 && p[0] == 0x31 && (p[1] & 0xc0) == 0xc0 && (p[1] >> 3 & 7) == (p[1] & 7)) {
		*argument = x86_argument(p[1] & 7); /* xor r32, r32 */
		*ret = 0;
		return *argument < LT_CODE_ARGUMENTS;
	}
	if (n >= 4 && p[0] == 0x6a && p[1] < 0x80) { /* push imm8; pop r64: built for size */
		bool high = p[2] == 0x41;

		*argument = x86_argument((p[2 + high] & 7) | (unsigned)high << 3);
		*ret = p[1];
		return (p[2 + high] & 0xf8) == 0x58 && *argument < LT_CODE_ARGUMENTS;
	}
	if (!x86_mov(p, n, 0, &ref, &value) || value > INT16_MAX)
		return false;
	*argument = ref.argument;
	*ret = (int64_t)value;
	return ref.argument < LT_CODE_ARGUMENTS;
}

static bool x86_leaves(const uint8_t *p)
{
	return p[0] == 0xe8 || p[0] == 0xe9 || p[0] == 0xeb || p[0] == 0xc3;
}

static void take(int64_t ret[LT_CODE_ARGUMENTS], uint8_t argument, int64_t value)
{
	if (ret[argument] < 0)
		ret[argument] = value;
}

/* Forward instruction by instruction to the call; backward, where begins are not known, by what
 * looks like a load of a small constant. */
static void x86_constants(const uint8_t *bytes, size_t n, size_t at, size_t size,
			  int64_t ret[LT_CODE_ARGUMENTS])
{
	uint8_t argument;
	int64_t value;

	for (size_t i = at + size; i < n && !x86_leaves(bytes + i);) {
		size_t length = lt_go_x86_length(bytes + i, n - i);

		if (x86_constant(bytes + i, n - i, &argument, &value))
			take(ret, argument, value);
		i += length ? length : 1;
	}
	for (size_t i = at; i > 0; i--) {
		/* What has a REX.B before it loads another register. */
		if (i > 1 && bytes[i - 2] == 0x41 && (bytes[i - 1] & 0xf8) == 0xb8)
			continue;
		if (x86_constant(bytes + i - 1, at - i + 1, &argument, &value))
			take(ret, argument, value);
	}
}

/* movz wd, #imm16 */
static bool arm64_constant(uint32_t instruction, uint8_t *argument, int64_t *ret)
{
	if ((instruction & 0x7fe00000) != 0x52800000 || (instruction & 31) >= LT_CODE_ARGUMENTS)
		return false;
	*argument = instruction & 31;
	*ret = instruction >> 5 & 0xffff;
	return true;
}

static bool arm64_leaves(uint32_t instruction)
{
	return (instruction & 0x7c000000) == 0x14000000 || instruction == 0xd65f03c0;
}

static void arm64_constants(const uint8_t *bytes, size_t n, size_t at,
			    int64_t ret[LT_CODE_ARGUMENTS])
{
	uint8_t argument;
	int64_t value;

	for (size_t i = at + 4; i + 4 <= n && !arm64_leaves(lt_le32(bytes + i)); i += 4) {
		if (arm64_constant(lt_le32(bytes + i), &argument, &value))
			take(ret, argument, value);
	}
	for (size_t i = at; i >= 4 && !arm64_leaves(lt_le32(bytes + i - 4)); i -= 4) {
		if (arm64_constant(lt_le32(bytes + i - 4), &argument, &value))
			take(ret, argument, value);
	}
}

int lt_code_constants(const struct lt_elf_image *image, const struct lt_code_ref *ref,
		      int64_t ret[LT_CODE_ARGUMENTS])
{
	uint8_t bytes[AROUND + 8 + AROUND];
	uint64_t offset = lt_elf_offset(image, ref->at);
	size_t before = offset < AROUND ? offset & ~3ULL : AROUND;
	ssize_t got = offset ? lt_elf_read(image, offset - before, bytes, sizeof(bytes)) : 0;

	for (size_t i = 0; i < LT_CODE_ARGUMENTS; i++)
		ret[i] = -1;
	if (got < 0)
		return (int)got;
	if ((size_t)got < before + ref->size)
		return -EBADMSG;
	if (lt_elf_machine(image) == EM_X86_64)
		x86_constants(bytes, (size_t)got, before, ref->size, ret);
	else
		arm64_constants(bytes, (size_t)got, before, ret);
	return 0;
}
