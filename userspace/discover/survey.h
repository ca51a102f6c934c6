/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at all processes, without attaching anything: which files with TLS functions they have
 * mapped, who maps them, and what cannot be read and why (doctor).
 */
#pragma once

#include <stdint.h>

#include "userspace/base/cleanup.h"

enum { LT_SURVEY_PIDS = 4 };

struct lt_survey_file {
	const char *path;      /* as the first process names it; borrowed for the call */
	const char *collector; /* whose probes fit ("a", "a and b"); NULL: none do; borrowed too */
	const char *foreign;   /* no probes fit, but this TLS stack is in it */
	unsigned probes;
	unsigned processes;
	uint32_t pids[LT_SURVEY_PIDS]; /* the first of them */
};

struct lt_survey_totals {
	unsigned processes;
	unsigned closed; /* processes whose files may not be opened */
	unsigned broken; /* files that look like ELF and are not */
};

/* @proc is "/proc". Calls @each for every file of interest, in the order of their finding. */
LT_MUST_CHECK int lt_survey(const char *proc,
			    void (*each)(void *arg, const struct lt_survey_file *file), void *arg,
			    struct lt_survey_totals *ret);
