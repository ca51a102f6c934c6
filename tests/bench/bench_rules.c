// SPDX-License-Identifier: Apache-2.0
/*
 * What attribution costs a call: a hundred rules over facts of every class, of which the last ones
 * match, with their tags and the kept facts as JSON; and the same for a record that was read back.
 * Prints "name value" lines.
 */
#include <stdlib.h>

#include "userspace/attribute/record_facts.h"
#include "userspace/base/clock.h"

enum { RULES = 100, TIMES = 20000, TIMES_BACK = 2000 };

static struct lt_rules *make_rules(void)
{
	static const char *const conditions[] = {
		"namespace: shop-%d-*",	 "label.app.kubernetes.io/name: web-%d",
		"unit: \"s%d.service\"", "env.TEAM: team%d",
		"image: \"*/app-%d:*\"", "exe: \"/opt/app%d/*\""};
	static char text[RULES * 256];
	size_t n = (size_t)snprintf(text, sizeof(text), "env: [TEAM]\nrules:\n");
	struct lt_yaml *yaml = NULL;
	struct lt_rules *rules = NULL;

	for (int i = 0; i < RULES; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "- match: {");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      conditions[(size_t)i % LT_COUNT(conditions)], i);
#pragma GCC diagnostic pop
		n += (size_t)snprintf(
			text + n, sizeof(text) - n,
			"}\n  set: {tenant: t%d, team: \"${env.TEAM}\", tags: {k: v}}\n", i);
	}
	if (lt_yaml_parse(lt_bytes(text, n), "bench", &yaml, NULL) < 0 ||
	    lt_rules_new(yaml, lt_yaml_root(yaml), &rules, NULL) < 0)
		exit(1);
	lt_yaml_free(yaml);
	return rules;
}

int main(void)
{
	static const struct lt_call call = {
		.conn.tgid = 1, .host = "api.openai.com", .provider = "openai"};
	static const struct lt_pair labels[] = {{"app.kubernetes.io/name", "web-97"},
						{"team", "x"}};
	const struct lt_workload w = {.namespace = "shop-96-a", .labels = {labels, 2}};
	struct lt_rules *rules = make_rules();
	struct lt_fact_scratch scratch;
	struct lt_facts facts;
	struct lt_identity id = {.pid = 1,
				 .comm = "python3",
				 .exe = "/usr/bin/python3.11",
				 .image = "registry.example/team/app:1.2.3",
				 .parents = "sh<cron<systemd"};
	const struct lt_fact_name *name;
	uint64_t start;

	lt_identity_workload(&id, &w);
	start = lt_clock_boot_ns();
	for (int i = 0; i < TIMES; i++) {
		lt_facts_of_columns(&id, &call, &scratch, &facts);
		lt_facts_of_workload(rules, &w, &facts);
		for (size_t k = 0; (name = lt_rules_name(rules, k)) != NULL; k++) {
			if (name->family == LT_FAMILY_ENV)
				facts.named[k] = "search";
		}
		lt_rules_apply(rules, &facts, &id);
		lt_facts_write(rules, &facts, id.facts);
	}
	printf("rules_ns %.0f\n", (double)(lt_clock_boot_ns() - start) / TIMES);
	start = lt_clock_boot_ns();
	for (int i = 0; i < TIMES_BACK; i++) {
		if (lt_facts_of_record(rules, &id, &call, &w, &scratch, &facts) < 0)
			return 1;
		lt_rules_apply(rules, &facts, &id);
	}
	printf("rules_again_ns %.0f\n", (double)(lt_clock_boot_ns() - start) / TIMES_BACK);
	lt_rules_free(rules);
	return strcmp(id.tenant, "t96") == 0 && strcmp(id.team, "search") == 0 ? 0 : 1;
}
