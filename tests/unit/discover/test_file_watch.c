// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/discover/file_watch.h"

struct changes {
	int count, last;
};

static void changed(void *arg, int number)
{
	struct changes *c = arg;

	c->count++;
	c->last = number;
}

static bool readable(const struct lt_file_watch *w)
{
	struct pollfd news = {.fd = lt_file_watch_fd(w), .events = POLLIN};

	return poll(&news, 1, 0) == 1;
}

static int new_file(char path[64])
{
	int fd;

	snprintf(path, 64, "/tmp/lt-file-watch-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "content", 7), 7);
	return fd;
}

static void a_changed_file_is_told(void **state)
{
	lt_defer(lt_file_watch_freep)
	struct lt_file_watch *w = NULL;
	struct changes c = {0};
	char one[64], two[64];
	int first = new_file(one), second = new_file(two), number, other;

	(void)state;
	assert_int_equal(lt_file_watch_new(&w), 0);
	number = lt_file_watch_add(w, first);
	other = lt_file_watch_add(w, second);
	assert_true(number > 0 && other > 0 && number != other);
	assert_int_equal(lt_file_watch_add(w, first), number);
	lt_file_watch_read(w, changed, &c);
	assert_int_equal(c.count, 0);
	assert_false(readable(w));

	/* Emptied, as by cp, and written. */
	assert_int_equal(truncate(one, 0), 0);
	assert_true(readable(w));
	lt_file_watch_read(w, changed, &c);
	assert_true(c.count >= 1);
	assert_int_equal(c.last, number);
	assert_int_equal(write(second, "x", 1), 1);
	lt_file_watch_read(w, changed, &c);
	assert_int_equal(c.last, other);

	/* Not: read, renamed, removed, or no longer watched. */
	c = (struct changes){0};
	lt_file_watch_remove(w, number);
	lt_file_watch_remove(w, number);
	assert_int_equal(write(first, "x", 1), 1);
	assert_int_equal(pread(second, &(char){0}, 1, 0), 1);
	assert_int_equal(rename(two, one), 0);
	assert_int_equal(unlink(one), 0);
	close(first);
	close(second);
	lt_file_watch_read(w, changed, &c);
	assert_int_equal(c.count, 0);
}

static void what_is_no_file_is_an_error(void **state)
{
	lt_defer(lt_file_watch_freep)
	struct lt_file_watch *w = NULL;

	(void)state;
	assert_int_equal(lt_file_watch_new(&w), 0);
	assert_int_equal(lt_file_watch_add(w, 12345), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_file_is_told),
		cmocka_unit_test(what_is_no_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
