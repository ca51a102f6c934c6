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

#include "bpf/connection.h"
#include "bpf/entry.h"
#include "bpf/hooks.h"
#include "bpf/nspr.h"
#include "bpf/vectors.h"
#include "bpf/verdict.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name), openssl/tls1.h. */
enum { SSL_CTRL_SET_TLSEXT_HOSTNAME = 55, TLSEXT_NAMETYPE_HOST_NAME = 0 };

/* gnutls_server_name_set(session, GNUTLS_NAME_DNS, ...), and what a write returns that has to be
 * repeated, gnutls/gnutls.h. */
enum { GNUTLS_NAME_DNS = 1, GNUTLS_E_AGAIN = -28, GNUTLS_E_INTERRUPTED = -52 };

/* wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, ...), wolfssl/ssl.h. */
enum { WOLFSSL_SNI_HOST_NAME = 0 };

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

/* False: what the call says cannot be. */
static __always_inline bool is_possible(const struct call *call, __u64 len)
{
	__u32 index = call->site;
	struct lt_site *site;

	if (!index || len <= call->asked)
		return true;
	site = bpf_map_lookup_elem(&sites, &index);
	if (site)
		__sync_fetch_and_add(&site->absurd, 1);
	return false;
}

/* What a connection has shown of the site that it was seen at. */
static __always_inline void note_site(__u32 index, struct conn *conn)
{
	struct lt_site *site;

	if (!index || !(site = bpf_map_lookup_elem(&sites, &index)))
		return;
	if (conn->synced || (conn->verdict == LT_VERDICT_IGNORE && conn->tries < CONN_TRIES)) {
		site->proven = 1;
	} else if (conn->tries == CONN_TRIES) {
		conn->tries++;
		__sync_fetch_and_add(&site->given_up, 1);
	}
}

/* Counts the call's @len bytes, and copies what is wanted of them. */
static __always_inline void take(struct facts *f, struct call *call, __u64 len, const bool has_loop)
{
	__u64 position, wanted;

	if (call->ts_ns)
		f->ts_ns = call->ts_ns;
	if (call->library == LT_LIBRARY_GNUTLS && call->dir == LT_DIR_WRITE)
		take_up(f->conn, call);
	position = __sync_fetch_and_add(&f->conn->position[call->dir & 1], len);
	wanted = wanted_bytes(f->conn, call, position, len);
	note_site(call->site, f->conn);
	if (wanted == 0)
		return;
	if (!f->conn->peer_sent && f->conn->fd >= 0)
		emit_peer(f, wakeup_flags());
	if (call->vectors)
		emit_vectors(f, call, position, wanted, has_loop);
	else
		emit_data(f, call, position, wanted, has_loop);
}

