// SPDX-License-Identifier: Apache-2.0
/*
 * One "work" for each metered exchange in progress. Body bytes go straight from the connection
 * through SSE and the JSON scanner to the shape's rules; what stays is a few numbers and short
 * names.
 */
#include "userspace/decode/decoder.h"

#include <ctype.h>
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"
#include "userspace/decode/credential.h"
#include "userspace/decode/normalize.h"
#include "userspace/decode/provider.h"
#include "userspace/protocol/sse.h"

enum { DISTINCT_MAX = 256, UNRANKED = 255 };

enum body { BODY_UNKNOWN, BODY_JSON, BODY_SSE, BODY_OTHER };

/* An element that is charged beside the totals, while it passes. */
struct element {
	bool open, counts;
	struct lt_count meter[LT_M_COUNT];
};

struct work {
	struct lt_decoder *decoder;
	const struct lt_api *api;
	struct lt_json_scan *request; /* NULL: not wanted any more */
	struct lt_json_scan *response;
	struct lt_sse sse;
	enum body body;
	bool says_sse; /* by its content type */
	bool bad_json;
	bool failed;	/* the answer reports an error */
	char start[16]; /* first bytes of an SSE payload: is it the done marker? */
	unsigned start_n;
	uint32_t type; /* bit of the payload's type */
	uint32_t types_seen;
	bool done;		     /* the stream's last payload was seen */
	uint8_t rank[2][LT_F_COUNT]; /* of the path that filled a field, by side */
	struct lt_count meter[LT_M_COUNT];
	struct lt_count unit[LT_UNITS_MAX]; /* thousandths */
	struct lt_count extra[LT_M_COUNT];  /* sums of charged elements */
	struct lt_count payload_extra[LT_M_COUNT];
	struct element element[LT_EACH_MAX];
	uint64_t counter[LT_COUNTERS_MAX];
	uint64_t payload_counter[LT_RULES_MAX]; /* conditional counts, by rule, until the type is
						   known */
	bool payload_counted;
	uint64_t distinct[DISTINCT_MAX];
	unsigned distinct_count;
	struct lt_call call;
};

struct lt_decoder {
	struct lt_decoder_opts opts;
	const struct lt_catalog *catalog;
	struct lt_call_sink sink;
	size_t open;
};

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
	if (d)
		lt_wipe(d->opts.fingerprint_key, sizeof(d->opts.fingerprint_key));
	lt_free(d);
	return NULL;
}

/* ---- values ---- */

/* Names of models, ids and reasons are printable words; anything else on the wire is not taken over
 * as it is. */
static void copy_word(char *to, size_t size, struct lt_bytes text)
{
	size_t n = text.n < size - 1 ? text.n : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = text.p[i] > ' ' && text.p[i] < 0x7f ? (char)text.p[i] : '_';
	to[n] = '\0';
}

static bool is_word(struct lt_bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!isalnum(text.p[i]) && !memchr("_-.:/", text.p[i], 5))
			return false;
	}
	return text.n < sizeof(((struct lt_call *)NULL)->error_type);
}

static enum lt_tier parse_tier(const char *text)
{
	static const struct {
		const char *name;
		enum lt_tier tier;
	} tiers[] = {
		{"default", LT_TIER_STANDARD},	 {"standard", LT_TIER_STANDARD},
		{"on_demand", LT_TIER_STANDARD}, {"batch", LT_TIER_BATCH},
		{"flex", LT_TIER_FLEX},		 {"priority", LT_TIER_PRIORITY},
		{"fast", LT_TIER_PRIORITY},	 {"provisioned", LT_TIER_PROVISIONED},
		{"auto", LT_TIER_UNSTATED},
	};

	for (size_t i = 0; i < LT_COUNT(tiers); i++) {
		if (strcmp(text, tiers[i].name) == 0)
			return tiers[i].tier;
	}
	return LT_TIER_UNKNOWN;
}

