// SPDX-License-Identifier: Apache-2.0
#include "userspace/export/spool.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/ledger/ledger_test.h"
#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"

enum { RECORDS_MAX = 4096, NONE = -1 };

/* A backend that keeps what it takes, and is told how to behave. */
struct fake {
	struct lt_sink sink;
	pthread_mutex_t lock;
	uint32_t request[RECORDS_MAX];
	uint64_t request_revision[RECORDS_MAX];
	size_t requested;
	/* What came through, by number; how often. */
	unsigned taken[RECORDS_MAX];
	uint32_t revision[RECORDS_MAX];
	unsigned sends;
	/* Behaviour. */
	atomic_int refuses;	/* this record, NONE */
	atomic_uint max;	/* records in a request, else TOO_LARGE; 0: any */
	atomic_uint full_at;	/* add says that it is full; 0: never */
	atomic_uint fails;	/* so many requests are answered with LATER */
	atomic_bool hangs;	/* until it is stopped */
	atomic_bool locked_out; /* MISCONFIGURED */
	atomic_uint rejects;	/* of the next request */
};

static int fake_add(struct lt_sink *sink, uint64_t node_seq, const struct lt_record *record)
{
	struct fake *f = (struct fake *)sink;
	unsigned full_at = atomic_load(&f->full_at);
	uint32_t number;

	(void)node_seq;
	if (full_at != 0 && f->requested >= full_at)
		return 1;
	memcpy(&number, record->id.b, sizeof(number));
	f->request[f->requested] = number;
	f->request_revision[f->requested++] = record->revision;
	return 0;
}

static enum lt_delivery answer(struct fake *f, const atomic_bool *stop)
{
	unsigned fails = atomic_load(&f->fails);
	unsigned max = atomic_load(&f->max);

	while (atomic_load(&f->hangs)) {
		if (atomic_load(stop))
			return LT_LATER;
		usleep(10000);
	}
	if (atomic_load(&f->locked_out))
		return LT_MISCONFIGURED;
	if (fails > 0) {
		atomic_store(&f->fails, fails - 1);
		return LT_LATER;
	}
	if (max != 0 && f->requested > max)
		return LT_TOO_LARGE;
	for (size_t i = 0; i < f->requested; i++) {
		if ((int)f->request[i] == atomic_load(&f->refuses))
			return LT_REFUSED;
	}
	return LT_DELIVERED;
}

static enum lt_delivery fake_send(struct lt_sink *sink, const atomic_bool *stop,
				  struct lt_delivery_report *ret)
{
	struct fake *f = (struct fake *)sink;
	enum lt_delivery d = answer(f, stop);

	pthread_mutex_lock(&f->lock);
	f->sends++;
	for (size_t i = 0; d == LT_DELIVERED && i < f->requested; i++) {
		f->taken[f->request[i]]++;
		f->revision[f->request[i]] = (uint32_t)f->request_revision[i];
	}
	pthread_mutex_unlock(&f->lock);
	ret->rejected = d == LT_DELIVERED ? atomic_exchange(&f->rejects, 0) : 0;
	snprintf(ret->reason, sizeof(ret->reason), "as the test wants it");
	f->requested = 0;
	return d;
}

static void fake_reset(struct lt_sink *sink)
{
	((struct fake *)sink)->requested = 0;
}

/* The tests look at it when the spool is gone. */
static void fake_free(struct lt_sink *sink)
{
	(void)sink;
}

static const struct lt_sink_ops fake_ops = {fake_add, fake_send, fake_reset, fake_free};

static struct fake *new_fake(const char *name)
{
	struct fake *f = lt_calloc(1, sizeof(*f));

	assert_non_null(f);
	f->sink = (struct lt_sink){.ops = &fake_ops, .kind = "fake", .batch = 64, .linger_ms = 5};
	snprintf(f->sink.name, sizeof(f->sink.name), "%s", name);
	pthread_mutex_init(&f->lock, NULL);
	atomic_store(&f->refuses, NONE);
	return f;
}

/* One test's things. */
static struct lt_ledger *ledger;
static struct lt_cursors *cursors;
static struct lt_spool *spool;
static struct fake *fake[2];
static atomic_int state_of[2];
static atomic_uint dead_count;
static struct lt_dead_letter last_dead;

