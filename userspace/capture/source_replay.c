// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/source_replay.h"

#include <ctype.h>
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"
#include "userspace/capture/replay_http2.h"

enum {
	TLS_BYTES = 16384,  /* plaintext of one TLS record */
	CHUNK_BYTES = 1499, /* of a chunked body: no multiple of anything */
	HEADERS_MAX = 1000,
	BODY_MAX = 256 << 20,
};

/* Grows; once it failed it stays failed. */
struct text {
	uint8_t *p;
	size_t n, size;
	bool failed;
};

struct entry {
	struct text request, response;
	bool http2;	      /* bodies are unframed */
	struct lt_bytes host; /* of the URL, without port */
	bool answered;
	const struct lt_json_value *messages; /* of a WebSocket session, else NULL */
	uint64_t start_wall_ns, wait_ns, total_ns;
};

struct replay {
	const struct lt_replay_opts *opts;
	const struct lt_capture_sink *sink;
	uint64_t random;
	uint64_t sent[2]; /* bytes of the entry on the wire, by direction */
};

static void text_free(struct text *t)
{
	lt_free(t->p);
	*t = (struct text){0};
}

static void entry_free(struct entry *e)
{
	text_free(&e->request);
	text_free(&e->response);
}

static bool reserve(struct text *t, size_t more)
{
	size_t size = t->size ? t->size : 1024;
	uint8_t *p;

	if (t->failed || more > BODY_MAX)
		t->failed = true;
	if (t->failed)
		return false;
	while (size < t->n + more)
		size *= 2;
	if (size == t->size)
		return true;
	p = lt_reallocarray(t->p, size, 1);
	t->failed = !p;
	if (!p)
		return false;
	t->p = p;
	t->size = size;
	return true;
}

static void add(struct text *t, struct lt_bytes b)
{
	if (b.n == 0 || !reserve(t, b.n))
		return;
	memcpy(t->p + t->n, b.p, b.n);
	t->n += b.n;
}

static void add_str(struct text *t, const char *s)
{
	add(t, lt_bytes_str(s));
}

static struct lt_bytes text_of(const struct text *t)
{
	return lt_bytes(t->p, t->n);
}

static struct lt_bytes string_member(const struct lt_json_value *object, const char *name)
{
	struct lt_bytes s = {0};

	lt_json_text(lt_json_get(object, name), &s);
	return s;
}

/* Whether a text can stand on a head's line. */
static bool is_line(struct lt_bytes s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
	}
	return true;
}

static bool is_token(struct lt_bytes s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!isgraph(s.p[i]) || s.p[i] == ':')
			return false;
	}
	return s.n > 0;
}

/* "scheme://authority/path?query#fragment" in its parts; false when it is none. */
static bool split_url(struct lt_bytes url, struct lt_bytes *ret_authority,
		      struct lt_bytes *ret_target)
{
	const uint8_t *at = url.n ? memmem(url.p, url.n, "://", 3) : NULL, *fragment, *user;
	struct lt_bytes rest;
	size_t n = 0;

	if (url.n == 0 || !at || !is_line(url))
		return false;
	rest = lt_bytes_skip(url, (size_t)(at - url.p) + 3);
	while (n < rest.n && !memchr("/?#", rest.p[n], 3))
		n++;
	*ret_authority = lt_bytes(rest.p, n);
	user = memrchr(rest.p, '@', n);
	if (user)
		*ret_authority = lt_bytes(user + 1, n - (size_t)(user + 1 - rest.p));
	*ret_target = lt_bytes_skip(rest, n);
	fragment = ret_target->n ? memchr(ret_target->p, '#', ret_target->n) : NULL;
	if (fragment)
		ret_target->n = (size_t)(fragment - ret_target->p);
	return ret_authority->n > 0 &&
	       !(ret_target->n && memchr(ret_target->p, ' ', ret_target->n));
}

static struct lt_bytes find_header(const struct lt_json_value *headers, const char *wanted)
{
	for (size_t i = 0; i < lt_json_count(headers); i++) {
		const struct lt_json_value *field = lt_json_at(headers, i);

		if (lt_bytes_is_nocase(string_member(field, "name"), wanted))
			return string_member(field, "value");
	}
	return (struct lt_bytes){0};
}

/* The recorded fields but those of framing, which are ours to say. -EBADMSG: one cannot stand in a
 * head. */
