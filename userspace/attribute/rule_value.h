/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that rules set: literal, with ${env.NAME}, ${unit}, ${comm}, ${container_id} and
 * ${pod_uid} filled in. */
#pragma once

#include "userspace/attribute/rules.h"

struct lt_rule_value;

/* -EINVAL: *ret_wrong (static) says why. -ENOMEM. @env: the variables that may be named; not kept.
 */
LT_MUST_CHECK int lt_rule_value_new(const char *text, const char *const *env, size_t env_count,
				    struct lt_rule_value **ret, const char **ret_wrong);
struct lt_rule_value *lt_rule_value_free(struct lt_rule_value *value);
LT_DEFINE_FREEP(lt_rule_value_free, struct lt_rule_value)

/* Whether some ${env.NAME} is in it. */
bool lt_rule_value_reads_env(const struct lt_rule_value *value);

/*
 * False, and "" in @to, when something that it names is not known: half a name would bill the wrong
 * one. What processes can choose themselves is kept to printable ASCII; what is too long is cut.
 */
LT_MUST_CHECK bool lt_rule_value_expand(const struct lt_rule_value *value,
					const struct lt_rule_facts *facts,
					char to[LT_DIMENSION_SIZE]);
