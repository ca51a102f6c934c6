// SPDX-License-Identifier: Apache-2.0
/* Command lines, which any process may write as it likes: what is taken from them lies inside of
 * them. */
#include <stdlib.h>

#include "userspace/run/agents.h"
#include "userspace/run/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_view(struct lt_bytes view, struct lt_bytes text)
{
	if (view.n > 0 && (view.p < text.p || view.p + view.n > text.p + text.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const programs[] = {
		"/usr/bin/node", "/usr/bin/python3.12", "bun", "/opt/deno", "ruby3.1", "java",
		"/bin/sh"};
	static struct lt_agents *agents;
	struct lt_problem problem;
	struct lt_bytes text;
	struct lt_program program = {0};

	if (!agents && lt_agents_new(NULL, NULL, &agents, &problem) < 0)
		abort();
	if (size == 0)
		return 0;
	text = lt_bytes(data + 1, size - 1);
	program.exe = lt_bytes_str(programs[data[0] % LT_COUNT(programs)]);
	for (int whole = 0; whole < 2; whole++) {
		struct lt_cmdline words = lt_cmdline_parse(program.exe, text, whole);
		int agent;

		check_view(words.script, text);
		check_view(words.module, text);
		if (words.script.n > 0 && words.module.n > 0)
			abort();
		program.cmdline = text;
		program.cmdline_whole = whole;
		agent = lt_agents_match(agents, &program);
		if (agent != LT_NO_AGENT && (size_t)agent >= lt_agents_count(agents))
			abort();
	}
	program = (struct lt_program){.file = text, .comm = text};
	lt_ignore(lt_agents_match(agents, &program));
	lt_ignore(lt_agents_match_user_agent(agents, text));
	return 0;
}
