// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/alloc.h"

/* As much of @text as is kept; not half of a character. */
static size_t kept(const char *text)
{
	size_t n = text ? strnlen(text, LT_FACTS_TEXT + 1) : 0;

	if (n > LT_FACTS_TEXT) {
		n = LT_FACTS_TEXT;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	return n;
}

static int by_key(const void *a, const void *b)
{
	const struct lt_pair *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : strcmp(x->value, y->value);
}

/* The first pairs that fit, sorted; their bytes are taken from *@budget. */
static size_t pick(struct lt_pairs from, struct lt_pair to[LT_FACTS_PAIRS], size_t *budget)
{
	size_t n = 0;

	for (size_t i = 0; i < from.count && n < LT_FACTS_PAIRS; i++) {
		const struct lt_pair *pair = &from.at[i];
		size_t bytes = kept(pair->key) + kept(pair->value) + 2;

		if (!pair->key || !pair->key[0] || bytes > *budget)
			continue;
		*budget -= bytes;
		to[n].key = pair->key;
		to[n++].value = pair->value ? pair->value : "";
	}
	if (n > 1)
		qsort(to, n, sizeof(to[0]), by_key);
	return n;
}

/* Copies what is kept of @text to *@to and steps behind it. */
static const char *append(char **to, const char *text)
{
	char *at = *to;
	size_t n = kept(text);

	if (n > 0)
		memcpy(at, text, n);
	at[n] = '\0';
	*to = at + n + 1;
	return at;
}

static void fill_pairs(const struct lt_pair *from, size_t n, struct lt_pair *to, char **text)
{
	for (size_t i = 0; i < n; i++) {
		to[i].key = append(text, from[i].key);
		to[i].value = append(text, from[i].value);
	}
}

int lt_facts_new(const char *const *texts, struct lt_pairs labels, struct lt_pairs annotations,
		 bool flag, struct lt_facts **ret)
{
	struct lt_pair label[LT_FACTS_PAIRS], annotation[LT_FACTS_PAIRS];
	size_t budget = LT_FACTS_BUDGET, bytes = 0, label_n, annotation_n;
	struct lt_facts *facts;
	char *text;

	for (size_t i = 0; i < LT_FACTS_MAX; i++)
		bytes += kept(texts[i]) + 1;
	label_n = pick(labels, label, &budget);
	annotation_n = pick(annotations, annotation, &budget);
	bytes += LT_FACTS_BUDGET - budget;
	facts = lt_calloc(1, sizeof(*facts) + (label_n + annotation_n) * sizeof(struct lt_pair) +
				     bytes);
	if (!facts)
		return -ENOMEM;
	text = (char *)(facts->pairs + label_n + annotation_n);
	facts->text_bytes = (uint32_t)bytes;
	facts->flag = flag;
	for (size_t i = 0; i < LT_FACTS_MAX; i++)
		facts->text[i] = append(&text, texts[i]);
	fill_pairs(label, label_n, facts->pairs, &text);
	fill_pairs(annotation, annotation_n, facts->pairs + label_n, &text);
	facts->labels = (struct lt_pairs){facts->pairs, label_n};
	facts->annotations = (struct lt_pairs){facts->pairs + label_n, annotation_n};
	atomic_init(&facts->refs, 1);
	*ret = facts;
	return 0;
}

struct lt_facts *lt_facts_ref(struct lt_facts *facts)
{
	if (facts)
		atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
	return facts;
}

struct lt_facts *lt_facts_free(struct lt_facts *facts)
{
	if (facts && atomic_fetch_sub_explicit(&facts->refs, 1, memory_order_acq_rel) == 1)
		lt_free(facts);
	return NULL;
}

bool lt_facts_equal(const struct lt_facts *a, const struct lt_facts *b)
{
	if (!a || !b)
		return a == b;
	/* The texts lie behind each other in one order. */
	return a->flag == b->flag && a->text_bytes == b->text_bytes &&
	       a->labels.count == b->labels.count && a->annotations.count == b->annotations.count &&
	       memcmp(a->text[0], b->text[0], a->text_bytes) == 0;
}

const char *lt_pairs_get(struct lt_pairs pairs, const char *key)
{
	for (size_t i = 0; i < pairs.count; i++) {
		if (strcmp(pairs.at[i].key, key) == 0)
			return pairs.at[i].value;
	}
	return NULL;
}
