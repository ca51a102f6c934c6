// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/proto_message.h"

#include <errno.h>

static int take_varint(struct lt_bytes *in, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in->n && i < 10; i++) {
		value |= (uint64_t)(in->p[i] & 0x7f) << 7 * i;
		if (in->p[i] & 0x80)
			continue;
		*in = lt_bytes_skip(*in, i + 1);
		*ret = value;
		return 0;
	}
	return -EBADMSG;
}

static int take_bytes(struct lt_bytes *in, uint64_t n, struct lt_bytes *ret)
{
	if (n > in->n)
		return -EBADMSG;
	*ret = lt_bytes(in->p, (size_t)n);
	*in = lt_bytes_skip(*in, (size_t)n);
	return 0;
}

static int take_value(struct lt_bytes *in, struct lt_proto_field *field)
{
	uint64_t n;
	int r;

	switch (field->kind) {
	case LT_PROTO_VARINT:
		return take_varint(in, &field->value);
	case LT_PROTO_FIXED64:
		return take_bytes(in, 8, &field->bytes);
	case LT_PROTO_FIXED32:
		return take_bytes(in, 4, &field->bytes);
	case LT_PROTO_BYTES:
		r = take_varint(in, &n);
		return r < 0 ? r : take_bytes(in, n, &field->bytes);
	}
	return -EBADMSG;
}

int lt_proto_next(struct lt_bytes *message, struct lt_proto_field *ret)
{
	struct lt_proto_field field = {0};
	uint64_t tag;
	int r;

	if (message->n == 0)
		return 0;
	r = take_varint(message, &tag);
	if (r < 0 || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return -EBADMSG;
	field.number = (uint32_t)(tag >> 3);
	field.kind = (enum lt_proto_kind)(tag & 7);
	r = take_value(message, &field);
	if (r < 0)
		return r;
	*ret = field;
	return 1;
}

struct lt_bytes lt_proto_get(struct lt_bytes message, uint32_t number)
{
	struct lt_bytes found = lt_bytes("", 0);
	struct lt_proto_field field;

	while (lt_proto_next(&message, &field) > 0) {
		if (field.number == number && field.kind == LT_PROTO_BYTES)
			found = field.bytes;
	}
	return found;
}

void lt_proto_pair(struct lt_bytes entry, struct lt_bytes *ret_key, struct lt_bytes *ret_value)
{
	*ret_key = lt_proto_get(entry, 1);
	*ret_value = lt_proto_get(entry, 2);
}

static void put_varint(struct lt_proto_out *out, uint64_t value)
{
	do {
		if (out->n == sizeof(out->at)) {
			out->full = true;
			return;
		}
		out->at[out->n++] = (uint8_t)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		value >>= 7;
	} while (value);
}

void lt_proto_put(struct lt_proto_out *out, uint32_t number, struct lt_bytes bytes)
{
	put_varint(out, (uint64_t)number << 3 | LT_PROTO_BYTES);
	put_varint(out, bytes.n);
	if (bytes.n > sizeof(out->at) - out->n) {
		out->full = true;
		return;
	}
	if (bytes.n > 0)
		memcpy(out->at + out->n, bytes.p, bytes.n);
	out->n += bytes.n;
}
