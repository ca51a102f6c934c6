// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/counter.h"

#include <stdatomic.h>

static atomic_uint_fast64_t values[LT_COUNTER_COUNT];

static const struct {
	const char *name;
	const char *help;
} texts[] = {
#define LT_X(id, name, help) [LT_C_##id] = {name, help},
	LT_COUNTERS(LT_X)
#undef LT_X
};

void lt_counter_add(enum lt_counter counter, uint64_t n)
{
	atomic_fetch_add_explicit(&values[counter], n, memory_order_relaxed);
}

void lt_counter_set(enum lt_counter counter, uint64_t n)
{
	atomic_store_explicit(&values[counter], n, memory_order_relaxed);
}

uint64_t lt_counter_get(enum lt_counter counter)
{
	return atomic_load_explicit(&values[counter], memory_order_relaxed);
}

const char *lt_counter_name(enum lt_counter counter)
{
	return texts[counter].name;
}

const char *lt_counter_help(enum lt_counter counter)
{
	return texts[counter].help;
}
