// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2, both sides of one connection, bytes in any split (RFC 9113).
 *
 * Header blocks are gathered, because HPACK needs them whole; DATA never is. Every block is
 * decoded, whoever it is for: one that is left out would break the table for all that follow.
 *
 * A connection may be joined in the middle: frames are then looked for, heads are what does not
 * refer to the part of the table that we have not seen, and a stream whose head went by is an
 * exchange without one (x.joined).
 */
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"
#include "userspace/protocol/hpack.h"
#include "userspace/protocol/http2_frame.h"
#include "userspace/protocol/inflate.h"
#include "userspace/protocol/protocol.h"

enum {
	STREAMS_MAX = 256, /* open at one time */
	FRAME_MAX = 1 << 24,
	BLOCK_STEP = 2048,
};

enum { SETTINGS_HEADER_TABLE_SIZE = 1 };
enum state { PREFACE, HEADER, PAD_LENGTH, PAYLOAD, GATHER, SKIP, LOST };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct node {
	struct lt_exchange x;
	struct node *next;
	enum lt_interest interest;
	bool done[2]; /* by side: its message has ended */
	bool response_begun;
	bool head_seen[2];
	struct lt_inflate *inflate[2];
	bool no_inflate[2];
	struct lt_parser *parser;
	enum lt_side decoding;
};

/* One direction of the connection. */
struct side {
	enum lt_side side;
	enum state state;
	unsigned n; /* bytes of the preface or frame header so far */
	uint8_t header[LT_H2_FRAME_HEADER];
	struct lt_h2_frame frame;
	uint32_t left; /* of the frame */
	uint32_t pad;  /* of that, padding at the end */
	struct lt_hpack *hpack;
	uint8_t *block; /* a frame's payload, or a header block over several frames */
	size_t block_n, block_size;
	struct lt_h2_frame head; /* the frame that the block began with */
	bool in_block;		 /* CONTINUATION has to follow */
	bool poisoned;		 /* a block was lost: the table is not what the sender thinks */
};

struct lt_parser {
	const struct lt_conn *conn;
	const struct lt_exchange_sink *sink;
	struct side sides[2];
	struct node *nodes; /* newest first */
	unsigned count;
	uint64_t ordinal;
	uint64_t now_ns;
	uint32_t last_stream; /* the newest that was asked on */
	bool wanted;	      /* some exchange was of interest */
	bool begun, joined;
	enum lt_parser_state state;
};

static enum lt_sniff sniff(struct lt_bytes in, enum lt_side side)
{
	size_t n = sizeof(preface) - 1;

	if (side == LT_SIDE_RESPONSE || in.n == 0 ||
	    memcmp(in.p, preface, in.n < n ? in.n : n) != 0)
		return LT_SNIFF_NO;
	return in.n < 16 ? LT_SNIFF_MORE : LT_SNIFF_YES;
}

/* In the middle of a connection: frames that hold the beginning of a message. */
static enum lt_sniff sniff_joined(struct lt_bytes in, enum lt_side side)
{
	return lt_h2_holds_message(in, side) ? LT_SNIFF_YES : LT_SNIFF_NO;
}

/* Heads of streams that nobody has asked on (RFC 9113, 5.1.1: their numbers grow). */
static bool early(const struct lt_parser *p, struct lt_bytes answer)
{
	const struct side *s = &p->sides[LT_SIDE_RESPONSE];

	if (s->state != HEADER || s->n > 0 || s->poisoned)
		return false;
	while (answer.n >= LT_H2_FRAME_HEADER) {
		struct lt_h2_frame f = lt_h2_frame(answer.p);

		if (f.type == LT_H2_HEADERS && f.stream % 2 == 1 && f.stream > p->last_stream)
			return true;
		answer = lt_bytes_skip(answer, LT_H2_FRAME_HEADER + (size_t)f.length);
	}
	return false;
}

static struct lt_parser *free_parser(struct lt_parser *p)
{
	for (int i = 0; i < 2; i++) {
		struct side *s = &p->sides[i];

		lt_hpack_free(s->hpack);
		if (s->block)
			lt_wipe(s->block, s->block_size);
		lt_free(s->block);
	}
	lt_free(p);
	return NULL;
}

