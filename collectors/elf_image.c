// SPDX-License-Identifier: Apache-2.0
/*
 * Files of containers are foreign input: they are read (not mapped, so that a file cut short under
 * us is an error and no SIGBUS), every offset is checked, and nothing stays on the heap once the
 * plan is made.
 */
#include "collectors/elf_image.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/alloc.h"

enum { SYMBOLS_MAX = 4 << 20 }; /* Chromium has about one million */

struct lt_elf_image {
	Elf *elf;
	int fd; /* the caller's */
	const struct lt_code_memory *memory;
};

/* Symbols are found through the section headers, which stand at the end: a file cut short has lost
 * them. libelf takes that for a file without sections. */
static bool is_whole(Elf *elf, int fd)
{
	GElf_Ehdr header;
	struct stat st;

	if (!gelf_getehdr(elf, &header) || fstat(fd, &st) < 0)
		return false;
	return header.e_shoff == 0 || (header.e_shoff <= (uint64_t)st.st_size &&
				       (uint64_t)header.e_shnum * header.e_shentsize <=
					       (uint64_t)st.st_size - header.e_shoff);
}

int lt_elf_open(int fd, struct lt_elf_image **ret)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = lt_calloc(1, sizeof(*image));
	unsigned char magic[EI_NIDENT];

	if (!image)
		return -ENOMEM;
	if (pread(fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
	    memcmp(magic, ELFMAG, SELFMAG) != 0 || magic[EI_CLASS] != ELFCLASS64)
		return -ENOEXEC;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EBADMSG;
	image->fd = fd;
	image->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!image->elf || elf_kind(image->elf) != ELF_K_ELF || !is_whole(image->elf, fd))
		return -EBADMSG;
	*ret = lt_take(image);
	return 0;
}

struct lt_elf_image *lt_elf_free(struct lt_elf_image *image)
{
	if (!image)
		return NULL;
	if (image->elf)
		elf_end(image->elf);
	lt_free(image);
	return NULL;
}

/* Address as the linker laid it out -> offset in the file; 0 when no executable segment holds it.
 */
static uint64_t file_offset(Elf *elf, uint64_t address)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) < 0)
		return 0;
	for (size_t i = 0; i < count && i < 256; i++) {
		GElf_Phdr segment;

		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD ||
		    !(segment.p_flags & PF_X))
			continue;
		if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
			return address - segment.p_vaddr + segment.p_offset;
	}
	return 0;
}

uint64_t lt_elf_offset(const struct lt_elf_image *image, uint64_t address)
{
	return file_offset(image->elf, address);
}

uint64_t lt_elf_offset_of(const struct lt_elf_image *image, uint64_t address)
{
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(image, segments);

	for (size_t i = 0; i < count; i++) {
		if (address >= segments[i].address &&
		    address - segments[i].address < segments[i].size)
			return address - segments[i].address + segments[i].offset;
	}
	return 0;
}

uint64_t lt_elf_unwind_table(const struct lt_elf_image *image)
{
	size_t count;

	if (elf_getphdrnum(image->elf, &count) < 0)
		return 0;
	for (size_t i = 0; i < count && i < 256; i++) {
		GElf_Phdr segment;

		if (gelf_getphdr(image->elf, (int)i, &segment) && segment.p_type == PT_GNU_EH_FRAME)
			return segment.p_vaddr;
	}
	return 0;
}

void lt_elf_set_memory(struct lt_elf_image *image, const struct lt_code_memory *memory)
{
	image->memory = memory;
}

const struct lt_code_memory *lt_elf_memory(const struct lt_elf_image *image)
{
	return image->memory;
}

size_t lt_elf_segments(const struct lt_elf_image *image,
		       struct lt_elf_segment ret[LT_ELF_SEGMENTS_MAX])
{
	size_t count, found = 0;

	if (elf_getphdrnum(image->elf, &count) < 0)
		return 0;
	for (size_t i = 0; i < count && i < 256 && found < LT_ELF_SEGMENTS_MAX; i++) {
		GElf_Phdr segment;

		if (!gelf_getphdr(image->elf, (int)i, &segment) || segment.p_type != PT_LOAD)
			continue;
		ret[found++] = (struct lt_elf_segment){
			.address = segment.p_vaddr,
			.offset = segment.p_offset,
			.size = segment.p_filesz,
			.executable = segment.p_flags & PF_X,
			.writable = segment.p_flags & PF_W,
		};
	}
	return found;
}

