/* SPDX-License-Identifier: Apache-2.0 */
/* Boot time (what the kernel stamps) and wall time, and the way from one to the other. */
#pragma once

#include <stdint.h>

/* CLOCK_BOOTTIME in ns, as bpf_ktime_get_boot_ns gives it. */
uint64_t lt_clock_boot_ns(void);
/* CLOCK_REALTIME in ns since 1970, UTC. */
int64_t lt_clock_wall_ns(void);
/* A boot-time stamp as wall time; the offset is read anew at most once a second (NTP steps move
 * it). */
int64_t lt_clock_boot_to_wall(uint64_t boot_ns);

enum { LT_CLOCK_TEXT = 40 };
/* RFC 3339 UTC with milliseconds, "2026-11-24T00:30:00.123Z". Returns @to. */
const char *lt_clock_format(int64_t wall_ns, char to[LT_CLOCK_TEXT]);
