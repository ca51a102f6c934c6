// SPDX-License-Identifier: Apache-2.0
/*
 * The Model Context Protocol over standard input and output: one message of JSON-RPC 2.0 a line,
 * from both sides (https://modelcontextprotocol.io/specification, transports). What a client asks
 * waits for the answer with its id; both together are one exchange, as if it had been posted.
 *
 * Of a line only the few members that tell what it is are taken while it passes, so lines may be of
 * any size. The bodies that the consumer gets are written anew, out of these: no content is kept.
 */
#include "userspace/protocol/protocol.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/json_scan.h"

enum {
	PENDING_MAX = 64, /* requests that wait for their answers */
	EARLY_MAX = 8,	  /* answers that were told of before their requests */
	BAD_LINES_MAX = 64,
	WORD_SIZE = 64,
	BODY_SIZE = 512,
};

/* What is taken of a line; numbers are the paths' own. */
enum part { VERSION, ID, METHOD, TOOL, PROTOCOL, ERROR, IS_ERROR, SERVER, SERVER_META, PARTS };

static const char *const paths[PARTS] = {
	[VERSION] = "jsonrpc",
	[ID] = "id",
	[METHOD] = "method",
	[TOOL] = "params.name",
	[PROTOCOL] = "params.protocolVersion",
	[ERROR] = "error.code",
	[IS_ERROR] = "result.isError",
	[SERVER] = "result.serverInfo.name",
	/* Where there is no handshake, every answer says it. */
	[SERVER_META] = "result._meta.\"io.modelcontextprotocol/serverInfo\".name",
};

struct message {
	char id[WORD_SIZE]; /* as JSON has it, a string in its quotes */
	char method[WORD_SIZE], tool[WORD_SIZE], server[WORD_SIZE];
	char error[WORD_SIZE];
	bool is_rpc;	/* says 2.0 */
	bool is_mcp;	/* initialize: the version is a date, as only this protocol has it */
	bool is_error;	/* the tool failed */
	uint64_t bytes; /* of the line */
	uint64_t begin_ns, end_ns;
};

struct line {
	struct lt_json_scan *scan;
	struct message now;
	bool skipped; /* broken, or not whole: until its end */
};

struct lt_parser {
	const struct lt_conn *conn;
	const struct lt_exchange_sink *sink;
	struct line line[2]; /* by side */
	struct message pending[PENDING_MAX];
	struct message early[EARLY_MAX];
	unsigned pending_count, early_count;
	unsigned bad_lines;
	char server[WORD_SIZE];
	uint64_t ordinal;
	bool ignored;
};

static struct lt_json_paths *compiled;

static void compile(void)
{
	size_t bad;

	lt_ignore(lt_json_paths_new(paths, PARTS, &compiled, &bad)); /* NULL: -ENOMEM */
}

/* ---- a line ---- */

/* A word without what would have to be escaped: names are compared and shown, never run. */
static void copy_word(char to[WORD_SIZE], struct lt_bytes text)
{
	size_t n = text.n < WORD_SIZE - 1 ? text.n : WORD_SIZE - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = isalnum(text.p[i]) || memchr("_-./:", text.p[i], 5) ? (char)text.p[i] : '_';
	to[n] = '\0';
}

/* 1 and "1" are different ids. */
static void copy_id(char to[WORD_SIZE], const struct lt_json_hit *hit)
{
	char word[WORD_SIZE];

	if (hit->type != LT_JSON_STRING && hit->type != LT_JSON_NUMBER)
		return;
	copy_word(word, hit->text);
	snprintf(to, WORD_SIZE, hit->type == LT_JSON_STRING ? "\"%.60s\"" : "%.60s", word);
}

static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	struct message *m = arg;

	switch ((enum part)hit->path) {
	case VERSION:
		m->is_rpc = hit->type == LT_JSON_STRING && lt_bytes_is(hit->text, "2.0");
		break;
	case ID:
		copy_id(m->id, hit);
		break;
	case METHOD:
		copy_word(m->method, hit->text);
		break;
	case TOOL:
		copy_word(m->tool, hit->text);
		break;
	case PROTOCOL:
		m->is_mcp = hit->type == LT_JSON_STRING;
		break;
	case ERROR:
		copy_word(m->error, hit->text);
		break;
	case IS_ERROR:
		m->is_error = hit->type == LT_JSON_TRUE;
		break;
	case SERVER:
	case SERVER_META:
		copy_word(m->server, hit->text);
		break;
	case PARTS:
		break;
	}
}

/* ---- exchanges ---- */

static const char *server_of(const struct lt_parser *p)
{
	const char *file = strrchr(p->conn->server_name, '/');

	if (p->server[0])
		return p->server;
	file = file ? file + 1 : p->conn->server_name;
	return file[0] ? file : "stdio";
}

