/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that many processes share (executables), each kept once and counted. Thread: the owner's.
 */
#pragma once

#include "userspace/discover/hash.h"

struct lt_names {
	struct lt_hash all;
};

LT_MUST_CHECK int lt_names_init(struct lt_names *names);
/* Everything taken must have been put back. */
void lt_names_done(struct lt_names *names);

/* The kept copy of @text, with one more user; put it back. NULL: no memory. */
const char *lt_name_take(struct lt_names *names, struct lt_bytes text);
/* One more user of what was taken. NULL is fine. */
const char *lt_name_share(const char *name);
/* NULL is fine. */
void lt_name_put(struct lt_names *names, const char *name);
