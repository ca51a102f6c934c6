// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/unread.h"

#include <errno.h>
#include <pthread.h>

#include "userspace/base/alloc.h"
#include "userspace/base/log.h"

enum { PROGRAMS_MAX = 64, ASKS_MAX = 4 };

struct program {
	char exe[LT_EXE_SIZE]; /* its comm where that is not known */
	char comm[LT_COMM_SIZE];
	char provider[LT_WORD_SIZE];
	uint32_t pid;
	const char *stack; /* NULL: nobody knows */
	unsigned asks;	   /* a process may be gone before it is looked at */
	bool answered, recorded, said;
};

struct lt_unread {
	struct lt_scout *scout;
	pthread_mutex_t lock; /* of the programs: the scout answers */
	struct program programs[PROGRAMS_MAX];
	unsigned count;
};

int lt_unread_new(struct lt_unread **ret)
{
	struct lt_unread *u = lt_calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	*ret = u;
	return 0;
}

void lt_unread_ask(struct lt_unread *u, struct lt_scout *scout)
{
	u->scout = scout;
}

static void say_if_ready(struct lt_unread *u, struct program *p)
{
	if (!p->answered || !p->recorded || p->said)
		return;
	p->said = true;
	lt_log_warn("%s (pid %u, %s) calls %s through TLS that was not read (%s): its connections "
		    "become flow records, without usage and cost",
		    p->comm[0] ? p->comm : "a process", p->pid, p->exe, p->provider,
		    p->stack ? p->stack : "the stack is not known, or was attached too late");
	if (p == &u->programs[PROGRAMS_MAX - 1])
		lt_log_warn("further programs whose TLS is not read are not named here: "
			    "'ledgertap calls' shows their connections");
}

/* Under the lock. NULL: there are too many. */
static struct program *find(struct lt_unread *u, const char *exe)
{
	for (unsigned i = 0; i < u->count; i++) {
		if (strcmp(u->programs[i].exe, exe) == 0)
			return &u->programs[i];
	}
	return NULL;
}

/* Under the lock. */
static void ask(struct lt_unread *u, struct program *p, uint32_t pid)
{
	p->asks++;
	p->answered = !u->scout || lt_scout_ask(u->scout, pid, (unsigned)(p - u->programs)) < 0;
}

/* Under the lock. */
static struct program *add(struct lt_unread *u, const char *exe, uint32_t pid)
{
	struct program *p = &u->programs[u->count];

	if (u->count == PROGRAMS_MAX)
		return NULL;
	snprintf(p->exe, sizeof(p->exe), "%s", exe);
	p->pid = pid;
	u->count++;
	ask(u, p, pid);
	return p;
}

void lt_unread_suspect(struct lt_unread *u, const struct lt_process *process)
{
	const char *exe = process->exe[0] ? process->exe : process->comm;
	struct program *p;

	pthread_mutex_lock(&u->lock);
	p = find(u, exe);
	if (!p)
		add(u, exe, process->tgid);
	else if (p->answered && !p->stack && p->asks < ASKS_MAX)
		ask(u, p, process->tgid);
	pthread_mutex_unlock(&u->lock);
}

void lt_unread_record(struct lt_unread *u, const struct lt_record *record)
{
	const struct lt_identity *who = &record->who;
	const char *exe = who->exe[0] ? who->exe : who->comm;
	struct program *p;

	pthread_mutex_lock(&u->lock);
	p = find(u, exe);
	if (!p)
		p = add(u, exe, who->pid);
	if (p && !p->recorded) {
		p->recorded = true;
		p->pid = who->pid;
		memcpy(p->comm, who->comm, sizeof(p->comm));
		memcpy(p->provider, record->call.provider, sizeof(p->provider));
		say_if_ready(u, p);
	}
	pthread_mutex_unlock(&u->lock);
}

void lt_unread_answer(void *arg, unsigned question, const char *stack)
{
	struct lt_unread *u = arg;
	struct program *p = &u->programs[question];

	pthread_mutex_lock(&u->lock);
	p->stack = stack;
	p->answered = true;
	if (stack) /* also when it was said that nobody knows */
		p->said = false;
	say_if_ready(u, p);
	pthread_mutex_unlock(&u->lock);
}

struct lt_unread *lt_unread_free(struct lt_unread *u)
{
	if (!u)
		return NULL;
	for (unsigned i = 0; i < u->count; i++) {
		u->programs[i].answered = true;
		say_if_ready(u, &u->programs[i]);
	}
	pthread_mutex_destroy(&u->lock);
	lt_free(u);
	return NULL;
}
