// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/bytes.h"
#include "userspace/base/clock.h"

static void the_same_moment_on_both_clocks(void **state)
{
	int64_t before = lt_clock_wall_ns();
	int64_t mapped = lt_clock_boot_to_wall(lt_clock_boot_ns());
	int64_t after = lt_clock_wall_ns();
	int64_t slack = 50000000; /* the offset is of two readings, and may be a second old */

	(void)state;
	assert_true(mapped >= before - slack && mapped <= after + slack);
}

static void distances_are_kept(void **state)
{
	uint64_t boot = lt_clock_boot_ns();

	(void)state;
	assert_int_equal(lt_clock_boot_to_wall(boot) - lt_clock_boot_to_wall(boot - 123456789),
			 123456789);
}

static void formats_utc_with_milliseconds(void **state)
{
	char to[LT_CLOCK_TEXT];

	(void)state;
	assert_string_equal(lt_clock_format(0, to), "1970-01-01T00:00:00.000Z");
	assert_string_equal(lt_clock_format(1709208000123999999, to), "2024-02-29T12:00:00.123Z");
	assert_string_equal(lt_clock_format(-1, to), "1969-12-31T23:59:59.999Z");
	assert_string_equal(lt_clock_format(INT64_MAX, to), "2262-04-11T23:47:16.854Z");
	assert_int_equal(strlen(lt_clock_format(INT64_MIN, to)), 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_moment_on_both_clocks),
		cmocka_unit_test(distances_are_kept),
		cmocka_unit_test(formats_utc_with_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
