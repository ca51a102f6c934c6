/* SPDX-License-Identifier: Apache-2.0 */
/* What to copy of a call's bytes: PROBE, HEAD, FULL or IGNORE. Nothing else is parsed in the
 * kernel. */
#pragma once

#include "bpf/maps.h"

enum { PROBE_PATIENCE = 16 }; /* times the budget, while the ring is less than half full */

enum start { START_NONE, START_REQUEST, START_RESPONSE, START_FRAMES };

#define WORD4(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

/*
 * A HEADERS frame of HTTP/2 with END_HEADERS on a client's stream, whose block does not begin with
 * ":status": the next request of a connection that was there before us (RFC 9113, 6.2).
 */
static __always_inline bool begins_request_frame(const void *address, __u64 len, __u32 word)
{
	__u8 rest[6];

	if (len < 16 || (word & 0xff) != 0 || word >> 24 != 1 ||
	    bpf_probe_read_user(rest, sizeof(rest), address + sizeof(word)))
		return false;
	return (rest[0] & ~0x2d) == 0 && (rest[0] & 0x04) && rest[1] == 0 && (rest[4] & 1) &&
	       (rest[5] < 0x88 || rest[5] > 0x8e);
}

/* Whether a message of a known protocol begins here: an HTTP/1 method, the HTTP/2 preface, a status
 * line. */
static __always_inline enum start look(const void *address, __u64 len)
{
	__u32 word = 0;

	if (len < 4 || bpf_probe_read_user(&word, sizeof(word), address))
		return START_NONE;
	switch (word) {
	case WORD4('G', 'E', 'T', ' '):
	case WORD4('P', 'O', 'S', 'T'):
	case WORD4('P', 'U', 'T', ' '):
	case WORD4('H', 'E', 'A', 'D'):
	case WORD4('D', 'E', 'L', 'E'):
	case WORD4('P', 'A', 'T', 'C'):
	case WORD4('O', 'P', 'T', 'I'):
	case WORD4('C', 'O', 'N', 'N'):
	case WORD4('P', 'R', 'I', ' '):
		return START_REQUEST;
	case WORD4('H', 'T', 'T', 'P'):
		return START_RESPONSE;
	}
	return begins_request_frame(address, len, word) ? START_FRAMES : START_NONE;
}

/* Whether a client's line of JSON-RPC begins here, whichever member comes first. What it really is
 * userspace finds out. */
static __always_inline enum start look_at_line(const void *address, __u64 len, __u32 dir)
{
	__u32 word = 0;

	if (dir != LT_DIR_WRITE || len < 4 || bpf_probe_read_user(&word, sizeof(word), address))
		return START_NONE;
	switch (word) {
	case WORD4('{', '"', 'j', 's'):
	case WORD4('{', '"', 'm', 'e'):
	case WORD4('{', '"', 'p', 'a'):
	case WORD4('{', '"', 'i', 'd'):
		return START_REQUEST;
	}
	return START_NONE;
}

/* Takes over what userspace decided since the last call. */
static __always_inline void refresh_verdict(struct conn *conn)
{
	__u64 word = lt_verdicts[conn->slot & (LT_VERDICT_SLOTS - 1)];

	if (word >> 8 == (conn->generation & (~0ULL >> 8)))
		conn->verdict = word & 0xff;
}

/*
 * Userspace decides at the end of the first request's head. When it is late (a busy host, a body of
 * megabytes that leaves in milliseconds) the copy goes on as long as the ring has room for
 * everybody else: what the budget cut off would be lost to a call that turns out to be wanted.
 */
static __always_inline bool within_budget(__u64 position)
{
	if (position < lt_probe_budget)
		return true;
	return position < lt_probe_budget * (__u64)PROBE_PATIENCE &&
	       bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) <
		       bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 2;
}

/*
 * Under PROBE: nothing is copied before the start of a message is seen. A process that *reads* a
 * request first serves TLS: its side is the other end of somebody's call, so it is ignored here
 * already. A connection joined in the middle is looked at again after each change of direction, a
 * bounded number of times.
 */
static __always_inline __u64 probe_bytes(struct conn *conn, const struct call *call, __u64 position,
					 __u64 len)
{
	if (!conn->synced) {
		enum start start;

		if (position > 0 && conn->last_dir == call->dir)
			return 0;
		start = conn->lines ? look_at_line((const void *)call->buf, len, call->dir)
				    : look((const void *)call->buf, len);
		if (start == START_FRAMES)
			start = call->dir == LT_DIR_WRITE ? START_REQUEST : START_NONE;
		/* An answer before anything was asked: another thread's write is not back yet. */
		if ((start == START_REQUEST && call->dir == LT_DIR_WRITE) ||
		    (start == START_RESPONSE && call->dir == LT_DIR_READ && position == 0)) {
			conn->synced = 1;
		} else if (start != START_NONE &&
			   (start == START_REQUEST) == (call->dir == LT_DIR_READ)) {
			conn->verdict = LT_VERDICT_IGNORE;
			return 0;
		} else {
			if (++conn->tries >= CONN_TRIES)
				conn->verdict = LT_VERDICT_IGNORE;
			return 0;
		}
	}
	return within_budget(position) ? len : 0;
}

static __always_inline __u64 head_bytes(struct conn *conn, const struct call *call, __u64 position,
					__u64 len)
{
	__u32 dir = call->dir & 1;
	__u64 end;

	if (conn->last_dir != call->dir)
		conn->head_end[dir] = position + lt_head_bytes;
	end = conn->head_end[dir];
	if (position >= end)
		return 0;
	return len < end - position ? len : end - position;
}

/* How many of the @len bytes at @position are to be copied. Updates the connection's state. */
static __always_inline __u64 wanted_bytes(struct conn *conn, const struct call *call,
					  __u64 position, __u64 len)
{
	__u64 wanted = 0;

	refresh_verdict(conn);
	if (conn->verdict == LT_VERDICT_FULL)
		wanted = len;
	else if (conn->verdict == LT_VERDICT_PROBE)
		wanted = probe_bytes(conn, call, position, len);
	else if (conn->verdict == LT_VERDICT_HEAD)
		wanted = head_bytes(conn, call, position, len);
	conn->last_dir = call->dir;
	return wanted;
}