static int add_headers(struct text *t, const struct lt_json_value *headers, bool encoded)
{
	if (lt_json_count(headers) > HEADERS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < lt_json_count(headers); i++) {
		const struct lt_json_value *field = lt_json_at(headers, i);
		struct lt_bytes name = string_member(field, "name");
		struct lt_bytes value = string_member(field, "value");

		if (name.n > 0 && name.p[0] == ':')
			continue; /* HTTP/2's pseudo fields, as browsers record them */
		if (!is_token(name) || !is_line(value))
			return -EBADMSG;
		if (lt_bytes_is_nocase(name, "content-length") ||
		    lt_bytes_is_nocase(name, "transfer-encoding") ||
		    lt_bytes_is_nocase(name, "sec-websocket-extensions") ||
		    (!encoded && lt_bytes_is_nocase(name, "content-encoding")))
			continue;
		add(t, name);
		add_str(t, ": ");
		add(t, value);
		add_str(t, "\r\n");
	}
	return 0;
}

static void add_body(struct text *t, struct lt_bytes body, bool chunked, bool unframed)
{
	char line[64];

	if (unframed) {
		add_str(t, "\r\n");
		add(t, body);
		return;
	}
	if (!chunked) {
		snprintf(line, sizeof(line), "content-length: %zu\r\n\r\n", body.n);
		add_str(t, line);
		add(t, body);
		return;
	}
	add_str(t, "transfer-encoding: chunked\r\n\r\n");
	while (body.n > 0) {
		size_t n = body.n < CHUNK_BYTES ? body.n : CHUNK_BYTES;

		snprintf(line, sizeof(line), "%zx\r\n", n);
		add_str(t, line);
		add(t, lt_bytes(body.p, n));
		add_str(t, "\r\n");
		body = lt_bytes_skip(body, n);
	}
	add_str(t, "0\r\n\r\n");
}

static bool is_chunked(const struct lt_json_value *headers)
{
	return lt_bytes_is_nocase(find_header(headers, "transfer-encoding"), "chunked");
}

/* The bytes of a base64 text, in @to. */
static int decode(struct lt_bytes base64, struct text *to)
{
	int r;

	if (!reserve(to, base64.n / 4 * 3 + 8))
		return -ENOMEM;
	r = lt_base64_decode(base64, to->p, &to->n);
	return r < 0 ? -EBADMSG : 0;
}

/* What asks for a socket, or grants one: recorders of browsers leave it out. */
static void add_upgrade(struct text *t, const struct lt_json_value *headers)
{
	if (find_header(headers, "upgrade").n == 0)
		add_str(t, "upgrade: websocket\r\nconnection: Upgrade\r\n");
}

static int write_request(const struct lt_json_value *request, struct entry *e)
{
	const struct lt_json_value *headers = lt_json_get(request, "headers");
	const struct lt_json_value *post = lt_json_get(request, "postData");
	struct lt_bytes method = string_member(request, "method"), authority, target, body, base64;
	lt_defer(text_free)
	struct text raw = {0};
	struct text *t = &e->request;
	bool is_raw = lt_json_text(lt_json_get(post, "_base64"), &base64);
	int r = 0;

	if (!is_token(method) || !split_url(string_member(request, "url"), &authority, &target))
		return -EBADMSG;
	e->host = authority;
	body = string_member(post, "text");
	if (is_raw)
		r = decode(base64, &raw);
	if (r < 0)
		return r;
	if (is_raw)
		body = text_of(&raw);
	add(t, method);
	add_str(t, target.n == 0 || target.p[0] != '/' ? " /" : " ");
	add(t, target);
	add_str(t, " HTTP/1.1\r\n");
	if (find_header(headers, "host").n == 0) {
		add_str(t, "host: ");
		add(t, authority);
		add_str(t, "\r\n");
	}
	if (e->messages)
		add_upgrade(t, headers);
	/* A text is the body as its writer meant it, whatever coding was recorded beside it. */
	r = add_headers(t, headers, is_raw);
	if (r < 0)
		return r;
	if (post)
		add_body(t, body, is_chunked(headers), e->http2);
	else
		add_str(t, "\r\n");
	return t->failed ? -ENOMEM : 0;
}

