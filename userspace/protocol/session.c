// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/session.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"

/* In sniffing order. */
static const struct lt_protocol *const protocols[] = {
	&lt_http2,
	&lt_http1,
	&lt_rpc_lines,
};

enum { SNIFF_BYTES = 24, TRIES_MAX = 64, EARLY_BYTES_MAX = 65536 };

/* Longer than any thread is kept from its return. */
static const uint64_t early_patience_ns = 1000000000;

/* An answer that was told of before its request. */
struct early {
	uint8_t *p;
	size_t n;
	uint64_t ts_ns; /* of its first byte */
};

struct session {
	const struct lt_conn *conn;
	const struct lt_protocol *protocol;
	struct lt_parser *parser;
	uint8_t held[SNIFF_BYTES]; /* first bytes that were too few to tell */
	unsigned held_n;
	unsigned tries;
	bool reads; /* something was read */
	struct early early;
	enum lt_verdict verdict; /* as last given */
};

struct lt_sessions {
	struct lt_exchange_sink sink;  /* the consumer's */
	struct lt_exchange_sink inner; /* ours, in front of it */
	struct lt_verdict_sink verdicts;
	struct session *current; /* whose bytes are being parsed */
};

static bool is_ignored(const struct session *session)
{
	return session->verdict == LT_VERDICT_IGNORE;
}

static void set_verdict(struct lt_sessions *s, struct session *session, enum lt_verdict verdict)
{
	if (session->verdict == verdict)
		return;
	session->verdict = verdict;
	if (s->verdicts.set)
		s->verdicts.set(s->verdicts.arg, session->conn, verdict);
}

/* Forwards, and turns the consumer's interest into the connection's verdict. */
static enum lt_interest on_request(void *arg, struct lt_exchange *x,
				   const struct lt_http_head *head)
{
	struct lt_sessions *s = arg;
	enum lt_interest interest = s->sink.request(s->sink.arg, x, head);

	/* HEAD may become FULL, never the other way round. */
	if (interest == LT_INTEREST_HEAD && s->current->verdict == LT_VERDICT_PROBE)
		set_verdict(s, s->current, LT_VERDICT_HEAD);
	else if (interest == LT_INTEREST_BODIES ||
		 (interest == LT_INTEREST_NONE && s->current->verdict == LT_VERDICT_PROBE))
		set_verdict(s, s->current, LT_VERDICT_FULL);
	return interest;
}

static void on_response(void *arg, struct lt_exchange *x, const struct lt_http_head *head)
{
	struct lt_sessions *s = arg;

	s->sink.response(s->sink.arg, x, head);
}

static void on_body(void *arg, struct lt_exchange *x, enum lt_side side, struct lt_bytes data)
{
	struct lt_sessions *s = arg;

	s->sink.body(s->sink.arg, x, side, data);
}

static void on_body_gap(void *arg, struct lt_exchange *x, enum lt_side side, uint64_t lost)
{
	struct lt_sessions *s = arg;

	s->sink.body_gap(s->sink.arg, x, side, lost);
}

static void on_message(void *arg, struct lt_exchange *x, enum lt_side side)
{
	struct lt_sessions *s = arg;

	if (s->sink.message)
		s->sink.message(s->sink.arg, x, side);
}

static void on_trailer(void *arg, struct lt_exchange *x, const struct lt_http_head *trailer)
{
	struct lt_sessions *s = arg;

	if (s->sink.trailer)
		s->sink.trailer(s->sink.arg, x, trailer);
}

static void on_moved(void *arg, struct lt_exchange *x)
{
	struct lt_sessions *s = arg;

	if (s->sink.moved)
		s->sink.moved(s->sink.arg, x);
}

static void on_end(void *arg, struct lt_exchange *x, enum lt_end why)
{
	struct lt_sessions *s = arg;

	s->sink.end(s->sink.arg, x, why);
}

