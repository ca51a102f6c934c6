// SPDX-License-Identifier: Apache-2.0
#include "userspace/export/file_sink.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/ledger/ledger_test.h"

static char path[128];
static struct lt_sink *sink;
static const atomic_bool never;

static int set_up(void **state)
{
	if (make_directory(state) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/records.jsonl", directory);
	return 0;
}

static int tear_down(void **state)
{
	lt_sink_freep(&sink);
	return remove_directory(state);
}

static void new_sink(uint64_t max_bytes, unsigned keep)
{
	const struct lt_file_sink_opts opts = {
		.name = "archive", .path = path, .max_bytes = max_bytes, .keep = keep};

	lt_sink_freep(&sink);
	assert_int_equal(lt_file_sink_new(&opts, &sink), 0);
}

static enum lt_delivery deliver(uint32_t from, uint32_t to)
{
	struct lt_delivery_report report = {0};
	enum lt_delivery d;

	for (uint32_t i = from; i < to; i++) {
		struct lt_record r = plain_record(i);

		assert_int_equal(sink->ops->add(sink, i + 1, &r), 0);
	}
	d = sink->ops->send(sink, &never, &report);
	assert_int_equal(report.reason[0] == '\0', d == LT_DELIVERED);
	return d;
}

/* Whole lines in it, each of one record; -1: no such file. */
static int lines_in(const char *name)
{
	FILE *file = fopen(name, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int lines = 0;

	if (!file)
		return -1;
	while ((n = getline(&line, &size, file)) > 0) {
		assert_true(line[0] == '{' && line[n - 1] == '\n' && line[n - 2] == '}');
		assert_non_null(strstr(line, "\"record_id\":\""));
		lines++;
	}
	free(line);
	fclose(file);
	return lines;
}

static const char *numbered(unsigned n)
{
	static char name[160];

	snprintf(name, sizeof(name), "%s.%u", path, n);
	return name;
}

static void a_record_is_a_line(void **state)
{
	struct stat st;

	(void)state;
	new_sink(0, 0);
	assert_int_equal(deliver(0, 3), LT_DELIVERED);
	assert_int_equal(lines_in(path), 3);
	assert_int_equal(deliver(3, 10), LT_DELIVERED);
	assert_int_equal(lines_in(path), 10);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void after_a_restart_it_goes_on(void **state)
{
	(void)state;
	new_sink(0, 0);
	assert_int_equal(deliver(0, 3), LT_DELIVERED);
	new_sink(0, 0);
	assert_int_equal(deliver(3, 5), LT_DELIVERED);
	assert_int_equal(lines_in(path), 5);
}

static void a_line_that_a_crash_has_torn_is_cut(void **state)
{
	int fd;

	(void)state;
	new_sink(0, 0);
	assert_int_equal(deliver(0, 2), LT_DELIVERED);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "{\"record_id\":\"01", 16), 16);
	close(fd);
	new_sink(0, 0);
	assert_int_equal(deliver(2, 4), LT_DELIVERED);
	assert_int_equal(lines_in(path), 4);
}

static void it_is_rotated_and_old_ones_go(void **state)
{
	(void)state;
	new_sink(16 << 10, 2);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(deliver(5 * i, 5 * i + 5), LT_DELIVERED);
	assert_true(lines_in(path) > 0);
	assert_true(lines_in(numbered(1)) > 0);
	assert_true(lines_in(numbered(2)) > 0);
	assert_int_equal(lines_in(numbered(3)), -1);
}

static void who_renames_it_gets_a_new_one(void **state)
{
	(void)state;
	new_sink(0, 0);
	assert_int_equal(deliver(0, 2), LT_DELIVERED);
	assert_int_equal(rename(path, numbered(7)), 0);
	assert_int_equal(deliver(2, 5), LT_DELIVERED);
	assert_int_equal(lines_in(numbered(7)), 2);
	assert_int_equal(lines_in(path), 3);
}

static void what_does_not_fit_is_taken_back(void **state)
{
	struct rlimit limit, small;

	(void)state;
	new_sink(0, 0);
	assert_int_equal(deliver(0, 2), LT_DELIVERED);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 20 << 10;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(deliver(2, 60), LT_LATER);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(lines_in(path), 2);
	assert_int_equal(deliver(2, 60), LT_DELIVERED);
	assert_int_equal(lines_in(path), 60);
}

static void without_a_folder_a_person_has_to_help(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/none/records.jsonl", directory);
	new_sink(0, 0);
	assert_int_equal(deliver(0, 2), LT_MISCONFIGURED);
}

static void a_link_is_not_followed(void **state)
{
	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	new_sink(0, 0);
	assert_int_equal(deliver(0, 2), LT_MISCONFIGURED);
}

static void a_request_has_an_end(void **state)
{
	struct lt_record r = plain_record(1);
	unsigned added = 0;
	int full = 0;

	(void)state;
	new_sink(0, 0);
	while (full == 0 && added < 100000) {
		full = sink->ops->add(sink, 1, &r);
		added++;
	}
	assert_int_equal(full, 1);
	sink->ops->reset(sink);
	assert_int_equal(sink->ops->add(sink, 1, &r), 0);
}

#define WITH_SINK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SINK(a_record_is_a_line),
		WITH_SINK(after_a_restart_it_goes_on),
		WITH_SINK(a_line_that_a_crash_has_torn_is_cut),
		WITH_SINK(it_is_rotated_and_old_ones_go),
		WITH_SINK(who_renames_it_gets_a_new_one),
		WITH_SINK(what_does_not_fit_is_taken_back),
		WITH_SINK(without_a_folder_a_person_has_to_help),
		WITH_SINK(a_link_is_not_followed),
		WITH_SINK(a_request_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
