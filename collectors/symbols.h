/* SPDX-License-Identifier: Apache-2.0 */
/* For collectors that know a stack's functions by their symbols. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collectors/collector.h"

struct lt_named_hook {
	const char *symbol;
	enum lt_hook hook;
};

enum { LT_NAMED_HOOKS_MAX = 32 };

/*
 * Where the image defines each of the @count functions, by file offset, 0: it does not. @prefix:
 * what all names begin with. One that no probe can be put on counts as not defined. Returns how
 * many it defines, or -errno.
 */
LT_MUST_CHECK int lt_symbols_find(const struct lt_elf_image *image, const char *prefix,
				  const struct lt_named_hook *functions, size_t count,
				  uint64_t offsets[LT_NAMED_HOOKS_MAX]);
/* Adds those that were found to the plan. */
void lt_symbols_add(const struct lt_named_hook *functions, size_t count, const uint64_t *offsets,
		    struct lt_probe_plan *plan);
