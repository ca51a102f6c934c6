// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/replay_http2.h"

#include <ctype.h>

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, CONTINUATION = 9 };
enum { END_STREAM = 1, END_HEADERS = 4 };
enum { DATA_BYTES = 1021, BLOCK_BYTES = 16384, OTHER_STREAM = 9 };

/* A header block in the making; what has no room is left out. */
struct block {
	uint8_t p[BLOCK_BYTES];
	size_t n;
};

static void frame(const struct lt_frames_sink *sink, unsigned type, unsigned flags, uint32_t stream,
		  struct lt_bytes payload)
{
	const uint8_t head[9] = {
		(uint8_t)(payload.n >> 16),
		(uint8_t)(payload.n >> 8),
		(uint8_t)payload.n,
		(uint8_t)type,
		(uint8_t)flags,
		(uint8_t)(stream >> 24),
		(uint8_t)(stream >> 16),
		(uint8_t)(stream >> 8),
		(uint8_t)stream,
	};

	sink->bytes(sink->arg, lt_bytes(head, sizeof(head)));
	if (payload.n > 0)
		sink->bytes(sink->arg, payload);
}

void lt_frames_begin(const struct lt_frames_sink *sink, bool client)
{
	if (client)
		sink->bytes(sink->arg, lt_bytes_str("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	frame(sink, SETTINGS, 0, 0, (struct lt_bytes){0});
}

/* RFC 7541, 5.1 and 5.2: a length with a prefix of seven bits, and the text as it is. */
static void put_text(struct block *b, struct lt_bytes text, bool lower)
{
	size_t rest = text.n;

	if (rest < 127) {
		b->p[b->n++] = (uint8_t)rest;
	} else {
		b->p[b->n++] = 127;
		for (rest -= 127; rest >= 128; rest >>= 7)
			b->p[b->n++] = (uint8_t)(rest | 128);
		b->p[b->n++] = (uint8_t)rest;
	}
	for (size_t i = 0; i < text.n; i++)
		b->p[b->n++] = (uint8_t)(lower ? tolower(text.p[i]) : text.p[i]);
}

static void put_field(struct block *b, struct lt_bytes name, struct lt_bytes value)
{
	if (b->n + name.n + value.n + 16 > sizeof(b->p))
		return;
	b->p[b->n++] = 0; /* literal, not indexed, new name */
	put_text(b, name, true);
	put_text(b, value, false);
}

static struct lt_bytes next_line(struct lt_bytes *text)
{
	const uint8_t *end = text->n ? memmem(text->p, text->n, "\r\n", 2) : NULL;
	struct lt_bytes line = end ? lt_bytes(text->p, (size_t)(end - text->p)) : *text;

	*text = lt_bytes_skip(*text, line.n + 2);
	return line;
}

static struct lt_bytes word(struct lt_bytes *line)
{
	const uint8_t *space = line->n ? memchr(line->p, ' ', line->n) : NULL;
	struct lt_bytes one = space ? lt_bytes(line->p, (size_t)(space - line->p)) : *line;

	*line = lt_bytes_skip(*line, one.n + 1);
	return one;
}

/* Fields that HTTP/2 has no use for (RFC 9113, 8.2.2). */
static bool is_of_connection(struct lt_bytes name)
{
	static const char *const names[] = {"connection",	 "keep-alive", "proxy-connection",
					    "transfer-encoding", "upgrade",    "host"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (lt_bytes_is_nocase(name, names[i]))
			return true;
	}
	return false;
}

static void put_first_line(struct block *b, struct lt_bytes line, bool request)
{
	struct lt_bytes first = word(&line), second = word(&line);

	if (request) {
		put_field(b, lt_bytes_str(":method"), first);
		put_field(b, lt_bytes_str(":scheme"), lt_bytes_str("https"));
		put_field(b, lt_bytes_str(":path"), second);
	} else {
		put_field(b, lt_bytes_str(":status"), second);
	}
}

static void put_fields(struct block *b, struct lt_bytes head, bool hosts)
{
	while (head.n > 0) {
		struct lt_bytes line = next_line(&head), name, value;
		const uint8_t *colon = line.n ? memchr(line.p, ':', line.n) : NULL;

		if (!colon)
			continue;
		name = lt_bytes(line.p, (size_t)(colon - line.p));
		value = lt_bytes_skip(line, name.n + 1);
		while (value.n > 0 && value.p[0] == ' ')
			value = lt_bytes_skip(value, 1);
		if (hosts && lt_bytes_is_nocase(name, "host"))
			put_field(b, lt_bytes_str(":authority"), value);
		else if (!hosts && !is_of_connection(name))
			put_field(b, name, value);
	}
}

static void other_stream(const struct lt_frames_sink *sink)
{
	frame(sink, DATA, 0, OTHER_STREAM,
	      lt_bytes_str("data: {\"usage\":{\"input_tokens\":1}}\n\n"));
}

void lt_frames_message(const struct lt_frames_sink *sink, uint32_t stream, struct lt_bytes head,
		       struct lt_bytes body, bool request)
{
	struct block block = {.n = 0};
	struct lt_bytes rest = head;
	size_t half;

	put_first_line(&block, next_line(&rest), request);
	if (request)
		put_fields(&block, rest, true);
	put_fields(&block, rest, false);
	half = block.n / 2;
	frame(sink, HEADERS, body.n == 0 ? END_STREAM : 0, stream, lt_bytes(block.p, half));
	frame(sink, CONTINUATION, END_HEADERS, stream, lt_bytes(block.p + half, block.n - half));
	while (body.n > 0) {
		size_t n = body.n < DATA_BYTES ? body.n : DATA_BYTES;

		other_stream(sink);
		frame(sink, DATA, n == body.n ? END_STREAM : 0, stream, lt_bytes(body.p, n));
		body = lt_bytes_skip(body, n);
	}
}
