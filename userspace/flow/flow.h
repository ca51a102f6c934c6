/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to hosts of the catalog whose TLS nobody reads: one flow record each, with the host
 * from the ClientHello, the process, and the bytes each way. A connection on which a request was
 * decoded gives none, nor does one on which nothing but a handshake was sent. Thread: drain.
 *
 * Which flow a decoded connection is, its socket says where the TLS stack told of it. Stacks that
 * work on memory buffers (node, rustls, Python's asyncio) do not: there the process and the host
 * decide, one decoded connection stands for one flow.
 */
#pragma once

#include "userspace/decode/call.h"
#include "userspace/decode/catalog.h"

struct lt_flows_opts {
	size_t max_flows;     /* 0: 4096; beyond it the oldest ends early (flows_evicted) */
	uint64_t grace_ns;    /* 0: 300 ms; an ended flow waits so long for its decoded half */
	uint64_t suspect_ns;  /* 0: 1 s; a flow that was not decoded by then is suspect */
	uint64_t first_ns;    /* 0: 60 s; a flow that is open for so long gives a first record, */
	uint64_t interval_ns; /* 0: 10 minutes; and a new revision of it so often */
};

struct lt_flow_sink {
	void *arg;
	/* A flow to a known host begins: its process surely lives now. */
	void (*begins)(void *arg, const struct lt_event_flow *facts);
	/* It was not decoded yet: time to ask the process which TLS stack it has. */
	void (*suspect)(void *arg, const struct lt_event_flow *facts);
	/* A record is due. @call: the flow as a call, request and response bytes are those of the
	 * connection; @revision: 1 the first time, the record of a flow that goes on comes again
	 * with the next one; @last: it has ended, no other comes. */
	void (*flow)(void *arg, const struct lt_call *call, uint32_t revision, bool last);
	/* Asks the kernel for a flow event; negative: it cannot tell. May be NULL. */
	int (*look)(void *arg, uint64_t sock, uint64_t cookie);
};

struct lt_flows;

/* @catalog and what @sink points to must outlive it. */
LT_MUST_CHECK int lt_flows_new(const struct lt_flows_opts *opts, const struct lt_catalog *catalog,
			       const struct lt_flow_sink *sink, struct lt_flows **ret);
/* Every flow that is left gives its record, with the bytes that were known last. */
struct lt_flows *lt_flows_free(struct lt_flows *f);
LT_DEFINE_FREEP(lt_flows_free, struct lt_flows)

void lt_flows_hello(struct lt_flows *f, const struct lt_event_hello *event);
void lt_flows_event(struct lt_flows *f, const struct lt_event_flow *event);
/* The first request of a connection was decoded; @host: as the request names it. */
void lt_flows_decoded(struct lt_flows *f, const struct lt_conn *conn, struct lt_bytes host);
/* Call it every few ms; cheap when nothing is due. */
void lt_flows_tick(struct lt_flows *f, uint64_t now_ns);
/* Asks the kernel for the bytes of all open flows: before the end. */
void lt_flows_look(struct lt_flows *f);
size_t lt_flows_count(const struct lt_flows *f);
