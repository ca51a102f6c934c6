/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of the functions that seal and open one TLS record, and whether it is one: in C
 * (AWS-LC's EVP_AEAD_CTX_*) and in Rust (ring's aead::Algorithm). Up to six (x86-64) or eight
 * (arm64) are in registers, the rest on the stack.
 */
#pragma once

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/conn.h"

enum {
	AEAD_TAG = 16,	  /* bytes added by every AEAD of TLS that these libraries have */
	RECORD_INNER = 0, /* the type stands behind the content (TLS 1.3) */
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
	RECORD_NONE = 255,
};

#ifdef __TARGET_ARCH_x86

static __always_inline bool aead_words(const struct pt_regs *ctx, __u64 ret[AEAD_WORDS])
{
	ret[0] = ctx->di;
	ret[1] = ctx->si;
	ret[2] = ctx->dx;
	ret[3] = ctx->cx;
	ret[4] = ctx->r8;
	ret[5] = ctx->r9;
	/* Above the return address. */
	return bpf_probe_read_user(&ret[6], 7 * sizeof(*ret), (const void *)(ctx->sp + 8)) == 0;
}

/* Where Rust puts a result that is larger than two registers, and its first argument then. */
static __always_inline __u64 rust_result(const struct pt_regs *ctx)
{
	return ctx->di;
}

enum { RUST_FIRST = 1 };

#else

static __always_inline bool aead_words(const struct pt_regs *ctx, __u64 ret[AEAD_WORDS])
{
	ret[0] = ctx->user_regs.regs[0];
	ret[1] = ctx->user_regs.regs[1];
	ret[2] = ctx->user_regs.regs[2];
	ret[3] = ctx->user_regs.regs[3];
	ret[4] = ctx->user_regs.regs[4];
	ret[5] = ctx->user_regs.regs[5];
	ret[6] = ctx->user_regs.regs[6];
	ret[7] = ctx->user_regs.regs[7];
	return bpf_probe_read_user(&ret[8], 5 * sizeof(*ret), (const void *)ctx->user_regs.sp) == 0;
}

static __always_inline __u64 rust_result(const struct pt_regs *ctx)
{
	return ctx->user_regs.regs[8];
}

enum { RUST_FIRST = 0 };

#endif

/* (ctx, out, out_len *, max, nonce, nonce_len, in, in_len, ad, ad_len), seal and open alike. */
static __always_inline void aead_combined(const __u64 *w, bool seals, struct aead_call *ret)
{
	ret->key = w[0];
	ret->nonce = w[4];
	ret->text = seals ? w[6] : w[1];
	ret->len = seals ? w[7] : w[7] - AEAD_TAG;
	ret->ad = w[8];
	ret->ad_len = w[9];
}

/* (ctx, out, out_tag, out_tag_len *, max, nonce, nonce_len, in, in_len, extra, extra_len, ad,
 * ad_len) */
static __always_inline void aead_scatter(const __u64 *w, struct aead_call *ret)
{
	ret->key = w[0];
	ret->nonce = w[5];
	ret->text = w[7];
	ret->len = w[8] + w[10];
	ret->extra = w[10] == 1 ? w[9] : 0;
	ret->ad = w[11];
	ret->ad_len = w[12];
}

/* (ctx, out, nonce, nonce_len, in, in_len, tag, tag_len, ad, ad_len) */
static __always_inline void aead_gather(const __u64 *w, struct aead_call *ret)
{
	ret->key = w[0];
	ret->nonce = w[2];
	ret->text = w[1];
	ret->len = w[5];
	ret->ad = w[8];
	ret->ad_len = w[9];
}

static __always_inline __u64 number16(const __u8 *bytes)
{
	return (__u64)bytes[0] << 8 | bytes[1];
}

static __always_inline bool is_header_len(__u64 len)
{
	return len == 5 || len == 13;
}

/*
 * (key, nonce, ad: &[u8], in_out: &mut [u8], [src: usize]). Rust's own calls: 12 bytes of nonce are
 * passed by address or in two registers, as the compiler's release has it; the length of the
 * additional data tells which.
 */
static __always_inline void ring_args(const __u64 *w, bool seals, struct aead_call *ret)
{
	ret->key = w[RUST_FIRST];
	if (is_header_len(w[RUST_FIRST + 3])) {
		ret->nonce = w[RUST_FIRST + 1];
		ret->ad = w[RUST_FIRST + 2];
		ret->ad_len = w[RUST_FIRST + 3];
		ret->text = w[RUST_FIRST + 4];
		ret->len = seals ? w[RUST_FIRST + 5] : w[RUST_FIRST + 5] - w[RUST_FIRST + 6];
	} else {
		ret->ad = w[RUST_FIRST + 3];
		ret->ad_len = w[RUST_FIRST + 4];
		ret->text = w[RUST_FIRST + 5];
		ret->len = seals ? w[RUST_FIRST + 6] : w[RUST_FIRST + 6] - w[RUST_FIRST + 7];
	}
}

/*
 * The type of the record that the additional data belongs to, RECORD_INNER where that is encrypted
 * too. RECORD_NONE: no TLS (RFC 8446, 5.2; RFC 5246, 6.2.3.3): a file, a cookie, a packet of QUIC.
 */
static __always_inline __u32 record_type(const struct aead_call *a)
{
	__u8 ad[13] = {};

	if (a->len == 0 || a->len > LT_CHUNK_MAX + 1 + 255)
		return RECORD_NONE;
	if (a->ad_len == 5) { /* opaque type, version, length */
		if (bpf_probe_read_user(ad, 5, (const void *)a->ad) || ad[0] != RECORD_DATA ||
		    ad[1] != 3 || ad[2] != 3 || number16(ad + 3) != a->len + AEAD_TAG)
			return RECORD_NONE;
		return RECORD_INNER;
	}
	if (a->ad_len != sizeof(ad)) /* sequence number, type, version, length */
		return RECORD_NONE;
	if (bpf_probe_read_user(ad, sizeof(ad), (const void *)a->ad) || ad[8] < 20 || ad[8] > 23 ||
	    ad[9] != 3 || ad[10] != 3 || number16(ad + 11) != a->len)
		return RECORD_NONE;
	return ad[8];
}

enum { PADDING_WORDS = 64 };

/* TLS 1.3: the type is the last byte that is not zero; @len becomes that of the content. */
static __always_inline __u32 inner_type(__u64 text, __u64 *len)
{
	__u64 left = *len, word = 0;
	__u8 last = 0;
	int i;

	for (i = 0; i < PADDING_WORDS && left >= sizeof(word); i++) {
		if (bpf_probe_read_user(&word, sizeof(word),
					(const void *)(text + left - sizeof(word))))
			return RECORD_NONE;
		if (word != 0)
			break;
		left -= sizeof(word);
	}
	for (i = 0; i < (int)sizeof(word) && left > 0 && last == 0; i++) {
		left--;
		if (bpf_probe_read_user(&last, sizeof(last), (const void *)(text + left)))
			return RECORD_NONE;
	}
	*len = left;
	return last == 0 ? RECORD_NONE : last;
}
