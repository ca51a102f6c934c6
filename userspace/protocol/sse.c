// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/sse.h"

#include "userspace/base/cleanup.h"

/* Where in the stream we are. */
enum { LINE_START, FIELD_NAME, VALUE_START, DATA, EVENT_NAME, SKIP };

void lt_sse_init(struct lt_sse *s, const struct lt_sse_sink *sink)
{
	memset(s, 0, sizeof(*s));
	s->sink = *sink;
}

/* The line has ended: an empty one ends the event. */
static void end_line(struct lt_sse *s)
{
	if (s->state == LINE_START) {
		if (s->has_data)
			s->sink.event(s->sink.arg, s->name);
		s->has_data = false;
		s->name_n = 0;
		s->name[0] = '\0';
	} else if (s->state == FIELD_NAME && s->field_n == 4 && memcmp(s->field, "data", 4) == 0) {
		/* A field without a colon has the empty value. */
		if (s->has_data)
			s->sink.data(s->sink.arg, lt_bytes("\n", 1));
		s->has_data = true;
	}
	s->state = LINE_START;
	s->field_n = 0;
}

/* The field's name is whole: what becomes of its value. */
static void begin_value(struct lt_sse *s)
{
	s->state = VALUE_START;
	if (s->field_n == 4 && memcmp(s->field, "data", 4) == 0)
		return;
	if (s->field_n == 5 && memcmp(s->field, "event", 5) == 0) {
		s->name_n = 0;
		s->name[0] = '\0';
		return;
	}
	s->state = SKIP; /* id, retry, comments and what nobody knows */
}

/* One optional space after the colon is not part of the value. */
static size_t enter_value(struct lt_sse *s, struct lt_bytes in)
{
	if (s->field_n == 5) {
		s->state = EVENT_NAME;
	} else {
		if (s->has_data)
			s->sink.data(s->sink.arg, lt_bytes("\n", 1));
		s->has_data = true;
		s->state = DATA;
	}
	return in.p[0] == ' ' ? 1 : 0;
}

static void take_value(struct lt_sse *s, struct lt_bytes piece)
{
	if (piece.n == 0)
		return;
	if (s->state == DATA) {
		s->sink.data(s->sink.arg, piece);
	} else if (s->state == EVENT_NAME) {
		size_t room = LT_SSE_NAME_MAX - 1 - s->name_n;
		size_t n = piece.n < room ? piece.n : room;

		memcpy(s->name + s->name_n, piece.p, n);
		s->name_n += (unsigned)n;
		s->name[s->name_n] = '\0';
	}
}

/* Up to the line's end: LF mostly, a CR somewhere before it in rare streams. */
static size_t line_length(struct lt_bytes in)
{
	const uint8_t *lf = memchr(in.p, '\n', in.n);
	size_t n = lf ? (size_t)(lf - in.p) : in.n;
	const uint8_t *cr = memchr(in.p, '\r', n);

	return cr ? (size_t)(cr - in.p) : n;
}

/* Bytes of a field's name. */
static size_t take_name(struct lt_sse *s, struct lt_bytes in)
{
	size_t used = 0;

	s->state = FIELD_NAME;
	while (used < in.n && in.p[used] != '\n' && in.p[used] != '\r') {
		uint8_t c = in.p[used++];

		if (c == ':') {
			begin_value(s);
			return used;
		}
		if (s->field_n < sizeof(s->field))
			s->field[s->field_n++] = (char)c;
	}
	return used;
}

static size_t step(struct lt_sse *s, struct lt_bytes in)
{
	size_t n;

	if (in.p[0] == '\n' || in.p[0] == '\r') {
		/* A value that is still to come was empty: it counts as a line of its own. */
		if (s->state == VALUE_START)
			lt_ignore(enter_value(s, lt_bytes("", 1)));
		end_line(s);
		s->skip_lf = in.p[0] == '\r';
		return 1;
	}
	switch (s->state) {
	case LINE_START:
		s->field_n = 0;
		return take_name(s, in);
	case FIELD_NAME:
		return take_name(s, in);
	case VALUE_START:
		return enter_value(s, in);
	default:
		n = line_length(in);
		take_value(s, lt_bytes(in.p, n));
		return n;
	}
}

static void feed_lines(struct lt_sse *s, struct lt_bytes in)
{
	while (in.n > 0) {
		if (s->skip_lf) {
			s->skip_lf = false;
			if (in.p[0] == '\n') {
				in = lt_bytes_skip(in, 1);
				continue;
			}
		}
		in = lt_bytes_skip(in, step(s, in));
	}
}

/* Leaves out a byte order mark at the very start, however it is cut. */
static struct lt_bytes skip_bom(struct lt_sse *s, struct lt_bytes in)
{
	static const uint8_t bom[] = {0xef, 0xbb, 0xbf};

	while (!s->no_bom && in.n > 0) {
		if (in.p[0] == bom[s->bom_n]) {
			in = lt_bytes_skip(in, 1);
			s->no_bom = ++s->bom_n == sizeof(bom);
		} else {
			s->no_bom = true;
			feed_lines(s, lt_bytes(bom, s->bom_n));
		}
	}
	return in;
}

void lt_sse_feed(struct lt_sse *s, struct lt_bytes in)
{
	feed_lines(s, s->no_bom ? in : skip_bom(s, in));
}

void lt_sse_finish(struct lt_sse *s)
{
	if (s->state == VALUE_START)
		lt_ignore(enter_value(s, lt_bytes("", 1)));
	if (s->state != LINE_START)
		end_line(s);
	end_line(s);
}
