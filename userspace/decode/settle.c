// SPDX-License-Identifier: Apache-2.0
/* What was found in an exchange, as one call: usage, completeness, whether it is charged. */
#include <stdio.h>

#include "userspace/decode/normalize.h"
#include "userspace/decode/work.h"

static enum lt_completeness stream_completeness(const struct lt_work *w,
						const struct lt_exchange *x, enum lt_end why)
{
	const struct lt_shape *shape = w->api->shape;
	/* Clients leave when they have this, some bytes before the end. */
	bool said = w->call.finish_reason[0] && w->meter[LT_M_OUTPUT].known;

	if (w->failed || w->types_seen & shape->error)
		return LT_UPSTREAM_ERROR;
	if (w->done || said || w->types_seen & shape->terminal)
		return x->lost[LT_SIDE_RESPONSE] ? LT_CAPTURE_GAP : LT_COMPLETE;
	if (x->lost[LT_SIDE_RESPONSE] || why == LT_END_GAP || why == LT_END_EVICTED)
		return LT_CAPTURE_GAP;
	/* Many servers leave the done marker out. */
	if (why == LT_END_COMPLETE)
		return w->call.finish_reason[0] && !shape->terminal ? LT_COMPLETE : LT_TRUNCATED;
	return why == LT_END_CLIENT_ABORT ? LT_CLIENT_ABORT : LT_TRUNCATED;
}

/* The last part of the answer never came: why? */
static enum lt_completeness cut_completeness(const struct lt_work *w, const struct lt_exchange *x,
					     enum lt_end why)
{
	if (x->lost[LT_SIDE_RESPONSE] || why == LT_END_GAP || why == LT_END_EVICTED)
		return LT_CAPTURE_GAP;
	if (why == LT_END_CLIENT_ABORT || why == LT_END_NO_RESPONSE)
		return LT_CLIENT_ABORT;
	if (why != LT_END_COMPLETE || x->body_error[LT_SIDE_RESPONSE])
		return LT_TRUNCATED;
	return w->body == LT_BODY_JSON ? LT_TRUNCATED : LT_COMPLETE;
}

static bool is_stream(const struct lt_work *w)
{
	return w->body == LT_BODY_SSE || w->body == LT_BODY_EVENTS || w->body == LT_BODY_GRPC ||
	       (w->body == LT_BODY_JSON && w->call.streaming && w->documents > 1);
}

/* A request of JSON-RPC that has no answer here: 202 says that it comes elsewhere. */
static enum lt_completeness unanswered(const struct lt_work *w, const struct lt_exchange *x,
				       enum lt_end why)
{
	enum lt_completeness c = cut_completeness(w, x, why);

	return c == LT_COMPLETE && w->call.status < 300 && w->call.status != 202 ? LT_TRUNCATED : c;
}

static enum lt_completeness completeness(const struct lt_work *w, const struct lt_exchange *x,
					 enum lt_end why)
{
	bool whole = lt_json_scan_done(w->response) || w->documents > 0;

	if (w->answered || (w->api->shape->emit && w->emitted > 0))
		return LT_COMPLETE;
	if (w->rpc)
		return unanswered(w, x, why);
	if (w->guessed)
		return LT_CAPTURE_GAP;
	if (is_stream(w))
		return stream_completeness(w, x, why);
	if (w->body == LT_BODY_JSON && whole && w->failed && w->call.status < 400)
		return LT_UPSTREAM_ERROR;
	if (w->body == LT_BODY_JSON && whole)
		return LT_COMPLETE;
	return cut_completeness(w, x, why);
}

/* Elements charged apart, what only headers said, and zeros that the wire leaves out. */
static void add_beside(struct lt_work *w)
{
	const struct lt_shape *shape = w->api->shape;
	struct lt_count *in = &w->meter[LT_M_INPUT], *out = &w->meter[LT_M_OUTPUT];
	bool used = w->meter[LT_M_INPUT].known || w->meter[LT_M_OUTPUT].known;

	/* Output that is only in the total. */
	if (w->api->total_output && w->meter[LT_M_TOTAL].known && in->known &&
	    w->meter[LT_M_TOTAL].n > in->n + out->n)
		out->n = w->meter[LT_M_TOTAL].n - in->n;
	for (int m = 0; m < LT_M_COUNT; m++) {
		if (w->extra[m].known) {
			w->meter[m].n += w->extra[m].n;
			w->meter[m].known = true;
		}
		if (!w->meter[m].known)
			w->meter[m] = w->header_meter[m];
		if (!w->meter[m].known && used && shape->zero & 1U << m)
			w->meter[m].known = true;
	}
}

static void settle_usage(struct lt_work *w)
{
	struct lt_usage *u = &w->call.usage;
	const struct lt_shape *shape = w->api->shape;

	add_beside(w);
	lt_work_shares_settle(w);
	lt_normalize(w->meter, shape->outside | w->api->outside, u);
	for (unsigned i = 0; i < shape->unit_count; i++) {
		struct lt_unit *unit = &u->units[u->unit_count];

		if (!w->unit[i].known)
			continue;
		memcpy(unit->name, shape->units[i], sizeof(unit->name));
		unit->amount_micro = w->unit[i].n;
		u->unit_count++;
	}
	if (u->input.known || u->output.known || u->unit_count > 0)
		u->source = LT_USAGE_WIRE;
}

static void raise(struct lt_count *to, uint64_t n)
{
	to->n = to->known && to->n > n ? to->n : n;
	to->known = true;
}

