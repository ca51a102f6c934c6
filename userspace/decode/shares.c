// SPDX-License-Identifier: Apache-2.0
/* One exchange, several models: what each of them used. */
#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/decode/normalize.h"
#include "userspace/decode/work.h"

static void add_meters(struct lt_count to[LT_M_COUNT], const struct lt_count from[LT_M_COUNT])
{
	for (int m = 0; m < LT_M_COUNT; m++) {
		to[m].n += from[m].n;
		to[m].known |= from[m].known;
	}
}

void lt_work_share(struct lt_work *w, const struct lt_element *e, bool inside)
{
	struct lt_shares *s = w->shares;
	unsigned i = 0;

	if (!s)
		s = w->shares = lt_calloc(1, sizeof(*s));
	if (!s)
		return;
	while (i < s->now_count && strcmp(s->now[i].model, e->model) != 0)
		i++;
	if (i == LT_SHARES_MAX) { /* stays with the call's own model */
		lt_counter_add(LT_C_EXCHANGES_EVICTED, 1);
		return;
	}
	if (i == s->now_count) {
		memset(&s->now[i], 0, sizeof(s->now[i]));
		memcpy(s->now[i].model, e->model, sizeof(e->model));
		s->now[i].inside = inside;
		s->now_count++;
	}
	add_meters(s->now[i].meter, e->meter);
}

void lt_work_shares_payload_ends(struct lt_work *w)
{
	struct lt_shares *s = w->shares;

	if (!s || s->now_count == 0)
		return;
	memcpy(s->kept, s->now, sizeof(s->kept));
	s->kept_count = s->now_count;
	s->now_count = 0;
}

static bool is_own(const struct lt_work *w, const struct lt_share *share)
{
	return strcmp(share->model, w->call.response_model) == 0;
}

static void take_off(struct lt_count *from, const struct lt_count *part)
{
	if (part->known && from->known)
		from->n -= part->n < from->n ? part->n : from->n;
}

void lt_work_shares_settle(struct lt_work *w)
{
	struct lt_shares *s = w->shares;

	for (unsigned i = 0; s && i < s->kept_count; i++) {
		const struct lt_share *share = &s->kept[i];

		if (is_own(w, share) && !share->inside)
			add_meters(w->meter, share->meter);
		for (int m = 0; !is_own(w, share) && share->inside && m < LT_M_COUNT; m++)
			take_off(&w->meter[m], &share->meter[m]);
	}
}

bool lt_work_shares_call(const struct lt_work *w, unsigned n, struct lt_call *ret)
{
	const struct lt_shares *s = w->shares;

	for (unsigned i = 0; s && i < s->kept_count; i++) {
		const struct lt_share *share = &s->kept[i];

		if (is_own(w, share) || --n > 0)
			continue;
		*ret = w->call;
		ret->model += i + 1;
		memcpy(ret->response_model, share->model, sizeof(share->model));
		ret->request_model[0] = ret->finish_reason[0] = '\0';
		ret->tool_calls = (struct lt_count){0};
		ret->tool_results = (struct lt_count){0};
		ret->results_hash = 0;
		ret->inline_cost_known = false; /* it was that of the whole exchange */
		ret->request_body_bytes = ret->response_body_bytes = 0;
		memset(&ret->usage, 0, sizeof(ret->usage));
		lt_normalize(share->meter, w->api->shape->outside | w->api->outside, &ret->usage);
		ret->usage.source = LT_USAGE_WIRE;
		ret->usage.completeness = w->call.usage.completeness;
		return true;
	}
	return false;
}
