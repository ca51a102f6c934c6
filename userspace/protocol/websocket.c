// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/websocket.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/protocol/inflate.h"

enum { HEADER_MAX = 14, PIECE = 4096, CONTROL_MAX = 125 };
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PONG = 10 };
enum state { HEADER, PAYLOAD, LOST };

struct frame {
	bool fin, rsv1, rsv, masked;
	unsigned opcode;
	uint64_t length;
	unsigned header_n; /* bytes of the header, 0: not whole yet */
	uint8_t mask[4];
};

struct lt_websocket {
	struct lt_websocket_opts opts;
	struct lt_websocket_sink sink;
	struct lt_inflate *inflate;
	enum state state;
	uint8_t header[HEADER_MAX];
	unsigned header_n;
	struct frame frame;
	uint64_t at;	 /* in the frame's payload */
	bool in_message; /* a data message has begun and not ended */
	bool compressed; /* that message */
	bool mute;	 /* what comes of it cannot be read */
	bool dead;	 /* nothing compressed can be read any more */
	uint8_t piece[PIECE];
};

static bool has_word(struct lt_bytes text, const char *word)
{
	return text.n > 0 && memmem(text.p, text.n, word, strlen(word));
}

struct lt_websocket_opts lt_websocket_agreed(struct lt_bytes extensions, bool from_client)
{
	const char *reset = from_client ? "client_no_context_takeover"
					: "server_no_context_takeover";

	return (struct lt_websocket_opts){
		.from_client = from_client,
		.deflate = has_word(extensions, "permessage-deflate"),
		.takeover = !has_word(extensions, reset),
	};
}

static void inflated(void *arg, struct lt_bytes data)
{
	struct lt_websocket *ws = arg;

	ws->sink.data(ws->sink.arg, data);
}

int lt_websocket_new(const struct lt_websocket_opts *opts, const struct lt_websocket_sink *sink,
		     struct lt_websocket **ret)
{
	lt_defer(lt_websocket_freep)
	struct lt_websocket *ws = lt_calloc(1, sizeof(*ws));
	struct lt_inflate_sink inflate = {.arg = ws, .bytes = inflated};
	int r = 0;

	if (!ws)
		return -ENOMEM;
	ws->opts = *opts;
	ws->sink = *sink;
	if (opts->deflate)
		r = lt_inflate_new_raw(&inflate, &ws->inflate);
	if (r < 0)
		return r;
	*ret = lt_take(ws);
	return 0;
}

struct lt_websocket *lt_websocket_free(struct lt_websocket *ws)
{
	if (!ws)
		return NULL;
	lt_inflate_free(ws->inflate);
	lt_free(ws);
	return NULL;
}

/* RFC 6455, 5.2. */
static void parse_frame(struct lt_bytes in, struct frame *f)
{
	unsigned length_n, n;

	f->header_n = 0;
	if (in.n < 2)
		return;
	f->fin = in.p[0] & 0x80;
	f->rsv1 = in.p[0] & 0x40;
	f->rsv = in.p[0] & 0x30;
	f->opcode = in.p[0] & 0x0f;
	f->masked = in.p[1] & 0x80;
	f->length = in.p[1] & 0x7f;
	length_n = f->length == 126 ? 2 : f->length == 127 ? 8 : 0;
	n = 2 + length_n + (f->masked ? 4 : 0);
	if (in.n < n)
		return;
	if (length_n > 0)
		f->length = 0;
	for (unsigned i = 0; i < length_n; i++)
		f->length = f->length << 8 | in.p[2 + i];
	if (f->masked)
		memcpy(f->mask, in.p + 2 + length_n, 4);
	f->header_n = n;
}

static bool is_control(const struct frame *f)
{
	return f->opcode >= CLOSE;
}

/* What holds for a frame wherever it stands. */
static bool is_legal(const struct lt_websocket *ws, const struct frame *f)
{
	if (f->rsv || f->masked != ws->opts.from_client || f->length >> 63 ||
	    (f->opcode > BINARY && f->opcode < CLOSE) || f->opcode > PONG)
		return false;
	if (is_control(f))
		return f->fin && !f->rsv1 && f->length <= CONTROL_MAX;
	return !f->rsv1 || (ws->opts.deflate && f->opcode != CONTINUATION);
}

