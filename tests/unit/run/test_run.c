// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <ftw.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"
#include "userspace/base/counter.h"
#include "userspace/run/run.h"

#define SECOND 1000000000ull
#define TICK   10000000ull
#define CLAUDE "/usr/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe"

struct fixture {
	char proc[64];
	struct lt_agents *agents;
	struct lt_process_table *processes;
	struct lt_runs *runs;
};

/* ---- a /proc of our own ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void write_file(const char *folder, const char *name, const char *text, size_t n)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	if (n > 0)
		assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void proc_entry(const struct fixture *f, uint32_t tgid, uint32_t parent, uint64_t start_ns,
		       const char *exe, const char *script)
{
	char folder[128], path[160], text[512];
	const char *slash = strrchr(exe, '/');
	int n;

	snprintf(folder, sizeof(folder), "%s/%u", f->proc, tgid);
	nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(folder, 0700), 0);
	n = snprintf(text, sizeof(text),
		     "%u (%.15s) S %u 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 %llu 1000 10 0 0\n",
		     tgid, slash + 1, parent, (unsigned long long)(start_ns / TICK));
	write_file(folder, "stat", text, (size_t)n);
	n = snprintf(text, sizeof(text), "%s%c%s%c", slash + 1, 0, script ? script : "", 0);
	write_file(folder, "cmdline", text, (size_t)n);
	snprintf(path, sizeof(path), "%s/exe", folder);
	assert_int_equal(symlink(exe, path), 0);
}

static void make_runs(struct fixture *f, size_t max)
{
	const struct lt_runs_opts opts = {.max_processes = max,
					  .keep_ended_ns = 10 * SECOND,
					  .proc = f->proc,
					  .boot_id = {1, 2, 3},
					  .key = {4, 5, 6}};

	assert_int_equal(lt_runs_new(&opts, f->agents, f->processes, &f->runs), 0);
}

static int set_up_with(void **state, size_t max)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct lt_process_opts opts = {0};
	struct lt_problem problem = {0};

	assert_non_null(f);
	snprintf(f->proc, sizeof(f->proc), "/tmp/lt-runs-XXXXXX");
	assert_non_null(mkdtemp(f->proc));
	opts.proc = f->proc;
	assert_int_equal(lt_process_table_new(&opts, &f->processes), 0);
	assert_int_equal(lt_agents_new(NULL, NULL, &f->agents, &problem), 0);
	make_runs(f, max);
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 0);
}

static int set_up_small(void **state)
{
	return set_up_with(state, 16);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	nftw(f->proc, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	f->runs = lt_runs_free(f->runs);
	assert_null(f->runs);
	lt_process_table_free(f->processes);
	lt_agents_free(f->agents);
	free(f);
	return 0;
}

/* ---- events, as the pipeline hands them on ---- */

static void do_exec(const struct fixture *f, uint32_t tgid, uint32_t parent, uint64_t start_ns,
		    const char *file)
{
	struct lt_event_exec e = {.head = {.type = LT_EVENT_EXEC, .tgid = tgid, .ts_ns = start_ns},
				  .process_start_ns = start_ns,
				  .parent_tgid = parent};
	const char *slash = strrchr(file, '/');

	snprintf(e.comm, sizeof(e.comm), "%.15s", slash ? slash + 1 : file);
	snprintf(e.file, sizeof(e.file), "%s", file);
	lt_process_exec(f->processes, &e);
	lt_runs_exec(f->runs, &e);
}

static void do_fork(const struct fixture *f, uint32_t tgid, uint32_t parent, uint64_t start_ns)
{
	struct lt_event_fork e = {.head = {.type = LT_EVENT_FORK, .tgid = tgid, .ts_ns = start_ns},
				  .process_start_ns = start_ns,
				  .parent_tgid = parent};

	lt_process_fork(f->processes, &e);
	lt_runs_fork(f->runs, &e);
}

static void do_exit(const struct fixture *f, uint32_t tgid, uint64_t start_ns, uint64_t now)
{
	struct lt_event_exit e = {.head = {.type = LT_EVENT_EXIT, .tgid = tgid, .ts_ns = now},
				  .process_start_ns = start_ns};

	lt_process_exit(f->processes, &e);
	lt_runs_exit(f->runs, &e);
}

static struct lt_call call_of(uint32_t tgid, uint64_t start_ns)
{
	struct lt_call call = {.conn = {.tgid = tgid},
			       .process_start_ns = start_ns,
			       .host = "api.anthropic.com",
			       .record_type = "llm"};

	return call;
}

