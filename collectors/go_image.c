// SPDX-License-Identifier: Apache-2.0
/*
 * A program that may be loaded anywhere (PIE) has addresses that the loader puts in: the file holds
 * zero in their place, and the address stands in the list of relocations. What is asked for are a
 * handful of addresses, so the list is walked for each and not kept.
 */
#include "collectors/go_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "userspace/base/alloc.h"

enum {
	WINDOW = 64 << 10,
	PROGRAM_HEADERS_MAX = 64,
	DYNAMIC_MAX = 256,
	/* Words of the runtime's record of a module (moduledata), the same since 1.16. */
	MODULE_NAMES = 1,
	MODULE_TEXT = 22,
};

static ssize_t read_file(const void *arg, uint64_t position, void *to, size_t n)
{
	const struct lt_go_image *image = arg;

	return lt_elf_read(image->elf, position, to, n);
}

/* Offset in the file -> address, and back; 0: in no segment. */
static uint64_t address_of(const struct lt_go_image *image, uint64_t offset)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct lt_elf_segment *s = &image->segments[i];

		if (offset >= s->offset && offset - s->offset < s->size)
			return offset - s->offset + s->address;
	}
	return 0;
}

static uint64_t offset_of(const struct lt_go_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct lt_elf_segment *s = &image->segments[i];

		if (address >= s->address && address - s->address < s->size)
			return address - s->address + s->offset;
	}
	return 0;
}

static unsigned relative_type(const struct lt_elf_image *elf)
{
	return lt_elf_machine(elf) == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
}

/* Calls @match for all relocations that are an address of the program's own, until it says true.
 * Returns whether it did. */
static bool walk_relocations(const struct lt_go_image *image,
			     bool (*match)(void *arg, const Elf64_Rela *rela), void *arg)
{
	enum { MANY = WINDOW / sizeof(Elf64_Rela) };
	lt_defer(lt_freep)
	Elf64_Rela *some = lt_calloc(MANY, sizeof(*some));
	uint64_t at = 0;

	while (some && at < image->relocations_size) {
		uint64_t left = image->relocations_size - at;
		size_t most = left < MANY * sizeof(*some) ? left : MANY * sizeof(*some);
		ssize_t got = lt_elf_read(image->elf, image->relocations + at, some, most);

		if (got < (ssize_t)sizeof(*some))
			return false;
		for (size_t i = 0; i < (size_t)got / sizeof(*some); i++) {
			if (ELF64_R_TYPE(some[i].r_info) == relative_type(image->elf) &&
			    match(arg, &some[i]))
				return true;
		}
		at += (size_t)got / sizeof(*some) * sizeof(*some);
	}
	return false;
}

struct by_place {
	uint64_t address, value;
};

static bool is_at(void *arg, const Elf64_Rela *rela)
{
	struct by_place *wanted = arg;

	if (rela->r_offset != wanted->address)
		return false;
	wanted->value = (uint64_t)rela->r_addend;
	return true;
}

static int read_address(const void *arg, uint64_t position, uint64_t *ret)
{
	const struct lt_go_image *image = arg;
	struct by_place wanted = {.address = address_of(image, position)};

	if (image->relocations_size > 0 && walk_relocations(image, is_at, &wanted)) {
		*ret = wanted.value;
		return 0;
	}
	return lt_elf_read(image->elf, position, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret)
		       ? 0
		       : -EBADMSG;
}

static void read_dynamic(struct lt_go_image *image, const Elf64_Phdr *header)
{
	uint64_t address = 0, size = 0;

	for (size_t i = 0; i < DYNAMIC_MAX && (i + 1) * sizeof(Elf64_Dyn) <= header->p_filesz;
	     i++) {
		Elf64_Dyn entry;

		if (lt_elf_read(image->elf, header->p_offset + i * sizeof(entry), &entry,
				sizeof(entry)) != (ssize_t)sizeof(entry) ||
		    entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_RELA)
			address = entry.d_un.d_ptr;
		if (entry.d_tag == DT_RELASZ)
			size = entry.d_un.d_val;
	}
	image->relocations = offset_of(image, address);
	image->relocations_size = image->relocations > 0 && size < INT64_MAX ? size : 0;
}

static void find_relocations(struct lt_go_image *image)
{
	Elf64_Ehdr file;

	if (lt_elf_read(image->elf, 0, &file, sizeof(file)) != (ssize_t)sizeof(file))
		return;
	for (size_t i = 0; i < file.e_phnum && i < PROGRAM_HEADERS_MAX; i++) {
		Elf64_Phdr header;

		if (lt_elf_read(image->elf, file.e_phoff + i * sizeof(header), &header,
				sizeof(header)) != (ssize_t)sizeof(header))
			return;
		if (header.p_type == PT_DYNAMIC)
			read_dynamic(image, &header);
	}
}

static bool has_sections(const struct lt_elf_image *elf)
{
	Elf64_Ehdr file;

	return lt_elf_read(elf, 0, &file, sizeof(file)) == (ssize_t)sizeof(file) &&
	       file.e_shnum > 0;
}

static unsigned instruction_size(const struct lt_elf_image *elf)
{
	return lt_elf_machine(elf) == EM_AARCH64 ? 4 : 1;
}

