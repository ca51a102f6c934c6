// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/rules.h"

#include <ctype.h>
#include <errno.h>

#include "userspace/attribute/rule_value.h"
#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"

/* X(fact, key): facts that are one text each. */
#define TEXT_FACTS(X)                                                                              \
	X(comm)                                                                                    \
	X(exe)                                                                                     \
	X(cgroup)                                                                                  \
	X(container_id)                                                                            \
	X(runtime)                                                                                 \
	X(pod_uid)                                                                                 \
	X(qos)                                                                                     \
	X(unit)                                                                                    \
	X(host)                                                                                    \
	X(provider)

/* X(dimension): what rules set. */
#define DIMENSIONS(X)                                                                              \
	X(tenant)                                                                                  \
	X(team)                                                                                    \
	X(use_case)                                                                                \
	X(environment)                                                                             \
	X(cost_center)

enum condition_kind { MATCH_TEXT, MATCH_HOST, MATCH_UID, MATCH_PARENT, MATCH_ENV };

struct pattern {
	char *glob;
	uint64_t from, to; /* of a uid */
};

struct condition {
	enum condition_kind kind;
	size_t fact; /* TEXT, HOST: offset in lt_rule_facts; ENV: index */
	struct pattern *patterns;
	size_t count;
};

struct assignment {
	size_t offset; /* of the dimension in lt_identity */
	struct lt_rule_value *value;
};

struct rule {
	struct condition *conditions;
	size_t condition_count;
	struct assignment *sets;
	size_t set_count;
	bool reads_env;
};

struct lt_rules {
	struct rule *rules;
	size_t count;
};

/* Where a loader is: what every helper needs for its problem. */
struct loader {
	const struct lt_yaml *config;
	struct lt_problem *problem;
	const char *env[LT_ENV_NAMES_MAX];
	size_t env_count;
};

static const struct {
	const char *key;
	size_t offset;
} text_facts[] = {
#define X(name) {#name, offsetof(struct lt_rule_facts, name)},
	TEXT_FACTS(X)
#undef X
};

static const struct {
	const char *key;
	size_t offset;
} dimensions[] = {
#define X(name) {#name, offsetof(struct lt_identity, name)},
	DIMENSIONS(X)
#undef X
};

static size_t length(const struct lt_yaml_node *node)
{
	size_t n = 0;

	lt_yaml_for_each (item, node)
		n++;
	return n;
}

/* ---- env ---- */

/* Variables that by their name hold a secret must not become a record's dimension. */
static bool names_a_secret(const char *name)
{
	static const char *const ends[] = {"API_KEY",	 "ACCESS_KEY", "SECRET_KEY", "PRIVATE_KEY",
					   "SECRET",	 "TOKEN",      "PASSWORD",   "PASSWD",
					   "CREDENTIAL", "CREDENTIALS"};
	size_t n = strlen(name);

	for (size_t i = 0; i < LT_COUNT(ends); i++) {
		size_t end = strlen(ends[i]);

		if (n >= end && strcasecmp(name + n - end, ends[i]) == 0)
			return true;
	}
	return false;
}

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
	if (names_a_secret(item->text))
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

/* ---- match ---- */

/* "1001" or "1000-1999". */
static int parse_uids(const char *text, struct pattern *ret)
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

static int load_pattern(const struct loader *l, const struct lt_yaml_node *node,
			const struct lt_yaml_node *key, enum condition_kind kind,
			struct pattern *ret)
{
	if (node->kind != LT_YAML_SCALAR || node->text[0] == '\0')
		return lt_yaml_problem(l->config, node, l->problem,
				       "%s takes a pattern or a list of patterns ('*' and '?' "
				       "are wild)",
				       key->key);
	if (kind == MATCH_UID && parse_uids(node->text, ret) < 0)
		return lt_yaml_problem(l->config, node, l->problem,
				       "uid takes a number or a range such as 1000-1999, not '%s'",
				       node->text);
	if (kind == MATCH_UID)
		return 0;
	ret->glob = lt_strdup(node->text);
	return ret->glob ? 0 : -ENOMEM;
}

static int load_patterns(const struct loader *l, const struct lt_yaml_node *node,
			 struct condition *c)
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
		r = load_pattern(l, item, node, c->kind, &c->patterns[c->count]);
		if (r < 0)
			return r;
		c->count++;
	}
	return 0;
}

static int find_env(const struct loader *l, struct lt_bytes name, size_t *ret)
{
	for (size_t i = 0; i < l->env_count; i++) {
		if (lt_bytes_is(name, l->env[i])) {
			*ret = i;
			return 0;
		}
	}
	return -ENOENT;
}

