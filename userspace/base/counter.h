/* SPDX-License-Identifier: Apache-2.0 */
/* Named counters of the process: everything that is lost or refused is one of them. Atomic, any
 * thread. */
#pragma once

#include <stdint.h>

/* X(identifier, name as shown, what it counts) */
#define LT_COUNTERS(X)                                                                             \
	X(EVENTS, "events", "events taken from the ring buffer")                                   \
	X(EVENTS_BAD, "events_bad", "events of unknown type or size (a bug)")                      \
	X(KERNEL_LOST_EVENTS, "kernel_lost_events", "events the kernel could not reserve")         \
	X(KERNEL_LOST_BYTES, "kernel_lost_bytes", "plaintext bytes in those events")               \
	X(KERNEL_CALLS_LOST, "kernel_calls_lost",                                                  \
	  "TLS calls not tracked because the call map was full")                                   \
	X(KERNEL_SHORT_READS, "kernel_short_reads", "TLS buffers the kernel side could not read")  \
	X(KERNEL_UNPAIRED, "kernel_unpaired",                                                      \
	  "answers over rustls whose connection is not known (older than the agent)")              \
	X(CONNECTIONS, "connections", "TLS connections seen")                                      \
	X(CONNECTIONS_EVICTED, "connections_evicted",                                              \
	  "connections closed because the table was full")                                         \
	X(STREAM_GAPS, "stream_gaps", "holes in a connection's bytes")                             \
	X(STREAM_GAP_BYTES, "stream_gap_bytes", "bytes in those holes")                            \
	X(STREAM_REORDERED, "stream_reordered",                                                    \
	  "chunks that arrived out of order and were put right")                                   \
	X(HTTP2_CONNECTIONS, "http2_connections",                                                  \
	  "connections that speak HTTP/2, which is not decoded yet")                               \
	X(PARSE_ERRORS, "parse_errors",                                                            \
	  "connections given up because the bytes broke the protocol")                             \
	X(HEADER_TOO_LARGE, "header_too_large", "messages whose header block passed the ceiling")  \
	X(INFLATE_ERRORS, "inflate_errors", "bodies whose content-encoding could not be undone")   \
	X(EXCHANGES, "exchanges", "HTTP exchanges seen on watched connections")                    \
	X(EXCHANGES_EVICTED, "exchanges_evicted", "exchanges ended early by a ceiling")            \
	X(DECODE_BAD_JSON, "decode_bad_json", "bodies that are not the JSON they claim to be")     \
	X(CALLS, "calls", "calls decoded into a record")                                           \
	X(CALLS_UNPRICED, "calls_unpriced", "calls with usage but no price")                       \
	X(FLOWS, "flows", "connections to AI hosts that nobody could read")                        \
	X(FLOWS_UNNAMED, "flows_unnamed",                                                          \
	  "connections whose ClientHello names no host, or was not seen whole")                    \
	X(FLOWS_EVICTED, "flows_evicted", "flows ended early because the table was full")          \
	X(PROCESSES, "processes", "processes seen")                                                \
	X(RUN_PROCESSES_EVICTED, "run_processes_evicted",                                          \
	  "processes of agents' runs forgotten because the table was full")                        \
	X(PROCESSES_EVICTED, "processes_evicted",                                                  \
	  "processes forgotten because the table was full")                                        \
	X(IMAGES, "images", "executable files examined")                                           \
	X(ATTACHMENTS, "attachments", "files with probes attached")                                \
	X(ATTACH_ERRORS, "attach_errors", "files to which probes could not be attached")           \
	X(MAP_EVENTS_LOST, "map_events_lost",                                                      \
	  "notices of new mappings lost (the sweep finds them)")                                   \
	X(RUNTIME_ASKS_DROPPED, "runtime_asks_dropped",                                            \
	  "containers not looked up because a runtime had too many to answer for")                 \
	X(RECORDS_QUEUED, "records_queued", "records handed to the ledger writer")                 \
	X(RECORDS_DROPPED, "records_dropped", "records lost because the writer's queue was full")  \
	X(RECORDS_WRITTEN, "records_written", "records committed to the ledger")                   \
	X(SINK_DELIVERED, "sink_delivered", "records that sinks took, each sink counted")          \
	X(SINK_DEAD, "sink_dead_letters", "records, or requests, that a sink will never take")     \
	X(SINK_RETRIES, "sink_retries", "requests to sinks that failed and are sent again")        \
	X(SINK_ERRORS, "sink_errors", "failures to read the ledger for a sink")                    \
	X(RECORDS_AMENDED, "records_amended", "records that an orchestrator's answer completed")   \
	X(LEDGER_ERRORS, "ledger_errors", "failed attempts to write a batch")

enum lt_counter {
#define LT_X(id, name, help) LT_C_##id,
	LT_COUNTERS(LT_X)
#undef LT_X
		LT_COUNTER_COUNT,
};

void lt_counter_add(enum lt_counter counter, uint64_t n);
void lt_counter_set(enum lt_counter counter, uint64_t n);
uint64_t lt_counter_get(enum lt_counter counter);
const char *lt_counter_name(enum lt_counter counter);
const char *lt_counter_help(enum lt_counter counter);
