// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>

#include <cmocka.h>

#include "userspace/attribute/rule_value.h"
#include "userspace/attribute/rules.h"
#include "userspace/base/alloc.h"

#define ID  "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define POD "2b801b7a-5266-4386-864e-45ed71136371"

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

static struct lt_facts some_facts(const struct lt_rules *rules)
{
	static const char *const parents[] = {"bash", "airflow-worker", "systemd"};
	static const struct {
		const char *name, *value;
	} named[] = {
		{"env.TEAM", "search"},
		{"label.app.kubernetes.io/name", "web"},
		{"label.tenant", "acme"},
		{"annotation.example.com/owner", "ann"},
		{"resource.deployment.environment.name", "staging"},
		{"resource.custom", "own"},
		{"claim.x-tenant-id", "globex"},
	};
	struct lt_facts facts = {
		.text = {[LT_FACT_COMM] = "python3",
			 [LT_FACT_EXE] = "/usr/bin/python3.11",
			 [LT_FACT_CGROUP] = "/kubepods/burstable/pod" POD "/" ID,
			 [LT_FACT_CONTAINER_ID] = ID,
			 [LT_FACT_RUNTIME] = "containerd",
			 [LT_FACT_POD_UID] = POD,
			 [LT_FACT_QOS] = "burstable",
			 [LT_FACT_UNIT] = "billing.service",
			 [LT_FACT_HOST] = "api.OpenAI.com",
			 [LT_FACT_PROVIDER] = "openai",
			 [LT_FACT_CREDENTIAL] = "00c0ffee00c0ffee",
			 [LT_FACT_KEY_KIND] = "openai_project",
			 [LT_FACT_ORGANIZATION] = "org-1",
			 [LT_FACT_PROJECT] = "proj_1",
			 [LT_FACT_AGENT] = "claude-code",
			 [LT_FACT_USER] = "alice",
			 [LT_FACT_CLUSTER] = "prod-1",
			 [LT_FACT_CONTAINER_NAME] = "app",
			 [LT_FACT_IMAGE] = "registry.example/web:1",
			 [LT_FACT_IMAGE_DIGEST] = "sha256:00",
			 [LT_FACT_NAMESPACE] = "shop",
			 [LT_FACT_POD] = "web-0",
			 [LT_FACT_NODE] = "node-1",
			 [LT_FACT_WORKLOAD] = "Deployment/web",
			 [LT_FACT_SERVICE_ACCOUNT] = "robot"},
		.parents = parents,
		.parent_count = 3,
		.uid = 1001,
		.uid_known = true,
	};
	static const char command[] = "python3\0/srv/manage.py\0run\0--team=search";
	const struct lt_fact_name *name;

	for (size_t i = 0; (name = lt_rules_name(rules, i)) != NULL; i++) {
		for (size_t k = 0; k < LT_COUNT(named); k++) {
			if (strcmp(named[k].name, name->text) == 0)
				facts.named[i] = named[k].value;
		}
	}
	facts.commands = lt_rules_match_command(rules, lt_bytes(command, sizeof(command)));
	return facts;
}

/* The document is gone when the rules are used: they keep nothing of it. */
static struct lt_identity apply(const char *text)
{
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = rules_of(text);
	struct lt_facts facts = some_facts(rules);
	struct lt_identity id = {0};

	lt_rules_apply(rules, &facts, &id);
	return id;
}

/* Whether "match: {@match}" holds for some_facts(). */
static bool holds(const char *match)
{
	char text[512];
	struct lt_identity id;

	snprintf(text, sizeof(text),
		 "env: [TEAM, UNSET]\nheaders: [X-Tenant-Id]\n"
		 "rules: [{match: {%s}, set: {team: x}}]\n",
		 match);
	id = apply(text);
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
	assert_true(holds("container_name: app"));
	assert_true(holds("image: \"registry.example/*\""));
	assert_true(holds("image_digest: \"sha256:*\""));
	assert_true(holds("namespace: shop"));
	assert_true(holds("pod: \"web-?\""));
	assert_true(holds("node: node-1"));
	assert_true(holds("cluster: \"prod-*\""));
	assert_true(holds("workload: \"Deployment/*\""));
	assert_true(holds("service_account: robot"));
	assert_true(holds("label.app.kubernetes.io/name: web"));
	assert_true(holds("\"annotation.example.com/owner\": ann"));
	assert_true(holds("user: alice"));
	assert_true(holds("credential: 00c0ffee00c0ffee"));
	assert_true(holds("key_kind: openai_project"));
	assert_true(holds("organization: org-1"));
	assert_true(holds("project: \"proj_*\""));
	assert_true(holds("agent: claude-code"));
	assert_true(holds("resource.custom: own"));
	assert_true(holds("claim.x-tenant-id: globex"));
	assert_true(holds("claim.X-Tenant-ID: globex"));
}

