/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as JSON lines in a file, one line for each revision of a record, as `ledgertap calls
 * --format jsonl` prints them. Each request is on disk before the sink's place moves; what a crash
 * lets come twice has the same record_id and revision. A line that a crash has torn is cut off.
 *
 * Rotation: beyond @max_bytes FILE becomes FILE.1, FILE.1 becomes FILE.2 and so on, @keep of them.
 * Renamed or removed by others (logrotate), it is begun anew.
 */
#pragma once

#include "userspace/export/sink.h"

struct lt_file_sink_opts {
	const char *name;   /* of the sink; copied, as the next one */
	const char *path;   /* absolute */
	uint64_t max_bytes; /* 0: 100 MiB */
	unsigned keep;	    /* rotated files; 0: 10 */
};

/* Opens nothing yet. -ENOMEM, -ENAMETOOLONG. */
LT_MUST_CHECK int lt_file_sink_new(const struct lt_file_sink_opts *opts, struct lt_sink **ret);
