// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/normalize.h"

#include <string.h>

/* Where each part goes, and which total it belongs to. */
static const struct part {
	enum lt_meter meter;
	enum lt_bucket bucket;
	bool output;
} parts[] = {
	{LT_M_CACHE_READ, LT_B_CACHE_READ, false}, {LT_M_AUDIO_INPUT, LT_B_IN_AUDIO, false},
	{LT_M_IMAGE_INPUT, LT_B_IN_IMAGE, false},  {LT_M_REASONING, LT_B_REASONING, true},
	{LT_M_AUDIO_OUTPUT, LT_B_OUT_AUDIO, true}, {LT_M_IMAGE_OUTPUT, LT_B_OUT_IMAGE, true},
};

/* Parts of two parts: what is audio, or an image, and came from a cache. */
static const struct cross {
	enum lt_meter meter, of;
	enum lt_bucket bucket;
} crosses[] = {
	{LT_M_CACHE_READ_AUDIO, LT_M_AUDIO_INPUT, LT_B_CACHE_READ_AUDIO},
	{LT_M_CACHE_READ_IMAGE, LT_M_IMAGE_INPUT, LT_B_CACHE_READ_IMAGE},
};

/* The total of cache writes and its split by TTL; what the split leaves over has no stated TTL. */
static uint64_t cache_writes(const struct lt_count *m, struct lt_usage *u)
{
	uint64_t split = m[LT_M_CACHE_WRITE_5M].n + m[LT_M_CACHE_WRITE_1H].n;
	bool has_split = m[LT_M_CACHE_WRITE_5M].known || m[LT_M_CACHE_WRITE_1H].known;

	u->bucket[LT_B_CACHE_WRITE_5M] = m[LT_M_CACHE_WRITE_5M];
	u->bucket[LT_B_CACHE_WRITE_1H] = m[LT_M_CACHE_WRITE_1H];
	u->cache_write_total = m[LT_M_CACHE_WRITE];
	if (!m[LT_M_CACHE_WRITE].known) {
		if (has_split)
			u->cache_write_total = (struct lt_count){.n = split, .known = true};
		return split;
	}
	if (split > m[LT_M_CACHE_WRITE].n) {
		u->contradictory = true;
		return m[LT_M_CACHE_WRITE].n;
	}
	if (!has_split || split < m[LT_M_CACHE_WRITE].n)
		u->bucket[LT_B_CACHE_WRITE] = (struct lt_count){.n = m[LT_M_CACHE_WRITE].n - split,
								.known = true};
	return m[LT_M_CACHE_WRITE].n;
}

/* The total with what it leaves out, and what remains of it when its parts are taken off. */
static void settle(const struct lt_count *stated, uint64_t inside, uint64_t outside,
		   struct lt_usage *u, struct lt_count *total, struct lt_count *rest)
{
	if (!stated->known && outside == 0)
		return;
	*total = (struct lt_count){.n = stated->n + outside, .known = true};
	if (!stated->known)
		return;
	if (inside > stated->n) {
		u->contradictory = true;
		return;
	}
	*rest = (struct lt_count){.n = stated->n - inside, .known = true};
}

static void add_extra(const struct lt_count *stated, const struct lt_count *extra,
		      struct lt_count *ret)
{
	ret->n = stated->n + extra->n;
	ret->known = stated->known || extra->n > 0;
}

/* Takes what belongs to two parts off both of them, into a bucket of its own. */
static void take_crosses(struct lt_count *m, struct lt_usage *u)
{
	for (size_t i = 0; i < sizeof(crosses) / sizeof(crosses[0]); i++) {
		const struct cross *x = &crosses[i];
		uint64_t n = m[x->meter].n;

		if (!m[x->meter].known || !m[x->of].known || !m[LT_M_CACHE_READ].known)
			continue;
		if (n > m[x->of].n || n > m[LT_M_CACHE_READ].n) {
			u->contradictory = true;
			continue;
		}
		u->bucket[x->bucket] = m[x->meter];
		m[x->of].n -= n;
		m[LT_M_CACHE_READ].n -= n;
	}
}

void lt_normalize(const struct lt_count stated[LT_M_COUNT], uint32_t outside, struct lt_usage *u)
{
	uint64_t inside_sum[2] = {0}, outside_sum[2] = {0};
	struct lt_count meter[LT_M_COUNT];
	uint64_t writes = cache_writes(stated, u);
	struct lt_count input, output;

	memcpy(meter, stated, sizeof(meter));
	take_crosses(meter, u);
	for (size_t i = 0; i < sizeof(crosses) / sizeof(crosses[0]); i++)
		*(outside & 1U << LT_M_CACHE_READ ? outside_sum
						  : inside_sum) += u->bucket[crosses[i].bucket].n;
	if (outside & 1U << LT_M_CACHE_WRITE)
		outside_sum[0] += writes;
	else
		inside_sum[0] += writes;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		u->bucket[parts[i].bucket] = meter[parts[i].meter];
		if (outside & 1U << parts[i].meter)
			outside_sum[parts[i].output] += meter[parts[i].meter].n;
		else
			inside_sum[parts[i].output] += meter[parts[i].meter].n;
	}
	add_extra(&meter[LT_M_INPUT], &meter[LT_M_INPUT_EXTRA], &input);
	add_extra(&meter[LT_M_OUTPUT], &meter[LT_M_OUTPUT_EXTRA], &output);
	settle(&input, inside_sum[0], outside_sum[0], u, &u->input, &u->bucket[LT_B_IN_UNCACHED]);
	settle(&output, inside_sum[1], outside_sum[1], u, &u->output, &u->bucket[LT_B_OUT_VISIBLE]);
}