static enum lt_interest tell_request(struct lt_parser *p, struct lt_exchange *x,
				     const struct message *asked)
{
	static const struct lt_http_field field = {
		.name = {(const uint8_t *)"mcp-protocol-version", 20},
		.value = {(const uint8_t *)"stdio", 5},
	};
	struct lt_http_head head = {
		.side = LT_SIDE_REQUEST,
		.method = lt_bytes_str("STDIO"),
		.target = lt_bytes_str("/"),
		.host = lt_bytes_str(server_of(p)),
		.fields = &field,
		.field_count = 1,
	};
	char body[BODY_SIZE];
	enum lt_interest interest = p->sink->request(p->sink->arg, x, &head);
	int n = snprintf(body, sizeof(body),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"%s\",\"params\":{\"name\":"
			 "\"%s\"}}",
			 asked->id, asked->method, asked->tool);

	if (interest == LT_INTEREST_BODIES)
		p->sink->body(p->sink->arg, x, LT_SIDE_REQUEST, lt_bytes(body, (size_t)n));
	return interest;
}

static void tell_answer(struct lt_parser *p, struct lt_exchange *x, const struct message *answer)
{
	struct lt_http_head head = {.side = LT_SIDE_RESPONSE, .status = 200};
	char body[BODY_SIZE];
	bool number = answer->error[0] && !answer->error[strspn(answer->error, "-0123456789")];
	int n;

	if (answer->error[0])
		n = snprintf(body, sizeof(body),
			     "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%s%s%s}}",
			     answer->id, number ? "" : "\"", answer->error, number ? "" : "\"");
	else
		n = snprintf(body, sizeof(body),
			     "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"isError\":%s}}",
			     answer->id, answer->is_error ? "true" : "false");
	p->sink->response(p->sink->arg, x, &head);
	p->sink->body(p->sink->arg, x, LT_SIDE_RESPONSE, lt_bytes(body, (size_t)n));
}

/* An answer that was told of before its request did not come before it. */
static uint64_t not_before(uint64_t ns, uint64_t other_ns)
{
	return ns > other_ns ? ns : other_ns;
}

/* @answer NULL: none came. */
static void tell(struct lt_parser *p, const struct message *asked, const struct message *answer,
		 enum lt_end why)
{
	struct lt_exchange x = {
		.conn = p->conn,
		.ordinal = p->ordinal++,
		.first_byte_ns = asked->begin_ns,
		.request_end_ns = asked->end_ns,
		.first_response_ns = answer ? not_before(answer->begin_ns, asked->end_ns) : 0,
		.last_ns = not_before(answer ? answer->end_ns : 0, asked->end_ns),
		.status = answer ? 200 : 0,
		.request_body_bytes = asked->bytes,
		.response_body_bytes = answer ? answer->bytes : 0,
	};
	enum lt_interest interest;

	lt_counter_add(LT_C_EXCHANGES, 1);
	if (answer && answer->server[0])
		memcpy(p->server, answer->server, sizeof(p->server));
	interest = tell_request(p, &x, asked);
	if (answer && interest == LT_INTEREST_BODIES)
		tell_answer(p, &x, answer);
	p->sink->end(p->sink->arg, &x, why);
}

static void drop_pending(struct lt_parser *p, unsigned i)
{
	p->pending_count--;
	memmove(&p->pending[i], &p->pending[i + 1], (p->pending_count - i) * sizeof(p->pending[0]));
}

static void asks(struct lt_parser *p, const struct message *m)
{
	/* Another protocol that begins alike. */
	if (strcmp(m->method, "initialize") == 0 && !m->is_mcp) {
		p->ignored = true;
		return;
	}
	for (unsigned i = 0; i < p->early_count; i++) {
		if (strcmp(p->early[i].id, m->id) == 0) {
			struct message answer = p->early[i];

			p->early[i] = p->early[--p->early_count];
			tell(p, m, &answer, LT_END_COMPLETE);
			return;
		}
	}
	if (p->pending_count == PENDING_MAX) {
		lt_counter_add(LT_C_EXCHANGES_EVICTED, 1);
		tell(p, &p->pending[0], NULL, LT_END_EVICTED);
		drop_pending(p, 0);
	}
	p->pending[p->pending_count++] = *m;
}

static void answers(struct lt_parser *p, const struct message *m)
{
	for (unsigned i = 0; i < p->pending_count; i++) {
		if (strcmp(p->pending[i].id, m->id) == 0) {
			tell(p, &p->pending[i], m, LT_END_COMPLETE);
			drop_pending(p, i);
			return;
		}
	}
	if (p->early_count == EARLY_MAX)
		memmove(&p->early[0], &p->early[1], --p->early_count * sizeof(p->early[0]));
	p->early[p->early_count++] = *m;
}

