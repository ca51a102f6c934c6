// SPDX-License-Identifier: Apache-2.0
/* Any text as the config: refused with a reason, or read into bounds, with rules that can be
 * applied. */
#include <errno.h>
#include <stdlib.h>

#include "userspace/attribute/rules.h"
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

static void apply(const struct lt_config *c)
{
	static const char *const parents[] = {"bash", "systemd"};
	struct lt_rule_facts facts = {.comm = "python3",
				      .exe = "/usr/bin/python3",
				      .cgroup = "/a.service",
				      .unit = "a.service",
				      .host = "api.openai.com",
				      .provider = "openai",
				      .parents = parents,
				      .parent_count = 2,
				      .uid = 1001,
				      .uid_known = true};
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = NULL;
	struct lt_identity id = {0};

	for (size_t i = 0; i < LT_ENV_NAMES_MAX; i++)
		facts.env[i] =
			i % 2 ? "" : "a value with \x1b and so on, longer than a dimension may be";
	if (lt_rules_new(c->yaml, c->attribution, &rules, NULL) < 0)
		abort(); /* the config said that they are right */
	lt_ignore(lt_rules_apply(rules, &facts, &id));
	if (strnlen(id.tenant, sizeof(id.tenant)) == sizeof(id.tenant) ||
	    strnlen(id.team, sizeof(id.team)) == sizeof(id.team))
		abort();
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
