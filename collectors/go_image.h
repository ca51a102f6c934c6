/* SPDX-License-Identifier: Apache-2.0 */
/* Go in an ELF file: where its table of functions is, and at which address its code begins. */
#pragma once

#include "collectors/elf_image.h"
#include "collectors/go_table.h"

struct lt_go_image {
	const struct lt_elf_image *elf;
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t segment_count;
	uint64_t relocations, relocations_size; /* in the file; 0: none */
	struct lt_go_reader reader;
	struct lt_go_table table;
};

/*
 * @ret refers to itself and to @elf: it stays where it is, and ends before @elf. -ENOENT: no
 * program of Go; -EBADMSG: its table is broken; -ENOTSUP: it is of Go before 1.16.
 */
LT_MUST_CHECK int lt_go_image_open(const struct lt_elf_image *elf, struct lt_go_image *ret);

enum { LT_GO_TEXTS_MAX = 3 };
/*
 * Addresses at which the code may begin that the table's entries count from, the likeliest first;
 * returns how many. One is right; which, the code there tells.
 */
size_t lt_go_image_texts(const struct lt_go_image *image, uint64_t ret[LT_GO_TEXTS_MAX]);
