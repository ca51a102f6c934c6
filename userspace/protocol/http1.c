// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.x, both sides of one connection, bytes in any split (RFC 9112).
 *
 * Requests open exchanges, responses close them in order (pipelining). A head is parsed in place
 * when it lies whole in the input, else it is gathered first; bodies are never gathered. After lost
 * bytes the framing may still be known (inside a counted body) or be found again: at the start of a
 * piece, because a message, and a chunk of a stream, begins with a TLS call in practice.
 */
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"
#include "userspace/protocol/http_head.h"
#include "userspace/protocol/inflate.h"
#include "userspace/protocol/protocol.h"
#include "userspace/protocol/websocket.h"

enum {
	PIPELINE_MAX = 64,     /* requests without an answer on one connection */
	CHUNK_LINE_MAX = 1024, /* chunk size with its extensions */
	HEAD_STEP = 2048,      /* a gathered head grows by this at least */
};

enum phase {
	HEAD,
	LENGTH,
	CHUNK_SIZE,
	CHUNK_DATA,
	CHUNK_END,
	TRAILER,
	CLOSE,
	LOST,
	CHUNK_LOST,
	SOCKET
};

struct node {
	struct lt_exchange x;
	struct node *next;
	enum lt_interest interest;
	bool answers_head; /* HEAD: the response has no body whatever it says */
	bool connects;
	bool request_done;
	bool response_begun;
	bool response_done;
};

/* One direction of the connection. */
struct side {
	struct lt_parser *parser;
	enum lt_side side;
	enum phase phase;
	uint64_t left;	   /* of the body or chunk */
	struct node *node; /* whose message this is; NULL: of none (unsolicited, or not known after
			      a loss) */
	uint8_t *head;	   /* gathered so far */
	size_t head_n, head_size;
	uint64_t head_ns; /* when its first byte came */
	size_t line_n;	  /* bytes of the chunk or trailer line so far */
	size_t trailer_n; /* bytes of the trailer so far */
	bool line_digits; /* still in the size itself */
	bool line_cr;	  /* the last byte was CR */
	struct lt_inflate *inflate;
	struct lt_websocket *socket;
	bool guessed;	 /* the framing was found again after a loss, maybe wrongly */
	bool no_inflate; /* the coding cannot be undone: deliver nothing */
};

struct lt_parser {
	const struct lt_conn *conn;
	const struct lt_exchange_sink *sink;
	struct side sides[2];
	struct node *first, *last; /* exchanges in progress, oldest first */
	unsigned count;
	uint64_t ordinal;
	uint64_t now_ns;
	enum lt_parser_state state;
	bool to_http2;	      /* state UPGRADED: the first exchange goes on there */
	struct lt_bytes rest; /* of the feed that ended UPGRADED */
	int error;	      /* why it was given up: -EBADMSG, -ENOBUFS (a ceiling) or -ENOMEM */
};

static bool wants_bodies(const struct node *node)
{
	return node->interest == LT_INTEREST_BODIES;
}

static bool wants_heads(const struct node *node)
{
	return node->interest == LT_INTEREST_BODIES || node->interest == LT_INTEREST_HEAD;
}

static enum lt_sniff sniff(struct lt_bytes head, enum lt_side side)
{
	switch (lt_head_begins(head, side)) {
	case LT_START_YES:
		return LT_SNIFF_YES;
	case LT_START_MORE:
		return LT_SNIFF_MORE;
	}
	return LT_SNIFF_NO;
}

static bool early(const struct lt_parser *p, struct lt_bytes answer)
{
	const struct side *s = &p->sides[LT_SIDE_RESPONSE];

	return p->count == 0 && s->phase == HEAD && s->head_n == 0 &&
	       lt_head_begins(answer, LT_SIDE_RESPONSE) == LT_START_YES;
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
		p->sides[i].parser = p;
		p->sides[i].side = (enum lt_side)i;
	}
	*ret = p;
	return 0;
}

static void drop_head(struct side *s)
{
	if (s->head)
		lt_wipe(s->head, s->head_size);
	lt_free(s->head);
	s->head = NULL;
	s->head_n = s->head_size = 0;
}

