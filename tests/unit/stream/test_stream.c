// SPDX-License-Identifier: Apache-2.0
#include "userspace/stream/stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"

enum { MS = 1000000 };

static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

static char seen[65536];
static size_t seen_n;
static unsigned opened, closed;
static const struct lt_conn *last_conn;
static struct lt_stream *stream;

static void LT_PRINTF(1, 2) note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	seen_n += (size_t)vsnprintf(seen + seen_n, sizeof(seen) - seen_n, format, args);
	va_end(args);
	assert_true(seen_n < sizeof(seen));
}

static void on_open(void *arg, const struct lt_conn *conn, void **user)
{
	(void)arg;
	opened++;
	last_conn = conn;
	*user = (void *)(uintptr_t)conn->key.ctx;
}

static void on_bytes(void *arg, void *user, enum lt_dir dir, uint64_t ts_ns, struct lt_bytes data)
{
	(void)arg;
	(void)ts_ns;
	note("%u%s%.*s ", (unsigned)(uintptr_t)user, dir == LT_DIR_WRITE ? ">" : "<", (int)data.n,
	     (const char *)data.p);
}

static void on_gap(void *arg, void *user, enum lt_dir dir, uint64_t ts_ns, uint64_t lost)
{
	(void)arg;
	(void)ts_ns;
	assert_true(lost > 0);
	note("%u%s[%u] ", (unsigned)(uintptr_t)user, dir == LT_DIR_WRITE ? ">" : "<",
	     (unsigned)lost);
}

static void on_close(void *arg, void *user, uint64_t ts_ns, enum lt_close_reason why)
{
	(void)arg;
	(void)ts_ns;
	closed++;
	note("%u=%u ", (unsigned)(uintptr_t)user, (unsigned)why);
}

static const struct lt_stream_sink sink = {
	.open = on_open,
	.bytes = on_bytes,
	.gap = on_gap,
	.close = on_close,
};

static void begin(const struct lt_stream_opts *opts)
{
	stream = lt_stream_free(stream);
	seen_n = 0;
	seen[0] = '\0';
	opened = closed = 0;
	assert_int_equal(lt_stream_new(opts, &sink, &stream), 0);
}

static int set_up(void **state)
{
	static const struct lt_stream_opts opts;

	(void)state;
	begin(&opts);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stream = lt_stream_free(stream);
	assert_int_equal(opened, closed);
	return 0;
}

static struct lt_event_conn conn_event(uint32_t tgid, uint64_t ctx, uint64_t ts_ns)
{
	return (struct lt_event_conn){
		.head = {.tgid = tgid, .ts_ns = ts_ns},
		.ctx = ctx,
		.generation = 7,
		.process_start_ns = 5,
		.cgroup_id = 6,
		.uid = 8,
		.slot = 9,
	};
}

/* Letters from @position on, of process 1, connection @ctx. */
static void chunk(uint64_t ctx, enum lt_dir dir, uint64_t ts_ns, uint64_t position, size_t n,
		  uint64_t lost)
{
	struct lt_event_conn conn = conn_event(1, ctx, ts_ns);
	struct lt_chunk c = {
		.conn = &conn,
		.dir = dir,
		.ts_ns = ts_ns,
		.position = position,
		.lost = lost,
		.data = lt_bytes(letters + position, n),
	};

	assert_true(position + n <= sizeof(letters) - 1);
	assert_int_equal(lt_stream_data(stream, &c), 0);
}

static void w(uint64_t position, size_t n)
{
	chunk(1, LT_DIR_WRITE, MS, position, n, 0);
}

static void r(uint64_t position, size_t n)
{
	chunk(1, LT_DIR_READ, MS, position, n, 0);
}

static void close_event(uint64_t ctx, uint64_t written, uint64_t read)
{
	struct lt_event_close e = {.conn = conn_event(1, ctx, MS), .position = {written, read}};

	lt_stream_close(stream, &e);
}

