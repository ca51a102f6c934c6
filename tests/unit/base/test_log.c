// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/log.h"

/* What one call writes to stderr. */
static void logged(enum lt_log_level level, const char *message, char *to, size_t size)
{
	FILE *file = tmpfile();
	int old = dup(STDERR_FILENO);
	ssize_t n;

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	lt_log(level, "%s", message);
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
	n = pread(fileno(file), to, size - 1, 0);
	fclose(file);
	assert_true(n >= 0);
	to[n] = '\0';
}

static void levels_above_the_limit_are_silent(void **state)
{
	char line[256];

	(void)state;
	lt_log_set_level(LT_LOG_WARN);
	logged(LT_LOG_INFO, "quiet", line, sizeof(line));
	assert_string_equal(line, "");
	logged(LT_LOG_WARN, "loud", line, sizeof(line));
	assert_non_null(strstr(line, "Z warn  loud\n"));
	lt_log_set_level(LT_LOG_INFO);
}

static void the_journal_gets_priorities(void **state)
{
	char line[256];

	(void)state;
	setenv("JOURNAL_STREAM", "1:2", 1);
	logged(LT_LOG_ERROR, "broken", line, sizeof(line));
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(line, "<3>broken\n");
}

static void one_event_is_one_line(void **state)
{
	char line[4096], longer[3000];
	char *end;

	(void)state;
	logged(LT_LOG_ERROR, "a\nb\x1b[31m\rc", line, sizeof(line));
	assert_non_null(strstr(line, "a?b?[31m?c\n"));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	logged(LT_LOG_ERROR, longer, line, sizeof(line));
	end = strchr(line, '\n');
	assert_non_null(end);
	assert_string_equal(end, "\n");
}

static void levels_have_names(void **state)
{
	enum lt_log_level level = LT_LOG_INFO;

	(void)state;
	assert_int_equal(lt_log_parse_level("debug", &level), 0);
	assert_int_equal(level, LT_LOG_DEBUG);
	assert_int_equal(lt_log_parse_level("Debug", &level), -EINVAL);
	assert_int_equal(lt_log_parse_level("", &level), -EINVAL);
	assert_int_equal(level, LT_LOG_DEBUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_above_the_limit_are_silent),
		cmocka_unit_test(the_journal_gets_priorities),
		cmocka_unit_test(one_event_is_one_line),
		cmocka_unit_test(levels_have_names),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
