/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON to a stdio stream: keeps track of commas, escapes strings, replaces bytes that are
 * not UTF-8. */
#pragma once

#include <stdio.h>

#include "userspace/base/bytes.h"

struct lt_json_writer {
	FILE *out;
	unsigned depth;
	bool first[64];
	bool after_key;
};

void lt_json_writer_init(struct lt_json_writer *w, FILE *out);
void lt_json_begin_object(struct lt_json_writer *w);
void lt_json_end_object(struct lt_json_writer *w);
void lt_json_begin_array(struct lt_json_writer *w);
void lt_json_end_array(struct lt_json_writer *w);
void lt_json_key(struct lt_json_writer *w, const char *key);
/* NULL gives null. */
void lt_json_string(struct lt_json_writer *w, const char *s);
void lt_json_bytes(struct lt_json_writer *w, struct lt_bytes s);
void lt_json_u64(struct lt_json_writer *w, uint64_t n);
void lt_json_i64(struct lt_json_writer *w, int64_t n);
void lt_json_bool(struct lt_json_writer *w, bool b);
void lt_json_null(struct lt_json_writer *w);
/* Already JSON: a number's text. */
void lt_json_raw(struct lt_json_writer *w, const char *text);

/* Length of the UTF-8 sequence at @p (RFC 3629) of @n > 0 bytes, 0 when it is none. */
size_t lt_utf8_length(const uint8_t *p, size_t n);