static void set_field(struct work *w, enum lt_side side, enum lt_field field, struct lt_bytes text)
{
	struct lt_call *c = &w->call;

	switch (field) {
	case LT_F_MODEL:
		if (side == LT_SIDE_REQUEST)
			copy_word(c->request_model, sizeof(c->request_model), text);
		else
			copy_word(c->response_model, sizeof(c->response_model), text);
		break;
	case LT_F_ID:
		copy_word(c->response_id, sizeof(c->response_id), text);
		break;
	case LT_F_FINISH_REASON:
		copy_word(c->finish_reason, sizeof(c->finish_reason), text);
		break;
	case LT_F_SERVICE_TIER:
		copy_word(c->service_tier, sizeof(c->service_tier), text);
		c->tier = parse_tier(c->service_tier);
		break;
	case LT_F_ERROR_TYPE:
		copy_word(c->error_type, sizeof(c->error_type), text);
		break;
	case LT_F_USER:
		c->end_user_fp = lt_fingerprint(w->decoder->opts.fingerprint_key, text);
		break;
	case LT_F_STREAM:
	case LT_F_COUNT:
		break;
	}
}

static void field_hit(struct work *w, enum lt_side side, const struct lt_rule *rule,
		      const struct lt_json_hit *hit)
{
	uint8_t *rank = &w->rank[side][rule->target];

	if (rule->target == LT_F_STREAM) {
		w->call.streaming = hit->type == LT_JSON_TRUE;
		return;
	}
	if (rule->target == LT_F_ERROR_TYPE) {
		w->failed |= hit->type != LT_JSON_NULL && hit->type != LT_JSON_FALSE;
		if (!is_word(hit->text))
			return; /* a sentence, which may quote the prompt */
	}
	if ((hit->type != LT_JSON_STRING && hit->type != LT_JSON_NUMBER) || hit->text.n == 0)
		return; /* null and "" say nothing */
	if (rule->rank > *rank || (rule->keep == LT_KEEP_FIRST && rule->rank == *rank))
		return;
	*rank = rule->rank;
	set_field(w, side, (enum lt_field)rule->target, hit->text);
}

/* "12", "12.0" or "1.5" in thousandths. False for anything that is no count. */
static bool parse_milli(struct lt_bytes text, uint64_t *ret)
{
	const uint8_t *dot = text.n ? memchr(text.p, '.', text.n) : NULL;
	struct lt_bytes whole = dot ? lt_bytes(text.p, (size_t)(dot - text.p)) : text;
	uint64_t n, milli = 0, unit = 100;

	if (lt_parse_u64(whole, &n) < 0 || n > UINT64_MAX / 2000)
		return false;
	for (size_t i = whole.n + 1; dot && i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		milli += (uint64_t)(text.p[i] - '0') * unit;
		unit /= 10;
	}
	*ret = n * 1000 + milli;
	return true;
}

static void keep_count(struct lt_count *to, enum lt_keep keep, uint64_t n)
{
	if (to->known && (keep == LT_KEEP_FIRST || (keep == LT_KEEP_MAX && n <= to->n)))
		return;
	to->n = keep == LT_KEEP_SUM && to->known ? to->n + n : n;
	to->known = true;
}

/* An element ends: its numbers count when its type is one of those that are charged apart. */
static void element_hit(struct work *w, const struct lt_rule *rule, const struct lt_json_hit *hit)
{
	struct element *e = &w->element[rule->target];

	if (hit->type == LT_JSON_OBJECT) {
		memset(e, 0, sizeof(*e));
		e->open = true;
	} else if (hit->type == LT_JSON_END && e->open) {
		for (int m = 0; e->counts && m < LT_M_COUNT; m++) {
			if (e->meter[m].known)
				keep_count(&w->payload_extra[m], LT_KEEP_SUM, e->meter[m].n);
		}
		e->open = false;
	}
}

static bool in_words(const struct lt_rule *rule, struct lt_bytes text)
{
	for (unsigned i = 0; i < rule->word_count; i++) {
		if (lt_bytes_is(text, rule->words[i]))
			return true;
	}
	return rule->word_count == 0;
}

/* Whether the counter sees this text for the first time. Beyond the ceiling nothing is new. */
static bool new_text(struct work *w, uint8_t counter, struct lt_bytes text)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ counter;

	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ text.p[i]) * 0x100000001b3ULL;
	for (unsigned i = 0; i < w->distinct_count; i++) {
		if (w->distinct[i] == hash)
			return false;
	}
	if (w->distinct_count == DISTINCT_MAX)
		return false;
	w->distinct[w->distinct_count++] = hash;
	return true;
}

