/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where Go keeps things: the goroutine, the arguments and the results of a call, the socket below a
 * connection.
 *
 * Go passes arguments in registers since 1.17 (x86-64) and 1.18 (arm64), on the stack before. Where
 * they are in registers the caller leaves room for them on the stack all the same, in the same
 * places, and a method that still needs them after a call of its own has put them there.
 */
#pragma once

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/events.h"

/* The running goroutine and its stack, which is copied to another place when it grows. */
struct go_frame {
	__u64 goroutine;
	__u64 lo, hi; /* as they begin the runtime's struct of a goroutine */
	__u64 sp;
};

struct go_args {
	__u64 ctx, buf, len;
};

#ifdef __TARGET_ARCH_x86

struct thread_struct___go {
	unsigned long fsbase;
} __attribute__((preserve_access_index));

struct task_struct___go {
	struct thread_struct___go thread;
} __attribute__((preserve_access_index));

static __always_inline __u64 go_goroutine(const struct pt_regs *ctx, const bool on_stack)
{
	struct task_struct___go *task = (struct task_struct___go *)bpf_get_current_task();
	__u64 goroutine = 0;

	if (!on_stack)
		return ctx->r14;
	/* The last word of the program's thread-local storage. */
	if (bpf_probe_read_user(&goroutine, sizeof(goroutine),
				(const void *)(BPF_CORE_READ(task, thread.fsbase) - 8)))
		return 0;
	return goroutine;
}

static __always_inline void go_registers(const struct pt_regs *ctx, struct go_args *ret)
{
	ret->ctx = ctx->ax;
	ret->buf = ctx->bx;
	ret->len = ctx->cx;
}

#else

static __always_inline __u64 go_goroutine(const struct pt_regs *ctx, const bool on_stack)
{
	return ctx->user_regs.regs[28];
}

static __always_inline void go_registers(const struct pt_regs *ctx, struct go_args *ret)
{
	ret->ctx = ctx->user_regs.regs[0];
	ret->buf = ctx->user_regs.regs[1];
	ret->len = ctx->user_regs.regs[2];
}

#endif

/* False: not on a goroutine's own stack. */
static __always_inline bool go_get_frame(const struct pt_regs *ctx, const bool on_stack,
					 struct go_frame *ret)
{
	ret->goroutine = go_goroutine(ctx, on_stack);
	ret->sp = PT_REGS_SP(ctx);
	if (bpf_probe_read_user(&ret->lo, sizeof(ret->lo) + sizeof(ret->hi),
				(const void *)ret->goroutine))
		return false;
	return ret->sp >= ret->lo && ret->sp < ret->hi;
}

/* The arguments' places on the stack: above the return address (x86-64), or its place (arm64). */
static __always_inline bool go_slots(const struct go_frame *frame, struct go_args *ret)
{
	return bpf_probe_read_user(ret, sizeof(*ret), (const void *)(frame->sp + 8)) == 0;
}

/* The first result at a RET. On the stack it stands above receiver, pointer, length, capacity. */
static __always_inline __s64 go_result(const struct pt_regs *ctx, const struct go_frame *frame,
				       const bool on_stack)
{
	struct go_args results = {};
	__s64 n = 0;

	if (on_stack)
		return bpf_probe_read_user(&n, sizeof(n), (const void *)(frame->sp + 40)) ? 0 : n;
	go_registers(ctx, &results);
	return results.ctx;
}

/*
 * The descriptor below a connection, -2 when there is none to be seen. A connection's first member
 * is the net.Conn that it was made from, type and value; the value of a *net.TCPConn points at its
 * netFD {pfd poll.FD, family, sotype ...}, whose descriptor follows a mutex of two words. Whether
 * it is one is told by family and type: the interface may hold anything.
 */
static __always_inline __s32 go_socket(__u64 ctx)
{
	enum { SYSFD = 16, FAMILY = 56, INET = 2, INET6 = 10, STREAM = 1 };
	__u64 value = 0, fd = 0, kind[2] = {};
	__s64 number = 0;

	if (bpf_probe_read_user(&value, sizeof(value), (const void *)(ctx + 8)) ||
	    bpf_probe_read_user(&fd, sizeof(fd), (const void *)value) ||
	    bpf_probe_read_user(kind, sizeof(kind), (const void *)(fd + FAMILY)) ||
	    bpf_probe_read_user(&number, sizeof(number), (const void *)(fd + SYSFD)))
		return -2;
	if ((kind[0] != INET && kind[0] != INET6) || kind[1] != STREAM)
		return -2;
	return number >= 0 && number < 1 << 30 ? number : -2;
}
