/* SPDX-License-Identifier: Apache-2.0 */
/* Who made a call: kernel facts, and the business dimensions that the rules give. Plain data. */
#pragma once

#include "userspace/discover/process.h"

enum { LT_DIMENSION_SIZE = 64, LT_PARENT_CHAIN = 160 };

enum lt_identity_source {
	LT_IDENTITY_NONE,
	LT_IDENTITY_KERNEL,	     /* only kernel facts, no rule matched */
	LT_IDENTITY_ADMIN_MAP,	     /* a rule over kernel facts */
	LT_IDENTITY_PROCESS_CONTEXT, /* a rule that read the process's environment */
};

/* "none" | "kernel" | "admin_map" | "process_context" */
const char *lt_identity_source_name(enum lt_identity_source s);

struct lt_identity {
	uint32_t pid; /* tgid in the host's namespace */
	uint32_t parent_pid;
	uint64_t process_start_ns;
	uint32_t uid;
	char comm[LT_COMM_SIZE];
	char exe[LT_EXE_SIZE];
	char parents[LT_PARENT_CHAIN]; /* comm of the ancestors, nearest first, joined by "<" */
	char cgroup[LT_CGROUP_PATH];
	struct lt_container container;
	char tenant[LT_DIMENSION_SIZE]; /* "unattributed" when no rule says */
	char team[LT_DIMENSION_SIZE];	/* "" = null, as below */
	char use_case[LT_DIMENSION_SIZE];
	char environment[LT_DIMENSION_SIZE];
	char cost_center[LT_DIMENSION_SIZE];
	enum lt_identity_source source;
	unsigned confidence; /* 0..100 */
};
