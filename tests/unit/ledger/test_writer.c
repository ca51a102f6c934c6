// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ledger/ledger_test.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/ledger/internal.h"
#include "userspace/ledger/writer.h"

static void stopping_writes_what_is_queued(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_writer_opts opts = {.batch_ms = 200};
	struct lt_writer *w;

	(void)state;
	assert_int_equal(lt_writer_start(l, &opts, &w), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		struct lt_record r = plain_record(i);

		assert_true(lt_writer_put(w, &r));
	}
	assert_null(lt_writer_stop(w, 5000));
	assert_int_equal(count_records(l), 2000);
	lt_ledger_close(l);
}

static int last_error = 1;

static void on_status(void *arg, int error, const char *text)
{
	(void)arg;
	(void)text;
	__atomic_store_n(&last_error, error, __ATOMIC_SEQ_CST);
}

static void wait_for_status(int error)
{
	for (int i = 0; i < 500 && __atomic_load_n(&last_error, __ATOMIC_SEQ_CST) != error; i++)
		usleep(10000);
	assert_int_equal(__atomic_load_n(&last_error, __ATOMIC_SEQ_CST), error);
}

static void a_full_disk_delays_records_but_loses_none(void **state)
{
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_writer_opts opts = {.batch_ms = 10, .status = on_status};
	struct lt_writer *w;

	(void)state;
	sqlite3_exec(l->db, "pragma max_page_count = 12", NULL, NULL, NULL);
	assert_int_equal(lt_writer_start(l, &opts, &w), 0);
	for (uint32_t i = 0; i < 300; i++) {
		struct lt_record r = plain_record(i);

		assert_true(lt_writer_put(w, &r));
	}
	wait_for_status(-ENOSPC);
	sqlite3_exec(l->db, "pragma max_page_count = 100000", NULL, NULL, NULL);
	wait_for_status(0);
	lt_writer_stop(w, 5000);
	assert_int_equal(count_records(l), 300);
	lt_ledger_close(l);
}

/* What parent and child share: how many records the child had handed over, and when. */
struct progress {
	uint64_t put_ns[1 << 16]; /* by number in this run; 0: not yet */
};

enum { RUNS = 20, BATCH_MS = 20, SLACK_MS = 400 };

static void write_for_ever(uint32_t from, struct progress *progress)
{
	struct lt_writer_opts opts = {.batch_ms = BATCH_MS};
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	struct lt_writer *w;

	if (lt_writer_start(l, &opts, &w) < 0)
		_exit(1);
	for (uint32_t i = 0; i < LT_COUNT(progress->put_ns); i++) {
		struct lt_record r = plain_record(from + i);

		if (lt_writer_put(w, &r))
			__atomic_store_n(&progress->put_ns[i], lt_clock_boot_ns(),
					 __ATOMIC_SEQ_CST);
		usleep(50);
	}
	_exit(0);
}

struct present {
	uint32_t from;
	bool there[1 << 16];
	uint64_t last_seq;
	size_t count;
};

static int note_present(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct present *p = arg;
	uint32_t number;

	memcpy(&number, record->id.b, sizeof(number));
	if (number >= p->from && number - p->from < LT_COUNT(p->there))
		p->there[number - p->from] = true;
	assert_int_equal(node_seq, p->last_seq + 1); /* no gap, however often it was killed */
	p->last_seq = node_seq;
	p->count++;
	return 0;
}

static void check_after_kill(uint32_t from, const struct progress *progress, uint64_t killed_ns,
			     size_t *kept)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *check = NULL;
	struct present *present = calloc(1, sizeof(*present));
	struct lt_problem problem = {0};
	struct lt_ledger *l;
	struct lt_filter f;

	assert_int_equal(lt_ledger_open(directory, LT_LEDGER_WRITE, &l, &problem), 0);
	assert_string_equal(problem.text, "");
	assert_int_equal(lt_ledger_prepare(l, "pragma integrity_check", &check), 0);
	assert_int_equal(sqlite3_step(check), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(check, 0), "ok");
	lt_finalizep(&check);
	present->from = from;
	lt_filter_init(&f);
	assert_int_equal(lt_query_records(l, &f, note_present, present), 0);
	for (size_t i = 0; i < LT_COUNT(progress->put_ns) && progress->put_ns[i]; i++) {
		if (progress->put_ns[i] + (uint64_t)(BATCH_MS + SLACK_MS) * 1000000 < killed_ns)
			assert_true(present->there[i]);
		*kept += present->there[i];
	}
	lt_ledger_close(l);
	free(present);
}