static int load_condition(const struct loader *l, const struct lt_yaml_node *node,
			  struct condition *c)
{
	const char *key = node->key;
	bool known = true;

	if (strcmp(key, "uid") == 0) {
		c->kind = MATCH_UID;
	} else if (strcmp(key, "parent") == 0) {
		c->kind = MATCH_PARENT;
	} else if (strncmp(key, "env.", 4) == 0) {
		c->kind = MATCH_ENV;
		if (find_env(l, lt_bytes_str(key + 4), &c->fact) < 0)
			return lt_yaml_problem(
				l->config, node, l->problem,
				"%s is not in the list attribution.env: add it there", key + 4);
	} else {
		known = false;
		for (size_t i = 0; i < LT_COUNT(text_facts) && !known; i++) {
			known = strcmp(key, text_facts[i].key) == 0;
			c->fact = text_facts[i].offset;
		}
		c->kind = strcmp(key, "host") == 0 ? MATCH_HOST : MATCH_TEXT;
	}
	if (!known) {
		static const char *const keys[] = {
#define X(name) #name,
			TEXT_FACTS(X)
#undef X
				"uid",
			"parent", "env.NAME", NULL};
		struct lt_yaml_node one = *node, map = {.kind = LT_YAML_MAP, .line = node->line};

		one.next = NULL;
		map.child = &one;
		return lt_yaml_check_keys(l->config, &map, keys, l->problem);
	}
	return load_patterns(l, node, c);
}

static int load_match(const struct loader *l, const struct lt_yaml_node *node, struct rule *rule)
{
	size_t n = length(node);
	int r;

	if (!node || (node->kind == LT_YAML_SCALAR && !node->quoted && !node->text[0]))
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
		struct condition *c = &rule->conditions[rule->condition_count++];

		r = load_condition(l, item, c);
		if (r < 0)
			return r;
		if (c->kind == MATCH_ENV)
			rule->reads_env = true;
	}
	return 0;
}

/* ---- set ---- */

static int load_value(const struct loader *l, const struct lt_yaml_node *node,
		      struct assignment *ret)
{
	const char *wrong = NULL;
	int r;

	if (node->kind != LT_YAML_SCALAR || node->text[0] == '\0')
		return lt_yaml_problem(l->config, node, l->problem, "%s takes a text", node->key);
	r = lt_rule_value_new(node->text, l->env, l->env_count, &ret->value, &wrong);
	if (r == -EINVAL)
		return lt_yaml_problem(l->config, node, l->problem, "%s: %s", node->key, wrong);
	return r;
}

