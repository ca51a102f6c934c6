// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/run/agents.h"
#include "userspace/run/cmdline.h"

/* Words as /proc has them. */
#define WORDS(text) lt_bytes(text "\0", sizeof(text))

static int set_up(void **state)
{
	struct lt_agents *agents = NULL;
	struct lt_problem problem = {0};

	assert_int_equal(lt_agents_new(NULL, NULL, &agents, &problem), 0);
	*state = agents;
	return 0;
}

static int tear_down(void **state)
{
	assert_null(lt_agents_free(*state));
	return 0;
}

/* ---- command lines ---- */

static void assert_words(const char *program, struct lt_bytes text, const char *script,
			 const char *module)
{
	struct lt_cmdline words = lt_cmdline_parse(lt_bytes_str(program), text, true);

	if (!lt_bytes_is(words.script, script) || !lt_bytes_is(words.module, module))
		fail_msg("%s: script '%.*s', module '%.*s'", program, (int)words.script.n,
			 (const char *)words.script.p, (int)words.module.n,
			 (const char *)words.module.p);
}

static void finds_the_script(void **state)
{
	(void)state;
	assert_words("/usr/bin/node", WORDS("node\0/x/cli.js\0-p"), "/x/cli.js", "");
	assert_words("/usr/bin/node", WORDS("node\0--max-old-space-size=8192\0-r\0a.js\0b.js"),
		     "b.js", "");
	assert_words("/usr/bin/node", WORDS("node\0-e\0code\0x.js"), "", "");
	assert_words("/usr/bin/node20", WORDS("node\0--\0x.js"), "x.js", "");
	assert_words("/usr/bin/python3.12", WORDS("python\0-B\0-W\0ignore\0/v/bin/aider\0x"),
		     "/v/bin/aider", "");
	assert_words("/usr/bin/python3.12", WORDS("python\0-u\0-m\0aider\0-m\0x"), "", "aider");
	assert_words("/usr/bin/python3.12", WORDS("python\0-c\0import aider"), "", "");
	assert_words("/opt/bun/bin/bun.exe", WORDS("bun\0run\0/x/index.ts"), "/x/index.ts", "");
	assert_words("/usr/bin/deno", WORDS("deno\0run\0-A\0npm:@x/y"), "", "npm:@x/y");
	assert_words("/usr/bin/ruby3.1", WORDS("ruby\0-I\0lib\0x.rb"), "x.rb", "");
	assert_words("/usr/bin/java", WORDS("java\0-jar\0/x/agent.jar"), "/x/agent.jar", "");
	assert_words("/bin/sh", WORDS("sh\0/x/cli.js"), "", "");
	assert_words("/usr/bin/nodemon", WORDS("nodemon\0/x/cli.js"), "", "");
}

static void survives_what_is_no_command_line(void **state)
{
	struct lt_bytes cut = lt_bytes("node\0/x/claude", 14);
	uint8_t many[4096];

	(void)state;
	assert_words("node", (struct lt_bytes){0}, "", "");
	assert_words("node", lt_bytes("\0\0\0", 3), "", "");
	assert_words("node", lt_bytes("node", 4), "", "");
	assert_words("node", WORDS("node\0-r"), "", "");
	assert_words("python", WORDS("python\0-m"), "", "");
	assert_words("node", cut, "/x/claude", "");
	assert_int_equal(lt_cmdline_parse(lt_bytes_str("node"), cut, false).script.n, 0);
	memset(many, 0, sizeof(many));
	assert_words("node", lt_bytes(many, sizeof(many)), "", "");
	memset(many, '-', sizeof(many));
	assert_words("node", lt_bytes(many, sizeof(many)), "", "");
}

/* ---- the list ---- */

static const char *name_of(const struct lt_agents *agents, const struct lt_program *p)
{
	int agent = lt_agents_match(agents, p);

	return agent == LT_NO_AGENT ? "" : lt_agents_name(agents, agent);
}

