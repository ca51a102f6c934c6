// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/amend.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/ledger/ledger_test.h"
#include "userspace/base/clock.h"
#include "userspace/ledger/internal.h"
#include "userspace/ledger/writer.h"

/* What the orchestrator of these tests knows. */
static struct {
	const char *tenant, *namespace;
	bool whole;
	unsigned asked;
} known;

static bool again(void *arg, struct lt_record *record)
{
	(void)arg;
	known.asked++;
	if (!known.namespace)
		return false;
	snprintf(record->who.namespace, sizeof(record->who.namespace), "%s", known.namespace);
	snprintf(record->who.tenant, sizeof(record->who.tenant), "%s", known.tenant);
	record->who.pending = !known.whole;
	return true;
}

static struct lt_record waiting_record(uint32_t number)
{
	struct lt_record r = plain_record(number);

	snprintf(r.who.tenant, sizeof(r.who.tenant), "unattributed");
	r.who.pending = true;
	return r;
}

static void put_record(struct lt_ledger *l, const struct lt_record *record)
{
	assert_int_equal(lt_ledger_put(l, &record, 1), 0);
}

static struct lt_amended amend(struct lt_ledger *l)
{
	struct lt_amend_opts opts = {.again = again, .give_up_ns = INT64_MIN};
	struct lt_amended done;

	assert_int_equal(lt_ledger_amend(l, &opts, &done), 0);
	return done;
}

struct rows {
	struct lt_record at[8];
	size_t count;
};

static int keep_row(void *arg, uint64_t seq, const struct lt_record *record)
{
	struct rows *rows = arg;

	(void)seq;
	assert_true(rows->count < LT_COUNT(rows->at));
	rows->at[rows->count++] = *record;
	return 0;
}

static struct rows rows_of(struct lt_ledger *l, bool with_void)
{
	struct lt_filter f;
	struct rows rows = {.count = 0};

	lt_filter_init(&f);
	f.with_void = with_void;
	assert_int_equal(lt_query_records(l, &f, keep_row, &rows), 0);
	return rows;
}

static int forget(void **state)
{
	(void)state;
	memset(&known, 0, sizeof(known));
	return make_directory(state);
}

static void what_nobody_knows_stays_and_waits(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r = waiting_record(1), done = plain_record(2);
	struct rows rows;

	(void)state;
	put_record(l, &r);
	put_record(l, &done);
	assert_int_equal(amend(l).changed, 0);
	assert_int_equal(known.asked, 1); /* who does not wait is not asked for */
	rows = rows_of(l, true);
	assert_int_equal(rows.count, 2);
	assert_int_equal(rows.at[0].revision, 1);
	assert_true(rows.at[0].who.pending);
	lt_ledger_close(l);
}

static void with_the_same_tenant_it_is_a_revision(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r = waiting_record(1);
	struct rows rows;

	(void)state;
	put_record(l, &r);
	known.tenant = "unattributed";
	known.namespace = "shop";
	assert_int_equal(amend(l).changed, 1);
	rows = rows_of(l, true);
	assert_int_equal(rows.count, 1);
	assert_memory_equal(rows.at[0].id.b, r.id.b, 16);
	assert_int_equal(rows.at[0].revision, 2);
	assert_int_equal(rows.at[0].state, LT_RECORD_AMENDED);
	assert_string_equal(rows.at[0].who.namespace, "shop");
	assert_true(rows.at[0].who.pending);
	known.whole = true;
	assert_int_equal(amend(l).changed, 1);
	assert_int_equal(amend(l).looked_at, 0);
	assert_int_equal(rows_of(l, true).at[0].revision, 3);
	lt_ledger_close(l);
}

static void with_another_tenant_another_record_stands_in_its_place(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r = waiting_record(1);
	struct rows all, valid;

	(void)state;
	put_record(l, &r);
	known.tenant = "acme";
	known.namespace = "shop";
	known.whole = true;
	assert_int_equal(amend(l).changed, 1);
	all = rows_of(l, true);
	valid = rows_of(l, false);
	assert_int_equal(all.count, 2);
	assert_int_equal(valid.count, 1);
	assert_string_equal(valid.at[0].who.tenant, "acme");
	assert_true(valid.at[0].counts_in_total);
	assert_int_equal(valid.at[0].revision, 1);
	assert_memory_not_equal(valid.at[0].id.b, r.id.b, 16);
	assert_int_equal(valid.at[0].start_ns, r.start_ns);
	assert_memory_equal(all.at[0].id.b, r.id.b, 16);
	assert_int_equal(all.at[0].state, LT_RECORD_VOID);
	assert_string_equal(all.at[0].who.tenant, "unattributed");
	assert_false(all.at[0].counts_in_total);
	assert_memory_equal(all.at[0].parent.b, valid.at[0].id.b, 16);
	/* Written again, as after a crash, the old one stays what it is. */
	put_record(l, &r);
	assert_int_equal(rows_of(l, false).count, 1);
	assert_int_equal(rows_of(l, true).at[0].state, LT_RECORD_VOID);
	lt_ledger_close(l);
}

