/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's crypto/tls and what has methods of the same shape: Read and Write of a connection, taken at
 * return like everybody else's. What is different is all of Go's runtime:
 *
 * - a goroutine moves between threads, so calls in progress are found by the goroutine;
 * - its stack moves when it grows, so a frame is known by its distance from the top of the stack,
 *   which stays, and a buffer that is on the stack has moved with it;
 * - the kernel's return probes change the return address, which Go's runtime does not bear when it
 *   walks or copies a stack. So every RET of the method has a probe of its own.
 *
 * A call that began before the probes came (a connection that was idle waits in Read for its next
 * answer) is not lost: the method keeps its arguments in its frame. They are believed when they
 * name a connection that is known.
 *
 * Part of ssl.bpf.c and no object of its own: the bpftool of Debian 12 cannot link two objects that
 * call the same function of the kernel (the preemption guard).
 */
#pragma once

#include "bpf/connection.h"
#include "bpf/entry.h"
#include "bpf/go_frame.h"
#include "bpf/hooks.h"
#include "bpf/verdict.h"

static __always_inline void go_get_args(const struct pt_regs *ctx, const struct go_frame *frame,
					const bool on_stack, struct go_args *ret)
{
	if (!on_stack)
		go_registers(ctx, ret);
	else if (!go_slots(frame, ret))
		ret->ctx = 0;
}

/* Whether the frame at @depth belongs to a call that @outer made: TLS inside of TLS, where the
 * inner bytes are what is wanted. */
static __always_inline bool go_is_inside(const struct go_call *outer, __u64 depth)
{
	return depth > outer->depth && depth - outer->depth < NESTED_STACK_MAX &&
	       outer->process == process_mark();
}

/* Runs twice for one call whose stack has to grow first: the method starts again after that. */
static __always_inline void go_enter_data(const struct pt_regs *ctx, const struct go_frame *frame,
					  const struct go_args *args, __u32 dir)
{
	struct go_call_key key = {
		.goroutine = frame->goroutine,
		.tgid = bpf_get_current_pid_tgid() >> 32,
		.dir = dir,
	};
	struct go_call call = {
		.ctx = args->ctx,
		.buf = args->buf,
		.len = args->len,
		.depth = frame->hi - frame->sp,
		.stack_lo = frame->lo,
		.stack_hi = frame->hi,
		/* What was asked first has to look so, whoever runs first when the write is done.
		 */
		.ts_ns = dir == LT_DIR_WRITE ? bpf_ktime_get_boot_ns() : 0,
		.process = process_mark(),
	};
	struct go_call *outer = bpf_map_lookup_elem(&go_calls, &key);

	if (outer && go_is_inside(outer, call.depth))
		return;
	if (bpf_map_update_elem(&go_calls, &key, &call, BPF_ANY))
		count(LT_KC_CALLS_LOST, 1);
}

/* The arguments of a call that was not seen to begin, as the frame has them. */
static __always_inline bool go_recover(const struct go_frame *frame, __u64 len, struct call *ret)
{
	struct conn_key key = {.tgid = bpf_get_current_pid_tgid() >> 32};
	struct go_args args = {};

	if (!go_slots(frame, &args) || args.len < len)
		return false;
	key.ctx = args.ctx;
	if (!bpf_map_lookup_elem(&conns, &key))
		return false;
	ret->ctx = args.ctx;
	ret->buf = args.buf;
	return true;
}

/* The call that returns here with @len bytes; false: it is not an outermost one, or not known. */
static __always_inline bool go_take_call(const struct go_frame *frame, __s64 len, struct call *ret)
{
	struct go_call_key key = {
		.goroutine = frame->goroutine,
		.tgid = bpf_get_current_pid_tgid() >> 32,
		.dir = ret->dir,
	};
	struct go_call *call = bpf_map_lookup_elem(&go_calls, &key);
	__u64 depth = frame->hi - frame->sp, limit;

	if (call && go_is_inside(call, depth))
		return false;
	if (!call || call->depth != depth || call->process != process_mark())
		return len > 0 && go_recover(frame, len, ret);
	ret->ctx = call->ctx;
	ret->buf = call->buf;
	ret->ts_ns = call->ts_ns;
	if (call->buf >= call->stack_lo && call->buf < call->stack_hi)
		ret->buf += frame->hi - call->stack_hi;
	limit = call->len;
	bpf_map_delete_elem(&go_calls, &key);
	return len > 0 && (__u64)len <= limit;
}

static __always_inline void go_leave_data(const struct go_frame *frame, __s64 len, __u32 dir,
					  const bool has_loop)
{
	struct call call = {.dir = dir, .library = LT_LIBRARY_GO_TLS};
	struct facts f = {};
	__u64 position, wanted;

	/* Bytes count also where an error comes with them: the end of a stream does. */
	if (!go_take_call(frame, len, &call) || !get_facts(call.ctx, &f))
		return;
	if (call.ts_ns)
		f.ts_ns = call.ts_ns;
	position = __sync_fetch_and_add(&f.conn->position[dir & 1], len);
	wanted = wanted_bytes(f.conn, &call, position, len);
	if (wanted == 0)
		return;
	if (f.conn->fd == -1)
		f.conn->fd = go_socket(call.ctx);
	if (!f.conn->peer_sent && f.conn->fd >= 0)
		emit_peer(&f, wakeup_flags());
	emit_data(&f, &call, position, wanted, has_loop);
}