static int load_set(const struct loader *l, const struct lt_yaml_node *rule_node,
		    const struct lt_yaml_node *node, struct rule *rule)
{
	static const char *const keys[] = {
#define X(name) #name,
		DIMENSIONS(X)
#undef X
			NULL};
	int r;

	if (!node || node->kind != LT_YAML_MAP || !node->child)
		return lt_yaml_problem(l->config, node ? node : rule_node, l->problem,
				       "a rule needs set, a map such as {team: search}");
	r = lt_yaml_check_keys(l->config, node, keys, l->problem);
	if (r < 0)
		return r;
	rule->sets = lt_calloc(LT_COUNT(dimensions), sizeof(rule->sets[0]));
	if (!rule->sets)
		return -ENOMEM;
	for (size_t i = 0; i < LT_COUNT(dimensions); i++) {
		const struct lt_yaml_node *value = lt_yaml_get(node, dimensions[i].key);

		if (!value)
			continue;
		rule->sets[rule->set_count].offset = dimensions[i].offset;
		r = load_value(l, value, &rule->sets[rule->set_count++]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_rule(const struct loader *l, const struct lt_yaml_node *node, struct rule *rule)
{
	static const char *const keys[] = {"match", "set", NULL};
	int r;

	if (node->kind != LT_YAML_MAP)
		return lt_yaml_problem(l->config, node, l->problem,
				       "a rule is a map with match and set");
	r = lt_yaml_check_keys(l->config, node, keys, l->problem);
	if (r < 0)
		return r;
	r = load_match(l, lt_yaml_get(node, "match"), rule);
	if (r < 0)
		return r;
	return load_set(l, node, lt_yaml_get(node, "set"), rule);
}

static int load_rules(const struct loader *l, const struct lt_yaml_node *list,
		      struct lt_rules *rules)
{
	size_t n = length(list);
	int r;

	if (!list)
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
	static const char *const keys[] = {"env", "rules", NULL};
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = lt_calloc(1, sizeof(*rules));
	struct loader l = {.config = config, .problem = problem};
	int r;

	if (!rules)
		return -ENOMEM;
	if (section && section->kind != LT_YAML_MAP)
		return lt_yaml_problem(config, section, problem,
				       "attribution takes a map with env and rules");
	r = section ? lt_yaml_check_keys(config, section, keys, problem) : 0;
	if (r < 0)
		return r;
	r = lt_rules_env_names(config, section, l.env, &l.env_count, problem);
	if (r < 0)
		return r;
	r = load_rules(&l, lt_yaml_get(section, "rules"), rules);
	if (r < 0)
		return r;
	*ret = lt_take(rules);
	return 0;
}

static void free_rule(struct rule *rule)
{
	for (size_t i = 0; i < rule->condition_count; i++) {
		struct condition *c = &rule->conditions[i];

		for (size_t k = 0; k < c->count; k++)
			lt_free(c->patterns[k].glob);
		lt_free(c->patterns);
	}
	for (size_t i = 0; i < rule->set_count; i++)
		lt_rule_value_free(rule->sets[i].value);
	lt_free(rule->conditions);
	lt_free(rule->sets);
}

struct lt_rules *lt_rules_free(struct lt_rules *rules)
{
	if (!rules)
		return NULL;
	for (size_t i = 0; i < rules->count; i++)
		free_rule(&rules->rules[i]);
	lt_free(rules->rules);
	lt_free(rules);
	return NULL;
}

/* ---- one call ---- */

static bool text_matches(const struct condition *c, const char *text)
{
	if (!text || !text[0])
		return false;
	for (size_t i = 0; i < c->count; i++) {
		if (c->kind == MATCH_HOST
			    ? lt_glob_match_nocase(c->patterns[i].glob, lt_bytes_str(text))
			    : lt_glob_match(c->patterns[i].glob, lt_bytes_str(text)))
			return true;
	}
	return false;
}

static bool uid_matches(const struct condition *c, const struct lt_rule_facts *f)
{
	for (size_t i = 0; f->uid_known && i < c->count; i++) {
		if (f->uid >= c->patterns[i].from && f->uid <= c->patterns[i].to)
			return true;
	}
	return false;
}

static bool condition_holds(const struct condition *c, const struct lt_rule_facts *f)
{
	const char *text;

	switch (c->kind) {
	case MATCH_TEXT:
	case MATCH_HOST:
		memcpy(&text, (const char *)f + c->fact, sizeof(text));
		return text_matches(c, text);
	case MATCH_UID:
		return uid_matches(c, f);
	case MATCH_ENV:
		return text_matches(c, f->env[c->fact]);
	case MATCH_PARENT:
		for (size_t i = 0; i < f->parent_count; i++) {
			if (text_matches(c, f->parents[i]))
				return true;
		}
		return false;
	}
	return false;
}

static bool rule_matches(const struct rule *rule, const struct lt_rule_facts *f)
{
	for (size_t i = 0; i < rule->condition_count; i++) {
		if (!condition_holds(&rule->conditions[i], f))
			return false;
	}
	return true;
}

/* Whether some dimension that this rule sets is still open: else its conditions need not be looked
 * at. */
static bool still_of_use(const struct rule *rule, const struct lt_identity *id)
{
	for (size_t i = 0; i < rule->set_count; i++) {
		if (!((const char *)id)[rule->sets[i].offset])
			return true;
	}
	return false;
}

enum lt_identity_source lt_rules_apply(const struct lt_rules *rules,
				       const struct lt_rule_facts *facts, struct lt_identity *id)
{
	enum lt_identity_source source = LT_IDENTITY_NONE;

	for (size_t d = 0; d < LT_COUNT(dimensions); d++)
		((char *)id)[dimensions[d].offset] = '\0';
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->rules[i];

		if (!still_of_use(rule, id) || !rule_matches(rule, facts))
			continue;
		for (size_t k = 0; k < rule->set_count; k++) {
			const struct assignment *set = &rule->sets[k];
			char *to = (char *)id + set->offset;

			if (*to || !lt_rule_value_expand(set->value, facts, to))
				continue;
			if (rule->reads_env || lt_rule_value_reads_env(set->value))
				source = LT_IDENTITY_PROCESS_CONTEXT;
			else if (source == LT_IDENTITY_NONE)
				source = LT_IDENTITY_ADMIN_MAP;
		}
	}
	return source;
}
