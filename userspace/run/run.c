// SPDX-License-Identifier: Apache-2.0
/*
 * Only processes of runs have an entry, and those that were looked at because they call: a host
 * where no agent runs costs one look into a hash table for each fork and exec. /proc is read once
 * after an exec, and only where its event shows an interpreter or what may be an agent. What a
 * command line says is looked at on the stack and forgotten.
 */
#include "userspace/run/run.h"

#include <errno.h>
#include <fcntl.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"
#include "userspace/discover/procfs.h"
#include "userspace/run/cmdline.h"
#include "userspace/run/scan.h"
#include "userspace/run/steps.h"

enum {
	MAX_PROCESSES = 32768,
	MIN_PROCESSES = 16,
	CMDLINE_BYTES = 4096, /* the script of an interpreter is among the first words */
};

#define KEEP_ENDED_NS 60000000000ull
#define TICK_NS	      10000000ull /* what /proc rounds start times to */

/* One agent at work: its root process and what that started, but for agents in it. */
struct worker {
	uint64_t run_key; /* of the outermost one */
	uint64_t scope;	  /* of its own root process: what its calls have in common */
	uint64_t session; /* in which it called last; 0: none yet */
	int agent;
	size_t processes; /* that are part of it and not forgotten */
};

struct link {
	struct link *prev, *next;
};

struct entry {
	uint32_t tgid;
	bool exact; /* start_ns is the kernel's own */
	bool own;   /* its program is the agent's, and not one that an agent started */
	uint64_t start_ns, end_ns;
	struct worker *worker; /* NULL: it was looked at, and is no agent's */
	struct entry *chain;
	struct link recent; /* of all, most recently used first */
	struct link ended;  /* of those that ended, in that order */
};

struct lt_runs {
	size_t max, count, buckets;
	uint64_t keep_ended_ns;
	char proc[256];
	uint8_t boot_id[16], key[32];
	const struct lt_agents *agents;
	struct lt_process_table *processes;
	struct lt_steps *steps;
	struct link recent, ended;
	struct entry **bucket;
};

/* ---- entries ---- */

static struct entry *of_recent(struct link *l)
{
	return (struct entry *)((char *)l - offsetof(struct entry, recent));
}

static struct entry *of_ended(struct link *l)
{
	return (struct entry *)((char *)l - offsetof(struct entry, ended));
}

static void link_after(struct link *at, struct link *l)
{
	l->prev = at;
	l->next = at->next;
	at->next->prev = l;
	at->next = l;
}

/* A link that is in no list is fine. */
static void unlink_it(struct link *l)
{
	if (!l->next)
		return;
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->prev = l->next = NULL;
}

static struct entry **bucket_of(struct lt_runs *r, uint32_t tgid)
{
	return &r->bucket[(tgid * 2654435761u) & (r->buckets - 1)];
}

static void leave(struct entry *e)
{
	if (e->worker && --e->worker->processes == 0)
		lt_free(e->worker);
	e->worker = NULL;
}

static void join(struct entry *e, struct worker *worker)
{
	if (worker)
		worker->processes++;
	leave(e);
	e->worker = worker;
}

static void forget(struct lt_runs *r, struct entry *e)
{
	struct entry **slot = bucket_of(r, e->tgid);

	while (*slot != e)
		slot = &(*slot)->chain;
	*slot = e->chain;
	unlink_it(&e->recent);
	unlink_it(&e->ended);
	leave(e);
	r->count--;
	lt_free(e);
}

static void touch(struct lt_runs *r, struct entry *e)
{
	unlink_it(&e->recent);
	link_after(&r->recent, &e->recent);
}

static struct entry *add(struct lt_runs *r, uint32_t tgid, uint64_t start_ns, bool exact)
{
	struct entry **slot = bucket_of(r, tgid), *e;

	if (r->count >= r->max) {
		forget(r, of_recent(r->recent.prev));
		lt_counter_add(LT_C_RUN_PROCESSES_EVICTED, 1);
	}
	e = lt_calloc(1, sizeof(*e));
	if (!e) {
		lt_counter_add(LT_C_RUN_PROCESSES_EVICTED, 1);
		return NULL;
	}
	e->tgid = tgid;
	e->start_ns = start_ns;
	e->exact = exact;
	e->chain = *slot;
	*slot = e;
	r->count++;
	link_after(&r->recent, &e->recent);
	return e;
}