static int open_parser(const struct lt_conn *conn, const struct lt_exchange_sink *sink,
		       struct lt_parser **ret)
{
	struct lt_parser *p = lt_calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->conn = conn;
	p->sink = sink;
	for (int i = 0; i < 2; i++) {
		p->sides[i].side = (enum lt_side)i;
		p->sides[i].state = i == LT_SIDE_REQUEST ? PREFACE : HEADER;
		if (lt_hpack_new(&p->sides[i].hpack) < 0) {
			free_parser(p);
			return -ENOMEM;
		}
	}
	lt_counter_add(LT_C_HTTP2_CONNECTIONS, 1);
	*ret = p;
	return 0;
}

int lt_http2_adopt(const struct lt_conn *conn, const struct lt_exchange_sink *sink,
		   const struct lt_exchange *x, enum lt_interest interest, struct lt_parser **ret)
{
	struct node *node = lt_calloc(1, sizeof(*node));
	struct lt_parser *p = NULL;

	if (!node || open_parser(conn, sink, &p) < 0) {
		lt_free(node);
		return -ENOMEM;
	}
	node->x = *x;
	node->x.stream_id = 1;
	node->parser = p;
	node->interest = interest;
	node->done[LT_SIDE_REQUEST] = node->head_seen[LT_SIDE_REQUEST] = true;
	p->nodes = node;
	p->count = p->last_stream = 1;
	p->ordinal = x->ordinal + 1;
	p->now_ns = x->last_ns;
	p->begun = true;
	p->wanted = interest != LT_INTEREST_NONE;
	/* How large a table the client allows stood in a field of its request. */
	lt_hpack_allow(p->sides[LT_SIDE_RESPONSE].hpack, UINT32_MAX);
	if (sink->moved)
		sink->moved(sink->arg, &node->x);
	*ret = p;
	return 0;
}

/* ---- exchanges ---- */

static struct node *find_node(const struct lt_parser *p, uint32_t stream)
{
	struct node *node = p->nodes;

	while (node && node->x.stream_id != stream)
		node = node->next;
	return node;
}

static void end_node(struct lt_parser *p, struct node *node, enum lt_end why)
{
	struct node **link = &p->nodes;

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	p->count--;
	for (int i = 0; i < 2; i++)
		lt_inflate_free(node->inflate[i]);
	p->sink->end(p->sink->arg, &node->x, why);
	lt_free(node);
}

static void evict_oldest(struct lt_parser *p)
{
	struct node *node = p->nodes;

	while (node->next)
		node = node->next;
	lt_counter_add(LT_C_EXCHANGES_EVICTED, 1);
	end_node(p, node, LT_END_EVICTED);
}

static bool wants_bodies(const struct node *node)
{
	return node->interest == LT_INTEREST_BODIES;
}

static void decoded(void *arg, struct lt_bytes data)
{
	struct node *node = arg;
	const struct lt_exchange_sink *sink = node->parser->sink;

	sink->body(sink->arg, &node->x, node->decoding, data);
}

static void body_breaks(struct node *node, enum lt_side side)
{
	lt_counter_add(LT_C_INFLATE_ERRORS, 1);
	node->x.body_error[side] = true;
	node->inflate[side] = lt_inflate_free(node->inflate[side]);
	node->no_inflate[side] = true;
}

static void deliver(struct lt_parser *p, enum lt_side side, struct node *node, struct lt_bytes data)
{
	if (!node || data.n == 0)
		return;
	node->x.last_ns = p->now_ns;
	if (side == LT_SIDE_REQUEST)
		node->x.request_body_bytes += data.n;
	else
		node->x.response_body_bytes += data.n;
	if (!wants_bodies(node) || node->no_inflate[side])
		return;
	node->decoding = side;
	if (!node->inflate[side])
		p->sink->body(p->sink->arg, &node->x, side, data);
	else if (lt_inflate_feed(node->inflate[side], data) < 0)
		body_breaks(node, side);
}

static void side_ends(struct lt_parser *p, enum lt_side side, struct node *node)
{
	if (!node)
		return;
	node->done[side] = true;
	if (side == LT_SIDE_REQUEST)
		node->x.request_end_ns = p->now_ns;
	if (node->done[LT_SIDE_REQUEST] && node->done[LT_SIDE_RESPONSE])
		end_node(p, node, LT_END_COMPLETE);
}