/* Words of the command line, and the whole of it. */
static void command_lines_are_matched_and_not_kept(void **state)
{
	struct lt_identity id = apply(
		"rules: [{match: {command: \"*manage.py*\"}, set: {team: x}}]");

	(void)state;
	assert_true(holds("command: \"--team=search\""));
	assert_true(holds("command: [\"nothing\", \"*/manage.py\"]"));
	assert_true(holds("command: \"python3 *manage.py run*\""));
	assert_false(holds("command: \"manage.py\""));
	assert_string_equal(id.team, "x");
	assert_int_equal(id.source, LT_IDENTITY_PROCESS_CONTEXT);
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
				   "- {match: {env.TEAM: \"*\"}, set: {team: env}}\n"
				   "- {match: {label.x: \"*\"}, set: {team: label}}\n"
				   "- {match: {command: \"*\"}, set: {team: command}}\n"
				   "- {match: {namespace: \"*\"}, set: {team: namespace}}\n";
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = rules_of(text);
	struct lt_facts nothing = {.text = {[LT_FACT_COMM] = ""}};
	struct lt_identity id = {0};

	(void)state;
	lt_rules_apply(rules, &nothing, &id);
	assert_string_equal(id.team, "");
	assert_int_equal(id.source, LT_IDENTITY_NONE);
	assert_false(holds("env.UNSET: \"*\""));
}

static void within_a_class_the_first_rule_wins(void **state)
{
	struct lt_identity id = apply(
		"rules:\n"
		"- {match: {comm: java}, set: {tenant: no, team: no}}\n"
		"- {match: {uid: 1001}, set: {team: first}}\n"
		"- {match: {comm: python3}, set: {team: second, tenant: acme}}\n"
		"- {set: {tenant: last, environment: prod, cost_center: 42}}\n");

	(void)state;
	assert_string_equal(id.team, "first");
	assert_string_equal(id.tenant, "acme");
	assert_string_equal(id.environment, "prod");
	assert_string_equal(id.cost_center, "42");
	assert_string_equal(id.use_case, "");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
	assert_int_equal(id.confidence, 50);
}

#define KERNEL	"{match: {unit: billing.service}, set: {tenant: kernel}}"
#define VALUE	"{set: {tenant: \"${unit}\"}}"
#define POD_	"{match: {namespace: shop}, set: {tenant: pod}}"
#define LABEL	"{match: {label.tenant: \"*\"}, set: {tenant: \"${label.tenant}\"}}"
#define ENV	"{match: {env.TEAM: \"*\"}, set: {tenant: env}}"
#define ENVVAL	"{match: {unit: \"*\"}, set: {tenant: \"${env.TEAM}\"}}"
#define RES	"{match: {resource.custom: own}, set: {tenant: resource}}"
#define CMD	"{match: {command: run}, set: {tenant: command}}"
#define CLAIM	"{set: {tenant: \"${claim.x-tenant-id}\"}}"
#define MIXED	"{match: {namespace: shop, claim.x-tenant-id: \"*\"}, set: {tenant: mixed}}"
#define DEFAULT "{set: {tenant: default}}"
#define NOT	"{match: {unit: other.service}, set: {tenant: not}}"
#define UNKNOWN "{match: {unit: billing.service}, set: {tenant: \"${label.none}\"}}"