/* The answer that turns the connection into a socket, whatever of it was recorded. */
static int write_handshake(const struct lt_json_value *headers, struct entry *e)
{
	int r;

	e->answered = true;
	add_str(&e->response, "HTTP/1.1 101 Switching Protocols\r\n");
	r = add_headers(&e->response, headers, true);
	if (r < 0)
		return r;
	add_upgrade(&e->response, headers);
	add_str(&e->response, "\r\n");
	return e->response.failed ? -ENOMEM : 0;
}

static int write_response(const struct lt_json_value *response, bool to_head, struct entry *e)
{
	const struct lt_json_value *headers = lt_json_get(response, "headers");
	const struct lt_json_value *content = lt_json_get(response, "content");
	struct lt_bytes body = string_member(content, "text");
	lt_defer(text_free)
	struct text raw = {0};
	struct text *t = &e->response;
	double status = 0;
	char line[64];
	int r = 0;

	if (e->messages)
		return write_handshake(headers, e);
	if (!lt_json_number(lt_json_get(response, "status"), &status) || !(status > 0))
		return 0; /* recorders write 0 for a call that got no answer */
	if (status < 200 || status > 999)
		return -EBADMSG;
	e->answered = true;
	if (lt_bytes_is_nocase(string_member(content, "encoding"), "base64"))
		r = decode(body, &raw);
	if (r < 0)
		return r;
	if (raw.p)
		body = text_of(&raw);
	snprintf(line, sizeof(line), "HTTP/1.1 %u Recorded\r\n", (unsigned)status);
	add_str(t, line);
	r = add_headers(t, headers, lt_json_is_true(lt_json_get(content, "_encoded")));
	if (r < 0)
		return r;
	if ((unsigned)status == 204 || (unsigned)status == 304 || to_head)
		add_str(t, "\r\n");
	else
		add_body(t, body, is_chunked(headers), e->http2);
	return t->failed ? -ENOMEM : 0;
}

static uint64_t milliseconds(const struct lt_json_value *object, const char *name)
{
	double ms = 0;

	if (!lt_json_number(lt_json_get(object, name), &ms) || !(ms > 0 && ms < 1e9))
		return 0;
	return (uint64_t)(ms * 1e6);
}

static void read_times(const struct lt_json_value *json, struct entry *e)
{
	const struct lt_json_value *timings = lt_json_get(json, "timings");
	int64_t start = 0;

	/* Without a time the entry is of 1970: no price is in force then, which is as much as we
	 * know. */
	if (lt_parse_time(string_member(json, "startedDateTime"), &start) < 0)
		start = 0;
	e->start_wall_ns = (uint64_t)start;
	e->wait_ns = milliseconds(timings, "send") + milliseconds(timings, "wait");
	e->total_ns = milliseconds(json, "time");
	if (e->total_ns < e->wait_ns)
		e->total_ns = e->wait_ns;
}

static int read_entry(const struct lt_json_value *json, bool http2, struct entry *e)
{
	const struct lt_json_value *request = lt_json_get(json, "request");
	int r;

	if (!lt_json_is_object(request))
		return -EBADMSG;
	e->messages = lt_json_get(json, "_webSocketMessages");
	/* Sockets are opened over HTTP/1.1 nearly everywhere. */
	e->http2 = http2 && !e->messages;
	read_times(json, e);
	r = write_request(request, e);
	if (r < 0)
		return r;
	return write_response(lt_json_get(json, "response"),
			      lt_bytes_is(string_member(request, "method"), "HEAD"), e);
}

/* xorshift64*: small, and the same everywhere. */
static uint64_t draw(struct replay *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return r->random * 0x2545f4914f6cdd1dULL;
}

static size_t next_piece(struct replay *r)
{
	if (r->opts->random)
		return 1 + draw(r) % ((size_t)1 << draw(r) % 13); /* all magnitudes are as likely */
	return r->opts->split ? r->opts->split : TLS_BYTES;
}

/* One direction's bytes; the stamps run from @from to @to. */
/* Without what lies before the byte at which the connection is joined. */
static struct lt_bytes unseen(const struct replay *r, uint64_t sent, struct lt_bytes data,
			      uint64_t *position)
{
	uint64_t cut = sent < r->opts->join_at ? r->opts->join_at - sent : 0;

	data = lt_bytes_skip(data, cut < data.n ? (size_t)cut : data.n);
	*position = sent + cut;
	return data;
}