static void count_hit(struct work *w, const struct lt_rule *rule, unsigned number,
		      const struct lt_json_hit *hit)
{
	if (hit->type == LT_JSON_NULL || hit->type == LT_JSON_END ||
	    (rule->word_count > 0 && (hit->type != LT_JSON_STRING || !in_words(rule, hit->text))))
		return;
	if (rule->kind == LT_RULE_DISTINCT &&
	    (hit->text.n == 0 || !new_text(w, rule->target, hit->text)))
		return;
	if (rule->when == 0) {
		w->counter[rule->target]++;
		return;
	}
	w->payload_counter[number]++;
	w->payload_counted = true;
}

static void type_hit(struct work *w, const struct lt_json_hit *hit)
{
	const struct lt_shape *shape = w->api->shape;

	for (unsigned i = 0; i < shape->type_count; i++) {
		if (lt_bytes_is(hit->text, shape->types[i]))
			w->type = 1U << i;
	}
}

static void number_hit(struct work *w, const struct lt_rule *rule, const struct lt_json_hit *hit)
{
	uint64_t milli;

	if (hit->type != LT_JSON_NUMBER || !parse_milli(hit->text, &milli))
		return;
	if (rule->kind == LT_RULE_METER)
		keep_count(&w->meter[rule->target], rule->keep, milli / 1000);
	else if (rule->kind == LT_RULE_UNIT)
		keep_count(&w->unit[rule->target], rule->keep, milli);
	else
		keep_count(&w->element[rule->target].meter[rule->meter], LT_KEEP_LAST,
			   milli / 1000);
}

static void on_response_hit(void *arg, const struct lt_json_hit *hit)
{
	struct work *w = arg;
	const struct lt_rule *rule = &w->api->shape->response.rule[hit->path];

	switch (rule->kind) {
	case LT_RULE_FIELD:
		field_hit(w, LT_SIDE_RESPONSE, rule, hit);
		break;
	case LT_RULE_METER:
	case LT_RULE_UNIT:
	case LT_RULE_EACH_METER:
		number_hit(w, rule, hit);
		break;
	case LT_RULE_COUNT:
	case LT_RULE_DISTINCT:
		count_hit(w, rule, hit->path, hit);
		break;
	case LT_RULE_TYPE:
		type_hit(w, hit);
		break;
	case LT_RULE_EACH:
		element_hit(w, rule, hit);
		break;
	case LT_RULE_EACH_TYPE:
		if (w->element[rule->target].open && in_words(rule, hit->text))
			w->element[rule->target].counts = true;
		break;
	}
}

static void on_request_hit(void *arg, const struct lt_json_hit *hit)
{
	struct work *w = arg;

	field_hit(w, LT_SIDE_REQUEST, &w->api->shape->request.rule[hit->path], hit);
}

/* ---- payloads ---- */

/* A payload (or the one JSON body) is whole: what depended on its type is settled. */
static void payload_ends(struct work *w)
{
	const struct lt_rules *rules = &w->api->shape->response;

	for (unsigned i = 0; w->payload_counted && i < rules->count; i++) {
		if (rules->rule[i].when & w->type)
			w->counter[rules->rule[i].target] += w->payload_counter[i];
		w->payload_counter[i] = 0;
	}
	w->payload_counted = false;
	for (int m = 0; w->api->shape->each_count > 0 && m < LT_M_COUNT; m++) {
		/* A later payload repeats the elements of an earlier one. */
		if (w->payload_extra[m].known)
			w->extra[m] = w->payload_extra[m];
		w->payload_extra[m] = (struct lt_count){0};
	}
	w->types_seen |= w->type;
	w->type = 0;
}

/* What a payload that cannot be finished said so far is kept, but for what depends on its end. */
static void drop_payload(struct work *w)
{
	memset(w->payload_counter, 0, sizeof(w->payload_counter));
	memset(w->payload_extra, 0, sizeof(w->payload_extra));
	memset(w->element, 0, sizeof(w->element));
	w->payload_counted = false;
	w->type = 0;
	w->start_n = 0;
	lt_json_scan_reset(w->response);
}

static bool is_done(const struct work *w)
{
	size_t n = strlen(w->api->shape->done);

	return n > 0 && w->start_n >= n && memcmp(w->start, w->api->shape->done, n) == 0;
}

