/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Implements the stream's sink: owns the parser of each connection, picks it by sniffing, tells
 * client from server by direction, and says which verdict a connection deserves. Thread: drain.
 *
 * Role: the side whose first bytes look like a request is the client. A process that reads requests
 * and writes responses serves TLS: its side of the exchange is the other end of a call, never a
 * call, so the connection gets verdict IGNORE. Bytes before the first message start (joined in the
 * middle) are skipped.
 */
#pragma once

#include "userspace/protocol/protocol.h"

/* Told whenever the verdict of a connection changes. Implemented by capture (through cmd/pipeline).
 */
struct lt_verdict_sink {
	void *arg;
	void (*set)(void *arg, const struct lt_conn *conn, enum lt_verdict verdict);
};

struct lt_sessions;

/* Both sinks are copied; what they point to must outlive the sessions. */
LT_MUST_CHECK int lt_sessions_new(const struct lt_exchange_sink *sink,
				  const struct lt_verdict_sink *verdicts, struct lt_sessions **ret);
struct lt_sessions *lt_sessions_free(struct lt_sessions *s);
LT_DEFINE_FREEP(lt_sessions_free, struct lt_sessions)

/* The sink to give to lt_stream_new; its arg is @s. */
struct lt_stream_sink lt_sessions_sink(struct lt_sessions *s);
