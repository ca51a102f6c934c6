/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of one side of an exchange whose provider does not say them. Only the beginning of a
 * long text is encoded: what follows is taken to be like it, so the work for one call is bounded.
 */
#pragma once

#include "userspace/estimate/bpe.h"

enum {
	LT_TEXT_ENCODED_MAX = 64 << 10, /* bytes that are encoded one by one */
	LT_METHOD_SIZE = 32,
};

struct lt_text_count;

/*
 * @model: as far as it is known yet; without one the text is counted in every encoding, and
 * lt_text_count_end chooses. @shelf has to outlive the count. -ENOMEM.
 */
LT_MUST_CHECK int lt_text_count_new(struct lt_bpe_shelf *shelf, struct lt_bytes model,
				    struct lt_text_count **ret);
/* Wipes what it held. */
struct lt_text_count *lt_text_count_free(struct lt_text_count *t);
LT_DEFINE_FREEP(lt_text_count_free, struct lt_text_count)

/* The next piece of UTF-8, split anywhere. */
void lt_text_count_feed(struct lt_text_count *t, struct lt_bytes piece);
/* A text has ended: the next one shares no token with it. */
void lt_text_count_break(struct lt_text_count *t);
/* Tokens of framing that is known by number. */
void lt_text_count_add(struct lt_text_count *t, uint64_t tokens);

/*
 * The tokens of all texts. @method (LT_METHOD_SIZE) names the way: "o200k_base" and "cl100k_base"
 * are the model's own encoding; "o200k_base*1.15" that encoding scaled for a model whose own is not
 * public; "bytes/4.20" without rank files.
 */
uint64_t lt_text_count_end(struct lt_text_count *t, struct lt_bytes model, char *method);