static void send_all(struct replay *r, struct lt_event_conn *conn, enum lt_dir dir,
		     struct lt_bytes all, uint64_t from, uint64_t span)
{
	uint64_t position = 0, *sent = &r->sent[dir];

	while (position < all.n) {
		size_t piece = next_piece(r);
		struct lt_chunk chunk = {
			.conn = conn,
			.library = LT_LIBRARY_REPLAY,
			.dir = dir,
			.position = *sent,
		};

		/* Two pieces at least: an answer that took time began and ended at different
		 * moments. */
		if (position == 0 && piece >= all.n && span > 0 && all.n > 1)
			piece = all.n / 2;
		if (piece > all.n - position)
			piece = (size_t)(all.n - position);
		chunk.data = unseen(r, *sent, lt_bytes(all.p + position, piece), &chunk.position);
		chunk.ts_ns = from + (uint64_t)((double)span * (double)position / (double)all.n);
		if (position + piece == all.n && position > 0)
			chunk.ts_ns = from + span;
		conn->head.type = LT_EVENT_DATA;
		conn->head.ts_ns = chunk.ts_ns;
		if (chunk.data.n > 0)
			r->sink->data(r->sink->arg, &chunk);
		position += piece;
		*sent += piece;
	}
}

/* One message as one frame; the client's are masked, with zeros, as it makes no difference. */
static int write_frame(const struct lt_json_value *message, enum lt_dir dir, struct text *t)
{
	struct lt_bytes data = string_member(message, "data");
	uint8_t head[14] = {0x81, dir == LT_DIR_WRITE ? 0x80 : 0};
	lt_defer(text_free)
	struct text raw = {0};
	double opcode = 1;
	size_t n = 2;

	if (lt_json_number(lt_json_get(message, "opcode"), &opcode) && opcode == 2) {
		int r = decode(data, &raw);

		if (r < 0)
			return r;
		data = text_of(&raw);
		head[0] = 0x82;
	}
	if (data.n > 65535) {
		head[1] |= 127;
		for (int i = 0; i < 8; i++)
			head[n++] = (uint8_t)((uint64_t)data.n >> (56 - 8 * i));
	} else if (data.n > 125) {
		head[1] |= 126;
		head[n++] = (uint8_t)(data.n >> 8);
		head[n++] = (uint8_t)data.n;
	} else {
		head[1] |= (uint8_t)data.n;
	}
	add(t, lt_bytes(head, dir == LT_DIR_WRITE ? n + 4 : n));
	add(t, data);
	return t->failed ? -ENOMEM : 0;
}

/* The session's messages, evenly over its time. */
static int send_messages(struct replay *r, struct lt_event_conn *conn, const struct entry *e,
			 uint64_t from, uint64_t span)
{
	size_t count = lt_json_count(e->messages);

	for (size_t i = 0; i < count; i++) {
		const struct lt_json_value *message = lt_json_at(e->messages, i);
		bool sent = lt_bytes_is(string_member(message, "type"), "send");
		enum lt_dir dir = sent ? LT_DIR_WRITE : LT_DIR_READ;
		lt_defer(text_free)
		struct text frame = {0};
		int err = write_frame(message, dir, &frame);

		if (err < 0)
			return err;
		send_all(r, conn, dir, text_of(&frame), from + span / count * (i + 1), 0);
	}
	return 0;
}

static void send_name(const struct replay *r, const struct lt_event_conn *conn,
		      struct lt_bytes host)
{
	struct lt_event_name name = {.conn = *conn};
	const uint8_t *colon = host.n > 0 && host.p[0] != '[' ? memchr(host.p, ':', host.n) : NULL;

	if (colon)
		host.n = (size_t)(colon - host.p);
	name.conn.head.type = LT_EVENT_NAME;
	if (lt_bytes_copy(name.name, sizeof(name.name), host) && r->sink->name)
		r->sink->name(r->sink->arg, &name);
}

static void add_frames(void *arg, struct lt_bytes bytes)
{
	add(arg, bytes);
}

