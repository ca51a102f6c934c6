/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the config's "attribution" section (grammar in attribute.h), compiled and owned.
 * Pure: facts in, dimensions out. A fact that is not known ("") matches nothing, not even "*".
 */
#pragma once

#include "userspace/attribute/identity.h"
#include "userspace/base/yaml.h"

enum {
	LT_RULES_MAX = 4096,
	LT_RULE_CONDITIONS_MAX = 32,
	LT_RULE_PATTERNS_MAX = 1024, /* of one condition */
};

/* What rules can ask for. NULL and "" both mean: not known. */
struct lt_rule_facts {
	const char *comm, *exe, *cgroup;
	const char *container_id, *runtime, *pod_uid, *qos, *unit;
	const char *host, *provider;
	const char *const *parents; /* comm of the ancestors */
	size_t parent_count;
	const char *env[LT_ENV_NAMES_MAX]; /* in the order of the section's "env" */
	uint32_t uid;
	bool uid_known;
};

struct lt_rules;

/* @section NULL: no rules. -EINVAL with @problem, -ENOMEM. Keeps nothing of @config. */
LT_MUST_CHECK int lt_rules_new(const struct lt_yaml *config, const struct lt_yaml_node *section,
			       struct lt_rules **ret, struct lt_problem *problem);
struct lt_rules *lt_rules_free(struct lt_rules *rules);
LT_DEFINE_FREEP(lt_rules_free, struct lt_rules)

/* The names under "env", borrowed from @section's document; for lt_process_opts. */
LT_MUST_CHECK int lt_rules_env_names(const struct lt_yaml *config,
				     const struct lt_yaml_node *section,
				     const char *ret[LT_ENV_NAMES_MAX], size_t *ret_count,
				     struct lt_problem *problem);

/* Writes those of @id's dimensions that a rule decides. Returns the weakest source among the rules
 * that did. */
enum lt_identity_source lt_rules_apply(const struct lt_rules *rules,
				       const struct lt_rule_facts *facts, struct lt_identity *id);