static struct lt_run_facts who(const struct fixture *f, uint32_t tgid, uint64_t start_ns)
{
	struct lt_call call = call_of(tgid, start_ns);
	struct lt_run_facts facts;

	lt_runs_who(f->runs, &call, &facts);
	return facts;
}

/* The run's key; the process must be of this agent. */
static uint64_t must_run(const struct fixture *f, uint32_t tgid, uint64_t start_ns,
			 const char *agent)
{
	struct lt_run_facts facts = who(f, tgid, start_ns);

	assert_int_not_equal(facts.run_key, 0);
	assert_non_null(facts.agent);
	assert_string_equal(facts.agent, agent);
	return facts.run_key;
}

static void must_not_run(const struct fixture *f, uint32_t tgid, uint64_t start_ns)
{
	struct lt_run_facts facts = who(f, tgid, start_ns);

	assert_int_equal(facts.run_key, 0);
	assert_null(facts.agent);
}

/* ---- which processes are of which run ---- */

static void children_are_of_the_run(void **state)
{
	struct fixture *f = *state;
	uint64_t run;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	do_fork(f, 101, 100, 2 * SECOND);
	do_exec(f, 101, 100, 2 * SECOND, "/bin/bash");
	do_fork(f, 102, 101, 3 * SECOND);
	do_exec(f, 102, 101, 3 * SECOND, "/usr/bin/curl");
	do_fork(f, 200, 1, 3 * SECOND);
	do_exec(f, 200, 1, 3 * SECOND, "/usr/bin/curl");
	run = must_run(f, 100, SECOND, "claude-code");
	assert_int_equal(must_run(f, 101, 2 * SECOND, "claude-code"), run);
	assert_int_equal(must_run(f, 102, 3 * SECOND, "claude-code"), run);
	must_not_run(f, 200, 3 * SECOND);
}

static void two_roots_are_two_runs(void **state)
{
	struct fixture *f = *state;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	do_exec(f, 101, 1, SECOND, CLAUDE);
	assert_int_not_equal(must_run(f, 100, SECOND, "claude-code"),
			     must_run(f, 101, SECOND, "claude-code"));
}

static void daemons_go_on_when_the_root_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t run;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	run = must_run(f, 100, SECOND, "claude-code");
	do_fork(f, 101, 100, 2 * SECOND);
	do_fork(f, 102, 101, 2 * SECOND + 1);
	do_exit(f, 101, 2 * SECOND, 2 * SECOND + 2);
	do_exit(f, 100, SECOND, 3 * SECOND);
	lt_runs_tick(f->runs, 100 * SECOND);
	assert_int_equal(lt_runs_processes(f->runs), 1);
	do_exec(f, 102, 1, 2 * SECOND + 1, "/usr/bin/python3");
	assert_int_equal(must_run(f, 102, 2 * SECOND + 1, "claude-code"), run);
	do_fork(f, 103, 102, 200 * SECOND);
	assert_int_equal(must_run(f, 103, 200 * SECOND, "claude-code"), run);
}

static void a_pid_that_is_used_again_is_somebody_else(void **state)
{
	struct fixture *f = *state;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	do_exit(f, 100, SECOND, 2 * SECOND);
	do_fork(f, 100, 1, 3 * SECOND);
	do_fork(f, 101, 100, 4 * SECOND);
	must_not_run(f, 100, 3 * SECOND);
	must_not_run(f, 101, 4 * SECOND);
}

static void also_when_the_exit_was_lost(void **state)
{
	struct fixture *f = *state;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	do_fork(f, 100, 1, 3 * SECOND);
	do_fork(f, 101, 100, 4 * SECOND);
	must_not_run(f, 101, 4 * SECOND);
	do_exec(f, 102, 1, SECOND, CLAUDE);
	do_exec(f, 102, 1, 3 * SECOND, "/bin/true");
	do_fork(f, 103, 102, 4 * SECOND);
	must_not_run(f, 103, 4 * SECOND);
}

static void an_agent_in_an_agent_is_of_the_outer_run(void **state)
{
	struct fixture *f = *state;
	uint64_t run;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	do_fork(f, 101, 100, 2 * SECOND);
	do_exec(f, 101, 100, 2 * SECOND, "/usr/local/bin/codex");
	do_fork(f, 102, 101, 3 * SECOND);
	do_exec(f, 102, 101, 3 * SECOND, "/bin/sh");
	do_fork(f, 103, 100, 3 * SECOND);
	do_exec(f, 103, 100, 3 * SECOND, CLAUDE);
	run = must_run(f, 100, SECOND, "claude-code");
	assert_int_equal(must_run(f, 101, 2 * SECOND, "codex"), run);
	assert_int_equal(must_run(f, 102, 3 * SECOND, "codex"), run);
	assert_int_equal(must_run(f, 103, 3 * SECOND, "claude-code"), run);
}