static void on_state(void *arg, const struct lt_sink *sink, enum lt_sink_state state,
		     const char *reason)
{
	(void)arg;
	(void)reason;
	atomic_store(&state_of[sink == &fake[1]->sink], (int)state);
}

static void on_dead(void *arg, const struct lt_sink *sink, const struct lt_dead_letter *dead)
{
	(void)arg;
	(void)sink;
	last_dead = *dead;
	atomic_fetch_add(&dead_count, 1);
}

static void begin(size_t sinks)
{
	const struct lt_spool_opts opts = {
		.state_dir = directory,
		.cursors = cursors,
		.state = on_state,
		.dead = on_dead,
		.retry_ms_min = 20,
		.retry_ms_max = 60,
	};
	struct lt_sink *all[] = {&fake[0]->sink, &fake[1]->sink};

	assert_int_equal(lt_spool_start(&opts, all, sinks, &spool), 0);
}

static void write_records(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct lt_record r = plain_record(i);

		assert_int_equal(put(ledger, &r), 0);
	}
	if (spool)
		lt_spool_wake(spool);
}

/* So many different records came through. */
static size_t arrived(struct fake *f)
{
	size_t n = 0;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < RECORDS_MAX; i++)
		n += f->taken[i] > 0;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static void wait_for(struct fake *f, size_t count)
{
	for (int i = 0; i < 1000 && arrived(f) < count; i++)
		usleep(10000);
	assert_int_equal(arrived(f), count);
}

static void wait_until(atomic_uint *what, unsigned value)
{
	for (int i = 0; i < 1000 && atomic_load(what) < value; i++)
		usleep(10000);
	assert_int_equal(atomic_load(what), value);
}

static int set_up(void **state)
{
	struct lt_problem problem = {0};

	if (make_directory(state) < 0)
		return -1;
	ledger = open_ledger(LT_LEDGER_WRITE);
	if (lt_cursors_open(directory, LT_LEDGER_WRITE, &cursors, &problem) < 0)
		return -1;
	fake[0] = new_fake("first");
	fake[1] = new_fake("second");
	atomic_store(&dead_count, 0);
	atomic_store(&state_of[0], 0);
	atomic_store(&state_of[1], 0);
	return 0;
}

static int tear_down(void **state)
{
	spool = lt_spool_stop(spool, 0);
	cursors = lt_cursors_close(cursors);
	ledger = lt_ledger_close(ledger);
	lt_free(fake[0]);
	lt_free(fake[1]);
	return remove_directory(state);
}

static void every_record_arrives_once(void **state)
{
	(void)state;
	write_records(0, 300);
	begin(1);
	wait_for(fake[0], 300);
	write_records(300, 500);
	wait_for(fake[0], 500);
	spool = lt_spool_stop(spool, 1000);
	for (size_t i = 0; i < 500; i++)
		assert_int_equal(fake[0]->taken[i], 1);
}

static void after_an_outage_it_goes_on_where_it_was(void **state)
{
	(void)state;
	atomic_store(&fake[0]->fails, 5);
	write_records(0, 200);
	begin(1);
	wait_for(fake[0], 200);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(fake[0]->taken[i], 1);
	assert_int_equal(atomic_load(&state_of[0]), LT_SINK_WORKS);
}

static void what_was_not_sent_is_sent_after_the_next_start(void **state)
{
	(void)state;
	atomic_store(&fake[0]->locked_out, true);
	write_records(0, 100);
	begin(1);
	usleep(100000);
	assert_int_equal(atomic_load(&state_of[0]), LT_SINK_STUCK);
	spool = lt_spool_stop(spool, 500);
	assert_int_equal(arrived(fake[0]), 0);
	atomic_store(&fake[0]->locked_out, false);
	begin(1);
	wait_for(fake[0], 100);
	spool = lt_spool_stop(spool, 500);
	begin(1);
	usleep(100000);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(fake[0]->taken[i], 1);
}

