// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>

#include <cmocka.h>

#include "userspace/attribute/attribute.h"
#include "userspace/attribute/rule_value.h"
#include "userspace/attribute/rules.h"
#include "userspace/base/alloc.h"

#define SECOND 1000000000ull
#define ID     "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define POD    "2b801b7a-5266-4386-864e-45ed71136371"

/* ---- rules alone ---- */

static struct lt_rules *rules_of(const char *text)
{
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	struct lt_problem problem = {0};
	struct lt_rules *rules = NULL;

	if (lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, &problem) < 0 ||
	    lt_rules_new(yaml, lt_yaml_root(yaml), &rules, &problem) < 0)
		fail_msg("%s:%u: %s", problem.file, problem.line, problem.text);
	return rules;
}

/* The document is gone when the rules are used: they keep nothing of it. */
static struct lt_identity apply(const char *text, const struct lt_rule_facts *facts)
{
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = rules_of(text);
	struct lt_identity id = {0};

	id.source = lt_rules_apply(rules, facts, &id);
	return id;
}

static const struct lt_rule_facts *some_facts(void)
{
	static const char *const parents[] = {"bash", "airflow-worker", "systemd"};
	static const struct lt_rule_facts facts = {
		.comm = "python3",
		.exe = "/usr/bin/python3.11",
		.cgroup = "/kubepods/burstable/pod" POD "/" ID,
		.container_id = ID,
		.runtime = "containerd",
		.pod_uid = POD,
		.qos = "burstable",
		.unit = "billing.service",
		.host = "api.OpenAI.com",
		.provider = "openai",
		.parents = parents,
		.parent_count = 3,
		.env = {"search", ""},
		.uid = 1001,
		.uid_known = true,
	};

	return &facts;
}

/* Whether "match: {@match}" holds for some_facts(). */
static bool holds(const char *match)
{
	char text[512];
	struct lt_identity id;

	snprintf(text, sizeof(text), "env: [TEAM, UNSET]\nrules: [{match: {%s}, set: {team: x}}]\n",
		 match);
	id = apply(text, some_facts());
	return strcmp(id.team, "x") == 0;
}

static void every_fact_can_be_matched(void **state)
{
	(void)state;
	assert_true(holds(""));
	assert_true(holds("comm: python3"));
	assert_true(holds("exe: \"/usr/bin/python*\""));
	assert_true(holds("cgroup: \"*kubepods*\""));
	assert_true(holds("container_id: \"ca97*\""));
	assert_true(holds("runtime: containerd"));
	assert_true(holds("pod_uid: \"" POD "\""));
	assert_true(holds("qos: burstable"));
	assert_true(holds("unit: \"billing.*\""));
	assert_true(holds("host: api.openai.com"));
	assert_true(holds("provider: openai"));
	assert_true(holds("parent: \"airflow*\""));
	assert_true(holds("uid: 1001"));
	assert_true(holds("uid: 1000-1999"));
	assert_true(holds("env.TEAM: \"sea*\""));
}

static void what_is_otherwise_does_not_match(void **state)
{
	(void)state;
	assert_false(holds("comm: python"));
	assert_false(holds("comm: Python3"));
	assert_false(holds("unit: billing"));
	assert_false(holds("parent: python3"));
	assert_false(holds("uid: 1000"));
	assert_false(holds("uid: 0-1000"));
	assert_false(holds("uid: 1002-4294967295"));
	assert_false(holds("env.TEAM: find"));
}

static void lists_are_any_of_and_conditions_all_of(void **state)
{
	(void)state;
	assert_true(holds("comm: [node, \"python?\"]"));
	assert_true(holds("uid: [0, 5-9, 1001]"));
	assert_false(holds("comm: [node, java]"));
	assert_true(holds("comm: python3, uid: 1001, unit: \"*\""));
	assert_false(holds("comm: python3, uid: 1002, unit: \"*\""));
}