static void end(struct lt_runs *r, struct entry *e, uint64_t at_ns)
{
	if (e->end_ns)
		return;
	e->end_ns = at_ns ? at_ns : 1;
	link_after(r->ended.prev, &e->ended);
}

static bool starts_fit(uint64_t a, uint64_t b, bool exact)
{
	uint64_t apart = a > b ? a - b : b - a;

	return exact ? apart == 0 : apart <= LT_PROCFS_SLACK_NS;
}

/* @exact: @start_ns is the kernel's own, and becomes that of an entry which has it from /proc. */
static struct entry *find(struct lt_runs *r, uint32_t tgid, uint64_t start_ns, bool exact)
{
	for (struct entry *e = *bucket_of(r, tgid); e; e = e->chain) {
		if (e->tgid != tgid || !starts_fit(e->start_ns, start_ns, exact && e->exact))
			continue;
		if (exact) {
			e->start_ns = start_ns;
			e->exact = true;
		}
		return e;
	}
	return NULL;
}

/* The process that had this tgid when a child of it started. */
static struct entry *find_parent(struct lt_runs *r, uint32_t tgid, uint64_t child_start_ns)
{
	struct entry *best = NULL;

	for (struct entry *e = *bucket_of(r, tgid); e; e = e->chain) {
		if (e->tgid == tgid && e->start_ns <= child_start_ns &&
		    (!e->end_ns || e->end_ns >= child_start_ns) &&
		    (!best || e->start_ns > best->start_ns))
			best = e;
	}
	return best;
}

/* The pid is used again: who had it is gone, also when the event of that was lost. */
static void end_others(struct lt_runs *r, uint32_t tgid, uint64_t start_ns)
{
	for (struct entry *e = *bucket_of(r, tgid); e; e = e->chain) {
		if (e->tgid == tgid && !starts_fit(e->start_ns, start_ns, false) &&
		    e->start_ns < start_ns)
			end(r, e, start_ns);
	}
}

/* ---- runs ---- */

/* Of start times only what /proc knows as well: the key is the same after the agent's restart. */
static uint64_t process_hash(const struct lt_runs *r, const char *what, uint32_t tgid,
			     uint64_t start_ns)
{
	const uint64_t facts[] = {tgid, start_ns / TICK_NS};
	const struct lt_bytes parts[] = {lt_bytes_str(what),
					 lt_bytes(r->boot_id, sizeof(r->boot_id)),
					 lt_bytes(facts, sizeof(facts))};
	uint8_t digest[LT_SHA256_SIZE];
	uint64_t hash;

	if (lt_sha256(parts, LT_COUNT(parts), digest) < 0)
		return 0;
	memcpy(&hash, digest, sizeof(hash));
	return hash | 1; /* 0 is none */
}

/* The process's program is that agent: a run begins, or a part of one has a nearer agent. */
static void is_agent(struct lt_runs *r, struct entry *e, int agent)
{
	struct worker *worker;

	/* What it becomes itself, as a launcher does that execs the real program, is the same one.
	 */
	if (e->worker && e->own && e->worker->agent == agent)
		return;
	worker = lt_calloc(1, sizeof(*worker));
	if (!worker)
		return;
	worker->agent = agent;
	worker->scope = process_hash(r, "agent", e->tgid, e->start_ns);
	worker->run_key = e->worker ? e->worker->run_key
				    : process_hash(r, "run", e->tgid, e->start_ns);
	join(e, worker);
	e->own = true;
}

/* ---- programs ---- */

static ssize_t read_cmdline(int pid_fd, char *to, size_t size)
{
	lt_defer(lt_closep)
	int fd = openat(pid_fd, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size);

	return n < 0 ? -errno : n;
}

