// SPDX-License-Identifier: Apache-2.0
/* The exchange sink: which exchanges are metered, how their bodies are framed, when a call is
 * whole. */
#include "userspace/decode/decoder.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"
#include "userspace/decode/work.h"

int lt_decoder_new(const struct lt_decoder_opts *opts, const struct lt_catalog *catalog,
		   const struct lt_call_sink *sink, struct lt_decoder **ret)
{
	struct lt_decoder *d = lt_calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->opts = *opts;
	if (d->opts.max_exchanges == 0)
		d->opts.max_exchanges = 4096;
	d->catalog = catalog;
	d->sink = *sink;
	*ret = d;
	return 0;
}

struct lt_decoder *lt_decoder_free(struct lt_decoder *d)
{
	if (d) {
		lt_wipe(d->opts.fingerprint_key, sizeof(d->opts.fingerprint_key));
		lt_wipe(d->opts.previous_key, sizeof(d->opts.previous_key));
		lt_bpe_shelf_clear(&d->shelf);
		lt_decoder_forget(d);
	}
	lt_free(d);
	return NULL;
}

void lt_decoder_claims(struct lt_decoder *d, const char *const *names, size_t count, uint32_t stamp)
{
	d->claim_count = count < LT_CLAIMS_MAX ? count : LT_CLAIMS_MAX;
	d->claim_stamp = stamp;
	for (size_t i = 0; i < d->claim_count; i++)
		lt_bytes_copy(d->claim_names[i], sizeof(d->claim_names[i]), lt_bytes_str(names[i]));
}

/* ---- bodies ---- */

static bool is_done(const struct lt_work *w)
{
	size_t n = strlen(w->api->shape->done);

	return n > 0 && w->start_n >= n && memcmp(w->start, w->api->shape->done, n) == 0;
}

/* What was only taken for a call by its path has to look like one. */
static bool is_wanted(const struct lt_work *w)
{
	if (w->dropped || (w->rpc && !w->call.operation[0]))
		return false;
	if (w->guessed)
		return w->confirmed && lt_work_has_usage(w);
	if (w->api->stored) /* else: a look at what is not finished, or is no such object */
		return lt_work_has_usage(w);
	if (!w->api->provider->confirm && !w->api->confirm)
		return true;
	return w->confirmed || (w->failed && w->call.request_model[0] &&
				(w->asked || !w->api->shape->request_confirms));
}

void lt_work_emit(struct lt_work *w, enum lt_end why)
{
	struct lt_decoder *d = w->decoder;
	struct lt_call *c = &w->call, part;

	lt_work_settle(w, w->exchange, why);
	if (!is_wanted(w))
		return;
	lt_work_object(w);
	d->sink.call(d->sink.arg, c);
	for (unsigned n = 1; lt_work_shares_call(w, n, &part); n++)
		d->sink.call(d->sink.arg, &part);
	lt_work_next_call(w);
}

/* A session's answer is whole: it is a call of its own. */
static void emit_if_whole(struct lt_work *w)
{
	bool ends = w->exchange->websocket && w->types_seen & w->api->shape->emit;

	if (!w->emit_now && !ends)
		return;
	lt_work_emit(w, LT_END_COMPLETE);
	w->emit_now = false;
}

static void payload_ends(struct lt_work *w)
{
	lt_ignore(lt_json_scan_finish(w->response));
	if (is_done(w))
		w->done = true;
	lt_work_payload_ends(w);
	w->start_n = 0;
	lt_json_scan_reset(w->response);
	emit_if_whole(w);
}

static void on_sse_data(void *arg, struct lt_bytes piece)
{
	struct lt_work *w = arg;
	size_t room = sizeof(w->start) - w->start_n;

	/* The event's name is its payload's type, for encoders that write the type last. */
	if (w->start_n == 0 && w->sse.name_n > 0)
		lt_work_type(w, lt_bytes(w->sse.name, w->sse.name_n));
	if (room > 0) {
		size_t n = piece.n < room ? piece.n : room;

		memcpy(w->start + w->start_n, piece.p, n);
		w->start_n += (unsigned)n;
	}
	if (lt_json_scan_feed(w->response, piece) < 0 && !is_done(w) && w->start[0] == '{')
		w->bad_json = true;
}

