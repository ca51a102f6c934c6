// SPDX-License-Identifier: Apache-2.0
/*
 * Objects of a provider that can be read again and again: answers, batches, jobs. Their usage
 * counts once, by their id, however often and by whom it is read. Memory is bounded: an object of
 * which thousands of others were read since may count again; the ledger, which knows them all,
 * still sees it (except of those that grow).
 */
#include "userspace/base/alloc.h"
#include "userspace/decode/work.h"

static uint64_t object_hash(const struct lt_call *c)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (const char *p = c->response_id; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3ULL;
	for (const char *p = c->host; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3ULL;
	return hash ? hash : 1;
}

/* Whether it has passed before. It has from now on. */
static bool seen_before(struct lt_decoder *d, uint64_t hash)
{
	uint64_t *set;

	if (!d->seen)
		d->seen = lt_calloc(LT_SEEN_SETS, sizeof(*d->seen));
	if (!d->seen)
		return false;
	set = d->seen[hash % LT_SEEN_SETS];
	for (unsigned i = 0; i < LT_SEEN_WAYS; i++) {
		if (set[i] == hash)
			return true;
	}
	memmove(&set[1], &set[0], (LT_SEEN_WAYS - 1) * sizeof(set[0]));
	set[0] = hash;
	return false;
}

static uint64_t grow(uint64_t *before, uint64_t now)
{
	uint64_t more = now > *before ? now - *before : 0;

	*before += more;
	return more;
}

/* What has come since the object was read before. */
static void take_off(struct lt_decoder *d, struct lt_call *c, uint64_t hash)
{
	struct lt_progress *p;
	uint64_t sum = 0;

	if (!d->progress)
		d->progress = lt_calloc(LT_PROGRESS_MAX, sizeof(*d->progress));
	if (!d->progress)
		return;
	p = &d->progress[hash % LT_PROGRESS_MAX];
	if (p->object != hash)
		memset(p, 0, sizeof(*p));
	p->object = hash;
	for (unsigned i = 0; i < c->usage.unit_count; i++) {
		struct lt_unit *unit = &c->usage.units[i];

		unit->amount_micro = grow(&p->unit[i], unit->amount_micro);
		sum += unit->amount_micro;
	}
	if (c->inline_cost_known && c->inline_cost_pico >= p->cost) {
		c->inline_cost_pico -= p->cost;
		p->cost += c->inline_cost_pico;
		sum += (uint64_t)c->inline_cost_pico;
	}
	c->repeat = sum == 0;
}

void lt_work_object(struct lt_work *w)
{
	struct lt_decoder *d = w->decoder;
	struct lt_call *c = &w->call;

	if (!w->api->provider->keeps_objects || !c->response_id[0] ||
	    (c->usage.source != LT_USAGE_WIRE && !c->inline_cost_known))
		return;
	if (w->api->cumulative)
		take_off(d, c, object_hash(c));
	else
		c->repeat = seen_before(d, object_hash(c)) && c->stored;
}

void lt_decoder_forget(struct lt_decoder *d)
{
	lt_free(d->seen);
	lt_free(d->progress);
}
