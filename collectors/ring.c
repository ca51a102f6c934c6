// SPDX-License-Identifier: Apache-2.0
/*
 * ring below rustls. Every AEAD is a table of functions (aead::Algorithm of ring 0.17):
 *
 *   AES_128_GCM        {init_128, seal, open, 16, 0}
 *   AES_256_GCM        {init_256, seal, open, 32, 1}
 *   CHACHA20_POLY1305  {init, seal, open, 32, 2}
 *
 * Functions in a table are there whatever a compiler puts where, with symbols or without, and no
 * other table looks like the first two: they share what seals and opens, and differ in what makes
 * keys and in the lengths of these.
 *
 * Addresses stand in the table itself or, in position-independent programs, in the relocations
 * (ELF gABI, "Relocation"; RELATIVE of either machine's ABI).
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "collectors/aead.h"
#include "collectors/elf_image.h"
#include "userspace/base/alloc.h"

enum {
	TABLES_MAX = 256,
	WINDOW_WORDS = 8 << 10,
	WINDOW_RELOCATIONS = 4 << 10,
	WORD = sizeof(uint64_t),
	NEAR = 64 << 10, /* bytes between tables of one crate */
	KEY_128 = 16,
	KEY_256 = 32,
};

enum { AES_128, AES_256, CHACHA20 };

struct table {
	uint64_t at;
	uint64_t init, seal, open;
	uint64_t key_len;
	uint8_t id;
};

struct search {
	const struct lt_elf_image *image;
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t segments_n;
	/* The last words with addresses of code, one behind the other. */
	uint64_t at[3], values[3];
	struct table tables[TABLES_MAX];
	size_t count;
	bool full;
};

static bool is_code(const struct search *s, uint64_t address)
{
	for (size_t i = 0; i < s->segments_n; i++) {
		const struct lt_elf_segment *segment = &s->segments[i];

		if (segment->executable && address >= segment->address &&
		    address - segment->address < segment->size)
			return true;
	}
	return false;
}

/* Three addresses of code were followed by something else: is that the rest of a table? */
static void end_run(struct search *s)
{
	uint64_t rest[2], offset;
	struct table *table = &s->tables[s->count];

	if (s->at[0] == 0 || s->at[1] != s->at[0] + WORD || s->at[2] != s->at[1] + WORD)
		return;
	offset = lt_elf_offset_of(s->image, s->at[2] + WORD);
	if (offset == 0 || lt_elf_read(s->image, offset, rest, sizeof(rest)) != sizeof(rest) ||
	    (rest[0] != KEY_128 && rest[0] != KEY_256) || (rest[1] & 0xff) > CHACHA20)
		return;
	if (s->count == TABLES_MAX) {
		s->full = true;
		return;
	}
	*table = (struct table){
		.at = s->at[0],
		.init = s->values[0],
		.seal = s->values[1],
		.open = s->values[2],
		.key_len = rest[0],
		.id = (uint8_t)rest[1],
	};
	s->count++;
}

static void see_address(struct search *s, uint64_t at, uint64_t value)
{
	if (at != s->at[2] + WORD) {
		end_run(s);
		memset(s->at, 0, sizeof(s->at));
	}
	if (!is_code(s, value))
		return;
	memmove(&s->at[0], &s->at[1], 2 * sizeof(s->at[0]));
	memmove(&s->values[0], &s->values[1], 2 * sizeof(s->values[0]));
	s->at[2] = at;
	s->values[2] = value;
}

static int walk_relocations(struct search *s, const struct lt_elf_segment *section)
{
	uint32_t relative = lt_elf_machine(s->image) == EM_X86_64 ? R_X86_64_RELATIVE
								  : R_AARCH64_RELATIVE;
	lt_defer(lt_freep)
	Elf64_Rela *buffer = lt_calloc(WINDOW_RELOCATIONS, sizeof(*buffer));
	uint64_t left = section->size / sizeof(*buffer);

	if (!buffer)
		return -ENOMEM;
	for (uint64_t at = section->offset; left > 0 && !s->full;) {
		size_t n = left < WINDOW_RELOCATIONS ? (size_t)left : WINDOW_RELOCATIONS;
		ssize_t got = lt_elf_read(s->image, at, buffer, n * sizeof(*buffer));

		if (got < (ssize_t)sizeof(*buffer))
			return got < 0 ? (int)got : -EBADMSG;
		n = (size_t)got / sizeof(*buffer);
		for (size_t i = 0; i < n; i++) {
			if (ELF64_R_TYPE(buffer[i].r_info) == relative)
				see_address(s, buffer[i].r_offset, (uint64_t)buffer[i].r_addend);
		}
		at += n * sizeof(*buffer);
		left -= n;
	}
	end_run(s);
	return 0;
}

