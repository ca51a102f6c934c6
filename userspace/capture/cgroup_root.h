/* SPDX-License-Identifier: Apache-2.0 */
/* Where the root of the cgroup v2 hierarchy is mounted: programs for all packets are linked there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/cleanup.h"

enum { LT_CGROUP_ROOT_PATH = 512 };

/*
 * The mount point in a line of mountinfo (proc(5)), when it is the root of a cgroup2 mount; escapes
 * are undone. -ENOENT: another mount. -ENAMETOOLONG.
 */
LT_MUST_CHECK int lt_cgroup_root_parse(const char *line, char ret[LT_CGROUP_ROOT_PATH]);

/*
 * Opens the host's root: as this process has it mounted, else (in a container that sees the host's
 * processes) as process 1 has it. A descriptor of the directory; -ENOENT: there is none.
 */
LT_MUST_CHECK int lt_cgroup_root_open(void);
