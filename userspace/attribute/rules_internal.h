/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled rules, shared by rules.c (which makes them) and decide.c (which applies them). Private.
 */
#pragma once

#include <stdatomic.h>

#include "userspace/attribute/rule_value.h"
#include "userspace/attribute/rules.h"

struct lt_rule_pattern {
	char *glob;
	uint64_t from, to; /* of a uid */
};

struct lt_rule_condition {
	unsigned fact; /* enum lt_fact, or LT_FACT_NAMED plus the place of a name */
	struct lt_rule_pattern *patterns;
	size_t count;
	uint64_t commands; /* COMMAND: bits of its patterns */
};

struct lt_rule_set {
	unsigned target;
	struct lt_rule_value *value;
	unsigned rank; /* how weak what it says is, see decide.c */
	bool varies;   /* and that is to be asked for each call */
};

struct lt_rule {
	unsigned line, column;
	struct lt_rule_condition *conditions;
	size_t condition_count;
	struct lt_rule_set *sets;
	size_t set_count;
};

struct lt_rules {
	atomic_uint references;
	uint32_t stamp;
	struct lt_rule *rules;
	size_t count;
	struct lt_fact_name names[LT_FACT_NAMES_MAX];
	size_t name_count;
	unsigned resource_count;
	bool read[LT_FACT_NAMED];
	char *env[LT_ENV_NAMES_MAX];
	size_t env_count;
	char *headers[LT_CLAIMS_MAX];
	size_t header_count;
	char *commands[LT_COMMAND_PATTERNS_MAX];
	size_t command_count;
	char *tags[LT_TAG_NAMES_MAX]; /* "tags.KEY" */
	size_t tag_count;
};

struct lt_rule_dimension {
	const char *key;
	size_t offset;	   /* in lt_identity */
	unsigned conflict; /* LT_CONFLICT_*, 0: none is told */
};

/* Fills rank and varies of every set. */
void lt_rules_rank(struct lt_rules *rules);

extern const struct lt_rule_dimension lt_rule_dimensions[LT_DIMENSIONS];