static void an_interpreter_is_what_it_runs(void **state)
{
	struct fixture *f = *state;

	proc_entry(f, 100, 1, SECOND, "/usr/bin/node",
		   "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js");
	do_exec(f, 100, 1, SECOND, "/usr/bin/node");
	must_run(f, 100, SECOND, "claude-code");
	proc_entry(f, 101, 1, SECOND, "/usr/bin/node", "/srv/server.js");
	do_exec(f, 101, 1, SECOND, "/usr/bin/node");
	must_not_run(f, 101, SECOND);
	/* Another process has the pid when /proc is read. */
	proc_entry(f, 102, 1, 9 * SECOND, "/usr/bin/node", "/usr/bin/gemini");
	do_exec(f, 102, 1, SECOND, "/usr/bin/node");
	must_not_run(f, 102, SECOND);
}

/* Its name is a link that tells nothing; the executable is known when it calls. */
static void is_recognised_at_the_first_look(void **state)
{
	struct fixture *f = *state;

	proc_entry(f, 100, 1, SECOND, "/home/u/.local/share/claude/versions/2.1.332", NULL);
	do_exec(f, 100, 1, SECOND, "/home/u/bin/assistant");
	assert_int_equal(lt_runs_processes(f->runs), 0);
	lt_runs_look(f->runs, lt_process_find(f->processes, 100, SECOND, 0));
	must_run(f, 100, SECOND, "claude-code");
	lt_runs_look(f->runs, NULL);
}

static void runs_of_before_are_found(void **state)
{
	struct fixture *f = *state;
	uint64_t run;

	proc_entry(f, 1, 0, TICK, "/sbin/init", NULL);
	proc_entry(f, 300, 1, 5 * SECOND, CLAUDE, NULL);
	proc_entry(f, 200, 300, 6 * SECOND, "/bin/bash", NULL); /* a smaller pid than its parent */
	proc_entry(f, 301, 200, 7 * SECOND, "/usr/bin/python3", "/home/u/.local/bin/aider");
	proc_entry(f, 302, 1, 7 * SECOND, "/usr/bin/curl", NULL);
	assert_int_equal(lt_runs_scan(f->runs), 3);
	assert_int_equal(lt_runs_processes(f->runs), 3);
	run = must_run(f, 300, 5 * SECOND + 3, "claude-code"); /* the exact start time */
	assert_int_equal(must_run(f, 200, 6 * SECOND, "claude-code"), run);
	assert_int_equal(must_run(f, 301, 7 * SECOND, "aider"), run);
	must_not_run(f, 302, 7 * SECOND);
}

/* The agent starts again: the same run has the same key. */
static void the_key_outlives_the_table(void **state)
{
	struct fixture *f = *state;
	uint64_t run;

	proc_entry(f, 300, 1, 5 * SECOND + TICK, CLAUDE, NULL);
	do_exec(f, 300, 1, 5 * SECOND + TICK + 12345, CLAUDE);
	run = must_run(f, 300, 5 * SECOND + TICK + 12345, "claude-code");
	lt_runs_free(f->runs);
	make_runs(f, 0);
	assert_int_equal(lt_runs_scan(f->runs), 1);
	assert_int_equal(must_run(f, 300, 5 * SECOND + TICK + 12345, "claude-code"), run);
}

static void a_claim_counts_when_nothing_else_speaks(void **state)
{
	struct fixture *f = *state;
	struct lt_call call = call_of(100, SECOND);
	struct lt_run_facts facts;

	proc_entry(f, 100, 1, SECOND, "/opt/x", NULL);
	snprintf(call.user_agent, sizeof(call.user_agent), "codex_cli_rs/0.1");
	lt_runs_who(f->runs, &call, &facts);
	assert_string_equal(facts.agent, "codex");
	assert_int_not_equal(facts.run_key, 0);
	/* In a run it does not. */
	do_exec(f, 101, 1, SECOND, CLAUDE);
	call.conn.tgid = 101;
	lt_runs_who(f->runs, &call, &facts);
	assert_string_equal(facts.agent, "claude-code");
}