static int frame_begins(struct lt_websocket *ws)
{
	const struct frame *f = &ws->frame;

	ws->header_n = 0;
	ws->at = 0;
	ws->state = PAYLOAD;
	if (!is_legal(ws, f))
		return -EBADMSG;
	if (is_control(f))
		return 0;
	if ((f->opcode == CONTINUATION) != ws->in_message)
		return -EBADMSG;
	if (f->opcode != CONTINUATION) {
		ws->in_message = true;
		ws->compressed = f->rsv1;
		ws->mute = f->rsv1 && ws->dead;
	}
	return 0;
}

static int frame_ends(struct lt_websocket *ws)
{
	int r = 0;

	ws->state = HEADER;
	if (is_control(&ws->frame) || !ws->frame.fin)
		return 0;
	if (ws->compressed && !ws->mute)
		r = lt_inflate_message_ends(ws->inflate, !ws->opts.takeover);
	ws->in_message = false;
	if (!ws->mute)
		ws->sink.message(ws->sink.arg);
	return r;
}

/* Returns bytes used. */
static ssize_t feed_header(struct lt_websocket *ws, struct lt_bytes in)
{
	size_t n = 0;

	while (n < in.n) {
		ws->header[ws->header_n++] = in.p[n++];
		parse_frame(lt_bytes(ws->header, ws->header_n), &ws->frame);
		if (ws->frame.header_n > 0) {
			int r = frame_begins(ws);

			if (r == 0 && ws->frame.length == 0)
				r = frame_ends(ws);
			return r < 0 ? r : (ssize_t)n;
		}
	}
	return (ssize_t)n;
}

static int deliver(struct lt_websocket *ws, struct lt_bytes data)
{
	if (is_control(&ws->frame) || ws->mute)
		return 0;
	if (ws->compressed)
		return lt_inflate_feed(ws->inflate, data);
	ws->sink.data(ws->sink.arg, data);
	return 0;
}

static ssize_t feed_payload(struct lt_websocket *ws, struct lt_bytes in)
{
	uint64_t left = ws->frame.length - ws->at;
	int r;

	if (in.n > left)
		in.n = (size_t)left;
	if (ws->frame.masked) {
		if (in.n > PIECE)
			in.n = PIECE;
		for (size_t i = 0; i < in.n; i++)
			ws->piece[i] = in.p[i] ^ ws->frame.mask[(ws->at + i) & 3];
		in.p = ws->piece;
	}
	r = deliver(ws, in);
	if (ws->frame.masked)
		lt_wipe(ws->piece, in.n); /* what was said does not stay with an idle connection */
	ws->at += in.n;
	if (r == 0 && ws->at == ws->frame.length)
		r = frame_ends(ws);
	return r < 0 ? r : (ssize_t)in.n;
}

/* Whether a frame may begin here, and the next one behind it if that is in sight. */
static bool begins_frame(const struct lt_websocket *ws, struct lt_bytes in)
{
	struct frame f;

	for (int i = 0; i < 3 && in.n > 0; i++) {
		parse_frame(in, &f);
		if (f.header_n == 0)
			return i > 0;
		if (!is_legal(ws, &f) || (i == 0 && f.opcode == CONTINUATION))
			return false;
		in = lt_bytes_skip(in, f.header_n);
		in = lt_bytes_skip(in, f.length < in.n ? (size_t)f.length : in.n);
	}
	return true;
}

int lt_websocket_feed(struct lt_websocket *ws, struct lt_bytes in)
{
	if (ws->state == LOST && begins_frame(ws, in))
		ws->state = HEADER;
	while (in.n > 0 && ws->state != LOST) {
		ssize_t used = ws->state == HEADER ? feed_header(ws, in) : feed_payload(ws, in);

		if (used < 0)
			return (int)used;
		in = lt_bytes_skip(in, (size_t)used);
	}
	return 0;
}

void lt_websocket_gap(struct lt_websocket *ws, uint64_t lost)
{
	bool control = ws->state == PAYLOAD && is_control(&ws->frame);

	if (ws->in_message && !control) {
		ws->dead |= ws->compressed;
		ws->mute = true;
	}
	if (ws->state == PAYLOAD && lost < ws->frame.length - ws->at) {
		ws->at += lost;
		return;
	}
	/* Whole messages may have gone, and their windows with them. */
	ws->dead |= ws->opts.deflate;
	ws->in_message = false;
	ws->header_n = 0;
	ws->state = LOST;
}
