/* SPDX-License-Identifier: Apache-2.0 */
/* Every map and every tunable, declared once. */
#pragma once

#include "bpf/conn.h"

/* Set before load. */
const volatile __u32 lt_wakeup_bytes __weak =
	1 << 20; /* data waiting in the ring that is worth a wake-up */
const volatile __u32 lt_probe_budget __weak =
	1 << 20; /* bytes copied per direction before a verdict is there */
const volatile __u32 lt_head_bytes __weak =
	4096;				 /* under verdict HEAD, after each change of direction */
const volatile __u32 lt_own_tgid __weak; /* the agent itself is never captured */
const volatile bool lt_wants_environ __weak;	 /* the config names environment variables */
const volatile bool lt_has_preempt_guard __weak; /* bpf_preempt_disable exists (6.10) */
/* Remote ports whose connections are read in the clear, a bit for each. */
const volatile __u64 lt_plain_ports[LT_PORT_WORDS] __weak;
const volatile bool lt_plain_has_cgroups __weak; /* plain_cgroups is to be asked as well */

/*
 * Verdicts by slot: (generation << 8) | verdict. Userspace stores here directly (the array is
 * memory mapped), so that a verdict costs no system call, and no update can overwrite the kernel's
 * own connection state.
 */
__u64 lt_verdicts[LT_VERDICT_SLOTS] __weak;
__u32 lt_next_slot __weak;
__u64 lt_next_aead __weak; /* number of the next connection of rustls */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events __weak SEC(".maps");

/* TLS calls in progress, by thread and direction. Deleted at return and when the thread ends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct call_key);
	__type(value, struct call);
} calls __weak SEC(".maps");

/*
 * Calls of Go methods in progress, by goroutine and direction: one for every connection that waits
 * for its next answer. Least recently used: a process that is killed leaves its own behind, and
 * what is needed after all stands in the frame (go.h).
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct go_call_key);
	__type(value, struct go_call);
} go_calls __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct conn_key);
	__type(value, struct conn);
} conns __weak SEC(".maps");

/* Keys that seal and open TLS records: two for every connection of rustls. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct conn_key);
	__type(value, struct aead_key);
} aead_keys __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* as bpf_get_current_pid_tgid() */
	__type(value, struct aead_thread);
} aead_threads __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* tgid */
	__type(value, struct aead_waiting);
} aead_waiting __weak SEC(".maps");
/* Sockets that are read in the clear: whose connection ends with them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);   /* address of the struct sock */
	__type(value, __u32); /* tgid */
} plain_socks __weak SEC(".maps");

/* Ids of the cgroups all of whose connections are looked at. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LT_PLAIN_CGROUPS_MAX);
	__type(key, __u64);
	__type(value, __u8);
} plain_cgroups __weak SEC(".maps");

/*
 * Processes that have made such a connection, or have a child that listens to them (FOLLOW_...).
 * Only where system calls are followed (plain.bpf.c): everybody else's end at one look into this
 * map.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u8);
} plain_tasks __weak SEC(".maps");
/*
 * Pipes and sockets between a process and the standard input and output of its child, by their
 * object in the kernel. An address that is used again is another's when a child gets it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct stdio_end);
} stdio_ends __weak SEC(".maps");

/* Boot time at which such a process was last heard of. */
__u64 lt_plain_heard_ns __weak;
/* Whether userspace follows system calls now. */
__u32 lt_plain_follows __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LT_KC_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LT_SITES_MAX);
	__type(key, __u32);
	__type(value, struct lt_site);
} sites __weak SEC(".maps");

static __always_inline void count(__u32 which, __u64 n)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &which);

	if (value)
		*value += n;
}