static void begin_body(struct node *node, enum lt_side side, const struct lt_http_head *head)
{
	struct lt_inflate_sink sink = {.arg = node, .bytes = decoded};

	if (wants_bodies(node) && lt_inflate_new(lt_http_field(head, "content-encoding"), &sink,
						 &node->inflate[side]) < 0)
		body_breaks(node, side);
}

static int request_begins(struct lt_parser *p, uint32_t stream, const struct lt_http_head *head,
			  bool joined)
{
	struct node *node = lt_calloc(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	if (p->count == STREAMS_MAX)
		evict_oldest(p);
	node->parser = p;
	node->x.conn = p->conn;
	node->x.stream_id = stream;
	node->x.ordinal = p->ordinal++;
	node->x.joined = joined;
	node->x.first_byte_ns = node->x.last_ns = p->now_ns;
	node->next = p->nodes;
	p->nodes = node;
	p->count++;
	if (stream > p->last_stream)
		p->last_stream = stream;
	lt_counter_add(LT_C_EXCHANGES, 1);
	node->interest = p->sink->request(p->sink->arg, &node->x, head);
	if (node->interest == LT_INTEREST_CONNECTION_NONE) {
		/* Other streams may go to other hosts: one that was wanted keeps the connection. */
		node->interest = LT_INTEREST_NONE;
		if (!p->wanted)
			p->state = LT_PARSER_IGNORE;
	} else {
		p->wanted = true;
	}
	begin_body(node, LT_SIDE_REQUEST, head);
	return 0;
}

static void response_begins(struct lt_parser *p, struct node *node, const struct lt_http_head *head)
{
	node->response_begun = true;
	node->x.status = head->status;
	node->x.first_response_ns = node->x.last_ns = p->now_ns;
	if (node->interest == LT_INTEREST_BODIES || node->interest == LT_INTEREST_HEAD)
		p->sink->response(p->sink->arg, &node->x, head);
	begin_body(node, LT_SIDE_RESPONSE, head);
}

/* A stream that began before the connection was joined. */
static int unseen_begins(struct lt_parser *p, uint32_t stream)
{
	const struct lt_http_head unknown = {.side = LT_SIDE_REQUEST};
	int r = request_begins(p, stream, &unknown, true);
	struct node *node = find_node(p, stream);

	if (r == 0 && node)
		node->done[LT_SIDE_REQUEST] = true; /* as far as will be seen */
	return r;
}

/* Streams open in order, so one below the first that was seen to begin was there before. */
static bool is_new(const struct side *s, uint32_t stream)
{
	return s->poisoned && stream % 2 == 1;
}

/* A whole header block: a head, or the fields behind a body. */
static int head_arrives(struct lt_parser *p, struct side *s, uint32_t stream, bool ends,
			const struct lt_http_head *head, bool broken)
{
	struct node *node = find_node(p, stream);
	int r = 0;

	if (!node && s->side == LT_SIDE_REQUEST) {
		r = request_begins(p, stream, head, broken);
		node = find_node(p, stream);
	} else if (!node && p->joined && is_new(s, stream)) {
		r = unseen_begins(p, stream);
		node = find_node(p, stream);
	}
	if (r < 0)
		return r;
	if (node && s->side == LT_SIDE_RESPONSE && !node->response_begun) {
		if (head->status < 200 && !broken)
			return 0;
		response_begins(p, node, head);
	} else if (node && node->head_seen[s->side] && wants_bodies(node) && p->sink->trailer) {
		p->sink->trailer(p->sink->arg, &node->x, head);
	}
	if (node)
		node->head_seen[s->side] = true;
	if (ends)
		side_ends(p, s->side, node);
	return 0;
}

/* ---- frames ---- */

static int gather(struct side *s, struct lt_bytes in)
{
	size_t need = s->block_n + in.n;
	uint8_t *block;

	if (need > LT_HEAD_BYTES_MAX) {
		lt_counter_add(LT_C_HEADER_TOO_LARGE, 1);
		return -EBADMSG;
	}
	if (need > s->block_size) {
		size_t size = need < BLOCK_STEP ? BLOCK_STEP : need * 2;

		block = lt_calloc(1, size);
		if (!block)
			return -ENOMEM;
		if (s->block_n > 0)
			memcpy(block, s->block, s->block_n);
		if (s->block)
			lt_wipe(s->block, s->block_size);
		lt_free(s->block);
		s->block = block;
		s->block_size = size;
	}
	if (in.n > 0)
		memcpy(s->block + s->block_n, in.p, in.n);
	s->block_n = need;
	return 0;
}

/* Cuts a HEADERS or PUSH_PROMISE frame's padding, priority and promised stream off the block. */
static int trim_block(struct side *s, const struct lt_h2_frame *f)
{
	size_t front = 0, back = 0;

	if (f->flags & LT_H2_PADDED) {
		if (s->block_n < 1)
			return -EBADMSG;
		back = s->block[0];
		front = 1;
	}
	if (f->type == LT_H2_HEADERS && f->flags & LT_H2_WITH_PRIORITY)
		front += 5;
	if (f->type == LT_H2_PUSH_PROMISE)
		front += 4;
	if (front + back > s->block_n)
		return -EBADMSG;
	s->block_n -= front + back;
	if (front > 0)
		memmove(s->block, s->block + front, s->block_n);
	return 0;
}

static int block_ends(struct lt_parser *p, struct side *s)
{
	struct lt_http_head head;
	size_t skipped;
	int r;

	s->in_block = false;
	r = (s->poisoned ? lt_hpack_decode_part : lt_hpack_decode)(
		s->hpack, s->block ? lt_bytes(s->block, s->block_n) : lt_bytes_str(""), s->side,
		&head, &skipped);
	if (s->block)
		lt_wipe(s->block, s->block_n);
	s->block_n = 0;
	if (skipped > 0)
		lt_counter_add(LT_C_HEADER_TOO_LARGE, 1);
	/* A table that is whole decodes everything: then the bytes are wrong. */
	if (r < 0 && !s->poisoned)
		return r;
	if (s->head.type == LT_H2_HEADERS)
		r = head_arrives(p, s, s->head.stream, s->head.flags & LT_H2_END_STREAM, &head,
				 r < 0);
	else
		r = 0; /* a push promise: its block had to go through the table, nothing else */
	lt_hpack_wipe(s->hpack);
	return r;
}

static void settings_arrive(struct lt_parser *p, struct side *s)
{
	/* What this side can decode is how large the other side's table may be. */
	struct side *other =
		&p->sides[s->side == LT_SIDE_REQUEST ? LT_SIDE_RESPONSE : LT_SIDE_REQUEST];

	for (size_t i = 0; i + 6 <= s->block_n; i += 6) {
		if ((s->block[i] << 8 | s->block[i + 1]) == SETTINGS_HEADER_TABLE_SIZE)
			lt_hpack_allow(other->hpack, lt_be32(s->block + i + 2));
	}
	s->block_n = 0;
}

static void reset_arrives(struct lt_parser *p, struct side *s)
{
	struct node *node = find_node(p, s->frame.stream);

	s->block_n = 0;
	if (!node)
		return;
	node->x.last_ns = p->now_ns;
	if (node->done[LT_SIDE_RESPONSE])
		end_node(p, node, LT_END_COMPLETE);
	else if (!node->response_begun)
		end_node(p, node, LT_END_NO_RESPONSE);
	else
		end_node(p, node,
			 s->side == LT_SIDE_REQUEST ? LT_END_CLIENT_ABORT : LT_END_PROTOCOL_ERROR);
}

/* A gathered frame is whole. */
static int gathered(struct lt_parser *p, struct side *s)
{
	const struct lt_h2_frame *f = &s->frame;
	int r = 0;

	if (f->type == LT_H2_SETTINGS) {
		settings_arrive(p, s);
		return 0;
	}
	if (f->type == LT_H2_RST_STREAM) {
		reset_arrives(p, s);
		return 0;
	}
	if (f->type != LT_H2_CONTINUATION) {
		r = trim_block(s, f);
		s->head = *f;
		s->in_block = true;
	}
	if (r == 0 && f->flags & LT_H2_END_HEADERS)
		r = block_ends(p, s);
	return r;
}

static void frame_ends(struct lt_parser *p, struct side *s)
{
	s->state = HEADER;
	s->n = 0;
	if (s->frame.type == LT_H2_DATA && s->frame.flags & LT_H2_END_STREAM)
		side_ends(p, s->side, find_node(p, s->frame.stream));
}

/* Which frames are kept until they are whole. */
static bool is_gathered(const struct lt_h2_frame *f)
{
	return f->type == LT_H2_HEADERS || f->type == LT_H2_CONTINUATION ||
	       f->type == LT_H2_PUSH_PROMISE || f->type == LT_H2_RST_STREAM ||
	       (f->type == LT_H2_SETTINGS && !(f->flags & LT_H2_ACK));
}

static bool is_unseen_answer(const struct lt_parser *p, const struct side *s)
{
	return p->joined && s->side == LT_SIDE_RESPONSE && s->frame.type == LT_H2_DATA &&
	       s->frame.length > 0 && is_new(s, s->frame.stream) && !find_node(p, s->frame.stream);
}

static int frame_begins(struct lt_parser *p, struct side *s)
{
	struct lt_h2_frame *f = &s->frame;
	int r = 0;

	*f = lt_h2_frame(s->header);
	s->left = f->length;
	s->pad = 0;
	/* Between the frames of one header block no other frame may stand (RFC 9113, 6.10). */
	if (f->type == LT_H2_CONTINUATION && !s->in_block && s->poisoned) {
		s->state = SKIP; /* of a block whose beginning is not there */
		if (s->left == 0)
			frame_ends(p, s);
		return 0;
	}
	if (s->in_block ? f->type != LT_H2_CONTINUATION || f->stream != s->head.stream
			: f->type == LT_H2_CONTINUATION)
		return -EBADMSG;
	if (f->type <= LT_H2_CONTINUATION && !lt_h2_is_plausible(f))
		return -EBADMSG;
	if (is_unseen_answer(p, s))
		r = unseen_begins(p, f->stream);
	if (r < 0)
		return r;
	if (is_gathered(f))
		s->state = GATHER;
	else if (f->type == LT_H2_DATA)
		s->state = f->flags & LT_H2_PADDED ? PAD_LENGTH : PAYLOAD;
	else
		s->state = SKIP;
	if (s->left > 0)
		return 0;
	if (s->state == PAD_LENGTH)
		return -EBADMSG;
	if (s->state == GATHER)
		r = gathered(p, s);
	frame_ends(p, s);
	return r;
}

static size_t feed_preface(struct side *s, struct lt_bytes in, int *r)
{
	size_t n = 0;

	while (n < in.n && s->n < sizeof(preface) - 1) {
		if (in.p[n++] != (uint8_t)preface[s->n++])
			*r = -EBADMSG;
	}
	if (s->n == sizeof(preface) - 1) {
		s->state = HEADER;
		s->n = 0;
	}
	return n;
}

static size_t feed_header(struct lt_parser *p, struct side *s, struct lt_bytes in, int *r)
{
	size_t n = LT_H2_FRAME_HEADER - s->n;

	if (n > in.n)
		n = in.n;
	memcpy(s->header + s->n, in.p, n);
	s->n += (unsigned)n;
	if (s->n == LT_H2_FRAME_HEADER)
		*r = frame_begins(p, s);
	return n;
}

static size_t feed_payload(struct lt_parser *p, struct side *s, struct lt_bytes in, int *r)
{
	size_t n = in.n < s->left ? in.n : s->left;
	uint32_t data = s->left > s->pad ? s->left - s->pad : 0;

	if (s->state == PAD_LENGTH) {
		s->pad = in.p[0];
		s->left--;
		s->state = PAYLOAD;
		if (s->pad > s->left)
			*r = -EBADMSG;
		else if (s->left == 0)
			frame_ends(p, s);
		return 1;
	}
	if (s->state == PAYLOAD)
		deliver(p, s->side, find_node(p, s->frame.stream),
			lt_bytes(in.p, n < data ? n : data));
	else if (s->state == GATHER)
		*r = gather(s, lt_bytes(in.p, n));
	s->left -= (uint32_t)n;
	if (s->left == 0 && *r == 0) {
		if (s->state == GATHER)
			*r = gathered(p, s);
		frame_ends(p, s);
	}
	return n;
}

/* ---- losses ---- */

static void lose_framing(struct side *s)
{
	s->state = LOST;
	s->n = 0;
	s->block_n = 0;
	s->in_block = false;
	/* Header blocks may have been among it. */
	s->poisoned = true;
}

/* Skips to where frames begin again. */
static struct lt_bytes find_framing(struct side *s, struct lt_bytes in)
{
	size_t at = lt_h2_find_frames(in);

	s->state = at < in.n ? HEADER : LOST;
	return lt_bytes_skip(in, at);
}

static void join(struct lt_parser *p)
{
	p->joined = true;
	lose_framing(&p->sides[LT_SIDE_REQUEST]);
	lose_framing(&p->sides[LT_SIDE_RESPONSE]);
}

static void note_gap(struct lt_parser *p, enum lt_side side, struct node *node, uint64_t lost)
{
	if (!node || lost == 0 || !wants_bodies(node))
		return;
	node->x.lost_bytes += lost;
	node->x.lost[side] = true;
	node->x.last_ns = p->now_ns;
	if (node->inflate[side]) {
		node->inflate[side] = lt_inflate_free(node->inflate[side]);
		node->no_inflate[side] = true;
		node->x.body_error[side] = true;
	}
	p->sink->body_gap(p->sink->arg, &node->x, side, lost);
}

static int gap(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, uint64_t lost)
{
	struct side *s = &p->sides[side];

	p->now_ns = ts_ns;
	if (s->state == PAYLOAD && lost <= s->left) {
		uint64_t data = s->left - s->pad < lost ? s->left - s->pad : lost;

		note_gap(p, side, find_node(p, s->frame.stream), data);
		s->left -= (uint32_t)lost;
		if (s->left == 0)
			frame_ends(p, s);
		return 0;
	}
	/* Whose bytes these were nobody knows: every answer that is on its way may miss some. */
	for (struct node *node = p->nodes; node; node = node->next) {
		if (!node->done[side])
			note_gap(p, side, node, lost);
	}
	lose_framing(s);
	return 0;
}

/* ---- the contract ---- */

static int feed(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, struct lt_bytes in)
{
	struct side *s = &p->sides[side];

	p->now_ns = ts_ns;
	if (!p->begun && (side == LT_SIDE_RESPONSE || sniff(in, side) == LT_SNIFF_NO))
		join(p);
	p->begun = true;
	if (s->state == LOST)
		in = find_framing(s, in);
	while (in.n > 0 && p->state == LT_PARSER_GOOD && s->state != LOST) {
		size_t used;
		int r = 0;

		if (s->state == PREFACE)
			used = feed_preface(s, in, &r);
		else if (s->state == HEADER)
			used = feed_header(p, s, in, &r);
		else
			used = feed_payload(p, s, in, &r);
		if (r < 0 && (r != -EBADMSG || !s->poisoned))
			return r;
		in = lt_bytes_skip(in, used);
		if (r < 0) { /* what looked like a start was none */
			lose_framing(s);
			in = find_framing(s, in);
		}
	}
	return 0;
}

static enum lt_parser_state state(const struct lt_parser *p)
{
	return p->state;
}

static enum lt_end end_reason(const struct node *node, enum lt_close_reason why)
{
	if (node->done[LT_SIDE_RESPONSE])
		return LT_END_COMPLETE; /* answered before the request was whole */
	if (why == LT_CLOSE_EVICTED || why == LT_CLOSE_STOP)
		return LT_END_EVICTED;
	if (node->x.lost[LT_SIDE_RESPONSE])
		return LT_END_GAP;
	return node->response_begun ? LT_END_CLIENT_ABORT : LT_END_NO_RESPONSE;
}

static struct lt_parser *close_parser(struct lt_parser *p, uint64_t ts_ns, enum lt_close_reason why)
{
	if (!p)
		return NULL;
	p->now_ns = ts_ns;
	while (p->nodes) {
		struct node *oldest = p->nodes;

		while (oldest->next)
			oldest = oldest->next;
		end_node(p, oldest, end_reason(oldest, why));
	}
	return free_parser(p);
}

const struct lt_protocol lt_http2 = {
	.name = "http2",
	.sniff = sniff,
	.sniff_joined = sniff_joined,
	.early = early,
	.open = open_parser,
	.feed = feed,
	.gap = gap,
	.state = state,
	.close = close_parser,
};
