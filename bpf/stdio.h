/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and socket pairs between a process and its child's standard input and output. Both ends of
 * a pipe are one object in the kernel; of a pair each has the other as its peer. The connection is
 * named by the object of the input, whichever of the two moves bytes; only the parent's calls
 * count, each in its direction.
 */
#pragma once

#include "bpf/plain.h"

enum { S_IFMT = 0170000, S_IFIFO = 0010000, AF_UNIX = 1 };

static __always_inline struct sock *unix_peer(struct sock *sk)
{
	struct unix_sock *u = (struct unix_sock *)sk;

	if (!bpf_core_field_exists(u->peer)) /* a module, not loaded */
		return 0;
	return BPF_CORE_READ(u, peer);
}

static __always_inline struct sock *unix_sock_of(struct file *file)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk;

	if (!socket || BPF_CORE_READ(socket, file) != file)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	return sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX ? sk : 0;
}

static __always_inline bool is_pipe(struct file *file)
{
	return (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFIFO;
}

/* What the one who speaks to the current process through its descriptor has in hands, 0: nobody. */
static __always_inline __u64 other_end_of_fd(__u32 fd)
{
	struct file *file = file_of_fd(fd);
	struct sock *sk;

	if (!file)
		return 0;
	if (is_pipe(file))
		return (__u64)BPF_CORE_READ(file, private_data);
	sk = unix_sock_of(file);
	return sk ? (__u64)unix_peer(sk) : 0;
}

static __always_inline void stdio_begins(struct stdio_end *end, __u64 input, __u64 output)
{
	struct stdio_end *old = bpf_map_lookup_elem(&stdio_ends, &input);
	struct conn_key key = {.ctx = input, .tgid = end->tgid};

	/* The same child may run one program after the other: what it was asked meanwhile stands.
	 */
	if (old && old->child != end->child)
		conn_ends_of(&key);
	end->ctx = input;
	end->dir = LT_DIR_WRITE;
	if (bpf_map_update_elem(&stdio_ends, &input, end, BPF_ANY))
		count(LT_KC_CALLS_LOST, 1);
	end->dir = LT_DIR_READ;
	if (bpf_map_update_elem(&stdio_ends, &output, end, BPF_ANY))
		count(LT_KC_CALLS_LOST, 1);
}

/* The child's output ended: nothing more will be answered. */
static __always_inline void stdio_ended(__u64 object, const struct stdio_end *end)
{
	struct conn_key key = {.ctx = end->ctx, .tgid = end->tgid};

	conn_ends_of(&key);
	bpf_map_delete_elem(&stdio_ends, &object);
}

/* @len bytes went through the descriptor, 0: its end was read. False: it leads to no child. */
static __always_inline bool stdio_moved(const struct syscall *s, __u64 len, const bool has_loop)
{
	struct file *file = file_of_fd(s->fd);
	struct stdio_end *end;
	__u64 object;

	if (!file)
		return false;
	object = is_pipe(file) ? (__u64)BPF_CORE_READ(file, private_data)
			       : (__u64)unix_sock_of(file);
	end = object ? bpf_map_lookup_elem(&stdio_ends, &object) : 0;
	if (!end || end->tgid != bpf_get_current_pid_tgid() >> 32 || end->dir != s->dir)
		return false;
	if (len > 0)
		take(0, end, s, s->dir, len, has_loop);
	else if (s->dir == LT_DIR_READ)
		stdio_ended(object, end);
	return true;
}
