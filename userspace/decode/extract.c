// SPDX-License-Identifier: Apache-2.0
/* Runs a shape's rules: each value that the scanner found, into the call in progress. */
#include <ctype.h>

#include "userspace/base/alloc.h"
#include "userspace/base/money.h"
#include "userspace/base/parse.h"
#include "userspace/decode/credential.h"
#include "userspace/decode/session.h"
#include "userspace/decode/work.h"

enum { LT_FORM_RULES_MAX = 8 };

void lt_copy_word(char *to, size_t size, struct lt_bytes text)
{
	size_t n = text.n < size - 1 ? text.n : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = text.p[i] > ' ' && text.p[i] < 0x7f ? (char)text.p[i] : '_';
	to[n] = '\0';
}

static bool is_word(struct lt_bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!isalnum(text.p[i]) && !memchr("_-.:/#", text.p[i], 6))
			return false;
	}
	return text.n < sizeof(((struct lt_call *)NULL)->error_type);
}

/*
 * AWS writes an error's name between its namespace and its schema's address, each of which may be
 * missing:
 * https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
 */
static struct lt_bytes error_name(struct lt_bytes text)
{
	const uint8_t *end = text.n ? memmem(text.p, text.n, ":http", 5) : NULL;
	const uint8_t *mark;

	if (end)
		text.n = (size_t)(end - text.p);
	mark = text.n ? memchr(text.p, '#', text.n) : NULL;
	return mark ? lt_bytes_skip(text, (size_t)(mark - text.p) + 1) : text;
}

static enum lt_tier parse_tier(struct lt_bytes text)
{
	static const struct {
		const char *name;
		enum lt_tier tier;
	} tiers[] = {
		{"default", LT_TIER_STANDARD},
		{"standard", LT_TIER_STANDARD},
		{"on_demand", LT_TIER_STANDARD},
		{"batch", LT_TIER_BATCH},
		{"flex", LT_TIER_FLEX},
		{"on_demand_flex", LT_TIER_FLEX},
		{"priority", LT_TIER_PRIORITY},
		{"fast", LT_TIER_PRIORITY},
		{"on_demand_priority", LT_TIER_PRIORITY},
		{"provisioned", LT_TIER_PROVISIONED},
		{"provisioned_throughput", LT_TIER_PROVISIONED},
		{"reserved", LT_TIER_PROVISIONED},
		{"auto", LT_TIER_UNSTATED},
	};

	for (size_t i = 0; i < LT_COUNT(tiers); i++) {
		if (lt_bytes_is_nocase(text, tiers[i].name))
			return tiers[i].tier;
	}
	return LT_TIER_UNKNOWN;
}

/* Google's clients name a model by its place: ".../models/gemini-2.5-pro". */
static struct lt_bytes model_name(const struct lt_shape *shape, struct lt_bytes text)
{
	static const char mark[] = "models/";
	const uint8_t *at = shape->protobuf && text.n > 0
				    ? memmem(text.p, text.n, mark, sizeof(mark) - 1)
				    : NULL;

	return at ? lt_bytes_skip(text, (size_t)(at - text.p) + sizeof(mark) - 1) : text;
}

static const char blocked[] = "BLOCKED:";
enum { BLOCKED_MARK = sizeof(blocked) - 1 };

/* Who uses the program; some say in the same text in which session. */
static void user_field(struct lt_work *w, struct lt_bytes text)
{
	const uint8_t *key = w->decoder->opts.fingerprint_key;
	struct lt_bytes session = lt_session_of_user(text);

	w->call.end_user_fp = lt_session_user_fp(key, text, session);
	if (!w->call.session_fp)
		w->call.session_fp = lt_fingerprint(key, session);
}

/* Said by a header, by the body, or (@weak) only by the key of its cache. */
static void session_field(struct lt_work *w, struct lt_bytes text, bool weak)
{
	if (w->session_said || (weak && (w->call.session_fp || !lt_session_is_cache_key(text))))
		return;
	w->call.session_fp = lt_fingerprint(w->decoder->opts.fingerprint_key, text);
}