static const struct precedence_case {
	const char *rules[5];
	const char *tenant;
	enum lt_identity_source source;
	unsigned confidence;
	unsigned conflict;
} precedence_cases[] = {
	{{KERNEL, POD_}, "kernel", LT_IDENTITY_ADMIN_MAP, 90, 0},
	{{POD_, KERNEL}, "kernel", LT_IDENTITY_ADMIN_MAP, 90, 0},
	{{POD_, VALUE}, "billing.service", LT_IDENTITY_ADMIN_MAP, 90, 0},
	{{LABEL, POD_}, "acme", LT_IDENTITY_ORCHESTRATOR, 80, 0},
	{{POD_, LABEL}, "pod", LT_IDENTITY_ORCHESTRATOR, 80, 0},
	{{ENV, POD_}, "pod", LT_IDENTITY_ORCHESTRATOR, 80, LT_CONFLICT_TENANT},
	{{POD_, ENV}, "pod", LT_IDENTITY_ORCHESTRATOR, 80, LT_CONFLICT_TENANT},
	{{ENVVAL, RES}, "search", LT_IDENTITY_PROCESS_CONTEXT, 70, 0},
	{{RES, ENVVAL}, "resource", LT_IDENTITY_PROCESS_CONTEXT, 70, 0},
	{{CMD, CLAIM}, "command", LT_IDENTITY_PROCESS_CONTEXT, 70, LT_CONFLICT_TENANT},
	{{CLAIM, CMD}, "command", LT_IDENTITY_PROCESS_CONTEXT, 70, LT_CONFLICT_TENANT},
	{{CLAIM}, "globex", LT_IDENTITY_CLIENT_CLAIM, 30, 0},
	{{CLAIM, DEFAULT}, "globex", LT_IDENTITY_CLIENT_CLAIM, 30, 0},
	{{DEFAULT, CLAIM}, "globex", LT_IDENTITY_CLIENT_CLAIM, 30, 0},
	{{DEFAULT}, "default", LT_IDENTITY_ADMIN_MAP, 50, 0},
	{{DEFAULT, NOT}, "default", LT_IDENTITY_ADMIN_MAP, 50, 0},
	{{MIXED, ENV}, "env", LT_IDENTITY_PROCESS_CONTEXT, 70, LT_CONFLICT_TENANT},
	{{MIXED, LABEL}, "acme", LT_IDENTITY_ORCHESTRATOR, 80, LT_CONFLICT_TENANT},
	{{NOT, CLAIM, POD_, KERNEL, DEFAULT},
	 "kernel",
	 LT_IDENTITY_ADMIN_MAP,
	 90,
	 LT_CONFLICT_TENANT},
	{{UNKNOWN, ENV}, "env", LT_IDENTITY_PROCESS_CONTEXT, 70, 0},
	{{NOT}, "", LT_IDENTITY_NONE, 0, 0},
	/* A claim that says the same is no conflict. */
	{{LABEL, "{match: {env.TEAM: search}, set: {tenant: acme}}"},
	 "acme",
	 LT_IDENTITY_ORCHESTRATOR,
	 80,
	 0},
	/* Of the stronger claims the first is heard: the second would have lost to it. */
	{{POD_, "{match: {env.TEAM: search}, set: {tenant: pod}}", ENV},
	 "pod",
	 LT_IDENTITY_ORCHESTRATOR,
	 80,
	 0},
	{{POD_, "{match: {env.TEAM: search}, set: {tenant: pod}}", CLAIM},
	 "pod",
	 LT_IDENTITY_ORCHESTRATOR,
	 80,
	 LT_CONFLICT_TENANT},
	/* What is no claim is no conflict, however weak. */
	{{KERNEL, LABEL}, "kernel", LT_IDENTITY_ADMIN_MAP, 90, 0},
};

static void the_strongest_class_decides_whatever_the_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < LT_COUNT(precedence_cases); i++) {
		const struct precedence_case *c = &precedence_cases[i];
		char text[1024] = "env: [TEAM]\nheaders: [x-tenant-id]\nrules:\n";
		struct lt_identity id;

		for (size_t k = 0; k < LT_COUNT(c->rules) && c->rules[k]; k++) {
			strcat(text, "- ");
			strcat(text, c->rules[k]);
			strcat(text, "\n");
		}
		id = apply(text);
		if (strcmp(id.tenant, c->tenant) != 0 || id.source != c->source ||
		    id.confidence != c->confidence || id.claim_conflict != c->conflict)
			fail_msg("%sgives %s, source %d, confidence %u, conflict %u", text,
				 id.tenant, id.source, id.confidence, id.claim_conflict);
	}
}