static void what_is_not_known_matches_nothing(void **state)
{
	static const char text[] = "env: [TEAM]\nrules:\n"
				   "- {match: {comm: \"*\"}, set: {team: comm}}\n"
				   "- {match: {unit: \"*\"}, set: {team: unit}}\n"
				   "- {match: {parent: \"*\"}, set: {team: parent}}\n"
				   "- {match: {uid: 0-4294967295}, set: {team: uid}}\n"
				   "- {match: {env.TEAM: \"*\"}, set: {team: env}}\n";
	struct lt_rule_facts nothing = {.comm = ""};
	struct lt_identity id = apply(text, &nothing);

	(void)state;
	assert_string_equal(id.team, "");
	assert_int_equal(id.source, LT_IDENTITY_NONE);
	assert_false(holds("env.UNSET: \"*\""));
}

static void the_first_match_wins_per_dimension(void **state)
{
	struct lt_identity id = apply(
		"rules:\n"
		"- {match: {comm: java}, set: {tenant: no, team: no}}\n"
		"- {match: {uid: 1001}, set: {team: first}}\n"
		"- {match: {comm: python3}, set: {team: second, tenant: acme}}\n"
		"- {set: {tenant: last, environment: prod, cost_center: 42}}\n",
		some_facts());

	(void)state;
	assert_string_equal(id.team, "first");
	assert_string_equal(id.tenant, "acme");
	assert_string_equal(id.environment, "prod");
	assert_string_equal(id.cost_center, "42");
	assert_string_equal(id.use_case, "");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
}

static void reading_the_environment_lowers_the_source(void **state)
{
	static const char by_match[] = "env: [TEAM]\nrules:\n- {set: {team: a}}\n"
				       "- {match: {env.TEAM: search}, set: {tenant: b}}\n";
	static const char by_value[] = "env: [TEAM]\nrules: [{set: {team: \"${env.TEAM}\"}}]\n";
	static const char undecided[] =
		"env: [TEAM]\nrules:\n- {set: {team: a}}\n- {set: {team: \"${env.TEAM}\"}}\n";

	(void)state;
	assert_int_equal(apply(by_match, some_facts()).source, LT_IDENTITY_PROCESS_CONTEXT);
	assert_int_equal(apply(by_value, some_facts()).source, LT_IDENTITY_PROCESS_CONTEXT);
	assert_int_equal(apply(undecided, some_facts()).source, LT_IDENTITY_ADMIN_MAP);
}

static void values_are_filled_in(void **state)
{
	struct lt_identity id = apply(
		"env: [TEAM, UNSET]\nrules:\n"
		"- {set: {tenant: \"t-${env.UNSET}\", team: \"x-${env.TEAM}-y\"}}\n"
		"- {set: {tenant: \"${unit}\", use_case: \"${comm}/${env.TEAM}\"}}\n"
		"- {set: {environment: \"${pod_uid}\", cost_center: \"a$b{c}\"}}\n",
		some_facts());

	(void)state;
	/* What holds an unknown part is not set: the next rule may. */
	assert_string_equal(id.tenant, "billing.service");
	assert_string_equal(id.team, "x-search-y");
	assert_string_equal(id.use_case, "python3/search");
	assert_string_equal(id.environment, POD);
	assert_string_equal(id.cost_center, "a$b{c}");
}

static void expand(const char *text, const char *env, const char *want)
{
	static const char *const names[] = {"TEAM"};
	lt_defer(lt_rule_value_freep)
	struct lt_rule_value *v = NULL;
	struct lt_rule_facts facts = {.env = {env}, .container_id = ID};
	const char *wrong = NULL;
	char to[LT_DIMENSION_SIZE] = "before";

	assert_int_equal(lt_rule_value_new(text, names, 1, &v, &wrong), 0);
	assert_int_equal(lt_rule_value_expand(v, &facts, to), want[0] != '\0');
	assert_string_equal(to, want);
}

