/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc/PID says, through one descriptor of that folder: a pid that is used again cannot
 * answer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "userspace/discover/process.h"

/* What /proc rounds a start time down to is 10 ms on every kernel that we know; twice that is never
 * too little. */
#define LT_PROCFS_SLACK_NS 20000000ull

struct lt_procfs_stat {
	uint64_t start_ns;    /* boot time, rounded down to a clock tick */
	uint64_t stack_start; /* address: another one when it has executed another program; 0: not
			       * known */
	uint32_t parent_tgid;
	char comm[LT_COMM_SIZE];
	bool kernel_thread;
};

/* A descriptor of @proc/@tgid, or -ENOENT. The caller closes it. */
LT_MUST_CHECK int lt_procfs_open(const char *proc, uint32_t tgid);
/* -ESRCH, -ENOENT: gone. -EBADMSG: not a stat line. */
LT_MUST_CHECK int lt_procfs_stat(int pid_fd, struct lt_procfs_stat *ret);
LT_MUST_CHECK int lt_procfs_uid(int pid_fd, uint32_t *ret);
/* Without " (deleted)". -ENOENT for kernel threads and zombies. */
LT_MUST_CHECK int lt_procfs_exe(int pid_fd, char ret[LT_EXE_SIZE]);
/* -ENOENT when there is none. */
LT_MUST_CHECK int lt_procfs_cgroup(int pid_fd, struct lt_cgroup_paths *ret);
/* Values of the variables @names, "" where not set. Everything else is forgotten while it is read.
 */
LT_MUST_CHECK int lt_procfs_environ(int pid_fd, const char *const *names, size_t count,
				    char ret[][LT_ENV_VALUE]);

/* The same from a text in memory; a last variable that is cut is left out. */
void lt_environ_take(const char *text, size_t n, const char *const *names, size_t count,
		     char ret[][LT_ENV_VALUE]);
