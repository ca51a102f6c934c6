/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC calls of runtimes: one request, any number of answers. Of an answer each field of its top
 * level is handed over as soon as it is whole, so that a list of all containers costs no more
 * memory than its largest entry.
 */
#pragma once

#include "userspace/workload/http.h"
#include "userspace/workload/proto_message.h"

enum { LT_GRPC_FIELD_MAX = 512 << 10 /* bytes; a larger field is left out */ };

struct lt_grpc_sink {
	/* A field of the message. Negative ends the call, which returns it. */
	int (*field)(void *arg, const struct lt_proto_field *field);
	/* The message has ended. May be NULL. */
	int (*end)(void *arg);
	void *arg;
};

/* What is within the body of an answer: messages with their length before them. */
struct lt_grpc_messages;

LT_MUST_CHECK int lt_grpc_messages_new(const struct lt_grpc_sink *sink,
				       struct lt_grpc_messages **ret);
struct lt_grpc_messages *lt_grpc_messages_free(struct lt_grpc_messages *m);
LT_DEFINE_FREEP(lt_grpc_messages_free, struct lt_grpc_messages)
/* -EBADMSG (no messages, compressed ones; stays so), -ENOMEM, what the sink returned. */
LT_MUST_CHECK int lt_grpc_messages_feed(struct lt_grpc_messages *m, struct lt_bytes in);
/* -EBADMSG: it ended in the middle of a message. */
LT_MUST_CHECK int lt_grpc_messages_finish(struct lt_grpc_messages *m);

struct lt_grpc_call {
	const char *path;	 /* "/runtime.v1.RuntimeService/ListContainers" */
	const char *header;	 /* one more "name: value", NULL: none */
	struct lt_bytes request; /* a message of at most LT_PROTO_OUT bytes */
	unsigned idle_ms;	 /* 0: as the client says */
	const atomic_bool *stop;
	struct lt_grpc_sink sink;
};

/*
 * By the status of the answer: 0, -ENXIO (not found), -EOPNOTSUPP (no such method), -EACCES,
 * -ECONNREFUSED (unavailable), else -EPROTO; or what lt_http_run and the sink say.
 */
LT_MUST_CHECK int lt_grpc_run(struct lt_http *http, const struct lt_grpc_call *call,
			      struct lt_problem *problem);
