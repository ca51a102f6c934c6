/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel structs and fields that bpf/ reads, and no others. Offsets are relocated at load (CO-RE). */
#pragma once

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

typedef int pid_t;

enum { false, true };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };

enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

enum { BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };

enum sock_flags {
	SOCK_DONE = 1,
};

/* States of struct sock, fixed since they are shown to userspace. */
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_CLOSE = 7 };

enum { IPPROTO_TCP = 6 };

/* Only the enumerators that are looked up by name (the numbers differ between configurations). */
enum cgroup_subsys_id {
	cpu_cgrp_id = 1,
	memory_cgrp_id = 4,
	pids_cgrp_id = 11,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	struct kernfs_node *__parent; /* since 6.15; "parent" before, see core_fixes.h */
	const char *name;
	__u64 id;
};

struct cgroup_root {
	int hierarchy_id; /* 0: v2 */
};

struct cgroup_subsys_state;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct cgroup_subsys_state *subsys[16];
	int level;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};

struct inode {
	__u16 i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

typedef struct {
	__s64 counter;
} atomic64_t;

struct socket;

struct sock_common {
	__be32 skc_daddr;
	__be16 skc_dport;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
	unsigned long skc_flags;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	struct socket *sk_socket;
};

struct unix_sock {
	struct sock *peer;
};

struct tcp_sock {
	__u64 tcp_mstamp; /* of the last packet sent or received, monotonic, in us */
	__u64 bytes_sent, bytes_retrans, bytes_received;
};

/* What programs for packets see; their fields are the same in every kernel. */
struct bpf_sock {
	__be16 dst_port;
};

struct __sk_buff {
	__u32 len;
	struct bpf_sock *sk;
};

struct socket {
	short type;
	struct file *file;
	struct sock *sk;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct mm_struct {
	unsigned long env_start, env_end, start_stack;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live; /* threads that have not begun to exit */
};

struct task_struct {
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	pid_t pid;
	pid_t tgid;
	__u64 start_boottime;
	const struct cred *real_cred;
	struct files_struct *files;
	struct css_set *cgroups;
	struct signal_struct *signal;
	char comm[16];
	__u32 self_exec_id;
};

struct linux_binprm {
	const char *filename;
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute pop