int lt_sessions_new(const struct lt_exchange_sink *sink, const struct lt_verdict_sink *verdicts,
		    struct lt_sessions **ret)
{
	struct lt_sessions *s = lt_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->sink = *sink;
	s->verdicts = *verdicts;
	s->inner = (struct lt_exchange_sink){
		.arg = s,
		.request = on_request,
		.response = on_response,
		.body = on_body,
		.body_gap = on_body_gap,
		.message = on_message,
		.trailer = on_trailer,
		.moved = on_moved,
		.end = on_end,
	};
	*ret = s;
	return 0;
}

struct lt_sessions *lt_sessions_free(struct lt_sessions *s)
{
	lt_free(s);
	return NULL;
}

static void drop_parser(struct session *session, uint64_t ts_ns, enum lt_close_reason why)
{
	if (session->parser)
		session->parser = session->protocol->close(session->parser, ts_ns, why);
}

static void ignore(struct lt_sessions *s, struct session *session, uint64_t ts_ns)
{
	drop_parser(session, ts_ns, LT_CLOSE_FREED);
	set_verdict(s, session, LT_VERDICT_IGNORE);
}

/* The client's side of a call is where the process writes requests and reads responses. */
static enum lt_side side_of(enum lt_dir dir)
{
	return dir == LT_DIR_WRITE ? LT_SIDE_REQUEST : LT_SIDE_RESPONSE;
}

static enum lt_sniff sniff_all(struct lt_bytes in, enum lt_side side,
			       const struct lt_protocol **ret)
{
	enum lt_sniff best = LT_SNIFF_NO;

	for (size_t i = 0; i < LT_COUNT(protocols); i++) {
		enum lt_sniff one = protocols[i]->sniff(in, side);

		if (one == LT_SNIFF_YES) {
			*ret = protocols[i];
			return one;
		}
		if (one > best)
			best = one;
	}
	return best;
}

static bool is_joined(const struct lt_protocol *protocol, struct lt_bytes in, enum lt_side side)
{
	return protocol->sniff_joined && protocol->sniff_joined(in, side) == LT_SNIFF_YES;
}

/* The same inside a connection that was there before us. */
static enum lt_sniff sniff_joined(struct lt_bytes in, enum lt_side side,
				  const struct lt_protocol **ret)
{
	for (size_t i = 0; i < LT_COUNT(protocols); i++) {
		if (is_joined(protocols[i], in, side)) {
			*ret = protocols[i];
			return LT_SNIFF_YES;
		}
	}
	return LT_SNIFF_NO;
}

/* A process that reads requests serves TLS: its end of somebody's call, which counts at the other
 * end. */
static bool serves(enum lt_dir dir, struct lt_bytes in)
{
	enum lt_side other = dir == LT_DIR_READ ? LT_SIDE_REQUEST : LT_SIDE_RESPONSE;
	const struct lt_protocol *found;

	return sniff_all(in, other, &found) == LT_SNIFF_YES && !found->mutual;
}

/*
 * Bytes before any parser: looks for the start of a request of the client's side. Joined in the
 * middle of a connection, pieces that begin nothing are skipped, a bounded number of times. YES:
 * session->protocol is set.
 */
static enum lt_sniff find_start(struct lt_sessions *s, struct session *session, enum lt_dir dir,
				uint64_t ts_ns, struct lt_bytes in)
{
	enum lt_sniff answer = LT_SNIFF_NO;

	if (serves(dir, in)) {
		ignore(s, session, ts_ns);
		return LT_SNIFF_NO;
	}
	if (dir == LT_DIR_WRITE)
		answer = sniff_all(in, LT_SIDE_REQUEST, &session->protocol);
	/* An answer whose request nobody saw needs its host from elsewhere. */
	if (answer == LT_SNIFF_NO && (dir == LT_DIR_WRITE || session->conn->server_name[0]))
		answer = sniff_joined(in, side_of(dir), &session->protocol);
	if (answer == LT_SNIFF_NO && ++session->tries > TRIES_MAX)
		ignore(s, session, ts_ns);
	return answer;
}

static int feed(struct lt_sessions *s, struct session *session, enum lt_dir dir, uint64_t ts_ns,
		struct lt_bytes in)
{
	int r;

