// SPDX-License-Identifier: Apache-2.0
/* The grammar of the config's "attribution" section, and the memory of what was compiled. */
#include "userspace/attribute/rules.h"

#include <ctype.h>
#include <errno.h>

#include "userspace/attribute/rules_internal.h"
#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"

/* Where a loader is: what every helper needs for its problem. */
struct loader {
	const struct lt_yaml *config;
	struct lt_problem *problem;
	struct lt_rules *rules;
};

const struct lt_rule_dimension lt_rule_dimensions[LT_DIMENSIONS] = {
	{"tenant", offsetof(struct lt_identity, tenant), LT_CONFLICT_TENANT},
	{"team", offsetof(struct lt_identity, team), 0},
	{"cost_center", offsetof(struct lt_identity, cost_center), 0},
	{"use_case", offsetof(struct lt_identity, use_case), LT_CONFLICT_USE_CASE},
	{"agent_role", offsetof(struct lt_identity, agent_role), LT_CONFLICT_ROLE},
	{"environment", offsetof(struct lt_identity, environment), 0},
};

static size_t length(const struct lt_yaml_node *node)
{
	size_t n = 0;

	lt_yaml_for_each (item, node)
		n++;
	return n;
}

/* ---- env, headers ---- */

static bool is_variable_name(const char *name)
{
	enum { NAME_MAX_BYTES = 128 };
	size_t n = strnlen(name, NAME_MAX_BYTES + 1);

	if (n == 0 || n > NAME_MAX_BYTES || isdigit((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	}
	return true;
}

static int check_env_name(const struct lt_yaml *config, const struct lt_yaml_node *item,
			  const char *const *before, size_t count, struct lt_problem *problem)
{
	if (item->kind != LT_YAML_SCALAR || !is_variable_name(item->text))
		return lt_yaml_problem(config, item, problem,
				       "env takes names of environment variables "
				       "(letters, digits and _)");
	if (lt_names_a_secret(item->text))
		return lt_yaml_problem(config, item, problem,
				       "%s looks like a secret by its name: "
				       "records must not hold secrets, use another variable",
				       item->text);
	if (count == LT_ENV_NAMES_MAX)
		return lt_yaml_problem(config, item, problem, "env takes at most %d variables",
				       LT_ENV_NAMES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(before[i], item->text) == 0)
			return lt_yaml_problem(config, item, problem, "%s is named twice",
					       item->text);
	}
	return 0;
}

int lt_rules_env_names(const struct lt_yaml *config, const struct lt_yaml_node *section,
		       const char *ret[LT_ENV_NAMES_MAX], size_t *ret_count,
		       struct lt_problem *problem)
{
	const struct lt_yaml_node *list = lt_yaml_get(section, "env");
	const char *names[LT_ENV_NAMES_MAX];
	size_t count = 0;
	int r;

	if (list && list->kind != LT_YAML_LIST)
		return lt_yaml_problem(config, list, problem,
				       "env takes a list of variable names, such as [TEAM]");
	lt_yaml_for_each (item, list) {
		r = check_env_name(config, item, names, count, problem);
		if (r < 0)
			return r;
		names[count++] = item->text;
	}
	if (count > 0)
		memcpy(ret, names, count * sizeof(names[0]));
	*ret_count = count;
	return 0;
}

static int load_env(const struct loader *l, const struct lt_yaml_node *section)
{
	const char *names[LT_ENV_NAMES_MAX];
	size_t count;
	int r = lt_rules_env_names(l->config, section, names, &count, l->problem);

	for (size_t i = 0; r == 0 && i < count; i++) {
		l->rules->env[i] = lt_strdup(names[i]);
		if (!l->rules->env[i])
			return -ENOMEM;
		l->rules->env_count++;
	}
	return r;
}

/* token of RFC 9110, of a length that a claim may have. */
static bool is_header_name(const char *name)
{
	enum { NAME_MAX_BYTES = 64 };
	size_t n = strnlen(name, NAME_MAX_BYTES + 1);

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	}
	return n > 0 && n <= NAME_MAX_BYTES;
}

