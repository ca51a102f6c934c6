// SPDX-License-Identifier: Apache-2.0
#include "userspace/export/sinks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int load(const char *text, struct lt_sinks *sinks, struct lt_problem *problem)
{
	struct lt_yaml *yaml = NULL;
	int r;

	memset(problem, 0, sizeof(*problem));
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, problem), 0);
	r = lt_sinks_new(yaml, lt_yaml_get(lt_yaml_root(yaml), "sinks"), sinks, problem);
	lt_yaml_free(yaml);
	return r;
}

static void sinks_are_made(void **state)
{
	struct lt_problem problem;
	struct lt_sinks sinks;

	(void)state;
	assert_int_equal(load("sinks:\n"
			      "- {name: archive, type: file, path: /tmp/a.jsonl}\n"
			      "- {name: b-2, type: file, path: /tmp/b, max_size: 1M, keep: 3}\n",
			      &sinks, &problem),
			 0);
	assert_int_equal(sinks.count, 2);
	assert_string_equal(sinks.sink[1]->name, "b-2");
	assert_string_equal(sinks.sink[1]->kind, "file");
	lt_sinks_done(&sinks);
	assert_int_equal(load("sinks:\n", &sinks, &problem), 0);
	assert_int_equal(sinks.count, 0);
	assert_int_equal(load("log_level: info\n", &sinks, &problem), 0);
	assert_int_equal(sinks.count, 0);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text, *said;
		unsigned line;
	} cases[] = {
		{"sinks: here\n", "list of sinks", 1},
		{"sinks:\n- here\n", "list of sinks", 2},
		{"sinks:\n- {type: file, path: /a}\n", "takes a name", 2},
		{"sinks:\n- {name: \"A b\", type: file, path: /a}\n", "takes a name", 2},
		{"sinks:\n- {name: a, type: kafka}\n", "type takes: file", 2},
		{"sinks:\n- {name: a}\n", "type takes: file", 2},
		{"sinks:\n- {name: a, type: file}\n", "absolute", 2},
		{"sinks:\n- {name: a, type: file, path: a}\n", "absolute", 2},
		{"sinks:\n- {name: a, type: file, path: /a, max_size: 1}\n", "size from", 2},
		{"sinks:\n- {name: a, type: file, path: /a, keep: 0}\n", "from 1 to 1000", 2},
		{"sinks:\n- {name: a, type: file, path: /a, kept: 1}\n", "kept", 2},
		{"sinks:\n- {name: a, type: file, path: /a}\n- {name: a, type: file, path: /b}\n",
		 "two sinks are named a", 3},
	};
	struct lt_problem problem;
	struct lt_sinks sinks = {.count = 0};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		assert_int_equal(load(cases[i].text, &sinks, &problem), -EINVAL);
		if (!strstr(problem.text, cases[i].said))
			fail_msg("%s: %s", cases[i].text, problem.text);
		assert_int_equal(problem.line, cases[i].line);
		assert_int_equal(sinks.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sinks_are_made),
		cmocka_unit_test(what_is_wrong_is_told_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