static void what_a_process_chose_is_bounded_and_printable(void **state)
{
	(void)state;
	expand("${env.TEAM}", "a\x1b[2J\n\x7f\xc3\xa9z", "a_[2J____z");
	expand("${env.TEAM}", "  two words\t", "two words");
	expand("${env.TEAM}", " \t ", "");
	expand("${env.TEAM}", "", "");
	expand("${env.TEAM}", NULL, "");
	/* 64 hex digits: one too many for a dimension. */
	expand("${container_id}", "",
	       "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48b");
	expand("${env.TEAM}${container_id}", "team-",
	       "team-ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785af");
	/* A cut never goes through a character. */
	expand("${env.TEAM}\xc3\xa9\xc3\xa9",
	       "012345678901234567890123456789012345678901234567890123456789",
	       "012345678901234567890123456789012345678901234567890123456789\xc3\xa9");
}

static void bad(const char *text, unsigned line, const char *what)
{
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	struct lt_problem problem = {0};
	struct lt_rules *rules = NULL;

	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, &problem), 0);
	assert_int_equal(lt_rules_new(yaml, lt_yaml_root(yaml), &rules, &problem), -EINVAL);
	assert_null(rules);
	if (problem.line != line || !strstr(problem.text, what))
		fail_msg("\"%s\": want line %u and \"%s\", got %u: %s", text, line, what,
			 problem.line, problem.text);
}

static void wrong_rules_are_refused_with_their_line(void **state)
{
	(void)state;
	bad("rules: {}\n", 1, "a list of rules");
	bad("rules:\n- text\n", 2, "a map with match and set");
	bad("rules:\n- {match: {comm: a}}\n", 2, "needs set");
	bad("rules:\n- {set: {}}\n", 2, "needs set");
	bad("rules:\n- {set: {team: [a]}}\n", 2, "team takes a text");
	bad("rules:\n- {set: {team: \"\"}}\n", 2, "team takes a text");
	bad("rules:\n- {set: {a_dimension_that_is_not: a}}\n", 2, "a_dimension_that_is_not");
	bad("rules:\n- set: {team: a}\n  match: [comm]\n", 3, "match takes a map");
	bad("rules:\n- {match: {comm: {a: b}}, set: {team: a}}\n", 2, "comm takes a pattern");
	bad("rules:\n- {match: {comm: []}, set: {team: a}}\n", 2, "comm takes 1 to");
	bad("rules:\n- {match: {comm: [a, [b]]}, set: {team: a}}\n", 2, "comm takes a pattern");
	bad("rules:\n- {match: {comm: \"\"}, set: {team: a}}\n", 2, "comm takes a pattern");
	bad("rules:\n- {match: {uid: 5-4}, set: {team: a}}\n", 2, "uid takes a number");
	bad("rules:\n- {match: {uid: 4294967296}, set: {team: a}}\n", 2, "uid takes a number");
	bad("rules:\n- {match: {uid: \"-\"}, set: {team: a}}\n", 2, "uid takes a number");
	bad("rules:\n- {match: {env.TEAM: a}, set: {team: a}}\n", 2, "attribution.env");
	bad("rules:\n- {set: {team: \"${env.TEAM}\"}}\n", 2, "attribution.env");
	bad("rules:\n- {set: {team: \"${exe}\"}}\n", 2, "takes env.NAME, unit");
	bad("rules:\n- {set: {team: \"${unit\"}}\n", 2, "without its '}'");
	bad("rules:\n- {set: {team: \"a\\tb\"}}\n", 2, "control characters");
	bad("rules:\n- {set: {team: "
	    "a234567890123456789012345678901234567890123456789012345678901234}}\n",
	    2, "longer than 63");
	bad("rules:\n- {set: {team: \"${unit}${unit}${unit}${unit}${unit}${unit}${unit}${unit}"
	    "${unit}\"}}\n",
	    2, "too many");
}

static void wrong_variables_are_refused(void **state)
{
	(void)state;
	bad("env: TEAM\n", 1, "a list of variable names");
	bad("env: [A=B]\n", 1, "names of environment variables");
	bad("env: [\"\"]\n", 1, "names of environment variables");
	bad("env: [1A]\n", 1, "names of environment variables");
	bad("env: [[A]]\n", 1, "names of environment variables");
	bad("env: [A, B, A]\n", 1, "A is named twice");
	bad("env: [A, B, C, D, E, F, G, H, I]\n", 1, "at most 8");
	bad("env: [OPENAI_API_KEY]\n", 1, "secret");
	bad("env: [github_token]\n", 1, "secret");
	bad("env: [DB_PASSWORD]\n", 1, "secret");
}