void lt_work_field(struct lt_work *w, enum lt_side side, enum lt_field field, struct lt_bytes text)
{
	struct lt_call *c = &w->call;

	switch (field) {
	case LT_F_MODEL:
		if (side == LT_SIDE_REQUEST)
			lt_copy_word(c->request_model, sizeof(c->request_model),
				     model_name(w->api->shape, text));
		else
			lt_copy_word(c->response_model, sizeof(c->response_model), text);
		break;
	case LT_F_ID:
		lt_copy_word(c->response_id, sizeof(c->response_id), text);
		break;
	case LT_F_FINISH_REASON:
		lt_copy_word(c->finish_reason, sizeof(c->finish_reason), text);
		break;
	case LT_F_SERVICE_TIER:
		lt_copy_word(c->service_tier, sizeof(c->service_tier), text);
		c->tier = parse_tier(text);
		break;
	case LT_F_SPEED:
		lt_copy_word(w->speed, sizeof(w->speed), text);
		break;
	case LT_F_ERROR_TYPE:
		lt_copy_word(c->error_type, sizeof(c->error_type), error_name(text));
		break;
	case LT_F_USER:
		user_field(w, text);
		break;
	case LT_F_SESSION:
	case LT_F_CACHE_KEY:
		session_field(w, text, field == LT_F_CACHE_KEY);
		break;
	case LT_F_PREVIOUS:
		lt_copy_word(c->previous_id, sizeof(c->previous_id), text);
		break;
	case LT_F_OPERATION:
		lt_copy_word(c->operation, sizeof(c->operation), text);
		break;
	case LT_F_BLOCKED:
		lt_copy_word(c->finish_reason + BLOCKED_MARK,
			     sizeof(c->finish_reason) - BLOCKED_MARK, text);
		memcpy(c->finish_reason, blocked, BLOCKED_MARK);
		break;
	case LT_F_STREAM:
	case LT_F_COUNT:
		break;
	}
}

/* The name of an enumeration's number, where the shape has one. */
static struct lt_bytes enum_name(const struct lt_shape *shape, enum lt_field field,
				 struct lt_bytes number)
{
	uint64_t n;

	if (lt_parse_u64(number, &n) < 0)
		return number;
	if (field == LT_F_FINISH_REASON && n < shape->finish_count)
		return lt_bytes_str(shape->finish_names[n]);
	if (field == LT_F_SERVICE_TIER && n < shape->tier_name_count)
		return lt_bytes_str(shape->tier_names[n]);
	return number;
}

static void field_hit(struct lt_work *w, enum lt_side side, const struct lt_rule *rule,
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
	lt_work_field(w, side, (enum lt_field)rule->target,
		      hit->type == LT_JSON_NUMBER
			      ? enum_name(w->api->shape, (enum lt_field)rule->target, hit->text)
			      : hit->text);
}