/* Each thing counted has several counters, of which the largest holds. */
static void settle_counts(struct lt_work *w)
{
	const struct lt_shape *shape = w->api->shape;
	struct lt_count *calls = &w->call.tool_calls;
	bool answered = w->call.status == 101 || (w->call.status >= 200 && w->call.status < 300);

	for (unsigned i = 0; i < shape->counter_count; i++) {
		uint64_t n = w->counter[i];

		if (shape->counts[i] != LT_COUNTS_TOOL_CALLS) {
			if (n > 0)
				raise(&w->unit[shape->counts[i]], n * 1000000);
		} else if (answered) {
			raise(calls, n);
		}
	}
	for (unsigned i = 0; shape->has_per_call && answered && i < shape->unit_count; i++) {
		if (shape->per_call[i])
			raise(&w->unit[i], shape->per_call[i] * 1000000ULL);
	}
}

/* Only of a request that was read to its end: half a conversation ends with other turns. */
static void settle_results(struct lt_work *w)
{
	const uint64_t parts[] = {w->model_turns, w->results, w->result_ids};
	uint64_t hash = 0xcbf29ce484222325ULL;

	if (!w->api->shape->has_results || !w->request || w->request_body == LT_REQUEST_FORM)
		return;
	w->call.tool_results = (struct lt_count){w->results, true};
	for (size_t i = 0; i < LT_COUNT(parts); i++)
		hash = (hash ^ parts[i]) * 0x9e3779b97f4a7c15ULL;
	w->call.results_hash = w->results > 0 ? hash | 1 : 0;
}

static enum lt_billable billable(const struct lt_work *w)
{
	unsigned status = w->call.status;

	if (w->api->shape->plan)
		return LT_BILLABLE_UNKNOWN;
	if (w->api->free || w->cached ||
	    (w->rpc && (!w->call.tool_calls.known || w->call.error_type[0])))
		return LT_BILLABLE_NO;
	if (status == 0)
		return LT_BILLABLE_UNKNOWN;
	if (w->call.usage.completeness == LT_UPSTREAM_ERROR &&
	    w->call.usage.source == LT_USAGE_NONE)
		return LT_BILLABLE_NO;
	return status == 101 || (status >= 200 && status < 300) ? LT_BILLABLE_YES : LT_BILLABLE_NO;
}

void lt_work_settle(struct lt_work *w, const struct lt_exchange *x, enum lt_end why)
{
	struct lt_call *c = &w->call;

	c->first_response_ns = x->first_response_ns;
	c->end_ns = x->last_ns;
	c->request_body_bytes = x->request_body_bytes;
	c->response_body_bytes = x->response_body_bytes;
	if (w->emit_now && w->in_document) { /* a line of a file, of which others follow */
		c->end_ns = x->first_response_ns;
		c->response_body_bytes = w->document_bytes;
	}
	c->lost_bytes = x->lost_bytes;
	c->socket_cookie = x->conn->socket_cookie;
	c->stored = w->api->stored && !w->api->cumulative;
	c->plan = w->api->shape->plan;
	if (w->api->stored && !c->response_id[0])
		memcpy(c->response_id, w->object, sizeof(c->response_id));
	c->streaming |= w->body == LT_BODY_GRPC && w->documents > 1;
	if (w->api->tier[0])
		lt_work_field(w, LT_SIDE_RESPONSE, LT_F_SERVICE_TIER, lt_bytes_str(w->api->tier));
	if (w->speed[0] && strcmp(w->speed, "standard") != 0)
		lt_work_field(w, LT_SIDE_RESPONSE, LT_F_SERVICE_TIER, lt_bytes_str(w->speed));
	c->ordinal = x->ordinal | (uint64_t)w->emitted << 32;
	settle_counts(w);
	settle_results(w);
	settle_usage(w);
	if (c->status >= 400 && !c->error_type[0])
		snprintf(c->error_type, sizeof(c->error_type), "%u", c->status);
	c->usage.completeness = completeness(w, x, why);
	lt_work_estimate(w, is_stream(w));
	c->billable = billable(w);
}

bool lt_work_has_usage(const struct lt_work *w)
{
	for (int m = 0; m < LT_M_COUNT; m++) {
		if (w->meter[m].known)
			return true;
	}
	for (int i = 0; i < LT_UNITS_MAX; i++) {
		if (w->unit[i].known)
			return true;
	}
	return w->call.inline_cost_known;
}

void lt_work_next_call(struct lt_work *w)
{
	w->emitted++;
	memset(w->meter, 0, sizeof(w->meter));
	memset(w->extra, 0, sizeof(w->extra));
	memset(w->unit, 0, sizeof(w->unit));
	memset(w->counter, 0, sizeof(w->counter));
	memset(&w->call.usage, 0, sizeof(w->call.usage));
	if (w->shares)
		w->shares->now_count = w->shares->kept_count = 0;
	w->call.tool_calls = (struct lt_count){0};
	w->call.tool_results = (struct lt_count){0};
	w->call.results_hash = 0;
	w->model_turns = w->results = w->result_ids = 0;
	w->call.previous_id[0] = '\0';
	w->rank[LT_SIDE_REQUEST][LT_F_PREVIOUS] = LT_UNRANKED;
	lt_work_text_drop(w, LT_SIDE_RESPONSE);
	lt_work_text_drop(w, LT_SIDE_REQUEST);
	w->call.response_id[0] = w->call.finish_reason[0] = w->call.error_type[0] = '\0';
	w->rank[LT_SIDE_RESPONSE][LT_F_ID] = LT_UNRANKED;
	w->rank[LT_SIDE_RESPONSE][LT_F_FINISH_REASON] = LT_UNRANKED;
	w->rank[LT_SIDE_RESPONSE][LT_F_ERROR_TYPE] = LT_UNRANKED;
	w->call.tool_name[0] = '\0';
	w->call.inline_cost_known = w->call.repeat = false;
	if (w->rpc)
		w->call.operation[0] = '\0';
	w->failed = false;
	w->distinct_count = 0;
	w->types_seen = 0;
}