static __always_inline void leave(struct pt_regs *ctx, const bool has_loop)
{
	struct facts f = {};
	struct call call;
	__u64 len;
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
	if (len == 0 || !is_possible(&call, len) || !get_facts(call.ctx, &f))
		return;
	if (f.conn->shut && call.dir == LT_DIR_WRITE) {
		conn_ends(call.ctx);
		if (!get_facts(call.ctx, &f))
			return;
	}
	take(&f, &call, len, has_loop);
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

static __always_inline void conn_shuts(__u64 ssl)
{
	struct conn_key key = {.ctx = ssl, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct conn *conn = bpf_map_lookup_elem(&conns, &key);

	if (conn)
		conn->shut = 1;
}

/* @len: 0 when a NUL ends the name. */
static __noinline void server_name(__u64 ssl, __u64 name, __u64 len)
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

static __noinline void set_fd(__u64 ssl, __s32 fd)
{
	struct facts f = {};

	if (fd < 0 || !get_facts(ssl, &f))
		return;
	f.conn->fd = fd;
	f.conn->peer_sent = 0;
	emit_peer(&f, BPF_RB_FORCE_WAKEUP);
}

/*
 * The socket BIO's descriptor. struct bio_st is another in every library: the method comes first,
 * or after one pointer (OpenSSL 3.x); then up to four pointers (callbacks, their argument; one in
 * BoringSSL, none in its older versions); then int init, shutdown, flags, retry_reason, num. The
 * method's type says whether it is a socket BIO at all (5 | BIO_TYPE_SOURCE_SINK |
 * BIO_TYPE_DESCRIPTOR, openssl/bio.h). The pair {init: 1, shutdown: 0 or 1} is no pointer, and
 * shows where the descriptor is.
 */
static __always_inline bool is_socket_bio(__u64 bio)
{
	enum { BIO_TYPE_SOCKET = 0x0505 };
	__u64 method = 0;
	__s32 type = 0;

	return bpf_probe_read_user(&method, sizeof(method), (const void *)bio) == 0 &&
	       bpf_probe_read_user(&type, sizeof(type), (const void *)untag(method)) == 0 &&
	       type == BIO_TYPE_SOCKET;
}

static __always_inline __s32 bio_fd(__u64 bio)
{
	enum { FIRST = 8, LAST = 0x28, FROM_INIT = 0x10 };
	__u64 pair;
	__s32 fd;
	int at;

	if (!is_socket_bio(bio + 8) && !is_socket_bio(bio))
		return -1;
	for (at = FIRST; at <= LAST; at += 8) {
		if (bpf_probe_read_user(&pair, sizeof(pair), (const void *)(bio + at)))
			return -1;
		if ((__u32)pair != 1 || pair >> 32 > 1)
			continue;
		if (bpf_probe_read_user(&fd, sizeof(fd), (const void *)(bio + at + FROM_INIT)))
			return -1;
		return fd;
	}
	return -1;
}

/*
 * mbedtls_net_context is its descriptor and nothing else (mbedtls/net_sockets.h). What a program
 * that has functions of its own hands over instead is told by emit_peer(): most often no connected
 * socket has the number that stands there.
 */
static __always_inline __s32 net_fd(__u64 context)
{
	__s32 fd = -1;

	if (bpf_probe_read_user(&fd, sizeof(fd), (const void *)context))
		return -1;
	return fd;
}

/* The arguments of a function, each loaded once: else the compiler merges loads into one with a
 * computed offset, which the verifier refuses. */
struct arguments {
	__u64 tls, second, third, fourth, fifth;
};

static __always_inline void load_arguments(struct pt_regs *ctx, struct arguments *a)
{
	a->tls = untag(PT_REGS_PARM1(ctx));
	a->second = PT_REGS_PARM2(ctx);
	a->third = PT_REGS_PARM3(ctx);
	a->fourth = PT_REGS_PARM4(ctx);
	a->fifth = PT_REGS_PARM5(ctx);
	barrier_var(a->second);
	barrier_var(a->third);
	barrier_var(a->fourth);
	barrier_var(a->fifth);
}

static __always_inline bool is_read(__u32 hook)
{
	return hook == LT_HOOK_READ || hook == LT_HOOK_READ_EX || hook == LT_HOOK_RECV;
}

static __always_inline void enter_data(struct pt_regs *ctx, __u32 hook, __u64 cookie)
{
	struct call call = {
		.sp = PT_REGS_SP(ctx),
		.dir = is_read(hook) ? LT_DIR_READ : LT_DIR_WRITE,
		.library = LT_COOKIE_LIBRARY(cookie),
		.site = LT_COOKIE_SITE(cookie),
	};
	struct arguments a;

	load_arguments(ctx, &a);
	if (call.library == LT_LIBRARY_NSS && !nspr_takes_tls(a.tls, hook, a.fourth))
		return;
	call.ctx = hook == LT_HOOK_COVER ? 0 : a.tls;
	call.buf = untag(a.second);
	call.asked = a.third;
	if (hook == LT_HOOK_READ_EX || hook == LT_HOOK_WRITE_EX)
		call.done = untag(a.fourth);
	else if (hook == LT_HOOK_WRITE_EX2)
		call.done = untag(a.fifth);
	if (hook == LT_HOOK_WRITEV || hook == LT_HOOK_WRITEV_AT)
		set_vectors(&call, call.buf, a.third, hook == LT_HOOK_WRITEV_AT ? a.fourth : 0);
	call_enter(&call);
}

/* What the owner of a connection says of it. */
static __always_inline void enter_setter(const struct arguments *a, __u32 hook)
{
	if (hook == LT_HOOK_CTRL && (__s32)a->second == SSL_CTRL_SET_TLSEXT_HOSTNAME &&
	    a->third == TLSEXT_NAMETYPE_HOST_NAME)
		server_name(a->tls, a->fourth, 0);
	else if (hook == LT_HOOK_SET_NAME && (__u32)a->second == GNUTLS_NAME_DNS && a->fourth > 0)
		server_name(a->tls, a->third, a->fourth);
	else if (hook == LT_HOOK_SET_SNI && (__u8)a->second == WOLFSSL_SNI_HOST_NAME &&
		 (__u16)a->fourth > 0)
		server_name(a->tls, a->third, (__u16)a->fourth);
	else if (hook == LT_HOOK_SET_URL || hook == LT_HOOK_SET_HOST)
		server_name(a->tls, a->second, 0);

	if (hook == LT_HOOK_SET_FD || (hook == LT_HOOK_SET_PTR && a->second <= 0x7fffffff))
		set_fd(a->tls, a->second);
	else if (hook == LT_HOOK_SET_BIO || hook == LT_HOOK_SET_RBIO)
		set_fd(a->tls, bio_fd(untag(a->second)));
	else if (hook == LT_HOOK_SET_NET)
		set_fd(a->tls, net_fd(untag(a->second)));
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
		enter_data(ctx, hook, cookie);
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
		return enter(ctx, LT_COOKIE(0, library, hook));                                    \
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
ENTER(set_host, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_HOST)
ENTER(set_sni, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_SNI)
ENTER(set_net, LT_LIBRARY_UNKNOWN, LT_HOOK_SET_NET)
ENTER(boringssl_read, LT_LIBRARY_BORINGSSL, LT_HOOK_READ)
ENTER(boringssl_write, LT_LIBRARY_BORINGSSL, LT_HOOK_WRITE)
ENTER(gnutls_read, LT_LIBRARY_GNUTLS, LT_HOOK_READ)
ENTER(gnutls_write, LT_LIBRARY_GNUTLS, LT_HOOK_WRITE)
ENTER(gnutls_cover, LT_LIBRARY_GNUTLS, LT_HOOK_COVER)
ENTER(nss_read, LT_LIBRARY_NSS, LT_HOOK_READ)
ENTER(nss_write, LT_LIBRARY_NSS, LT_HOOK_WRITE)
ENTER(nss_recv, LT_LIBRARY_NSS, LT_HOOK_RECV)
ENTER(nss_writev, LT_LIBRARY_NSS, LT_HOOK_WRITEV)
ENTER(s2n_read, LT_LIBRARY_S2N, LT_HOOK_READ)
ENTER(s2n_write, LT_LIBRARY_S2N, LT_HOOK_WRITE)
ENTER(s2n_writev, LT_LIBRARY_S2N, LT_HOOK_WRITEV)
ENTER(s2n_writev_at, LT_LIBRARY_S2N, LT_HOOK_WRITEV_AT)
ENTER(mbedtls_read, LT_LIBRARY_MBEDTLS, LT_HOOK_READ)
ENTER(mbedtls_write, LT_LIBRARY_MBEDTLS, LT_HOOK_WRITE)
ENTER(wolfssl_read, LT_LIBRARY_WOLFSSL, LT_HOOK_READ)
ENTER(wolfssl_write, LT_LIBRARY_WOLFSSL, LT_HOOK_WRITE)
ENTER(wolfssl_writev, LT_LIBRARY_WOLFSSL, LT_HOOK_WRITEV)
ENTER(wolfssl_read_ex, LT_LIBRARY_WOLFSSL, LT_HOOK_READ_EX)
ENTER(wolfssl_write_ex, LT_LIBRARY_WOLFSSL, LT_HOOK_WRITE_EX)

#include "bpf/aead.h"
#include "bpf/go.h"

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