static int load_header(const struct loader *l, const struct lt_yaml_node *item)
{
	struct lt_rules *rules = l->rules;
	char *name;

	if (item->kind != LT_YAML_SCALAR || !is_header_name(item->text))
		return lt_yaml_problem(l->config, item, l->problem,
				       "headers takes names of request headers such as "
				       "x-tenant-id");
	if (lt_names_a_secret(item->text))
		return lt_yaml_problem(l->config, item, l->problem,
				       "%s looks like a secret by its name: records must not hold "
				       "secrets, use another header",
				       item->text);
	if (rules->header_count == LT_CLAIMS_MAX)
		return lt_yaml_problem(l->config, item, l->problem,
				       "headers takes at most %d names", LT_CLAIMS_MAX);
	name = lt_strdup(item->text);
	if (!name)
		return -ENOMEM;
	for (char *at = name; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	for (size_t i = 0; i < rules->header_count; i++) {
		if (strcmp(rules->headers[i], name) != 0)
			continue;
		lt_free(name);
		return lt_yaml_problem(l->config, item, l->problem, "%s is named twice",
				       item->text);
	}
	rules->headers[rules->header_count++] = name;
	return 0;
}

static int load_headers(const struct loader *l, const struct lt_yaml_node *section)
{
	const struct lt_yaml_node *list = lt_yaml_get(section, "headers");
	int r = 0;

	if (lt_yaml_is_nothing(list))
		return 0;
	if (list->kind != LT_YAML_LIST)
		return lt_yaml_problem(l->config, list, l->problem,
				       "headers takes a list of names, such as [x-tenant-id]");
	for (const struct lt_yaml_node *item = list->child; item && r == 0; item = item->next)
		r = load_header(l, item);
	return r;
}

/* ---- facts by name ---- */

/* What stands in JSON and in quotes without escapes. */
static bool is_fact_key(struct lt_bytes key)
{
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] <= ' ' || key.p[i] >= 0x7f || strchr("\"\\{}", key.p[i]))
			return false;
	}
	return key.n > 0;
}

static int slot_of(struct lt_bytes key, char *const *list, size_t count, unsigned *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(list[i]) == key.n &&
		    strncasecmp(list[i], (const char *)key.p, key.n) == 0) {
			*ret = (unsigned)i;
			return 0;
		}
	}
	return -ENOENT;
}

static int check_name(struct lt_rules *rules, struct lt_bytes key, struct lt_fact_name *n,
		      const char **ret_wrong)
{
	*ret_wrong = NULL;
	if (!is_fact_key(key) || key.n + 16 > LT_FACT_NAME_BYTES)
		*ret_wrong = "a name of at most 80 printable characters is expected after the '.'";
	else if (n->family == LT_FAMILY_ENV &&
		 (slot_of(key, rules->env, rules->env_count, &n->slot) < 0 ||
		  !lt_bytes_is(key, rules->env[n->slot])))
		*ret_wrong = "it is not in the list attribution.env: add it there";
	else if (n->family == LT_FAMILY_CLAIM &&
		 slot_of(key, rules->headers, rules->header_count, &n->slot) < 0)
		*ret_wrong = "it is not in the list attribution.headers: add it there";
	else if (n->family == LT_FAMILY_RESOURCE && rules->resource_count == LT_RESOURCES_MAX)
		*ret_wrong = "there are more than 13 resource attributes in the rules";
	else if (rules->name_count == LT_FACT_NAMES_MAX)
		*ret_wrong = "there are more than 125 names of labels, variables and the like in "
			     "the rules";
	return *ret_wrong ? -EINVAL : 0;
}

static int add_name(struct lt_rules *rules, enum lt_fact_family family, struct lt_bytes name,
		    const char **ret_wrong)
{
	struct lt_fact_name n = {.family = family};
	size_t prefix = strlen(lt_family_prefix(family));
	char text[LT_FACT_NAME_BYTES + 16];
	int r = check_name(rules, lt_bytes_skip(name, prefix), &n, ret_wrong);

	if (r < 0)
		return r;
	if (family == LT_FAMILY_RESOURCE)
		n.slot = rules->resource_count;
	lt_bytes_copy(text, sizeof(text), name);
	if (family == LT_FAMILY_RESOURCE && lt_names_a_secret(text)) {
		*ret_wrong = "it looks like a secret by its name: records must not hold secrets";
		return -EINVAL;
	}
	n.text = lt_strdup(text);
	if (!n.text)
		return -ENOMEM;
	/* Header names are known in small letters. */
	for (char *at = n.text; family == LT_FAMILY_CLAIM && *at; at++)
		*at = (char)tolower((unsigned char)*at);
	n.key = n.text + prefix;
	rules->resource_count += family == LT_FAMILY_RESOURCE;
	rules->names[rules->name_count++] = n;
	return 0;
}

