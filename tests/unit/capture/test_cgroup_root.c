// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "userspace/capture/cgroup_root.h"

#define TAIL " rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

static void the_mount_is_found(void **state)
{
	char where[LT_CGROUP_ROOT_PATH];

	(void)state;
	assert_int_equal(lt_cgroup_root_parse("35 24 0:30 / /sys/fs/cgroup" TAIL, where), 0);
	assert_string_equal(where, "/sys/fs/cgroup");
	assert_int_equal(
		lt_cgroup_root_parse("35 24 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
				     where),
		0);
	assert_string_equal(where, "/sys/fs/cgroup/unified");
	assert_int_equal(lt_cgroup_root_parse("35 24 0:30 / /a\\040b\\134c" TAIL, where), 0);
	assert_string_equal(where, "/a b\\c");
}

static void other_mounts_are_not(void **state)
{
	static const char *const other[] = {
		"",
		"\n",
		" - cgroup2 ",
		"35 24 0:30 - cgroup2 x",
		"35 24 0:30 /system.slice/a.service /sys/fs/cgroup" TAIL, /* a part of it */
		"36 24 0:31 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw",
		"37 24 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory",
		"38 24 0:33 / / rw - ext4 /dev/cgroup2 rw",
	};
	char where[LT_CGROUP_ROOT_PATH] = "untouched", line[2048];

	(void)state;
	for (size_t i = 0; i < LT_COUNT(other); i++)
		assert_int_equal(lt_cgroup_root_parse(other[i], where), -ENOENT);
	assert_string_equal(where, "untouched");
	snprintf(line, sizeof(line), "35 24 0:30 / /%0*d" TAIL, LT_CGROUP_ROOT_PATH - 1, 0);
	assert_int_equal(lt_cgroup_root_parse(line, where), -ENAMETOOLONG);
	snprintf(line, sizeof(line), "35 24 0:30 / /%0*d" TAIL, LT_CGROUP_ROOT_PATH - 2, 0);
	assert_int_equal(lt_cgroup_root_parse(line, where), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mount_is_found),
		cmocka_unit_test(other_mounts_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
