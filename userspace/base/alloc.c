// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_ulong made;
static atomic_ulong fail_at;

static bool must_fail(void)
{
	unsigned long now = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) + 1;
	unsigned long at = atomic_load_explicit(&fail_at, memory_order_relaxed);

	return at != 0 && now == at;
}

void *lt_calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : calloc(count, size);
}

void *lt_reallocarray(void *old, size_t count, size_t size)
{
	return must_fail() ? NULL : reallocarray(old, count, size);
}

char *lt_strdup(const char *s)
{
	return must_fail() ? NULL : strdup(s);
}

void lt_free(void *p)
{
	free(p);
}

void lt_alloc_fail_at(unsigned long n)
{
	atomic_store(&fail_at, n == 0 ? 0 : atomic_load(&made) + n);
}

unsigned long lt_alloc_count(void)
{
	return atomic_load(&made);
}
