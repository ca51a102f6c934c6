// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ledger/ledger_test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/ledger/fields.h"
#include "userspace/ledger/internal.h"

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void sql(const char *text)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	assert_int_equal(sqlite3_open(path_of("ledger.db"), &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", text, error);
	sqlite3_close(db);
}

/* Every field of the list with a value of its own kind. */
#define RANDOM_TEXT(m, a, b)  random_text(seed, r->m, sizeof(r->m));
#define RANDOM_INT(m, a, b)   r->m = (__typeof__(r->m))random_u64(seed);
#define RANDOM_SOME(m, a, b)  r->m = random_u64(seed) % 4 ? (__typeof__(r->m))random_u64(seed) : 0;
#define RANDOM_SINCE(m, a, b) r->m = random_u64(seed) % 4 ? (int64_t)(random_u64(seed) >> 1) : -1;
#define RANDOM_FLAG(m, a, b)                                                                       \
	r->a = random_u64(seed) & 1;                                                               \
	r->m = r->a ? (int64_t)random_u64(seed) : 0;
#define RANDOM_COUNT(m, a, b)                                                                      \
	r->m.known = random_u64(seed) % 4 != 0;                                                    \
	r->m.n = r->m.known ? random_u64(seed) % 3 * (random_u64(seed) >> 3) : 0;
#define RANDOM_BOOL(m, a, b) r->m = random_u64(seed) & 1;
#define RANDOM_ENUM(m, a, b) r->m = (__typeof__(r->m))(random_u64(seed) % ((b) + 1u));
#define RANDOM_ID(m, a, b)                                                                         \
	r->a = random_u64(seed) & 1;                                                               \
	for (size_t i = 0; r->a && i < 16; i++)                                                    \
		r->m[i] = (uint8_t)random_u64(seed);

static void random_record(uint64_t *seed, struct lt_record *r)
{
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < sizeof(r->id.b); i++)
		r->id.b[i] = (uint8_t)random_u64(seed);
#define LT_F(kind, column, member, a, b) RANDOM_##kind(member, a, b)
	LT_RECORD_FIELDS
#undef LT_F
	r->parent_known = false; /* the ledger's own, as is the role */
	r->hop = LT_HOP_SINGLE;
	memset(&r->parent, 0, sizeof(r->parent));
	r->cost.amount = lt_record_has_amount(r) ? (int64_t)random_u64(seed) : 0;
	r->call.usage.unit_count = random_u64(seed) % (LT_UNITS_MAX + 1);
	for (unsigned i = 0; i < r->call.usage.unit_count; i++) {
		random_text(seed, r->call.usage.units[i].name, LT_UNIT_NAME);
		r->call.usage.units[i].amount_micro = random_u64(seed) >> 1;
	}
	r->cost.part_count = random_u64(seed) % (LT_COST_PARTS_MAX + 1);
	for (unsigned i = 0; i < r->cost.part_count; i++) {
		struct lt_cost_part *part = &r->cost.parts[i];

		part->meter = lt_record_meter(random_u64(seed) & 1 ? "in_uncached" : "it's");
		part->quantity = random_u64(seed) >> 1;
		part->amount = (int64_t)random_u64(seed);
		random_text(seed, part->price, sizeof(part->price));
	}
}

static void assert_same(const struct lt_record *a, const struct lt_record *b)
{
	assert_memory_equal(a->id.b, b->id.b, 16);
#define SAME_TEXT(column, m, x)                                                                    \
	if (strcmp(a->m, b->m) != 0)                                                               \
		fail_msg("%s", column);
#define SAME_INT(column, m, x)                                                                     \
	if (a->m != b->m)                                                                          \
		fail_msg("%s", column);
#define SAME_SOME(column, m, x)	 SAME_INT(column, m, x)
#define SAME_SINCE(column, m, x) SAME_INT(column, m, x)
#define SAME_FLAG(column, m, x)	 SAME_INT(column, m, x) SAME_INT(column, x, x)
#define SAME_COUNT(column, m, x) SAME_INT(column, m.known, x) SAME_INT(column, m.n, x)
#define SAME_BOOL(column, m, x)	 SAME_INT(column, m, x)
#define SAME_ENUM(column, m, x)	 SAME_INT(column, m, x)
#define SAME_ID(column, m, x)                                                                      \
	SAME_INT(column, x, x)                                                                     \
	assert_memory_equal(a->m, b->m, 16);
#define LT_F(kind, column, member, x, y) SAME_##kind(column, member, x)
	LT_RECORD_FIELDS
#undef LT_F
	assert_true(a->cost.amount == b->cost.amount);
	/* Also what no list names: a new member without a column shows here. Padding is zero in
	 * both. */
	assert_memory_equal(&a->call.usage, &b->call.usage, sizeof(a->call.usage));
	assert_memory_equal(&a->cost, &b->cost, sizeof(a->cost));
	assert_memory_equal(&a->who, &b->who, sizeof(a->who));
	assert_memory_equal(&a->call, &b->call, sizeof(a->call));
}

