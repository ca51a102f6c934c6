// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/shape.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"

static const char *const meter_names[] = {
	"input",	"output",	  "cache_read",	    "cache_read_audio", "cache_read_image",
	"cache_write",	"cache_write_5m", "cache_write_1h", "reasoning",	"audio_input",
	"audio_output", "image_input",	  "image_output",   "input_extra",	"output_extra",
	"total",
};

static const char *const field_names[] = {
	"model",     "id",     "finish_reason", "service_tier", "speed",    "error_type", "user",
	"operation", "stream", "blocked",	"session",	"previous", "cache_key",
};

static const char *const keep_names[] = {"last", "first", "sum", "max"};

struct compile {
	const struct lt_yaml *yaml;
	struct lt_shape *shape;
	struct lt_problem *problem;
};

static int find_name(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

int lt_meter_parse(const char *name, enum lt_meter *ret)
{
	int found = find_name(meter_names, LT_COUNT(meter_names), name);

	if (found < 0)
		return found;
	*ret = (enum lt_meter)found;
	return 0;
}

static int wrong(const struct compile *c, const struct lt_yaml_node *node, const char *text)
{
	return lt_yaml_problem(c->yaml, node, c->problem, "%s", text);
}

/* Absent is fine; anything else but @kind is not. */
static int expect(const struct compile *c, const struct lt_yaml_node *node, enum lt_yaml_kind kind)
{
	if (!node || node->kind == kind)
		return 0;
	return wrong(c, node,
		     kind == LT_YAML_LIST ? "a list is expected here"
					  : "a map (key: value) is expected here");
}

static int add_rule(const struct compile *c, struct lt_rules *rules,
		    const struct lt_yaml_node *path, const struct lt_rule *rule)
{
	if (path->kind != LT_YAML_SCALAR)
		return wrong(c, path, "a JSON path is expected");
	if (rules->count == LT_RULES_MAX)
		return wrong(c, path, "too many paths in one shape");
	rules->path[rules->count] = path->text;
	rules->rule[rules->count++] = *rule;
	return 0;
}

/* One rule for each path of the list, ranked in the list's order. */
static int add_paths(const struct compile *c, struct lt_rules *rules,
		     const struct lt_yaml_node *list, struct lt_rule *rule)
{
	if (!list)
		return wrong(c, lt_yaml_root(c->yaml),
			     "a list of JSON paths is missing in this file");
	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	rule->rank = 0;
	lt_yaml_for_each (path, list) {
		int r = add_rule(c, rules, path, rule);

		if (r < 0)
			return r;
		rule->rank++;
	}
	return 0;
}

/* The bit of a payload type; it gets one when it is new. */
static int type_bit(const struct compile *c, const struct lt_yaml_node *name, uint32_t *bits)
{
	struct lt_shape *s = c->shape;
	unsigned i = 0;

	if (name->kind != LT_YAML_SCALAR || strlen(name->text) >= LT_SHAPE_WORD)
		return wrong(c, name, "a payload type (a short text) is expected");
	while (i < s->type_count && strcmp(s->types[i], name->text) != 0)
		i++;
	if (i == LT_TYPES_MAX)
		return wrong(c, name, "too many payload types in one shape");
	if (i == s->type_count)
		snprintf(s->types[s->type_count++], LT_SHAPE_WORD, "%s", name->text);
	*bits |= 1U << i;
	return 0;
}

static int type_bits(const struct compile *c, const struct lt_yaml_node *list, uint32_t *bits)
{
	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (name, list) {
		int r = type_bit(c, name, bits);

		if (r < 0)
			return r;
	}
	return 0;
}

static int words(const struct compile *c, const struct lt_yaml_node *list, struct lt_rule *rule)
{
	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (word, list) {
		if (word->kind != LT_YAML_SCALAR || rule->word_count == LT_WORDS_MAX ||
		    strlen(word->text) >= LT_SHAPE_WORD)
			return wrong(c, word, "a short list of short texts is expected");
		snprintf(rule->words[rule->word_count++], LT_SHAPE_WORD, "%s", word->text);
	}
	return 0;
}

/* "keep: first" and the paths, or the list of paths alone. */
static int value_rule(const struct compile *c, struct lt_rules *rules,
		      const struct lt_yaml_node *node, struct lt_rule *rule)
{
	static const char *const known[] = {"paths", "keep", "when", NULL};
	const struct lt_yaml_node *keep;
	int found, r;

	if (node->kind == LT_YAML_LIST)
		return add_paths(c, rules, node, rule);
	r = lt_yaml_check_keys(c->yaml, node, known, c->problem);
	if (r < 0)
		return r;
	keep = lt_yaml_get(node, "keep");
	if (keep) {
		found = find_name(keep_names, LT_COUNT(keep_names), keep->text ? keep->text : "");
		if (found < 0)
			return wrong(c, keep, "keep is last, first, sum or max");
		rule->keep = (enum lt_keep)found;
	}
	r = type_bits(c, lt_yaml_get(node, "when"), &rule->when);
	return r < 0 ? r : add_paths(c, rules, lt_yaml_get(node, "paths"), rule);
}

static int fields(const struct compile *c, struct lt_rules *rules, const struct lt_yaml_node *map)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		struct lt_rule rule = {.kind = LT_RULE_FIELD};
		int found = find_name(field_names, LT_COUNT(field_names),
				      item->key ? item->key : "");
		int r;

		if (found < 0)
			return wrong(c, item,
				     "unknown field: model, id, finish_reason, service_tier, "
				     "speed, error_type, user, operation, stream, blocked, "
				     "session, previous or cache_key");
		rule.target = (uint8_t)found;
		r = value_rule(c, rules, item, &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

static int meters(const struct compile *c, const struct lt_yaml_node *map)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		struct lt_rule rule = {.kind = LT_RULE_METER};
		enum lt_meter meter;
		int r;

		if (lt_meter_parse(item->key ? item->key : "", &meter) < 0)
			return wrong(c, item, "unknown meter (see userspace/decode/README.md)");
		rule.target = (uint8_t)meter;
		r = value_rule(c, &c->shape->response, item, &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_unit(const struct compile *c, const struct lt_yaml_node *item, uint8_t *ret)
{
	for (unsigned i = 0; item->key && i < c->shape->unit_count; i++) {
		if (strcmp(c->shape->units[i], item->key) == 0) {
			*ret = (uint8_t)i;
			return 0;
		}
	}
	if (!item->key || c->shape->unit_count == LT_UNITS_MAX || strlen(item->key) >= LT_UNIT_NAME)
		return wrong(c, item, "too many units, or too long a name");
	snprintf(c->shape->units[c->shape->unit_count], LT_UNIT_NAME, "%s", item->key);
	*ret = (uint8_t)c->shape->unit_count++;
	return 0;
}

static int units(const struct compile *c, struct lt_rules *rules, const struct lt_yaml_node *map,
		 enum lt_rule_kind kind)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		struct lt_rule rule = {.kind = kind};
		int r = add_unit(c, item, &rule.target);

		if (r == 0)
			r = value_rule(c, rules, item, &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

static int meter_bits(const struct compile *c, const struct lt_yaml_node *list, uint32_t *bits)
{
	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, list) {
		enum lt_meter meter;

		if (item->kind != LT_YAML_SCALAR || lt_meter_parse(item->text, &meter) < 0)
			return wrong(c, item, "the name of a meter is expected");
		*bits |= 1U << meter;
	}
	return 0;
}

/* Several counters of one thing: the largest is the number. */
static int counters(const struct compile *c, struct lt_rules *rules,
		    const struct lt_yaml_node *list, uint8_t of)
{
	static const char *const known[] = {"count", "distinct", "in", "when", "largest", NULL};

	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, list) {
		const struct lt_yaml_node *distinct = lt_yaml_get(item, "distinct");
		struct lt_rule rule = {.kind = distinct ? LT_RULE_DISTINCT : LT_RULE_COUNT};
		int r = lt_yaml_check_keys(c->yaml, item, known, c->problem);

		rule.keep = lt_yaml_get(item, "largest") ? LT_KEEP_MAX : LT_KEEP_LAST;
		if (r == 0 && c->shape->counter_count == LT_COUNTERS_MAX)
			r = wrong(c, item, "too many counters in one shape");
		if (r < 0)
			return r;
		c->shape->counts[c->shape->counter_count] = of;
		rule.target = (uint8_t)c->shape->counter_count++;
		if (r == 0)
			r = words(c, lt_yaml_get(item, "in"), &rule);
		if (r == 0)
			r = type_bits(c, lt_yaml_get(item, "when"), &rule.when);
		if (r == 0)
			r = add_paths(c, rules,
				      distinct			 ? distinct
				      : rule.keep == LT_KEEP_MAX ? lt_yaml_get(item, "largest")
								 : lt_yaml_get(item, "count"),
				      &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Calls of tools that run at the provider and are charged one by one. */
static int server_calls(const struct compile *c, struct lt_rules *rules,
			const struct lt_yaml_node *map)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		uint8_t unit = 0;
		int r = add_unit(c, item, &unit);

		if (r == 0)
			r = counters(c, rules, item, unit);
		if (r < 0)
			return r;
	}
	return 0;
}

static int each_add(const struct compile *c, const struct lt_yaml_node *map, unsigned scope)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		struct lt_rule rule = {.kind = LT_RULE_EACH_METER, .target = (uint8_t)scope};
		enum lt_meter meter;
		int r;

		if (lt_meter_parse(item->key, &meter) < 0)
			return wrong(c, item, "unknown meter");
		rule.meter = (uint8_t)meter;
		r = add_paths(c, &c->shape->response, item, &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_true(const struct lt_yaml_node *node)
{
	return node && node->text && strcmp(node->text, "true") == 0;
}

/* Elements that are charged beside the totals, or (inside) are parts of them; with a model of their
 * own they are what that model used. */
static int each(const struct compile *c, const struct lt_yaml_node *list)
{
	static const char *const known[] = {"at", "type", "in", "add", "model", "inside", NULL};

	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, list) {
		unsigned scope = c->shape->each_count;
		struct lt_rule at = {.kind = LT_RULE_EACH, .target = (uint8_t)scope};
		struct lt_rule type = {.kind = LT_RULE_EACH_TYPE, .target = (uint8_t)scope};
		struct lt_rule model = {.kind = LT_RULE_EACH_MODEL, .target = (uint8_t)scope};
		int r = lt_yaml_check_keys(c->yaml, item, known, c->problem);

		if (r == 0 && scope == LT_EACH_MAX)
			r = wrong(c, item, "too many element scopes in one shape");
		if (r < 0)
			return r;
		c->shape->each_count++;
		c->shape->each_inside[scope] = is_true(lt_yaml_get(item, "inside"));
		r = add_paths(c, &c->shape->response, lt_yaml_get(item, "at"), &at);
		if (r == 0)
			r = words(c, lt_yaml_get(item, "in"), &type);
		if (r == 0)
			r = add_paths(c, &c->shape->response, lt_yaml_get(item, "type"), &type);
		if (r == 0 && lt_yaml_get(item, "model"))
			r = add_paths(c, &c->shape->response, lt_yaml_get(item, "model"), &model);
		if (r == 0)
			r = each_add(c, lt_yaml_get(item, "add"), scope);
		if (r < 0)
			return r;
	}
	return 0;
}

static int stream(const struct compile *c, const struct lt_yaml_node *map)
{
	static const char *const known[] = {"done", "type",    "terminal", "error",
					    "emit", "emit_at", "unwrap",   NULL};
	const struct lt_yaml_node *unwrap = lt_yaml_get(map, "unwrap");
	const struct lt_yaml_node *done = lt_yaml_get(map, "done");
	struct lt_rule type = {.kind = LT_RULE_TYPE}, emit = {.kind = LT_RULE_EMIT};
	int r = lt_yaml_check_keys(c->yaml, map, known, c->problem);

	if (r == 0 && done && (!done->text || strlen(done->text) >= sizeof(c->shape->done)))
		r = wrong(c, done, "a text of at most 15 characters is expected");
	if (r < 0)
		return r;
	if (done)
		snprintf(c->shape->done, sizeof(c->shape->done), "%s", done->text);
	r = type_bits(c, lt_yaml_get(map, "terminal"), &c->shape->terminal);
	if (r == 0)
		r = type_bits(c, lt_yaml_get(map, "error"), &c->shape->error);
	if (r == 0)
		r = type_bits(c, lt_yaml_get(map, "emit"), &c->shape->emit);
	c->shape->unwrap = is_true(unwrap);
	if (r == 0 && lt_yaml_get(map, "emit_at"))
		r = add_paths(c, &c->shape->response, lt_yaml_get(map, "emit_at"), &emit);
	if (r == 0 && lt_yaml_get(map, "type"))
		r = add_paths(c, &c->shape->response, lt_yaml_get(map, "type"), &type);
	return r;
}

/* Money in units of the currency, or in a stated power of ten of it. */
static int cost(const struct compile *c, const struct lt_yaml_node *node)
{
	static const char *const known[] = {"paths", "scale", "keep", NULL};
	const struct lt_yaml_node *scale = node ? lt_yaml_get(node, "scale") : NULL;
	struct lt_rule rule = {.kind = LT_RULE_COST};
	uint64_t n = 0;
	int r;

	if (!node)
		return 0;
	if (node->kind == LT_YAML_LIST)
		return add_paths(c, &c->shape->response, node, &rule);
	r = lt_yaml_check_keys(c->yaml, node, known, c->problem);
	if (r == 0 && scale &&
	    (!scale->text || lt_parse_u64(lt_bytes_str(scale->text), &n) < 0 || n > 12))
		r = wrong(c, scale, "scale is the number of decimal places, at most 12");
	rule.scale = (int8_t)n;
	if (r == 0 && lt_yaml_get(node, "keep")) {
		int keep = find_name(keep_names, LT_COUNT(keep_names),
				     lt_yaml_get(node, "keep")->text);

		rule.keep = keep < 0 ? LT_KEEP_LAST : (enum lt_keep)keep;
	}
	return r < 0 ? r : add_paths(c, &c->shape->response, lt_yaml_get(node, "paths"), &rule);
}

static int add_headers(const struct compile *c, const struct lt_yaml_node *names,
		       struct lt_header_rule rule, struct lt_header_rule *list, unsigned *count)
{
	if (expect(c, names, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (name, names) {
		if (!name->text || strlen(name->text) >= sizeof(rule.name) ||
		    *count == LT_HEADER_RULES_MAX)
			return wrong(c, name, "too many header rules, or too long a name");
		snprintf(rule.name, sizeof(rule.name), "%s", name->text);
		list[(*count)++] = rule;
	}
	return 0;
}

/* "model: [x-model]", a meter's or a unit's name, or "cost". */
static int headers(const struct compile *c, const struct lt_yaml_node *map)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		const char *key = item->key ? item->key : "";
		struct lt_header_rule rule = {.kind = LT_RULE_COST};
		int field = find_name(field_names, LT_COUNT(field_names), key);
		int meter = find_name(meter_names, LT_COUNT(meter_names), key);
		int r = 0;

		if (field >= 0) {
			rule.kind = LT_RULE_FIELD;
			rule.target = (uint8_t)field;
		} else if (meter >= 0) {
			rule.kind = LT_RULE_METER;
			rule.target = (uint8_t)meter;
		} else if (strcmp(key, "cost") != 0) {
			rule.kind = LT_RULE_UNIT;
			r = add_unit(c, item, &rule.target);
		}
		if (r == 0)
			r = add_headers(c, item, rule, c->shape->header, &c->shape->header_count);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Fields that a request says in its head. */
static int request_headers(const struct compile *c, const struct lt_yaml_node *map)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		int field = find_name(field_names, LT_COUNT(field_names),
				      item->key ? item->key : "");
		struct lt_header_rule rule = {.kind = LT_RULE_FIELD, .target = (uint8_t)field};
		int r = field < 0 ? wrong(c, item, "the name of a field is expected")
				  : add_headers(c, item, rule, c->shape->request_header,
						&c->shape->request_header_count);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Units that every answered call is charged, whatever its body says. */
static int per_call(const struct compile *c, const struct lt_yaml_node *map)
{
	if (expect(c, map, LT_YAML_MAP) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, map) {
		uint8_t unit = 0;
		uint64_t n = 0;
		int r = add_unit(c, item, &unit);

		if (r < 0)
			return r;
		if (!item->text || lt_parse_u64(lt_bytes_str(item->text), &n) < 0 || n == 0 ||
		    n > 1000)
			return wrong(c, item, "a number from 1 to 1000 is expected");
		c->shape->per_call[unit] = (uint16_t)n;
		c->shape->has_per_call = true;
	}
	return 0;
}

static int replace(const struct compile *c, const struct lt_yaml_node *list)
{
	struct lt_rule rule = {.kind = LT_RULE_REPLACE};

	return list ? add_paths(c, &c->shape->response, list, &rule) : 0;
}

/* Absent: stays as it is. */
static int small_number(const struct compile *c, const struct lt_yaml_node *node, uint8_t *ret)
{
	uint64_t n;

	if (!node)
		return 0;
	if (!node->text || lt_parse_u64(lt_bytes_str(node->text), &n) < 0 || n > 99)
		return wrong(c, node, "a number from 0 to 99 is expected");
	*ret = (uint8_t)n;
	return 0;
}

/* Tokens that frame each of some parts. */
static int framing(const struct compile *c, struct lt_rules *rules, const struct lt_yaml_node *list,
		   uint32_t when)
{
	static const char *const known[] = {"at", "tokens", NULL};

	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (item, list) {
		struct lt_rule rule = {.kind = LT_RULE_TEXT_EACH, .when = when};
		int r = lt_yaml_check_keys(c->yaml, item, known, c->problem);

		if (r == 0)
			r = small_number(c, lt_yaml_get(item, "tokens"), &rule.target);
		if (r == 0)
			r = add_paths(c, rules, lt_yaml_get(item, "at"), &rule);
		if (r < 0)
			return r;
		rules->has_framing = true;
	}
	return 0;
}

/* What tokens are estimated from: texts, framing by number, structures by size. */
static int estimate(const struct compile *c, struct lt_rules *rules, const struct lt_yaml_node *map)
{
	static const char *const known[] = {"text", "otherwise", "when", "each",
					    "size", "base",	 NULL};
	const struct lt_yaml_node *otherwise = lt_yaml_get(map, "otherwise");
	const struct lt_yaml_node *sizes = lt_yaml_get(map, "size");
	struct lt_rule text = {.kind = LT_RULE_TEXT}, size = {.kind = LT_RULE_TEXT_SIZE};
	int r;

	if (!map)
		return 0;
	r = lt_yaml_check_keys(c->yaml, map, known, c->problem);
	if (r == 0)
		r = small_number(c, lt_yaml_get(map, "base"), &rules->text_base);
	if (r == 0)
		r = type_bits(c, lt_yaml_get(map, "when"), &text.when);
	if (r == 0)
		r = add_paths(c, rules, lt_yaml_get(map, "text"), &text);
	text.keep = LT_KEEP_FIRST;
	if (r == 0 && otherwise)
		r = add_paths(c, rules, otherwise, &text);
	if (r == 0)
		r = framing(c, rules, lt_yaml_get(map, "each"), text.when);
	if (r == 0 && sizes)
		r = add_paths(c, rules, sizes, &size);
	return r;
}

static int rpc_methods(const struct compile *c, const struct lt_yaml_node *list)
{
	struct lt_rule methods = {0};
	int r = list ? words(c, list, &methods) : 0;

	if (r == 0 && list) {
		memcpy(c->shape->rpc_methods, methods.words, sizeof(methods.words));
		c->shape->rpc_method_count = methods.word_count;
	}
	return r;
}

/* Where the messages of JSON-RPC are, and their members. */
static int rpc(const struct compile *c, struct lt_rules *rules, const struct lt_yaml_node *map)
{
	static const char *const known[] = {"at",    "id",     "method",  "tool",
					    "error", "failed", "methods", NULL};
	struct lt_rule rule = {.kind = LT_RULE_RPC};
	int r = lt_yaml_check_keys(c->yaml, map, known, c->problem);

	for (size_t part = 0; r == 0 && part < LT_COUNT(known) - 2; part++) {
		rule.target = (uint8_t)part; /* in the order of enum lt_rpc_part */
		if (lt_yaml_get(map, known[part]))
			r = add_paths(c, rules, lt_yaml_get(map, known[part]), &rule);
	}
	if (r == 0)
		r = rpc_methods(c, lt_yaml_get(map, "methods"));
	c->shape->rpc = true;
	return r;
}

/* Only exchanges that say one of these words there count (a kind of request, a state of a job). */
static int only_words(const struct compile *c, struct lt_rules *rules,
		      const struct lt_yaml_node *map)
{
	static const char *const known[] = {"paths", "in", NULL};
	struct lt_rule drop = {.kind = LT_RULE_DROP};
	int r = lt_yaml_check_keys(c->yaml, map, known, c->problem);

	if (r == 0)
		r = words(c, lt_yaml_get(map, "in"), &drop);
	return r < 0 ? r : add_paths(c, rules, lt_yaml_get(map, "paths"), &drop);
}

/*
 * What tools gave since the model last spoke. "after": where the model's turns are; "count": the
 * results; "id": of the calls that these answer. The first two may be some words only.
 */
static int tool_results(const struct compile *c, const struct lt_yaml_node *list)
{
	static const char *const known[] = {"after", "count", "id", "in", NULL};
	static const enum lt_rule_kind kinds[] = {LT_RULE_MODEL_TURN, LT_RULE_RESULT,
						  LT_RULE_RESULT_ID};

	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	c->shape->has_results = list != NULL;
	lt_yaml_for_each (item, list) {
		struct lt_rule rule = {0};
		size_t kind = 0;
		int r = lt_yaml_check_keys(c->yaml, item, known, c->problem);

		while (r == 0 && kind < LT_COUNT(kinds) && !lt_yaml_get(item, known[kind]))
			kind++;
		if (r == 0 && kind == LT_COUNT(kinds))
			r = wrong(c, item, "one of after, count and id is expected");
		if (r == 0)
			r = words(c, lt_yaml_get(item, "in"), &rule);
		if (r < 0)
			return r;
		rule.kind = kinds[kind];
		r = add_paths(c, &c->shape->request, lt_yaml_get(item, known[kind]), &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What a request says: fields, and units of its own (numbers, or the length of a text). */
static int request(const struct compile *c, const struct lt_yaml_node *map)
{
	static const char *const known[] = {"fields",  "units",	  "lengths",	  "counted",
					    "only",    "rpc",	  "tool_calls",	  "estimate",
					    "headers", "confirm", "tool_results", NULL};
	struct lt_rule confirm = {.kind = LT_RULE_CONFIRM};
	struct lt_rules *rules = &c->shape->request;
	int r = lt_yaml_check_keys(c->yaml, map, known, c->problem);

	if (r == 0)
		r = fields(c, rules, lt_yaml_get(map, "fields"));
	if (r == 0)
		r = units(c, rules, lt_yaml_get(map, "units"), LT_RULE_UNIT);
	if (r == 0)
		r = units(c, rules, lt_yaml_get(map, "lengths"), LT_RULE_LENGTH);
	if (r == 0)
		r = server_calls(c, rules, lt_yaml_get(map, "counted"));
	if (r == 0)
		r = counters(c, rules, lt_yaml_get(map, "tool_calls"), LT_COUNTS_TOOL_CALLS);
	if (r == 0)
		r = tool_results(c, lt_yaml_get(map, "tool_results"));
	if (r == 0)
		r = estimate(c, rules, lt_yaml_get(map, "estimate"));
	if (r == 0 && lt_yaml_get(map, "rpc"))
		r = rpc(c, rules, lt_yaml_get(map, "rpc"));
	if (r == 0)
		r = request_headers(c, lt_yaml_get(map, "headers"));
	c->shape->request_confirms = lt_yaml_get(map, "confirm") != NULL;
	if (r == 0 && c->shape->request_confirms)
		r = add_paths(c, rules, lt_yaml_get(map, "confirm"), &confirm);
	if (r == 0 && lt_yaml_get(map, "only"))
		r = only_words(c, rules, lt_yaml_get(map, "only"));
	return r;
}

/* What the numbers of an enumeration mean, from 0 on. */
static int enum_names(const struct compile *c, const struct lt_yaml_node *list,
		      char (*names)[LT_SHAPE_WORD], unsigned max, unsigned *ret_count)
{
	if (expect(c, list, LT_YAML_LIST) < 0)
		return -EINVAL;
	lt_yaml_for_each (name, list) {
		if (!name->text || strlen(name->text) >= LT_SHAPE_WORD || *ret_count == max)
			return wrong(c, name, "a short list of short texts is expected");
		snprintf(names[(*ret_count)++], LT_SHAPE_WORD, "%s", name->text);
	}
	return 0;
}

static int all_enum_names(const struct compile *c, const struct lt_yaml_node *map)
{
	struct lt_shape *s = c->shape;
	int r = enum_names(c, lt_yaml_get(map, "finish_names"), s->finish_names,
			   LT_FINISH_NAMES_MAX, &s->finish_count);

	return r < 0 ? r
		     : enum_names(c, lt_yaml_get(map, "tier_names"), s->tier_names,
				  LT_TIER_NAMES_MAX, &s->tier_name_count);
}

/* What is counted, element by element, and how a stream goes. */
static int response_counts(const struct compile *c, const struct lt_yaml_node *map)
{
	int r;

	r = per_call(c, lt_yaml_get(map, "per_call"));
	if (r == 0)
		r = counters(c, &c->shape->response, lt_yaml_get(map, "tool_calls"),
			     LT_COUNTS_TOOL_CALLS);
	if (r == 0)
		r = server_calls(c, &c->shape->response, lt_yaml_get(map, "counted"));
	if (r == 0)
		r = each(c, lt_yaml_get(map, "each"));
	if (r == 0)
		r = stream(c, lt_yaml_get(map, "stream"));
	if (r == 0)
		r = estimate(c, &c->shape->response, lt_yaml_get(map, "estimate"));
	if (r == 0 && lt_yaml_get(map, "rpc"))
		r = rpc(c, &c->shape->response, lt_yaml_get(map, "rpc"));
	if (r == 0 && lt_yaml_get(map, "only"))
		r = only_words(c, &c->shape->response, lt_yaml_get(map, "only"));
	c->shape->plan = is_true(lt_yaml_get(map, "plan"));
	return r;
}

static int response(const struct compile *c, const struct lt_yaml_node *map)
{
	static const char *const known[] = {"fields",	  "meters",   "units",	    "outside",
					    "zero",	  "replace",  "headers",    "tool_calls",
					    "counted",	  "each",     "stream",	    "cost",
					    "cost_ticks", "per_call", "confirm",    "finish_names",
					    "estimate",	  "rpc",      "tier_names", "only",
					    "plan",	  NULL};
	struct lt_rule confirm = {.kind = LT_RULE_CONFIRM};
	int r = lt_yaml_check_keys(c->yaml, map, known, c->problem);

	if (r == 0)
		r = fields(c, &c->shape->response, lt_yaml_get(map, "fields"));
	if (r == 0)
		r = meters(c, lt_yaml_get(map, "meters"));
	if (r == 0)
		r = units(c, &c->shape->response, lt_yaml_get(map, "units"), LT_RULE_UNIT);
	if (r == 0)
		r = meter_bits(c, lt_yaml_get(map, "outside"), &c->shape->outside);
	if (r == 0)
		r = meter_bits(c, lt_yaml_get(map, "zero"), &c->shape->zero);
	if (r == 0)
		r = replace(c, lt_yaml_get(map, "replace"));
	if (r == 0)
		r = all_enum_names(c, map);
	if (r == 0 && lt_yaml_get(map, "confirm"))
		r = add_paths(c, &c->shape->response, lt_yaml_get(map, "confirm"), &confirm);
	if (r == 0)
		r = headers(c, lt_yaml_get(map, "headers"));
	if (r == 0)
		r = cost(c, lt_yaml_get(map, "cost"));
	if (r == 0)
		r = cost(c, lt_yaml_get(map, "cost_ticks"));
	if (r == 0)
		r = response_counts(c, map);
	return r;
}

static int compile_paths(const struct compile *c, struct lt_rules *rules)
{
	size_t bad = 0;
	int r = lt_json_paths_new(rules->path, rules->count, &rules->paths, &bad);

	if (r == -EINVAL)
		return lt_problem_set(c->problem, r, lt_yaml_name(c->yaml), 0,
				      "'%s' is no JSON path", rules->path[bad]);
	for (unsigned i = 0; r == 0 && i < rules->count; i++) {
		if (rules->rule[i].kind == LT_RULE_TEXT)
			lt_json_paths_want_text(rules->paths, i);
	}
	memset(rules->path, 0, sizeof(rules->path)); /* they point into the document */
	return r;
}

static int format(const struct compile *c, const struct lt_yaml_node *node)
{
	c->shape->protobuf = node && node->text && strcmp(node->text, "protobuf") == 0;
	if (node && !c->shape->protobuf && (!node->text || strcmp(node->text, "json") != 0))
		return wrong(c, node, "format is json or protobuf");
	return 0;
}

int lt_shape_parse(const struct lt_yaml *yaml, struct lt_shape **ret, struct lt_problem *problem)
{
	static const char *const known[] = {"shape", "format", "request", "response", NULL};
	lt_defer(lt_shape_freep)
	struct lt_shape *shape = lt_calloc(1, sizeof(*shape));
	struct compile c = {.yaml = yaml, .shape = shape, .problem = problem};
	const struct lt_yaml_node *root = lt_yaml_root(yaml);
	const struct lt_yaml_node *name = lt_yaml_get(root, "shape");
	int r;

	if (!shape)
		return lt_problem_set(problem, -ENOMEM, lt_yaml_name(yaml), 0, "out of memory");
	r = lt_yaml_check_keys(yaml, root, known, problem);
	if (r == 0 && (!name || !name->text || strlen(name->text) >= LT_SHAPE_WORD))
		r = wrong(&c, name ? name : root, "shape needs a name");
	if (r < 0)
		return r;
	snprintf(shape->name, sizeof(shape->name), "%s", name->text);
	r = format(&c, lt_yaml_get(root, "format"));
	if (r == 0)
		r = request(&c, lt_yaml_get(root, "request"));
	if (r == 0)
		r = response(&c, lt_yaml_get(root, "response"));
	if (r == 0)
		r = compile_paths(&c, &shape->request);
	if (r == 0)
		r = compile_paths(&c, &shape->response);
	if (r < 0)
		return r;
	*ret = lt_take(shape);
	return 0;
}

struct lt_shape *lt_shape_free(struct lt_shape *shape)
{
	if (!shape)
		return NULL;
	lt_json_paths_free(shape->request.paths);
	lt_json_paths_free(shape->response.paths);
	lt_free(shape);
	return NULL;
}