static void on_sse_data(void *arg, struct lt_bytes piece)
{
	struct work *w = arg;
	size_t room = sizeof(w->start) - w->start_n;

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
	struct work *w = arg;

	(void)name; /* the payload's own type is the same, and servers leave the name out */
	lt_ignore(lt_json_scan_finish(w->response));
	if (is_done(w))
		w->done = true;
	payload_ends(w);
	w->start_n = 0;
	lt_json_scan_reset(w->response);
}

/* The first byte tells JSON and SSE apart, whatever the content type says: errors of a stream are
 * often plain JSON. */
static enum body sniff_body(const struct work *w, struct lt_bytes *data)
{
	while (data->n > 0 && (data->p[0] == ' ' || data->p[0] == '\n' || data->p[0] == '\r' ||
			       data->p[0] == '\t'))
		*data = lt_bytes_skip(*data, 1);
	if (data->n == 0)
		return BODY_UNKNOWN;
	if (data->p[0] == '{' || data->p[0] == '[')
		return BODY_JSON;
	return w->says_sse || memchr("dei:", data->p[0], 4) ? BODY_SSE : BODY_OTHER;
}

static void feed_response(struct work *w, struct lt_bytes data)
{
	if (w->body == BODY_UNKNOWN)
		w->body = sniff_body(w, &data);
	if (w->body == BODY_SSE)
		lt_sse_feed(&w->sse, data);
	else if (w->body == BODY_JSON && !w->bad_json && lt_json_scan_feed(w->response, data) < 0)
		w->bad_json = true;
}

/* ---- the exchange ---- */

static struct work *close_work(struct work *w)
{
	if (!w)
		return NULL;
	lt_json_scan_free(w->request);
	lt_json_scan_free(w->response);
	w->decoder->open--;
	lt_free(w);
	return NULL;
}

static struct work *open_work(struct lt_decoder *d, const struct lt_api *api)
{
	struct work *w;
	struct lt_json_sink request = {.hit = on_request_hit}, response = {.hit = on_response_hit};
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
	memset(w->rank, UNRANKED, sizeof(w->rank));
	if (lt_json_scan_new(api->shape->request.paths, &request, &w->request) < 0 ||
	    lt_json_scan_new(api->shape->response.paths, &response, &w->response) < 0)
		return close_work(w);
	lt_sse_init(&w->sse, &sse);
	return w;
}

/* The path alone: without query, and without the second slash of clients that join base URL and
 * path with two. */
static struct lt_bytes path_of(struct lt_bytes target)
{
	const uint8_t *query = target.n ? memchr(target.p, '?', target.n) : NULL;
	struct lt_bytes path = query ? lt_bytes(target.p, (size_t)(query - target.p)) : target;

	while (path.n > 1 && path.p[0] == '/' && path.p[1] == '/')
		path = lt_bytes_skip(path, 1);
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	return path;
}

static size_t word_length(struct lt_bytes text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] > ' ' && text.p[n] < 0x7f && !memchr("();,@", text.p[n], 5))
		n++;
	return n;
}

/* "OpenAI/Python 2.54.0": the product and a version after it. The rest may name the host or a
 * person. */
static void copy_agent(char *to, size_t size, struct lt_bytes text)
{
	size_t n = word_length(text);
	struct lt_bytes rest = lt_bytes_skip(text, n + 1);

	if (n + 1 < text.n && text.p[n] == ' ' && isdigit(rest.p[0]))
		n += 1 + word_length(rest);
	lt_bytes_copy(to, size, lt_bytes(text.p, n));
}

static void describe(struct work *w, const struct lt_exchange *x, const struct lt_http_head *head,
		     struct lt_bytes host)
{
	const struct lt_provider *p = w->api->provider;
	const struct lt_conn *conn = x->conn;
	struct lt_call *c = &w->call;

	c->conn = conn->key;
	c->process_start_ns = conn->process_start_ns;
	c->cgroup_id = conn->cgroup_id;
	c->uid = conn->uid;
	c->library = conn->library;
	c->source = conn->source;
	c->stream_id = x->stream_id;
	c->ordinal = x->ordinal;
	c->first_byte_ns = x->first_byte_ns;
	copy_word(c->host, sizeof(c->host), host);
	c->port = head->port;
	memcpy(c->provider, p->name, sizeof(c->provider));
	memcpy(c->gen_ai_provider, p->gen_ai_provider, sizeof(c->gen_ai_provider));
	memcpy(c->category, p->category, sizeof(c->category));
	memcpy(c->price_provider, p->price_provider, sizeof(c->price_provider));
	memcpy(c->api, w->api->name, sizeof(c->api));
	memcpy(c->operation, w->api->operation, sizeof(c->operation));
	memcpy(c->record_type, w->api->record_type, sizeof(c->record_type));
	copy_agent(c->user_agent, sizeof(c->user_agent), lt_http_field(head, "user-agent"));
	for (unsigned i = 0; i < p->credential_header_count && c->credential_fp == 0; i++)
		c->credential_fp = lt_fingerprint(w->decoder->opts.fingerprint_key,
						  lt_http_field(head, p->credential_headers[i]));
}