/* The message in HTTP/1.1 becomes frames. */
static int frame_message(struct text *t, bool request)
{
	struct text frames = {0};
	const struct lt_frames_sink sink = {.arg = &frames, .bytes = add_frames};
	const uint8_t *end = memmem(t->p, t->n, "\r\n\r\n", 4);
	size_t head = end ? (size_t)(end - t->p) + 4 : t->n;

	lt_frames_begin(&sink, request);
	lt_frames_message(&sink, 1, lt_bytes(t->p, head), lt_bytes_skip(text_of(t), head), request);
	text_free(t);
	*t = frames;
	return t->failed ? -ENOMEM : 0;
}

static int send_entry(struct replay *r, size_t number, const struct entry *e)
{
	struct lt_bytes parts[] = {lt_bytes(&number, sizeof(number)),
				   lt_bytes(&e->start_wall_ns, sizeof(e->start_wall_ns)),
				   text_of(&e->request), text_of(&e->response)};
	uint64_t start = e->start_wall_ns - (uint64_t)lt_clock_boot_to_wall(0);
	struct lt_event_conn conn = {.generation = e->start_wall_ns};
	struct lt_event_close close = {0};
	uint8_t digest[LT_SHA256_SIZE];
	int err = lt_sha256(parts, LT_COUNT(parts), digest);

	if (err < 0)
		return err;
	memcpy(&conn.ctx, digest, sizeof(conn.ctx));
	conn.head.ts_ns = start;
	memset(r->sent, 0, sizeof(r->sent));
	send_name(r, &conn, e->host);
	send_all(r, &conn, LT_DIR_WRITE, text_of(&e->request), start, 0);
	if (e->answered)
		send_all(r, &conn, LT_DIR_READ, text_of(&e->response), start + e->wait_ns,
			 e->total_ns - e->wait_ns);
	if (e->messages)
		err = send_messages(r, &conn, e, start + e->wait_ns, e->total_ns - e->wait_ns);
	close.conn = conn;
	close.conn.head.type = LT_EVENT_CLOSE;
	close.conn.head.ts_ns = start + e->total_ns;
	close.position[LT_DIR_WRITE] = r->sent[LT_DIR_WRITE];
	close.position[LT_DIR_READ] = r->sent[LT_DIR_READ];
	r->sink->close(r->sink->arg, &close);
	return err;
}

static int replay_entry(struct replay *r, const struct lt_json_value *json, size_t number,
			struct lt_replay_stats *stats)
{
	lt_defer(entry_free)
	struct entry e = {0};
	int err;

	stats->entries++;
	err = read_entry(json, r->opts->http2, &e);
	if (err == 0 && e.http2)
		err = frame_message(&e.request, true);
	if (err == 0 && e.http2 && e.answered)
		err = frame_message(&e.response, false);
	if (err == 0)
		err = send_entry(r, number, &e);
	if (err == -EBADMSG) {
		stats->malformed++;
	}
	return err;
}

int lt_replay_entries(const struct lt_json_file *har, const char *name,
		      const struct lt_replay_opts *opts, const struct lt_capture_sink *sink,
		      struct lt_replay_stats *stats, struct lt_problem *problem)
{
	struct replay r = {.opts = opts, .sink = sink, .random = opts->seed * 2 + 1};
	const struct lt_json_value *entries = lt_json_get(
		lt_json_get(lt_json_file_root(har), "log"), "entries");
	size_t malformed = 0;

	if (!lt_json_is_array(entries))
		return lt_problem_set(problem, -EBADMSG, name, 0,
				      "this is no HAR file: it has no list log.entries");
	for (size_t i = 0; i < lt_json_count(entries); i++) {
		int err = replay_entry(&r, lt_json_at(entries, i), i, stats);

		if (err == -EBADMSG && malformed++ == 0)
			lt_problem_set(problem, 0, name, 0,
				       "entry %zu cannot be put on the wire and is skipped", i + 1);
		else if (err < 0 && err != -EBADMSG)
			return lt_problem_set(problem, err, name, 0, "entry %zu: %s", i + 1,
					      strerror(-err));
	}
	return 0;
}

int lt_replay_har(const char *path, const struct lt_replay_opts *opts,
		  const struct lt_capture_sink *sink, struct lt_replay_stats *stats,
		  struct lt_problem *problem)
{
	lt_defer(lt_json_file_freep)
	struct lt_json_file *har = NULL;
	int r = lt_json_file_load(path, &har, problem);

	return r < 0 ? r : lt_replay_entries(har, path, opts, sink, stats, problem);
}
