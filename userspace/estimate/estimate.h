/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts tokens of text as it passes, in constant memory: no more of it is held than the piece that
 * is not yet at its end, and that is wiped.
 */
#pragma once

#include "userspace/estimate/bpe.h"
#include "userspace/estimate/char_class.h"

enum { LT_TOKEN_RUN_MAX = 1024 }; /* bytes of a piece; a longer one is cut there */

struct lt_token_counter {
	const struct lt_bpe *bpe; /* borrowed */
	uint64_t tokens;
	uint64_t cuts; /* runs that were cut: each may count a few tokens too many */
	bool o200k;
	uint8_t state;
	uint8_t digits;		     /* of a number, so far */
	uint8_t second;		     /* letter that would complete a contraction */
	uint8_t utf8_n;		     /* bytes of a character that is not whole yet ... */
	uint8_t utf8_need;	     /* ... and how many are missing */
	uint8_t utf8_low, utf8_high; /* what the next of them may be */
	uint8_t utf8[4];
	uint16_t n;    /* bytes of the piece */
	uint16_t mark; /* a place in it; which one depends on the state */
	uint16_t last; /* where its last character begins, among white space */
	struct lt_char_memo memo;
	uint8_t piece[LT_BPE_PIECE_MAX + LT_BPE_SLACK];
};

/* @bpe has to outlive the counter. */
void lt_token_counter_init(struct lt_token_counter *counter, const struct lt_bpe *bpe);
/* The next bytes of UTF-8 text, split anywhere. What is not UTF-8 counts as U+FFFD does. */
void lt_token_counter_feed(struct lt_token_counter *counter, struct lt_bytes text);
/* The text has ended: its tokens. Wipes what was held; another text may begin. */
uint64_t lt_token_counter_finish(struct lt_token_counter *counter);
/* Forgets text and counts. */
void lt_token_counter_reset(struct lt_token_counter *counter);
