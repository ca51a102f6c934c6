/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that rules set: literal, with ${...} of any fact filled in. */
#pragma once

#include "userspace/attribute/facts.h"

struct lt_rule_value;

/* The number of a fact by its name: below LT_FACT_NAMED, or that plus the place of a name. -EINVAL
 * with *ret_wrong, -ENOMEM. */
struct lt_fact_finder {
	void *arg;
	int (*find)(void *arg, struct lt_bytes name, unsigned *ret, const char **ret_wrong);
};

/* -EINVAL: *ret_wrong (static) says why. -ENOMEM. */
LT_MUST_CHECK int lt_rule_value_new(const char *text, const struct lt_fact_finder *finder,
				    struct lt_rule_value **ret, const char **ret_wrong);
struct lt_rule_value *lt_rule_value_free(struct lt_rule_value *value);
LT_DEFINE_FREEP(lt_rule_value_free, struct lt_rule_value)

/* The @i-th fact that it reads. False: there are no more. */
bool lt_rule_value_reads(const struct lt_rule_value *value, unsigned i, unsigned *ret_fact);

/*
 * False, and "" in @to, when something that it names is not known: half a name would bill the wrong
 * one. What processes can choose themselves is kept to printable ASCII; what is too long is cut.
 */
LT_MUST_CHECK bool lt_rule_value_expand(const struct lt_rule_value *value,
					const struct lt_facts *facts, char to[LT_DIMENSION_SIZE]);
