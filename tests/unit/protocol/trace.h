/* SPDX-License-Identifier: Apache-2.0 */
/* A sink that writes what it is told as text; adjacent body pieces are one, so that splits leave no
 * trace. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/protocol/protocol.h"

struct trace {
	char text[65536];
	size_t n;
	struct lt_exchange *body_of; /* the body line that is open */
	enum lt_side body_side;
	unsigned open; /* exchanges without their end */
	bool times_wrong;
};

static void trace_bytes(struct trace *t, struct lt_bytes b)
{
	assert_true(t->n + b.n < sizeof(t->text));
	if (b.n > 0)
		memcpy(t->text + t->n, b.p, b.n);
	t->n += b.n;
	t->text[t->n] = '\0';
}

static void LT_PRINTF(2, 3) trace_line(struct trace *t, const char *format, ...)
{
	char line[512];
	va_list args;

	if (t->body_of)
		trace_bytes(t, lt_bytes("\n", 1));
	t->body_of = NULL;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	trace_bytes(t, lt_bytes_str(line));
}

/* The target says what the consumer wants. */
static enum lt_interest trace_request(void *arg, struct lt_exchange *x,
				      const struct lt_http_head *head)
{
	struct trace *t = arg;

	x->user = t;
	t->open++;
	trace_line(t, "REQ%u %.*s %.*s [%.*s]:%u %zu%s\n", (unsigned)x->ordinal,
		   (int)head->method.n, (const char *)head->method.p, (int)head->target.n,
		   (const char *)head->target.p, (int)head->host.n, (const char *)head->host.p,
		   head->port, head->field_count, x->joined ? " joined" : "");
	if (lt_bytes_starts(head->target, "/none"))
		return LT_INTEREST_NONE;
	if (lt_bytes_starts(head->target, "/head"))
		return LT_INTEREST_HEAD;
	if (lt_bytes_starts(head->target, "/never"))
		return LT_INTEREST_CONNECTION_NONE;
	return LT_INTEREST_BODIES;
}

static void trace_response(void *arg, struct lt_exchange *x, const struct lt_http_head *head)
{
	assert_ptr_equal(x->user, arg);
	trace_line(arg, "RESP%u %u %zu\n", (unsigned)x->ordinal, head->status, head->field_count);
}

static void trace_body(void *arg, struct lt_exchange *x, enum lt_side side, struct lt_bytes data)
{
	struct trace *t = arg;

	assert_ptr_equal(x->user, arg);
	assert_true(data.n > 0);
	if (t->body_of != x || t->body_side != side) {
		trace_line(t, "%s%u ", side == LT_SIDE_REQUEST ? ">" : "<", (unsigned)x->ordinal);
		t->body_of = x;
		t->body_side = side;
	}
	trace_bytes(t, data);
}

static void trace_gap(void *arg, struct lt_exchange *x, enum lt_side side, uint64_t lost)
{
	assert_ptr_equal(x->user, arg);
	trace_line(arg, "GAP%s%u %u\n", side == LT_SIDE_REQUEST ? ">" : "<", (unsigned)x->ordinal,
		   (unsigned)lost);
}

static void trace_message(void *arg, struct lt_exchange *x, enum lt_side side)
{
	assert_ptr_equal(x->user, arg);
	trace_line(arg, "MESSAGE%s%u\n", side == LT_SIDE_REQUEST ? ">" : "<", (unsigned)x->ordinal);
}

static void trace_trailer(void *arg, struct lt_exchange *x, const struct lt_http_head *trailer)
{
	assert_ptr_equal(x->user, arg);
	trace_line(arg, "TRAILER%u %zu\n", (unsigned)x->ordinal, trailer->field_count);
}

static void trace_end(void *arg, struct lt_exchange *x, enum lt_end why)
{
	static const char *const names[] = {
		[LT_END_COMPLETE] = "complete",
		[LT_END_CLIENT_ABORT] = "abort",
		[LT_END_NO_RESPONSE] = "no-response",
		[LT_END_GAP] = "gap",
		[LT_END_PROTOCOL_ERROR] = "protocol-error",
		[LT_END_UPGRADED] = "upgraded",
		[LT_END_EVICTED] = "evicted",
	};
	struct trace *t = arg;

	assert_ptr_equal(x->user, arg);
	assert_true(t->open-- > 0);
	if (x->first_byte_ns == 0 || x->last_ns < x->first_byte_ns ||
	    (x->first_response_ns && x->last_ns < x->first_response_ns))
		t->times_wrong = true;
	trace_line(t, "END%u %s %u/%u%s%s%s%s", (unsigned)x->ordinal, names[why],
		   (unsigned)x->request_body_bytes, (unsigned)x->response_body_bytes,
		   x->lost[0] ? " lost>" : "", x->lost[1] ? " lost<" : "",
		   x->body_error[0] ? " error>" : "", x->body_error[1] ? " error<" : "");
	if (x->lost_bytes > 0)
		trace_line(t, " %u missing", (unsigned)x->lost_bytes);
	trace_line(t, "\n");
}

static inline struct lt_exchange_sink trace_sink(struct trace *t)
{
	return (struct lt_exchange_sink){
		.arg = t,
		.request = trace_request,
		.response = trace_response,
		.body = trace_body,
		.body_gap = trace_gap,
		.message = trace_message,
		.trailer = trace_trailer,
		.end = trace_end,
	};
}
