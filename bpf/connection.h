/* SPDX-License-Identifier: Apache-2.0 */
/* A connection from its first sight to its end, whichever TLS stack it belongs to. */
#pragma once

#include "bpf/emit.h"
#include "bpf/process.h"

static __always_inline void new_conn(const struct conn_key *key, struct task_struct *leader)
{
	struct conn conn = {
		.generation = bpf_ktime_get_boot_ns(),
		.process_start_ns = BPF_CORE_READ(leader, start_boottime),
		.exec_id = BPF_CORE_READ(leader, self_exec_id),
		.slot = __sync_fetch_and_add(&lt_next_slot, 1) & (LT_VERDICT_SLOTS - 1),
		.fd = -1,
		.last_dir = 0xff,
	};

	if (bpf_map_update_elem(&conns, key, &conn, BPF_ANY))
		count(LT_KC_CALLS_LOST, 1);
}

/* The connection of (this process, @ctx); made when it is new, or when the process is not the one
 * that made it. */
static __always_inline struct conn *get_conn(const struct conn_key *key)
{
	struct task_struct *leader = current_leader();
	struct conn *conn = bpf_map_lookup_elem(&conns, key);

	if (conn && conn->process_start_ns == BPF_CORE_READ(leader, start_boottime) &&
	    conn->exec_id == BPF_CORE_READ(leader, self_exec_id))
		return conn;
	new_conn(key, leader);
	return bpf_map_lookup_elem(&conns, key);
}

/*
 * The process's environment, once for a connection: read here, where the process surely lives (a
 * short one is gone before userspace could look). Userspace keeps the variables that the config
 * names and wipes the rest.
 */
static __always_inline void emit_environ(struct facts *f)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, mm, env_start);
	__u64 len = BPF_CORE_READ(task, mm, env_end) - start;
	struct lt_event_environ *e;

	f->conn->environ_sent = 1;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	if (len > LT_ENVIRON_MAX)
		len = LT_ENVIRON_MAX;
	fill_conn(&e->conn, LT_EVENT_ENVIRON, f);
	e->len = len;
	if (bpf_probe_read_user(e->text, len, (const void *)start)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return;
	}
	bpf_ringbuf_submit(e, wakeup_flags());
}

static __always_inline bool get_facts(__u64 ctx, struct facts *f)
{
	f->key.ctx = ctx;
	f->key.tgid = bpf_get_current_pid_tgid() >> 32;
	f->key.pad = 0;
	f->conn = get_conn(&f->key);
	if (!f->conn)
		return false;
	f->ts_ns = bpf_ktime_get_boot_ns();
	f->cgroup_id = bpf_get_current_cgroup_id();
	f->uid = (__u32)bpf_get_current_uid_gid();
	if (lt_wants_environ && !f->conn->environ_sent)
		emit_environ(f);
	return true;
}

/* The current task's open file of that number, 0: none. */
static __always_inline struct file *file_of_fd(__u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files;
	struct file *file;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	return bpf_probe_read_kernel(&file, sizeof(file), files + fd) ? 0 : file;
}

/* fd -> struct sock through the task's own files: no socket probe is needed for it. 0: no socket.
 */
static __always_inline struct sock *sock_of_fd(__u32 fd)
{
	struct file *file = file_of_fd(fd);
	struct socket *socket = file ? BPF_CORE_READ(file, private_data) : 0;

	/* A file that is no socket has something else there: a socket points back at its file. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return 0;
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void emit_peer_of(struct facts *f, struct sock *sk, __u64 flags)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	struct lt_event_peer *e;

	if ((family != 2 && family != 10) || BPF_CORE_READ(sk, __sk_common.skc_dport) == 0)
		return; /* not connected yet: the first data asks again */
	f->conn->peer_sent = 1;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	fill_conn(&e->conn, LT_EVENT_PEER, f);
	e->family = family;
	e->port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e->socket_cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (family == 2)
		BPF_CORE_READ_INTO(&e->address, sk, __sk_common.skc_daddr);
	else
		BPF_CORE_READ_INTO(&e->address, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	bpf_ringbuf_submit(e, flags);
}

static __always_inline void emit_peer(struct facts *f, __u64 flags)
{
	struct sock *sk = sock_of_fd(f->conn->fd);

	if (sk)
		emit_peer_of(f, sk, flags);
}

static __always_inline void conn_ends_of(const struct conn_key *key)
{
	struct conn *conn = bpf_map_lookup_elem(&conns, key);
	struct lt_event_close *e;
	struct facts f = {.key = *key, .conn = conn};

	if (!conn)
		return;
	if (conn->synced || conn->verdict == LT_VERDICT_FULL || conn->verdict == LT_VERDICT_HEAD) {
		f.ts_ns = bpf_ktime_get_boot_ns();
		f.cgroup_id = bpf_get_current_cgroup_id();
		f.uid = (__u32)bpf_get_current_uid_gid();
		e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
		if (e) {
			fill_conn(&e->conn, LT_EVENT_CLOSE, &f);
			e->position[0] = conn->position[0];
			e->position[1] = conn->position[1];
			bpf_ringbuf_submit(e, wakeup_flags());
		}
	}
	bpf_map_delete_elem(&conns, key);
}

static __always_inline void conn_ends(__u64 ctx)
{
	struct conn_key key = {.ctx = ctx, .tgid = bpf_get_current_pid_tgid() >> 32};

	conn_ends_of(&key);
}

/*
 * The object is made ready for another connection. OpenSSL's SSL_clear is also called when a
 * handshake begins: then nothing has been sent, and the descriptor and the server name that were
 * set before stay right.
 */
static __always_inline void conn_clears(__u64 ctx)
{
	struct conn_key key = {.ctx = ctx, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct conn *conn = bpf_map_lookup_elem(&conns, &key);

	if (conn && (conn->position[0] > 0 || conn->position[1] > 0))
		conn_ends(ctx);
}
