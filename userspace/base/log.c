// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/clock.h"

static const char *const names[] = {"error", "warn", "info", "debug"};
/* sd-daemon(3) priorities. */
static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
static enum lt_log_level max_level = LT_LOG_INFO;

void lt_log_set_level(enum lt_log_level level)
{
	max_level = level;
}

int lt_log_parse_level(const char *text, enum lt_log_level *ret)
{
	for (size_t i = 0; i < LT_COUNT(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum lt_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void lt_log(enum lt_log_level level, const char *format, ...)
{
	char line[1200], time[LT_CLOCK_TEXT];
	va_list args;
	int n;

	if (level > max_level)
		return;
	if (getenv("JOURNAL_STREAM"))
		n = snprintf(line, sizeof(line), "%s", priorities[level]);
	else
		n = snprintf(line, sizeof(line), "%s %-5s ",
			     lt_clock_format(lt_clock_wall_ns(), time), names[level]);
	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	/* File names and the like may hold a line end, which would forge a line. */
	for (char *p = line; *p; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	/* One write, so that lines of several threads do not mix. */
	fprintf(stderr, "%s\n", line);
}
