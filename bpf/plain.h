/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that a process moves through a descriptor in the clear: which connections are looked at,
 * and the way from a system call's buffers to events. After that all is as with TLS: position,
 * verdict, gaps. The address of the kernel's object (a socket) is the connection's ctx.
 */
#pragma once

#include "bpf/connection.h"
#include "bpf/syscall.h"
#include "bpf/verdict.h"

enum { AF_INET = 2, AF_INET6 = 10 };

/* Whether the current process is in one of the cgroups that the config names, or below one. */
static __always_inline bool is_in_wanted_cgroup(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct kernfs_node *kn = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	int i;

	for (i = 0; i < LT_CGROUP_LEVELS && kn; i++) {
		__u64 id = BPF_CORE_READ(kn, id);

		if (bpf_map_lookup_elem(&plain_cgroups, &id))
			return true;
		kn = kernfs_parent(kn);
	}
	return false;
}

/* @port: of the other end, as the kernel keeps it. A server's own connections have the clients'
 * ports there. */
static __always_inline bool is_wanted(__u16 family, __u16 protocol, __u16 port)
{
	port = __builtin_bswap16(port);
	if ((family != AF_INET && family != AF_INET6) || protocol != IPPROTO_TCP)
		return false;
	if (lt_plain_ports[(port / 64) & (LT_PORT_WORDS - 1)] >> (port % 64) & 1)
		return true;
	return lt_plain_has_cgroups && port > 0 && is_in_wanted_cgroup();
}

static __always_inline bool is_wanted_sock(struct sock *sk)
{
	return is_wanted(BPF_CORE_READ(sk, __sk_common.skc_family), BPF_CORE_READ(sk, sk_protocol),
			 BPF_CORE_READ(sk, __sk_common.skc_dport));
}

/* Where the copying of a call's bytes is. */
struct place {
	__u64 position;
	__u64 wanted;  /* bytes still to be copied */
	__u64 address; /* in the present buffer */
	__u64 left;    /* of it */
	__u64 iov;     /* where the next buffer is described, 0: there is none */
};

/* The bytes of a call being copied, buffer by buffer, chunk by chunk. */
struct pieces {
	const struct facts *facts;
	const struct call *call;
	struct place at;
};

static __always_inline bool next_piece(struct pieces *p)
{
	struct user_iovec iov = {};

	if (!p->at.iov || bpf_probe_read_user(&iov, sizeof(iov), (const void *)p->at.iov))
		return false;
	p->at.iov += sizeof(iov);
	p->at.address = untag(iov.base);
	p->at.left = iov.len;
	return true;
}

static long copy_piece(__u32 index, void *arg)
{
	struct pieces *p = arg;
	__u64 n;

	/* The verifier forgets what it knows of these numbers, which each round differs by the ways
	 * through the ones before; else it would follow every way through all rounds. */
	bpf_probe_read_kernel(&p->at, sizeof(p->at), &p->at);
	n = p->at.wanted;
	if (n == 0)
		return 1;
	if (p->at.left == 0)
		return next_piece(p) ? 0 : 1;
	if (n > p->at.left)
		n = p->at.left;
	if (n > LT_CHUNK_MAX)
		n = LT_CHUNK_MAX;
	emit_rest(p->facts, p->call, p->at.position, p->at.address, n);
	p->at.position += n;
	p->at.address += n;
	p->at.wanted -= n;
	p->at.left -= n;
	return 0;
}

static __always_inline void copy_pieces(struct pieces *p, const bool has_loop)
{
	if (has_loop) {
		bpf_loop(LT_CHUNKS_PER_CALL * 2, copy_piece, p, 0);
	} else {
		int i;

		for (i = 0; i < LT_CHUNKS_WITHOUT_LOOP; i++) {
			if (copy_piece(i, p))
				break;
		}
	}
	if (p->at.wanted > 0)
		count_lost(p->facts->conn, p->call->dir, p->at.wanted);
}

/* A call whose bytes cannot be found (io_uring, splice, sendfile): what counts there is a gap. */
static __always_inline void take_unseen(struct conn *conn, __u32 dir, __u64 len)
{
	if (conn->synced || conn->verdict == LT_VERDICT_FULL)
		count_lost(conn, dir, len);
	conn->last_dir = dir;
}

/*
 * When what was sent just now went out, or a moment later, but before anything came back for it:
 * another thread may have read the answer already, and what was asked first has to look so.
 */
static __always_inline __u64 sent_ns(struct sock *sk, __u64 now_ns)
{
	__u64 asleep_ns = now_ns - bpf_ktime_get_ns(); /* the boot clock counts that */
	__u64 sent = BPF_CORE_READ((struct tcp_sock *)sk, tcp_mstamp) * 1000 + asleep_ns;

	return sent < now_ns ? sent : now_ns;
}

/* The program at the other end is what there is of a server's name. */
static __always_inline void emit_stdio_name(struct facts *f, const struct stdio_end *end)
{
	struct lt_event_name *e;

	f->conn->peer_sent = 1;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	fill_conn(&e->conn, LT_EVENT_NAME, f);
	e->name[0] = 0;
	bpf_probe_read_kernel_str(e->name, sizeof(end->file), end->file);
	bpf_ringbuf_submit(e, wakeup_flags());
}

static __always_inline void emit_other_end(struct facts *f, struct sock *sk,
					   const struct stdio_end *end)
{
	if (end) {
		emit_stdio_name(f, end);
		return;
	}
	bpf_map_update_elem(&plain_socks, &f->key.ctx, &f->key.tgid, BPF_ANY);
	emit_peer_of(f, sk, wakeup_flags());
}

/*
 * @len bytes went through @sk, or to or from the child behind @end; @s says where they are, 0: that
 * is not known.
 */
static __always_inline void take(struct sock *sk, const struct stdio_end *end,
				 const struct syscall *s, __u32 dir, __u64 len, const bool has_loop)
{
	struct call call = {
		.ctx = end ? end->ctx : (__u64)sk, .dir = dir, .library = LT_LIBRARY_PLAINTEXT};
	struct pieces pieces = {.call = &call};
	struct facts f = {};

	if (!get_facts(call.ctx, &f))
		return;
	f.conn->lines = end != 0;
	if (sk && dir == LT_DIR_WRITE)
		f.ts_ns = sent_ns(sk, f.ts_ns);
	pieces.facts = &f;
	pieces.at.position = __sync_fetch_and_add(&f.conn->position[dir & 1], len);
	if (!s) {
		take_unseen(f.conn, dir, len);
		return;
	}
	pieces.at.address = untag(s->buf);
	pieces.at.left = s->buf ? len : 0;
	pieces.at.iov = untag(s->iov);
	if (!s->buf)
		next_piece(&pieces);
	call.buf = pieces.at.address;
	pieces.at.wanted = wanted_bytes(f.conn, &call, pieces.at.position, len);
	if (pieces.at.wanted == 0)
		return;
	if (!f.conn->peer_sent)
		emit_other_end(&f, sk, end);
	copy_pieces(&pieces, has_loop);
}
