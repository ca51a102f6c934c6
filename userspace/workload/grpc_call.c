// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/grpc_call.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"

enum {
	PREFIX = 5, /* compressed or not, and the length */
	VARINT_MAX = 10,
	FIRST_BYTES = 1024,
	/* https://grpc.io/docs/guides/status-codes */
	NOT_FOUND = 5,
	PERMISSION_DENIED = 7,
	UNIMPLEMENTED = 12,
	UNAVAILABLE = 14,
	UNAUTHENTICATED = 16,
};

enum state { AT_PREFIX, AT_TAG, AT_LENGTH, AT_VARINT, AT_BYTES };

struct lt_grpc_messages {
	struct lt_grpc_sink sink;
	enum state state;
	int failed;
	uint64_t left; /* bytes of this message */
	uint8_t small[VARINT_MAX];
	size_t small_n; /* gathered of a prefix or a varint */
	struct lt_proto_field field;
	uint64_t want; /* bytes of this field */
	uint64_t have;
	uint8_t *buffer;
	size_t room;
};

int lt_grpc_messages_new(const struct lt_grpc_sink *sink, struct lt_grpc_messages **ret)
{
	struct lt_grpc_messages *m = lt_calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->sink = *sink;
	*ret = m;
	return 0;
}

struct lt_grpc_messages *lt_grpc_messages_free(struct lt_grpc_messages *m)
{
	if (!m)
		return NULL;
	lt_wipe(m->buffer, m->room);
	lt_free(m->buffer);
	lt_free(m);
	return NULL;
}

static int end_message(struct lt_grpc_messages *m)
{
	m->state = AT_PREFIX;
	return m->sink.end ? m->sink.end(m->sink.arg) : 0;
}

static int end_field(struct lt_grpc_messages *m)
{
	int r = 0;

	m->state = AT_TAG;
	if (m->field.kind == LT_PROTO_VARINT || m->have == m->want)
		r = m->sink.field(m->sink.arg, &m->field);
	if (r < 0)
		return r;
	return m->left == 0 ? end_message(m) : 0;
}

static int take_prefix(struct lt_grpc_messages *m, uint8_t byte)
{
	m->small[m->small_n++] = byte;
	if (m->small_n < PREFIX)
		return 0;
	m->small_n = 0;
	if (m->small[0] != 0) /* compressed, which nobody asked for */
		return -EBADMSG;
	m->left = (uint32_t)m->small[1] << 24 | m->small[2] << 16 | m->small[3] << 8 | m->small[4];
	m->state = AT_TAG;
	return m->left == 0 ? end_message(m) : 0;
}

/* 1: *ret is whole. */
static int take_varint(struct lt_grpc_messages *m, uint8_t byte, uint64_t *ret)
{
	uint64_t value = 0;

	m->left--;
	m->small[m->small_n++] = byte;
	if (byte & 0x80)
		return m->small_n == VARINT_MAX || m->left == 0 ? -EBADMSG : 0;
	for (size_t i = 0; i < m->small_n; i++)
		value |= (uint64_t)(m->small[i] & 0x7f) << 7 * i;
	m->small_n = 0;
	*ret = value;
	return 1;
}

static int begin_bytes(struct lt_grpc_messages *m, uint64_t n)
{
	if (n > m->left)
		return -EBADMSG;
	m->want = n;
	m->have = 0;
	m->state = AT_BYTES;
	m->field.bytes = lt_bytes("", 0);
	return n == 0 ? end_field(m) : 0;
}

static int take_tag(struct lt_grpc_messages *m, uint8_t byte)
{
	uint64_t tag;
	int r = take_varint(m, byte, &tag);

	if (r <= 0)
		return r;
	if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return -EBADMSG;
	m->field = (struct lt_proto_field){.number = (uint32_t)(tag >> 3),
					   .kind = (enum lt_proto_kind)(tag & 7)};
	switch (m->field.kind) {
	case LT_PROTO_VARINT:
		m->state = AT_VARINT;
		return m->left == 0 ? -EBADMSG : 0;
	case LT_PROTO_BYTES:
		m->state = AT_LENGTH;
		return m->left == 0 ? -EBADMSG : 0;
	case LT_PROTO_FIXED64:
		return begin_bytes(m, 8);
	case LT_PROTO_FIXED32:
		return begin_bytes(m, 4);
	}
	return -EBADMSG;
}

