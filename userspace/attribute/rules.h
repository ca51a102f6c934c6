/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the config's "attribution" section (grammar in attribute.h), compiled and owned.
 * Immutable and counted: any thread may hold and apply them. Pure: facts in, dimensions out. A fact
 * that is not known ("") matches nothing, not even "*".
 *
 * The class of what a rule says is the weakest of the facts that its conditions and its value read.
 * Of each dimension the strongest class decides, whatever the order; within a class the first rule.
 * A rule without conditions and with a literal value knows nothing of the call: it is the default,
 * and decides where no other does.
 */
#pragma once

#include "userspace/attribute/facts.h"
#include "userspace/base/yaml.h"

enum {
	LT_RULES_MAX = 4096,
	LT_RULE_CONDITIONS_MAX = 32,
	LT_RULE_PATTERNS_MAX = 1024, /* of one condition */
	LT_TAGS_MAX = 16,	     /* in one record */
	LT_TAG_NAMES_MAX = 64,	     /* of one config */
	LT_TAG_NAME_BYTES = 63,
	LT_DIMENSIONS = 6,
	LT_TARGETS_MAX = LT_DIMENSIONS + LT_TAG_NAMES_MAX,
};

struct lt_rules;

/* @section NULL: no rules. -EINVAL with @problem, -ENOMEM. Keeps nothing of @config. One reference
 * is the caller's. */
LT_MUST_CHECK int lt_rules_new(const struct lt_yaml *config, const struct lt_yaml_node *section,
			       struct lt_rules **ret, struct lt_problem *problem);
struct lt_rules *lt_rules_ref(struct lt_rules *rules);
/* Gives a reference back; NULL is fine. Returns NULL. */
struct lt_rules *lt_rules_free(struct lt_rules *rules);
LT_DEFINE_FREEP(lt_rules_free, struct lt_rules)

/* Tells rules apart that were made one after the other; never 0. */
uint32_t lt_rules_stamp(const struct lt_rules *rules);

/* The names under "env", borrowed from @section's document; for lt_process_opts. */
LT_MUST_CHECK int lt_rules_env_names(const struct lt_yaml *config,
				     const struct lt_yaml_node *section,
				     const char *ret[LT_ENV_NAMES_MAX], size_t *ret_count,
				     struct lt_problem *problem);
/* The same of compiled rules. */
size_t lt_rules_env(const struct lt_rules *rules, const char *ret[LT_ENV_NAMES_MAX]);
/* The request headers under "headers", in small letters. */
size_t lt_rules_headers(const struct lt_rules *rules, const char *ret[LT_CLAIMS_MAX]);
/* The @i-th named fact that can be asked for, NULL behind the last. The first are always those of
 * OpenTelemetry that are kept whatever the rules say. */
const struct lt_fact_name *lt_rules_name(const struct lt_rules *rules, size_t i);
/* Whether some rule asks for it. */
bool lt_rules_read(const struct lt_rules *rules, enum lt_fact fact);

/* The @i-th pattern that a command line is compared with, NULL behind the last. */
const char *lt_rules_command(const struct lt_rules *rules, size_t i);
/* Bits of the patterns that @words has, words ended by NULs: one of them, or all joined by blanks.
 */
uint64_t lt_rules_match_command(const struct lt_rules *rules, struct lt_bytes words);

/* ---- deciding ---- */

struct lt_decision {
	bool made;
	bool by_default;
	enum lt_identity_source source;
	size_t rule;
	char value[LT_DIMENSION_SIZE];
};

struct lt_rules_verdict {
	struct lt_decision of[LT_TARGETS_MAX];
	/* The first of the strongest claims that say otherwise of a dimension. */
	struct lt_decision claim[LT_DIMENSIONS];
	unsigned claim_conflict; /* LT_CONFLICT_* */
};

void lt_rules_decide(const struct lt_rules *rules, const struct lt_facts *facts,
		     struct lt_rules_verdict *ret);
/* Dimensions, tags, source, confidence and conflicts of @id, by the verdict; tenant stays "" where
 * no rule decides, source and confidence NONE and 0. */
void lt_rules_apply(const struct lt_rules *rules, const struct lt_facts *facts,
		    struct lt_identity *id);

/* ---- explaining ---- */

/* "tenant" ... then "tags.KEY"; NULL behind the last. */
const char *lt_rules_target(const struct lt_rules *rules, size_t i);
size_t lt_rules_count(const struct lt_rules *rules);

/* What one rule says of the facts. */
struct lt_rule_view {
	unsigned line, column; /* in the config */
	bool matched;
	const char *failed; /* the fact of the first condition that does not hold */
	const char *wanted; /* the first of its patterns */
	size_t patterns;    /* how many it has */
	char seen[160];	    /* the fact's value, "" = not known */
};

void lt_rules_view(const struct lt_rules *rules, size_t i, const struct lt_facts *facts,
		   struct lt_rule_view *ret);