/* "12", "12.0" or "1.5" in millionths. False for anything that is no count. */
static bool parse_micro(struct lt_bytes text, uint64_t *ret)
{
	const uint8_t *dot = text.n ? memchr(text.p, '.', text.n) : NULL;
	struct lt_bytes whole = dot ? lt_bytes(text.p, (size_t)(dot - text.p)) : text;
	uint64_t n, nano = 0, unit = 100000000;

	if (lt_parse_u64(whole, &n) < 0 || n > UINT64_MAX / 2000000)
		return false;
	for (size_t i = whole.n + 1; dot && i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		nano += (uint64_t)(text.p[i] - '0') * unit;
		unit /= 10;
	}
	*ret = n * 1000000 + (nano + 500) / 1000;
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
static void element_hit(struct lt_work *w, const struct lt_rule *rule,
			const struct lt_json_hit *hit)
{
	struct lt_element *e = &w->element[rule->target];

	if (hit->type == LT_JSON_OBJECT) {
		memset(e, 0, sizeof(*e));
		e->open = true;
	} else if (hit->type == LT_JSON_END && e->open) {
		bool inside = w->api->shape->each_inside[rule->target];

		if (e->counts && e->model[0])
			lt_work_share(w, e, inside);
		for (int m = 0; e->counts && !e->model[0] && !inside && m < LT_M_COUNT; m++) {
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
static bool new_text(struct lt_work *w, uint8_t counter, struct lt_bytes text)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ counter;

	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ text.p[i]) * 0x100000001b3ULL;
	for (unsigned i = 0; i < w->distinct_count; i++) {
		if (w->distinct[i] == hash)
			return false;
	}
	if (w->distinct_count == LT_DISTINCT_MAX)
		return false;
	w->distinct[w->distinct_count++] = hash;
	return true;
}

static void count_hit(struct lt_work *w, const struct lt_rule *rule, unsigned number,
		      const struct lt_json_hit *hit)
{
	if (hit->type == LT_JSON_NULL || hit->type == LT_JSON_END ||
	    (rule->word_count > 0 && (hit->type != LT_JSON_STRING || !in_words(rule, hit->text))))
		return;
	if (rule->kind == LT_RULE_DISTINCT &&
	    (hit->text.n == 0 || !new_text(w, rule->target, hit->text)))
		return;
	if (rule->when == 0 && rule->keep != LT_KEEP_MAX) {
		w->counter[rule->target]++;
		return;
	}
	w->payload_counter[number]++;
	w->payload_counted = true;
}

/*
 * What tools gave is at the end of a conversation that the client sends again and again: each turn
 * of the model begins the count anew, so it takes one pass and no memory.
 */
static void results_hit(struct lt_work *w, const struct lt_rule *rule,
			const struct lt_json_hit *hit)
{
	bool begins = hit->type == LT_JSON_OBJECT || hit->type == LT_JSON_ARRAY;
	bool value = hit->type == LT_JSON_STRING || hit->type == LT_JSON_NUMBER;

	if (rule->word_count > 0 ? !value || !in_words(rule, hit->text) : !value && !begins)
		return;
	if (rule->kind == LT_RULE_MODEL_TURN) {
		w->model_turns++;
		w->results = w->result_ids = 0;
	} else if (rule->kind == LT_RULE_RESULT) {
		w->results++;
	} else {
		for (size_t i = 0; i < hit->text.n; i++)
			w->result_ids = (w->result_ids ^ hit->text.p[i]) * 0x100000001b3ULL;
	}
}

void lt_work_type(struct lt_work *w, struct lt_bytes type)
{
	const struct lt_shape *shape = w->api->shape;

	for (unsigned i = 0; i < shape->type_count; i++) {
		if (lt_bytes_is(type, shape->types[i]))
			w->type = 1U << i;
	}
}

/* The first number of a usage object that stands for itself: earlier ones are forgotten. */
static void begin_usage(struct lt_work *w)
{
	if (!w->replaces)
		return;
	w->replaces = false;
	memset(w->meter, 0, sizeof(w->meter));
	memset(w->extra, 0, sizeof(w->extra));
}

static void cost_hit(struct lt_work *w, const struct lt_rule *rule, struct lt_bytes text)
{
	struct lt_decimal cost;
	int64_t pico;

	if (lt_decimal_parse(text, &cost) < 0 || cost.scale + rule->scale > 18)
		return;
	cost.scale = (uint8_t)(cost.scale + rule->scale);
	if (lt_decimal_pico(cost, &pico) < 0 || pico < 0)
		return;
	if (rule->keep == LT_KEEP_SUM && w->call.inline_cost_known &&
	    __builtin_add_overflow(pico, w->call.inline_cost_pico, &pico))
		return;
	w->call.inline_cost_pico = pico;
	w->call.inline_cost_known = true;
}

static void number_hit(struct lt_work *w, const struct lt_rule *rule, const struct lt_json_hit *hit)
{
	uint64_t micro;

	/* A number in quotes is one as well: some encoders write 64 bits so. */
	if ((hit->type != LT_JSON_NUMBER && hit->type != LT_JSON_STRING) ||
	    !parse_micro(hit->text, &micro))
		return;
	w->confirmed = true;
	if (rule->kind != LT_RULE_UNIT)
		begin_usage(w);
	if (rule->kind == LT_RULE_METER)
		keep_count(&w->meter[rule->target], rule->keep, micro / 1000000);
	else if (rule->kind == LT_RULE_UNIT)
		keep_count(&w->unit[rule->target], rule->keep, micro);
	else
		keep_count(&w->element[rule->target].meter[rule->meter], LT_KEEP_LAST,
			   micro / 1000000);
}

static void length_hit(struct lt_work *w, const struct lt_rule *rule, const struct lt_json_hit *hit)
{
	if (hit->type == LT_JSON_STRING)
		keep_count(&w->unit[rule->target], LT_KEEP_SUM, hit->characters * 1000000);
}

/* Numbers and fields that hold only in payloads of some types. What is counted is settled with the
 * payload, what is text passes at once. */
static bool depends(const struct lt_rule *rule)
{
	return rule->when != 0 && rule->kind != LT_RULE_COUNT && rule->kind != LT_RULE_DISTINCT;
}

static bool is_text(const struct lt_rule *rule)
{
	return rule->kind == LT_RULE_TEXT || rule->kind == LT_RULE_TEXT_EACH ||
	       rule->kind == LT_RULE_TEXT_SIZE;
}

/* The type comes first in practice; encoders that sort their keys write it last. */
static void hold_back(struct lt_work *w, const struct lt_json_hit *hit)
{
	struct lt_later *later;

	if (!w->later)
		w->later = lt_calloc(LT_LATER_MAX, sizeof(*w->later));
	if (!w->later || w->later_count == LT_LATER_MAX || hit->text.n > LT_LATER_TEXT)
		return;
	later = &w->later[w->later_count++];
	later->path = (uint16_t)hit->path;
	later->type = (uint8_t)hit->type;
	later->n = (uint8_t)hit->text.n;
	if (hit->text.n > 0)
		memcpy(later->text, hit->text.p, hit->text.n);
}

static void hit_by_rule(struct lt_work *w, enum lt_side side, const struct lt_rule *rule,
			const struct lt_json_hit *hit)
{
	if (depends(rule) && !(w->type & rule->when)) {
		if (w->type == 0 && side == LT_SIDE_RESPONSE && !is_text(rule))
			hold_back(w, hit);
		return;
	}
	switch (rule->kind) {
	case LT_RULE_FIELD:
		field_hit(w, side, rule, hit);
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
		lt_work_type(w, hit->text);
		break;
	case LT_RULE_EACH:
		element_hit(w, rule, hit);
		break;
	case LT_RULE_EACH_TYPE:
		if (w->element[rule->target].open && in_words(rule, hit->text))
			w->element[rule->target].counts = true;
		break;
	case LT_RULE_EACH_MODEL:
		if (hit->type == LT_JSON_STRING)
			lt_copy_word(w->element[rule->target].model, LT_MODEL_SIZE, hit->text);
		break;
	case LT_RULE_RPC:
		lt_work_rpc_hit(w, side, rule, hit);
		break;
	case LT_RULE_REPLACE:
		w->replaces |= hit->type == LT_JSON_OBJECT;
		break;
	case LT_RULE_COST:
		if (hit->type == LT_JSON_NUMBER || hit->type == LT_JSON_STRING)
			cost_hit(w, rule, hit->text);
		break;
	case LT_RULE_LENGTH:
		length_hit(w, rule, hit);
		break;
	case LT_RULE_EMIT:
		w->emit_now |= hit->type == LT_JSON_OBJECT;
		break;
	case LT_RULE_CONFIRM:
		if (side == LT_SIDE_REQUEST)
			w->asked |= hit->type != LT_JSON_NULL;
		else
			w->confirmed |= hit->type != LT_JSON_NULL;
		break;
	case LT_RULE_TEXT:
	case LT_RULE_TEXT_EACH:
	case LT_RULE_TEXT_SIZE:
		lt_work_text_hit(w, side, rule, hit);
		break;
	case LT_RULE_MODEL_TURN:
	case LT_RULE_RESULT:
	case LT_RULE_RESULT_ID:
		results_hit(w, rule, hit);
		break;
	case LT_RULE_DROP:
		w->dropped |= !in_words(rule, hit->text);
		w->confirmed |= in_words(rule, hit->text);
		break;
	}
}

void lt_work_response_hit(struct lt_work *w, const struct lt_json_hit *hit)
{
	hit_by_rule(w, LT_SIDE_RESPONSE, &w->api->shape->response.rule[hit->path], hit);
}

void lt_work_request_hit(struct lt_work *w, const struct lt_json_hit *hit)
{
	hit_by_rule(w, LT_SIDE_REQUEST, &w->api->shape->request.rule[hit->path], hit);
}

void lt_work_form_field(struct lt_work *w, struct lt_bytes name, struct lt_bytes value)
{
	const struct lt_rules *rules = &w->api->shape->request;
	struct lt_json_hit hit = {.type = LT_JSON_STRING, .text = value};
	uint32_t found[LT_FORM_RULES_MAX];
	size_t count = lt_json_paths_member(rules->paths, name, found, LT_COUNT(found));

	if (lt_bytes_is(value, "true"))
		hit.type = LT_JSON_TRUE;
	for (size_t i = 0; i < count; i++) {
		hit.path = found[i];
		lt_work_request_hit(w, &hit);
	}
}

static void header_count(struct lt_count *to, struct lt_bytes value, uint64_t divisor)
{
	uint64_t micro;

	if (!parse_micro(value, &micro))
		return;
	to->n = micro / divisor;
	to->known = true;
}

void lt_work_headers(struct lt_work *w, const struct lt_http_head *head)
{
	const struct lt_shape *shape = w->api->shape;

	for (unsigned i = 0; i < w->api->provider->free_on_hit_count; i++)
		w->cached |= lt_bytes_is_nocase(
			lt_http_field(head, w->api->provider->free_on_hit[i]), "hit");
	for (unsigned i = 0; i < shape->header_count; i++) {
		const struct lt_header_rule *rule = &shape->header[i];
		struct lt_bytes value = lt_http_field(head, rule->name);
		struct lt_rule cost = {.kind = LT_RULE_COST};

		if (value.n == 0)
			continue;
		if (rule->kind == LT_RULE_FIELD)
			lt_work_field(w, LT_SIDE_RESPONSE, (enum lt_field)rule->target, value);
		else if (rule->kind == LT_RULE_METER)
			header_count(&w->header_meter[rule->target], value, 1000000);
		else if (rule->kind == LT_RULE_UNIT)
			header_count(&w->unit[rule->target], value, 1);
		else
			cost_hit(w, &cost, value);
	}
}

void lt_work_request_headers(struct lt_work *w, const struct lt_http_head *head)
{
	const struct lt_shape *shape = w->api->shape;
	struct lt_bytes session = lt_session_header(head);

	if (session.n > 0)
		lt_work_field(w, LT_SIDE_REQUEST, LT_F_SESSION, session);
	w->session_said = session.n > 0;

	for (unsigned i = 0; i < shape->request_header_count; i++) {
		const struct lt_header_rule *rule = &shape->request_header[i];
		struct lt_bytes value = lt_http_field(head, rule->name);

		if (value.n > 0)
			lt_work_field(w, LT_SIDE_REQUEST, (enum lt_field)rule->target, value);
	}
}

/* What waited for the payload's type. */
static void settle_later(struct lt_work *w)
{
	unsigned count = w->later_count;

	w->later_count = 0;
	for (unsigned i = 0; w->type != 0 && i < count; i++) {
		const struct lt_later *later = &w->later[i];
		const struct lt_json_hit hit = {.path = later->path,
						.type = (enum lt_json_type)later->type,
						.text = lt_bytes(later->text, later->n)};

		lt_work_response_hit(w, &hit);
	}
}

void lt_work_payload_ends(struct lt_work *w)
{
	const struct lt_rules *rules = &w->api->shape->response;

	settle_later(w);
	for (unsigned i = 0; w->payload_counted && i < rules->count; i++) {
		uint64_t *counter = &w->counter[rules->rule[i].target];

		if (rules->rule[i].keep == LT_KEEP_MAX && w->payload_counter[i] > *counter)
			*counter = w->payload_counter[i];
		else if (rules->rule[i].when & w->type)
			*counter += w->payload_counter[i];
		w->payload_counter[i] = 0;
	}
	w->payload_counted = false;
	for (int m = 0; w->api->shape->each_count > 0 && m < LT_M_COUNT; m++) {
		/* A later payload repeats the elements of an earlier one. */
		if (w->payload_extra[m].known)
			w->extra[m] = w->payload_extra[m];
		w->payload_extra[m] = (struct lt_count){0};
	}
	lt_work_shares_payload_ends(w);
	w->types_seen |= w->type;
	w->documents++;
	w->type = 0;
}

void lt_work_payload_drop(struct lt_work *w)
{
	memset(w->payload_counter, 0, sizeof(w->payload_counter));
	memset(w->payload_extra, 0, sizeof(w->payload_extra));
	memset(w->element, 0, sizeof(w->element));
	w->payload_counted = false;
	w->later_count = 0;
	w->type = 0;
	w->start_n = 0;
	lt_json_scan_reset(w->response);
}