static int make_room(struct lt_grpc_messages *m, size_t need)
{
	size_t room = m->room ? m->room : FIRST_BYTES;
	uint8_t *grown;

	if (need <= m->room)
		return 0;
	while (room < need)
		room *= 2;
	grown = lt_reallocarray(m->buffer, room, 1);
	if (!grown)
		return -ENOMEM;
	m->buffer = grown;
	m->room = room;
	return 0;
}

/* As much of the field as is there. Room is made as the bytes come, not as they are announced. */
static int take_bytes(struct lt_grpc_messages *m, struct lt_bytes *in)
{
	uint64_t rest = m->want - m->have;
	size_t n = in->n < rest ? in->n : (size_t)rest;
	bool keep = m->want <= LT_GRPC_FIELD_MAX;
	int r = keep ? make_room(m, (size_t)m->have + n) : 0;

	if (r < 0)
		return r;
	if (keep)
		memcpy(m->buffer + m->have, in->p, n);
	*in = lt_bytes_skip(*in, n);
	m->have += n;
	m->left -= n;
	if (m->have < m->want)
		return 0;
	m->field.bytes = lt_bytes(m->buffer, keep ? (size_t)m->have : 0);
	if (!keep)
		m->want = UINT64_MAX; /* not handed over */
	return end_field(m);
}

static int take_byte(struct lt_grpc_messages *m, uint8_t byte)
{
	uint64_t value;
	int r;

	switch (m->state) {
	case AT_PREFIX:
		return take_prefix(m, byte);
	case AT_TAG:
		return take_tag(m, byte);
	case AT_LENGTH:
		r = take_varint(m, byte, &value);
		return r <= 0 ? r : begin_bytes(m, value);
	case AT_VARINT:
		r = take_varint(m, byte, &m->field.value);
		return r <= 0 ? r : end_field(m);
	case AT_BYTES:
		break;
	}
	return -EBADMSG;
}

int lt_grpc_messages_feed(struct lt_grpc_messages *m, struct lt_bytes in)
{
	while (m->failed == 0 && in.n > 0) {
		if (m->state == AT_BYTES) {
			m->failed = take_bytes(m, &in);
			continue;
		}
		m->failed = take_byte(m, in.p[0]);
		in = lt_bytes_skip(in, 1);
	}
	return m->failed;
}

int lt_grpc_messages_finish(struct lt_grpc_messages *m)
{
	if (m->failed < 0)
		return m->failed;
	return m->state == AT_PREFIX && m->small_n == 0 ? 0 : -EBADMSG;
}

static int on_piece(void *arg, struct lt_bytes piece)
{
	return lt_grpc_messages_feed(arg, piece);
}

static int by_status(const struct lt_http_answer *answer, const char *path,
		     struct lt_problem *problem)
{
	if (answer->status != 200)
		return lt_problem_set(problem, -EPROTO, "", 0, "%s answers HTTP %u", path,
				      answer->status);
	switch (answer->grpc_status) {
	case 0:
		return 0;
	case NOT_FOUND:
		return -ENXIO;
	case UNIMPLEMENTED:
		return -EOPNOTSUPP;
	case PERMISSION_DENIED:
	case UNAUTHENTICATED:
		return -EACCES;
	case UNAVAILABLE:
		return -ECONNREFUSED;
	default:
		return lt_problem_set(problem, -EPROTO, "", 0, "%s answers gRPC status %d", path,
				      answer->grpc_status);
	}
}

int lt_grpc_run(struct lt_http *http, const struct lt_grpc_call *call, struct lt_problem *problem)
{
	const char *const headers[] = {"te: trailers", call->header, NULL};
	uint8_t body[PREFIX + LT_PROTO_OUT] = {0, 0, 0, (uint8_t)(call->request.n >> 8),
					       (uint8_t)call->request.n};
	struct lt_http_answer answer = {0};
	lt_defer(lt_grpc_messages_freep)
	struct lt_grpc_messages *messages = NULL;
	struct lt_http_request request = {.path = call->path,
					  .content_type = "application/grpc",
					  .headers = headers,
					  .idle_ms = call->idle_ms,
					  .stop = call->stop,
					  .piece = on_piece};
	int r;

	if (call->request.n > LT_PROTO_OUT)
		return -EMSGSIZE;
	if (call->request.n > 0)
		memcpy(body + PREFIX, call->request.p, call->request.n);
	request.body = lt_bytes(body, PREFIX + call->request.n);
	r = lt_grpc_messages_new(&call->sink, &messages);
	if (r < 0)
		return r;
	request.arg = messages;
	r = lt_http_run(http, &request, &answer, problem);
	if (r == 0)
		r = by_status(&answer, call->path, problem);
	return r < 0 ? r : lt_grpc_messages_finish(messages);
}