static void the_weakest_class_counts_for_the_whole(void **state)
{
	struct lt_identity id = apply(
		"env: [TEAM]\nrules:\n"
		"- {match: {namespace: shop}, set: {tenant: pod}}\n"
		"- {set: {team: \"${env.TEAM}\", tags: {a: \"${env.TEAM}\"}}}\n");

	(void)state;
	assert_string_equal(id.tenant, "pod");
	assert_string_equal(id.team, "search");
	assert_int_equal(id.source, LT_IDENTITY_PROCESS_CONTEXT);
	assert_int_equal(id.confidence, 70);
	/* Tags are remarks: they make nobody's identity weaker. */
	id = apply("env: [TEAM]\nrules:\n- {match: {namespace: shop}, set: {tenant: pod}}\n"
		   "- {set: {tags: {a: \"${env.TEAM}\"}}}\n");
	assert_string_equal(id.tags, "{\"a\":\"search\"}");
	assert_int_equal(id.source, LT_IDENTITY_ORCHESTRATOR);
}

static void conflicts_are_told_by_dimension(void **state)
{
	static const char text[] =
		"env: [TEAM]\nheaders: [x-tenant-id]\nrules:\n"
		"- {match: {namespace: shop}, set: {tenant: t, use_case: u, agent_role: r, team: "
		"m}}\n"
		"- {match: {env.TEAM: search}, set: {tenant: t, use_case: U, team: M}}\n"
		"- {match: {claim.x-tenant-id: globex}, set: {agent_role: R, environment: E}}\n";
	struct lt_identity id = apply(text);

	(void)state;
	assert_int_equal(id.claim_conflict, LT_CONFLICT_USE_CASE | LT_CONFLICT_ROLE);
	assert_string_equal(id.team, "m");
	assert_string_equal(id.environment, "E");
	assert_int_equal(id.source, LT_IDENTITY_CLIENT_CLAIM);
}

/* What only the request says of its organisation is the client's word. */
static void a_claimed_organization_is_a_claim(void **state)
{
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = rules_of(
		"rules:\n- {match: {organization: org-1}, set: {tenant: o}}\n"
		"- {match: {project: proj_1}, set: {team: p}}\n"
		"- {match: {namespace: shop}, set: {tenant: pod}}\n");
	struct lt_facts facts = some_facts(rules);
	struct lt_identity id = {0};

	(void)state;
	lt_rules_apply(rules, &facts, &id);
	assert_string_equal(id.tenant, "o");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
	facts.organization_claimed = true;
	lt_rules_apply(rules, &facts, &id);
	assert_string_equal(id.tenant, "pod");
	assert_int_equal(id.claim_conflict, LT_CONFLICT_TENANT);
	facts.project_claimed = true;
	lt_rules_apply(rules, &facts, &id);
	assert_string_equal(id.team, "p");
	assert_int_equal(id.source, LT_IDENTITY_CLIENT_CLAIM);
}

static void tags_are_free_and_bounded(void **state)
{
	struct lt_identity id = apply(
		"env: [TEAM]\nrules:\n- {match: {comm: python3}, set: {tags: {a: one, b: "
		"\"${pod}\"}}}\n"
		"- {set: {tags: {a: \"${env.TEAM}\", c: three, d: \"${label.none}\"}}}\n");
	char text[8192] = "rules:\n";

	(void)state;
	assert_string_equal(id.tags, "{\"a\":\"one\",\"b\":\"web-0\",\"c\":\"three\"}");
	assert_string_equal(id.tenant, "");
	for (int i = 0; i < 20; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "- {set: {tags: {k%d: v}}}\n", i);
	id = apply(text);
	assert_non_null(strstr(id.tags, "\"k15\""));
	assert_null(strstr(id.tags, "\"k16\""));
	/* What does not fit is left out whole. */
	snprintf(text, sizeof(text), "rules:\n");
	for (int i = 0; i < 16; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "- {set: {tags: {%c%060d: \"%060d\"}}}\n", 'a' + i, i, i);
	id = apply(text);
	assert_true(strlen(id.tags) < sizeof(id.tags));
	assert_int_equal(id.tags[strlen(id.tags) - 1], '}');
	assert_string_equal(apply("").tags, "");
}