	s->current = session;
	r = session->protocol->feed(session->parser, side_of(dir), ts_ns, in);
	s->current = NULL;
	return r;
}

/* Another protocol begins within @dir's bytes. */
static int upgrade(struct lt_sessions *s, struct session *session, enum lt_dir dir, uint64_t ts_ns)
{
	const struct lt_protocol *old = session->protocol, *next = NULL;
	struct lt_parser *parser = NULL;
	struct lt_bytes rest = {0};
	int r = -EPROTONOSUPPORT;

	if (old->succeed)
		r = old->succeed(session->parser, &next, &parser, &rest);
	if (r < 0)
		return r;
	drop_parser(session, ts_ns, LT_CLOSE_FREED);
	session->protocol = next;
	session->parser = parser;
	return rest.n > 0 ? feed(s, session, dir, ts_ns, rest) : 0;
}

static void parse(struct lt_sessions *s, struct session *session, enum lt_dir dir, uint64_t ts_ns,
		  struct lt_bytes in)
{
	int r = feed(s, session, dir, ts_ns, in);

	if (r == 0 && session->protocol->state(session->parser) == LT_PARSER_UPGRADED)
		r = upgrade(s, session, dir, ts_ns);
	if (r < 0)
		lt_counter_add(LT_C_PARSE_ERRORS, r == -EBADMSG);
	if (r < 0 || session->protocol->state(session->parser) != LT_PARSER_GOOD)
		ignore(s, session, ts_ns);
}

/* Opens the parser, feeds it what was held back, then @in. */
static void begin(struct lt_sessions *s, struct session *session, enum lt_dir dir, uint64_t ts_ns,
		  struct lt_bytes in)
{
	if (session->protocol->open(session->conn, &s->inner, &session->parser) < 0) {
		ignore(s, session, ts_ns);
		return;
	}
	if (session->held_n > 0)
		parse(s, session, dir, ts_ns, lt_bytes(session->held, session->held_n));
	session->held_n = 0;
	if (!is_ignored(session))
		parse(s, session, dir, ts_ns, in);
}

/* Bytes of a connection without a parser; what is too short to tell is kept for the next ones. */
static void sniff_bytes(struct lt_sessions *s, struct session *session, enum lt_dir dir,
			uint64_t ts_ns, struct lt_bytes data)
{
	uint8_t head[SNIFF_BYTES * 2];
	struct lt_bytes start = data;

	if (dir == LT_DIR_WRITE && session->held_n > 0) {
		size_t more = data.n < SNIFF_BYTES ? data.n : SNIFF_BYTES;

		memcpy(head, session->held, session->held_n);
		memcpy(head + session->held_n, data.p, more);
		start = lt_bytes(head, session->held_n + more);
	}
	switch (find_start(s, session, dir, ts_ns, start)) {
	case LT_SNIFF_YES:
		begin(s, session, dir, ts_ns, data);
		break;
	case LT_SNIFF_MORE: /* fewer than SNIFF_BYTES: no start is as long */
		memcpy(session->held, start.p, start.n);
		session->held_n = (unsigned)start.n;
		break;
	default:
		if (dir == LT_DIR_WRITE)
			session->held_n = 0;
	}
}

static void take_bytes(struct lt_sessions *s, struct session *session, enum lt_dir dir,
		       uint64_t ts_ns, struct lt_bytes data)
{
	if (is_ignored(session) || data.n == 0)
		return;
	if (session->parser)
		parse(s, session, dir, ts_ns, data);
	else
		sniff_bytes(s, session, dir, ts_ns, data);
}

/* ---- answers before their requests ---- */

static void drop_early(struct session *session)
{
	if (session->early.p)
		lt_wipe(session->early.p, session->early.n);
	lt_free(session->early.p);
	session->early = (struct early){0};
}

/* Without memory or patience it goes on as it came. */
static void let_through(struct lt_sessions *s, struct session *session)
{
	struct early early = session->early;

	session->early = (struct early){0};
	if (early.n > 0)
		take_bytes(s, session, LT_DIR_READ, early.ts_ns, lt_bytes(early.p, early.n));
	session->early = early;
	drop_early(session);
}