/* As the programs lie on disk when they are installed in the ways that their vendors say. */
static void knows_the_installed_programs(void **state)
{
	static const struct {
		const char *name, *exe, *comm;
		const char *words; /* the first two: interpreter and script */
	} cases[] = {
		{"claude-code", "/usr/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe",
		 "claude", NULL},
		{"claude-code", "/home/u/.local/share/claude/versions/2.1.332", "2.1.332", NULL},
		{"claude-code", "/usr/bin/node", "node",
		 "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"},
		{"claude-code", "/usr/bin/node", "node", "/usr/local/bin/claude"},
		{"claude-code", "/usr/bin/node", "claude", NULL}, /* its title */
		{"codex", "/usr/bin/node", "node", "/x/node_modules/.bin/codex"},
		{"codex",
		 "/x/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/"
		 "codex",
		 "codex", NULL},
		{"codex", "/usr/local/bin/codex", "codex", NULL},
		{"gemini-cli", "/usr/bin/node", "node",
		 "/usr/lib/node_modules/@google/gemini-cli/bundle/gemini.js"},
		{"gemini-cli", "/usr/bin/node", "node", "/usr/bin/gemini"},
		{"opencode", "/x/node_modules/opencode-ai/bin/opencode.exe", "opencode", NULL},
		{"opencode", "/home/u/.opencode/bin/opencode", "opencode", NULL},
		{"aider", "/usr/bin/python3.11", "aider", "/home/u/.local/bin/aider"},
		{"aider", "/usr/bin/python3.11", "python3",
		 "/v/lib/python3.11/site-packages/aider/__main__.py"},
		{"cursor-agent", "/home/u/.local/share/cursor-agent/versions/2026.1/node", "node",
		 "/home/u/.local/share/cursor-agent/versions/2026.1/index.js"},
		{"github-copilot-cli", "/usr/bin/node", "node",
		 "/usr/lib/node_modules/@github/copilot/npm-loader.js"},
		{"amp",
		 "/usr/lib/node_modules/@sourcegraph/amp/node_modules/@ampcode/cli/bin/amp.exe",
		 "amp", NULL},
		{"goose", "/home/u/.local/bin/goose", "goose", NULL},
		{"", "/home/u/go/bin/goose", "goose", NULL},
		{"", "/usr/bin/node", "node", "/srv/app/server.js"},
		{"", "/usr/bin/python3", "python3", "/srv/aider_report.py"},
		{"", "/usr/bin/cat", "cat", NULL},
		{"", "/usr/lib/node_modules/@anthropic-ai/sdk/bin/x", "x", NULL},
	};

	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		char words[512];
		int n = snprintf(words, sizeof(words), "x%c%s", 0,
				 cases[i].words ? cases[i].words : "");
		const struct lt_program p = {
			.exe = lt_bytes_str(cases[i].exe),
			.comm = lt_bytes_str(cases[i].comm),
			.cmdline = lt_bytes(words, cases[i].words ? (size_t)n + 1 : 0),
			.cmdline_whole = true,
		};

		assert_string_equal(name_of(*state, &p), cases[i].name);
	}
}

static void knows_modules_and_what_deno_fetches(void **state)
{
	struct lt_program p = {.exe = lt_bytes_str("/usr/bin/python3.11"),
			       .cmdline = WORDS("python\0-m\0aider"),
			       .cmdline_whole = true};

	assert_string_equal(name_of(*state, &p), "aider");
	p.cmdline = WORDS("python\0-m\0aider.main\0--x");
	assert_string_equal(name_of(*state, &p), "aider");
	p.cmdline = WORDS("python\0-m\0aiderize");
	assert_string_equal(name_of(*state, &p), "");
	p.exe = lt_bytes_str("/usr/bin/deno");
	p.cmdline = WORDS("deno\0run\0-A\0npm:@anthropic-ai/claude-code@2");
	assert_string_equal(name_of(*state, &p), "claude-code");
	p.cmdline = WORDS("deno\0run\0-A\0npm:@anthropic-ai/claude-codec");
	assert_string_equal(name_of(*state, &p), "");
}

/* A file with #! was given to execve: the kernel tells of it, and the words do so too. */
static void knows_a_script_by_the_file_given_to_execve(void **state)
{
	struct lt_program p = {.exe = lt_bytes_str("/usr/bin/python3.11"),
			       .file = lt_bytes_str("/home/u/.local/bin/aider"),
			       .comm = lt_bytes_str("aider")};

	assert_string_equal(name_of(*state, &p), "aider");
	p.exe = (struct lt_bytes){0}; /* gone before anybody looked */
	assert_string_equal(name_of(*state, &p), "aider");
	p.exe = lt_bytes_str("/usr/bin/bash"); /* a shell's script of that name */
	assert_string_equal(name_of(*state, &p), "");
}

