// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

#include "tests/unit/ledger/ledger_test.h"

struct seen {
	uint64_t change[64];
	struct lt_record record[64];
	size_t count;
};

static int keep_change(void *arg, uint64_t change_seq, uint64_t node_seq,
		       const struct lt_record *record)
{
	struct seen *seen = arg;

	assert_true(node_seq > 0);
	assert_true(seen->count < LT_COUNT(seen->change));
	seen->change[seen->count] = change_seq;
	seen->record[seen->count++] = *record;
	return 0;
}

static struct seen *changes(struct lt_ledger *l, uint64_t after, size_t limit)
{
	static struct seen seen;

	seen.count = 0;
	assert_int_equal(lt_query_changes(l, after, limit, keep_change, &seen), 0);
	for (size_t i = 0; i < seen.count; i++)
		assert_true(seen.change[i] > (i == 0 ? after : seen.change[i - 1]));
	return &seen;
}

static void keep(struct lt_ledger *l, const struct lt_record *record)
{
	assert_int_equal(lt_ledger_put(l, &record, 1), 0);
}

static void records_come_in_their_order_and_once(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	uint64_t at = 0;
	uint32_t next = 0;

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		struct lt_record r = plain_record(i);

		keep(l, &r);
		keep(l, &r);
	}
	for (struct seen *s = changes(l, 0, 3); s->count > 0; s = changes(l, at, 3)) {
		for (size_t i = 0; i < s->count; i++)
			assert_int_equal(s->record[i].start_ns, plain_record(next++).start_ns);
		at = s->change[s->count - 1];
	}
	assert_int_equal(next, 10);
	lt_ledger_close(l);
}

static void a_revision_comes_again_behind_the_others(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r[3];
	struct seen *s;
	uint64_t at;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		r[i] = plain_record(i);
		keep(l, &r[i]);
	}
	s = changes(l, 0, 64);
	at = s->change[s->count - 1];
	keep(l, &r[0]); /* nothing new */
	assert_int_equal(changes(l, at, 64)->count, 0);
	r[0].revision = 2;
	keep(l, &r[0]);
	s = changes(l, at, 64);
	assert_int_equal(s->count, 1);
	assert_int_equal(s->record[0].revision, 2);
	assert_memory_equal(s->record[0].id.b, r[0].id.b, 16);
	/* Who reads from the beginning meets it once, as it is now. */
	assert_int_equal(changes(l, 0, 64)->count, 3);
	lt_ledger_close(l);
}

/* What one put changes in other records is a change of theirs. */
static void a_hop_that_is_found_later_changes_the_others(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record outer = plain_record(1), inner = plain_record(1);
	struct seen *s;
	uint64_t at;

	(void)state;
	outer.dedupe_known = inner.dedupe_known = true;
	memset(outer.dedupe_key, 9, 16);
	memset(inner.dedupe_key, 9, 16);
	inner.id.b[8] = 1;
	inner.start_ns += 1000;
	inner.end_ns -= 1000;
	inner.call.conn.tgid = 4242;
	snprintf(outer.call.host, sizeof(outer.call.host), "gateway.local");
	keep(l, &inner);
	at = changes(l, 0, 64)->change[0];
	keep(l, &outer);
	s = changes(l, at, 64);
	assert_int_equal(s->count, 2);
	for (size_t i = 0; i < 2; i++) {
		if (memcmp(s->record[i].id.b, inner.id.b, 16) == 0)
			assert_int_equal(s->record[i].hop, LT_HOP_TERMINAL);
		else
			assert_int_equal(s->record[i].hop, LT_HOP_ORIGIN);
	}
	lt_ledger_close(l);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(records_come_in_their_order_and_once),
		WITH_DIRECTORY(a_revision_comes_again_behind_the_others),
		WITH_DIRECTORY(a_hop_that_is_found_later_changes_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
