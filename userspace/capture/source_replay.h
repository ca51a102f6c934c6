/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in for the kernel: HAR 1.2 entries in, the chunks that capture would have given out.
 * Each entry is one connection of its own, HTTP/1.1 as the recorded headers say (chunked or
 * counted, still compressed or not), frames of HTTP/2, or a WebSocket session; cut as asked.
 */
#pragma once

#include "userspace/base/json_file.h"
#include "userspace/capture/chunk.h"

struct lt_replay_opts {
	size_t split; /* bytes in a chunk; 0: as TLS would cut it */
	bool random;  /* sizes drawn by @seed instead */
	uint64_t seed;
	uint64_t join_at; /* each direction of a connection is seen from this byte on */
	bool http2;	  /* as frames of HTTP/2, another stream's between them */
};

/* What became of the entries, summed over files. */
struct lt_replay_stats {
	size_t entries;
	size_t malformed; /* no request, a header with a line break, a body that is no base64 ... */
};

/*
 * Connections get stable names: conn.ctx is a hash of the entry, conn.generation its start as wall
 * ns; stamps are that start as boot time, wrapping below 0 for what was recorded before this boot.
 * Malformed entries are skipped and counted; @problem then names the first one, though the result
 * is 0. -EBADMSG: no HAR; -ENOENT, -EACCES ...; -ENOMEM.
 */
LT_MUST_CHECK int lt_replay_har(const char *path, const struct lt_replay_opts *opts,
				const struct lt_capture_sink *sink, struct lt_replay_stats *stats,
				struct lt_problem *problem);
/* The same for a file that is loaded already; @name is what problems call it. */
LT_MUST_CHECK int lt_replay_entries(const struct lt_json_file *har, const char *name,
				    const struct lt_replay_opts *opts,
				    const struct lt_capture_sink *sink,
				    struct lt_replay_stats *stats, struct lt_problem *problem);
