// SPDX-License-Identifier: Apache-2.0
/* The inventory of keys is what the records say, whatever becomes of the records. */
#include "userspace/ledger/credentials.h"

#include "tests/unit/ledger/ledger_test.h"

#include <sqlite3.h>

enum { USES_MAX = 64, RECORDS = 40 };

static struct {
	struct lt_key_use use;
	char kind[40], provider[40], tenant[40], workload[128], currency[8];
} seen[USES_MAX];
static size_t seen_count, alias_count;
static uint64_t alias_old, alias_new;

static int on_use(void *arg, const struct lt_key_use *use)
{
	(void)arg;
	assert_true(seen_count < USES_MAX);
	seen[seen_count].use = *use;
	snprintf(seen[seen_count].kind, 40, "%s", use->kind);
	snprintf(seen[seen_count].tenant, 40, "%s", use->tenant);
	snprintf(seen[seen_count].workload, 128, "%s", use->workload);
	snprintf(seen[seen_count].currency, 8, "%s", use->currency);
	seen_count++;
	return 0;
}

static int on_alias(void *arg, uint64_t old_fp, uint64_t fp)
{
	(void)arg;
	alias_old = old_fp;
	alias_new = fp;
	alias_count++;
	return 0;
}

static void look(struct lt_ledger *l)
{
	seen_count = alias_count = 0;
	assert_int_equal(lt_query_keys(l, on_use, NULL), 0);
	assert_int_equal(lt_query_key_aliases(l, on_alias, NULL), 0);
}

static void sql(struct lt_ledger *l, const char *text)
{
	char path[128], *error = NULL;
	sqlite3 *db = NULL;

	(void)l;
	snprintf(path, sizeof(path), "%s/ledger.db", directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", text, error);
	sqlite3_close(db);
}

static struct lt_record with_key(uint32_t number, uint64_t fp)
{
	struct lt_record r = plain_record(number);

	r.call.credential_fp = fp;
	snprintf(r.call.key_kind, sizeof(r.call.key_kind), "openai_project");
	snprintf(r.who.tenant, sizeof(r.who.tenant), "acme");
	snprintf(r.who.exe, sizeof(r.who.exe), "/usr/bin/curl");
	return r;
}

static void uses_follow_the_records(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record a = with_key(1, 0xf000000000000001), b = with_key(2, 0xf000000000000001);

	(void)state;
	b.call.status = 429;
	assert_int_equal(put(l, &a), 0);
	assert_int_equal(put(l, &b), 0);
	assert_int_equal(put(l, &b), 0); /* again is not more */
	look(l);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].use.fp, 0xf000000000000001);
	assert_int_equal(seen[0].use.calls, 2);
	assert_int_equal(seen[0].use.errors, 1);
	assert_int_equal(seen[0].use.first_ns, a.start_ns);
	assert_int_equal(seen[0].use.last_ns, b.end_ns);
	assert_true(seen[0].use.cost == a.cost.amount + b.cost.amount);
	assert_string_equal(seen[0].kind, "openai_project");
	assert_string_equal(seen[0].workload, "/usr/bin/curl (uid 0)");
	/* What is learned later moves the use. */
	b.revision = 2;
	snprintf(b.who.namespace, sizeof(b.who.namespace), "shop");
	snprintf(b.who.workload, sizeof(b.who.workload), "Deployment/cart");
	snprintf(b.who.tenant, sizeof(b.who.tenant), "globex");
	b.cost.amount = -5;
	assert_int_equal(put(l, &b), 0);
	look(l);
	assert_int_equal(seen_count, 2);
	assert_string_equal(seen[1].workload, "shop/Deployment/cart");
	assert_string_equal(seen[1].tenant, "globex");
	assert_true(seen[1].use.cost == -5);
	b.revision = 3;
	b.state = LT_RECORD_VOID;
	assert_int_equal(put(l, &b), 0);
	look(l);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].use.calls, 1);
	lt_ledger_close(l);
}

static void the_inventory_outlives_the_records(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record a = with_key(1, 7);

	(void)state;
	assert_int_equal(put(l, &a), 0);
	sql(l, "delete from record");
	look(l);
	assert_int_equal(seen_count, 1);
	lt_ledger_close(l);
	/* And one that has none yet is filled from what there is. */
	l = open_ledger(LT_LEDGER_WRITE);
	a = with_key(2, 8);
	assert_int_equal(put(l, &a), 0);
	sql(l, "drop trigger credential_added; drop trigger credential_changed;"
	       "drop table credential_use; drop table credential_alias");
	assert_int_equal(lt_query_keys(l, on_use, NULL), -ENOENT);
	lt_ledger_close(l);
	l = open_ledger(LT_LEDGER_WRITE);
	look(l);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].use.fp, 8);
	assert_true(seen[0].use.cost == a.cost.amount);
	lt_ledger_close(l);
}