/* The agent that runs as the process behind @pid_fd (-1: it is gone). */
static int agent_of(const struct lt_runs *r, int pid_fd, struct lt_bytes file, struct lt_bytes comm)
{
	char exe[LT_EXE_SIZE] = "", words[CMDLINE_BYTES];
	struct lt_program program = {.file = file, .comm = comm};
	ssize_t n = 0;
	int agent;

	if (pid_fd >= 0 && lt_procfs_exe(pid_fd, exe) == 0)
		program.exe = lt_bytes_str(exe);
	if (pid_fd >= 0 && lt_is_interpreter(exe[0] ? program.exe : file))
		n = read_cmdline(pid_fd, words, sizeof(words));
	if (n > 0)
		program.cmdline = lt_bytes(words, (size_t)n);
	program.cmdline_whole = n < (ssize_t)sizeof(words);
	agent = lt_agents_match(r->agents, &program);
	lt_wipe(words, n > 0 ? (size_t)n : 0);
	return agent;
}

/* A descriptor of the process's folder, if it is still that process; else -1. */
static int open_same(const struct lt_runs *r, uint32_t tgid, uint64_t start_ns)
{
	int fd = r->proc[0] ? lt_procfs_open(r->proc, tgid) : -1;
	struct lt_procfs_stat stat;

	if (fd < 0)
		return -1;
	if (lt_procfs_stat(fd, &stat) < 0 || !starts_fit(stat.start_ns, start_ns, false))
		lt_closep(&fd);
	return fd;
}

static struct lt_bytes field(const char *text, size_t size)
{
	return lt_bytes(text, strnlen(text, size));
}

/* ---- events ---- */

/* The agent that an exec event shows; where it may be one by what only /proc knows, that is asked.
 */
static int agent_of_exec(const struct lt_runs *r, const struct lt_event_exec *event)
{
	lt_defer(lt_closep)
	int fd = -1;
	struct lt_bytes file = field(event->file, sizeof(event->file));
	struct lt_bytes comm = field(event->comm, sizeof(event->comm));
	const struct lt_program shown = {.file = file, .comm = comm};

	if (!lt_is_interpreter(file) && lt_agents_match(r->agents, &shown) == LT_NO_AGENT)
		return LT_NO_AGENT;
	fd = open_same(r, event->head.tgid, event->process_start_ns);
	return agent_of(r, fd, file, comm);
}

void lt_runs_exec(struct lt_runs *r, const struct lt_event_exec *event)
{
	uint64_t start_ns = event->process_start_ns;
	struct entry *e = find(r, event->head.tgid, start_ns, true);
	struct entry *parent;
	int agent = agent_of_exec(r, event);

	if (!e) {
		end_others(r, event->head.tgid, start_ns);
		parent = find_parent(r, event->parent_tgid, start_ns); /* the fork was not seen */
		if (agent == LT_NO_AGENT && !(parent && parent->worker))
			return;
		if (parent)
			touch(r, parent); /* not the one that makes room */
		e = add(r, event->head.tgid, start_ns, true);
		if (!e)
			return;
		if (parent && parent->worker)
			join(e, parent->worker);
	}
	touch(r, e);
	if (agent != LT_NO_AGENT)
		is_agent(r, e, agent);
	else if (e->worker)
		e->own = false;
	else
		forget(r, e); /* looked at as another program: what it is now is not known */
}

void lt_runs_fork(struct lt_runs *r, const struct lt_event_fork *event)
{
	struct entry *parent = find_parent(r, event->parent_tgid, event->process_start_ns);
	struct entry *e = find(r, event->head.tgid, event->process_start_ns, true);

	end_others(r, event->head.tgid, event->process_start_ns);
	if (e || !parent || !parent->worker)
		return;
	touch(r, parent);
	e = add(r, event->head.tgid, event->process_start_ns, true);
	if (!e)
		return;
	join(e, parent->worker);
	e->own = parent->own; /* the same program, until it execs */
}

void lt_runs_exit(struct lt_runs *r, const struct lt_event_exit *event)
{
	struct entry *e = find(r, event->head.tgid, event->process_start_ns, true);

	if (e)
		end(r, e, event->head.ts_ns);
}