static enum lt_interest on_request(void *arg, struct lt_exchange *x,
				   const struct lt_http_head *head)
{
	struct lt_decoder *d = arg;
	struct lt_bytes path = path_of(head->target), model = {0};
	struct lt_bytes host = head->host.n ? head->host : lt_bytes_str(x->conn->server_name);
	const struct lt_api *api = NULL;
	struct work *w;

	switch (lt_catalog_match(d->catalog, host, head->method, path, &api)) {
	case LT_HOST_UNKNOWN:
		return LT_INTEREST_CONNECTION_NONE;
	case LT_HOST_KNOWN:
		return LT_INTEREST_NONE;
	case LT_HOST_METERED:
		break;
	}
	w = open_work(d, api);
	if (!w)
		return LT_INTEREST_NONE;
	describe(w, x, head, host);
	for (unsigned i = 0; i < api->path_count && model.n == 0; i++)
		lt_path_match(api->paths[i], path, &model);
	if (model.n > 0)
		copy_word(w->call.request_model, sizeof(w->call.request_model), model);
	x->user = w;
	return api->provider->head_only ? LT_INTEREST_HEAD : LT_INTEREST_BODIES;
}

static void on_response(void *arg, struct lt_exchange *x, const struct lt_http_head *head)
{
	struct work *w = x->user;
	struct lt_bytes type = lt_http_field(head, "content-type");
	const struct lt_provider *p;

	(void)arg;
	if (!w)
		return;
	p = w->api->provider;
	w->call.status = head->status;
	w->says_sse = type.n > 0 && memmem(type.p, type.n, "event-stream", 12);
	w->call.streaming |= w->says_sse;
	for (unsigned i = 0; i < p->request_id_header_count && !w->call.request_id[0]; i++)
		copy_word(w->call.request_id, sizeof(w->call.request_id),
			  lt_http_field(head, p->request_id_headers[i]));
}

static void on_body(void *arg, struct lt_exchange *x, enum lt_side side, struct lt_bytes data)
{
	struct work *w = x->user;

	(void)arg;
	if (!w)
		return;
	if (side == LT_SIDE_RESPONSE)
		feed_response(w, data);
	else if (w->request && lt_json_scan_feed(w->request, data) < 0)
		w->request = lt_json_scan_free(w->request); /* multipart, or not JSON at all */
}

static void on_body_gap(void *arg, struct lt_exchange *x, enum lt_side side, uint64_t lost)
{
	struct work *w = x->user;

	(void)arg;
	(void)lost;
	if (!w)
		return;
	if (side == LT_SIDE_REQUEST) {
		w->request = lt_json_scan_free(w->request);
	} else if (w->body == BODY_SSE) {
		/* The event that was cut is dropped; the next one is whole again. */
		struct lt_sse_sink sink = w->sse.sink;

		lt_sse_init(&w->sse, &sink);
		drop_payload(w);
	} else {
		w->bad_json = true;
	}
}

/* ---- the call ---- */

static enum lt_completeness stream_completeness(const struct work *w, const struct lt_exchange *x,
						enum lt_end why)
{
	const struct lt_shape *shape = w->api->shape;

	if (w->failed || w->types_seen & shape->error)
		return LT_UPSTREAM_ERROR;
	if (w->done || w->types_seen & shape->terminal)
		return x->lost[LT_SIDE_RESPONSE] ? LT_CAPTURE_GAP : LT_COMPLETE;
	if (x->lost[LT_SIDE_RESPONSE] || why == LT_END_GAP || why == LT_END_EVICTED)
		return LT_CAPTURE_GAP;
	/* Many servers leave the done marker out. */
	if (why == LT_END_COMPLETE)
		return w->call.finish_reason[0] && !shape->terminal ? LT_COMPLETE : LT_TRUNCATED;
	return why == LT_END_CLIENT_ABORT ? LT_CLIENT_ABORT : LT_TRUNCATED;
}