static void one_sink_does_not_wait_for_another(void **state)
{
	uint64_t start_ns;

	(void)state;
	atomic_store(&fake[0]->hangs, true);
	write_records(0, 100);
	begin(2);
	wait_for(fake[1], 100);
	assert_int_equal(arrived(fake[0]), 0);
	start_ns = lt_clock_boot_ns();
	spool = lt_spool_stop(spool, 100);
	assert_true(lt_clock_boot_ns() - start_ns < 1000000000);
}

static void the_record_at_fault_is_found_and_the_others_go_on(void **state)
{
	(void)state;
	atomic_store(&fake[0]->refuses, 77);
	write_records(0, 200);
	begin(1);
	wait_for(fake[0], 199);
	wait_until(&dead_count, 1);
	assert_int_equal(fake[0]->taken[77], 0);
	assert_memory_equal(last_dead.id.b, plain_record(77).id.b, 16);
	assert_string_equal(last_dead.reason, "as the test wants it");
	assert_true(fake[0]->sends < 40);
}

static void what_is_too_large_is_cut(void **state)
{
	(void)state;
	atomic_store(&fake[0]->max, 10);
	write_records(0, 100);
	begin(1);
	wait_for(fake[0], 100);
	assert_int_equal(atomic_load(&dead_count), 0);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(fake[0]->taken[i], 1);
}

static void a_full_request_is_sent_and_the_rest_follows(void **state)
{
	(void)state;
	atomic_store(&fake[0]->full_at, 7);
	write_records(0, 50);
	begin(1);
	wait_for(fake[0], 50);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(fake[0]->taken[i], 1);
}

static void a_revision_follows(void **state)
{
	struct lt_record r = plain_record(3);

	(void)state;
	write_records(0, 10);
	begin(1);
	wait_for(fake[0], 10);
	r.revision = 2;
	assert_int_equal(put(ledger, &r), 0);
	lt_spool_wake(spool);
	for (int i = 0; i < 500 && fake[0]->taken[3] < 2; i++)
		usleep(10000);
	assert_int_equal(fake[0]->taken[3], 2);
	assert_int_equal(fake[0]->revision[3], 2);
}

static void what_a_backend_rejects_by_itself_is_not_sent_again(void **state)
{
	(void)state;
	atomic_store(&fake[0]->rejects, 3);
	write_records(0, 20);
	begin(1);
	wait_until(&dead_count, 1);
	assert_non_null(strstr(last_dead.reason, "3 of 20"));
	usleep(100000);
	assert_int_equal(fake[0]->sends, 1);
}

static void another_ledger_is_sent_from_its_beginning(void **state)
{
	char command[256];

	(void)state;
	write_records(0, 20);
	begin(1);
	wait_for(fake[0], 20);
	ledger = lt_ledger_close(ledger);
	snprintf(command, sizeof(command), "rm %s/ledger.db*", directory);
	assert_int_equal(system(command), 0);
	ledger = open_ledger(LT_LEDGER_WRITE);
	write_records(20, 25);
	wait_for(fake[0], 25);
}

static void the_last_records_are_sent_at_the_end(void **state)
{
	(void)state;
	begin(1);
	usleep(50000);
	for (uint32_t i = 0; i < 100; i++) {
		struct lt_record r = plain_record(i);

		assert_int_equal(put(ledger, &r), 0);
	}
	spool = lt_spool_stop(spool, 2000);
	assert_int_equal(arrived(fake[0]), 100);
}

#define WITH_ALL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ALL(every_record_arrives_once),
		WITH_ALL(after_an_outage_it_goes_on_where_it_was),
		WITH_ALL(what_was_not_sent_is_sent_after_the_next_start),
		WITH_ALL(one_sink_does_not_wait_for_another),
		WITH_ALL(the_record_at_fault_is_found_and_the_others_go_on),
		WITH_ALL(what_is_too_large_is_cut),
		WITH_ALL(a_full_request_is_sent_and_the_rest_follows),
		WITH_ALL(a_revision_follows),
		WITH_ALL(what_a_backend_rejects_by_itself_is_not_sent_again),
		WITH_ALL(another_ledger_is_sent_from_its_beginning),
		WITH_ALL(the_last_records_are_sent_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