static void every_failed_allocation_is_survived(void **state)
{
	static const char text[] = "env: [T]\nrules: [{match: {comm: [a, b], uid: 1, env.T: c}, "
				   "set: {team: \"x${env.T}\", tenant: y}}, {set: {team: z}}]\n";
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	int r = -ENOMEM;

	(void)state;
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, NULL), 0);
	for (unsigned long n = 1; r == -ENOMEM && n < 100; n++) {
		struct lt_rules *rules = NULL;

		lt_alloc_fail_at(n);
		r = lt_rules_new(yaml, lt_yaml_root(yaml), &rules, NULL);
		lt_alloc_fail_at(0);
		assert_true(r == 0 || (r == -ENOMEM && !rules));
		assert_true(r == -ENOMEM || n > 10);
		lt_rules_free(rules);
	}
	assert_int_equal(r, 0);
}

/* ---- calls ---- */

struct fixture {
	struct lt_process_table *processes;
	struct lt_yaml *yaml;
	struct lt_attributor *attributor;
};

static void open_fixture(struct fixture *f, const char *text)
{
	/* No /proc: what is known comes from the events of the test. */
	struct lt_process_opts opts = {.proc = "/nowhere/at/all"};
	struct lt_problem problem = {0};

	assert_int_equal(lt_process_table_new(&opts, &f->processes), 0);
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &f->yaml, &problem), 0);
	assert_int_equal(lt_attributor_new(f->yaml, lt_yaml_root(f->yaml), f->processes,
					   &f->attributor, &problem),
			 0);
}

static void close_fixture(struct fixture *f)
{
	lt_attributor_free(f->attributor);
	lt_yaml_free(f->yaml);
	lt_process_table_free(f->processes);
}

static void do_exec(const struct fixture *f, uint32_t tgid, uint32_t parent, const char *comm,
		    const char *leaf, const char *above)
{
	struct lt_event_exec e = {.head = {.type = LT_EVENT_EXEC, .tgid = tgid},
				  .process_start_ns = tgid * SECOND,
				  .cgroup_id = 70 + tgid,
				  .parent_tgid = parent,
				  .uid = 1001};

	snprintf(e.comm, sizeof(e.comm), "%s", comm);
	snprintf(e.file, sizeof(e.file), "/bin/%s", comm);
	snprintf(e.cgroup[0], sizeof(e.cgroup[0]), "%s", leaf);
	snprintf(e.cgroup[1], sizeof(e.cgroup[1]), "%s", above);
	lt_process_exec(f->processes, &e);
}

static struct lt_identity attribute(const struct fixture *f, uint32_t tgid)
{
	struct lt_call call = {.conn = {.tgid = tgid},
			       .process_start_ns = tgid * SECOND,
			       .cgroup_id = 70 + tgid,
			       .uid = 1001,
			       .host = "api.openai.com",
			       .provider = "openai"};
	struct lt_identity id;

	memset(&id, 0xa5, sizeof(id));
	lt_attribute_call(f->attributor, &call, &id);
	return id;
}

static void a_call_gets_the_facts_of_its_process(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "rules: [{match: {parent: cron, runtime: docker}, set: {team: ops}}]\n");
	do_exec(&f, 10, 1, "cron", "cron.service", "system.slice");
	do_exec(&f, 20, 10, "a<b\n", ID, "docker");
	do_exec(&f, 30, 20, "python3", ID, "docker");
	id = attribute(&f, 30);
	close_fixture(&f);
	assert_int_equal(id.pid, 30);
	assert_int_equal(id.parent_pid, 20);
	assert_int_equal(id.process_start_ns, 30 * SECOND);
	assert_int_equal(id.uid, 1001);
	assert_string_equal(id.comm, "python3");
	assert_string_equal(id.exe, "/bin/python3");
	assert_string_equal(id.parents, "a_b_<cron");
	assert_string_equal(id.cgroup, "/docker/" ID);
	assert_string_equal(id.container.id, ID);
	assert_string_equal(id.team, "ops");
	assert_string_equal(id.tenant, "unattributed");
	assert_string_equal(id.use_case, "");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
	assert_int_equal(id.confidence, 90);
}

