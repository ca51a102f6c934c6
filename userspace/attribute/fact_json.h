/* SPDX-License-Identifier: Apache-2.0 */
/* Facts that have no column of their own, as the text that goes into a record, and back. */
#pragma once

#include "userspace/attribute/rules.h"

/* Room for what was read back. */
struct lt_fact_store {
	char text[LT_FACTS_SIZE * 2];
	size_t used;
	bool incomplete; /* some did not fit when it was written */
};

/* Of those that @rules ask for, and the standard ones: "" when none is known. */
void lt_facts_write(const struct lt_rules *rules, const struct lt_facts *facts,
		    char to[LT_FACTS_SIZE]);
/* Fills the members of @facts that @text has, pointing into @store. -EBADMSG, -ENOMEM. */
LT_MUST_CHECK int lt_facts_read(const struct lt_rules *rules, const char *text,
				struct lt_fact_store *store, struct lt_facts *facts);