struct seen {
	const struct lt_record *records;
	size_t count;
};

static int compare(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct seen *seen = arg;

	assert_int_equal(node_seq, ++seen->count);
	assert_same(&seen->records[seen->count - 1], record);
	return 0;
}

static void every_field_comes_back_as_it_was(void **state)
{
	enum { RECORDS = 300 };
	struct lt_record *records = calloc(RECORDS, sizeof(*records));
	const struct lt_record *batch[RECORDS];
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct seen seen = {.records = records};
	struct lt_filter f;
	uint64_t seed = 42;

	(void)state;
	for (size_t i = 0; i < RECORDS; i++) {
		random_record(&seed, &records[i]);
		batch[i] = &records[i];
	}
	assert_int_equal(lt_ledger_put(l, batch, RECORDS), 0);
	lt_filter_init(&f);
	f.since_ns = INT64_MIN;
	f.with_void = true;
	assert_int_equal(lt_query_records(l, &f, compare, &seen), 0);
	assert_int_equal(seen.count, RECORDS);
	lt_ledger_close(l);
	free(records);
}

static int keep(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct lt_record *to = arg;

	to[node_seq - 1] = *record;
	return 0;
}

static void a_record_is_kept_once_and_its_newest_revision_wins(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r[3], got[3];
	struct lt_filter f;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		r[i] = plain_record(i);
		assert_int_equal(put(l, &r[i]), 0);
		assert_int_equal(put(l, &r[i]), 0);
	}
	r[1].revision = 3;
	r[1].call.status = 500;
	assert_int_equal(put(l, &r[1]), 0);
	r[1].revision = 2;
	r[1].call.status = 400;
	assert_int_equal(put(l, &r[1]), 0);
	lt_filter_init(&f);
	assert_int_equal(lt_query_records(l, &f, keep, got), 0);
	assert_int_equal(count_records(l), 3);
	assert_int_equal(got[1].revision, 3);
	assert_int_equal(got[1].call.status, 500);
	assert_memory_equal(got[1].id.b, r[1].id.b, 16);
	lt_ledger_close(l);
	assert_int_equal(stat(path_of("ledger.db"), &(struct stat){0}), 0);
}

static struct lt_record hop(uint32_t number, const char *host, int64_t start, int64_t end)
{
	struct lt_record r = plain_record(number);

	r.dedupe_known = true;
	r.dedupe_key[0] = 7;
	r.call.conn.tgid = 100 + number;
	r.start_ns = start * 1000000000;
	r.end_ns = end * 1000000000;
	snprintf(r.call.host, sizeof(r.call.host), "%s", host);
	return r;
}

static void only_the_outer_hop_of_a_gateway_counts(void **state)
{
	/* first, second, and whether each of them counts afterwards */
	struct {
		struct lt_record r[2];
		bool counts[2];
	} cases[] = {
		{{hop(1, "api", 20, 30), hop(2, "gw", 10, 40)}, {false, true}},
		{{hop(1, "gw", 10, 40), hop(2, "api", 20, 30)}, {true, false}},
		{{hop(1, "api", 20, 30), hop(2, "api", 10, 40)}, {true, true}},
		{{hop(1, "api", 20, 30), hop(2, "gw", 25, 40)}, {true, true}},
		{{hop(1, "api", 10, 30), hop(2, "gw", 10, 40)}, {true, true}},
		{{hop(1, "", 20, 30), hop(2, "gw", 10, 40)}, {true, true}},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
		struct lt_record got[2];
		struct lt_filter f;

		lt_filter_init(&f);
		assert_int_equal(put(l, &cases[i].r[0]), 0);
		assert_int_equal(put(l, &cases[i].r[1]), 0);
		assert_int_equal(put(l, &cases[i].r[0]), 0);
		assert_int_equal(lt_query_records(l, &f, keep, got), 0);
		for (size_t k = 0; k < 2; k++) {
			assert_int_equal(got[k].counts_in_total, cases[i].counts[k]);
			assert_int_equal(got[k].hop, got[k].parent_known    ? LT_HOP_TERMINAL
						     : got[!k].parent_known ? LT_HOP_ORIGIN
									    : LT_HOP_SINGLE);
			assert_int_equal(got[k].parent_known, !cases[i].counts[k]);
			if (got[k].parent_known)
				assert_memory_equal(got[k].parent.b, cases[i].r[!k].id.b, 16);
		}
		lt_ledger_close(l);
		sql("delete from record");
	}
}