/*
 * The handshake of a client: the memory is a new connection's, whatever became of the last one in
 * it. Unless it is being read or written: a first use begins with the handshake, and TLS 1.2 may
 * repeat it in between.
 */
static __always_inline void go_begins(const struct go_frame *frame, __u64 ctx)
{
	struct go_call_key key = {
		.goroutine = frame->goroutine,
		.tgid = bpf_get_current_pid_tgid() >> 32,
		.dir = LT_DIR_WRITE,
	};
	struct go_call *call = bpf_map_lookup_elem(&go_calls, &key);

	if (call && call->ctx == ctx)
		return;
	key.dir = LT_DIR_READ;
	call = bpf_map_lookup_elem(&go_calls, &key);
	if (!call || call->ctx != ctx)
		conn_clears(ctx);
}

static __always_inline void go_enter_hook(struct pt_regs *ctx, __u32 hook, const bool on_stack)
{
	struct go_frame frame;
	struct go_args args = {};

	if (bpf_get_current_pid_tgid() >> 32 == lt_own_tgid || !go_get_frame(ctx, on_stack, &frame))
		return;
	go_get_args(ctx, &frame, on_stack, &args);
	if (!args.ctx)
		return;
	if (hook == LT_HOOK_GO_CLOSE)
		conn_ends(args.ctx);
	else if (hook == LT_HOOK_GO_HANDSHAKE)
		go_begins(&frame, args.ctx);
	else
		go_enter_data(ctx, &frame, &args,
			      hook == LT_HOOK_GO_WRITE ? LT_DIR_WRITE : LT_DIR_READ);
}

static __always_inline void go_leave_hook(struct pt_regs *ctx, __u32 hook, const bool on_stack,
					  const bool has_loop)
{
	struct go_frame frame;

	if (bpf_get_current_pid_tgid() >> 32 == lt_own_tgid || !go_get_frame(ctx, on_stack, &frame))
		return;
	go_leave_data(&frame, go_result(ctx, &frame, on_stack),
		      hook == LT_HOOK_GO_WRITE_RET ? LT_DIR_WRITE : LT_DIR_READ, has_loop);
}

/* Hook -> the same hook of the register form. */
#define GO_IN_REGISTERS(hook) ((hook)-LT_HOOK_GO_STACK_READ + LT_HOOK_GO_READ)

static __always_inline int go_enter(struct pt_regs *ctx, __u32 hook)
{
	guard_enter();
	if (hook >= LT_HOOK_GO_STACK_READ)
		go_enter_hook(ctx, GO_IN_REGISTERS(hook), true);
	else
		go_enter_hook(ctx, hook, false);
	guard_leave();
	return 0;
}

SEC("uprobe")
int lt_go_enter(struct pt_regs *ctx)
{
	return go_enter(ctx, LT_COOKIE_HOOK(bpf_get_attach_cookie(ctx)));
}

static __always_inline int go_leave(struct pt_regs *ctx, __u32 hook, const bool has_loop)
{
	const bool on_stack = hook >= LT_HOOK_GO_STACK_READ;

	guard_enter();
	go_leave_hook(ctx, on_stack ? GO_IN_REGISTERS(hook) : hook, on_stack, has_loop);
	guard_leave();
	return 0;
}

SEC("uprobe")
int lt_go_leave(struct pt_regs *ctx)
{
	return go_leave(ctx, LT_COOKIE_HOOK(bpf_get_attach_cookie(ctx)), true);
}

/* For kernels without bpf_loop (before 5.17). */
SEC("uprobe")
int lt_go_leave_old(struct pt_regs *ctx)
{
	return go_leave(ctx, LT_COOKIE_HOOK(bpf_get_attach_cookie(ctx)), false);
}

/* Before 5.15 there is no cookie: one program for each hook. */
#define GO_PLAIN(name, what)                                                                       \
	SEC("uprobe")                                                                              \
	int lt_go_plain_##name(struct pt_regs *ctx)                                                \
	{                                                                                          \
		return what;                                                                       \
	}

GO_PLAIN(read, go_enter(ctx, LT_HOOK_GO_READ))
GO_PLAIN(write, go_enter(ctx, LT_HOOK_GO_WRITE))
GO_PLAIN(read_ret, go_leave(ctx, LT_HOOK_GO_READ_RET, false))
GO_PLAIN(write_ret, go_leave(ctx, LT_HOOK_GO_WRITE_RET, false))
GO_PLAIN(close, go_enter(ctx, LT_HOOK_GO_CLOSE))
GO_PLAIN(handshake, go_enter(ctx, LT_HOOK_GO_HANDSHAKE))
GO_PLAIN(stack_read, go_enter(ctx, LT_HOOK_GO_STACK_READ))
GO_PLAIN(stack_write, go_enter(ctx, LT_HOOK_GO_STACK_WRITE))
GO_PLAIN(stack_read_ret, go_leave(ctx, LT_HOOK_GO_STACK_READ_RET, false))
GO_PLAIN(stack_write_ret, go_leave(ctx, LT_HOOK_GO_STACK_WRITE_RET, false))
GO_PLAIN(stack_close, go_enter(ctx, LT_HOOK_GO_STACK_CLOSE))
GO_PLAIN(stack_handshake, go_enter(ctx, LT_HOOK_GO_STACK_HANDSHAKE))
