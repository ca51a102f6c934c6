/* SPDX-License-Identifier: Apache-2.0 */
/* Names of this host's users, from its passwd file; no name service is asked. Thread: drain. */
#pragma once

#include <stdint.h>

#include "userspace/base/cleanup.h"

enum { LT_USER_NAME = 64 };

struct lt_users;

/* @path NULL: "/etc/passwd". */
LT_MUST_CHECK int lt_users_new(const char *path, struct lt_users **ret);
struct lt_users *lt_users_free(struct lt_users *u);
LT_DEFINE_FREEP(lt_users_free, struct lt_users)

/* "" when there is none. Kept for a minute. Borrowed until the next call. */
const char *lt_users_name(struct lt_users *u, uint32_t uid, uint64_t now_ns);