/* The gateway's client names a host without prices; what its call cost is known only at the inner
 * hop. */
static void the_cost_goes_to_the_hop_that_began_the_call(void **state)
{
	struct lt_record outer = hop(1, "gw", 10, 40), inner = hop(2, "api", 20, 30), got[2];

	(void)state;
	outer.cost = (struct lt_cost){.status = LT_PRICE_UNPRICED};
	snprintf(inner.cost.version, sizeof(inner.cost.version), "book@1");
	for (int order = 0; order < 2; order++) {
		struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
		struct lt_filter f;

		lt_filter_init(&f);
		assert_int_equal(put(l, order ? &outer : &inner), 0);
		assert_int_equal(put(l, order ? &inner : &outer), 0);
		assert_int_equal(put(l, &inner), 0); /* again: changes nothing */
		assert_int_equal(put(l, &outer), 0);
		assert_int_equal(lt_query_records(l, &f, keep, got), 0);
		assert_true(got[!order].counts_in_total);
		assert_int_equal(got[!order].cost.status, LT_PRICE_PRICED);
		assert_true(got[!order].cost.amount == inner.cost.amount);
		assert_string_equal(got[!order].cost.version, "book@1");
		assert_int_equal(got[!order].revision, 3); /* who was sent it is told anew */
		assert_false(got[order].counts_in_total);
		assert_true(got[order].cost.amount == inner.cost.amount);
		lt_ledger_close(l);
		sql("delete from record");
	}
}

/* Whoever reads a stored object, and whenever: its usage is in the sums once. */
static void a_stored_object_counts_once(void **state)
{
	struct lt_record r[4], got[4];
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_filter f;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		r[i] = hop(1 + i, "api", 10 * i, 10 * i + 5);
		r[i].call.stored = true;
		r[i].call.usage.input = (struct lt_count){.n = 7, .known = i > 0};
		r[i].call.usage.output = (struct lt_count){0};
		r[i].call.usage.unit_count = 0;
		assert_int_equal(put(l, &r[i]), 0);
	}
	lt_filter_init(&f);
	assert_int_equal(lt_query_records(l, &f, keep, got), 0);
	for (unsigned i = 0; i < 4; i++) {
		/* The first was not finished: it has nothing that could count twice. */
		assert_int_equal(got[i].counts_in_total, i < 2);
		assert_int_equal(got[i].parent_known, i >= 2);
		if (i >= 2)
			assert_memory_equal(got[i].parent.b, r[1].id.b, 16);
	}
	lt_ledger_close(l);
}

static void a_full_disk_is_said_and_loses_nothing(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	const struct lt_record *batch[200];
	struct lt_record records[200], one = plain_record(1000);
	char text[64];

	(void)state;
	assert_int_equal(put(l, &one), 0);
	snprintf(text, sizeof(text), "pragma max_page_count = 20");
	assert_int_equal(sqlite3_exec(l->db, text, NULL, NULL, NULL), SQLITE_OK);
	for (uint32_t i = 0; i < 200; i++) {
		records[i] = plain_record(i);
		memset(records[i].who.exe, 'x', sizeof(records[i].who.exe) - 1);
		batch[i] = &records[i];
	}
	assert_int_equal(lt_ledger_put(l, batch, 200), -ENOSPC);
	assert_non_null(strstr(lt_ledger_error(l), "full"));
	assert_int_equal(count_records(l), 1);
	sqlite3_exec(l->db, "pragma max_page_count = 100000", NULL, NULL, NULL);
	assert_int_equal(lt_ledger_put(l, batch, 200), 0);
	assert_int_equal(count_records(l), 201);
	lt_ledger_close(l);
}

static void damage(off_t at, size_t n)
{
	int fd = open(path_of("ledger.db"), O_RDWR | O_CREAT, 0600);
	char junk[16384];

	memset(junk, 0x5a, sizeof(junk));
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, n, at), n);
	close(fd);
}

