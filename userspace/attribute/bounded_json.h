/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON object that fits into a field: what does not fit is left out whole, and said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/cleanup.h"

struct lt_bounded_json;

/* @size: of the field, with its NUL. -ENOMEM. */
LT_MUST_CHECK int lt_bounded_json_new(size_t size, struct lt_bounded_json **ret);
struct lt_bounded_json *lt_bounded_json_free(struct lt_bounded_json *json);
LT_DEFINE_FREEP(lt_bounded_json_free, struct lt_bounded_json)

/* One member; @value NULL or "" adds none. */
void lt_bounded_json_text(struct lt_bounded_json *json, const char *key, const char *value);
/* Says that something was left out. */
void lt_bounded_json_cut(struct lt_bounded_json *json);
/* The whole into @to, "" when it has no members. False: some did not fit. */
bool lt_bounded_json_end(struct lt_bounded_json *json, char *to);