int lt_elf_section(const struct lt_elf_image *image, const char *name, struct lt_elf_segment *ret)
{
	Elf_Scn *section = NULL;
	size_t index;

	if (elf_getshdrstrndx(image->elf, &index) < 0)
		return -ENOENT;
	while ((section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;
		const char *its;

		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
			continue;
		its = elf_strptr(image->elf, index, header.sh_name);
		if (!its || strcmp(its, name) != 0)
			continue;
		*ret = (struct lt_elf_segment){
			.address = header.sh_addr,
			.offset = header.sh_offset,
			.size = header.sh_size,
			.executable = header.sh_flags & SHF_EXECINSTR,
			.writable = header.sh_flags & SHF_WRITE,
		};
		return 0;
	}
	return -ENOENT;
}

static GElf_Ehdr file_header(const struct lt_elf_image *image)
{
	GElf_Ehdr header;

	return gelf_getehdr(image->elf, &header) ? header : (GElf_Ehdr){.e_machine = EM_NONE};
}

unsigned lt_elf_machine(const struct lt_elf_image *image)
{
	return file_header(image).e_machine;
}

unsigned lt_elf_type(const struct lt_elf_image *image)
{
	return file_header(image).e_type;
}

ssize_t lt_elf_read(const struct lt_elf_image *image, uint64_t offset, void *to, size_t n)
{
	ssize_t got;

	if (offset > INT64_MAX)
		return -EINVAL;
	got = pread(image->fd, to, n, (off_t)offset);
	return got < 0 ? -errno : got;
}

static int search_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *prefix,
			const char *const *names, size_t count, uint64_t *offsets)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t symbols = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	size_t prefix_n = strlen(prefix);
	int found = 0;

	if (!data)
		return -EBADMSG;
	for (size_t i = 0; i < symbols && i < SYMBOLS_MAX; i++) {
		const char *name;
		GElf_Sym symbol;

		if (!gelf_getsym(data, (int)i, &symbol))
			return -EBADMSG;
		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (!name || strncmp(name, prefix, prefix_n) != 0)
			continue;
		for (size_t n = 0; n < count; n++) {
			if (offsets[n] != 0 || strcmp(name, names[n]) != 0)
				continue;
			offsets[n] = file_offset(elf, symbol.st_value);
			found += offsets[n] != 0;
		}
	}
	return found;
}

int lt_elf_functions(const struct lt_elf_image *image, const char *prefix, const char *const *names,
		     size_t count, uint64_t *ret_offsets)
{
	Elf_Scn *section = NULL;
	int found = 0;

	memset(ret_offsets, 0, count * sizeof(*ret_offsets));
	while ((section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;
		int r;

		if (!gelf_getshdr(section, &header))
			return -EBADMSG;
		if (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB)
			continue;
		r = search_table(image->elf, section, &header, prefix, names, count, ret_offsets);
		if (r < 0)
			return r;
		found += r;
	}
	return found;
}

static int add_copy(struct lt_elf_copies *copies, uint64_t offset)
{
	for (unsigned i = 0; i < copies->count; i++) {
		if (copies->offsets[i] == offset)
			return 0;
	}
	if (copies->count == LT_ELF_COPIES_MAX)
		return -E2BIG;
	copies->offsets[copies->count++] = offset;
	return 0;
}

static int search_ends(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *const *ends,
		       size_t count, struct lt_elf_copies *ret)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t symbols = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	int r = 0;

	if (!data)
		return -EBADMSG;
	for (size_t i = 0; i < symbols && i < SYMBOLS_MAX && r == 0; i++) {
		const char *name;
		GElf_Sym symbol;
		size_t n;

		if (!gelf_getsym(data, (int)i, &symbol))
			return -EBADMSG;
		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		n = name ? strlen(name) : 0;
		for (size_t e = 0; e < count && r == 0; e++) {
			size_t end_n = strlen(ends[e]);
			uint64_t offset;

			if (n < end_n || memcmp(name + n - end_n, ends[e], end_n) != 0)
				continue;
			offset = file_offset(elf, symbol.st_value);
			r = offset ? add_copy(&ret[e], offset) : 0;
		}
	}
	return r;
}

int lt_elf_functions_ending(const struct lt_elf_image *image, const char *const *ends, size_t count,
			    struct lt_elf_copies *ret)
{
	Elf_Scn *section = NULL;
	int r = 0;

	memset(ret, 0, count * sizeof(*ret));
	while (r == 0 && (section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header))
			return -EBADMSG;
		if (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB)
			r = search_ends(image->elf, section, &header, ends, count, ret);
	}
	return r;
}

size_t lt_elf_build_id(const struct lt_elf_image *image, uint8_t ret[LT_BUILD_ID_MAX])
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(image->elf, section))) {
		size_t at = 0, next, name, desc;
		Elf_Data *data;
		GElf_Shdr header;
		GElf_Nhdr note;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
			continue;
		data = elf_getdata(section, NULL);
		while (data && (next = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
			if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
			    memcmp((char *)data->d_buf + name, "GNU", 4) == 0) {
				size_t n = note.n_descsz < LT_BUILD_ID_MAX ? note.n_descsz
									   : LT_BUILD_ID_MAX;

				memcpy(ret, (char *)data->d_buf + desc, n);
				return n;
			}
			at = next;
		}
	}
	return 0;
}