static void on_sse_event(void *arg, const char *name)
{
	(void)name; /* on_sse_data has seen it */
	payload_ends(arg);
}

static void scan_piece(struct lt_work *w, struct lt_bytes piece)
{
	if (lt_json_scan_feed(w->response, piece) < 0)
		w->bad_json = true;
}

static void on_inner_data(void *arg, struct lt_bytes piece)
{
	scan_piece(arg, piece);
}

/* The kind of event is its payload's type. */
static void on_event_begin(void *arg, const struct lt_event_stream_head *head)
{
	struct lt_work *w = arg;
	struct lt_base64_member_sink inner = {.arg = w, .data = on_inner_data};

	w->unwraps = w->api->shape->unwrap && strcmp(head->event_type, "chunk") == 0;
	if (w->unwraps)
		lt_base64_member_init(&w->inner, &inner);
	lt_work_type(w, lt_bytes_str(head->event_type));
	if (strcmp(head->message_type, "exception") != 0 &&
	    strcmp(head->message_type, "error") != 0)
		return;
	lt_work_type(w, lt_bytes_str(head->message_type));
	w->failed = true;
	lt_work_field(w, LT_SIDE_RESPONSE, LT_F_ERROR_TYPE, lt_bytes_str(head->exception_type));
}

static void on_event_data(void *arg, struct lt_bytes piece)
{
	struct lt_work *w = arg;

	if (w->unwraps)
		lt_base64_member_feed(&w->inner, piece);
	else
		scan_piece(w, piece);
}

static void on_event_end(void *arg, bool intact)
{
	struct lt_work *w = arg;

	if (intact) {
		payload_ends(w);
		return;
	}
	w->bad_json = true;
	lt_work_payload_drop(w);
}

static void begin_events(struct lt_work *w)
{
	const struct lt_event_stream_sink sink = {
		.arg = w,
		.begin = on_event_begin,
		.data = on_event_data,
		.end = on_event_end,
	};

	lt_event_stream_init(&w->events, &sink);
	w->call.streaming = true;
}

/* The first byte tells JSON and SSE apart, whatever the content type says: errors of a stream are
 * often plain JSON. */
static enum lt_body sniff_body(const struct lt_work *w, struct lt_bytes *data)
{
	if (w->says_events || data->p[0] == '\0')
		return LT_BODY_EVENTS;
	while (data->n > 0 && (data->p[0] == ' ' || data->p[0] == '\n' || data->p[0] == '\r' ||
			       data->p[0] == '\t'))
		*data = lt_bytes_skip(*data, 1);
	if (data->n == 0)
		return LT_BODY_UNKNOWN;
	if (data->p[0] == '{' || data->p[0] == '[')
		return LT_BODY_JSON;
	return w->says_sse || memchr("dei:", data->p[0], 4) ? LT_BODY_SSE : LT_BODY_OTHER;
}

/*
 * One document, or several: one on each line, or the elements of a list that is written over
 * minutes. What stands between them (white space, the list's brackets and commas) is skipped.
 */
static int feed_documents(struct lt_work *w, struct lt_bytes data)
{
	while (data.n > 0) {
		size_t used = 0;
		int r;

		if (!w->in_document && strchr(" \t\r\n,[]\x1e", data.p[0]) && data.p[0] != '\0') {
			data = lt_bytes_skip(data, 1);
			continue;
		}
		w->in_document = true;
		r = lt_json_scan_document(w->response, data, &used);
		if (r < 0)
			return r;
		data = lt_bytes_skip(data, used);
		w->document_bytes += used;
		if (!lt_json_scan_done(w->response))
			continue;
		payload_ends(w);
		w->in_document = false;
		w->document_bytes = 0;
	}
	return 0;
}

