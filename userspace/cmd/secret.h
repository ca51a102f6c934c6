/* SPDX-License-Identifier: Apache-2.0 */
/* The per-install secret under which keys and user names become fingerprints. */
#pragma once

#include <stdint.h>

#include "userspace/base/problem.h"

/* Reads <state-dir>/secret (32 bytes, 0600), made on first use. -EINVAL: the file is not ours;
 * -EACCES ... */
LT_MUST_CHECK int lt_secret_load(const char *state_dir, uint8_t ret[32],
				 struct lt_problem *problem);
