/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of /proc/PID/maps, and the files behind them. */
#pragma once

#include "userspace/capture/map_watch.h"

enum { LT_MAPS_LINES_MAX = 65536, LT_MAPS_PATH = 256 };

/*
 * "start-end perms offset major:minor inode   path": false for anything but an executable file
 * mapping.
 */
bool lt_maps_parse_line(const char *line, uint32_t pid, struct lt_mapping *ret);

/*
 * Opens the very file that is mapped, whatever its path says (deleted, replaced, in another mount
 * namespace, or named to look like a host library). @proc is "/proc". @ret_path: what the mapping's
 * own name says, for people. A descriptor, -ENOENT when the mapping is gone, -EACCES, -EPERM.
 */
LT_MUST_CHECK int lt_maps_open(const char *proc, const struct lt_mapping *m,
			       char ret_path[LT_MAPS_PATH]);
