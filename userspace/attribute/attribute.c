// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/attribute.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "userspace/attribute/claims.h"
#include "userspace/attribute/record_facts.h"
#include "userspace/attribute/users.h"
#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"

/* Without a rule only the machine's side is known. */
enum { CONFIDENCE_KERNEL = 50 };

static const char unattributed[] = "unattributed";

struct lt_attributor {
	struct lt_attributor_opts opts;
	char cluster[LT_DIMENSION_SIZE];
	struct lt_claims *claims;
	struct lt_users *users;
	pthread_mutex_t lock; /* of the pointer, not of what it points to */
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

int lt_attributor_new(const struct lt_attributor_opts *opts, const struct lt_yaml *config,
		      const struct lt_yaml_node *section, struct lt_attributor **ret,
		      struct lt_problem *problem)
{
	const struct lt_claims_opts claims = {.proc = opts->proc};
	lt_defer(lt_attributor_freep)
	struct lt_attributor *a = lt_calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->opts = *opts;
	pthread_mutex_init(&a->lock, NULL);
	if (opts->cluster)
		lt_bytes_copy(a->cluster, sizeof(a->cluster), lt_bytes_str(opts->cluster));
	r = lt_rules_new(config, section, &a->rules, problem);
	if (r == 0)
		r = lt_claims_new(&claims, &a->claims);
	if (r == 0)
		r = lt_users_new(opts->passwd, &a->users);
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
	lt_claims_free(a->claims);
	lt_users_free(a->users);
	pthread_mutex_destroy(&a->lock);
	lt_free(a);
	return NULL;
}

int lt_attributor_reload(struct lt_attributor *a, const struct lt_yaml *config,
			 const struct lt_yaml_node *section, struct lt_problem *problem)
{
	struct lt_rules *rules, *old;
	int r = lt_rules_new(config, section, &rules, problem);

	if (r < 0)
		return r;
	pthread_mutex_lock(&a->lock);
	old = a->rules;
	a->rules = rules;
	pthread_mutex_unlock(&a->lock);
	lt_rules_free(old);
	return 0;
}

/* To be given back with lt_rules_free. */
static struct lt_rules *hold_rules(struct lt_attributor *a)
{
	struct lt_rules *rules;

	pthread_mutex_lock(&a->lock);
	rules = lt_rules_ref(a->rules);
	pthread_mutex_unlock(&a->lock);
	return rules;
}

const struct lt_rules *lt_attributor_rules(const struct lt_attributor *a)
{
	return a->rules;
}

bool lt_attributor_reads_environ(const struct lt_attributor *a)
{
	const char *names[LT_ENV_NAMES_MAX];

	return lt_rules_env(a->rules, names) > 0;
}

void lt_attributor_look(struct lt_attributor *a, const struct lt_process *p)
{
	if (p)
		lt_ignore(lt_claims_look(a->claims, a->rules, p, lt_clock_boot_ns()) != NULL);
}

void lt_attributor_environ(struct lt_attributor *a, const struct lt_event_environ *event)
{
	const struct lt_event_conn *c = &event->conn;
	const struct lt_process *p;

	lt_process_environ(a->opts.processes, event);
	p = lt_process_find_at(a->opts.processes, c->head.tgid, c->process_start_ns, c->cgroup_id,
			       c->head.ts_ns);
	if (p && event->len <= sizeof(event->text))
		lt_claims_environ(a->claims, a->rules, p, lt_bytes(event->text, event->len));
}

void lt_attributor_exec(struct lt_attributor *a, uint32_t tgid)
{
	lt_claims_forget(a->claims, tgid);
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
	/* A service is its unit, unless an orchestrator knows better. */
	if (!p->container->id[0] && !p->container->pod_uid[0])
		snprintf(ret->workload, sizeof(ret->workload), "%s", p->container->unit);
}

/*
 * What the host's runtimes say of an id holds where they named it. What a user's own runtime says
 * is that user's choice: it holds where the kernel saw that user, not for whoever else has the id.
 */
static bool may_speak(const struct lt_workload *w, const struct lt_identity *id)
{
	char slice[64];

	if (w->user == 0)
		return !id->container.id_is_claim;
	if (w->user == id->uid)
		return true;
	snprintf(slice, sizeof(slice), "/user.slice/user-%u.slice/", w->user);
	return strncmp(id->cgroup, slice, strlen(slice)) == 0;
}

const struct lt_workload *lt_attribute_workload(const struct lt_attributor *a,
						const struct lt_identity *id)
{
	const struct lt_container *c = &id->container;
	const char *pod = c->pod_is_claim ? "" : c->pod_uid;
	const struct lt_workload *w = NULL;

	if (!a->opts.workloads)
		return NULL;
	if (c->id[0])
		w = lt_workloads_find(a->opts.workloads, c->id, pod);
	if (w && !may_speak(w, id)) {
		lt_workload_put(w);
		w = NULL;
	}
	/* A container in a container of a pod: its pod is known all the same. */
	return !w && pod[0] ? lt_workloads_find(a->opts.workloads, "", pod) : w;
}

/* A source may say more later: it has not yet, and it is one that could. */
static bool is_pending(const struct lt_attributor *a, const struct lt_identity *id,
		       const struct lt_workload *w)
{
	const struct lt_container *c = &id->container;

	if (!a->opts.workloads)
		return false;
	if (w)
		return !w->whole;
	return (c->id[0] && !c->id_is_claim && a->opts.has_runtime) ||
	       (c->pod_uid[0] && !c->pod_is_claim && a->opts.has_kubernetes);
}

/* What the process and the request say of themselves. */
static void add_claims(const struct lt_rules *rules, const struct lt_call *call,
		       const struct lt_process *p, const struct lt_process_claims *claims,
		       struct lt_facts *facts)
{
	const struct lt_fact_name *name;