static void what_does_not_hold_is_explained(void **state)
{
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = rules_of(
		"env: [TEAM]\nrules:\n- {match: {comm: python3, namespace: [a, b]}, set: {team: "
		"x}}\n"
		"- match: {comm: python3}\n  set: {team: y, tags: {k: v}}\n"
		"- {match: {label.none: z}, set: {team: x}}\n"
		"- {match: {uid: 7}, set: {team: x}}\n- {match: {parent: z}, set: {team: x}}\n"
		"- {match: {command: z}, set: {team: x}}\n");
	struct lt_facts facts = some_facts(rules);
	struct lt_rules_verdict v;
	struct lt_rule_view view;

	(void)state;
	assert_int_equal(lt_rules_count(rules), 6);
	lt_rules_view(rules, 0, &facts, &view);
	assert_false(view.matched);
	assert_int_equal(view.line, 3);
	assert_int_equal(view.column, 3);
	assert_string_equal(view.failed, "namespace");
	assert_string_equal(view.wanted, "a");
	assert_int_equal(view.patterns, 2);
	assert_string_equal(view.seen, "shop");
	lt_rules_view(rules, 1, &facts, &view);
	assert_true(view.matched);
	lt_rules_view(rules, 2, &facts, &view);
	assert_string_equal(view.failed, "label.none");
	assert_string_equal(view.seen, "");
	lt_rules_view(rules, 3, &facts, &view);
	assert_string_equal(view.seen, "1001");
	lt_rules_view(rules, 4, &facts, &view);
	assert_string_equal(view.seen, "bash<airflow-worker<systemd");
	lt_rules_view(rules, 5, &facts, &view);
	assert_string_equal(view.failed, "command");
	assert_string_equal(view.seen, "");
	lt_rules_decide(rules, &facts, &v);
	assert_string_equal(lt_rules_target(rules, 1), "team");
	assert_true(v.of[1].made);
	assert_int_equal(v.of[1].rule, 1);
	assert_string_equal(lt_rules_target(rules, LT_DIMENSIONS), "tags.k");
	assert_string_equal(v.of[LT_DIMENSIONS].value, "v");
	assert_null(lt_rules_target(rules, LT_DIMENSIONS + 1));
}

static void values_are_filled_in(void **state)
{
	struct lt_identity id = apply(
		"env: [TEAM, UNSET]\nrules:\n"
		"- {match: {comm: python3}, set: {tenant: \"t-${env.UNSET}\", team: "
		"\"x-${env.TEAM}-y\"}}\n"
		"- {match: {comm: python3}, set: {tenant: \"${unit}\", use_case: "
		"\"${comm}/${namespace}\"}}\n"
		"- {match: {comm: python3}, set: {environment: \"${pod_uid}\", cost_center: "
		"\"a$b{c}\"}}\n"
		"- {set: {agent_role: \"${user}-${uid}-${parent}-${label.tenant}\"}}\n");

	(void)state;
	/* What holds an unknown part is not set: the next rule may. */
	assert_string_equal(id.tenant, "billing.service");
	assert_string_equal(id.team, "x-search-y");
	assert_string_equal(id.use_case, "python3/shop");
	assert_string_equal(id.environment, POD);
	assert_string_equal(id.cost_center, "a$b{c}");
	assert_string_equal(id.agent_role, "alice-1001-bash-acme");
}

static int find_for_test(void *arg, struct lt_bytes name, unsigned *ret, const char **ret_wrong)
{
	(void)arg;
	(void)ret_wrong;
	*ret = lt_bytes_is(name, "env.TEAM") ? LT_FACT_NAMED : LT_FACT_CONTAINER_ID;
	return 0;
}

static void expand(const char *text, const char *env, const char *want)
{
	static const struct lt_fact_finder finder = {.find = find_for_test};
	lt_defer(lt_rule_value_freep)
	struct lt_rule_value *v = NULL;
	struct lt_facts facts = {.named = {env}, .text = {[LT_FACT_CONTAINER_ID] = ID}};
	const char *wrong = NULL;
	char to[LT_DIMENSION_SIZE] = "before";

	assert_int_equal(lt_rule_value_new(text, &finder, &v, &wrong), 0);
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

static void bad_at(const char *text, unsigned line, unsigned column, const char *what)
{
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	struct lt_problem problem = {0};
	struct lt_rules *rules = NULL;

	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, &problem), 0);
	assert_int_equal(lt_rules_new(yaml, lt_yaml_root(yaml), &rules, &problem), -EINVAL);
	assert_null(rules);
	if (problem.line != line || (column && problem.column != column) || !problem.column ||
	    !strstr(problem.text, what))
		fail_msg("\"%s\": want %u:%u and \"%s\", got %u:%u: %s", text, line, column, what,
			 problem.line, problem.column, problem.text);
}

