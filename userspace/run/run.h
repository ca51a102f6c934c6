/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of agents: which processes belong to which, by (tgid, start time); fed by exec, fork and
 * exit events and once from /proc. Thread: drain.
 *
 * A process whose program is an agent begins a run, of which all that it starts are part: also what
 * daemonises, and what goes on when the root has ended. An agent inside of a run begins none: the
 * outermost is the run, since that one was started by somebody and is what a task costs; the name
 * is that of the nearest agent, since that one makes the calls. A program that became an agent only
 * by what its calls say of themselves (User-Agent) begins a run too, unless it is in one.
 */
#pragma once

#include "userspace/decode/call.h"
#include "userspace/discover/process.h"
#include "userspace/run/agents.h"

struct lt_runs;

struct lt_runs_opts {
	size_t max_processes;	/* 0: 32768; beyond it the longest unused is forgotten */
	uint64_t keep_ended_ns; /* 0: 60 s */
	const char *proc;	/* NULL: "/proc"; "": there is none */
	uint8_t boot_id[16];
	uint8_t key[32]; /* of this installation: sessions that the wire does not name */
};

/* @processes and @agents must outlive the runs. -ENOMEM, -EINVAL: too long a path. */
LT_MUST_CHECK int lt_runs_new(const struct lt_runs_opts *opts, const struct lt_agents *agents,
			      struct lt_process_table *processes, struct lt_runs **ret);
struct lt_runs *lt_runs_free(struct lt_runs *runs);
LT_DEFINE_FREEP(lt_runs_free, struct lt_runs)

/* Agents that run already, and what they have started. Returns how many processes that is. */
LT_MUST_CHECK int lt_runs_scan(struct lt_runs *runs);
void lt_runs_exec(struct lt_runs *runs, const struct lt_event_exec *event);
void lt_runs_fork(struct lt_runs *runs, const struct lt_event_fork *event);
void lt_runs_exit(struct lt_runs *runs, const struct lt_event_exit *event);
/* Forgets what ended long ago. */
void lt_runs_tick(struct lt_runs *runs, uint64_t now_ns);
/* A process that is about to call: what its events did not say is found out while it lives.
 * @process may be NULL. */
void lt_runs_look(struct lt_runs *runs, const struct lt_process *process);

struct lt_run_facts {
	const char *agent;    /* nearest agent, lives as long as lt_agents; NULL: none */
	uint64_t run_key;     /* 0: no run */
	uint64_t session_key; /* 0: none */
	struct lt_count step;
};

/* Agent and run of the process that made the call. */
void lt_runs_who(struct lt_runs *runs, const struct lt_call *call, struct lt_run_facts *ret);
/* The same, with session and step: for each decoded call once, in their order. */
void lt_runs_call(struct lt_runs *runs, const struct lt_call *call, struct lt_run_facts *ret);

size_t lt_runs_processes(const struct lt_runs *runs); /* known at present */
