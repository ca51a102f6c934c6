// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/event_stream.h"

#include "userspace/base/crc32.h"

enum { PRELUDE, HEADERS, PAYLOAD, CHECKSUM };
enum { NAME_LENGTH, NAME, TYPE, LENGTH_HIGH, LENGTH_LOW, VALUE };
enum { TYPE_BYTES = 6, TYPE_STRING = 7 };

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void lt_event_stream_init(struct lt_event_stream *s, const struct lt_event_stream_sink *sink)
{
	memset(s, 0, sizeof(*s));
	s->sink = *sink;
}

/* Sizes of the values of types 0 to 9; those of bytes and strings are stated. */
static uint32_t fixed_size(unsigned type)
{
	static const uint8_t size[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};

	return type < sizeof(size) ? size[type] : 0;
}

static char *place_of(struct lt_event_stream *s)
{
	struct lt_bytes name = lt_bytes(s->name, s->name_n);

	if (lt_bytes_is(name, ":message-type"))
		return s->head.message_type;
	if (lt_bytes_is(name, ":event-type"))
		return s->head.event_type;
	if (lt_bytes_is(name, ":exception-type") || lt_bytes_is(name, ":error-code"))
		return s->head.exception_type;
	return NULL;
}

static void begin_value(struct lt_event_stream *s, uint32_t size)
{
	s->value_left = size;
	s->value_n = 0;
	s->value = s->header_type == TYPE_STRING ? place_of(s) : NULL;
	if (s->value)
		memset(s->value, 0, LT_EVENT_WORD); /* a header twice: the last one holds */
	s->header_state = size > 0 ? VALUE : NAME_LENGTH;
}

/* False: no such header. */
static bool header_byte(struct lt_event_stream *s, uint8_t c)
{
	switch (s->header_state) {
	case NAME_LENGTH:
		s->name_left = c;
		s->name_n = 0;
		s->header_state = NAME;
		return c > 0;
	case NAME:
		if (s->name_n < sizeof(s->name))
			s->name[s->name_n++] = (char)c;
		if (--s->name_left == 0)
			s->header_state = TYPE;
		return true;
	case TYPE:
		s->header_type = c;
		if (c == TYPE_BYTES || c == TYPE_STRING)
			s->header_state = LENGTH_HIGH;
		else
			begin_value(s, fixed_size(c));
		return c <= 9;
	case LENGTH_HIGH:
		s->value_left = (uint32_t)c << 8;
		s->header_state = LENGTH_LOW;
		return true;
	case LENGTH_LOW:
		begin_value(s, s->value_left | c);
		return true;
	default:
		if (s->value && s->value_n < LT_EVENT_WORD - 1)
			s->value[s->value_n++] = (char)c;
		if (--s->value_left == 0)
			s->header_state = NAME_LENGTH;
		return true;
	}
}

/* One more byte of a prelude; when twelve of them do not check, the first one was none. */
static void prelude_byte(struct lt_event_stream *s, uint8_t c)
{
	uint32_t total, headers;

	s->prelude[s->n++] = c;
	if (s->n < sizeof(s->prelude))
		return;
	total = be32(s->prelude);
	headers = be32(s->prelude + 4);
	if (total < 16 || total > LT_EVENT_MESSAGE_MAX || headers > total - 16 ||
	    lt_crc32(0, lt_bytes(s->prelude, 8)) != be32(s->prelude + 8)) {
		memmove(s->prelude, s->prelude + 1, --s->n);
		s->skipped++;
		return;
	}
	s->crc = lt_crc32(0, lt_bytes(s->prelude, sizeof(s->prelude)));
	s->headers_left = headers;
	s->payload_left = total - 16 - headers;
	s->n = 0;
	s->header_state = NAME_LENGTH;
	memset(&s->head, 0, sizeof(s->head));
	s->state = HEADERS;
}

static void headers_end(struct lt_event_stream *s)
{
	s->sink.begin(s->sink.arg, &s->head);
	s->state = s->payload_left > 0 ? PAYLOAD : CHECKSUM;
	s->stated = 0;
}

static void feed_headers(struct lt_event_stream *s, struct lt_bytes in)
{
	s->crc = lt_crc32(s->crc, in);
	s->headers_left -= (uint32_t)in.n;
	for (size_t i = 0; i < in.n; i++) {
		if (!header_byte(s, in.p[i])) {
			/* Its prelude was right, so its end is known: the rest goes unread. */
			s->header_state = VALUE;
			s->value = NULL;
			s->value_left = UINT32_MAX;
		}
	}
	if (s->headers_left == 0)
		headers_end(s);
}

static void feed_payload(struct lt_event_stream *s, struct lt_bytes in)
{
	s->crc = lt_crc32(s->crc, in);
	s->payload_left -= (uint32_t)in.n;
	s->sink.data(s->sink.arg, in);
	if (s->payload_left == 0)
		s->state = CHECKSUM;
}

static void checksum_byte(struct lt_event_stream *s, uint8_t c)
{
	s->stated = s->stated << 8 | c;
	if (++s->n < 4)
		return;
	s->n = 0;
	s->state = PRELUDE;
	s->sink.end(s->sink.arg, s->stated == s->crc);
}

static struct lt_bytes at_most(struct lt_bytes in, size_t n)
{
	return lt_bytes(in.p, in.n < n ? in.n : n);
}

void lt_event_stream_feed(struct lt_event_stream *s, struct lt_bytes in)
{
	while (in.n > 0) {
		struct lt_bytes piece = at_most(in, 1);

		if (s->state == PRELUDE) {
			prelude_byte(s, in.p[0]);
			if (s->state == HEADERS && s->headers_left == 0)
				headers_end(s);
		} else if (s->state == HEADERS) {
			piece = at_most(in, s->headers_left);
			feed_headers(s, piece);
		} else if (s->state == PAYLOAD) {
			piece = at_most(in, s->payload_left);
			feed_payload(s, piece);
		} else {
			checksum_byte(s, in.p[0]);
		}
		in = lt_bytes_skip(in, piece.n);
	}
}