static bool is_early(const struct session *session, struct lt_bytes data)
{
	const struct lt_protocol *unused;

	if (session->parser)
		return session->protocol->early && session->protocol->early(session->parser, data);
	return !session->reads && sniff_all(data, LT_SIDE_RESPONSE, &unused) == LT_SNIFF_YES;
}

static bool hold(struct session *session, uint64_t ts_ns, struct lt_bytes data)
{
	struct early *e = &session->early;
	uint8_t *p;

	if (data.n > EARLY_BYTES_MAX - e->n)
		return false;
	p = lt_calloc(1, e->n + data.n);
	if (!p)
		return false;
	if (e->n > 0) {
		memcpy(p, e->p, e->n);
		lt_wipe(e->p, e->n);
		lt_free(e->p);
	} else {
		e->ts_ns = ts_ns;
	}
	memcpy(p + e->n, data.p, data.n);
	e->p = p;
	e->n += data.n;
	return true;
}

/* Whether an answer waits that is older than what comes now: then it is nobody's. */
static bool is_stale(const struct session *session, enum lt_dir dir, uint64_t ts_ns)
{
	const struct early *e = &session->early;

	return e->n > 0 &&
	       (dir == LT_DIR_WRITE ? ts_ns > e->ts_ns : ts_ns > e->ts_ns + early_patience_ns);
}

static void on_bytes(void *arg, void *user, enum lt_dir dir, uint64_t ts_ns, struct lt_bytes data)
{
	struct lt_sessions *s = arg;
	struct session *session = user;

	if (!session || is_ignored(session) || data.n == 0)
		return;
	if (is_stale(session, dir, ts_ns))
		let_through(s, session);
	if (dir == LT_DIR_READ && (session->early.n > 0 || is_early(session, data))) {
		if (hold(session, ts_ns, data))
			return;
		let_through(s, session);
	}
	session->reads |= dir == LT_DIR_READ;
	take_bytes(s, session, dir, ts_ns, data);
	if (session->early.n > 0 &&
	    !is_early(session, lt_bytes(session->early.p, session->early.n)))
		let_through(s, session);
}

static void on_gap(void *arg, void *user, enum lt_dir dir, uint64_t ts_ns, uint64_t lost)
{
	struct lt_sessions *s = arg;
	struct session *session = user;

	if (!session || is_ignored(session))
		return;
	let_through(s, session);
	if (dir == LT_DIR_WRITE)
		session->held_n = 0;
	if (!session->parser)
		return;
	/* Under HEAD bytes are left out on purpose. */
	if (session->verdict != LT_VERDICT_HEAD) {
		lt_counter_add(LT_C_STREAM_GAPS, 1);
		lt_counter_add(LT_C_STREAM_GAP_BYTES, lost);
	}
	s->current = session;
	if (session->protocol->gap(session->parser, side_of(dir), ts_ns, lost) < 0) {
		lt_counter_add(LT_C_PARSE_ERRORS, 1);
		ignore(s, session, ts_ns);
	}
	s->current = NULL;
}

static void on_open(void *arg, const struct lt_conn *conn, void **user)
{
	struct session *session = lt_calloc(1, sizeof(*session));

	(void)arg;
	if (session)
		session->conn = conn;
	*user = session;
}

static void on_close(void *arg, void *user, uint64_t ts_ns, enum lt_close_reason why)
{
	struct lt_sessions *s = arg;
	struct session *session = user;

	if (!session)
		return;
	let_through(s, session);
	s->current = session;
	drop_parser(session, ts_ns, why);
	s->current = NULL;
	lt_free(session);
}

struct lt_stream_sink lt_sessions_sink(struct lt_sessions *s)
{
	return (struct lt_stream_sink){
		.arg = s,
		.open = on_open,
		.bytes = on_bytes,
		.gap = on_gap,
		.close = on_close,
	};
}