static void without_a_rule_the_kernel_has_the_word(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "");
	do_exec(&f, 30, 1, "python3", "a.service", "system.slice");
	id = attribute(&f, 30);
	assert_string_equal(id.tenant, "unattributed");
	assert_int_equal(id.source, LT_IDENTITY_KERNEL);
	assert_int_equal(id.confidence, 50);
	id = attribute(&f, 31);
	close_fixture(&f);
	assert_int_equal(id.pid, 31);
	assert_int_equal(id.uid, 1001);
	assert_string_equal(id.comm, "");
	assert_string_equal(id.tenant, "unattributed");
	assert_int_equal(id.source, LT_IDENTITY_NONE);
	assert_int_equal(id.confidence, 0);
}

static void an_unknown_process_is_still_matched_by_its_call(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "rules:\n- {match: {comm: \"*\"}, set: {team: no}}\n"
			 "- {match: {uid: 1001, host: \"*.openai.com\"}, set: {tenant: acme}}\n");
	id = attribute(&f, 31);
	close_fixture(&f);
	assert_string_equal(id.team, "");
	assert_string_equal(id.tenant, "acme");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
}

static void a_long_chain_of_parents_is_cut_at_a_link(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "");
	for (uint32_t i = 1; i <= 20; i++)
		do_exec(&f, i, i - 1, "fifteen-letters", "a.service", "b");
	id = attribute(&f, 20);
	close_fixture(&f);
	assert_int_equal(strlen(id.parents), 8 * 16 - 1);
}

static void sources_have_names(void **state)
{
	(void)state;
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_NONE), "none");
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_KERNEL), "kernel");
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_ADMIN_MAP), "admin_map");
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_PROCESS_CONTEXT),
			    "process_context");
}

static void the_variables_to_read_are_those_of_the_section(void **state)
{
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	const char *names[LT_ENV_NAMES_MAX];
	size_t count = 9;

	(void)state;
	assert_int_equal(lt_yaml_parse(lt_bytes_str("env: [B, A]\n"), "t", &yaml, NULL), 0);
	assert_int_equal(lt_attribution_env_names(yaml, lt_yaml_root(yaml), names, &count, NULL),
			 0);
	assert_int_equal(count, 2);
	assert_string_equal(names[0], "B");
	assert_string_equal(names[1], "A");
	assert_int_equal(lt_attribution_env_names(NULL, NULL, names, &count, NULL), 0);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fact_can_be_matched),
		cmocka_unit_test(what_is_otherwise_does_not_match),
		cmocka_unit_test(lists_are_any_of_and_conditions_all_of),
		cmocka_unit_test(what_is_not_known_matches_nothing),
		cmocka_unit_test(the_first_match_wins_per_dimension),
		cmocka_unit_test(reading_the_environment_lowers_the_source),
		cmocka_unit_test(values_are_filled_in),
		cmocka_unit_test(what_a_process_chose_is_bounded_and_printable),
		cmocka_unit_test(wrong_rules_are_refused_with_their_line),
		cmocka_unit_test(wrong_variables_are_refused),
		cmocka_unit_test(every_failed_allocation_is_survived),
		cmocka_unit_test(a_call_gets_the_facts_of_its_process),
		cmocka_unit_test(without_a_rule_the_kernel_has_the_word),
		cmocka_unit_test(an_unknown_process_is_still_matched_by_its_call),
		cmocka_unit_test(a_long_chain_of_parents_is_cut_at_a_link),
		cmocka_unit_test(sources_have_names),
		cmocka_unit_test(the_variables_to_read_are_those_of_the_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
