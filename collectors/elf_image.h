/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF file as collectors see it: which functions it defines, and where in the file (the only
 * libelf user). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/cleanup.h"

struct lt_elf_image;

/*
 * Reads the file behind @fd (stays the caller's, must stay open while the image lives). -ENOEXEC:
 * no ELF file of this machine's class; -EBADMSG: broken.
 */
LT_MUST_CHECK int lt_elf_open(int fd, struct lt_elf_image **ret);
struct lt_elf_image *lt_elf_free(struct lt_elf_image *image);
LT_DEFINE_FREEP(lt_elf_free, struct lt_elf_image)

/*
 * File offsets of the functions that the image defines (in .dynsym or .symtab), 0 where it does
 * not. All of @names begin with @prefix. Returns how many were found, or -EBADMSG.
 */
LT_MUST_CHECK int lt_elf_functions(const struct lt_elf_image *image, const char *prefix,
				   const char *const *names, size_t count, uint64_t *ret_offsets);

enum { LT_ELF_COPIES_MAX = 4 };

struct lt_elf_copies {
	unsigned count;
	uint64_t offsets[LT_ELF_COPIES_MAX];
};

/* For each of @ends the functions whose names end so, by file offset: of every copy of a library
 * that puts its release before its names. -E2BIG: too many copies; -EBADMSG. */
LT_MUST_CHECK int lt_elf_functions_ending(const struct lt_elf_image *image, const char *const *ends,
					  size_t count, struct lt_elf_copies *ret);

/* What is loaded, and from where in the file. */
struct lt_elf_segment {
	uint64_t address, offset, size; /* size in the file */
	bool executable, writable;
};

enum { LT_ELF_SEGMENTS_MAX = 32 };
/* The loaded segments in the file's order; returns how many. */
size_t lt_elf_segments(const struct lt_elf_image *image,
		       struct lt_elf_segment ret[LT_ELF_SEGMENTS_MAX]);
/* A section by its name; -ENOENT: there is none (a stripped file may have no sections at all). */
LT_MUST_CHECK int lt_elf_section(const struct lt_elf_image *image, const char *name,
				 struct lt_elf_segment *ret);
/* EM_X86_64, EM_AARCH64 ... (elf.h), and ET_EXEC or ET_DYN. */
unsigned lt_elf_machine(const struct lt_elf_image *image);
unsigned lt_elf_type(const struct lt_elf_image *image);
/* Bytes of the file from @offset on; returns how many were there, or -errno. Large files are walked
 * in windows: nothing keeps them in memory. */
ssize_t lt_elf_read(const struct lt_elf_image *image, uint64_t offset, void *to, size_t n);
/* File offset of an address in an executable segment, 0: in none. */
uint64_t lt_elf_offset(const struct lt_elf_image *image, uint64_t address);
/* The same for any loaded segment. */
uint64_t lt_elf_offset_of(const struct lt_elf_image *image, uint64_t address);
/* Address of the table that unwinders search (.eh_frame_hdr), 0: there is none. Stripping leaves
 * it. */
uint64_t lt_elf_unwind_table(const struct lt_elf_image *image);

/* What was learned of this file before (code_refs.h), NULL: nothing. Borrowed. */
struct lt_code_memory;
void lt_elf_set_memory(struct lt_elf_image *image, const struct lt_code_memory *memory);
const struct lt_code_memory *lt_elf_memory(const struct lt_elf_image *image);

enum { LT_BUILD_ID_MAX = 20 };
/* The GNU build id; returns its length, 0 when there is none. */
size_t lt_elf_build_id(const struct lt_elf_image *image, uint8_t ret[LT_BUILD_ID_MAX]);
