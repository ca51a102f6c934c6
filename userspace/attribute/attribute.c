// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/attribute.h"

#include <errno.h>

#include "userspace/attribute/rules.h"
#include "userspace/base/alloc.h"

/*
 * How far a figure can be trusted: a rule over what the kernel saw cannot be talked into a wrong
 * answer by the process; its environment can be chosen by whoever starts it; without a rule only
 * the machine's side is known.
 */
enum {
	CONFIDENCE_ADMIN_MAP = 90,
	CONFIDENCE_ORCHESTRATOR = 80,
	CONFIDENCE_PROCESS_CONTEXT = 70,
	CONFIDENCE_CLIENT_CLAIM = 30,
	CONFIDENCE_KERNEL = 50,
};

static const char unattributed[] = "unattributed";

struct lt_attributor {
	struct lt_process_table *processes;
	struct lt_rules *rules;
};

const char *lt_identity_source_name(enum lt_identity_source s)
{
	switch (s) {
	case LT_IDENTITY_NONE:
		return "none";
	case LT_IDENTITY_KERNEL:
		return "kernel";
	case LT_IDENTITY_ADMIN_MAP:
		return "admin_map";
	case LT_IDENTITY_ORCHESTRATOR:
		return "orchestrator";
	case LT_IDENTITY_PROCESS_CONTEXT:
		return "process_context";
	case LT_IDENTITY_CLIENT_CLAIM:
		return "client_claim";
	}
	return "none";
}

int lt_attribution_env_names(const struct lt_yaml *config, const struct lt_yaml_node *section,
			     const char *ret[LT_ENV_NAMES_MAX], size_t *ret_count,
			     struct lt_problem *problem)
{
	return lt_rules_env_names(config, section, ret, ret_count, problem);
}

int lt_attributor_new(const struct lt_yaml *config, const struct lt_yaml_node *section,
		      struct lt_process_table *processes, struct lt_attributor **ret,
		      struct lt_problem *problem)
{
	lt_defer(lt_attributor_freep)
	struct lt_attributor *a = lt_calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->processes = processes;
	r = lt_rules_new(config, section, &a->rules, problem);
	if (r < 0)
		return r;
	*ret = lt_take(a);
	return 0;
}

struct lt_attributor *lt_attributor_free(struct lt_attributor *a)
{
	if (!a)
		return NULL;
	lt_rules_free(a->rules);
	lt_free(a);
	return NULL;
}

/* "sh<cron<systemd": a '<' or a control character of a name must not look like a link of the chain.
 */
static void join_parents(const struct lt_process *const *parents, size_t count,
			 char ret[LT_PARENT_CHAIN])
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const char *comm = parents[i]->comm;

		if (n + strlen(comm) + 2 > LT_PARENT_CHAIN)
			break;
		if (i > 0)
			ret[n++] = '<';
		for (; *comm; comm++)
			ret[n++] = *comm == '<' || (unsigned char)*comm < ' ' || *comm == 0x7f
					   ? '_'
					   : *comm;
	}
	ret[n] = '\0';
}

static void kernel_facts(const struct lt_call *call, const struct lt_process *p,
			 struct lt_identity *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->pid = call->conn.tgid;
	ret->process_start_ns = call->process_start_ns;
	ret->uid = call->uid;
	if (!p)
		return;
	ret->parent_pid = p->parent_tgid;
	if (!ret->process_start_ns)
		ret->process_start_ns = p->start_ns;
	memcpy(ret->comm, p->comm, sizeof(ret->comm));
	lt_bytes_copy(ret->exe, sizeof(ret->exe), lt_bytes_str(p->exe));
	lt_bytes_copy(ret->cgroup, sizeof(ret->cgroup), lt_bytes_str(p->cgroup));
	ret->container = *p->container;
}

static void rule_facts(const struct lt_call *call, const struct lt_process *p,
		       const struct lt_identity *id, struct lt_rule_facts *ret)
{
	*ret = (struct lt_rule_facts){
		.comm = id->comm,
		.exe = id->exe,
		.cgroup = id->cgroup,
		.container_id = id->container.id,
		.runtime = id->container.runtime,
		.pod_uid = id->container.pod_uid,
		.qos = id->container.qos,
		.unit = id->container.unit,
		.host = call->host,
		.provider = call->provider,
		.uid = id->uid,
		/* Pid 0 makes no calls: a recording without process facts. */
		.uid_known = id->pid != 0,
	};
	for (size_t i = 0; p && i < LT_ENV_NAMES_MAX; i++)
		ret->env[i] = lt_process_env(p, i);
}

static void grade(struct lt_identity *id, enum lt_identity_source by_rule, bool process_known)
{
	id->source = by_rule;
	if (by_rule == LT_IDENTITY_NONE && process_known)
		id->source = LT_IDENTITY_KERNEL;
	switch (id->source) {
	case LT_IDENTITY_NONE:
		id->confidence = 0;
		break;
	case LT_IDENTITY_KERNEL:
		id->confidence = CONFIDENCE_KERNEL;
		break;
	case LT_IDENTITY_ADMIN_MAP:
		id->confidence = CONFIDENCE_ADMIN_MAP;
		break;
	case LT_IDENTITY_ORCHESTRATOR:
		id->confidence = CONFIDENCE_ORCHESTRATOR;
		break;
	case LT_IDENTITY_PROCESS_CONTEXT:
		id->confidence = CONFIDENCE_PROCESS_CONTEXT;
		break;
	case LT_IDENTITY_CLIENT_CLAIM:
		id->confidence = CONFIDENCE_CLIENT_CLAIM;
		break;
	}
}

void lt_attribute_call(struct lt_attributor *a, const struct lt_call *call, struct lt_identity *ret)
{
	const struct lt_process *p = lt_process_find_at(a->processes, call->conn.tgid,
							call->process_start_ns, call->cgroup_id,
							call->first_byte_ns);
	const struct lt_process *parents[LT_PARENTS_MAX];
	const char *names[LT_PARENTS_MAX];
	struct lt_rule_facts facts;
	size_t count;

	kernel_facts(call, p, ret);
	rule_facts(call, p, ret, &facts);
	count = p ? lt_process_parents(a->processes, p, parents) : 0;
	for (size_t i = 0; i < count; i++)
		names[i] = parents[i]->comm;
	join_parents(parents, count, ret->parents);
	facts.parents = names;
	facts.parent_count = count;
	grade(ret, lt_rules_apply(a->rules, &facts, ret), p != NULL);
	if (!ret->tenant[0])
		memcpy(ret->tenant, unattributed, sizeof(unattributed));
}
