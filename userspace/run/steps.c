// SPDX-License-Identifier: Apache-2.0
#include "userspace/run/steps.h"

#include <errno.h>

#include "userspace/base/alloc.h"

enum {
	SESSIONS_DEFAULT = 4096,
	WAYS = 4,	/* a set forgets what was not used for longest */
	RESULTS = 4,	/* of which a session knows that it has seen them */
	ANSWERS = 4096, /* power of two; a clash forgets the older one */
};

struct session {
	uint64_t key; /* 0: free */
	uint64_t results[RESULTS];
	uint32_t step;
	uint32_t next; /* which of the results is replaced next */
};

struct answer {
	uint64_t id; /* hash of it, 0: free */
	uint64_t session;
};

struct lt_steps {
	size_t sets; /* power of two */
	struct session (*session)[WAYS];
	struct answer answer[ANSWERS];
};

int lt_steps_new(size_t max_sessions, struct lt_steps **ret)
{
	lt_defer(lt_steps_freep)
	struct lt_steps *s = lt_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	if (max_sessions == 0)
		max_sessions = SESSIONS_DEFAULT;
	for (s->sets = 1; s->sets * WAYS < max_sessions; s->sets *= 2)
		;
	s->session = lt_calloc(s->sets, sizeof(s->session[0]));
	if (!s->session)
		return -ENOMEM;
	*ret = lt_take(s);
	return 0;
}

struct lt_steps *lt_steps_free(struct lt_steps *s)
{
	if (!s)
		return NULL;
	lt_free(s->session);
	lt_free(s);
	return NULL;
}

/* The session, at the first place of its set; NULL when it is not known. */
static struct session *find(struct lt_steps *s, uint64_t key)
{
	struct session *set = s->session[(key * 0x9e3779b97f4a7c15ULL >> 32) & (s->sets - 1)];

	for (int i = 0; i < WAYS; i++) {
		struct session found = set[i];

		if (found.key != key)
			continue;
		memmove(set + 1, set, (size_t)i * sizeof(*set));
		set[0] = found;
		return set;
	}
	return NULL;
}

static struct session *add(struct lt_steps *s, uint64_t key)
{
	struct session *set = s->session[(key * 0x9e3779b97f4a7c15ULL >> 32) & (s->sets - 1)];

	memmove(set + 1, set, (WAYS - 1) * sizeof(*set));
	set[0] = (struct session){.key = key, .step = 1};
	return set;
}

/* Whether these results are brought back for the first time. */
static bool new_results(struct session *session, uint64_t hash)
{
	for (int i = 0; i < RESULTS; i++) {
		if (session->results[i] == hash)
			return false;
	}
	session->results[session->next++ % RESULTS] = hash;
	return true;
}

uint32_t lt_steps_call(struct lt_steps *s, uint64_t key, const struct lt_call *call)
{
	struct session *session = find(s, key);
	bool first = !session;

	if (first)
		session = add(s, key);
	if (call->results_hash != 0 && new_results(session, call->results_hash) && !first)
		session->step++;
	return session->step;
}

uint32_t lt_steps_now(struct lt_steps *s, uint64_t key)
{
	const struct session *session = key ? find(s, key) : NULL;

	return session ? session->step : 0;
}

static uint64_t hash_of(const char *id)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 0x100000001b3ULL;
	return hash | 1;
}

void lt_steps_remember(struct lt_steps *s, const char *response_id, uint64_t key)
{
	uint64_t id = hash_of(response_id);

	if (response_id[0])
		s->answer[id >> 32 & (ANSWERS - 1)] = (struct answer){id, key};
}

uint64_t lt_steps_recall(const struct lt_steps *s, const char *response_id)
{
	uint64_t id = hash_of(response_id);
	const struct answer *answer = &s->answer[id >> 32 & (ANSWERS - 1)];

	return response_id[0] && answer->id == id ? answer->session : 0;
}
