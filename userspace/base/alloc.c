// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_ulong made;
static atomic_ulong fail_at;
static atomic_ulong live;

static bool must_fail(void)
{
	unsigned long now = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) + 1;
	unsigned long at = atomic_load_explicit(&fail_at, memory_order_relaxed);

	return at != 0 && now == at;
}

static void *taken(void *p)
{
	atomic_fetch_add_explicit(&live, malloc_usable_size(p), memory_order_relaxed);
	return p;
}

static void given_back(size_t size)
{
	atomic_fetch_sub_explicit(&live, size, memory_order_relaxed);
}

void *lt_calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : taken(calloc(count, size));
}

void *lt_reallocarray(void *old, size_t count, size_t size)
{
	size_t before = malloc_usable_size(old);
	void *p = must_fail() ? NULL : reallocarray(old, count, size);

	if (!p)
		return NULL;
	given_back(before);
	return taken(p);
}

char *lt_strdup(const char *s)
{
	return must_fail() ? NULL : taken(strdup(s));
}

void lt_free(void *p)
{
	given_back(malloc_usable_size(p));
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

unsigned long lt_alloc_live(void)
{
	return atomic_load(&live);
}