static void bytes_pass_in_order_without_allocation(void **state)
{
	unsigned long before;

	(void)state;
	w(0, 2);
	before = lt_alloc_count();
	w(2, 3);
	r(0, 1);
	w(5, 1);
	assert_int_equal(lt_alloc_count(), before);
	assert_string_equal(seen, "1>ab 1>cde 1<a 1>f ");
}

static void the_connection_carries_what_the_kernel_stamped(void **state)
{
	struct lt_event_name name = {.conn = conn_event(1, 1, MS), .name = "api.example"};
	struct lt_event_peer peer = {
		.conn = conn_event(1, 1, MS),
		.socket_cookie = 11,
		.family = 2,
		.port = 443,
		.address = {127, 0, 0, 1},
	};

	(void)state;
	lt_stream_name(stream, &name);
	lt_stream_peer(stream, &peer);
	w(0, 1);
	assert_int_equal(opened, 1);
	assert_int_equal(last_conn->key.tgid, 1);
	assert_int_equal(last_conn->key.ctx, 1);
	assert_int_equal(last_conn->key.generation, 7);
	assert_int_equal(last_conn->process_start_ns, 5);
	assert_int_equal(last_conn->cgroup_id, 6);
	assert_int_equal(last_conn->uid, 8);
	assert_int_equal(last_conn->slot, 9);
	assert_string_equal(last_conn->server_name, "api.example");
	assert_int_equal(last_conn->socket_cookie, 11);
	assert_int_equal(last_conn->peer_port, 443);
	memset(name.name, 'x', sizeof(name.name)); /* no end: cut, never read beyond */
	lt_stream_name(stream, &name);
	assert_int_equal(strlen(last_conn->server_name), LT_NAME_SIZE - 1);
}

static void chunks_out_of_order_are_put_right(void **state)
{
	uint64_t before = lt_counter_get(LT_C_STREAM_REORDERED);

	(void)state;
	w(0, 2);
	w(4, 2);
	w(6, 1);
	w(7, 3);
	assert_string_equal(seen, "1>ab ");
	w(2, 2);
	assert_string_equal(seen, "1>ab 1>cd 1>ef 1>g 1>hij ");
	assert_int_equal(lt_counter_get(LT_C_STREAM_REORDERED) - before, 3);
}

/* Every order of five chunks, after a first one that says where the direction begins. */
static void every_order_gives_the_same(void **state)
{
	static const unsigned at[] = {1, 4, 5, 9, 15}, n[] = {3, 1, 4, 6, 2};

	(void)state;
	for (unsigned order = 0; order < 5 * 5 * 5 * 5 * 5; order++) {
		unsigned done = 0, left = order;
		char text[64] = "";

		for (unsigned i = 0; i < 5; i++, left /= 5)
			done |= 1u << left % 5;
		if (done != 31)
			continue;
		set_up(state);
		w(0, 1);
		left = order;
		for (unsigned i = 0; i < 5; i++, left /= 5)
			w(at[left % 5], n[left % 5]);
		for (size_t i = 0, k = 0; i < seen_n; i++) {
			if (seen[i] >= 'a' && seen[i] <= 'z')
				text[k++] = seen[i];
		}
		assert_string_equal(text, "abcdefghijklmnopq");
		assert_null(strchr(seen, '['));
	}
}

static void duplicates_and_overlaps_are_left_out(void **state)
{
	(void)state;
	w(0, 4);
	w(0, 4);
	w(1, 2);
	w(2, 4);
	w(8, 2);
	w(7, 2);
	w(8, 2);
	w(6, 1);
	assert_string_equal(seen, "1>abcd 1>ef 1>g 1>hi 1>j ");
}

static void an_answer_does_not_overtake_a_request_that_waits(void **state)
{
	(void)state;
	w(0, 2);
	w(4, 2);
	r(0, 3);
	r(3, 3);
	assert_string_equal(seen, "1>ab ");
	w(2, 2);
	assert_string_equal(seen, "1>ab 1>cd 1>ef 1<abc 1<def ");
}

