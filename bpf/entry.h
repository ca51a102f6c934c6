/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairing of entry and return. The outermost frame alone emits: an entry stores its stack pointer,
 * a nested call (deeper stack) is left out, and a return counts only when the stack is back at the
 * stored frame. So a lost return cannot poison the thread (the next outer call overwrites it), and
 * a file probed twice (two mounts, one inode) still emits once.
 *
 * The two directions are kept apart: node sends its first request from a callback inside the
 * SSL_read that ends the handshake.
 */
#pragma once

#include "bpf/emit.h"
#include "bpf/hooks.h"

extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

/*
 * 6.13+ runs programs with larger stacks on a per-CPU private stack that a preempted uprobe would
 * share with another task. Hence no preemption inside a body where the kernel offers that; no
 * return in between.
 */
static __always_inline void guard_enter(void)
{
	if (lt_has_preempt_guard)
		bpf_preempt_disable();
}

static __always_inline void guard_leave(void)
{
	if (lt_has_preempt_guard)
		bpf_preempt_enable();
}

/* A frame this far below the stored one is no nested call but another stack: the stored entry is
 * stale. */
enum { NESTED_STACK_MAX = 256 << 10 };

static __always_inline void call_enter(struct call *call)
{
	struct call_key key = {.thread = bpf_get_current_pid_tgid(), .dir = call->dir};
	struct call *outer;

	if (key.thread >> 32 == lt_own_tgid)
		return;
	outer = bpf_map_lookup_elem(&calls, &key);
	if (outer && call->sp < outer->sp && outer->sp - call->sp < NESTED_STACK_MAX)
		return;
	/* Another thread may read the answer before this one is back from its write: what was asked
	 * first has to look so. */
	call->ts_ns = call->dir == LT_DIR_WRITE ? bpf_ktime_get_boot_ns() : 0;
	if (bpf_map_update_elem(&calls, &key, call, BPF_ANY))
		count(LT_KC_CALLS_LOST, 1);
}

/* Whether the call under @key is the one that returns with @sp; then it is taken out. */
static __always_inline bool call_ends(struct call_key *key, __u64 sp, struct call *ret)
{
	struct call *call = bpf_map_lookup_elem(&calls, key);

	/* At return the stack is where it was at entry (arm64) or one word above (x86: the return
	 * address is gone). */
	if (!call || sp < call->sp || sp > call->sp + 16)
		return false;
	*ret = *call;
	bpf_map_delete_elem(&calls, key);
	return true;
}

/* True and *@ret filled when this return ends an outermost call of the thread. */
static __always_inline bool call_leave(__u64 sp, struct call *ret)
{
	struct call_key key = {.thread = bpf_get_current_pid_tgid(), .dir = LT_DIR_READ};

	if (call_ends(&key, sp, ret))
		return true;
	key.dir = LT_DIR_WRITE;
	return call_ends(&key, sp, ret);
}