static void knows_what_calls_say_of_themselves(void **state)
{
	static const char *const known[][2] = {{"claude-cli/2.1.332", "claude-code"},
					       {"codex_cli_rs/0.171.0", "codex"},
					       {"GeminiCLI/0.61.0", "gemini-cli"}};

	for (size_t i = 0; i < LT_COUNT(known); i++) {
		int agent = lt_agents_match_user_agent(*state, lt_bytes_str(known[i][0]));

		assert_int_not_equal(agent, LT_NO_AGENT);
		assert_string_equal(lt_agents_name(*state, agent), known[i][1]);
	}
	assert_int_equal(lt_agents_match_user_agent(*state, lt_bytes_str("curl/8.1")), LT_NO_AGENT);
	assert_int_equal(lt_agents_match_user_agent(*state, lt_bytes_str("")), LT_NO_AGENT);
}

/* ---- the config's own ---- */

static int make(const char *text, struct lt_agents **ret, struct lt_yaml **yaml,
		struct lt_problem *problem)
{
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "test.yaml", yaml, problem), 0);
	return lt_agents_new(*yaml, lt_yaml_get(lt_yaml_root(*yaml), "agents"), ret, problem);
}

static void own_ones_are_asked_first(void **state)
{
	struct lt_agents *agents = NULL;
	struct lt_yaml *yaml = NULL;
	struct lt_problem problem = {0};
	const struct lt_program p = {.exe = lt_bytes_str("/opt/ours/bin/claude")};
	size_t builtin = lt_agents_count(*state);

	assert_int_equal(
		make("agents: [{name: ours, exe: [\"/opt/ours/*\"]}]\n", &agents, &yaml, &problem),
		0);
	assert_int_equal(lt_agents_count(agents), builtin + 1);
	assert_string_equal(name_of(agents, &p), "ours");
	assert_string_equal(name_of(*state, &p), "claude-code");
	lt_agents_free(agents);
	lt_yaml_free(yaml);
}

static void says_what_is_wrong_with_own_ones(void **state)
{
	static const char *const wrong[][2] = {
		{"agents: {name: x}\n", "takes a list"},
		{"agents: [x]\n", "takes maps"},
		{"agents: [{exe: [\"/x\"]}]\n", "takes maps"},
		{"agents: [{name: x}]\n", "needs exe"},
		{"agents: [{name: \"\", exe: [x]}]\n", "1 to 63 bytes"},
		{"agents: [{name: x, exe: x}]\n", "takes a list of texts"},
		{"agents: [{name: x, exe: [\"*\"]}]\n", "more than wild cards"},
		{"agents: [{name: x, exe: [[y]]}]\n", "1 to 255 bytes"},
		{"agents: [{name: x, exee: [y]}]\n", "exee"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(wrong); i++) {
		struct lt_agents *agents = NULL;
		struct lt_yaml *yaml = NULL;
		struct lt_problem problem = {0};

		assert_int_equal(make(wrong[i][0], &agents, &yaml, &problem), -EINVAL);
		if (!strstr(problem.text, wrong[i][1]) || problem.line != 1)
			fail_msg("%s: line %u: %s", wrong[i][0], problem.line, problem.text);
		lt_yaml_free(yaml);
	}
}

static void fails_when_memory_runs_out(void **state)
{
	struct lt_agents *agents = NULL;
	struct lt_problem problem = {0};
	unsigned long n = 1;

	(void)state;
	for (;; n += n < 8 ? 1 : 97) {
		lt_alloc_fail_at(n);
		if (lt_agents_new(NULL, NULL, &agents, &problem) == 0)
			break;
	}
	lt_alloc_fail_at(0);
	assert_true(n > 8);
	lt_agents_free(agents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_script),
		cmocka_unit_test(survives_what_is_no_command_line),
		cmocka_unit_test_setup_teardown(knows_the_installed_programs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(knows_modules_and_what_deno_fetches, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(knows_a_script_by_the_file_given_to_execve, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(knows_what_calls_say_of_themselves, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(own_ones_are_asked_first, set_up, tear_down),
		cmocka_unit_test(says_what_is_wrong_with_own_ones),
		cmocka_unit_test(fails_when_memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