static void an_answer_from_before_the_hole_is_not_held_up(void **state)
{
	(void)state;
	w(0, 2);
	r(0, 1);
	r(3, 1);
	w(4, 2);
	r(1, 2);
	assert_string_equal(seen, "1>ab 1<a 1<bc 1<d ");
	w(2, 2);
	assert_string_equal(seen, "1>ab 1<a 1<bc 1<d 1>cd 1>ef ");
}

static void a_hole_that_the_kernel_explains_is_final_at_once(void **state)
{
	(void)state;
	w(0, 2);
	chunk(1, LT_DIR_WRITE, MS, 5, 2, 3);
	chunk(1, LT_DIR_WRITE, MS, 9, 1, 5);
	assert_string_equal(seen, "1>ab 1>[3] 1>fg 1>[2] 1>j ");
}

static void a_loss_explains_its_own_hole_only(void **state)
{
	(void)state;
	w(0, 2);
	chunk(1, LT_DIR_WRITE, MS, 5, 2, 3);
	chunk(1, LT_DIR_WRITE, MS, 9, 1, 3);
	assert_string_equal(seen, "1>ab 1>[3] 1>fg ");
	chunk(1, LT_DIR_WRITE, MS, 7, 2, 3);
	assert_string_equal(seen, "1>ab 1>[3] 1>fg 1>hi 1>j ");
}

static void a_loss_smaller_than_the_hole_does_not_explain_it(void **state)
{
	(void)state;
	w(0, 2);
	chunk(1, LT_DIR_WRITE, MS, 6, 2, 2);
	assert_string_equal(seen, "1>ab ");
	chunk(1, LT_DIR_WRITE, MS, 4, 2, 2); /* late: the other two were lost */
	assert_string_equal(seen, "1>ab 1>[2] 1>ef 1>gh ");
}

static void a_late_chunk_with_an_older_count_explains_nothing(void **state)
{
	(void)state;
	w(0, 2);
	chunk(1, LT_DIR_WRITE, MS, 5, 1, 3);
	chunk(1, LT_DIR_WRITE, MS, 2, 1, 0); /* behind: known to be lost */
	chunk(1, LT_DIR_WRITE, MS, 9, 1, 3);
	assert_string_equal(seen, "1>ab 1>[3] 1>f ");
}

static void a_count_that_comes_later_explains_the_holes_before(void **state)
{
	(void)state;
	w(0, 2);
	w(4, 2);
	chunk(1, LT_DIR_WRITE, MS, 8, 1, 4);
	assert_string_equal(seen, "1>ab 1>[2] 1>ef 1>[2] 1>i ");
}

static void another_hole_is_final_after_the_window_of_chunks(void **state)
{
	static const struct lt_stream_opts opts = {.window_chunks = 2};

	(void)state;
	begin(&opts);
	w(0, 1);
	w(2, 1);
	w(4, 1);
	assert_string_equal(seen, "1>a ");
	w(6, 1);
	assert_string_equal(seen, "1>a 1>[1] 1>c ");
	r(0, 1);
	r(1, 1);
	r(2, 1);
	assert_string_equal(seen, "1>a 1>[1] 1>c 1>[1] 1>e 1>[1] 1>g 1<a 1<b 1<c ");
}

static void another_hole_is_final_after_the_window_of_time(void **state)
{
	(void)state;
	w(0, 1);
	chunk(1, LT_DIR_WRITE, 10 * MS, 2, 1, 0);
	chunk(1, LT_DIR_READ, 20 * MS, 0, 1, 0);
	chunk(1, LT_DIR_READ, 50 * MS, 5, 1, 0);
	lt_stream_tick(stream, 110 * MS);
	assert_string_equal(seen, "1>a ");
	lt_stream_tick(stream, 111 * MS);
	assert_string_equal(seen, "1>a 1>[1] 1>c 1<a ");
	lt_stream_tick(stream, 151 * MS);
	assert_string_equal(seen, "1>a 1>[1] 1>c 1<a 1<[4] 1<f ");
}