	facts->commands = claims ? claims->commands : 0;
	for (size_t i = 0; (name = lt_rules_name(rules, i)) != NULL; i++) {
		if (name->family == LT_FAMILY_ENV && p)
			facts->named[i] = lt_process_env(p, name->slot);
		else if (name->family == LT_FAMILY_RESOURCE && claims)
			facts->named[i] = claims->resource[name->slot];
		else if (name->family == LT_FAMILY_CLAIM &&
			 call->claim_names == lt_rules_stamp(rules))
			facts->named[i] = call->claim[name->slot];
	}
}

static void decide(const struct lt_rules *rules, const struct lt_facts *facts, bool process_known,
		   struct lt_identity *id)
{
	lt_rules_apply(rules, facts, id);
	if (id->source == LT_IDENTITY_NONE && process_known) {
		id->source = LT_IDENTITY_KERNEL;
		id->confidence = CONFIDENCE_KERNEL;
	}
	if (!id->tenant[0])
		memcpy(id->tenant, unattributed, sizeof(unattributed));
	lt_facts_write(rules, facts, id->facts);
}

void lt_attribute_call(struct lt_attributor *a, const struct lt_call *call, const char *agent,
		       struct lt_identity *ret)
{
	const struct lt_process *p = lt_process_find_at(a->opts.processes, call->conn.tgid,
							call->process_start_ns, call->cgroup_id,
							call->first_byte_ns);
	const struct lt_process *parents[LT_PARENTS_MAX];
	const struct lt_process_claims *claims = NULL;
	const struct lt_workload *w = NULL;
	struct lt_rules *rules = a->rules; /* this thread is the one that replaces them */
	struct lt_fact_scratch scratch;
	struct lt_facts facts;

	kernel_facts(call, p, ret);
	join_parents(parents, p ? lt_process_parents(a->opts.processes, p, parents) : 0,
		     ret->parents);
	memcpy(ret->cluster, a->cluster, sizeof(ret->cluster));
	if (agent)
		lt_bytes_copy(ret->agent_name, sizeof(ret->agent_name), lt_bytes_str(agent));
	w = lt_attribute_workload(a, ret);
	if (w)
		lt_identity_workload(ret, w);
	ret->pending = is_pending(a, ret, w);
	claims = p ? lt_claims_look(a->claims, rules, p, lt_clock_boot_ns()) : NULL;
	if (claims)
		memcpy(ret->service_name, claims->service_name, sizeof(ret->service_name));
	lt_facts_of_columns(ret, call, &scratch, &facts);
	if (lt_rules_read(rules, LT_FACT_USER) && facts.uid_known)
		facts.text[LT_FACT_USER] = lt_users_name(a->users, ret->uid, lt_clock_boot_ns());
	add_claims(rules, call, p, claims, &facts);
	lt_facts_of_workload(rules, w, &facts);
	decide(rules, &facts, p != NULL, ret);
	if (w)
		lt_workload_put(w);
}

/* Members that attribution again may change; numbers apart. */
static bool texts_differ(const struct lt_identity *a, const struct lt_identity *b)
{
	static const size_t offsets[] = {
#define X(member) offsetof(struct lt_identity, member),
		X(container_name) X(image) X(image_digest) X(namespace) X(pod) X(node) X(workload)
			X(tenant) X(team) X(use_case) X(agent_role) X(environment) X(cost_center)
				X(tags) X(facts) X(container.pod_uid)
#undef X
	};

	for (size_t i = 0; i < LT_COUNT(offsets); i++) {
		if (strcmp((const char *)a + offsets[i], (const char *)b + offsets[i]) != 0)
			return true;
	}
	return false;
}

bool lt_attribute_again(struct lt_attributor *a, const struct lt_call *call,
			const struct lt_workload *w, struct lt_identity *id)
{
	const struct lt_identity before = *id;
	struct lt_rules *rules = hold_rules(a);
	struct lt_fact_scratch scratch;
	struct lt_facts facts;

	if (w)
		lt_identity_workload(id, w);
	id->pending = is_pending(a, id, w);
	/* Where not all is known that the rules saw, their word of then is better. */
	if (lt_facts_of_record(rules, id, call, w, &scratch, &facts) == 0 &&
	    !scratch.store.incomplete)
		decide(rules, &facts, id->comm[0] || id->cgroup[0], id);
	lt_rules_free(rules);
	return texts_differ(&before, id) || before.source != id->source ||
	       before.confidence != id->confidence || before.pending != id->pending ||
	       before.claim_conflict != id->claim_conflict;
}
