/* SPDX-License-Identifier: Apache-2.0 */
/* How rules came to what they say of one set of facts, for people and as JSON. */
#pragma once

#include "userspace/attribute/record_facts.h"
#include "userspace/base/json_write.h"
#include "userspace/ledger/record.h"

struct lt_rules_case {
	const struct lt_rules *rules;
	const char *file; /* of the rules, for "file:line:column" */
	const struct lt_facts *facts;
	const struct lt_record *record; /* NULL: the facts were given by hand */
	bool incomplete;		/* the record could not keep all of its facts */
};

/* Whether the ledger's record says the same as the rules do; true without a record. */
bool lt_rules_print(const struct lt_rules_case *c, FILE *out);
bool lt_rules_print_json(const struct lt_rules_case *c, struct lt_json_writer *w);
