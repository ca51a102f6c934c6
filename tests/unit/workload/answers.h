/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded answers of runtimes (tests/unit/workload/answers), whole. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "userspace/base/bytes.h"

#define ANSWERS "tests/unit/workload/answers/"

/* To be freed by free((void *)b.p). */
static inline struct lt_bytes answer(const char *name)
{
	char path[256];
	uint8_t *at = calloc(1, 65536);
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), ANSWERS "%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(at, 1, 65536, f);
	fclose(f);
	assert_true(n > 0 && n < 65536);
	return lt_bytes(at, n);
}
