/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses of a stretch of code are called from anywhere in the file: where functions begin,
 * in a file without an unwind table and without padding between functions (built for size).
 * x86-64 and arm64. Foreign input, read in windows.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collectors/elf_image.h"

/*
 * The targets of direct calls in [@low, @high), and of jumps into it from outside (tail calls),
 * each once and in order: at most @max, -E2BIG for more. Returns how many, or -errno.
 */
LT_MUST_CHECK int lt_code_targets(const struct lt_elf_image *image, uint64_t low, uint64_t high,
				  uint64_t *ret, size_t max);
