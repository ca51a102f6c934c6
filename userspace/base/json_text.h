/* SPDX-License-Identifier: Apache-2.0 */
/* The text of one JSON string that does not lie whole in the input or has escapes, gathered up to a
 * ceiling. Part of the scanner. */
#pragma once

#include "userspace/base/json_scan.h"

struct lt_json_text {
	bool cut;	  /* more came than there is room for */
	bool escape;	  /* the last byte was a backslash */
	uint8_t hex_left; /* digits of \uXXXX still to come */
	uint16_t hex;
	uint16_t high; /* first half of a surrogate pair */
	uint32_t n;
	uint64_t characters; /* code points, those that were cut as well */
	/* Gets all of the text as it comes; NULL: nobody wants it. Set after lt_json_text_begin. */
	void (*flow)(void *arg, struct lt_bytes piece);
	void *flow_arg;
	uint8_t bytes[LT_JSON_TEXT_MAX];
};

void lt_json_text_begin(struct lt_json_text *t);
/* Takes bytes as they are. */
void lt_json_text_put(struct lt_json_text *t, struct lt_bytes b);
/*
 * Goes on inside a string and resolves its escapes. *@ret is behind its closing quote, or NULL when
 * the input ends first. -EBADMSG: no such escape.
 */
LT_MUST_CHECK int lt_json_text_gather(struct lt_json_text *t, const uint8_t *p, const uint8_t *end,
				      const uint8_t **ret);
/* What was gathered; a character that the ceiling cut in two is left out. */
struct lt_bytes lt_json_text_view(const struct lt_json_text *t);
/* The same ceiling for a text that lies in the input. */
struct lt_bytes lt_json_text_clip(struct lt_bytes text, bool *ret_cut);