/* Random puts and revisions: the inventory's sums are those of the records. */
static void sums_are_those_of_the_records(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record last[RECORDS] = {0};
	uint64_t seed = 11;
	lt_int128 cost = 0, sum = 0;
	uint64_t calls = 0, counted = 0;

	(void)state;
	for (int i = 0; i < 400; i++) {
		uint32_t n = random_u64(&seed) % RECORDS;
		struct lt_record r = with_key(n, random_u64(&seed) % 5);

		r.revision = last[n].revision + 1;
		r.cost.amount = (int64_t)random_u64(&seed);
		r.state = random_u64(&seed) % 6 ? LT_RECORD_FINAL : LT_RECORD_VOID;
		r.counts_in_total = random_u64(&seed) % 3 != 0;
		if (random_u64(&seed) % 4 == 0)
			r.cost.status = LT_PRICE_UNPRICED;
		snprintf(r.who.image, sizeof(r.who.image), "image-%u",
			 (unsigned)(random_u64(&seed) % 3));
		assert_int_equal(put(l, &r), 0);
		last[n] = r;
	}
	for (int i = 0; i < RECORDS; i++) {
		const struct lt_record *r = &last[i];
		bool used = r->revision && r->call.credential_fp && r->state != LT_RECORD_VOID;

		calls += used;
		cost += used && r->counts_in_total && lt_record_has_amount(r) ? r->cost.amount : 0;
	}
	look(l);
	for (size_t i = 0; i < seen_count; i++) {
		counted += seen[i].use.calls;
		sum += seen[i].use.cost;
		assert_true(seen[i].use.calls > 0);
	}
	assert_int_equal(counted, calls);
	assert_true(sum == cost);
	lt_ledger_close(l);
}

static void a_rotation_goes_on_with_the_same_key(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r[3] = {with_key(1, 0xa), with_key(2, 0xb), with_key(3, 0xc)};

	(void)state;
	r[1].call.previous_fp = 0xa;
	r[2].call.previous_fp = 0xb;
	for (int i = 0; i < 3; i++)
		assert_int_equal(put(l, &r[i]), 0);
	look(l);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].use.fp, 0xc);
	assert_int_equal(seen[0].use.calls, 3);
	assert_int_equal(alias_count, 2);
	assert_int_equal(alias_old, 0xb);
	assert_int_equal(alias_new, 0xc);
	lt_ledger_close(l);
}

/* Whose key it is that a gateway asks with. */
static void a_key_that_is_passed_on_is_used_once(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);

	(void)state;
	for (uint32_t own = 0; own < 2; own++) {
		struct lt_record o = with_key(10 + 20 * own, 0x10 + own);
		struct lt_record i = with_key(11 + 20 * own, own ? 0xff : 0x10);

		i.start_ns = o.start_ns + 1;
		i.end_ns = o.end_ns - 1;
		i.call.conn.tgid = o.call.conn.tgid + 1;
		o.dedupe_known = i.dedupe_known = true;
		o.dedupe_key[0] = i.dedupe_key[0] = (uint8_t)(own + 1);
		snprintf(o.call.host, sizeof(o.call.host), "gateway");
		snprintf(i.who.tenant, sizeof(i.who.tenant), "the gateway's");
		assert_int_equal(put(l, own ? &i : &o), 0); /* in both orders */
		assert_int_equal(put(l, own ? &o : &i), 0);
		look(l);
		assert_int_equal(seen_count, own ? 3 : 1);
		for (size_t k = 0; k < seen_count; k++) {
			assert_int_equal(seen[k].use.calls, 1);
			assert_true(seen[k].use.fp != 0x10 || strcmp(seen[k].tenant, "acme") == 0);
		}
	}
	lt_ledger_close(l);
}

static void old_keys_of_hours_are_forgotten(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r = with_key(1, 0xa); /* of last year */

	(void)state;
	assert_int_equal(put(l, &r), 0);
	r = with_key(2, 0xb);
	snprintf(r.call.key_kind, sizeof(r.call.key_kind), "aws_temporary");
	assert_int_equal(put(l, &r), 0);
	look(l);
	assert_int_equal(seen_count, 2);
	lt_ledger_close(l);
	l = open_ledger(LT_LEDGER_WRITE);
	look(l);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].use.fp, 0xa);
	lt_ledger_close(l);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(uses_follow_the_records),
		WITH_DIRECTORY(the_inventory_outlives_the_records),
		WITH_DIRECTORY(sums_are_those_of_the_records),
		WITH_DIRECTORY(a_rotation_goes_on_with_the_same_key),
		WITH_DIRECTORY(a_key_that_is_passed_on_is_used_once),
		WITH_DIRECTORY(old_keys_of_hours_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
