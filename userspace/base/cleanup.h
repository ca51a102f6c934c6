/* SPDX-License-Identifier: Apache-2.0 */
/* The one idiom of ownership: lt_defer(thing_freep) struct thing *t = NULL; ... *ret = lt_take(t);
 */
#pragma once

#include <stdio.h>
#include <unistd.h>

#define LT_MUST_CHECK	__attribute__((warn_unused_result))
#define LT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define LT_NORETURN	__attribute__((noreturn))

/* Runs @fn(&variable) when the variable leaves its scope. */
#define lt_defer(fn) __attribute__((cleanup(fn)))

/* Hands ownership on: the value, and the variable is NULL from now on. */
#define lt_take(p)                                                                                 \
	({                                                                                         \
		__typeof__(p) lt_taken_ = (p);                                                     \
		(p) = NULL;                                                                        \
		lt_taken_;                                                                         \
	})

/* Says that a result is ignored on purpose (gcc does not accept a void cast for that). */
#define lt_ignore(expr)                                                                            \
	do {                                                                                       \
		__typeof__(expr) lt_ignored_ = (expr);                                             \
		(void)lt_ignored_;                                                                 \
	} while (0)

#define LT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Makes lt_defer(name##p) from free_fn(type *), which accepts NULL. */
#define LT_DEFINE_FREEP(name, type)                                                                \
	static inline void name##p(type **p)                                                       \
	{                                                                                          \
		if (*p)                                                                            \
			name(*p);                                                                  \
		*p = NULL;                                                                         \
	}

static inline void lt_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void lt_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
	*f = NULL;
}
