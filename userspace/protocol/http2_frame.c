// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/http2_frame.h"

enum {
	SURE_FRAMES = 3,
	CHAIN_MAX = 64,
	FRAME_LENGTH_MAX = 1 << 20,
	STREAM_PLAUSIBLE_MAX = 1 << 24
};

uint32_t lt_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct lt_h2_frame lt_h2_frame(const uint8_t *p)
{
	return (struct lt_h2_frame){
		.length = lt_be32(p) >> 8,
		.type = p[3],
		.flags = p[4],
		.stream = lt_be32(p + 5) & 0x7fffffff,
	};
}

bool lt_h2_is_plausible(const struct lt_h2_frame *f)
{
	if (f->type > LT_H2_CONTINUATION || f->length > FRAME_LENGTH_MAX)
		return false;
	switch (f->type) {
	case LT_H2_SETTINGS:
		return f->stream == 0 && f->length % 6 == 0 && f->flags <= LT_H2_ACK;
	case LT_H2_PING:
		return f->stream == 0 && f->length == 8 && f->flags <= LT_H2_ACK;
	case LT_H2_GOAWAY:
		return f->stream == 0 && f->length >= 8 && f->flags == 0;
	case LT_H2_WINDOW_UPDATE:
		return f->length == 4 && f->flags == 0;
	case LT_H2_RST_STREAM:
		return f->stream != 0 && f->length == 4 && f->flags == 0;
	case LT_H2_PRIORITY:
		return f->stream != 0 && f->length == 5 && f->flags == 0;
	default:
		return f->stream != 0;
	}
}

/* Stricter than what is allowed: nobody told us that a frame begins here. */
static bool is_likely(const struct lt_h2_frame *f)
{
	static const uint8_t flags[] = {
		[LT_H2_DATA] = LT_H2_END_STREAM | LT_H2_PADDED,
		[LT_H2_HEADERS] = LT_H2_END_STREAM | LT_H2_END_HEADERS | LT_H2_PADDED |
				  LT_H2_WITH_PRIORITY,
		[LT_H2_SETTINGS] = LT_H2_ACK,
		[LT_H2_PING] = LT_H2_ACK,
		[LT_H2_CONTINUATION] = LT_H2_END_HEADERS,
	};

	if (!lt_h2_is_plausible(f) || f->type == LT_H2_PUSH_PROMISE ||
	    f->stream > STREAM_PLAUSIBLE_MAX || (f->stream != 0 && f->stream % 2 == 0))
		return false;
	if (f->length == 0 && f->stream != 0 && !(f->flags & LT_H2_END_STREAM))
		return false; /* a frame that says nothing */
	return f->type >= sizeof(flags) || (f->flags & ~flags[f->type]) == 0;
}

/* The number of frames from @in on, each as it should be; 0 when one is not. *@ret_exact: the last
 * one ends with @in. */
static unsigned chain(struct lt_bytes in, bool *ret_exact)
{
	unsigned seen = 0;

	*ret_exact = false;
	while (in.n >= LT_H2_FRAME_HEADER && seen < CHAIN_MAX) {
		struct lt_h2_frame f = lt_h2_frame(in.p);

		if (!is_likely(&f))
			return 0;
		seen++;
		in = lt_bytes_skip(in, LT_H2_FRAME_HEADER);
		if (f.length > in.n)
			return seen;
		in = lt_bytes_skip(in, f.length);
	}
	*ret_exact = in.n == 0;
	return seen;
}

/* The first field of a block is a pseudo-field: by its index in the static table (RFC 7541, A) or
 * by its name. */
static bool begins_head(struct lt_bytes block, enum lt_side side)
{
	const char *name = side == LT_SIDE_REQUEST ? ":method" : ":status";

	if (block.n > 0 && (block.p[0] >> 5) == 1)
		block = lt_bytes_skip(block, 1); /* a change of the table's size */
	if (block.n < 2)
		return false;
	if (memmem(block.p, block.n < 12 ? block.n : 12, name, 7))
		return true;
	if (side == LT_SIDE_RESPONSE)
		return (block.p[0] >= 0x88 && block.p[0] <= 0x8e) || block.p[0] == 0x48 ||
		       block.p[0] == 0x08 || block.p[0] == 0x18;
	/* ":authority" comes first from some. */
	return block.p[0] == 0x82 || block.p[0] == 0x83 || block.p[1] == 0x82 || block.p[1] == 0x83;
}

/* Whether the frame at @in has a header block that begins as a head of @side does. */
static bool is_head_of(struct lt_bytes in, enum lt_side side)
{
	struct lt_h2_frame f = lt_h2_frame(in.p);
	struct lt_bytes block = lt_bytes_skip(in, LT_H2_FRAME_HEADER);

	if (f.type != LT_H2_HEADERS || f.flags & LT_H2_PADDED)
		return false;
	if (block.n > f.length)
		block.n = f.length;
	return begins_head(lt_bytes_skip(block, f.flags & LT_H2_WITH_PRIORITY ? 5 : 0), side);
}

static bool is_head(struct lt_bytes in)
{
	return is_head_of(in, LT_SIDE_REQUEST) || is_head_of(in, LT_SIDE_RESPONSE);
}

size_t lt_h2_find_frames(struct lt_bytes in)
{
	size_t best = in.n;

	for (size_t at = 0; at + LT_H2_FRAME_HEADER <= in.n; at++) {
		bool exact;
		unsigned seen = chain(lt_bytes_skip(in, at), &exact);

		if (exact)
			return at;
		if (best == in.n && seen > 0 &&
		    (at == 0 || seen >= SURE_FRAMES || is_head(lt_bytes_skip(in, at))))
			best = at;
	}
	return best;
}

static bool begins_text(struct lt_bytes data, enum lt_side side)
{
	if (data.n < 6)
		return false;
	return data.p[0] == '{' || data.p[0] == '[' ||
	       (side == LT_SIDE_RESPONSE &&
		(memcmp(data.p, "data:", 5) == 0 || memcmp(data.p, "event:", 6) == 0));
}

bool lt_h2_holds_message(struct lt_bytes in, enum lt_side side)
{
	in = lt_bytes_skip(in, lt_h2_find_frames(in));
	while (in.n >= LT_H2_FRAME_HEADER) {
		struct lt_h2_frame f = lt_h2_frame(in.p);
		size_t n = f.length;

		if (is_head_of(in, side))
			return true;
		in = lt_bytes_skip(in, LT_H2_FRAME_HEADER);
		if (n > in.n)
			n = in.n;
		if (f.type == LT_H2_DATA && begins_text(lt_bytes(in.p, n), side))
			return true;
		in = lt_bytes_skip(in, n);
	}
	return false;
}
