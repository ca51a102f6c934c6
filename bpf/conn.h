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
	__u8 lines; /* not HTTP but lines of JSON-RPC, between a process and a child */
	__u8 pad[4];
};

/* What processes are followed for: bits of a value of plain_tasks. */
enum { FOLLOW_TCP = 1, FOLLOW_STDIO = 2 };

/* One end of a child's standard input or output, in its parent's hands. */
struct stdio_end {
	__u64 ctx; /* of the connection: the object of the child's input */
	__u32 tgid;
	__u32 dir;
	__u32 child;
	__u32 pad;
	char file[LT_STDIO_FILE_SIZE]; /* what the child runs */
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
	__u32 site;    /* that has to prove itself, 0: none */
	__u32 asked;   /* bytes that the caller offers, or has room for */
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
	__u64 process; /* process_mark() */
};

/* A key that seals or opens TLS records (aead.h), by its name: an address, or a digest. */
struct aead_key {
	__u64 id;      /* of its connection, 0: no data was seen yet */
	__u64 partner; /* name of the key that was made with it, 0: none yet */
	__u64 process; /* process_mark() */
	__u64 nonce;   /* of the last record that was sealed */
	__u8 stranger; /* its partner is not known: how often to look for it yet */
	__u8 pad[7];
};

/* What is sealed or opened in one call. */
struct aead_call {
	__u64 key;   /* address of what holds the key */
	__u64 text;  /* of the plaintext: there now (seal), or when the call returns (open) */
	__u64 len;   /* of the plaintext, with what is in extra */
	__u64 extra; /* plaintext that stands elsewhere: the inner type, or 0 */
	__u64 nonce;
	__u64 ad, ad_len; /* additional data: the record's header */
};

enum { AEAD_WORDS = 13 };

/* Of a process: the request under way on a connection of strangers. */
struct aead_waiting {
	__u64 process;
	__u64 id;   /* of the connection, 0: none */
	__u64 name; /* of the key under which it asked */
	__u8 several;
	__u8 pad[7];
};

/* What happened last to keys on a thread. */
struct aead_thread {
	__u64 newest;	 /* the last key made since the last record, 0: none */
	__u64 single;	 /* the same, while it has no partner */
	__u64 renews[2]; /* keys that the next ones replace, by enum lt_dir */
	/* Room for the call that is being looked at: a program's own stack is too small. */
	__u64 words[AEAD_WORDS];
	struct aead_call args;
	struct call call;
	struct aead_key key;
	struct aead_waiting waiting;
};

enum { CONN_TRIES = 64 }; /* changes of direction looked at before a connection is given up */