static void bad(const char *text, unsigned line, const char *what)
{
	bad_at(text, line, 0, what);
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
	bad("rules:\n- {set: {team: \"${colour}\"}}\n", 2, "no fact has this name");
	bad("rules:\n- {set: {team: \"${command}\"}}\n", 2, "never stored");
	bad("rules:\n- {match: {colour: a}, set: {team: a}}\n", 2, "unknown key 'colour'");
	bad("rules:\n- {match: {label.: a}, set: {team: a}}\n", 2, "after the '.'");
	bad("rules:\n- {match: {\"label.a b\": a}, set: {team: a}}\n", 2, "after the '.'");
	bad("rules:\n- {match: {claim.x-a: a}, set: {team: a}}\n", 2, "attribution.headers");
	bad("rules:\n- {match: {resource.api_key: a}, set: {team: a}}\n", 2, "secret");
	bad("rules:\n- {set: {tags: a}}\n", 2, "a map of at most 16");
	bad("rules:\n- {set: {tags: {a: [b]}}}\n", 2, "a takes a text");
	bad("rules:\n- {set: {tags: {\"a b\": c}}}\n", 2, "a tag's name");
	bad_at("rules:\n- {match: {colour: a}, set: {team: a}}\n", 2, 12, "unknown key");
	bad_at("rules:\n- {match: {comm: a}, set: {team: \"${colour}\"}}\n", 2, 34, "no fact");
	bad_at("rules:\n- match: {env.TEAM: a}\n  set: {team: a}\n", 2, 11, "attribution.env");
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

static void wrong_headers_are_refused(void **state)
{
	(void)state;
	bad("headers: x-a\n", 1, "a list of names");
	bad("headers: [\"x a\"]\n", 1, "names of request headers");
	bad("headers: [a, b, c, d, e]\n", 1, "at most 4");
	bad("headers: [x-a, X-A]\n", 1, "named twice");
	bad("headers: [Authorization]\n", 1, "secret");
	bad("headers: [proxy-authorization]\n", 1, "secret");
	bad("headers: [x-api-key]\n", 1, "secret");
	bad("headers: [cookie]\n", 1, "secret");
	bad("headers: [x-amz-security-token]\n", 1, "secret");
}

static void every_failed_allocation_is_survived(void **state)
{
	static const char text[] = "env: [T]\nheaders: [x-a]\nrules: [{match: {comm: [a, b], uid: "
				   "1, env.T: c, command: q}, "
				   "set: {team: \"x${env.T}\", tenant: y, tags: {k: "
				   "\"${label.l}\"}}}, {set: {team: z}}]\n";
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	int r = -ENOMEM;

	(void)state;
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, NULL), 0);
	for (unsigned long n = 1; r == -ENOMEM && n < 200; n++) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fact_can_be_matched),
		cmocka_unit_test(command_lines_are_matched_and_not_kept),
		cmocka_unit_test(what_is_otherwise_does_not_match),
		cmocka_unit_test(lists_are_any_of_and_conditions_all_of),
		cmocka_unit_test(what_is_not_known_matches_nothing),
		cmocka_unit_test(within_a_class_the_first_rule_wins),
		cmocka_unit_test(the_strongest_class_decides_whatever_the_order),
		cmocka_unit_test(the_weakest_class_counts_for_the_whole),
		cmocka_unit_test(conflicts_are_told_by_dimension),
		cmocka_unit_test(a_claimed_organization_is_a_claim),
		cmocka_unit_test(tags_are_free_and_bounded),
		cmocka_unit_test(what_does_not_hold_is_explained),
		cmocka_unit_test(values_are_filled_in),
		cmocka_unit_test(what_a_process_chose_is_bounded_and_printable),
		cmocka_unit_test(wrong_rules_are_refused_with_their_line),
		cmocka_unit_test(wrong_variables_are_refused),
		cmocka_unit_test(wrong_headers_are_refused),
		cmocka_unit_test(every_failed_allocation_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