static void end_body(struct side *s)
{
	s->inflate = lt_inflate_free(s->inflate);
	s->socket = lt_websocket_free(s->socket);
	s->no_inflate = false;
}

static bool is_lost(const struct side *s)
{
	return s->phase == LOST || s->phase == CHUNK_LOST;
}

static void detach_node(struct lt_parser *p, const struct node *node)
{
	for (int i = 0; i < 2; i++) {
		if (p->sides[i].node == node) {
			end_body(&p->sides[i]);
			p->sides[i].node = NULL;
		}
	}
}

/* Ends the oldest exchange. */
static void end_first(struct lt_parser *p, enum lt_end why)
{
	struct node *node = p->first;

	detach_node(p, node);
	p->first = node->next;
	if (!p->first)
		p->last = NULL;
	p->count--;
	p->sink->end(p->sink->arg, &node->x, why);
	lt_free(node);
}

/* How an exchange ends whose answer's end is not known: what was left out under verdict HEAD is no
 * loss. */
static enum lt_end end_unseen(const struct node *node)
{
	return node->interest == LT_INTEREST_HEAD && node->response_begun ? LT_END_COMPLETE
									  : LT_END_GAP;
}

static void end_done(struct lt_parser *p)
{
	while (p->first && p->first->request_done && p->first->response_done)
		end_first(p, LT_END_COMPLETE);
}

static void message_ends(struct side *s)
{
	struct lt_parser *p = s->parser;
	struct node *node = s->node;

	end_body(s);
	s->node = NULL;
	s->phase = HEAD;
	s->guessed = false;
	if (!node)
		return;
	if (s->side == LT_SIDE_REQUEST) {
		node->request_done = true;
		node->x.request_end_ns = p->now_ns;
	} else {
		struct side *request = &p->sides[LT_SIDE_REQUEST];

		node->response_done = true;
		/* Its request's end is among lost bytes: the answer shows that it has been. */
		if (request->node == node && is_lost(request)) {
			end_body(request);
			request->node = NULL;
			node->request_done = true;
		}
	}
	end_done(p);
}

/* ---- bodies ---- */

static void decoded(void *arg, struct lt_bytes data)
{
	struct side *s = arg;

	s->parser->sink->body(s->parser->sink->arg, &s->node->x, s->side, data);
}

static void body_breaks(struct side *s)
{
	lt_counter_add(LT_C_INFLATE_ERRORS, 1);
	s->node->x.body_error[s->side] = true;
	s->inflate = lt_inflate_free(s->inflate);
	s->no_inflate = true;
}

static void deliver(struct side *s, struct lt_bytes data)
{
	struct node *node = s->node;

	if (!node || data.n == 0)
		return;
	if (s->side == LT_SIDE_REQUEST)
		node->x.request_body_bytes += data.n;
	else
		node->x.response_body_bytes += data.n;
	if (!wants_bodies(node) || s->no_inflate)
		return;
	if (!s->inflate)
		s->parser->sink->body(s->parser->sink->arg, &node->x, s->side, data);
	else if (lt_inflate_feed(s->inflate, data) < 0)
		body_breaks(s);
}

static void chunk_data_ends(struct side *s)
{
	s->phase = CHUNK_END;
	s->line_cr = false;
}

