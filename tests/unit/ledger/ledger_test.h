/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the ledger share: a directory of their own and records made from a number. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "userspace/ledger/query.h"

static char directory[64];

static inline int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/lt-ledger.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static inline int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static inline struct lt_ledger *open_ledger(enum lt_ledger_mode mode)
{
	struct lt_problem problem = {0};
	struct lt_ledger *l = NULL;

	if (lt_ledger_open(directory, mode, &l, &problem) != 0)
		fail_msg("%s", problem.text);
	return l;
}

static inline uint64_t random_u64(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Any bytes but NUL in @size, of any length; quotes and percent signs among them. */
static inline void random_text(uint64_t *seed, char *to, size_t size)
{
	static const char alphabet[] = "abcXYZ019 '\"%;\\-_/.,{}[]\n";
	size_t n = random_u64(seed) % size;

	memset(to, 0, size);
	for (size_t i = 0; i < n; i++)
		to[i] = alphabet[random_u64(seed) % (sizeof(alphabet) - 1)];
}

/* A plain priced call. */
static inline struct lt_record plain_record(uint32_t number)
{
	struct lt_record r = {.revision = 1, .ttfb_ns = -1, .counts_in_total = true};

	memcpy(r.id.b, &number, sizeof(number));
	r.start_ns = 1764000000000000000 + (int64_t)number * 1000000000;
	r.end_ns = r.start_ns + 500000000;
	r.call.conn.tgid = r.who.pid = 100 + number % 7;
	snprintf(r.call.host, sizeof(r.call.host), "api.openai.com");
	snprintf(r.call.provider, sizeof(r.call.provider), "openai");
	snprintf(r.call.request_model, sizeof(r.call.request_model), "gpt-%u", number % 3);
	snprintf(r.who.tenant, sizeof(r.who.tenant), "tenant-%u", number % 5);
	snprintf(r.cost.currency, sizeof(r.cost.currency), "USD");
	r.call.usage.input = (struct lt_count){1000 + number, true};
	r.call.usage.output = (struct lt_count){number, true};
	r.call.usage.source = LT_USAGE_WIRE;
	r.call.status = 200;
	r.cost.status = LT_PRICE_PRICED;
	r.cost.amount = (int64_t)number * 1000003;
	return r;
}

static inline int put(struct lt_ledger *l, const struct lt_record *record)
{
	return lt_ledger_put(l, &record, 1);
}

static inline int count_record(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	size_t *count = arg;

	(void)record;
	(*count)++;
	return node_seq == 0 ? -EINVAL : 0;
}

static inline size_t count_records(struct lt_ledger *l)
{
	struct lt_filter f;
	size_t count = 0;

	lt_filter_init(&f);
	f.with_void = true;
	assert_int_equal(lt_query_records(l, &f, count_record, &count), 0);
	return count;
}