static void killed_at_any_moment_the_ledger_stays_whole(void **state)
{
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t seed = 7, killed_ns;
	size_t kept = 0;

	(void)state;
	assert_true(progress != MAP_FAILED);
	for (uint32_t i = 0; i < RUNS; i++) {
		pid_t child;

		memset(progress, 0, sizeof(*progress));
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			write_for_ever(i * 100000, progress);
		/* Some runs long enough that records must be there, others in the first batches. */
		usleep((useconds_t)(10000 + random_u64(&seed) % 60000 + (i % 2 ? 600000 : 0)));
		killed_ns = lt_clock_boot_ns();
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		check_after_kill(i * 100000, progress, killed_ns, &kept);
	}
	assert_true(kept > 100);
	munmap(progress, sizeof(*progress));
}

static void a_full_queue_refuses_and_counts(void **state)
{
	struct lt_writer_opts opts = {.queue_records = 8, .batch_ms = 200, .status = on_status};
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	uint64_t dropped = lt_counter_get(LT_C_RECORDS_DROPPED);
	uint64_t queued = lt_counter_get(LT_C_RECORDS_QUEUED);
	uint64_t written = lt_counter_get(LT_C_RECORDS_WRITTEN);
	struct lt_writer *w;
	uint32_t taken = 0;

	(void)state;
	sqlite3_exec(l->db, "pragma max_page_count = 9", NULL, NULL, NULL);
	assert_int_equal(lt_writer_start(l, &opts, &w), 0);
	for (uint32_t i = 0; i < 100; i++) {
		struct lt_record r = plain_record(i);

		memset(r.who.exe, 'x', sizeof(r.who.exe) - 1);
		memset(r.who.cgroup, 'x', sizeof(r.who.cgroup) - 1);
		taken += lt_writer_put(w, &r);
	}
	assert_true(taken >= 8 && taken < 100);
	assert_int_equal(lt_counter_get(LT_C_RECORDS_DROPPED) - dropped, 100 - taken);
	lt_writer_stop(w, 300); /* the disk stays full: gives up in time, and says what is lost */
	assert_int_equal(lt_counter_get(LT_C_RECORDS_QUEUED) - queued, taken);
	assert_int_equal(lt_counter_get(LT_C_RECORDS_WRITTEN) - written +
				 lt_counter_get(LT_C_RECORDS_DROPPED) - dropped,
			 100);
	assert_int_equal(count_records(l), lt_counter_get(LT_C_RECORDS_WRITTEN) - written);
	lt_ledger_close(l);
}

static void every_failed_allocation_is_reported(void **state)
{
	struct lt_writer_opts opts = {.queue_records = 8};
	struct lt_problem problem = {0};
	struct lt_ledger *l = NULL;
	struct lt_writer *w = NULL;
	struct lt_record r = plain_record(1);
	int result = -ENOMEM;

	(void)state;
	lt_alloc_fail_at(1);
	assert_int_equal(lt_ledger_open(directory, LT_LEDGER_WRITE, &l, &problem), -ENOMEM);
	lt_alloc_fail_at(0);
	l = open_ledger(LT_LEDGER_WRITE);
	for (unsigned long n = 1; result == -ENOMEM; n++) {
		assert_true(n < 10);
		lt_alloc_fail_at(n);
		result = lt_writer_start(l, &opts, &w);
		lt_alloc_fail_at(0);
	}
	assert_int_equal(result, 0);
	lt_alloc_fail_at(1);
	assert_false(lt_writer_put(w, &r));
	assert_true(lt_writer_put(w, &r));
	lt_writer_stop(w, 1000);
	assert_int_equal(count_records(l), 1);
	lt_ledger_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stopping_writes_what_is_queued, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(a_full_disk_delays_records_but_loses_none,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(killed_at_any_moment_the_ledger_stays_whole,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(every_failed_allocation_is_reported, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(a_full_queue_refuses_and_counts, make_directory,
						remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
