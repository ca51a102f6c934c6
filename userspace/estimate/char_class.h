/* SPDX-License-Identifier: Apache-2.0 */
/* What a code point is to the pre-tokenizers: a few classes of Unicode 16.0, those of tiktoken. */
#pragma once

#include <stdint.h>

enum lt_char_class {
	LT_CHAR_SYMBOL, /* none of the others; unassigned ones too */
	LT_CHAR_UPPER,	/* Lu, Lt */
	LT_CHAR_LOWER,	/* Ll */
	LT_CHAR_LETTER, /* Lm, Lo: letters without case */
	LT_CHAR_MARK,	/* M */
	LT_CHAR_NUMBER, /* N */
	LT_CHAR_SPACE,	/* White_Space without the next two */
	LT_CHAR_BREAK,	/* CR, LF */
	/* In the table only: upper and lower case by turns. */
	LT_CHAR_PAIRS,	   /* even code points are UPPER, odd ones LOWER */
	LT_CHAR_PAIRS_ODD, /* the other way round */
};

extern const uint8_t lt_char_ascii[128];

/* The range of the table that was hit last, since a text stays in its script. Zeroed to begin. */
struct lt_char_memo {
	uint32_t first, end; /* end is behind the range */
	enum lt_char_class class;
};

/* For @code from 0x80 on. */
enum lt_char_class lt_char_class_of(struct lt_char_memo *memo, uint32_t code);