/* lt_fact_finder.find */
static int find_fact(void *arg, struct lt_bytes name, unsigned *ret, const char **ret_wrong)
{
	struct lt_rules *rules = arg;
	enum lt_fact_family family;
	enum lt_fact fact;
	int r;

	if (lt_fact_find(name, &fact)) {
		rules->read[fact] = true;
		*ret = fact;
		return 0;
	}
	if (!lt_family_find(name, &family)) {
		*ret_wrong = "no fact has this name; docs/attribution.md lists them";
		return -EINVAL;
	}
	for (size_t i = 0; i < rules->name_count; i++) {
		bool claim = family == LT_FAMILY_CLAIM;

		*ret = LT_FACT_NAMED + (unsigned)i;
		if (claim ? lt_bytes_is_nocase(name, rules->names[i].text)
			  : lt_bytes_is(name, rules->names[i].text))
			return 0;
	}
	r = add_name(rules, family, name, ret_wrong);
	*ret = LT_FACT_NAMED + (unsigned)rules->name_count - 1;
	return r;
}

/* Kept of every process that says them, whatever the rules ask for. */
static int load_standard_names(struct lt_rules *rules)
{
	static const char *const names[] = {
		"resource.service.namespace",
		"resource.deployment.environment.name",
		"resource.deployment.environment",
	};
	const char *wrong;
	unsigned fact;
	int r = 0;

	for (size_t i = 0; i < LT_COUNT(names) && r == 0; i++)
		r = find_fact(rules, lt_bytes_str(names[i]), &fact, &wrong);
	return r;
}

/* ---- match ---- */

/* "1001" or "1000-1999". */
static int parse_uids(const char *text, struct lt_rule_pattern *ret)
{
	const char *dash = strchr(text, '-');
	struct lt_bytes from = lt_bytes(text, dash ? (size_t)(dash - text) : strlen(text));
	uint64_t a, b;

	if (lt_parse_u64(from, &a) < 0 || a > UINT32_MAX)
		return -EINVAL;
	b = a;
	if (dash && (lt_parse_u64(lt_bytes_str(dash + 1), &b) < 0 || b > UINT32_MAX || b < a))
		return -EINVAL;
	ret->from = a;
	ret->to = b;
	return 0;
}

/* Command lines are compared when a process is first looked at, and then forgotten: what is kept is
 * a bit for each pattern. */
static int load_command(const struct loader *l, const struct lt_yaml_node *node, uint64_t *bits)
{
	struct lt_rules *rules = l->rules;
	size_t i = 0;

	while (i < rules->command_count && strcmp(rules->commands[i], node->text) != 0)
		i++;
	if (i == LT_COMMAND_PATTERNS_MAX)
		return lt_yaml_problem(l->config, node, l->problem,
				       "there are more than %d patterns of commands in the rules",
				       LT_COMMAND_PATTERNS_MAX);
	if (i == rules->command_count) {
		rules->commands[i] = lt_strdup(node->text);
		if (!rules->commands[i])
			return -ENOMEM;
		rules->command_count++;
	}
	*bits |= 1ull << i;
	return 0;
}

static int load_pattern(const struct loader *l, const struct lt_yaml_node *node,
			const struct lt_yaml_node *key, struct lt_rule_condition *c,
			struct lt_rule_pattern *ret)
{
	if (node->kind != LT_YAML_SCALAR || node->text[0] == '\0')
		return lt_yaml_problem(l->config, node, l->problem,
				       "%s takes a pattern or a list of patterns ('*' and '?' "
				       "are wild)",
				       key->key);
	if (c->fact == LT_FACT_UID && parse_uids(node->text, ret) < 0)
		return lt_yaml_problem(l->config, node, l->problem,
				       "uid takes a number or a range such as 1000-1999, not '%s'",
				       node->text);
	ret->glob = lt_strdup(node->text);
	if (!ret->glob)
		return -ENOMEM;
	return c->fact == LT_FACT_COMMAND ? load_command(l, node, &c->commands) : 0;
}