static void feed_response(struct lt_work *w, struct lt_bytes data)
{
	if (data.n > 0 && w->body == LT_BODY_UNKNOWN) {
		w->body = sniff_body(w, &data);
		if (w->body == LT_BODY_EVENTS)
			begin_events(w);
	}
	if (w->body == LT_BODY_EVENTS)
		lt_event_stream_feed(&w->events, data);
	else if (w->body == LT_BODY_GRPC)
		lt_grpc_feed(&w->grpc[LT_SIDE_RESPONSE], data);
	else if (w->body == LT_BODY_SSE)
		lt_sse_feed(&w->sse, data);
	else if (w->body == LT_BODY_JSON && !w->bad_json && feed_documents(w, data) < 0)
		w->bad_json = true;
}

static void on_response_hit(void *arg, const struct lt_json_hit *hit)
{
	lt_work_response_hit(arg, hit);
}

static void on_request_hit(void *arg, const struct lt_json_hit *hit)
{
	lt_work_request_hit(arg, hit);
}

static void on_response_text(void *arg, uint32_t path, struct lt_bytes piece)
{
	lt_work_text(arg, LT_SIDE_RESPONSE, path, piece);
}

static void on_request_text(void *arg, uint32_t path, struct lt_bytes piece)
{
	lt_work_text(arg, LT_SIDE_REQUEST, path, piece);
}

/* ---- the exchange ---- */

static struct lt_work *close_work(struct lt_work *w)
{
	if (!w)
		return NULL;
	lt_json_scan_free(w->request);
	lt_json_scan_free(w->response);
	lt_work_text_drop(w, LT_SIDE_REQUEST);
	lt_work_text_drop(w, LT_SIDE_RESPONSE);
	lt_work_grpc_done(w);
	lt_free(w->shares);
	lt_free(w->rpc);
	lt_free(w->later);
	w->decoder->open--;
	lt_free(w);
	return NULL;
}

static struct lt_work *open_work(struct lt_decoder *d, const struct lt_api *api)
{
	struct lt_work *w;
	struct lt_json_sink request = {.hit = on_request_hit, .text = on_request_text};
	struct lt_json_sink response = {.hit = on_response_hit, .text = on_response_text};
	struct lt_sse_sink sse = {.data = on_sse_data, .event = on_sse_event};

	if (d->open >= d->opts.max_exchanges) {
		lt_counter_add(LT_C_EXCHANGES_EVICTED, 1);
		return NULL;
	}
	w = lt_calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	d->open++;
	w->decoder = d;
	w->api = api;
	request.arg = response.arg = sse.arg = w;
	memset(w->rank, LT_UNRANKED, sizeof(w->rank));
	if (api->shape->rpc)
		w->rpc = lt_calloc(1, sizeof(*w->rpc));
	if ((api->shape->rpc && !w->rpc) ||
	    lt_json_scan_new(api->shape->request.paths, &request, &w->request) < 0 ||
	    lt_json_scan_new(api->shape->response.paths, &response, &w->response) < 0)
		return close_work(w);
	lt_sse_init(&w->sse, &sse);
	return w;
}

static void feed_request(struct lt_work *w, struct lt_bytes data)
{
	if (w->request_body == LT_REQUEST_FORM)
		lt_multipart_feed(&w->form, data);
	else if (w->request_body == LT_REQUEST_GRPC)
		lt_grpc_feed(&w->grpc[LT_SIDE_REQUEST], data);
	else if (w->request && lt_json_scan_feed(w->request, data) < 0)
		w->request = lt_json_scan_free(w->request); /* not JSON at all */
}

static void on_form_field(void *arg, struct lt_bytes name, struct lt_bytes value)
{
	lt_work_form_field(arg, name, value);
}