static void the_window_has_a_ceiling_in_bytes(void **state)
{
	static const struct lt_stream_opts opts = {.window_bytes = 3};

	(void)state;
	begin(&opts);
	w(0, 1);
	w(2, 2);
	chunk(2, LT_DIR_WRITE, MS, 0, 1, 0);
	chunk(2, LT_DIR_WRITE, MS, 4, 2, 0);
	assert_string_equal(seen, "1>a 2>a 2>[3] 2>ef ");
	w(1, 1);
	chunk(2, LT_DIR_WRITE, MS, 8, 3, 0); /* the room is free again */
	assert_string_equal(seen, "1>a 2>a 2>[3] 2>ef 1>b 1>cd ");
}

static void without_memory_a_hole_is_final(void **state)
{
	(void)state;
	w(0, 1);
	w(3, 1);
	lt_alloc_fail_at(1);
	w(5, 1);
	lt_alloc_fail_at(0);
	assert_string_equal(seen, "1>a 1>[2] 1>d 1>[1] 1>f ");
}

static void without_memory_a_connection_is_refused(void **state)
{
	struct lt_event_conn conn = conn_event(1, 3, MS);
	struct lt_chunk c = {.conn = &conn, .data = lt_bytes("x", 1)};
	struct lt_stream_opts opts = {0};
	struct lt_stream *other = NULL;

	(void)state;
	lt_alloc_fail_at(1);
	assert_int_equal(lt_stream_data(stream, &c), -ENOMEM);
	for (unsigned long nth = 1; nth <= 3; nth++) {
		lt_alloc_fail_at(nth);
		assert_int_equal(lt_stream_new(&opts, &sink, &other), -ENOMEM);
		assert_null(other);
	}
	lt_alloc_fail_at(0);
	assert_int_equal(lt_stream_count(stream), 0);
}

static void it_begins_where_it_begins(void **state)
{
	(void)state;
	w(10, 2);
	assert_string_equal(seen, "1>kl ");
	chunk(1, LT_DIR_READ, MS, 10, 1, 4); /* but lost bytes are lost */
	assert_string_equal(seen, "1>kl 1<[4] 1<k ");
}

static void the_close_tells_what_is_missing_at_the_tail(void **state)
{
	(void)state;
	w(0, 2);
	w(4, 1);
	r(0, 2);
	close_event(1, 9, 2);
	assert_string_equal(seen, "1>ab 1>[2] 1>e 1<ab 1>[4] 1=0 ");
	assert_int_equal(lt_stream_count(stream), 0);
	close_event(1, 9, 2); /* of an unknown connection */
	assert_int_equal(closed, 1);
}

static void the_end_of_a_process_closes_its_connections_only(void **state)
{
	struct lt_event_conn conn = conn_event(2, 5, MS);
	struct lt_chunk c = {.conn = &conn, .data = lt_bytes("x", 1)};

	(void)state;
	for (uint64_t ctx = 1; ctx < 100; ctx++)
		chunk(ctx, LT_DIR_WRITE, MS, 0, 1, 0);
	assert_int_equal(lt_stream_data(stream, &c), 0);
	lt_stream_exit(stream, 1, 2 * MS);
	assert_int_equal(lt_stream_count(stream), 1);
	assert_non_null(strstr(seen, "99=1 "));
	lt_stream_exit(stream, 1, 2 * MS);
	lt_stream_exit(stream, 3, 2 * MS);
	assert_int_equal(lt_stream_count(stream), 1);
}

static void processes_in_one_bucket_are_told_apart(void **state)
{
	static const struct lt_stream_opts opts = {.max_connections = 64};

	(void)state;
	begin(&opts);
	for (uint32_t tgid = 1; tgid <= 64; tgid++) {
		struct lt_event_conn conn = conn_event(tgid * tgid, 1, MS);
		struct lt_chunk c = {.conn = &conn, .data = lt_bytes("x", 1)};

		assert_int_equal(lt_stream_data(stream, &c), 0);
	}
	for (uint32_t tgid = 1; tgid <= 64; tgid++) {
		lt_stream_exit(stream, tgid * tgid, MS);
		assert_int_equal(lt_stream_count(stream), 64 - tgid);
	}
}

