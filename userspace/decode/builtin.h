/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog files that are part of the binary. */
#pragma once

#include "userspace/base/bytes.h"

struct lt_builtin_file {
	const char *name; /* path in the source tree */
	struct lt_bytes text;
};

size_t lt_builtin_count(void);
struct lt_builtin_file lt_builtin_file(size_t index);
