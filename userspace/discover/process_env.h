/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the few environment variables that the config names, shared by a process and its
 * children. Thread: drain. */
#pragma once

#include "userspace/discover/process.h"

/* NULL: none is set, or no memory. */
struct lt_env *lt_env_make(const char values[][LT_ENV_VALUE], size_t count);
/* One more user of it; NULL is fine, here and below. Returns @env. */
struct lt_env *lt_env_share(struct lt_env *env);
void lt_env_put(struct lt_env *env);
/* "" = not set. */
const char *lt_env_value(const struct lt_env *env, size_t i);

/* The names. -ENOMEM, -EINVAL (too many): nothing is kept. */
LT_MUST_CHECK int lt_env_names_copy(const char *const *names, size_t count,
				    char *ret[LT_ENV_NAMES_MAX]);
void lt_env_names_drop(char *names[LT_ENV_NAMES_MAX], size_t count);