static void the_least_recently_used_makes_room(void **state)
{
	static const struct lt_stream_opts opts = {.max_connections = 3};
	uint64_t before = lt_counter_get(LT_C_CONNECTIONS_EVICTED);

	(void)state;
	begin(&opts);
	for (uint64_t ctx = 1; ctx <= 3; ctx++)
		chunk(ctx, LT_DIR_WRITE, MS, 0, 1, 0);
	chunk(1, LT_DIR_WRITE, MS, 1, 1, 0);
	chunk(4, LT_DIR_WRITE, MS, 0, 1, 0);
	assert_string_equal(seen, "1>a 2>a 3>a 1>b 2=2 4>a ");
	assert_int_equal(lt_stream_count(stream), 3);
	assert_int_equal(lt_counter_get(LT_C_CONNECTIONS_EVICTED) - before, 1);
}

static void the_idle_are_evicted(void **state)
{
	static const struct lt_stream_opts opts = {.idle_ns = 1000 * MS};

	(void)state;
	begin(&opts);
	chunk(1, LT_DIR_WRITE, MS, 0, 1, 0);
	chunk(2, LT_DIR_WRITE, MS, 0, 1, 0);
	chunk(1, LT_DIR_WRITE, 900 * MS, 1, 1, 0);
	lt_stream_tick(stream, 1500 * MS);
	assert_string_equal(seen, "1>a 2>a 1>b 2=2 ");
	lt_stream_tick(stream, 1901ull * MS);
	assert_int_equal(lt_stream_count(stream), 0);
}

static void a_new_generation_is_another_connection(void **state)
{
	struct lt_event_conn conn = conn_event(1, 1, MS);
	struct lt_chunk c = {.conn = &conn, .data = lt_bytes("x", 1)};

	(void)state;
	w(0, 3);
	conn.generation = 8;
	assert_int_equal(lt_stream_data(stream, &c), 0);
	assert_int_equal(lt_stream_count(stream), 2);
	assert_string_equal(seen, "1>abc 1>x ");
}

static void the_end_closes_all(void **state)
{
	(void)state;
	w(0, 1);
	w(2, 1);
	chunk(2, LT_DIR_READ, MS, 0, 1, 0);
	stream = lt_stream_free(stream);
	assert_string_equal(seen, "1>a 2<a 1>[1] 1>c 1=3 2=3 ");
	assert_null(lt_stream_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_pass_in_order_without_allocation),
		TEST(the_connection_carries_what_the_kernel_stamped),
		TEST(chunks_out_of_order_are_put_right),
		TEST(every_order_gives_the_same),
		TEST(duplicates_and_overlaps_are_left_out),
		TEST(an_answer_does_not_overtake_a_request_that_waits),
		TEST(an_answer_from_before_the_hole_is_not_held_up),
		TEST(a_hole_that_the_kernel_explains_is_final_at_once),
		TEST(a_loss_explains_its_own_hole_only),
		TEST(a_loss_smaller_than_the_hole_does_not_explain_it),
		TEST(a_late_chunk_with_an_older_count_explains_nothing),
		TEST(a_count_that_comes_later_explains_the_holes_before),
		TEST(another_hole_is_final_after_the_window_of_chunks),
		TEST(another_hole_is_final_after_the_window_of_time),
		TEST(the_window_has_a_ceiling_in_bytes),
		TEST(without_memory_a_hole_is_final),
		TEST(without_memory_a_connection_is_refused),
		TEST(it_begins_where_it_begins),
		TEST(the_close_tells_what_is_missing_at_the_tail),
		TEST(the_end_of_a_process_closes_its_connections_only),
		TEST(processes_in_one_bucket_are_told_apart),
		TEST(the_least_recently_used_makes_room),
		TEST(the_idle_are_evicted),
		TEST(a_new_generation_is_another_connection),
		TEST(the_end_closes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