static void a_lost_fork_is_made_up_for(void **state)
{
	struct fixture *f = *state;
	uint64_t run;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	run = must_run(f, 100, SECOND, "claude-code");
	do_exec(f, 101, 100, 2 * SECOND, "/usr/bin/curl");
	assert_int_equal(must_run(f, 101, 2 * SECOND, "claude-code"), run);
	proc_entry(f, 102, 101, 3 * SECOND, "/usr/bin/wget", NULL); /* nothing was seen of it */
	assert_int_equal(must_run(f, 102, 3 * SECOND, "claude-code"), run);
}

static void the_longest_unused_makes_room(void **state)
{
	struct fixture *f = *state;
	uint64_t before = lt_counter_get(LT_C_RUN_PROCESSES_EVICTED), run;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	run = must_run(f, 100, SECOND, "claude-code");
	for (uint32_t i = 0; i < 40; i++)
		do_fork(f, 200 + i, 100, 2 * SECOND + i);
	assert_int_equal(lt_runs_processes(f->runs), 16);
	assert_int_equal(lt_counter_get(LT_C_RUN_PROCESSES_EVICTED) - before, 25);
	/* Who has just forked is not forgotten. */
	assert_int_equal(must_run(f, 100, SECOND, "claude-code"), run);
	assert_int_equal(must_run(f, 239, 2 * SECOND + 39, "claude-code"), run);
}

/* ---- sessions and steps ---- */

static struct lt_run_facts run_call(const struct fixture *f, uint32_t tgid, uint64_t start_ns,
				    uint64_t session_fp, uint64_t results)
{
	struct lt_call call = call_of(tgid, start_ns);
	struct lt_run_facts facts;

	call.session_fp = session_fp;
	call.results_hash = results;
	lt_runs_call(f->runs, &call, &facts);
	return facts;
}

static void assert_step(struct lt_run_facts facts, uint64_t session, uint64_t step)
{
	assert_int_equal(facts.session_key, session);
	assert_true(facts.step.known);
	assert_int_equal(facts.step.n, step);
}

static void the_wire_names_the_session(void **state)
{
	struct fixture *f = *state;
	struct lt_call tool;
	struct lt_run_facts facts;

	do_exec(f, 100, 1, SECOND, CLAUDE);
	do_fork(f, 101, 100, 2 * SECOND);
	do_exec(f, 101, 100, 2 * SECOND, "/usr/bin/curl");
	assert_step(run_call(f, 100, SECOND, 7, 0), 7, 1);
	assert_step(run_call(f, 100, SECOND, 7, 11), 7, 2);
	assert_step(run_call(f, 100, SECOND, 8, 0), 8, 1); /* another conversation */
	assert_step(run_call(f, 100, SECOND, 7, 12), 7, 3);
	/* What the agent starts is of the conversation at hand, and makes no step of it. */
	assert_step(run_call(f, 101, 2 * SECOND, 0, 0), 7, 3);
	assert_step(run_call(f, 101, 2 * SECOND, 0, 99), 7, 3);
	tool = call_of(100, SECOND);
	snprintf(tool.record_type, sizeof(tool.record_type), "mcp");
	lt_runs_call(f->runs, &tool, &facts);
	assert_step(facts, 7, 3);
	assert_step(run_call(f, 100, SECOND, 7, 13), 7, 4);
	/* An agent in it has conversations of its own, which are not the outer one's. */
	do_fork(f, 102, 100, 3 * SECOND);
	do_exec(f, 102, 100, 3 * SECOND, "/usr/local/bin/codex");
	assert_step(run_call(f, 102, 3 * SECOND, 9, 0), 9, 1);
	assert_step(run_call(f, 101, 2 * SECOND, 0, 0), 7, 4);
}

static void without_a_name_it_is_the_agents_calls_to_one_api(void **state)
{
	struct fixture *f = *state;
	uint64_t session, other;
	struct lt_call call;
	struct lt_run_facts facts;

	do_exec(f, 100, 1, SECOND, "/home/u/.local/bin/aider");
	session = run_call(f, 100, SECOND, 0, 0).session_key;
	assert_int_not_equal(session, 0);
	assert_step(run_call(f, 100, SECOND, 0, 11), session, 2);
	do_fork(f, 101, 100, 2 * SECOND); /* a worker of the same program */
	assert_step(run_call(f, 101, 2 * SECOND, 0, 12), session, 3);
	call = call_of(100, SECOND);
	snprintf(call.host, sizeof(call.host), "api.openai.com");
	lt_runs_call(f->runs, &call, &facts);
	other = facts.session_key;
	assert_int_not_equal(other, session);
	assert_step(facts, other, 1);
	/* A process of no run has sessions too, but tools' calls of it have none. */
	proc_entry(f, 200, 1, SECOND, "/opt/x", NULL);
	facts = run_call(f, 200, SECOND, 0, 0);
	assert_int_equal(facts.run_key, 0);
	assert_int_not_equal(facts.session_key, session);
	assert_step(run_call(f, 200, SECOND, 0, 11), facts.session_key, 2);
	call = call_of(200, SECOND);
	snprintf(call.record_type, sizeof(call.record_type), "tool_api");
	lt_runs_call(f->runs, &call, &facts);
	assert_int_equal(facts.session_key, 0);
	assert_false(facts.step.known);
}

