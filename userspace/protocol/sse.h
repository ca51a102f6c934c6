/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events, incremental (WHATWG HTML, "server-sent events"). LF, CRLF and CR line ends,
 * comments, several data lines in one event, a last event without its blank line (flushed by
 * finish). Constant memory: data is passed on in pieces as it comes, never gathered.
 */
#pragma once

#include "userspace/base/bytes.h"

enum { LT_SSE_NAME_MAX = 64 };

struct lt_sse_sink {
	void *arg;
	/* A piece of the event's data; several data lines are joined by "\n". */
	void (*data)(void *arg, struct lt_bytes piece);
	/* The event ends. @name is its event field, "" when it has none. Not called for events
	 * without data. */
	void (*event)(void *arg, const char *name);
};

/* Plain state; init it by zero plus the sink. */
struct lt_sse {
	struct lt_sse_sink sink;
	unsigned state;
	bool has_data;	/* this event has had a data line */
	bool skip_lf;	/* the last byte was CR */
	bool no_bom;	/* past the first bytes */
	unsigned bom_n; /* bytes of a byte order mark so far */
	unsigned field_n;
	char field[8];
	unsigned name_n;
	char name[LT_SSE_NAME_MAX];
};

void lt_sse_init(struct lt_sse *s, const struct lt_sse_sink *sink);
void lt_sse_feed(struct lt_sse *s, struct lt_bytes in);
/* The stream has ended: an event in progress is passed on. */
void lt_sse_finish(struct lt_sse *s);
