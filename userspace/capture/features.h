/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel can do: each feature is probed, never inferred from a version. */
#pragma once

#include <stdbool.h>

struct lt_features {
	bool btf;	      /* /sys/kernel/btf/vmlinux */
	bool bpf;	      /* programs load at all (CAP_BPF and CAP_PERFMON) */
	int bpf_error;	      /* else why not, negative errno */
	bool attach_cookie;   /* 5.15 */
	bool bpf_loop;	      /* 5.17 */
	bool uprobe_multi;    /* 6.6 */
	bool preempt_guard;   /* bpf_preempt_disable, 6.10 */
	bool socket_events;   /* tracepoints where sockets have moved bytes, 6.3 */
	bool exec_prepared;   /* a tracepoint before an exec is seen from outside, 6.10 */
	bool mmap_events;     /* perf's notices of executable mappings */
	bool cgroup_skb;      /* programs for the packets of a cgroup */
	bool map_files;	      /* /proc/PID/map_files can be opened */
	bool uretprobe_kills; /* a process with a seccomp filter dies of a return probe (6.11) */
	char release[72];
};

void lt_features_probe(struct lt_features *ret);
