/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserve a size class, copy straight from user memory, submit. No per-CPU scratch (uprobe programs
 * are preemptible since 6.0), nothing is copied twice. What does not fit is counted on its
 * connection.
 */
#pragma once

#include "bpf/maps.h"

/* Pointers may carry a tag in their top byte on arm64 (MTE, TBI); the kernel's copy refuses it. */
static __always_inline __u64 untag(__u64 address)
{
#ifdef __TARGET_ARCH_arm64
	return address & (~0ULL >> 8);
#else
	return address;
#endif
}

/* No wake-up per event: it costs the traced thread far more than the event. The drain thread polls;
 * a filling ring wakes it. */
static __always_inline __u64 wakeup_flags(void)
{
	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= lt_wakeup_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

struct facts {
	struct conn_key key;
	struct conn *conn;
	__u64 ts_ns;
	__u64 cgroup_id;
	__u32 uid;
};

static __always_inline void fill_conn(struct lt_event_conn *e, __u32 type, const struct facts *f)
{
	e->head.type = type;
	e->head.tgid = f->key.tgid;
	e->head.ts_ns = f->ts_ns;
	e->ctx = f->key.ctx;
	e->generation = f->conn->generation;
	e->process_start_ns = f->conn->process_start_ns;
	e->cgroup_id = f->cgroup_id;
	e->uid = f->uid;
	e->slot = f->conn->slot;
}

static __always_inline void count_lost(struct conn *conn, __u32 dir, __u64 bytes)
{
	__sync_fetch_and_add(&conn->lost[dir & 1], bytes);
	count(LT_KC_LOST_EVENTS, 1);
	count(LT_KC_LOST_BYTES, bytes);
}

/* One event of at most @class bytes (a constant, so that the reserve is one). */
static __always_inline void emit_class(const struct facts *f, const struct call *call,
				       __u64 position, __u64 address, __u32 len, const __u32 class)
{
	struct lt_event_data *e;

	e = bpf_ringbuf_reserve(&events, sizeof(*e) + class, 0);
	if (!e) {
		count_lost(f->conn, call->dir, len);
		return;
	}
	fill_conn(&e->conn, LT_EVENT_DATA, f);
	e->position = position;
	e->dir = call->dir;
	e->library = call->library;
	e->verdict = f->conn->verdict;
	e->pad = 0;
	if (len > class)
		len = class;
	if (bpf_probe_read_user(e->data, len, (const void *)address)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		count(LT_KC_SHORT_READS, 1);
		count_lost(f->conn, call->dir, len);
		return;
	}
	e->len = len;
	e->lost = f->conn->lost[call->dir & 1];
	/* The first request of a connection: userspace looks at the process while it surely lives.
	 */
	bpf_ringbuf_submit(e, position == 0 && call->dir == LT_DIR_WRITE ? BPF_RB_FORCE_WAKEUP
									 : wakeup_flags());
}

static __always_inline void emit_rest(const struct facts *f, const struct call *call,
				      __u64 position, __u64 address, __u32 len)
{
	if (len <= 256)
		emit_class(f, call, position, address, len, 256);
	else if (len <= 1024)
		emit_class(f, call, position, address, len, 1024);
	else if (len <= 4096)
		emit_class(f, call, position, address, len, 4096);
	else
		emit_class(f, call, position, address, len, LT_CHUNK_MAX);
}

/* A long buffer being copied chunk by chunk. */
struct copy {
	const struct facts *facts;
	const struct call *call;
	__u64 position;
	__u64 address;
	__u64 len;
};

static long copy_chunk(__u32 index, void *arg)
{
	struct copy *copy = arg;

	if (copy->len <= LT_CHUNK_MAX)
		return 1;
	emit_class(copy->facts, copy->call, copy->position, copy->address, LT_CHUNK_MAX,
		   LT_CHUNK_MAX);
	copy->position += LT_CHUNK_MAX;
	copy->address += LT_CHUNK_MAX;
	copy->len -= LT_CHUNK_MAX;
	return 0;
}

/*
 * @len bytes of one TLS call, in chunks; what is past the ceiling is counted as lost. @has_loop (a
 * constant): the kernel has bpf_loop (5.17), which verifies the body once; a plain loop costs the
 * verifier every round, so it has to be short.
 */
static __always_inline void emit_data(const struct facts *f, const struct call *call,
				      __u64 position, __u64 len, const bool has_loop)
{
	struct copy copy = {
		.facts = f,
		.call = call,
		.position = position,
		.address = call->buf,
		.len = len,
	};

	if (len <= LT_CHUNK_MAX) {
		emit_rest(f, call, position, call->buf, len);
		return;
	}
	if (has_loop) {
		bpf_loop(LT_CHUNKS_PER_CALL, copy_chunk, &copy, 0);
	} else {
		int i;

		for (i = 0; i < LT_CHUNKS_WITHOUT_LOOP; i++) {
			if (copy_chunk(i, &copy))
				break;
		}
	}
	if (copy.len > LT_CHUNK_MAX)
		count_lost(f->conn, call->dir, copy.len);
	else if (copy.len > 0)
		emit_class(f, call, copy.position, copy.address, copy.len, LT_CHUNK_MAX);
}
