/* SPDX-License-Identifier: Apache-2.0 */
/* Whole JSON files that a person hands us, as a tree (the only jansson user). The wire goes through
 * json_scan.h instead. */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/problem.h"

enum { LT_JSON_FILE_MAX = 512 << 20 }; /* bytes; larger files are refused */

struct lt_json_file;
struct lt_json_value; /* a node of the tree, lives as long as its file */

/*
 * Reads and parses @path. -ENOENT, -EACCES ..., -EFBIG, -EBADMSG (no JSON; the problem names the
 * line, and quotes nothing of the file), -ENOMEM.
 */
LT_MUST_CHECK int lt_json_file_load(const char *path, struct lt_json_file **ret,
				    struct lt_problem *problem);
/* The same from memory; @name is what problems call it. */
LT_MUST_CHECK int lt_json_file_parse(struct lt_bytes text, const char *name,
				     struct lt_json_file **ret, struct lt_problem *problem);
struct lt_json_file *lt_json_file_free(struct lt_json_file *file);
LT_DEFINE_FREEP(lt_json_file_free, struct lt_json_file)

const struct lt_json_value *lt_json_file_root(const struct lt_json_file *file);
/* Member of an object; NULL when absent, or when @object is NULL or no object. */
const struct lt_json_value *lt_json_get(const struct lt_json_value *object, const char *name);
/* Elements of an array; 0 for anything else, NULL included. */
size_t lt_json_count(const struct lt_json_value *array);
const struct lt_json_value *lt_json_at(const struct lt_json_value *array, size_t index);
/* Calls @each for the members of an object, in its order; none for anything else. */
void lt_json_each(const struct lt_json_value *object,
		  void (*each)(void *arg, const char *name, const struct lt_json_value *value),
		  void *arg);
bool lt_json_is_object(const struct lt_json_value *value);
bool lt_json_is_array(const struct lt_json_value *value);
bool lt_json_is_true(const struct lt_json_value *value);
/* False when it is no string; @ret may hold NUL bytes, and one more follows it. */
bool lt_json_text(const struct lt_json_value *value, struct lt_bytes *ret);
/* False when it is no number. */
bool lt_json_number(const struct lt_json_value *value, double *ret);