static size_t feed_counted(struct side *s, struct lt_bytes in)
{
	size_t n = in.n < s->left ? in.n : (size_t)s->left;

	deliver(s, lt_bytes(in.p, n));
	s->left -= n;
	if (s->left == 0) {
		if (s->phase == LENGTH)
			message_ends(s);
		else
			chunk_data_ends(s);
	}
	return n;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void begin_chunk(struct side *s)
{
	s->phase = CHUNK_SIZE;
	s->left = 0;
	s->line_n = 0;
	s->line_digits = true;
	s->line_cr = false;
}

static void chunk_size_ends(struct side *s)
{
	s->phase = s->left > 0 ? CHUNK_DATA : TRAILER;
	s->line_n = s->trailer_n = 0;
	s->line_cr = false;
}

/* One byte of "size[;extensions]CRLF". */
static int chunk_size_byte(struct side *s, uint8_t c)
{
	int digit = hex_digit(c);

	if (c == '\n') {
		if (s->line_n == 0)
			return -EBADMSG;
		chunk_size_ends(s);
		return 0;
	}
	if (s->line_cr || ++s->line_n > CHUNK_LINE_MAX)
		return -EBADMSG;
	if (s->line_digits && digit >= 0) {
		if (s->left >> 59)
			return -EBADMSG;
		s->left = s->left << 4 | (unsigned)digit;
		return 0;
	}
	if (s->line_n == 1)
		return -EBADMSG; /* no digit at all */
	/* What follows the digits: an extension, white space before it, or the line's end. */
	if (s->line_digits && c != ';' && c != '\r' && c != ' ' && c != '\t')
		return -EBADMSG;
	s->line_digits = false;
	s->line_cr = c == '\r';
	return 0;
}

/* One byte of what follows a chunk's data: the line end alone. */
static int chunk_end_byte(struct side *s, uint8_t c)
{
	if (c == '\n') {
		begin_chunk(s);
		return 0;
	}
	if (c != '\r' || s->line_cr)
		return -EBADMSG;
	s->line_cr = true;
	return 0;
}

/* One byte of the trailer, which is skipped; an empty line ends it. */
static int trailer_byte(struct side *s, uint8_t c)
{
	if (c == '\n') {
		if (s->line_n == 0)
			message_ends(s);
		s->line_n = 0;
		s->line_cr = false;
		return 0;
	}
	if (s->line_cr || ++s->trailer_n > LT_HEAD_BYTES_MAX)
		return -EBADMSG;
	s->line_cr = c == '\r';
	if (c != '\r')
		s->line_n++;
	return 0;
}

/* Framing bytes of a chunked body, up to data or the end. */
static ssize_t feed_chunk_frame(struct side *s, struct lt_bytes in)
{
	size_t i = 0;

	while (i < in.n) {
		uint8_t c = in.p[i++];
		int r;

		if (s->phase == CHUNK_SIZE)
			r = chunk_size_byte(s, c);
		else if (s->phase == CHUNK_END)
			r = chunk_end_byte(s, c);
		else
			r = trailer_byte(s, c);
		if (r < 0)
			return r;
		if (s->phase == CHUNK_DATA || s->phase == HEAD)
			break;
	}
	return (ssize_t)i;
}

static void begin_body(struct side *s, const struct lt_head_parse *head, enum lt_framing framing)
{
	struct lt_inflate_sink sink = {.arg = s, .bytes = decoded};

	s->left = head->length;
	if (framing == LT_FRAMING_NONE || (framing == LT_FRAMING_LENGTH && head->length == 0)) {
		message_ends(s);
		return;
	}
	if (framing == LT_FRAMING_CHUNKED)
		begin_chunk(s);
	else
		s->phase = framing == LT_FRAMING_LENGTH ? LENGTH : CLOSE;
	if (!s->node || !wants_bodies(s->node))
		return;
	/* A transfer coding besides chunked ("gzip, chunked") is known to the RFC, and to hardly
	 * anybody else. */
	if (head->other_coding || lt_inflate_new(head->content_encoding, &sink, &s->inflate) < 0)
		body_breaks(s);
}

/* ---- heads ---- */

/*
 * A request begins while the end of the former answer was lost: nobody pipelines behind an answer
 * that is on its way, so it is over. What still comes of it is skipped up to the next status line.
 */
static void settle_lost_response(struct lt_parser *p)
{
	struct side *response = &p->sides[LT_SIDE_RESPONSE];

	if (!is_lost(response))
		return;
	while (p->first && p->first->request_done)
		end_first(p, end_unseen(p->first));
	response->phase = LOST;
}

static struct node *append_node(struct lt_parser *p, const struct side *s,
				const struct lt_head_parse *parsed)
{
	struct node *node = lt_calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->x.conn = p->conn;
	node->x.ordinal = p->ordinal++;
	node->x.first_byte_ns = s->head_n > 0 ? s->head_ns : p->now_ns;
	node->x.last_ns = p->now_ns;
	node->answers_head = lt_bytes_is(parsed->head.method, "HEAD");
	node->connects = lt_bytes_is(parsed->head.method, "CONNECT");
	if (p->last)
		p->last->next = node;
	else
		p->first = node;
	p->last = node;
	p->count++;
	lt_counter_add(LT_C_EXCHANGES, 1);
	return node;
}

static int request_head(struct side *s, const struct lt_head_parse *parsed)
{
	struct lt_parser *p = s->parser;
	enum lt_framing framing = LT_FRAMING_NONE;
	struct node *node;

	settle_lost_response(p);
	/* Where such a request ends nobody can say (RFC 9112, 6.3). */
	if (parsed->has_transfer_encoding && !parsed->chunked)
		return -EBADMSG;
	if (p->count == PIPELINE_MAX)
		return -ENOBUFS;
	node = append_node(p, s, parsed);
	if (!node)
		return -ENOMEM;
	node->interest = p->sink->request(p->sink->arg, &node->x, &parsed->head);
	if (node->interest == LT_INTEREST_CONNECTION_NONE) {
		p->state = LT_PARSER_IGNORE;
		return 0;
	}
	s->node = node;
	if (parsed->chunked)
		framing = LT_FRAMING_CHUNKED;
	else if (parsed->has_length)
		framing = LT_FRAMING_LENGTH;
	begin_body(s, parsed, framing);
	return 0;
}

/* RFC 9112, 6.3. */
static enum lt_framing response_framing(const struct lt_head_parse *parsed, const struct node *node)
{
	unsigned status = parsed->head.status;

	if (status == 204 || status == 304 || (node && node->answers_head))
		return LT_FRAMING_NONE;
	if (parsed->has_transfer_encoding)
		return parsed->chunked ? LT_FRAMING_CHUNKED : LT_FRAMING_CLOSE;
	return parsed->has_length ? LT_FRAMING_LENGTH : LT_FRAMING_CLOSE;
}

static void socket_data(void *arg, struct lt_bytes data)
{
	struct side *s = arg;

	s->parser->sink->body(s->parser->sink->arg, &s->node->x, s->side, data);
}

static void socket_message(void *arg)
{
	struct side *s = arg;

	if (s->parser->sink->message)
		s->parser->sink->message(s->parser->sink->arg, &s->node->x, s->side);
}

/* From here on both directions are frames of this exchange, to the connection's end. */
static int open_sockets(struct lt_parser *p, struct node *node, struct lt_bytes extensions)
{
	/* Its own answer is next in line, or there would be two. */
	if (node != p->first)
		return -EBADMSG;
	node->x.websocket = true;
	node->request_done = true;
	for (int i = 0; i < 2; i++) {
		struct side *s = &p->sides[i];
		struct lt_websocket_opts opts = lt_websocket_agreed(extensions,
								    i == LT_SIDE_REQUEST);
		struct lt_websocket_sink sink = {
			.arg = s, .data = socket_data, .message = socket_message};
		int r;

		end_body(s);
		r = lt_websocket_new(&opts, &sink, &s->socket);
		if (r < 0)
			return r;
		s->node = node;
		s->phase = SOCKET;
	}
	return 0;
}

static ssize_t feed_socket(struct side *s, struct lt_bytes in)
{
	int r;

	if (s->side == LT_SIDE_REQUEST)
		s->node->x.request_body_bytes += in.n;
	else
		s->node->x.response_body_bytes += in.n;
	r = lt_websocket_feed(s->socket, in);
	return r < 0 ? r : (ssize_t)in.n;
}

/* The answer itself comes as HTTP/2 (RFC 7540, 3.2). */
static bool is_to_http2(const struct lt_parser *p, const struct node *node,
			const struct lt_head_parse *parsed)
{
	return parsed->head.status == 101 && node && node == p->first &&
	       lt_bytes_is_nocase(lt_http_field(&parsed->head, "upgrade"), "h2c");
}

static int response_head(struct side *s, const struct lt_head_parse *parsed)
{
	struct lt_parser *p = s->parser;
	unsigned status = parsed->head.status;
	struct node *node = p->first;

	if (node && node->response_done)
		node = NULL; /* its request is still on the way; this answer is nobody's */
	if (status < 200 && status != 101)
		return 0;
	if (is_to_http2(p, node, parsed)) {
		p->state = LT_PARSER_UPGRADED;
		p->to_http2 = true;
		return 0;
	}
	s->node = node;
	if (node) {
		node->response_begun = true;
		node->x.status = parsed->head.status;
		node->x.first_response_ns = s->head_n > 0 ? s->head_ns : p->now_ns;
		node->x.last_ns = p->now_ns;
		if (wants_heads(node))
			p->sink->response(p->sink->arg, &node->x, &parsed->head);
	}
	if (status == 101 && node && wants_bodies(node) &&
	    lt_bytes_is_nocase(lt_http_field(&parsed->head, "upgrade"), "websocket"))
		return open_sockets(p, node,
				    lt_http_field(&parsed->head, "sec-websocket-extensions"));
	if (status == 101 || (node && node->connects && status < 300)) {
		p->state = LT_PARSER_UPGRADED;
		if (node)
			end_first(p, LT_END_UPGRADED);
		return 0;
	}
	begin_body(s, parsed, response_framing(parsed, node));
	return 0;
}

static int whole_head(struct side *s, struct lt_bytes text)
{
	struct lt_head_parse parsed;
	int r;

	r = lt_head_parse(text, s->side, &parsed);
	if (r < 0)
		return r;
	if (parsed.skipped > 0)
		lt_counter_add(LT_C_HEADER_TOO_LARGE, 1);
	return s->side == LT_SIDE_REQUEST ? request_head(s, &parsed) : response_head(s, &parsed);
}

static int grow_head(struct side *s, size_t need)
{
	size_t size = need < HEAD_STEP ? HEAD_STEP : need * 2;
	uint8_t *head = lt_calloc(1, size);

	if (!head)
		return -ENOMEM;
	if (s->head_n > 0)
		memcpy(head, s->head, s->head_n);
	if (s->head)
		lt_wipe(s->head, s->head_size);
	lt_free(s->head);
	s->head = head;
	s->head_size = size;
	return 0;
}

static int gather(struct side *s, struct lt_bytes in)
{
	size_t need = s->head_n + in.n;
	int r = need > s->head_size ? grow_head(s, need) : 0;

	if (r < 0)
		return r;
	if (s->head_n == 0)
		s->head_ns = s->parser->now_ns;
	memcpy(s->head + s->head_n, in.p, in.n);
	s->head_n = need;
	return 0;
}

/* Bytes that begin no message where one has to begin. */
static int not_a_head(struct side *s)
{
	struct node *node = s->parser->first;

	/* An answer to nobody, wherever it came from: the next status line will do. */
	if (s->side == LT_SIDE_RESPONSE && (!node || node->response_done)) {
		drop_head(s);
		s->phase = LOST;
		return 0;
	}
	return -EBADMSG;
}

/* Goes on with a head of which a part was gathered. Returns bytes used. */
static ssize_t feed_gathered(struct side *s, struct lt_bytes in)
{
	size_t before = s->head_n, length;
	size_t room = LT_HEAD_BYTES_MAX - before;
	int r;

	if (in.n > room)
		in.n = room;
	r = gather(s, in);
	if (r < 0)
		return r;
	if (lt_head_begins(lt_bytes(s->head, s->head_n), s->side) == LT_START_NO) {
		r = not_a_head(s);
		return r < 0 ? r : (ssize_t)in.n;
	}
	length = lt_head_length(lt_bytes(s->head, s->head_n), before);
	if (length == 0) {
		if (s->head_n == LT_HEAD_BYTES_MAX)
			lt_counter_add(LT_C_HEADER_TOO_LARGE, 1);
		return s->head_n == LT_HEAD_BYTES_MAX ? -EBADMSG : (ssize_t)in.n;
	}
	r = whole_head(s, lt_bytes(s->head, length));
	drop_head(s);
	return r < 0 ? r : (ssize_t)(length - before);
}

static ssize_t feed_head(struct side *s, struct lt_bytes in)
{
	size_t length;
	int r;

	if (s->head_n > 0)
		return feed_gathered(s, in);
	/* An empty line before a message is to be ignored (RFC 9112, 2.2). */
	if (in.p[0] == '\r' || in.p[0] == '\n')
		return 1;
	if (lt_head_begins(in, s->side) == LT_START_NO)
		return not_a_head(s);
	length = lt_head_length(lt_bytes(in.p, in.n < LT_HEAD_BYTES_MAX ? in.n : LT_HEAD_BYTES_MAX),
				0);
	if (length == 0)
		return feed_gathered(s, in);
	r = whole_head(s, lt_bytes(in.p, length));
	return r < 0 ? r : (ssize_t)length;
}

/* ---- losses ---- */

static bool begins_chunk(struct lt_bytes in)
{
	size_t digits = 0;

	while (digits < in.n && digits < 8 && hex_digit(in.p[digits]) >= 0)
		digits++;
	return digits > 0 && digits + 1 < in.n && in.p[digits] == '\r' && in.p[digits + 1] == '\n';
}

/* The start of a piece while the framing is lost: a message, or the next chunk of the stream. */
static void find_start(struct side *s, struct lt_bytes in)
{
	struct lt_parser *p = s->parser;
	struct node *node = s->node;

	if (lt_head_begins(in, s->side) == LT_START_YES) {
		end_body(s);
		s->node = NULL;
		s->phase = HEAD;
		if (node && s->side == LT_SIDE_REQUEST) {
			node->request_done = true;
			end_done(p);
		} else if (s->side == LT_SIDE_RESPONSE && p->first && p->first->response_begun) {
			end_first(p, end_unseen(p->first));
		}
		s->guessed = true;
	} else if (s->phase == CHUNK_LOST && begins_chunk(in)) {
		begin_chunk(s);
		s->guessed = true;
	}
}

static void note_gap(struct side *s, uint64_t lost)
{
	struct lt_parser *p = s->parser;
	struct node *node = s->node;

	/* Between two answers: the head of the awaited one. Between two requests: of one that we
	 * shall never know. */
	if (!node && s->side == LT_SIDE_RESPONSE && p->first && !p->first->response_done)
		node = p->first;
	/* Of bodies that nobody wants bytes are left out on purpose (verdict HEAD). */
	if (!node || lost == 0 || (node->interest != LT_INTEREST_BODIES && s->node))
		return;
	node->x.lost_bytes += lost;
	node->x.lost[s->side] = true;
	node->x.last_ns = p->now_ns;
	if (!wants_bodies(node))
		return;
	/* A compressed body cannot be read on after a hole. */
	if (s->inflate) {
		s->inflate = lt_inflate_free(s->inflate);
		s->no_inflate = true;
		node->x.body_error[s->side] = true;
	}
	p->sink->body_gap(p->sink->arg, &node->x, s->side, lost);
}

static bool in_chunked(const struct side *s)
{
	return s->phase == CHUNK_SIZE || s->phase == CHUNK_DATA || s->phase == CHUNK_END ||
	       s->phase == CHUNK_LOST;
}

static int gap(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, uint64_t lost)
{
	struct side *s = &p->sides[side];
	bool counted = s->phase == LENGTH || s->phase == CHUNK_DATA;

	p->now_ns = ts_ns;
	drop_head(s);
	if (s->phase == SOCKET) {
		lt_websocket_gap(s->socket, lost);
		note_gap(s, lost);
		return 0;
	}
	if (counted && lost <= s->left) {
		note_gap(s, lost);
		s->left -= lost;
		if (s->left == 0 && s->phase == LENGTH)
			message_ends(s);
		else if (s->left == 0)
			chunk_data_ends(s);
		return 0;
	}
	if (s->phase == LENGTH) {
		/* This message ends within the hole, the start of the next one is lost with it. */
		uint64_t left = s->left;

		note_gap(s, left);
		message_ends(s);
		lost -= left;
	}
	note_gap(s, lost);
	if (s->phase != CLOSE)
		s->phase = in_chunked(s) ? CHUNK_LOST : LOST;
	return 0;
}

/* ---- the contract ---- */

static ssize_t feed_some(struct side *s, struct lt_bytes in)
{
	switch (s->phase) {
	case HEAD:
		return feed_head(s, in);
	case LENGTH:
	case CHUNK_DATA:
		return (ssize_t)feed_counted(s, in);
	case CHUNK_SIZE:
	case CHUNK_END:
	case TRAILER:
		return feed_chunk_frame(s, in);
	case SOCKET:
		return feed_socket(s, in);
	case CLOSE:
		deliver(s, in);
		return (ssize_t)in.n;
	default:
		return (ssize_t)in.n; /* lost: skipped until the start of a piece fits */
	}
}

/* What looked like a start was none. */
static void guess_again(struct side *s)
{
	drop_head(s);
	s->phase = in_chunked(s) ? CHUNK_LOST : LOST;
	s->guessed = false;
}

static int feed(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, struct lt_bytes in)
{
	struct side *s = &p->sides[side];

	p->now_ns = ts_ns;
	if (is_lost(s))
		find_start(s, in);
	while (in.n > 0 && p->state == LT_PARSER_GOOD) {
		ssize_t used;

		if (s->node)
			s->node->x.last_ns = ts_ns;
		used = feed_some(s, in);
		if (used == -EBADMSG && s->guessed) {
			guess_again(s);
			return 0;
		}
		if (used < 0) {
			p->error = (int)used;
			return p->error;
		}
		in = lt_bytes_skip(in, (size_t)used);
	}
	p->rest = in;
	return 0;
}

static int succeed(struct lt_parser *p, const struct lt_protocol **ret_protocol,
		   struct lt_parser **ret, struct lt_bytes *ret_rest)
{
	struct node *node = p->first;
	int r;

	if (!p->to_http2)
		return -EPROTONOSUPPORT;
	r = lt_http2_adopt(p->conn, p->sink, &node->x, node->interest, ret);
	if (r < 0)
		return r;
	*ret_protocol = &lt_http2;
	*ret_rest = p->rest;
	p->first = node->next;
	p->count--;
	if (!p->first)
		p->last = NULL;
	for (int i = 0; i < 2; i++) {
		end_body(&p->sides[i]);
		p->sides[i].node = NULL;
	}
	lt_free(node);
	return 0;
}

static enum lt_parser_state state(const struct lt_parser *p)
{
	return p->state;
}

static enum lt_end end_reason(const struct lt_parser *p, const struct node *node,
			      enum lt_close_reason why)
{
	const struct side *response = &p->sides[LT_SIDE_RESPONSE];

	if (node->response_done)
		return LT_END_COMPLETE; /* answered before the request was whole */
	if (p->error)
		return p->error == -EBADMSG ? LT_END_PROTOCOL_ERROR : LT_END_EVICTED;
	if (why == LT_CLOSE_EVICTED || why == LT_CLOSE_STOP)
		return LT_END_EVICTED;
	if (is_lost(response))
		return end_unseen(node);
	if (!node->response_begun)
		return LT_END_NO_RESPONSE;
	return response->phase == CLOSE || response->phase == SOCKET ? LT_END_COMPLETE
								     : LT_END_CLIENT_ABORT;
}

static struct lt_parser *close_parser(struct lt_parser *p, uint64_t ts_ns, enum lt_close_reason why)
{
	if (!p)
		return NULL;
	p->now_ns = ts_ns;
	while (p->first) {
		enum lt_end end = end_reason(p, p->first, why);

		if (end == LT_END_EVICTED)
			lt_counter_add(LT_C_EXCHANGES_EVICTED, 1);
		end_first(p, end);
	}
	for (int i = 0; i < 2; i++) {
		drop_head(&p->sides[i]);
		end_body(&p->sides[i]);
	}
	lt_free(p);
	return NULL;
}

const struct lt_protocol lt_http1 = {
	.name = "http1",
	.sniff = sniff,
	.early = early,
	.open = open_parser,
	.feed = feed,
	.gap = gap,
	.state = state,
	.succeed = succeed,
	.close = close_parser,
};
