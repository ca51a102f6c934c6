// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/kube_stream.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/json_scan.h"

enum { KEEP_BYTES = 64 << 10 }; /* of the buffer, between objects */

/* The numbers of the paths of each kind. */
enum { OBJECT, TYPE, VERSION = TYPE, CONTINUE, KIND };

struct lt_kube_stream {
	enum lt_kube_stream_kind kind;
	struct lt_kube_stream_sink sink;
	struct lt_json_paths *paths;
	struct lt_json_scan *scan;
	char *object; /* of the one that is coming */
	size_t n, size;
	bool within, too_large;
	uint64_t at;	       /* of the next byte, in the document */
	struct lt_bytes piece; /* what the scanner is at */
	size_t taken;	       /* of the piece, into the object */
	int error;
	char type[16];
	char version[LT_KUBE_VERSION_MAX], list_kind[16];
	char more[LT_KUBE_TOKEN_MAX];
	size_t more_n;
	uint64_t skipped;
};

static int add(struct lt_kube_stream *s, struct lt_bytes bytes)
{
	size_t size = s->size ? s->size : 4096;
	char *object;

	if (s->n + bytes.n > LT_KUBE_OBJECT_MAX)
		s->too_large = true;
	if (s->too_large || bytes.n == 0)
		return 0;
	while (size < s->n + bytes.n)
		size *= 2;
	if (size != s->size) {
		object = lt_reallocarray(s->object, size, 1);
		if (!object)
			return -ENOMEM;
		s->object = object;
		s->size = size;
	}
	memcpy(s->object + s->n, bytes.p, bytes.n);
	s->n += bytes.n;
	return 0;
}

/* The bytes of the piece up to the document's byte @end. */
static int add_until(struct lt_kube_stream *s, uint64_t end)
{
	size_t n = (size_t)(end - s->at);
	int r = add(s, lt_bytes(s->piece.p + s->taken, n - s->taken));

	s->taken = n;
	return r;
}

static int deliver(struct lt_kube_stream *s)
{
	lt_defer(lt_json_file_freep)
	struct lt_json_file *file = NULL;
	int r = -EBADMSG;

	if (!s->too_large)
		r = lt_json_file_parse(lt_bytes(s->object, s->n), "object", &file, NULL);
	s->n = 0;
	s->too_large = false;
	if (s->size > KEEP_BYTES) { /* one that was large */
		lt_free(s->object);
		s->object = NULL;
		s->size = 0;
	}
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		s->skipped++;
		return 0;
	}
	return s->sink.object(s->sink.arg, s->type, lt_json_file_root(file));
}

static void on_object(struct lt_kube_stream *s, const struct lt_json_hit *hit)
{
	if (hit->type == LT_JSON_OBJECT) {
		s->within = true;
		s->taken = (size_t)(hit->at - s->at);
	} else if (hit->type == LT_JSON_END && s->within) {
		s->within = false;
		s->error = add_until(s, hit->at + 1);
		if (s->error == 0 && s->kind == LT_KUBE_LIST)
			s->error = deliver(s);
	}
}

static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	struct lt_kube_stream *s = arg;

	if (s->error < 0)
		return;
	if (hit->path == OBJECT)
		on_object(s, hit);
	else if (hit->type != LT_JSON_STRING || hit->path == CONTINUE)
		return;
	else if (s->kind == LT_KUBE_EVENTS)
		lt_ignore(lt_bytes_copy(s->type, sizeof(s->type), hit->text));
	else if (hit->path == KIND)
		lt_ignore(lt_bytes_copy(s->list_kind, sizeof(s->list_kind), hit->text));
	else if (s->kind == LT_KUBE_LIST)
		lt_ignore(lt_bytes_copy(s->version, sizeof(s->version), hit->text));
}

static void on_text(void *arg, uint32_t path, struct lt_bytes piece)
{
	struct lt_kube_stream *s = arg;

	if (path != CONTINUE || s->error < 0)
		return;
	if (s->more_n + piece.n >= sizeof(s->more)) {
		s->error = -EBADMSG;
		return;
	}
	memcpy(s->more + s->more_n, piece.p, piece.n);
	s->more_n += piece.n;
	s->more[s->more_n] = '\0';
}

