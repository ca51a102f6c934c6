// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/capture/hurry.h"

struct setting {
	char path[32];
	struct lt_hurry hurry;
};

static void set(const struct setting *s, const char *value)
{
	FILE *file = fopen(s->path, "w");

	assert_non_null(file);
	fputs(value, file);
	fclose(file);
}

/* The first line, as a number: the kernel's file has no other. */
static int now(const struct setting *s)
{
	FILE *file = fopen(s->path, "r");
	int value = -1;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &value), 1);
	fclose(file);
	return value;
}

static int begin(void **state)
{
	static struct setting s;
	int fd;

	memcpy(s.path, "/tmp/lt-hurry.XXXXXX", sizeof("/tmp/lt-hurry.XXXXXX"));
	fd = mkstemp(s.path);
	if (fd < 0)
		return -1;
	close(fd);
	*state = &s;
	return 0;
}

static int end(void **state)
{
	struct setting *s = *state;

	lt_hurry_close(&s->hurry);
	return unlink(s->path);
}

static void set_while_attaching(void **state)
{
	struct setting *s = *state;

	set(s, "0\n");
	lt_hurry_open(&s->hurry, s->path);
	lt_hurry_begin(&s->hurry);
	assert_int_not_equal(now(s), 0);
	lt_hurry_begin(&s->hurry);
	lt_hurry_end(&s->hurry);
	assert_int_not_equal(now(s), 0);
	lt_hurry_end(&s->hurry);
	assert_int_equal(now(s), 0);
	lt_hurry_begin(&s->hurry);
	assert_int_not_equal(now(s), 0);
	lt_hurry_end(&s->hurry);
	assert_int_equal(now(s), 0);
}

static void the_administrators_value_stays(void **state)
{
	struct setting *s = *state;

	set(s, "1\n");
	lt_hurry_open(&s->hurry, s->path);
	lt_hurry_begin(&s->hurry);
	assert_int_equal(now(s), 1);
	lt_hurry_end(&s->hurry);
	assert_int_equal(now(s), 1);
	/* Set by somebody else in the meantime. */
	set(s, "0\n");
	lt_hurry_begin(&s->hurry);
	set(s, "1\n");
	lt_hurry_end(&s->hurry);
	assert_int_equal(now(s), 1);
}

static void what_a_killed_agent_left_is_put_back(void **state)
{
	struct setting *s = *state;
	struct lt_hurry killed;

	set(s, "0\n");
	lt_hurry_open(&killed, s->path);
	lt_hurry_begin(&killed);
	lt_hurry_close(&killed);
	assert_int_not_equal(now(s), 0);
	lt_hurry_open(&s->hurry, s->path);
	assert_int_equal(now(s), 0);
}

static void never_when_told_so_or_not_allowed(void **state)
{
	struct setting *s = *state;

	set(s, "0\n");
	lt_hurry_open(&s->hurry, NULL);
	lt_hurry_begin(&s->hurry);
	assert_int_equal(now(s), 0);
	lt_hurry_end(&s->hurry);
	lt_hurry_close(&s->hurry);
	lt_hurry_open(&s->hurry, "/nonexistent/rcu_expedited");
	lt_hurry_begin(&s->hurry);
	lt_hurry_end(&s->hurry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(set_while_attaching, begin, end),
		cmocka_unit_test_setup_teardown(the_administrators_value_stays, begin, end),
		cmocka_unit_test_setup_teardown(what_a_killed_agent_left_is_put_back, begin, end),
		cmocka_unit_test_setup_teardown(never_when_told_so_or_not_allowed, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