/* ---- the contract ---- */

static enum lt_sniff sniff(struct lt_bytes head, enum lt_side side)
{
	static const char *const starts[] = {"{\"jsonrpc\"", "{\"method\"", "{\"params\"",
					     "{\"id\"",	     "{\"result\"", "{\"error\""};
	size_t count = side == LT_SIDE_REQUEST ? 4 : LT_COUNT(starts);
	enum lt_sniff best = LT_SNIFF_NO;

	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(starts[i]);

		if (head.n >= n && memcmp(head.p, starts[i], n) == 0)
			return LT_SNIFF_YES;
		if (head.n < n && head.n > 0 && memcmp(head.p, starts[i], head.n) == 0)
			best = LT_SNIFF_MORE;
	}
	return best;
}

static struct lt_parser *drop(struct lt_parser *p)
{
	for (int side = 0; side < 2; side++)
		p->line[side].scan = lt_json_scan_free(p->line[side].scan);
	lt_free(p);
	return NULL;
}

static int open_parser(const struct lt_conn *conn, const struct lt_exchange_sink *sink,
		       struct lt_parser **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct lt_parser *p;
	int r = 0;

	pthread_once(&once, compile);
	p = compiled ? lt_calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return -ENOMEM;
	p->conn = conn;
	p->sink = sink;
	for (int side = 0; side < 2 && r == 0; side++) {
		struct lt_json_sink hits = {.arg = &p->line[side].now, .hit = on_hit};

		r = lt_json_scan_new(compiled, &hits, &p->line[side].scan);
	}
	if (r < 0) {
		drop(p);
		return r;
	}
	*ret = p;
	return 0;
}

static void begin_line(struct line *line)
{
	memset(&line->now, 0, sizeof(line->now));
	line->skipped = false;
	lt_json_scan_reset(line->scan);
}

/* Servers print what is no message, too: it is passed over, as long as messages come. */
static void line_ends(struct lt_parser *p, enum lt_side side, uint64_t ts_ns)
{
	struct line *line = &p->line[side];
	struct message *m = &line->now;
	int r = line->skipped ? -EBADMSG : lt_json_scan_finish(line->scan);

	m->end_ns = ts_ns;
	if (r == 0 && m->is_rpc) {
		p->bad_lines = 0;
		if (side == LT_SIDE_REQUEST && m->id[0] && m->method[0])
			asks(p, m);
		else if (side == LT_SIDE_RESPONSE && m->id[0] && !m->method[0])
			answers(p, m);
	} else if (r != -ENODATA && ++p->bad_lines > BAD_LINES_MAX) {
		p->ignored = true;
	}
	begin_line(line);
}

static void take_piece(struct line *line, uint64_t ts_ns, struct lt_bytes piece)
{
	if (line->now.bytes == 0)
		line->now.begin_ns = ts_ns;
	line->now.bytes += piece.n;
	if (!line->skipped && lt_json_scan_feed(line->scan, piece) < 0)
		line->skipped = true;
}

static int feed(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, struct lt_bytes in)
{
	while (in.n > 0 && !p->ignored) {
		const uint8_t *end = memchr(in.p, '\n', in.n);
		size_t n = end ? (size_t)(end - in.p) : in.n;

		if (n > 0)
			take_piece(&p->line[side], ts_ns, lt_bytes(in.p, n));
		if (end)
			line_ends(p, side, ts_ns);
		in = lt_bytes_skip(in, end ? n + 1 : n);
	}
	return 0;
}

static int gap(struct lt_parser *p, enum lt_side side, uint64_t ts_ns, uint64_t lost)
{
	(void)ts_ns;
	(void)lost;
	p->line[side].skipped = true;
	return 0;
}

static enum lt_parser_state state(const struct lt_parser *p)
{
	return p->ignored ? LT_PARSER_IGNORE : LT_PARSER_GOOD;
}

static struct lt_parser *close_parser(struct lt_parser *p, uint64_t ts_ns, enum lt_close_reason why)
{
	(void)ts_ns;
	if (!p)
		return NULL;
	for (unsigned i = 0; i < p->pending_count; i++)
		tell(p, &p->pending[i], NULL,
		     why == LT_CLOSE_EVICTED || why == LT_CLOSE_STOP ? LT_END_EVICTED
								     : LT_END_NO_RESPONSE);
	return drop(p);
}

const struct lt_protocol lt_rpc_lines = {
	.name = "rpc_lines",
	.mutual = true,
	.sniff = sniff,
	.open = open_parser,
	.feed = feed,
	.gap = gap,
	.state = state,
	.close = close_parser,
};
