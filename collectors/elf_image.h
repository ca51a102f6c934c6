/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF file as collectors see it: which functions it defines, and where in the file (the only
 * libelf user). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Whether @text stands in the image's constants or in its table of Go functions. */
bool lt_elf_mentions(const struct lt_elf_image *image, const char *text);

enum { LT_BUILD_ID_MAX = 20 };
/* The GNU build id; returns its length, 0 when there is none. */
size_t lt_elf_build_id(const struct lt_elf_image *image, uint8_t ret[LT_BUILD_ID_MAX]);
