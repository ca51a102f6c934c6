/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the function begins and ends that an address lies in, without symbols: by the table that
 * unwinders search (.eh_frame_hdr, Linux Standard Base Core, 10.6.2), which stripping leaves; where
 * a file has none, by the padding that linkers and compilers put between functions. Foreign input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectors/elf_image.h"

enum { LT_CODE_FUNCTION_MAX = 64 << 10 };

struct lt_code_function {
	uint64_t start;
	uint64_t end; /* the first byte that surely is not its own */
};

/* -ENOENT: it can't be told; -ENOMEM. */
LT_MUST_CHECK int lt_code_function(const struct lt_elf_image *image, uint64_t address,
				   struct lt_code_function *ret);

/* A direct call or jump. */
struct lt_code_call {
	uint64_t at, target;
};

/*
 * The direct calls and jumps of @function, as far as they are within its first LT_CODE_FUNCTION_MAX
 * bytes: at most @max; returns how many, or -errno. On x86-64 what looks like one may be part of
 * another instruction.
 */
LT_MUST_CHECK int lt_code_calls(const struct lt_elf_image *image,
				const struct lt_code_function *function, struct lt_code_call *ret,
				size_t max);
