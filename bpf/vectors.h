/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls whose bytes lie in several buffers, as in writev(2): what counts is the call, the buffers
 * are copied one after the other.
 */
#pragma once

#include "bpf/emit.h"
#include "bpf/entry.h"

/* struct iovec; in NSPR's PRIOVec the length is an int. */
struct vector {
	__u64 base, len;
};

static __always_inline bool read_vector(const struct call *call, __u64 address, struct vector *ret)
{
	if (bpf_probe_read_user(ret, sizeof(*ret), (const void *)address))
		return false;
	if (call->library == LT_LIBRARY_NSS)
		ret->len &= 0x7fffffff;
	return true;
}

/*
 * The call's bytes are those that the vectors say, without the first @skip of them. Where the first
 * one is says how a message begins.
 */
static __always_inline void set_vectors(struct call *call, __u64 address, __u32 count, __u64 skip)
{
	enum { LOOK_MAX = 4 };
	struct vector vector;
	__u32 i;

	call->array = address;
	call->vectors = count;
	call->skip = skip;
	call->buf = 0;
	for (i = 0; i < LOOK_MAX; i++) {
		if (i == count || !read_vector(call, address + i * sizeof(vector), &vector))
			return;
		if (vector.len > skip) {
			call->buf = untag(vector.base) + skip;
			return;
		}
		skip -= vector.len;
	}
}

/* The same number, of which the verifier knows nothing: else every round is another one to it. */
static __always_inline __u64 forgotten(__u64 number)
{
	__u64 same = 0;

	bpf_probe_read_kernel(&same, sizeof(same), &number);
	return same;
}

/* Vectors of one call being copied. */
struct pieces {
	const struct facts *facts;
	const struct call *call;
	__u64 position;
	__u64 len;	 /* to be copied still */
	__u64 skip;	 /* bytes of the next vector that are done with */
	__u64 next, end; /* addresses */
};

/* @has_loop (a constant): size classes are for kernels that verify this once (emit_data()). */
static __always_inline long copy_next(struct pieces *p, const bool has_loop)
{
	struct vector vector;
	__u64 address;
	__u64 len = p->len;

	if (len == 0 || p->next == p->end || !read_vector(p->call, p->next, &vector))
		return 1;
	if (vector.len <= p->skip) {
		p->skip = forgotten(p->skip - vector.len);
		p->next = forgotten(p->next + sizeof(vector));
		return 0;
	}
	if (len > vector.len - p->skip)
		len = vector.len - p->skip;
	if (len > LT_CHUNK_MAX)
		len = LT_CHUNK_MAX;
	address = untag(vector.base) + p->skip;
	if (has_loop)
		emit_rest(p->facts, p->call, p->position, address, len);
	else
		emit_class(p->facts, p->call, p->position, address, len, LT_CHUNK_MAX);
	p->position = forgotten(p->position + len);
	p->skip = forgotten(p->skip + len);
	p->len = forgotten(p->len - len);
	return 0;
}

static long copy_piece(__u32 index, void *arg)
{
	return copy_next(arg, true);
}

/* emit_data() for @len bytes of the call's vectors. */
static __always_inline void emit_vectors(const struct facts *f, const struct call *call,
					 __u64 position, __u64 len, const bool has_loop)
{
	struct pieces pieces = {
		.facts = f,
		.call = call,
		.position = position,
		.len = len,
		.skip = call->skip,
		.next = call->array,
		.end = call->array + call->vectors * sizeof(struct vector),
	};

	if (has_loop) {
		bpf_loop(LT_PIECES_PER_CALL, copy_piece, &pieces, 0);
	} else {
		int i;

		for (i = 0; i < LT_PIECES_WITHOUT_LOOP; i++) {
			if (copy_next(&pieces, false))
				break;
		}
	}
	if (pieces.len > 0)
		count_lost(f->conn, call->dir, pieces.len);
}