static int walk_words(struct search *s, const struct lt_elf_segment *segment)
{
	lt_defer(lt_freep)
	uint64_t *buffer = lt_calloc(WINDOW_WORDS, WORD);
	uint64_t done = -segment->address % WORD;

	if (!buffer)
		return -ENOMEM;
	while (done + WORD <= segment->size && !s->full) {
		uint64_t words = (segment->size - done) / WORD;
		size_t n = words < WINDOW_WORDS ? (size_t)words : WINDOW_WORDS;
		ssize_t got = lt_elf_read(s->image, segment->offset + done, buffer, n * WORD);

		if (got < WORD)
			return got < 0 ? (int)got : 0;
		n = (size_t)got / WORD;
		for (size_t i = 0; i < n; i++) {
			if (is_code(s, buffer[i]))
				see_address(s, segment->address + done + i * WORD, buffer[i]);
		}
		done += n * WORD;
	}
	end_run(s);
	memset(s->at, 0, sizeof(s->at));
	return 0;
}

static int find_tables(struct search *s)
{
	struct lt_elf_segment relocations;
	int r = 0;

	s->segments_n = lt_elf_segments(s->image, s->segments);
	if (lt_elf_type(s->image) == ET_DYN &&
	    lt_elf_section(s->image, ".rela.dyn", &relocations) == 0)
		r = walk_relocations(s, &relocations);
	memset(s->at, 0, sizeof(s->at));
	for (size_t i = 0; i < s->segments_n && r == 0 && s->count == 0; i++) {
		if (!s->segments[i].executable)
			r = walk_words(s, &s->segments[i]);
	}
	return r < 0 ? r : s->full ? -E2BIG : 0;
}

/* The tables of AES, -ENOENT: there are none, -ENOTUNIQ: several might be them. */
static int find_aes(const struct search *s, const struct table *ret[2])
{
	ret[0] = NULL;
	for (size_t i = 0; i < s->count; i++) {
		const struct table *a = &s->tables[i];

		for (size_t n = 0; n < s->count && a->id == AES_128 && a->key_len == KEY_128; n++) {
			const struct table *b = &s->tables[n];

			if (b->id != AES_256 || b->key_len != KEY_256 || b->seal != a->seal ||
			    b->open != a->open || b->init == a->init)
				continue;
			if (ret[0])
				return -ENOTUNIQ;
			ret[0] = a;
			ret[1] = b;
		}
	}
	return ret[0] ? 0 : -ENOENT;
}

/* ChaCha20-Poly1305 beside them; NULL: it is not clear. */
static const struct table *find_chacha20(const struct search *s, const struct table *aes)
{
	const struct table *found = NULL;

	for (size_t i = 0; i < s->count; i++) {
		const struct table *c = &s->tables[i];
		uint64_t distance = c->at > aes->at ? c->at - aes->at : aes->at - c->at;

		if (c->id != CHACHA20 || c->key_len != KEY_256 || distance > NEAR ||
		    c->seal == aes->seal)
			continue;
		if (found)
			return NULL;
		found = c;
	}
	return found;
}

static int add_table(const struct search *s, const struct table *table, bool both,
		     struct lt_probe_plan *plan)
{
	int r = lt_plan_add(plan, LT_HOOK_RING_INIT, lt_elf_offset(s->image, table->init), "init");

	if (r == 0 && both)
		r = lt_plan_add(plan, LT_HOOK_RING_OPEN, lt_elf_offset(s->image, table->open),
				"open");
	if (r == 0 && both)
		r = lt_plan_add(plan, LT_HOOK_RING_SEAL, lt_elf_offset(s->image, table->seal),
				"seal");
	return r;
}

int lt_ring_plan(const struct lt_elf_image *image, struct lt_probe_plan *plan, const char **ret_why)
{
	lt_defer(lt_freep)
	struct search *s = lt_calloc(1, sizeof(*s));
	const struct table *aes[2], *chacha20;
	unsigned before = plan->count;
	int r;

	if (!s)
		return -ENOMEM;
	s->image = image;
	r = find_tables(s);
	if (r == 0)
		r = find_aes(s, aes);
	if (r == 0)
		r = add_table(s, aes[0], true, plan);
	if (r == 0)
		r = add_table(s, aes[1], false, plan);
	chacha20 = r == 0 ? find_chacha20(s, aes[0]) : NULL;
	if (chacha20)
		r = add_table(s, chacha20, true, plan);
	if (r == 0) {
		plan->found = LT_FOUND_CODE;
		return 0;
	}
	plan->count = before;
	if (r == -ENOTUNIQ || r == -E2BIG)
		*ret_why = "rustls on ring (which of its functions seal and open is not clear)";
	return r;
}
