// SPDX-License-Identifier: Apache-2.0
/*
 * TLS libraries in C: their reads and writes in all forms, and what tells one use of a TLS object
 * from the next (OpenSSL's SSL, GnuTLS's session, the PRFileDesc of NSS).
 *
 * One entry and one return program; the attach cookie says which function was hit. Kernels without
 * cookies (before 5.15) get one small entry program for each function instead.
 *
 * Data is taken at return: only then it is known how much was accepted (partial writes, WANT_WRITE
 * retries) or filled, and its pages are resident. A call that failed emits nothing: its buffer
 * holds old bytes.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/emit.h"
#include "bpf/entry.h"
#include "bpf/hooks.h"
#include "bpf/nspr.h"
#include "bpf/process.h"
#include "bpf/verdict.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name), openssl/tls1.h. */
enum { SSL_CTRL_SET_TLSEXT_HOSTNAME = 55, TLSEXT_NAMETYPE_HOST_NAME = 0 };

/* gnutls_server_name_set(session, GNUTLS_NAME_DNS, ...), and what a write returns that has to be
 * repeated, gnutls/gnutls.h. */
enum { GNUTLS_NAME_DNS = 1, GNUTLS_E_AGAIN = -28, GNUTLS_E_INTERRUPTED = -52 };

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

/* fd -> struct sock through the task's own files: no socket probe is needed for the address. */
static __always_inline void emit_peer(struct facts *f, __u64 flags)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	__u32 fd = f->conn->fd;
	struct lt_event_peer *e;
	struct file **files;
	struct file *file;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return;
	files = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return;
	socket = BPF_CORE_READ(file, private_data);
	/* A file that is no socket has something else there: a socket points back at its file. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return;
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
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

static __always_inline void conn_ends(__u64 ssl)
{
	struct conn_key key = {.ctx = ssl, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct conn *conn = bpf_map_lookup_elem(&conns, &key);
	struct lt_event_close *e;
	struct facts f = {.key = key, .conn = conn};

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
	bpf_map_delete_elem(&conns, &key);
}

/*
 * GnuTLS keeps what a write that has to be repeated was given. The call that repeats it may name
 * the same buffer or none; what is accepted then are bytes of the first one.
 */
static __always_inline void put_off(const struct call *call)
{
	struct facts f = {};

	if (call->buf && get_facts(call->ctx, &f))
		f.conn->put_off = call->buf;
}

static __always_inline void take_up(struct conn *conn, struct call *call)
{
	if (!call->buf)
		call->buf = conn->put_off;
	conn->put_off = 0;
}

/* What GnuTLS's functions return is wider than an int, whose upper half says nothing. */
static __always_inline __s64 gnutls_result(struct pt_regs *ctx, const struct call *call)
{
	__s64 result = PT_REGS_RC(ctx);

	if (call->dir == LT_DIR_WRITE && call->ctx &&
	    (result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED))
		put_off(call);
	return result;
}

static __always_inline void leave(struct pt_regs *ctx, const bool has_loop)
{
	struct facts f = {};
	__u64 position, len, wanted;
	struct call call;
	__s64 result = (__s32)PT_REGS_RC(ctx);

	if (!call_leave(PT_REGS_SP(ctx), &call))
		return;
	if (call.library == LT_LIBRARY_GNUTLS)
		result = gnutls_result(ctx, &call);
	if (result <= 0 || !call.ctx)
		return;
	len = result;
	if (call.done) {
		/* The _ex forms return 1 for success; anything else there is no count. */
		if (result != 1 || bpf_probe_read_user(&len, sizeof(len), (const void *)call.done))
			return;
	}
	if (len == 0 || !get_facts(call.ctx, &f))
		return;
	if (f.conn->shut && call.dir == LT_DIR_WRITE) {
		conn_ends(call.ctx);
		if (!get_facts(call.ctx, &f))
			return;
	}
	if (call.ts_ns)
		f.ts_ns = call.ts_ns;
	if (call.library == LT_LIBRARY_GNUTLS && call.dir == LT_DIR_WRITE)
		take_up(f.conn, &call);
	position = __sync_fetch_and_add(&f.conn->position[call.dir & 1], len);
	wanted = wanted_bytes(f.conn, &call, position, len);
	if (wanted == 0)
		return;
	if (!f.conn->peer_sent && f.conn->fd >= 0)
		emit_peer(&f, wakeup_flags());
	emit_data(&f, &call, position, wanted, has_loop);
}

SEC("uprobe")
int lt_ssl_leave(struct pt_regs *ctx)
{
	guard_enter();
	leave(ctx, true);
	guard_leave();
	return 0;
}

/* For kernels without bpf_loop (before 5.17). */
SEC("uprobe")
int lt_ssl_leave_old(struct pt_regs *ctx)
{
	guard_enter();
	leave(ctx, false);
	guard_leave();
	return 0;
}