static enum lt_completeness completeness(const struct work *w, const struct lt_exchange *x,
					 enum lt_end why)
{
	bool whole = lt_json_scan_done(w->response);

	if (w->body == BODY_SSE)
		return stream_completeness(w, x, why);
	if (w->body == BODY_JSON && whole && w->failed && w->call.status < 400)
		return LT_UPSTREAM_ERROR;
	if (w->body == BODY_JSON && whole)
		return LT_COMPLETE;
	if (x->lost[LT_SIDE_RESPONSE] || why == LT_END_GAP || why == LT_END_EVICTED)
		return LT_CAPTURE_GAP;
	if (why == LT_END_CLIENT_ABORT || why == LT_END_NO_RESPONSE)
		return LT_CLIENT_ABORT;
	if (why != LT_END_COMPLETE || x->body_error[LT_SIDE_RESPONSE])
		return LT_TRUNCATED;
	return w->body == BODY_JSON ? LT_TRUNCATED : LT_COMPLETE;
}

static void settle_usage(struct work *w)
{
	struct lt_usage *u = &w->call.usage;
	const struct lt_shape *shape = w->api->shape;

	for (int m = 0; m < LT_M_COUNT; m++) {
		if (w->extra[m].known)
			keep_count(&w->meter[m], LT_KEEP_SUM, w->extra[m].n);
	}
	lt_normalize(w->meter, shape->outside, u);
	for (unsigned i = 0; i < shape->unit_count; i++) {
		struct lt_unit *unit = &u->units[u->unit_count];

		if (!w->unit[i].known)
			continue;
		memcpy(unit->name, shape->units[i], sizeof(unit->name));
		unit->amount_milli = w->unit[i].n;
		u->unit_count++;
	}
	u->source = u->input.known || u->output.known ? LT_USAGE_WIRE : LT_USAGE_NONE;
}

/* Each thing counted has several counters, of which the largest holds. */
static void settle_counts(struct work *w)
{
	const struct lt_shape *shape = w->api->shape;
	struct lt_count *calls = &w->call.tool_calls;
	bool answered = w->call.status >= 200 && w->call.status < 300;

	for (unsigned i = 0; i < shape->counter_count; i++) {
		uint64_t n = w->counter[i];

		if (shape->counts[i] == LT_COUNTS_TOOL_CALLS && answered)
			keep_count(calls, LT_KEEP_MAX, n);
		else if (shape->counts[i] != LT_COUNTS_TOOL_CALLS && n > 0)
			keep_count(&w->unit[shape->counts[i]], LT_KEEP_MAX, n * 1000);
	}
}

static enum lt_billable billable(const struct work *w)
{
	unsigned status = w->call.status;

	if (status == 0)
		return LT_BILLABLE_UNKNOWN;
	if (w->call.usage.completeness == LT_UPSTREAM_ERROR &&
	    w->call.usage.source == LT_USAGE_NONE)
		return LT_BILLABLE_NO;
	return status >= 200 && status < 300 ? LT_BILLABLE_YES : LT_BILLABLE_NO;
}

static void on_end(void *arg, struct lt_exchange *x, enum lt_end why)
{
	struct work *w = x->user;
	struct lt_decoder *d = arg;
	struct lt_call *c;

	if (!w)
		return;
	c = &w->call;
	if (w->body == BODY_SSE)
		lt_sse_finish(&w->sse);
	else
		payload_ends(w);
	if (w->bad_json)
		lt_counter_add(LT_C_DECODE_BAD_JSON, 1);
	c->first_response_ns = x->first_response_ns;
	c->end_ns = x->last_ns;
	c->request_body_bytes = x->request_body_bytes;
	c->response_body_bytes = x->response_body_bytes;
	c->lost_bytes = x->lost_bytes;
	c->socket_cookie = x->conn->socket_cookie;
	settle_counts(w);
	settle_usage(w);
	if (c->status >= 400 && !c->error_type[0])
		snprintf(c->error_type, sizeof(c->error_type), "%u", c->status);
	c->usage.completeness = completeness(w, x, why);
	c->billable = billable(w);
	d->sink.call(d->sink.arg, c);
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
		.end = on_end,
	};
}
