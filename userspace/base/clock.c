// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/clock.h"

#include <stdio.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t lt_clock_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t lt_clock_wall_ns(void)
{
	return (int64_t)read_clock(CLOCK_REALTIME);
}

int64_t lt_clock_boot_to_wall(uint64_t boot_ns)
{
	static _Thread_local uint64_t offset, read_at;
	uint64_t now = lt_clock_boot_ns();

	if (offset == 0 || now - read_at > NS_PER_S) {
		offset = read_clock(CLOCK_REALTIME) - now;
		read_at = now;
	}
	return (int64_t)(boot_ns + offset);
}

const char *lt_clock_format(int64_t wall_ns, char to[LT_CLOCK_TEXT])
{
	int64_t seconds = wall_ns / NS_PER_S, rest = wall_ns % NS_PER_S;
	struct tm tm;
	time_t t;

	if (rest < 0) {
		seconds--;
		rest += NS_PER_S;
	}
	t = (time_t)seconds;
	if (!gmtime_r(&t, &tm))
		snprintf(to, LT_CLOCK_TEXT, "?");
	else
		snprintf(to, LT_CLOCK_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			 (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			 tm.tm_min, tm.tm_sec, (int)(rest / 1000000));
	return to;
}