/* Calls @match for every aligned place in a segment, with the bytes there; stops when it says true.
 */
static bool walk_segment(const struct lt_go_image *image, const struct lt_elf_segment *segment,
			 bool (*match)(void *arg, uint64_t position, const uint8_t bytes[16]),
			 void *arg)
{
	enum { STEP = 8, LOOK = 16 };
	lt_defer(lt_freep)
	uint8_t *bytes = lt_calloc(1, WINDOW + LOOK);
	uint64_t at = 0;

	while (bytes && at < segment->size) {
		ssize_t got = lt_elf_read(image->elf, segment->offset + at, bytes, WINDOW + LOOK);

		if (got < LOOK)
			return false;
		for (size_t i = 0; i < WINDOW && i + LOOK <= (size_t)got; i += STEP) {
			if (match(arg, segment->offset + at + i, bytes + i))
				return true;
		}
		at += WINDOW;
	}
	return false;
}

struct table_search {
	struct lt_go_image *image;
	uint64_t end;
	int r;
};

static bool is_table(void *arg, uint64_t position, const uint8_t bytes[16])
{
	struct table_search *search = arg;
	struct lt_go_image *image = search->image;

	if (!lt_go_table_begins(bytes, instruction_size(image->elf)))
		return false;
	search->r = lt_go_table_open(&image->reader, position, search->end - position,
				     &image->table);
	return search->r == 0;
}

/* By its first bytes: linkers other than Go's own put it where they like. */
static int search_table(struct lt_go_image *image)
{
	struct table_search search = {.image = image, .r = -EBADMSG};

	for (size_t i = 0; i < image->segment_count; i++) {
		search.end = image->segments[i].offset + image->segments[i].size;
		if (walk_segment(image, &image->segments[i], is_table, &search))
			return 0;
	}
	return search.r;
}

static int find_table(struct lt_go_image *image)
{
	static const char *const tables[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	static const char *const marks[] = {".go.buildinfo", ".note.go.buildid"};
	struct lt_elf_segment section;
	int r;

	for (size_t i = 0; i < LT_COUNT(tables); i++) {
		if (lt_elf_section(image->elf, tables[i], &section) == 0)
			return lt_go_table_open(&image->reader, section.offset, section.size,
						&image->table);
	}
	for (size_t i = 0; i < LT_COUNT(marks); i++) {
		if (lt_elf_section(image->elf, marks[i], &section) == 0)
			return search_table(image);
	}
	if (has_sections(image->elf))
		return -ENOENT;
	r = search_table(image);
	return r == -EBADMSG ? -ENOENT : r;
}

int lt_go_image_open(const struct lt_elf_image *elf, struct lt_go_image *ret)
{
	*ret = (struct lt_go_image){
		.elf = elf,
		.reader = {.arg = ret, .read = read_file, .address = read_address},
	};
	if (lt_elf_machine(elf) != EM_X86_64 && lt_elf_machine(elf) != EM_AARCH64)
		return -ENOENT;
	ret->segment_count = lt_elf_segments(elf, ret->segments);
	find_relocations(ret);
	return find_table(ret);
}

/* The record of the module begins with the table's address, followed by its names'. */
struct module_search {
	const struct lt_go_image *image;
	uint64_t table, names; /* addresses */
	uint64_t position;     /* of the module, when it is found */
};

static bool is_module(void *arg, uint64_t position, const uint8_t bytes[16])
{
	struct module_search *search = arg;

	if (memcmp(bytes, &search->table, sizeof(search->table)) != 0 ||
	    memcmp(bytes + sizeof(search->table), &search->names, sizeof(search->names)) != 0)
		return false;
	search->position = position;
	return true;
}

static bool is_relocated_module(void *arg, const Elf64_Rela *rela)
{
	struct module_search *search = arg;
	uint64_t position, names;

	if ((uint64_t)rela->r_addend != search->table)
		return false;
	position = offset_of(search->image, rela->r_offset);
	if (position == 0 ||
	    read_address(search->image, position + MODULE_NAMES * sizeof(uint64_t), &names) < 0 ||
	    names != search->names)
		return false;
	search->position = position;
	return true;
}

static uint64_t text_of_module(const struct lt_go_image *image)
{
	struct module_search search = {
		.image = image,
		.table = address_of(image, image->table.position),
		.names = address_of(image, image->table.names),
	};
	uint64_t text = 0;

	walk_relocations(image, is_relocated_module, &search);
	for (size_t i = 0; i < image->segment_count && search.position == 0; i++) {
		if (image->segments[i].writable)
			walk_segment(image, &image->segments[i], is_module, &search);
	}
	if (search.position == 0 ||
	    read_address(image, search.position + MODULE_TEXT * sizeof(uint64_t), &text) < 0)
		return 0;
	return text;
}

size_t lt_go_image_texts(const struct lt_go_image *image, uint64_t ret[LT_GO_TEXTS_MAX])
{
	struct lt_elf_segment section;
	size_t count = 0;

	/* Go up to 1.25 says it in the table. Go's own linker puts nothing else in front. */
	if (image->table.text != 0)
		ret[count++] = image->table.text;
	if (lt_elf_section(image->elf, ".text", &section) == 0)
		ret[count++] = section.address;
	ret[count] = text_of_module(image);
	return count + (ret[count] != 0);
}
