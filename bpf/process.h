/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of the current process. */
#pragma once

#include "bpf/maps.h"
#include "vmlinux/core_fixes.h"

static __always_inline struct task_struct *current_leader(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, group_leader);
}

/* Tells one program run from the next that has the same number: what is allocated has the same
 * addresses in all runs of a program. */
static __always_inline __u64 process_mark(void)
{
	struct task_struct *leader = current_leader();

	return BPF_CORE_READ(leader, start_boottime) + BPF_CORE_READ(leader, self_exec_id);
}

/* cgroup v2 id of a task; on a host with v1 alone it is the root's. */
static __always_inline __u64 task_cgroup_id(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}