static bool holds(struct lt_bytes text, const char *word)
{
	return text.n > 0 && memmem(text.p, text.n, word, strlen(word));
}

static enum lt_interest on_request(void *arg, struct lt_exchange *x,
				   const struct lt_http_head *head)
{
	struct lt_decoder *d = arg;
	struct lt_ask ask = {
		.host = head->host.n ? head->host : lt_bytes_str(x->conn->server_name),
		.method = head->method,
		.path = lt_request_path(head),
		.mcp = lt_request_is_mcp(head),
		.websocket = lt_bytes_is_nocase(lt_http_field(head, "upgrade"), "websocket"),
	};
	struct lt_multipart_sink form = {.field = on_form_field};
	const struct lt_api *api = NULL;
	struct lt_work *w;

	if (x->ordinal == 0 && d->sink.connection)
		d->sink.connection(d->sink.arg, x->conn, ask.host);
	if (x->joined && head->target.n == 0)
		return lt_catalog_knows_host(d->catalog, ask.host) ? LT_INTEREST_BODIES
								   : LT_INTEREST_NONE;
	switch (lt_catalog_match(d->catalog, &ask, &api)) {
	case LT_HOST_UNKNOWN:
		return ask.mcp ? LT_INTEREST_LATER : LT_INTEREST_CONNECTION_NONE;
	case LT_HOST_BESIDE:
		return LT_INTEREST_LATER;
	case LT_HOST_KNOWN:
		return LT_INTEREST_NONE;
	case LT_HOST_METERED:
		break;
	}
	w = open_work(d, api);
	if (!w)
		return LT_INTEREST_NONE;
	form.arg = w;
	lt_work_describe(w, x, head, ask.host);
	if (lt_multipart_init(&w->form, lt_http_field(head, "content-type"), &form))
		w->request_body = LT_REQUEST_FORM;
	else if (lt_work_grpc_begins(w, head))
		w->request_body = LT_REQUEST_GRPC;
	w->exchange = x;
	x->user = w;
	if (d->sink.begins)
		d->sink.begins(d->sink.arg, x->conn);
	return api->provider->head_only ? LT_INTEREST_HEAD : LT_INTEREST_BODIES;
}

/* An exchange whose request went by before we came: its answer says what it is. */
static struct lt_work *guess(struct lt_decoder *d, struct lt_exchange *x, struct lt_bytes start)
{
	struct lt_bytes host = lt_bytes_str(x->conn->server_name);
	const struct lt_http_head unknown = {.side = LT_SIDE_REQUEST, .port = 443};
	const struct lt_api *api = lt_catalog_guess(d->catalog, host, start);
	struct lt_work *w = api ? open_work(d, api) : NULL;

	if (!w)
		return NULL;
	lt_work_describe(w, x, &unknown, host);
	w->call.inferred |= LT_INFERRED_API;
	w->guessed = true;
	w->request = lt_json_scan_free(w->request);
	w->call.status = x->status;
	w->exchange = x;
	x->user = w;
	if (d->sink.begins)
		d->sink.begins(d->sink.arg, x->conn);
	return w;
}

static void on_response(void *arg, struct lt_exchange *x, const struct lt_http_head *head)
{
	struct lt_work *w = x->user;
	struct lt_bytes type = lt_http_field(head, "content-type");
	const struct lt_provider *p;

	(void)arg;
	if (!w)
		return;
	p = w->api->provider;
	w->call.status = head->status;
	lt_work_headers(w, head);
	lt_work_billed(w, head);
	w->says_sse = type.n > 0 && memmem(type.p, type.n, "event-stream", 12);
	w->says_events = holds(type, "amazon.eventstream");
	/* Ollama streams lines unless it is told not to. 101: a socket. */
	w->call.streaming |= w->says_sse || holds(type, "ndjson") || head->status == 101;
	if (lt_work_grpc_begins(w, head))
		w->body = LT_BODY_GRPC;
	lt_work_grpc_status(w, head);
	for (unsigned i = 0; i < p->request_id_header_count && !w->call.request_id[0]; i++)
		lt_copy_word(w->call.request_id, sizeof(w->call.request_id),
			     lt_http_field(head, p->request_id_headers[i]));
}