/*
 * SSL_clear makes the object ready for another connection. OpenSSL also calls it itself when a
 * handshake begins: then nothing has been sent, and the descriptor and the server name that were
 * set before stay right.
 */
static __always_inline void conn_clears(__u64 ssl)
{
	struct conn_key key = {.ctx = ssl, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct conn *conn = bpf_map_lookup_elem(&conns, &key);

	if (conn && (conn->position[0] > 0 || conn->position[1] > 0))
		conn_ends(ssl);
}

static __always_inline void conn_shuts(__u64 ssl)
{
	struct conn_key key = {.ctx = ssl, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct conn *conn = bpf_map_lookup_elem(&conns, &key);

	if (conn)
		conn->shut = 1;
}

/* @len: 0 when a NUL ends the name. */
static __always_inline void server_name(__u64 ssl, __u64 name, __u64 len)
{
	const void *address = (const void *)untag(name);
	struct facts f = {};
	struct lt_event_name *e;
	long r;

	if (!get_facts(ssl, &f))
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	fill_conn(&e->conn, LT_EVENT_NAME, &f);
	if (len > 0) {
		if (len > sizeof(e->name) - 1)
			len = sizeof(e->name) - 1;
		r = bpf_probe_read_user(e->name, len, address) ? -1 : 1;
		e->name[len] = 0;
	} else {
		r = bpf_probe_read_user_str(e->name, sizeof(e->name), address);
	}
	if (r <= 0) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return;
	}
	/* Once for a connection, before its handshake: time to read what only the living process
	 * tells. */
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void set_fd(__u64 ssl, __s32 fd)
{
	struct facts f = {};

	if (fd < 0 || !get_facts(ssl, &f))
		return;
	f.conn->fd = fd;
	f.conn->peer_sent = 0;
	emit_peer(&f, BPF_RB_FORCE_WAKEUP);
}

/*
 * The socket BIO's descriptor: struct bio_st {libctx (3.x), method, ...; num at 0x38 (3.x) or 0x30
 * (1.1.1)}. The method's type says whether it is a socket BIO at all (5 | BIO_TYPE_SOURCE_SINK |
 * BIO_TYPE_DESCRIPTOR, openssl/bio.h).
 */
static __always_inline __s32 bio_fd(__u64 bio)
{
	enum { BIO_TYPE_SOCKET = 0x0505 };
	__u64 method = 0;
	__s32 type = 0, fd = -1;

	if (bpf_probe_read_user(&method, sizeof(method), (const void *)(bio + 8)) == 0 &&
	    bpf_probe_read_user(&type, sizeof(type), (const void *)method) == 0 &&
	    type == BIO_TYPE_SOCKET) {
		if (bpf_probe_read_user(&fd, sizeof(fd), (const void *)(bio + 0x38)))
			return -1;
		return fd;
	}
	if (bpf_probe_read_user(&method, sizeof(method), (const void *)bio) == 0 &&
	    bpf_probe_read_user(&type, sizeof(type), (const void *)method) == 0 &&
	    type == BIO_TYPE_SOCKET) {
		if (bpf_probe_read_user(&fd, sizeof(fd), (const void *)(bio + 0x30)))
			return -1;
	}
	return fd;
}

static __always_inline void enter_data(struct pt_regs *ctx, __u32 hook, __u32 library)
{
	__u64 ssl = untag(PT_REGS_PARM1(ctx));
	__u64 buf = untag(PT_REGS_PARM2(ctx));
	__u64 fourth = PT_REGS_PARM4(ctx), fifth = PT_REGS_PARM5(ctx);
	__u64 done = 0;
	__u32 dir = LT_DIR_READ;

	/* Else the compiler merges the two loads into one with a computed offset, which the
	 * verifier refuses. */
	barrier_var(fourth);
	barrier_var(fifth);
	if (library == LT_LIBRARY_NSS && !nspr_takes_tls(ssl, hook, fourth))
		return;
	if (hook == LT_HOOK_COVER)
		ssl = 0;
	if (hook == LT_HOOK_COVER || hook == LT_HOOK_WRITE || hook == LT_HOOK_WRITE_EX ||
	    hook == LT_HOOK_WRITE_EX2)
		dir = LT_DIR_WRITE;
	if (hook == LT_HOOK_READ_EX || hook == LT_HOOK_WRITE_EX)
		done = untag(fourth);
	else if (hook == LT_HOOK_WRITE_EX2)
		done = untag(fifth);
	call_enter(PT_REGS_SP(ctx), ssl, buf, done, dir, library);
}

/* The arguments of a function, each loaded once: else the compiler merges loads into one with a
 * computed offset, which the verifier refuses. */
struct arguments {
	__u64 tls, second, third, fourth;
};

static __always_inline void load_arguments(struct pt_regs *ctx, struct arguments *a)
{
	a->tls = untag(PT_REGS_PARM1(ctx));
	a->second = PT_REGS_PARM2(ctx);
	a->third = PT_REGS_PARM3(ctx);
	a->fourth = PT_REGS_PARM4(ctx);
	barrier_var(a->second);
	barrier_var(a->third);
	barrier_var(a->fourth);
}

/* What the owner of a connection says of it. */
static __always_inline void enter_setter(const struct arguments *a, __u32 hook)
{
	if (hook == LT_HOOK_CTRL && (__s32)a->second == SSL_CTRL_SET_TLSEXT_HOSTNAME &&
	    a->third == TLSEXT_NAMETYPE_HOST_NAME)
		server_name(a->tls, a->fourth, 0);
	else if (hook == LT_HOOK_SET_NAME && (__u32)a->second == GNUTLS_NAME_DNS && a->fourth > 0)
		server_name(a->tls, a->third, a->fourth);
	else if (hook == LT_HOOK_SET_URL)
		server_name(a->tls, a->second, 0);

	if (hook == LT_HOOK_SET_FD || (hook == LT_HOOK_SET_PTR && a->second <= 0x7fffffff))
		set_fd(a->tls, a->second);
	else if (hook == LT_HOOK_SET_BIO || hook == LT_HOOK_SET_RBIO)
		set_fd(a->tls, bio_fd(untag(a->second)));
	else if (hook == LT_HOOK_SET_URL)
		set_fd(a->tls, nspr_fd(a->tls));
}

static __always_inline void enter_other(struct pt_regs *ctx, __u32 hook)
{
	struct arguments a;

	load_arguments(ctx, &a);
	if (bpf_get_current_pid_tgid() >> 32 == lt_own_tgid)
		return;
	if (hook == LT_HOOK_FREE)
		conn_ends(a.tls);
	else if (hook == LT_HOOK_CLEAR)
		conn_clears(a.tls);
	else if (hook == LT_HOOK_SHUTDOWN)
		conn_shuts(a.tls);
	else
		enter_setter(&a, hook);
}

static __always_inline int enter(struct pt_regs *ctx, __u64 cookie)
{
	__u32 hook = LT_COOKIE_HOOK(cookie);

	guard_enter();
	if (hook <= LT_HOOK_WRITE_EX2)
		enter_data(ctx, hook, LT_COOKIE_LIBRARY(cookie));
	else
		enter_other(ctx, hook);
	guard_leave();
	return 0;
}

SEC("uprobe")
int lt_ssl_enter(struct pt_regs *ctx)
{
	return enter(ctx, bpf_get_attach_cookie(ctx));
}

/* Before 5.15 there is no cookie: one program for each function, and where the data comes from for
 * each library. */
#define ENTER(name, library, hook)                                                                 \
	SEC("uprobe")                                                                              \
	int lt_ssl_enter_##name(struct pt_regs *ctx)                                               \
	{                                                                                          \
		return enter(ctx, LT_COOKIE(library, hook));                                       \
	}

ENTER(read, LT_LIBRARY_OPENSSL, LT_HOOK_READ)
ENTER(write, LT_LIBRARY_OPENSSL, LT_HOOK_WRITE)
ENTER(read_ex, LT_LIBRARY_OPENSSL, LT_HOOK_READ_EX)
ENTER(write_ex, LT_LIBRARY_OPENSSL, LT_HOOK_WRITE_EX)
ENTER(write_ex2, LT_LIBRARY_OPENSSL, LT_HOOK_WRITE_EX2)
ENTER(free, LT_LIBRARY_UNKNOWN, LT_HOOK_FREE)
ENTER(clear, LT_LIBRARY_UNKNOWN, LT_HOOK_CLEAR)
ENTER(shutdown, LT_LIBRARY_UNKNOWN, LT_HOOK_SHUTDOWN)
ENTER(ctrl, LT_LIBRARY_UNKNOWN, LT_HOOK_CTRL)
ENTER(set_fd, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_FD)
ENTER(set_bio, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_BIO)
ENTER(set_rbio, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_RBIO)
ENTER(set_ptr, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_PTR)
ENTER(set_name, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_NAME)
ENTER(set_url, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_URL)
ENTER(gnutls_read, LT_LIBRARY_GNUTLS, LT_HOOK_READ)
ENTER(gnutls_write, LT_LIBRARY_GNUTLS, LT_HOOK_WRITE)
ENTER(gnutls_cover, LT_LIBRARY_GNUTLS, LT_HOOK_COVER)
ENTER(nss_read, LT_LIBRARY_NSS, LT_HOOK_READ)
ENTER(nss_write, LT_LIBRARY_NSS, LT_HOOK_WRITE)
ENTER(nss_recv, LT_LIBRARY_NSS, LT_HOOK_RECV)

/* The empty pair that the benchmark measures as its floor. */
SEC("uprobe")
int lt_floor_enter(struct pt_regs *ctx)
{
	return 0;
}

SEC("uprobe")
int lt_floor_leave(struct pt_regs *ctx)
{
	return 0;
}
