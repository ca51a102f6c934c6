/* SPDX-License-Identifier: Apache-2.0 */
/* The only door to the heap: zeroed memory, and a hook with which tests fail the n-th allocation.
 */
#pragma once

#include <stddef.h>

/* Zeroed memory for @count things of @size bytes, or NULL. End with lt_free. */
void *lt_calloc(size_t count, size_t size);
/* As realloc for @count things of @size bytes; NULL leaves the old block as it was. New bytes are
 * not zeroed. */
void *lt_reallocarray(void *old, size_t count, size_t size);
/* A copy of the string, or NULL. */
char *lt_strdup(const char *s);
/* NULL is fine. */
void lt_free(void *p);

/* For lt_defer(lt_freep) on any pointer variable. */
static inline void lt_freep(void *variable)
{
	void **slot = variable;

	lt_free(*slot);
	*slot = NULL;
}

/* Test hook: the @n-th allocation from now (1 = the next) gives NULL, once; 0 switches it off. Per
 * process. */
void lt_alloc_fail_at(unsigned long n);
/* Test hook: allocations made since the process began. */
unsigned long lt_alloc_count(void);
/* Bytes that were taken here and not given back. */
unsigned long lt_alloc_live(void);
