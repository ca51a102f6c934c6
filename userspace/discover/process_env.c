// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/process_env.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/alloc.h"

struct lt_env {
	uint32_t users;
	uint16_t at[LT_ENV_NAMES_MAX]; /* of the value in text[], which begins with a NUL */
	char text[];
};

struct lt_env *lt_env_make(const char values[][LT_ENV_VALUE], size_t count)
{
	struct lt_env *env;
	size_t bytes = 1;

	for (size_t i = 0; i < count; i++)
		bytes += values[i][0] ? strlen(values[i]) + 1 : 0;
	env = bytes > 1 ? lt_calloc(1, sizeof(*env) + bytes) : NULL;
	if (!env)
		return NULL;
	env->users = 1;
	bytes = 1;
	for (size_t i = 0; i < count; i++) {
		if (!values[i][0])
			continue;
		env->at[i] = (uint16_t)bytes;
		memcpy(env->text + bytes, values[i], strlen(values[i]) + 1);
		bytes += strlen(values[i]) + 1;
	}
	return env;
}

struct lt_env *lt_env_share(struct lt_env *env)
{
	if (env)
		env->users++;
	return env;
}

void lt_env_put(struct lt_env *env)
{
	if (env && --env->users == 0)
		lt_free(env);
}

const char *lt_env_value(const struct lt_env *env, size_t i)
{
	return env && i < LT_ENV_NAMES_MAX ? env->text + env->at[i] : "";
}

void lt_env_names_drop(char *names[LT_ENV_NAMES_MAX], size_t count)
{
	for (size_t i = 0; i < count; i++)
		lt_free(names[i]);
}

int lt_env_names_copy(const char *const *names, size_t count, char *ret[LT_ENV_NAMES_MAX])
{
	if (count > LT_ENV_NAMES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		ret[i] = lt_strdup(names[i]);
		if (!ret[i]) {
			lt_env_names_drop(ret, i);
			return -ENOMEM;
		}
	}
	return 0;
}
