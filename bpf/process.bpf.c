// SPDX-License-Identifier: Apache-2.0
/* exec, fork and exit, with cgroup id and cgroup names, so that a process which is gone before
 * userspace looks is attributed; and the life of cgroups, with who moves into which. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/emit.h"
#include "bpf/process.h"

static __always_inline void cgroup_names(struct cgroup *cgroup, char names[][LT_CGROUP_NAME_SIZE])
{
	struct kernfs_node *kn = BPF_CORE_READ(cgroup, kn);
	int i;

	for (i = 0; i < LT_CGROUP_LEVELS; i++) {
		struct kernfs_node *parent = kn ? kernfs_parent(kn) : 0;

		names[i][0] = 0;
		if (!parent) /* the root has no name */
			break;
		bpf_probe_read_kernel_str(names[i], LT_CGROUP_NAME_SIZE, BPF_CORE_READ(kn, name));
		kn = parent;
	}
}

/* The v2 cgroup, or where the process sits in v2's root (v1 and hybrid hosts) the v1 one that
 * containers use. */
static __always_inline struct cgroup *telling_cgroup(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup *cgroup = BPF_CORE_READ(set, dfl_cgrp);
	struct cgroup_subsys_state *css;
	__u32 id;

	if (BPF_CORE_READ(cgroup, level) > 0 ||
	    !bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return cgroup;
	id = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) & 15;
	if (bpf_probe_read_kernel(&css, sizeof(css), &set->subsys[id]) || !css)
		return cgroup;
	return BPF_CORE_READ(css, cgroup);
}

SEC("raw_tp/sched_process_exec")
int lt_process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct linux_binprm *bprm = (struct linux_binprm *)ctx->args[2];
	struct lt_event_exec *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		count(LT_KC_LOST_EVENTS, 1);
		return 0;
	}
	e->head.type = LT_EVENT_EXEC;
	e->head.tgid = BPF_CORE_READ(task, tgid);
	e->head.ts_ns = bpf_ktime_get_boot_ns();
	e->process_start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	e->cgroup_id = task_cgroup_id(task);
	e->stack_start = BPF_CORE_READ(task, mm, start_stack);
	e->parent_tgid = BPF_CORE_READ(task, real_parent, tgid);
	e->uid = BPF_CORE_READ(task, real_cred, uid.val);
	BPF_CORE_READ_INTO(&e->comm, task, comm);
	e->file[0] = 0;
	bpf_probe_read_kernel_str(e->file, sizeof(e->file), BPF_CORE_READ(bprm, filename));
	cgroup_names(telling_cgroup(task), e->cgroup);
	bpf_ringbuf_submit(e, wakeup_flags());
	return 0;
}

/* A child has its parent's connections. */
static __always_inline void plain_inherit(__u32 parent, __u32 child)
{
	__u8 *why = bpf_map_lookup_elem(&plain_tasks, &parent);
	__u8 inherited = FOLLOW_TCP;

	if (why && (*why & FOLLOW_TCP))
		bpf_map_update_elem(&plain_tasks, &child, &inherited, BPF_ANY);
}

SEC("raw_tp/sched_process_fork")
int lt_process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx->args[0];
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	struct lt_event_fork *e;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	plain_inherit(BPF_CORE_READ(parent, tgid), BPF_CORE_READ(child, tgid));
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(LT_KC_LOST_EVENTS, 1);
		return 0;
	}
	e->head.type = LT_EVENT_FORK;
	e->head.tgid = BPF_CORE_READ(child, tgid);
	e->head.ts_ns = bpf_ktime_get_boot_ns();
	e->process_start_ns = BPF_CORE_READ(child, start_boottime);
	e->cgroup_id = task_cgroup_id(child);
	e->parent_tgid = BPF_CORE_READ(parent, tgid);
	e->uid = BPF_CORE_READ(child, real_cred, uid.val);
	bpf_ringbuf_submit(e, wakeup_flags());
	return 0;
}

SEC("raw_tp/sched_process_exit")
int lt_process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct call_key key = {.thread = bpf_get_current_pid_tgid(), .dir = LT_DIR_WRITE};
	struct lt_event_exit *e;
	__u32 tgid;

	bpf_map_delete_elem(&calls, &key);
	key.dir = LT_DIR_READ;
	bpf_map_delete_elem(&calls, &key);
	/* The last thread: the first one may have ended long before the others. */
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	bpf_map_delete_elem(&plain_tasks, &tgid);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(LT_KC_LOST_EVENTS, 1);
		return 0;
	}
	e->head.type = LT_EVENT_EXIT;
	e->head.tgid = tgid;
	e->head.ts_ns = bpf_ktime_get_boot_ns();
	e->process_start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	bpf_ringbuf_submit(e, wakeup_flags());
	return 0;
}

static __always_inline bool has_memory(struct cgroup *cgroup)
{
	struct cgroup_subsys_state *css = 0;
	__u32 id;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return false;
	id = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) & 15;
	return !bpf_probe_read_kernel(&css, sizeof(css), &cgroup->subsys[id]) && css;
}

/* @task: who moved, 0: nobody. */
static __always_inline void emit_cgroup(struct cgroup *cgroup, const char *path, __u32 change,
					struct task_struct *task)
{
	bool v1 = BPF_CORE_READ(cgroup, root, hierarchy_id) != 0;
	struct lt_event_cgroup *e;

	/* v1 has up to twelve hierarchies, and runtimes make the same folders in all of them. */
	if (v1 && !has_memory(cgroup))
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(LT_KC_LOST_EVENTS, 1);
		return;
	}
	e->head.type = LT_EVENT_CGROUP;
	e->head.tgid = task ? BPF_CORE_READ(task, tgid) : 0;
	e->head.ts_ns = bpf_ktime_get_boot_ns();
	e->process_start_ns = task ? BPF_CORE_READ(task, group_leader, start_boottime) : 0;
	e->id = BPF_CORE_READ(cgroup, kn, id);
	e->change = change;
	e->hierarchy = v1 ? LT_CGROUP_V1 : LT_CGROUP_V2;
	e->path[0] = 0;
	bpf_probe_read_kernel_str(e->path, sizeof(e->path), path);
	bpf_ringbuf_submit(e, wakeup_flags());
}

SEC("raw_tp/cgroup_mkdir")
int lt_cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	emit_cgroup((struct cgroup *)ctx->args[0], (const char *)ctx->args[1], LT_CGROUP_MADE, 0);
	return 0;
}

SEC("raw_tp/cgroup_rmdir")
int lt_cgroup_rmdir(struct bpf_raw_tracepoint_args *ctx)
{
	emit_cgroup((struct cgroup *)ctx->args[0], (const char *)ctx->args[1], LT_CGROUP_GONE, 0);
	return 0;
}

SEC("raw_tp/cgroup_attach_task")
int lt_cgroup_attach_task(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[2];
	bool whole_process = ctx->args[3];

	/* A thread alone (v1, or threaded v2) does not take its process along. */
	if (!whole_process && BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	emit_cgroup((struct cgroup *)ctx->args[0], (const char *)ctx->args[1], LT_CGROUP_ENTERED,
		    task);
	return 0;
}