/* A gateway's client in a pod, and two models in one exchange. */
static void who_named_the_old_one_names_the_new_one(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record origin = waiting_record(1), hop = plain_record(1), part = plain_record(1);
	struct rows rows;

	(void)state;
	origin.dedupe_known = hop.dedupe_known = true;
	memset(origin.dedupe_key, 7, 16);
	memset(hop.dedupe_key, 7, 16);
	hop.id.b[9] = 1;
	hop.start_ns += 1000;
	hop.end_ns -= 1000;
	hop.call.conn.tgid = 9999;
	snprintf(origin.call.host, sizeof(origin.call.host), "gateway.local");
	part.id.b[9] = 2;
	part.parent_known = true;
	part.parent = origin.id;
	put_record(l, &origin);
	put_record(l, &hop);
	put_record(l, &part);
	known.tenant = "acme";
	known.namespace = "shop";
	known.whole = true;
	assert_int_equal(amend(l).changed, 1);
	rows = rows_of(l, false);
	assert_int_equal(rows.count, 3);
	assert_string_equal(rows.at[2].who.tenant, "acme");
	assert_int_equal(rows.at[2].hop, LT_HOP_ORIGIN);
	assert_memory_equal(rows.at[0].parent.b, rows.at[2].id.b, 16);
	assert_memory_equal(rows.at[1].parent.b, rows.at[2].id.b, 16);
	assert_false(rows.at[0].counts_in_total);
	lt_ledger_close(l);
}

static _Atomic uint64_t version = 1;

static uint64_t version_now(void *arg)
{
	(void)arg;
	return atomic_load(&version);
}

static void the_writer_amends_when_something_became_known(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r = waiting_record(1);
	struct lt_writer_opts opts = {.batch_ms = 10, .again = again, .version = version_now};
	struct rows rows = {.count = 0};
	struct lt_writer *w;

	(void)state;
	r.start_ns = lt_clock_wall_ns();
	assert_int_equal(lt_writer_start(l, &opts, &w), 0);
	assert_true(lt_writer_put(w, &r));
	usleep(300000);
	known.tenant = "acme";
	known.whole = true;
	known.namespace = "shop";
	atomic_fetch_add(&version, 1);
	sleep(3);
	lt_writer_stop(w, 1000);
	rows = rows_of(l, false);
	assert_int_equal(rows.count, 1);
	assert_string_equal(rows.at[0].who.tenant, "acme");
	lt_ledger_close(l);
}

static void who_waits_too_long_waits_no_more(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r = waiting_record(1);
	struct lt_amend_opts opts = {.again = again, .give_up_ns = r.start_ns + 1};
	struct lt_amended done;

	(void)state;
	put_record(l, &r);
	assert_int_equal(lt_ledger_amend(l, &opts, &done), 0);
	assert_int_equal(done.looked_at, 0);
	assert_false(rows_of(l, false).at[0].who.pending);
	assert_int_equal(rows_of(l, false).at[0].revision, 1);
	lt_ledger_close(l);
}

static void many_are_looked_at_a_few_at_a_time(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_amend_opts opts = {.again = again, .limit = 10, .give_up_ns = INT64_MIN};
	struct lt_amended done;
	size_t turns = 0;

	(void)state;
	for (uint32_t i = 0; i < 25; i++) {
		struct lt_record r = waiting_record(i);

		put_record(l, &r);
	}
	known.tenant = "acme";
	known.namespace = "shop";
	known.whole = true;
	do {
		assert_int_equal(lt_ledger_amend(l, &opts, &done), 0);
		opts.after_seq = done.last_seq;
		turns++;
	} while (done.last_seq != 0);
	assert_int_equal(known.asked, 25);
	assert_int_equal(turns, 3);
	lt_ledger_close(l);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, forget, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(what_nobody_knows_stays_and_waits),
		WITH_DIRECTORY(with_the_same_tenant_it_is_a_revision),
		WITH_DIRECTORY(with_another_tenant_another_record_stands_in_its_place),
		WITH_DIRECTORY(who_named_the_old_one_names_the_new_one),
		WITH_DIRECTORY(the_writer_amends_when_something_became_known),
		WITH_DIRECTORY(who_waits_too_long_waits_no_more),
		WITH_DIRECTORY(many_are_looked_at_a_few_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