static int load_patterns(const struct loader *l, const struct lt_yaml_node *node,
			 struct lt_rule_condition *c)
{
	bool list = node->kind == LT_YAML_LIST;
	size_t n = list ? length(node) : 1;
	int r;

	if (n == 0 || n > LT_RULE_PATTERNS_MAX)
		return lt_yaml_problem(l->config, node, l->problem, "%s takes 1 to %d patterns",
				       node->key, LT_RULE_PATTERNS_MAX);
	c->patterns = lt_calloc(n, sizeof(c->patterns[0]));
	if (!c->patterns)
		return -ENOMEM;
	for (const struct lt_yaml_node *item = list ? node->child : node; c->count < n;
	     item = item->next) {
		/* Counted before it is filled: what a failure leaves is freed with the rest. */
		r = load_pattern(l, item, node, c, &c->patterns[c->count++]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A key that is neither: the nearest that is. */
static int unknown_fact(const struct loader *l, const struct lt_yaml_node *node)
{
	static const char *const keys[] = {
#define X(id, name, class) name,
		LT_FACTS(X)
#undef X
			"env.NAME",
		"label.KEY",
		"annotation.KEY",
		"resource.KEY",
		"claim.NAME",
		NULL};
	struct lt_yaml_node one = *node;
	const struct lt_yaml_node map = {.kind = LT_YAML_MAP, .child = &one};

	one.next = NULL;
	return lt_yaml_check_keys(l->config, &map, keys, l->problem);
}

static int load_condition(const struct loader *l, const struct lt_yaml_node *node,
			  struct lt_rule_condition *c)
{
	struct lt_bytes key = lt_bytes_str(node->key);
	enum lt_fact_family family;
	enum lt_fact fact;
	const char *wrong = NULL;
	int r;

	if (!lt_fact_find(key, &fact) && !lt_family_find(key, &family))
		return unknown_fact(l, node);
	r = find_fact(l->rules, key, &c->fact, &wrong);
	if (r == -EINVAL)
		return lt_yaml_key_problem(l->config, node, l->problem, "%s: %s", node->key, wrong);
	return r < 0 ? r : load_patterns(l, node, c);
}

static int load_match(const struct loader *l, const struct lt_yaml_node *node, struct lt_rule *rule)
{
	size_t n = length(node);
	int r;

	if (lt_yaml_is_nothing(node))
		return 0; /* a rule for all */
	if (node->kind != LT_YAML_MAP)
		return lt_yaml_problem(l->config, node, l->problem,
				       "match takes a map such as {unit: \"billing.service\"}");
	if (n > LT_RULE_CONDITIONS_MAX)
		return lt_yaml_problem(l->config, node, l->problem,
				       "match takes at most %d conditions", LT_RULE_CONDITIONS_MAX);
	rule->conditions = lt_calloc(n ? n : 1, sizeof(rule->conditions[0]));
	if (!rule->conditions)
		return -ENOMEM;
	lt_yaml_for_each (item, node) {
		r = load_condition(l, item, &rule->conditions[rule->condition_count++]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- set ---- */

static int load_value(const struct loader *l, const struct lt_yaml_node *node, unsigned target,
		      struct lt_rule *rule)
{
	const struct lt_fact_finder finder = {.arg = l->rules, .find = find_fact};
	struct lt_rule_set *set = &rule->sets[rule->set_count++];
	const char *wrong = NULL;
	int r;

	set->target = target;
	if (node->kind != LT_YAML_SCALAR || node->text[0] == '\0')
		return lt_yaml_problem(l->config, node, l->problem, "%s takes a text", node->key);
	r = lt_rule_value_new(node->text, &finder, &set->value, &wrong);
	if (r == -EINVAL)
		return lt_yaml_problem(l->config, node, l->problem, "%s: %s", node->key, wrong);
	return r;
}

/* The target of a tag: one for each name in the config. */
static int find_tag(const struct loader *l, const struct lt_yaml_node *node, unsigned *ret)
{
	struct lt_rules *rules = l->rules;
	char text[LT_TAG_NAME_BYTES + 8];
	size_t i = 0;

	if (!is_fact_key(lt_bytes_str(node->key)) || strlen(node->key) > LT_TAG_NAME_BYTES)
		return lt_yaml_key_problem(l->config, node, l->problem,
					   "a tag's name has at most %d printable characters",
					   LT_TAG_NAME_BYTES);
	snprintf(text, sizeof(text), "tags.%s", node->key);
	while (i < rules->tag_count && strcmp(rules->tags[i], text) != 0)
		i++;
	if (i == LT_TAG_NAMES_MAX)
		return lt_yaml_key_problem(l->config, node, l->problem,
					   "there are more than %d names of tags in the rules",
					   LT_TAG_NAMES_MAX);
	if (i == rules->tag_count) {
		rules->tags[i] = lt_strdup(text);
		if (!rules->tags[i])
			return -ENOMEM;
		rules->tag_count++;
	}
	*ret = LT_DIMENSIONS + (unsigned)i;
	return 0;
}

static int load_tags(const struct loader *l, const struct lt_yaml_node *node, struct lt_rule *rule)
{
	unsigned target = 0;
	int r;

	if (node->kind != LT_YAML_MAP || length(node) > LT_TAGS_MAX)
		return lt_yaml_problem(l->config, node, l->problem,
				       "tags takes a map of at most %d texts, such as "
				       "{product: chat}",
				       LT_TAGS_MAX);
	lt_yaml_for_each (item, node) {
		r = find_tag(l, item, &target);
		if (r == 0)
			r = load_value(l, item, target, rule);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_set(const struct loader *l, const struct lt_yaml_node *rule_node,
		     const struct lt_yaml_node *node)
{
	const char *keys[LT_DIMENSIONS + 2] = {NULL};

	if (!node || node->kind != LT_YAML_MAP || !node->child)
		return lt_yaml_problem(l->config, node ? node : rule_node, l->problem,
				       "a rule needs set, a map such as {team: search}");
	for (size_t i = 0; i < LT_DIMENSIONS; i++)
		keys[i] = lt_rule_dimensions[i].key;
	keys[LT_DIMENSIONS] = "tags";
	return lt_yaml_check_keys(l->config, node, keys, l->problem);
}

static int load_set(const struct loader *l, const struct lt_yaml_node *rule_node,
		    const struct lt_yaml_node *node, struct lt_rule *rule)
{
	const struct lt_yaml_node *tags = lt_yaml_get(node, "tags");
	int r = check_set(l, rule_node, node);

	if (r < 0)
		return r;
	rule->sets = lt_calloc(LT_DIMENSIONS + length(tags), sizeof(rule->sets[0]));
	if (!rule->sets)
		return -ENOMEM;
	for (unsigned i = 0; i < LT_DIMENSIONS && r == 0; i++) {
		const struct lt_yaml_node *value = lt_yaml_get(node, lt_rule_dimensions[i].key);

		if (value)
			r = load_value(l, value, i, rule);
	}
	return r == 0 && tags ? load_tags(l, tags, rule) : r;
}

static int load_rule(const struct loader *l, const struct lt_yaml_node *node, struct lt_rule *rule)
{
	static const char *const keys[] = {"match", "set", NULL};
	int r;

	if (node->kind != LT_YAML_MAP)
		return lt_yaml_problem(l->config, node, l->problem,
				       "a rule is a map with match and set");
	rule->line = node->line;
	rule->column = node->column;
	r = lt_yaml_check_keys(l->config, node, keys, l->problem);
	if (r < 0)
		return r;
	r = load_match(l, lt_yaml_get(node, "match"), rule);
	if (r < 0)
		return r;
	return load_set(l, node, lt_yaml_get(node, "set"), rule);
}

static int load_rules(const struct loader *l, const struct lt_yaml_node *list)
{
	struct lt_rules *rules = l->rules;
	size_t n = length(list);
	int r;

	if (lt_yaml_is_nothing(list))
		return 0;
	if (list->kind != LT_YAML_LIST)
		return lt_yaml_problem(l->config, list, l->problem, "rules takes a list of rules");
	if (n > LT_RULES_MAX)
		return lt_yaml_problem(l->config, list, l->problem, "rules takes at most %d rules",
				       LT_RULES_MAX);
	rules->rules = lt_calloc(n ? n : 1, sizeof(rules->rules[0]));
	if (!rules->rules)
		return -ENOMEM;
	lt_yaml_for_each (item, list) {
		r = load_rule(l, item, &rules->rules[rules->count++]);
		if (r < 0)
			return r;
	}
	return 0;
}

int lt_rules_new(const struct lt_yaml *config, const struct lt_yaml_node *section,
		 struct lt_rules **ret, struct lt_problem *problem)
{
	static const char *const keys[] = {"env", "headers", "rules", NULL};
	static atomic_uint stamps;
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = lt_calloc(1, sizeof(*rules));
	struct loader l = {.config = config, .problem = problem, .rules = rules};
	int r;

	if (!rules)
		return -ENOMEM;
	atomic_init(&rules->references, 1);
	rules->stamp = atomic_fetch_add(&stamps, 1) + 1;
	if (section && section->kind != LT_YAML_MAP)
		return lt_yaml_problem(config, section, problem,
				       "attribution takes a map with env, headers and rules");
	r = section ? lt_yaml_check_keys(config, section, keys, problem) : 0;
	if (r == 0)
		r = load_env(&l, section);
	if (r == 0)
		r = load_headers(&l, section);
	if (r == 0)
		r = load_standard_names(rules);
	if (r == 0)
		r = load_rules(&l, lt_yaml_get(section, "rules"));
	if (r < 0)
		return r;
	lt_rules_rank(rules);
	*ret = lt_take(rules);
	return 0;
}

static void free_rule(struct lt_rule *rule)
{
	for (size_t i = 0; i < rule->condition_count; i++) {
		struct lt_rule_condition *c = &rule->conditions[i];

		for (size_t k = 0; k < c->count; k++)
			lt_free(c->patterns[k].glob);
		lt_free(c->patterns);
	}
	for (size_t i = 0; i < rule->set_count; i++)
		lt_rule_value_free(rule->sets[i].value);
	lt_free(rule->conditions);
	lt_free(rule->sets);
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		lt_free(texts[i]);
}

struct lt_rules *lt_rules_ref(struct lt_rules *rules)
{
	atomic_fetch_add(&rules->references, 1);
	return rules;
}

struct lt_rules *lt_rules_free(struct lt_rules *rules)
{
	if (!rules || atomic_fetch_sub(&rules->references, 1) > 1)
		return NULL;
	for (size_t i = 0; i < rules->count; i++)
		free_rule(&rules->rules[i]);
	for (size_t i = 0; i < rules->name_count; i++)
		lt_free(rules->names[i].text);
	free_texts(rules->env, rules->env_count);
	free_texts(rules->headers, rules->header_count);
	free_texts(rules->commands, rules->command_count);
	free_texts(rules->tags, rules->tag_count);
	lt_free(rules->rules);
	lt_free(rules);
	return NULL;
}

uint32_t lt_rules_stamp(const struct lt_rules *rules)
{
	return rules->stamp;
}

size_t lt_rules_env(const struct lt_rules *rules, const char *ret[LT_ENV_NAMES_MAX])
{
	for (size_t i = 0; i < rules->env_count; i++)
		ret[i] = rules->env[i];
	return rules->env_count;
}

size_t lt_rules_headers(const struct lt_rules *rules, const char *ret[LT_CLAIMS_MAX])
{
	for (size_t i = 0; i < rules->header_count; i++)
		ret[i] = rules->headers[i];
	return rules->header_count;
}

const struct lt_fact_name *lt_rules_name(const struct lt_rules *rules, size_t i)
{
	return i < rules->name_count ? &rules->names[i] : NULL;
}

bool lt_rules_read(const struct lt_rules *rules, enum lt_fact fact)
{
	return rules->read[fact];
}

const char *lt_rules_command(const struct lt_rules *rules, size_t i)
{
	return i < rules->command_count ? rules->commands[i] : NULL;
}
