/* SPDX-License-Identifier: Apache-2.0 */
/* The secret under which keys and user names become fingerprints, and the one before it. */
#pragma once

#include <stdint.h>

#include "userspace/base/problem.h"
#include "userspace/control/credentials.h"

struct lt_secrets {
	uint8_t current[32];
	uint8_t previous[32];	   /* zero when there is none, or its time is over */
	int64_t previous_until_ns; /* wall; 0: there is none */
};

/*
 * The files that @config names; else <state-dir>/secret (32 bytes, 0600), made on first use when
 * @make, and <state-dir>/secret.previous. -EINVAL: a file that is too short, or that others may
 * read; -ENOENT (not @make), -EACCES ... @problem says which and what to do. The caller wipes *ret.
 */
LT_MUST_CHECK int lt_secrets_load(const char *state_dir, const struct lt_credentials *config,
				  bool make, struct lt_secrets *ret, struct lt_problem *problem);
/*
 * Makes a new <state-dir>/secret and keeps the old one as secret.previous. At every moment one of
 * the two is whole. -EBUSY: the one before is still in its overlap, whose keys would be forgotten
 * (@force: no matter).
 */
LT_MUST_CHECK int lt_secret_rotate(const char *state_dir, const struct lt_credentials *config,
				   bool force, struct lt_problem *problem);
