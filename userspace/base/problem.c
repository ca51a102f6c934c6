// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/problem.h"

#include <stdarg.h>
#include <string.h>

static int fill(struct lt_problem *problem, int error, const char *file, unsigned line,
		unsigned column, const char *format, va_list args) LT_PRINTF(6, 0);

static int fill(struct lt_problem *problem, int error, const char *file, unsigned line,
		unsigned column, const char *format, va_list args)
{
	if (!problem)
		return error;
	snprintf(problem->file, sizeof(problem->file), "%s", file ? file : "");
	problem->line = line;
	problem->column = column;
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	return error;
}

int lt_problem_set(struct lt_problem *problem, int error, const char *file, unsigned line,
		   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(problem, error, file, line, 0, format, args);
	va_end(args);
	return error;
}

int lt_problem_at(struct lt_problem *problem, int error, const char *file, unsigned line,
		  unsigned column, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(problem, error, file, line, column, format, args);
	va_end(args);
	return error;
}

const char *lt_problem_format(const struct lt_problem *problem, char *to, size_t size)
{
	if (problem->file[0] && problem->line && problem->column)
		snprintf(to, size, "%s:%u:%u: %s", problem->file, problem->line, problem->column,
			 problem->text);
	else if (problem->file[0] && problem->line)
		snprintf(to, size, "%s:%u: %s", problem->file, problem->line, problem->text);
	else if (problem->file[0])
		snprintf(to, size, "%s: %s", problem->file, problem->text);
	else
		snprintf(to, size, "%s", problem->text);
	return to;
}
