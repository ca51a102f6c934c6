// SPDX-License-Identifier: Apache-2.0
/* Any text as the config: refused with a reason, or read into bounds, with rules that can be
 * applied. */
#include <errno.h>
#include <stdlib.h>

#include "userspace/attribute/fact_json.h"
#include "userspace/control/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct lt_config *c)
{
	if (c->ring_bytes < 4096 || (c->ring_bytes & (c->ring_bytes - 1)) || !c->max_connections ||
	    !c->sweep_ns)
		abort();
	for (size_t i = 0; i < c->host_count; i++) {
		if (!c->hosts[i].host || !c->hosts[i].provider)
			abort();
	}
}

static void check_texts(const struct lt_identity *id)
{
	if (strnlen(id->tenant, sizeof(id->tenant)) == sizeof(id->tenant) ||
	    strnlen(id->team, sizeof(id->team)) == sizeof(id->team) ||
	    strnlen(id->tags, sizeof(id->tags)) == sizeof(id->tags) ||
	    strnlen(id->facts, sizeof(id->facts)) == sizeof(id->facts))
		abort();
}

/* What was written can be read back, and decides the same, unless it did not all fit. */
static void check_facts(const struct lt_rules *rules, const struct lt_facts *facts,
			struct lt_identity *id)
{
	static struct lt_fact_store store;
	struct lt_facts back = *facts;
	struct lt_identity again = {0};

	lt_facts_write(rules, facts, id->facts);
	memset(back.named, 0, sizeof(back.named));
	back.commands = 0;
	store.used = 0;
	store.incomplete = false;
	if (lt_facts_read(rules, id->facts, &store, &back) < 0)
		abort();
	if (store.incomplete)
		return;
	lt_rules_apply(rules, &back, &again);
	if (strcmp(again.tenant, id->tenant) != 0 || strcmp(again.tags, id->tags) != 0)
		abort();
}

static void apply(const struct lt_config *c)
{
	static const char *const parents[] = {"bash", "systemd"};
	static const char command[] = "python3\0-m\0server";
	struct lt_facts facts = {.text = {[LT_FACT_COMM] = "python3",
					  [LT_FACT_EXE] = "/usr/bin/python3",
					  [LT_FACT_CGROUP] = "/a.service",
					  [LT_FACT_UNIT] = "a.service",
					  [LT_FACT_HOST] = "api.openai.com",
					  [LT_FACT_PROVIDER] = "openai",
					  [LT_FACT_NAMESPACE] = "shop"},
				 .parents = parents,
				 .parent_count = 2,
				 .uid = 1001,
				 .uid_known = true};
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = NULL;
	struct lt_identity id = {0};
	struct lt_rule_view view;

	if (lt_rules_new(c->yaml, c->attribution, &rules, NULL) < 0)
		abort(); /* the config said that they are right */
	for (size_t i = 0; lt_rules_name(rules, i); i++)
		facts.named[i] =
			i % 2 ? "" : "a value with \x1b and so on, longer than a dimension may be";
	facts.commands = lt_rules_match_command(rules, lt_bytes(command, sizeof(command)));
	lt_rules_apply(rules, &facts, &id);
	for (size_t i = 0; i < lt_rules_count(rules); i++)
		lt_rules_view(rules, i, &facts, &view);
	check_facts(rules, &facts, &id);
	check_texts(&id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lt_problem problem = {0};
	struct lt_config *config = NULL;
	int r = lt_config_parse(lt_bytes(data, size), "fuzz", &config, &problem);

	if (r == -EINVAL && !problem.text[0])
		abort();
	if (r < 0)
		return 0;
	check_bounds(config);
	apply(config);
	lt_config_free(config);
	return 0;
}