int lt_kube_stream_new(enum lt_kube_stream_kind kind, const struct lt_kube_stream_sink *sink,
		       struct lt_kube_stream **ret)
{
	static const char *const of_list[] = {"items[]", "metadata.resourceVersion",
					      "metadata.continue", "kind"};
	static const char *const of_events[] = {"object", "type"};
	static const char *const of_object[] = {""};
	lt_defer(lt_kube_stream_freep)
	struct lt_kube_stream *s = lt_calloc(1, sizeof(*s));
	struct lt_json_sink hits = {.arg = s, .hit = on_hit, .text = on_text};
	size_t bad;
	int r;

	if (!s)
		return -ENOMEM;
	s->kind = kind;
	s->sink = *sink;
	if (kind == LT_KUBE_LIST)
		r = lt_json_paths_new(of_list, LT_COUNT(of_list), &s->paths, &bad);
	else if (kind == LT_KUBE_EVENTS)
		r = lt_json_paths_new(of_events, LT_COUNT(of_events), &s->paths, &bad);
	else
		r = lt_json_paths_new(of_object, LT_COUNT(of_object), &s->paths, &bad);
	if (r == 0 && kind == LT_KUBE_LIST)
		lt_json_paths_want_text(s->paths, CONTINUE);
	if (r == 0)
		r = lt_json_scan_new(s->paths, &hits, &s->scan);
	if (r < 0)
		return r;
	*ret = lt_take(s);
	return 0;
}

struct lt_kube_stream *lt_kube_stream_free(struct lt_kube_stream *s)
{
	if (!s)
		return NULL;
	lt_json_scan_free(s->scan);
	lt_json_paths_free(s->paths);
	lt_free(s->object);
	lt_free(s);
	return NULL;
}

static void begin_document(struct lt_kube_stream *s)
{
	lt_json_scan_reset(s->scan);
	s->at = 0;
	s->n = 0;
	s->within = s->too_large = false;
	s->type[0] = '\0';
}

void lt_kube_stream_reset(struct lt_kube_stream *s)
{
	begin_document(s);
	s->error = 0;
	s->version[0] = s->more[0] = s->list_kind[0] = '\0';
	s->more_n = 0;
}

/* A document has ended. */
static int end_document(struct lt_kube_stream *s)
{
	int r = 0;

	if (s->kind != LT_KUBE_LIST && s->n + s->too_large > 0)
		r = deliver(s);
	if (s->kind == LT_KUBE_EVENTS)
		begin_document(s);
	return r;
}

/* Gives the scanner what it takes of the piece: of events, one document. */
static int scan(struct lt_kube_stream *s, size_t *ret_used)
{
	bool was_done = lt_json_scan_done(s->scan);
	int r;

	*ret_used = s->piece.n;
	if (s->kind == LT_KUBE_EVENTS)
		r = lt_json_scan_document(s->scan, s->piece, ret_used);
	else
		r = lt_json_scan_feed(s->scan, s->piece);
	if (r == 0)
		r = s->error;
	if (r == 0 && s->within)
		r = add_until(s, s->at + *ret_used);
	s->at += *ret_used;
	if (r == 0 && !was_done && lt_json_scan_done(s->scan))
		r = end_document(s);
	return r;
}

int lt_kube_stream_feed(struct lt_kube_stream *s, struct lt_bytes piece)
{
	while (s->error == 0 && piece.n > 0) {
		size_t used;

		s->piece = piece;
		s->taken = 0;
		s->error = scan(s, &used);
		piece = lt_bytes_skip(piece, used);
	}
	return s->error;
}

int lt_kube_stream_finish(struct lt_kube_stream *s)
{
	int r = s->error < 0 ? s->error : lt_json_scan_finish(s->scan);

	return r == -ENODATA && s->kind == LT_KUBE_EVENTS ? 0 : r;
}

const char *lt_kube_stream_continue(const struct lt_kube_stream *s)
{
	return s->more;
}

const char *lt_kube_stream_version(const struct lt_kube_stream *s)
{
	return s->version;
}

const char *lt_kube_stream_list_kind(const struct lt_kube_stream *s)
{
	return s->list_kind;
}

uint64_t lt_kube_stream_skipped(const struct lt_kube_stream *s)
{
	return s->skipped;
}
