/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a connection and of a call in progress. */
#pragma once

#include "bpf/events.h"

struct conn_key {
	__u64 ctx;
	__u32 tgid;
	__u32 pad;
};

struct conn {
	__u64 generation;
	__u64 process_start_ns;
	__u64 position[2]; /* by enum lt_dir */
	__u64 lost[2];
	__u64 head_end[2]; /* verdict HEAD: copy up to this position */
	__u64 put_off;	   /* buffer of a write that has to be repeated (GnuTLS), 0: none */
	__u32 exec_id;	   /* an exec in the same process makes a new generation */
	__u32 slot;
	__u8 verdict;
	__u8 last_dir;
	__u8 synced; /* the start of a message was seen */
	__u8 tries;  /* looks for one that failed */
	__s32 fd;    /* -1: not known */
	__u8 peer_sent;
	__u8 shut; /* SSL_shutdown was called: a write after it is another use of the object */
	__u8 environ_sent;
	__u8 pad[5];
};

struct call_key {
	__u64 thread;
	__u32 dir;
	__u32 pad;
};

struct call {
	__u64 ctx; /* 0: what is written inside was counted before */
	__u64 buf;
	__u64 done;  /* address of the size_t that receives the count; 0: the return value is it */
	__u64 sp;    /* of the outermost frame, at entry */
	__u64 ts_ns; /* boot time of entry; writes only */
	__u64 array; /* of vectors */
	__u64 skip;  /* bytes of theirs that are not part of the call */
	__u32 dir;
	__u32 library;
	__u32 vectors; /* 0: all bytes are at buf */
	__u32 pad;
};

/* A call of a Go method in progress. */
struct go_call_key {
	__u64 goroutine;
	__u32 tgid;
	__u32 dir;
};

struct go_call {
	__u64 ctx;
	__u64 buf;
	__u64 len;
	__u64 depth;	/* of the frame, from the top of the goroutine's stack */
	__u64 stack_lo; /* the goroutine's stack at entry */
	__u64 stack_hi;
	__u64 ts_ns;   /* boot time of entry; writes only */
	__u64 process; /* go_process_mark() */
};

enum { CONN_TRIES = 64 }; /* changes of direction looked at before a connection is given up */
