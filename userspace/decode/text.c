// SPDX-License-Identifier: Apache-2.0
/* Tokens that nobody states: counted from the texts that pass, of which nothing is kept. */
#include <assert.h>

#include "userspace/decode/work.h"
#include "userspace/estimate/estimate_model.h"

static_assert((int)LT_METHOD_NAME == (int)LT_METHOD_SIZE, "a method's name fits");

enum {
	/* A tool's JSON schema is shown to the model in a shorter form. Bytes for each token,
	 * measured on exchanges that state their tokens (docs/decoding.md, Estimates). */
	SCHEMA_BYTES_PER_TOKEN = 7,
	CHANNEL_TOKENS = 4,	 /* marks around the answer of a model that has channels */
	CHANNEL_INPUT = 1,	 /* it begins its answer by itself */
	OPEN_PROMPT_TOKENS = 68, /* the system message that every prompt to gpt-oss begins with */
};

static struct lt_bytes known_model(const struct lt_work *w)
{
	return lt_bytes_str(w->call.response_model[0] ? w->call.response_model
						      : w->call.request_model);
}

static struct lt_text_count *text_of(struct lt_work *w, enum lt_side side)
{
	if (!w->text[side])
		lt_ignore(lt_text_count_new(&w->decoder->shelf, known_model(w), &w->text[side]));
	return w->text[side];
}

static const struct lt_rules *rules_of(const struct lt_work *w, enum lt_side side)
{
	return side == LT_SIDE_REQUEST ? &w->api->shape->request : &w->api->shape->response;
}

void lt_work_text(struct lt_work *w, enum lt_side side, uint32_t path, struct lt_bytes piece)
{
	const struct lt_rule *rule = &rules_of(w, side)->rule[path];
	struct lt_text_count *t;

	if (piece.n == 0 || rule->kind != LT_RULE_TEXT ||
	    (rule->keep == LT_KEEP_FIRST && w->text_said[side]) || !w->decoder->opts.estimate ||
	    (rule->when != 0 && !(rule->when & w->type)))
		return;
	t = text_of(w, side);
	if (!t)
		return;
	if (w->text_path[side] != path)
		lt_text_count_break(t);
	w->text_path[side] = path;
	w->text_said[side] |= rule->keep != LT_KEEP_FIRST && piece.n > 0;
	lt_text_count_feed(t, piece);
}

void lt_work_text_hit(struct lt_work *w, enum lt_side side, const struct lt_rule *rule,
		      const struct lt_json_hit *hit)
{
	struct lt_text_count *t = w->decoder->opts.estimate ? text_of(w, side) : NULL;

	if (!t)
		return;
	if (rule->kind == LT_RULE_TEXT) {
		/* Texts of a request stand alone; those of a stream are pieces of one. */
		if (side == LT_SIDE_REQUEST)
			lt_text_count_break(t);
	} else if (rule->kind == LT_RULE_TEXT_EACH) {
		if (hit->type == LT_JSON_OBJECT ||
		    (hit->type == LT_JSON_STRING && hit->text.n > 0)) {
			lt_text_count_add(t, rule->target);
			w->framed[side] = true;
		}
	} else if (hit->type == LT_JSON_OBJECT || hit->type == LT_JSON_ARRAY) {
		w->size_from = hit->at;
	} else if (hit->type == LT_JSON_END) {
		lt_text_count_add(t, (hit->at - w->size_from) / SCHEMA_BYTES_PER_TOKEN);
	}
}

void lt_work_text_drop(struct lt_work *w, enum lt_side side)
{
	w->text[side] = lt_text_count_free(w->text[side]);
}

static uint64_t with_channels(enum lt_side side, struct lt_bytes model, uint64_t n)
{
	if (side == LT_SIDE_RESPONSE)
		return n + CHANNEL_TOKENS;
	n -= n >= CHANNEL_INPUT ? CHANNEL_INPUT : 0;
	return memmem(model.p, model.n, "gpt-oss", 7) ? n + OPEN_PROMPT_TOKENS : n;
}

static void fill(struct lt_work *w, enum lt_side side, struct lt_count *total,
		 struct lt_count *bucket)
{
	struct lt_usage *u = &w->call.usage;
	const struct lt_rules *rules = rules_of(w, side);
	struct lt_bytes model = known_model(w);
	char method[LT_METHOD_NAME];
	uint64_t n;

	if (total->known || !w->text[side])
		return;
	n = lt_text_count_end(w->text[side], model, method);
	if (n == 0)
		return; /* nothing was said, and nobody says that nothing was used */
	memcpy(u->method, method, sizeof(u->method));
	total->n = n;
	if (side == LT_SIDE_RESPONSE || w->framed[side] || !rules->has_framing)
		total->n += rules->text_base;
	if (lt_model_has_channels(model))
		total->n = with_channels(side, model, total->n);
	total->known = true;
	*bucket = *total;
	u->source = LT_USAGE_ESTIMATED;
}

void lt_work_estimate(struct lt_work *w, bool streams)
{
	struct lt_usage *u = &w->call.usage;
	bool silent = !u->output.known && u->unit_count == 0;

	if (w->api->free || w->call.status < 200 || w->call.status >= 300 || w->failed ||
	    !(streams || w->call.streaming || w->text[LT_SIDE_RESPONSE]) || !silent)
		return;
	fill(w, LT_SIDE_RESPONSE, &u->output, &u->bucket[LT_B_OUT_VISIBLE]);
	fill(w, LT_SIDE_REQUEST, &u->input, &u->bucket[LT_B_IN_UNCACHED]);
}
