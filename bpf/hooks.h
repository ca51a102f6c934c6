/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a hooked function does; the argument layout follows from it. Travels as the probe's cookie.
 */
enum lt_hook {
	LT_HOOK_READ = 1, /* int f(ctx, buf, num) */
	LT_HOOK_WRITE,
	LT_HOOK_READ_EX, /* int f(ctx, buf, num, size_t *done) */
	LT_HOOK_WRITE_EX,
	LT_HOOK_RECV,  /* int f(ctx, buf, num, flags): nothing when it only peeks */
	LT_HOOK_COVER, /* f(ctx): the writes inside were counted when they were asked for */
	/* Opening of a TLS record, and keys that are made; bpf/aead.h. */
	LT_HOOK_AEAD_OPEN,
	LT_HOOK_AEAD_OPEN_GATHER,
	LT_HOOK_RING_OPEN,
	LT_HOOK_RING_INIT,
	LT_HOOK_WRITEV,	   /* f(ctx, vectors, count): several buffers, as writev(2) */
	LT_HOOK_WRITEV_AT, /* f(ctx, vectors, count, offset): without the first bytes of them */
	LT_HOOK_WRITE_EX2, /* int f(ctx, buf, num, flags, size_t *done); the last whose return
			    * matters */
	LT_HOOK_FREE,	   /* f(ctx): this use of the address ends */
	LT_HOOK_CLEAR,
	LT_HOOK_SHUTDOWN,
	LT_HOOK_CTRL,	  /* f(ctx, cmd, larg, parg): server name */
	LT_HOOK_SET_FD,	  /* f(ctx, fd) */
	LT_HOOK_SET_BIO,  /* f(ctx, rbio, wbio) */
	LT_HOOK_SET_RBIO, /* f(ctx, bio) */
	LT_HOOK_SET_PTR,  /* f(ctx, p): a descriptor in a pointer, or the caller's own object */
	LT_HOOK_SET_NAME, /* f(ctx, type, name, length): server name */
	LT_HOOK_SET_URL,  /* f(ctx, name): server name, of a PRFileDesc */
	LT_HOOK_SET_HOST, /* f(ctx, name): server name */
	LT_HOOK_SET_SNI,  /* f(ctx, type, name, 16 bits of length): server name of type 0 */
	LT_HOOK_SET_NET,  /* f(ctx, p): p points to a descriptor, or is the caller's own object */
	/*
	 * Go's methods, in bpf/go.h. Their returns have probes of their own: one on every RET.
	 * First those whose arguments are in registers, then, in the same order, those of older Go
	 * whose arguments are on the stack.
	 */
	LT_HOOK_GO_READ, /* (c) f(b []byte) (n int, err error) */
	LT_HOOK_GO_WRITE,
	LT_HOOK_GO_READ_RET,
	LT_HOOK_GO_WRITE_RET,
	LT_HOOK_GO_CLOSE,     /* (c) f(): this use of the address ends */
	LT_HOOK_GO_HANDSHAKE, /* (c) f(...): a client's connection begins */
	LT_HOOK_GO_STACK_READ,
	LT_HOOK_GO_STACK_WRITE,
	LT_HOOK_GO_STACK_READ_RET,
	LT_HOOK_GO_STACK_WRITE_RET,
	LT_HOOK_GO_STACK_CLOSE,
	LT_HOOK_GO_STACK_HANDSHAKE,
	/* Sealing of a TLS record, in bpf/aead.h: its plaintext is there at entry, and not later.
	 */
	LT_HOOK_AEAD_SEAL,
	LT_HOOK_AEAD_SEAL_SCATTER,
	LT_HOOK_AEAD_INIT, /* f(ctx, ...): a key is made */
	LT_HOOK_AEAD_FREE, /* f(ctx) */
	LT_HOOK_RING_SEAL,
	/* A RET of one of the functions whose return matters, where return probes would harm. */
	LT_HOOK_LEAVE,
	LT_HOOK_AEAD_LEAVE,
	LT_HOOK_COUNT,
};

/* What travels as a probe's cookie: which site it is of those that have to prove themselves (0:
 * none), whose function it is, and what it does. */
#define LT_COOKIE(site, library, hook) ((__u64)(site) << 32 | (__u64)(library) << 16 | (hook))
#define LT_COOKIE_HOOK(cookie)	       ((__u32)((cookie)&0xffff))
#define LT_COOKIE_LIBRARY(cookie)      ((__u32)((cookie) >> 16 & 0xffff))
#define LT_COOKIE_SITE(cookie)	       ((__u32)((cookie) >> 32))
