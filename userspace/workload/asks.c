// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/asks.h"

#define FORGIVE_NS 10000000000ULL

/* A cgroup is made before some runtimes know the container by its id: soon at first. */
static const uint64_t delay_ns[LT_ASK_TRIES] = {0,	   20000000,  60000000,
						200000000, 700000000, 2000000000};

static bool given_up(const struct lt_asks *asks, const char *id, uint64_t now_ns)
{
	for (size_t i = 0; i < LT_ASKS_FAILED; i++) {
		if (asks->failed[i].until_ns > now_ns && strcmp(asks->failed[i].id, id) == 0)
			return true;
	}
	return false;
}

/* A free place, or the one that was tried most often. */
static struct lt_ask *place_for(struct lt_asks *asks)
{
	struct lt_ask *most = &asks->at[0];

	for (size_t i = 0; i < LT_ASKS_MAX; i++) {
		if (!asks->at[i].id[0])
			return &asks->at[i];
		if (asks->at[i].tries > most->tries)
			most = &asks->at[i];
	}
	return most->tries > 0 ? most : NULL;
}

static struct lt_ask *find(struct lt_asks *asks, const char *id)
{
	for (size_t i = 0; i < LT_ASKS_MAX; i++) {
		if (strcmp(asks->at[i].id, id) == 0)
			return &asks->at[i];
	}
	return NULL;
}

static bool put(struct lt_asks *asks, const struct lt_ask *ask)
{
	struct lt_ask *place = place_for(asks);

	if (!place)
		return false;
	asks->count += !place->id[0];
	*place = *ask;
	return true;
}

bool lt_asks_put(struct lt_asks *asks, const char *id, uint64_t now_ns, bool force)
{
	struct lt_ask *there, ask = {.due_ns = now_ns};

	if (!id[0] || !lt_bytes_copy(ask.id, sizeof(ask.id), lt_bytes_str(id)))
		return false;
	there = find(asks, id);
	if (there) {
		if (force && there->due_ns > now_ns)
			there->due_ns = now_ns;
		return true;
	}
	return (force || !given_up(asks, id, now_ns)) && put(asks, &ask);
}

bool lt_asks_take(struct lt_asks *asks, uint64_t now_ns, struct lt_ask *ret)
{
	struct lt_ask *first = NULL;

	for (size_t i = 0; asks->count > 0 && i < LT_ASKS_MAX; i++) {
		if (asks->at[i].id[0] && asks->at[i].due_ns <= now_ns &&
		    (!first || asks->at[i].due_ns < first->due_ns))
			first = &asks->at[i];
	}
	if (!first)
		return false;
	*ret = *first;
	first->id[0] = '\0';
	asks->count--;
	return true;
}

static void give_up(struct lt_asks *asks, const char *id, uint64_t now_ns)
{
	size_t at = asks->next_failed++ % LT_ASKS_FAILED;

	lt_bytes_copy(asks->failed[at].id, sizeof(asks->failed[at].id), lt_bytes_str(id));
	asks->failed[at].until_ns = now_ns + FORGIVE_NS;
}

bool lt_asks_retry(struct lt_asks *asks, const struct lt_ask *ask, uint64_t now_ns)
{
	struct lt_ask again = *ask;

	if (find(asks, ask->id)) /* asked for anew meanwhile */
		return true;
	if (++again.tries < LT_ASK_TRIES) {
		again.due_ns = now_ns + delay_ns[again.tries];
		if (put(asks, &again))
			return true;
	}
	give_up(asks, ask->id, now_ns);
	return false;
}

uint64_t lt_asks_next_ns(const struct lt_asks *asks)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; asks->count > 0 && i < LT_ASKS_MAX; i++) {
		if (asks->at[i].id[0] && asks->at[i].due_ns < next)
			next = asks->at[i].due_ns;
	}
	return next;
}

void lt_asks_clear(struct lt_asks *asks)
{
	for (size_t i = 0; i < LT_ASKS_MAX; i++)
		asks->at[i].id[0] = '\0';
	asks->count = 0;
}