static void a_damaged_file_is_moved_aside(void **state)
{
	static const off_t where[] = {0, 4096, 8192};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(where); i++) {
		struct lt_problem problem = {0};
		struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
		struct lt_record r;
		char command[200];

		for (uint32_t n = 0; n < 50; n++) {
			r = plain_record(n);
			assert_int_equal(put(l, &r), 0);
		}
		lt_ledger_close(l);
		damage(where[i], 8192);
		l = NULL;
		assert_int_equal(lt_ledger_open(directory, LT_LEDGER_WRITE, &l, &problem), 0);
		assert_non_null(strstr(problem.text, "damaged"));
		assert_int_equal(count_records(l), 0);
		assert_int_equal(put(l, &r), 0);
		lt_ledger_close(l);
		snprintf(command, sizeof(command), "test -s %s/ledger.db.corrupt-2*Z", directory);
		assert_int_equal(system(command), 0);
		remove_directory(NULL);
		assert_int_equal(mkdir(directory, 0700), 0);
	}
}

/* Larger files are not checked at the start: the damage shows when a page is used. */
static void damage_found_while_writing_begins_a_new_file(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_record r;
	int put_result = 0;

	(void)state;
	for (uint32_t n = 0; n < 500; n++) {
		r = plain_record(n);
		assert_int_equal(put(l, &r), 0);
	}
	assert_int_equal(sqlite3_exec(l->db,
				      "pragma wal_checkpoint(truncate); pragma cache_size = 0",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_db_release_memory(l->db);
	for (off_t at = 4096; at < 200000; at += 16384)
		damage(at, 16384);
	for (uint32_t n = 1000; n < 2000 && put_result == 0; n++) {
		r = plain_record(n);
		put_result = put(l, &r);
	}
	assert_int_equal(put_result, -EBADMSG);
	assert_non_null(strstr(lt_ledger_error(l), "damaged"));
	assert_int_equal(put(l, &r), 0);
	assert_int_equal(count_records(l), 1);
	lt_ledger_close(l);
}

static void a_newer_ledger_is_refused_and_left_alone(void **state)
{
	struct lt_problem problem = {0};
	struct lt_ledger *l;

	(void)state;
	lt_ledger_close(open_ledger(LT_LEDGER_WRITE));
	sql("pragma user_version = 99");
	assert_int_equal(lt_ledger_open(directory, LT_LEDGER_WRITE, &l, &problem), -EOPNOTSUPP);
	assert_non_null(strstr(problem.text, "newer"));
	assert_int_equal(lt_ledger_open(directory, LT_LEDGER_READ, &l, &problem), -EOPNOTSUPP);
}

static void an_earlier_ledger_is_brought_up_to_date(void **state)
{
	/* What each version has brought, the latest first. */
	static const char *const undo[] = {
		"drop trigger credential_added; drop trigger credential_changed;"
		"drop table credential_use; drop table credential_alias;"
		"drop index record_failed; drop index record_pending;"
		"drop trigger record_changed; drop index record_change_seq;"
		"alter table record drop column change_seq; alter table record drop column "
		"record_state;"
		"alter table record drop column agent_role;"
		"alter table record drop column tags;"
		"alter table record drop column claim_conflict;"
		"alter table record drop column service_name;"
		"alter table record drop column facts;"
		"alter table record drop column identity_pending;"
		"alter table record drop column agent_name;"
		"alter table record drop column run_key;"
		"alter table record drop column session_key;"
		"alter table record drop column step_no;"
		"alter table record drop column container_claimed;"
		"alter table record drop column pod_claimed;"
		"alter table record drop column cluster;"
		"alter table record drop column container_name;"
		"alter table record drop column image;"
		"alter table record drop column image_digest;"
		"alter table record drop column namespace;"
		"alter table record drop column pod;"
		"alter table record drop column node;"
		"alter table record drop column workload_ref;"
		"alter table record drop column key_kind;"
		"alter table record drop column provider_organization;"
		"alter table record drop column provider_project;"
		"alter table record drop column session_fp;"
		"alter table record drop column tool_results; pragma user_version = 3",
		"alter table record drop column cache_read_audio;"
		"alter table record drop column cache_read_image;"
		"alter table record drop column tool_name;"
		"alter table record drop column inferred;"
		"alter table record drop column stored;"
		"alter table record drop column model_part; pragma user_version = 2",
		"alter table record drop column usage_method;"
		"alter table record drop column hop_role; pragma user_version = 1",
	};
	struct lt_problem problem = {0};
	struct lt_record r;
	uint64_t seed = 7;

	(void)state;
	for (size_t back = 1; back <= LT_COUNT(undo); back++) {
		struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);

		random_record(&seed, &r);
		assert_int_equal(put(l, &r), 0);
		lt_ledger_close(l);
		for (size_t i = 0; i < back; i++)
			sql(undo[i]);
		assert_int_equal(lt_ledger_open(directory, LT_LEDGER_READ, &l, &problem),
				 -EOPNOTSUPP);
		assert_non_null(strstr(problem.text, "earlier"));
		l = open_ledger(LT_LEDGER_WRITE);
		assert_int_equal(count_records(l), 1);
		random_record(&seed, &r);
		assert_int_equal(put(l, &r), 0);
		assert_int_equal(count_records(l), 2);
		lt_ledger_close(l);
		sql("delete from record");
	}
}

static void reading_without_a_ledger_says_what_to_do(void **state)
{
	struct lt_problem problem = {0};
	struct lt_ledger *l;

	(void)state;
	assert_int_equal(lt_ledger_open(directory, LT_LEDGER_READ, &l, &problem), -ENOENT);
	assert_non_null(strstr(problem.text, "is the agent running?"));
	assert_int_equal(access(path_of("ledger.db"), F_OK), -1);
}

static void reading_works_beside_a_writer_and_after_it(void **state)
{
	struct lt_ledger *writer = open_ledger(LT_LEDGER_WRITE), *reader;
	struct lt_record r = plain_record(1);
	struct stat st;

	(void)state;
	assert_int_equal(put(writer, &r), 0);
	reader = open_ledger(LT_LEDGER_READ);
	assert_int_equal(count_records(reader), 1);
	r = plain_record(2);
	assert_int_equal(put(writer, &r), 0);
	assert_int_equal(count_records(reader), 2);
	assert_int_not_equal(put(reader, &r), 0);
	lt_ledger_close(writer);
	assert_int_equal(count_records(reader), 2);
	lt_ledger_close(reader);
	reader = open_ledger(LT_LEDGER_READ);
	assert_int_equal(count_records(reader), 2);
	lt_ledger_close(reader);
	assert_int_equal(stat(path_of("ledger.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

static void one_process_writes_a_ledger(void **state)
{
	struct lt_ledger *first = open_ledger(LT_LEDGER_WRITE), *second = NULL;
	struct lt_record record = plain_record(1);
	struct lt_problem problem = {0};

	(void)state;
	assert_true(lt_ledger_has_writer(directory));
	assert_int_equal(lt_ledger_open(directory, LT_LEDGER_WRITE, &second, &problem), -EBUSY);
	assert_non_null(strstr(problem.text, "another agent"));
	second = open_ledger(LT_LEDGER_READ);
	assert_int_equal(put(first, &record), 0);
	assert_int_equal(count_records(second), 1);
	lt_ledger_close(first);
	assert_false(lt_ledger_has_writer(directory)); /* a reader is no writer */
	lt_ledger_close(second);
	first = open_ledger(LT_LEDGER_WRITE);
	assert_int_equal(count_records(first), 1);
	lt_ledger_close(first);
	assert_false(lt_ledger_has_writer("/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(every_field_comes_back_as_it_was),
		WITH_DIRECTORY(a_record_is_kept_once_and_its_newest_revision_wins),
		WITH_DIRECTORY(only_the_outer_hop_of_a_gateway_counts),
		WITH_DIRECTORY(the_cost_goes_to_the_hop_that_began_the_call),
		WITH_DIRECTORY(a_stored_object_counts_once),
		WITH_DIRECTORY(a_full_disk_is_said_and_loses_nothing),
		WITH_DIRECTORY(a_damaged_file_is_moved_aside),
		WITH_DIRECTORY(damage_found_while_writing_begins_a_new_file),
		WITH_DIRECTORY(an_earlier_ledger_is_brought_up_to_date),
		WITH_DIRECTORY(a_newer_ledger_is_refused_and_left_alone),
		WITH_DIRECTORY(reading_without_a_ledger_says_what_to_do),
		WITH_DIRECTORY(reading_works_beside_a_writer_and_after_it),
		WITH_DIRECTORY(one_process_writes_a_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