void lt_runs_tick(struct lt_runs *r, uint64_t now_ns)
{
	while (r->ended.next != &r->ended) {
		struct entry *e = of_ended(r->ended.next);

		if (e->end_ns > now_ns || now_ns - e->end_ns < r->keep_ended_ns)
			return;
		forget(r, e);
	}
}

/* ---- processes that run already ---- */

static int agent_of_running(void *arg, int pid_fd, const struct lt_procfs_stat *stat)
{
	return agent_of(arg, pid_fd, (struct lt_bytes){0}, field(stat->comm, sizeof(stat->comm)));
}

static void found_running(void *arg, const struct lt_scanned *process,
			  const struct lt_scanned *parent)
{
	struct lt_runs *r = arg;
	const struct entry *above;
	struct entry *e;

	if (find(r, process->tgid, process->start_ns, false))
		return; /* its events have come before */
	e = add(r, process->tgid, process->start_ns, false);
	above = parent && e ? find(r, parent->tgid, parent->start_ns, false) : NULL;
	if (above)
		join(e, above->worker);
	if (e && process->agent != LT_NO_AGENT)
		is_agent(r, e, process->agent);
}

int lt_runs_scan(struct lt_runs *r)
{
	const struct lt_scan_sink sink = {
		.arg = r, .agent = agent_of_running, .found = found_running};

	return r->proc[0] ? lt_scan_agents(r->proc, r->max, &sink) : 0;
}

/* ---- calls ---- */

/* An ancestor that is in a run: for processes whose fork was not seen. */
static struct entry *ancestor_of(struct lt_runs *r, const struct lt_process *process)
{
	const struct lt_process *parents[LT_PARENTS_MAX];
	size_t count = lt_process_parents(r->processes, process, parents);

	for (size_t i = 0; i < count; i++) {
		struct entry *e = find(r, parents[i]->tgid, parents[i]->start_ns, false);

		if (e && e->worker)
			return e;
	}
	return NULL;
}

void lt_runs_look(struct lt_runs *r, const struct lt_process *process)
{
	lt_defer(lt_closep)
	int fd = -1;
	struct entry *e, *above;
	int agent;

	if (!process)
		return;
	e = find(r, process->tgid, process->start_ns, false);
	if (e) {
		touch(r, e);
		return;
	}
	above = ancestor_of(r, process);
	if (above)
		touch(r, above);
	e = add(r, process->tgid, process->start_ns, false);
	if (!e)
		return;
	if (above)
		join(e, above->worker);
	fd = open_same(r, process->tgid, process->start_ns);
	agent = agent_of(r, fd, lt_bytes_str(process->exe), lt_bytes_str(process->comm));
	if (agent != LT_NO_AGENT)
		is_agent(r, e, agent);
}

static struct entry *entry_of(struct lt_runs *r, const struct lt_call *call)
{
	struct entry *e;

	if (!call->conn.tgid)
		return NULL; /* a recording without a process */
	e = find(r, call->conn.tgid, call->process_start_ns, true);
	if (!e) {
		lt_runs_look(r, lt_process_find(r->processes, call->conn.tgid,
						call->process_start_ns, call->cgroup_id));
		e = find(r, call->conn.tgid, call->process_start_ns, true);
	}
	if (e && !e->worker) {
		int agent = lt_agents_match_user_agent(r->agents, lt_bytes_str(call->user_agent));

		if (agent != LT_NO_AGENT)
			is_agent(r, e, agent);
	}
	if (e)
		touch(r, e);
	return e;
}

static void fill_who(const struct lt_runs *r, const struct entry *e, struct lt_run_facts *ret)
{
	*ret = (struct lt_run_facts){0};
	if (!e || !e->worker)
		return;
	ret->run_key = e->worker->run_key;
	ret->agent = lt_agents_name(r->agents, e->worker->agent);
}

void lt_runs_who(struct lt_runs *r, const struct lt_call *call, struct lt_run_facts *ret)
{
	fill_who(r, entry_of(r, call), ret);
}

/*
 * A conversation that the wire does not name: the calls of one agent (or, without one, of one
 * process) to one API.
 */
