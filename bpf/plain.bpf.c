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
	if (own_tgid() == lt_own_tgid)
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	if (syscall_read(regs, syscall_number(regs), &s) && s.dir == dir)
		take(sk, &s, dir, len, true);
	else
		take(sk, 0, dir, len, true);
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

static __always_inline void follow(__u32 tgid)
{
	struct lt_event_exit *e;
	__u8 yes = 1;

	if (bpf_map_update_elem(&plain_tasks, &tgid, &yes, BPF_ANY)) {
		count(LT_KC_CALLS_LOST, 1);
		return;
	}
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

static __always_inline void syscall_ends(struct bpf_raw_tracepoint_args *ctx, const bool has_loop)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	__u32 tgid = own_tgid();
	__s64 result = ctx->args[1];
	struct syscall s;
	struct sock *sk;
	long number;

	if (result <= 0 || !bpf_map_lookup_elem(&plain_tasks, &tgid))
		return;
	number = syscall_number(regs);
	if (!syscall_read(regs, number, &s) || syscall_only_looks(regs, number))
		return;
	sk = sock_of_fd(s.fd);
	if (!sk || !is_wanted_sock(sk))
		return;
	lt_plain_heard_ns = bpf_ktime_get_boot_ns();
	take(sk, &s, s.dir, result, has_loop);
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
