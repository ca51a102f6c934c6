/* SPDX-License-Identifier: Apache-2.0 */
/* What a person is told about bad input: where, what and what to do. Rooms fill it, cmd/ prints it.
 */
#pragma once

#include "userspace/base/cleanup.h"

struct lt_problem {
	char file[256];	 /* "" when no file is concerned */
	unsigned line;	 /* 1-based, 0 when unknown */
	unsigned column; /* 1-based, in characters; 0 when unknown */
	char text[512];	 /* one sentence: what is wrong and what to do */
};

/* Fills @problem (NULL is fine) and returns @error, so that a loader can say: return
 * lt_problem_set(...). */
int lt_problem_set(struct lt_problem *problem, int error, const char *file, unsigned line,
		   const char *format, ...) LT_PRINTF(5, 6);

/* The same with the column. */
int lt_problem_at(struct lt_problem *problem, int error, const char *file, unsigned line,
		  unsigned column, const char *format, ...) LT_PRINTF(6, 7);

/* Writes "file:line:column: text", as far as it is known, into @to, always NUL terminated. Returns
 * @to. */
const char *lt_problem_format(const struct lt_problem *problem, char *to, size_t size);
