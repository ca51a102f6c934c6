// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/cursors.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/ledger/ledger_test.h"

static const uint8_t this_ledger[16] = "this ledger 123", other_ledger[16] = "other ledger 45";

static struct lt_cursors *open_cursors(void)
{
	struct lt_problem problem = {0};
	struct lt_cursors *c = NULL;

	if (lt_cursors_open(directory, LT_LEDGER_WRITE, &c, &problem) != 0)
		fail_msg("%s", problem.text);
	return c;
}

static uint64_t place(struct lt_cursors *c, const char *sink, const uint8_t ledger[16])
{
	uint64_t seq = 12345;

	assert_int_equal(lt_cursor_get(c, sink, ledger, &seq), 0);
	return seq;
}

static struct lt_dead_letter dead_letter(uint32_t number)
{
	struct lt_dead_letter d = {.revision = 1, .change_seq = number, .at_ns = number};

	memcpy(d.id.b, &number, sizeof(number));
	snprintf(d.reason, sizeof(d.reason), "400: it's record %u", number);
	return d;
}

struct seen {
	struct lt_dead_letter dead[8];
	struct lt_cursor cursor[8];
	size_t count;
};

static int keep_dead(void *arg, const struct lt_dead_letter *dead)
{
	struct seen *seen = arg;

	assert_true(seen->count < LT_COUNT(seen->dead));
	seen->dead[seen->count++] = *dead;
	return 0;
}

static int keep_cursor(void *arg, const struct lt_cursor *cursor)
{
	struct seen *seen = arg;

	assert_true(seen->count < LT_COUNT(seen->cursor));
	seen->cursor[seen->count++] = *cursor;
	return 0;
}

static void each_sink_has_its_own_place_that_stays(void **state)
{
	struct lt_cursors *c = open_cursors();

	(void)state;
	assert_int_equal(place(c, "otlp", this_ledger), 0);
	assert_int_equal(lt_cursor_advance(c, "otlp", this_ledger, 7, 7, NULL, 0), 0);
	assert_int_equal(lt_cursor_advance(c, "file", this_ledger, 3, 3, NULL, 0), 0);
	assert_int_equal(lt_cursor_advance(c, "otlp", this_ledger, 9, 2, NULL, 0), 0);
	lt_cursors_close(c);
	c = open_cursors();
	assert_int_equal(place(c, "otlp", this_ledger), 9);
	assert_int_equal(place(c, "file", this_ledger), 3);
	lt_cursors_close(c);
}

static void a_place_in_another_ledger_is_none(void **state)
{
	struct lt_cursors *c = open_cursors();

	(void)state;
	assert_int_equal(lt_cursor_advance(c, "otlp", this_ledger, 7, 7, NULL, 0), 0);
	assert_int_equal(place(c, "otlp", other_ledger), 0);
	assert_int_equal(lt_cursor_advance(c, "otlp", other_ledger, 2, 2, NULL, 0), 0);
	assert_int_equal(place(c, "otlp", other_ledger), 2);
	assert_int_equal(place(c, "otlp", this_ledger), 0);
	lt_cursors_close(c);
}

static void what_all_have_is_what_the_slowest_has(void **state)
{
	static const char *const sinks[] = {"a", "b", "new"};
	struct lt_cursors *c = open_cursors();
	uint64_t seq;

	(void)state;
	assert_int_equal(lt_cursor_advance(c, "a", this_ledger, 70, 70, NULL, 0), 0);
	assert_int_equal(lt_cursor_advance(c, "b", this_ledger, 30, 30, NULL, 0), 0);
	assert_int_equal(lt_cursors_lowest(c, sinks, 2, this_ledger, &seq), 0);
	assert_int_equal(seq, 30);
	assert_int_equal(lt_cursors_lowest(c, sinks, 3, this_ledger, &seq), 0);
	assert_int_equal(seq, 0);
	assert_int_equal(lt_cursors_lowest(c, sinks, 0, this_ledger, &seq), 0);
	assert_true(seq == UINT64_MAX);
	lt_cursors_close(c);
}

static void dead_letters_are_kept_and_can_be_forgotten(void **state)
{
	const struct lt_dead_letter dead[] = {dead_letter(4), dead_letter(5)};
	struct lt_cursors *c = open_cursors();
	struct seen seen = {.count = 0};

	(void)state;
	assert_int_equal(lt_cursor_advance(c, "otlp", this_ledger, 9, 7, dead, 2), 0);
	assert_int_equal(lt_cursor_advance(c, "otlp", this_ledger, 9, 0, dead, 1), 0);
	assert_int_equal(lt_dead_letters_each(c, "otlp", keep_dead, &seen), 0);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.dead[1].reason, "400: it's record 5");
	assert_memory_equal(seen.dead[0].id.b, dead[0].id.b, 16);
	seen.count = 0;
	assert_int_equal(lt_dead_letters_each(c, "file", keep_dead, &seen), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(lt_cursors_each(c, keep_cursor, &seen), 0);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.cursor[0].dead, 2);
	assert_int_equal(seen.cursor[0].delivered, 7);
	assert_int_equal(lt_dead_letters_forget(c, "otlp", dead, 2), 2);
	assert_int_equal(lt_dead_letters_forget(c, "otlp", dead, 2), 0);
	lt_cursors_close(c);
}

static void a_damaged_file_is_moved_aside(void **state)
{
	struct lt_problem problem = {0};
	struct lt_cursors *c = open_cursors();
	char path[128];
	int fd;

	(void)state;
	assert_int_equal(lt_cursor_advance(c, "otlp", this_ledger, 9, 9, NULL, 0), 0);
	lt_cursors_close(c);
	snprintf(path, sizeof(path), "%s/spool.db", directory);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "garbage garbage garbage", 23, 0), 23);
	close(fd);
	assert_int_equal(lt_cursors_open(directory, LT_LEDGER_WRITE, &c, &problem), 0);
	assert_non_null(strstr(problem.text, "damaged"));
	assert_int_equal(place(c, "otlp", this_ledger), 0);
	lt_cursors_close(c);
}

static void a_ledger_begun_anew_is_another_one(void **state)
{
	uint8_t one[16], again[16], two[16];
	struct lt_ledger *l = open_ledger(LT_LEDGER_WRITE);
	char command[256];

	(void)state;
	assert_int_equal(lt_ledger_uid(l, one), 0);
	lt_ledger_close(l);
	l = open_ledger(LT_LEDGER_READ);
	assert_int_equal(lt_ledger_uid(l, again), 0);
	lt_ledger_close(l);
	assert_memory_equal(one, again, 16);
	snprintf(command, sizeof(command), "rm %s/ledger.db*", directory);
	assert_int_equal(system(command), 0);
	l = open_ledger(LT_LEDGER_WRITE);
	assert_int_equal(lt_ledger_uid(l, two), 0);
	lt_ledger_close(l);
	assert_memory_not_equal(one, two, 16);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(each_sink_has_its_own_place_that_stays),
		WITH_DIRECTORY(a_place_in_another_ledger_is_none),
		WITH_DIRECTORY(what_all_have_is_what_the_slowest_has),
		WITH_DIRECTORY(dead_letters_are_kept_and_can_be_forgotten),
		WITH_DIRECTORY(a_damaged_file_is_moved_aside),
		WITH_DIRECTORY(a_ledger_begun_anew_is_another_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
