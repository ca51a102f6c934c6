/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks in, ordered bytes and known gaps out, per connection and direction. Bounded: connections
 * have a ceiling (the least recently used one makes room), the ordering window has a ceiling in
 * chunks and bytes. Thread: drain.
 */
#pragma once

#include "userspace/base/cleanup.h"
#include "userspace/capture/chunk.h"

enum lt_close_reason {
	LT_CLOSE_FREED,	  /* the TLS object was freed or cleared */
	LT_CLOSE_EXIT,	  /* the process ended */
	LT_CLOSE_EVICTED, /* the table was full, or the connection idle for too long */
	LT_CLOSE_STOP,	  /* the agent stops */
};

/* Implemented by the protocol room. @conn is borrowed and lives until close; *user is the sink's
 * own. */
struct lt_stream_sink {
	void *arg;
	/* First event of a connection. Sets *user. */
	void (*open)(void *arg, const struct lt_conn *conn, void **user);
	/* The next bytes of a direction. */
	void (*bytes)(void *arg, void *user, enum lt_dir dir, uint64_t ts_ns, struct lt_bytes data);
	/* @lost bytes are missing before the next bytes of this direction. */
	void (*gap)(void *arg, void *user, enum lt_dir dir, uint64_t ts_ns, uint64_t lost);
	void (*close)(void *arg, void *user, uint64_t ts_ns, enum lt_close_reason why);
};

struct lt_stream_opts {
	size_t max_connections; /* 0: 16384 */
	size_t window_chunks;	/* 0: 16; chunks held back per direction */
	size_t window_bytes;	/* 0: 8 MiB; bytes held back in the whole table */
	uint64_t window_ns;	/* 0: 100 ms; after that a hole is final */
	uint64_t idle_ns;	/* 0: 30 minutes without an event, then evicted */
};

struct lt_stream;

/* @sink is copied; what it points to must outlive the table. */
LT_MUST_CHECK int lt_stream_new(const struct lt_stream_opts *opts,
				const struct lt_stream_sink *sink, struct lt_stream **ret);
/* Closes every connection (LT_CLOSE_STOP) first. */
struct lt_stream *lt_stream_free(struct lt_stream *s);
LT_DEFINE_FREEP(lt_stream_free, struct lt_stream)

/*
 * Data before position 0 of a direction was never seen (the agent came later): it begins where it
 * begins, no gap. A hole that the kernel's own loss count explains is final at once, another one
 * waits for the window. What comes later in the other direction waits with it. Without memory to
 * wait the hole is final at once; -ENOMEM: a new connection could not be opened, the chunk is
 * dropped.
 */
LT_MUST_CHECK int lt_stream_data(struct lt_stream *s, const struct lt_chunk *chunk);
void lt_stream_name(struct lt_stream *s, const struct lt_event_name *event);
void lt_stream_peer(struct lt_stream *s, const struct lt_event_peer *event);
void lt_stream_close(struct lt_stream *s, const struct lt_event_close *event);
/* Closes all connections of a process. */
void lt_stream_exit(struct lt_stream *s, uint32_t tgid, uint64_t ts_ns);
/* Makes overdue holes final and evicts idle connections. Call it every few ms; cheap when nothing
 * is due. */
void lt_stream_tick(struct lt_stream *s, uint64_t now_ns);
size_t lt_stream_count(const struct lt_stream *s);
