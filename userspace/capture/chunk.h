/* SPDX-License-Identifier: Apache-2.0 */
/* What capture emits: pieces of plaintext with their connection and position, and what happened to
 * processes. */
#pragma once

#include "bpf/events.h"
#include "userspace/base/bytes.h"

struct lt_conn_key {
	uint32_t tgid;
	uint64_t ctx;
	uint64_t generation;
};

/* Where a record's bytes were captured; the name of it in records. */
/* Facts of a connection, as the kernel stamped them. Owned by the stream table, borrowed by all
 * after it. */
struct lt_conn {
	struct lt_conn_key key;
	uint64_t process_start_ns; /* boot time */
	uint64_t cgroup_id;
	uint32_t uid;
	uint32_t slot; /* of the verdict */
	enum lt_library library;
	char server_name[LT_NAME_SIZE]; /* SNI, "" when not seen */
	uint16_t peer_family;		/* 0 when not seen */
	uint16_t peer_port;
	uint8_t peer_address[16];
	uint64_t socket_cookie; /* 0 when not seen */
};

/* A piece of plaintext. Everything in it is borrowed until the sink returns. */
struct lt_chunk {
	const struct lt_event_conn *conn; /* key and process facts */
	enum lt_library library;
	enum lt_dir dir;
	uint64_t ts_ns; /* boot time */
	uint64_t position;
	uint64_t lost; /* bytes of this direction lost by the kernel so far */
	struct lt_bytes data;
};

/* Implemented by the stream room (data, name, peer, close) and by cmd/pipeline (processes). */
struct lt_capture_sink {
	void *arg;
	void (*data)(void *arg, const struct lt_chunk *chunk);
	void (*name)(void *arg, const struct lt_event_name *event);
	void (*peer)(void *arg, const struct lt_event_peer *event);
	/* The text holds secrets of the process: keep what is asked for, nothing else. */
	void (*environ)(void *arg, const struct lt_event_environ *event);
	void (*close)(void *arg, const struct lt_event_close *event);
	void (*exec)(void *arg, const struct lt_event_exec *event);
	void (*fork)(void *arg, const struct lt_event_fork *event);
	void (*exit)(void *arg, const struct lt_event_exit *event);
	/* May be NULL. */
	void (*cgroup)(void *arg, const struct lt_event_cgroup *event);
	/* Of connections to the flow ports, whoever encrypts them. May be NULL. */
	void (*hello)(void *arg, const struct lt_event_hello *event);
	void (*flow)(void *arg, const struct lt_event_flow *event);
};
