// SPDX-License-Identifier: Apache-2.0
/*
 * Connections in the clear, to servers of the host or of the cluster.
 *
 * Since Linux 6.3 sockets have tracepoints of their own, hit when bytes have been sent or received,
 * inside of the system call: its registers say where the bytes are, and nothing but sockets pays
 * for the look. Before, the end of every system call is followed, but only while there is a process
 * that made such a connection: as long as anybody follows system calls, all of the host take the
 * kernel's slow way.
 *
 * Both come when the call has done its work, so that what counts is what was taken or filled, and
 * nothing is kept from its beginning.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/plain.h"
#include "bpf/stdio.h"

static __always_inline __u32 own_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void sock_moved(struct sock *sk, __u32 dir, int len)
{
	struct pt_regs *regs;
	struct syscall s;

	/* Plain loads: the verifier knows the type. Nobody else's sockets come further. */
	if (len <= 0 ||
	    !is_wanted(sk->__sk_common.skc_family, sk->sk_protocol, sk->__sk_common.skc_dport))
		return;
	/* The kernel's own sockets (a file system over the network) have no file; the registers are
	 * those of a call on something else then. */
	if (own_tgid() == lt_own_tgid || !BPF_CORE_READ(sk, sk_socket, file))
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	if (syscall_read(regs, syscall_number(regs), &s) && s.dir == dir)
		take(sk, 0, &s, dir, len, true);
	else
		take(sk, 0, 0, dir, len, true);
}

SEC("tp_btf/sock_send_length")
int lt_plain_sent(__u64 *ctx)
{
	sock_moved((struct sock *)ctx[0], LT_DIR_WRITE, (int)ctx[1]);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int lt_plain_received(__u64 *ctx)
{
	if (!(ctx[2] & (MSG_PEEK | MSG_ERRQUEUE)))
		sock_moved((struct sock *)ctx[0], LT_DIR_READ, (int)ctx[1]);
	return 0;
}

/* The socket is gone, whoever closed it and however: its address will be another's. */
SEC("raw_tp/tcp_destroy_sock")
int lt_plain_destroyed(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 sk = ctx->args[0];
	__u32 *tgid = bpf_map_lookup_elem(&plain_socks, &sk);
	struct conn_key key = {.ctx = sk};

	if (!tgid)
		return 0;
	key.tgid = *tgid;
	conn_ends_of(&key);
	bpf_map_delete_elem(&plain_socks, &sk);
	return 0;
}

/* ---- without the sockets' tracepoints ---- */

static __always_inline void follow_for(__u32 tgid, __u8 why)
{
	__u8 *old = bpf_map_lookup_elem(&plain_tasks, &tgid);

	if (old)
		why |= *old;
	if (bpf_map_update_elem(&plain_tasks, &tgid, &why, BPF_ANY))
		count(LT_KC_CALLS_LOST, 1);
}

static __always_inline void follow(__u32 tgid)
{
	struct lt_event_exit *e;

	follow_for(tgid, FOLLOW_TCP);
	lt_plain_heard_ns = bpf_ktime_get_boot_ns();
	if (lt_plain_follows)
		return;
	/* Nothing is told but that userspace shall look, and begin to follow. */
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (e)
		bpf_ringbuf_discard(e, BPF_RB_FORCE_WAKEUP);
}

/* Somebody connects: the current process is the one that asks for it. */
SEC("raw_tp/inet_sock_set_state")
int lt_plain_state(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tgid = own_tgid();

	if (ctx->args[2] == TCP_SYN_SENT && tgid != lt_own_tgid &&
	    is_wanted_sock((struct sock *)ctx->args[0]))
		follow(tgid);
	return 0;
}

/* Whether the call moved bytes of a connection that is wanted. */
static __always_inline void tcp_moved(const struct syscall *s, __u64 len, const bool has_loop)
{
	struct sock *sk = len > 0 ? sock_of_fd(s->fd) : 0;

	if (!sk || !is_wanted_sock(sk))
		return;
	lt_plain_heard_ns = bpf_ktime_get_boot_ns();
	take(sk, 0, s, s->dir, len, has_loop);
}

static __always_inline void syscall_ends(struct bpf_raw_tracepoint_args *ctx, const bool has_loop)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	__u32 tgid = own_tgid();
	__s64 result = ctx->args[1];
	struct syscall s;
	long number;
	__u8 *why;

	if (result < 0)
		return;
	why = bpf_map_lookup_elem(&plain_tasks, &tgid);
	if (!why)
		return;
	number = syscall_number(regs);
	if (!syscall_read(regs, number, &s) || syscall_only_looks(regs, number))
		return;
	if (!(*why & FOLLOW_STDIO) || !stdio_moved(&s, result, has_loop)) {
		if (*why & FOLLOW_TCP)
			tcp_moved(&s, result, has_loop);
	}
}

SEC("raw_tp/sys_exit")
int lt_plain_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	syscall_ends(ctx, true);
	return 0;
}

SEC("raw_tp/sys_exit")
int lt_plain_syscall_old(struct bpf_raw_tracepoint_args *ctx)
{
	syscall_ends(ctx, false);
	return 0;
}

/* ---- children that are spoken to ---- */

/*
 * A program begins. Where its standard input and output are pipes, or sockets of a pair, the parent
 * that made them may be the client of a server that it has just started.
 */
static __always_inline int stdio_exec(struct task_struct *task, struct linux_binprm *bprm)
{
	struct stdio_end end = {.tgid = BPF_CORE_READ(task, real_parent, tgid),
				.child = BPF_CORE_READ(task, tgid)};
	__u64 input = other_end_of_fd(0), output = other_end_of_fd(1);

	if (!input || !output || input == output || end.tgid == lt_own_tgid)
		return 0;
	bpf_probe_read_kernel_str(end.file, sizeof(end.file), BPF_CORE_READ(bprm, filename));
	stdio_begins(&end, input, output);
	follow_for(end.tgid, FOLLOW_STDIO);
	return 0;
}

/* Before the parent learns of it, and speaks (6.10). */
SEC("raw_tp/sched_prepare_exec")
int lt_stdio_prepare(struct bpf_raw_tracepoint_args *ctx)
{
	return stdio_exec((struct task_struct *)ctx->args[0], (struct linux_binprm *)ctx->args[1]);
}

SEC("raw_tp/sched_process_exec")
int lt_stdio_exec(struct bpf_raw_tracepoint_args *ctx)
{
	return stdio_exec((struct task_struct *)ctx->args[0], (struct linux_binprm *)ctx->args[2]);
}
