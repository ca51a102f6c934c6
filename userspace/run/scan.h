/* SPDX-License-Identifier: Apache-2.0 */
/* Agents among the processes that run already, and what they have started. */
#pragma once

#include "userspace/discover/procfs.h"

struct lt_scanned {
	uint32_t tgid, parent_tgid;
	uint64_t start_ns; /* to a clock tick */
	int agent;	   /* as the sink's agent() said */
};

struct lt_scan_sink {
	void *arg;
	/* The agent that runs as this process, LT_NO_AGENT: none. */
	int (*agent)(void *arg, int pid_fd, const struct lt_procfs_stat *stat);
	/* A process that is an agent or has one above it, the ones above it first; @parent is the
	 * nearest of these, NULL: it is the outermost agent. */
	void (*found)(void *arg, const struct lt_scanned *process, const struct lt_scanned *parent);
};

/* Looks at no more than @max processes. How many were found, or -errno. */
LT_MUST_CHECK int lt_scan_agents(const char *proc, size_t max, const struct lt_scan_sink *sink);