static uint64_t chain_key(const struct lt_runs *r, const struct entry *e,
			  const struct lt_call *call)
{
	uint64_t scope = e && e->worker ? e->worker->scope
					: process_hash(r, "process", call->conn.tgid,
						       call->process_start_ns);
	char text[sizeof(scope) + sizeof(call->host)];
	size_t n = strlen(call->host);
	uint8_t digest[LT_SHA256_SIZE];
	uint64_t key;

	memcpy(text, &scope, sizeof(scope));
	memcpy(text + sizeof(scope), call->host, n);
	if (lt_hmac_sha256(lt_bytes(r->key, sizeof(r->key)), lt_bytes(text, sizeof(scope) + n),
			   digest) < 0)
		return 0;
	memcpy(&key, digest, sizeof(key));
	return key | 1;
}

/* *@ret_joins: it is a turn of its own in that session, and does not only belong to it. */
static uint64_t session_of(struct lt_runs *r, const struct entry *e, const struct lt_call *call,
			   bool *ret_joins)
{
	bool llm = strcmp(call->record_type, "llm") == 0;
	uint64_t key = call->session_fp ? call->session_fp
					: lt_steps_recall(r->steps, call->previous_id);

	*ret_joins = llm;
	if (key)
		return key;
	/* A program that the agent started, and calls of tools: of the conversation at hand. */
	if (e && e->worker && e->worker->session && (!e->own || !llm)) {
		*ret_joins = false;
		return e->worker->session;
	}
	return llm && call->conn.tgid ? chain_key(r, e, call) : 0;
}

void lt_runs_call(struct lt_runs *r, const struct lt_call *call, struct lt_run_facts *ret)
{
	struct entry *e = entry_of(r, call);
	bool joins;
	uint32_t step;

	fill_who(r, e, ret);
	ret->session_key = session_of(r, e, call, &joins);
	if (!ret->session_key)
		return;
	step = joins ? lt_steps_call(r->steps, ret->session_key, call)
		     : lt_steps_now(r->steps, ret->session_key);
	ret->step = (struct lt_count){step, step > 0};
	if (!joins)
		return;
	lt_steps_remember(r->steps, call->response_id, ret->session_key);
	if (e && e->worker && (e->own || !e->worker->session))
		e->worker->session = ret->session_key;
}

/* ---- the table ---- */

size_t lt_runs_processes(const struct lt_runs *r)
{
	return r->count;
}

int lt_runs_new(const struct lt_runs_opts *opts, const struct lt_agents *agents,
		struct lt_process_table *processes, struct lt_runs **ret)
{
	lt_defer(lt_runs_freep)
	struct lt_runs *r = lt_calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->recent.prev = r->recent.next = &r->recent;
	r->ended.prev = r->ended.next = &r->ended;
	r->agents = agents;
	r->processes = processes;
	r->max = opts->max_processes ? opts->max_processes : MAX_PROCESSES;
	if (r->max < MIN_PROCESSES)
		r->max = MIN_PROCESSES;
	r->keep_ended_ns = opts->keep_ended_ns ? opts->keep_ended_ns : KEEP_ENDED_NS;
	memcpy(r->boot_id, opts->boot_id, sizeof(r->boot_id));
	memcpy(r->key, opts->key, sizeof(r->key));
	if (!lt_bytes_copy(r->proc, sizeof(r->proc),
			   lt_bytes_str(opts->proc ? opts->proc : "/proc")))
		return -EINVAL;
	for (r->buckets = MIN_PROCESSES; r->buckets < r->max; r->buckets *= 2)
		;
	r->bucket = lt_calloc(r->buckets, sizeof(struct entry *));
	if (!r->bucket || lt_steps_new(0, &r->steps) < 0)
		return -ENOMEM;
	*ret = lt_take(r);
	return 0;
}

struct lt_runs *lt_runs_free(struct lt_runs *r)
{
	if (!r)
		return NULL;
	while (r->recent.next != &r->recent)
		forget(r, of_recent(r->recent.next));
	lt_steps_free(r->steps);
	lt_wipe(r->key, sizeof(r->key));
	lt_free(r->bucket);
	lt_free(r);
	return NULL;
}