static void on_body(void *arg, struct lt_exchange *x, enum lt_side side, struct lt_bytes data)
{
	struct lt_work *w = x->user;

	if (!w && x->joined && side == LT_SIDE_RESPONSE)
		w = guess(arg, x, data);
	if (!w)
		return;
	if (side == LT_SIDE_RESPONSE && x->websocket)
		lt_ignore(lt_json_scan_feed(w->response, data)); /* audio frames are no JSON */
	else if (side == LT_SIDE_REQUEST && x->websocket && w->request)
		lt_ignore(lt_json_scan_feed(w->request, data));
	else if (side == LT_SIDE_RESPONSE)
		feed_response(w, data);
	else
		feed_request(w, data);
}

/* A WebSocket message is one payload, on either side. */
static void on_message(void *arg, struct lt_exchange *x, enum lt_side side)
{
	struct lt_work *w = x->user;

	(void)arg;
	if (!w)
		return;
	if (side == LT_SIDE_REQUEST && w->request)
		lt_json_scan_reset(w->request);
	else if (side == LT_SIDE_RESPONSE)
		payload_ends(w);
}

static void on_body_gap(void *arg, struct lt_exchange *x, enum lt_side side, uint64_t lost)
{
	struct lt_work *w = x->user;

	(void)arg;
	(void)lost;
	if (!w)
		return;
	if (side == LT_SIDE_REQUEST) {
		w->request = lt_json_scan_free(w->request);
		lt_work_text_drop(w, LT_SIDE_REQUEST); /* half of it would pass for all of it */
		lt_grpc_lose(&w->grpc[LT_SIDE_REQUEST]);
	} else if (w->body == LT_BODY_GRPC) {
		lt_grpc_lose(&w->grpc[LT_SIDE_RESPONSE]);
		lt_work_payload_drop(w);
	} else if (w->body == LT_BODY_SSE) {
		/* The event that was cut is dropped; the next one is whole again. */
		struct lt_sse_sink sink = w->sse.sink;

		lt_sse_init(&w->sse, &sink);
		lt_work_payload_drop(w);
	} else {
		w->bad_json = true;
	}
}

static void on_trailer(void *arg, struct lt_exchange *x, const struct lt_http_head *trailer)
{
	struct lt_work *w = x->user;

	(void)arg;
	if (w && w->body == LT_BODY_GRPC && trailer->side == LT_SIDE_RESPONSE)
		lt_work_grpc_status(w, trailer);
}

static void on_moved(void *arg, struct lt_exchange *x)
{
	struct lt_work *w = x->user;

	(void)arg;
	if (w)
		w->exchange = x;
}

static void on_end(void *arg, struct lt_exchange *x, enum lt_end why)
{
	struct lt_work *w = x->user;

	(void)arg;
	if (!w)
		return;
	if (w->body == LT_BODY_SSE)
		lt_sse_finish(&w->sse);
	else if (w->in_document)
		lt_work_payload_ends(w);
	if (w->bad_json)
		lt_counter_add(LT_C_DECODE_BAD_JSON, 1);
	while (lt_work_rpc_next(w))
		lt_work_emit(w, why);
	/* Not at the end of a session whose calls have gone out already. */
	if (w->emitted == 0 || lt_work_has_usage(w))
		lt_work_emit(w, why);
	x->user = close_work(w);
}

struct lt_exchange_sink lt_decoder_sink(struct lt_decoder *d)
{
	return (struct lt_exchange_sink){
		.arg = d,
		.request = on_request,
		.response = on_response,
		.body = on_body,
		.body_gap = on_body_gap,
		.message = on_message,
		.trailer = on_trailer,
		.moved = on_moved,
		.end = on_end,
	};
}