/* A launcher that starts the real program is one agent; an agent that it starts is another. */
static void a_launcher_is_no_agent_of_its_own(void **state)
{
	struct fixture *f = *state;
	uint64_t session;

	proc_entry(f, 100, 1, SECOND, "/usr/bin/node", "/x/node_modules/.bin/codex");
	do_exec(f, 100, 1, SECOND, "/usr/bin/node");
	do_fork(f, 101, 100, 2 * SECOND);
	do_exec(f, 101, 100, 2 * SECOND, "/usr/local/bin/codex");
	session = run_call(f, 100, SECOND, 0, 0).session_key;
	assert_step(run_call(f, 101, 2 * SECOND, 0, 11), session, 2);
	do_fork(f, 102, 101, 3 * SECOND);
	do_exec(f, 102, 101, 3 * SECOND, "/bin/sh");
	do_exec(f, 102, 101, 3 * SECOND, "/usr/local/bin/codex");
	assert_int_not_equal(run_call(f, 102, 3 * SECOND, 0, 0).session_key, session);
}

static void goes_on_from_an_answer(void **state)
{
	struct fixture *f = *state;
	struct lt_call call = call_of(0, 0);
	struct lt_run_facts facts;

	/* A recording without a process: only what the wire says. */
	snprintf(call.response_id, sizeof(call.response_id), "resp_0");
	lt_runs_call(f->runs, &call, &facts);
	assert_int_equal(facts.session_key, 0);
	call.session_fp = 7;
	snprintf(call.response_id, sizeof(call.response_id), "resp_1");
	lt_runs_call(f->runs, &call, &facts);
	assert_step(facts, 7, 1);
	call.session_fp = 0;
	call.results_hash = 5;
	snprintf(call.previous_id, sizeof(call.previous_id), "resp_1");
	snprintf(call.response_id, sizeof(call.response_id), "resp_2");
	lt_runs_call(f->runs, &call, &facts);
	assert_step(facts, 7, 2);
	call.results_hash = 6;
	snprintf(call.previous_id, sizeof(call.previous_id), "resp_2");
	lt_runs_call(f->runs, &call, &facts);
	assert_step(facts, 7, 3);
}

static void fails_when_memory_runs_out(void **state)
{
	struct fixture *f = *state;
	const struct lt_runs_opts opts = {.proc = f->proc};
	struct lt_runs *runs = NULL;

	for (unsigned long n = 1; n <= 4; n++) {
		lt_alloc_fail_at(n);
		assert_true(lt_runs_new(&opts, f->agents, f->processes, &runs) < 0);
		assert_null(runs);
	}
	for (unsigned long n = 1; n <= 3; n++) { /* an entry, or its run: no harm */
		lt_alloc_fail_at(n);
		do_exec(f, 400, 1, SECOND, CLAUDE);
		do_fork(f, 401, 400, 2 * SECOND);
	}
	lt_alloc_fail_at(0);
	do_exec(f, 400, 1, SECOND, CLAUDE);
	must_run(f, 400, SECOND, "claude-code");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(children_are_of_the_run),
		TEST(two_roots_are_two_runs),
		TEST(daemons_go_on_when_the_root_is_gone),
		TEST(a_pid_that_is_used_again_is_somebody_else),
		TEST(also_when_the_exit_was_lost),
		TEST(an_agent_in_an_agent_is_of_the_outer_run),
		TEST(an_interpreter_is_what_it_runs),
		TEST(is_recognised_at_the_first_look),
		TEST(runs_of_before_are_found),
		TEST(the_key_outlives_the_table),
		TEST(a_claim_counts_when_nothing_else_speaks),
		TEST(a_lost_fork_is_made_up_for),
		cmocka_unit_test_setup_teardown(the_longest_unused_makes_room, set_up_small,
						tear_down),
		TEST(the_wire_names_the_session),
		TEST(without_a_name_it_is_the_agents_calls_to_one_api),
		TEST(a_launcher_is_no_agent_of_its_own),
		TEST(goes_on_from_an_answer),
		TEST(fails_when_memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
