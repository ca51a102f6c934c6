// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/text_count.h"

#include <errno.h>
#include <stdio.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/estimate/estimate.h"
#include "userspace/estimate/estimate_model.h"

enum { O200K, CL100K, ENCODINGS };

static const char *const names[] = {[O200K] = "o200k_base", [CL100K] = "cl100k_base"};

struct lt_text_count {
	bool on[ENCODINGS];
	uint64_t tokens[ENCODINGS]; /* of the texts that have ended */
	uint64_t added;
	uint64_t bytes, encoded;
	struct lt_token_counter counter[ENCODINGS];
};

/* The encoding to count in: the model's own, or the newer one as a measure for all others. */
static unsigned encoding_of(struct lt_bytes model)
{
	const char *name = lt_encoding_for_model(model);

	return name && strcmp(name, names[CL100K]) == 0 ? CL100K : O200K;
}

int lt_text_count_new(struct lt_bpe_shelf *shelf, struct lt_bytes model, struct lt_text_count **ret)
{
	struct lt_text_count *t = lt_calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	for (unsigned i = 0; i < ENCODINGS; i++) {
		const struct lt_bpe *bpe;

		if (model.n > 0 && encoding_of(model) != i)
			continue;
		t->on[i] = lt_bpe_shelf_get(shelf, names[i], &bpe, NULL) == 0;
		if (t->on[i])
			lt_token_counter_init(&t->counter[i], bpe);
	}
	*ret = t;
	return 0;
}

struct lt_text_count *lt_text_count_free(struct lt_text_count *t)
{
	if (t)
		lt_wipe(t, sizeof(*t));
	lt_free(t);
	return NULL;
}

void lt_text_count_feed(struct lt_text_count *t, struct lt_bytes piece)
{
	uint64_t room = LT_TEXT_ENCODED_MAX - t->encoded;

	t->bytes += piece.n;
	if (piece.n > room)
		piece.n = (size_t)room;
	t->encoded += piece.n;
	for (unsigned i = 0; i < ENCODINGS; i++) {
		if (t->on[i])
			lt_token_counter_feed(&t->counter[i], piece);
	}
}

void lt_text_count_break(struct lt_text_count *t)
{
	for (unsigned i = 0; i < ENCODINGS; i++) {
		if (t->on[i])
			t->tokens[i] += lt_token_counter_finish(&t->counter[i]);
	}
}

void lt_text_count_add(struct lt_text_count *t, uint64_t tokens)
{
	t->added += tokens;
}

static uint64_t by_bytes(const struct lt_text_count *t, const struct lt_model_family *family,
			 char *method)
{
	uint32_t figure = family->bytes_per_1000_tokens;

	snprintf(method, LT_METHOD_SIZE, "bytes/%u.%02u", figure / 1000, figure % 1000 / 10);
	return lt_tokens_of_bytes(family, t->bytes) + t->added;
}

uint64_t lt_text_count_end(struct lt_text_count *t, struct lt_bytes model, char *method)
{
	const struct lt_model_family *family = lt_family_of_model(model);
	unsigned i = encoding_of(model);
	unsigned __int128 tokens;

	lt_text_count_break(t);
	if (!t->on[i])
		i = i == O200K ? CL100K : O200K; /* the model came to be known too late */
	if (!t->on[i])
		return by_bytes(t, family, method);
	tokens = t->tokens[i];
	if (t->bytes > t->encoded)
		tokens = tokens * t->bytes / t->encoded;
	if (lt_encoding_for_model(model)) {
		snprintf(method, LT_METHOD_SIZE, "%s", names[i]);
	} else {
		tokens = (tokens * family->scale_percent + 50) / 100;
		snprintf(method, LT_METHOD_SIZE, "%s*%u.%02u", names[i],
			 family->scale_percent / 100, family->scale_percent % 100);
	}
	return (uint64_t)tokens + t->added;
}
