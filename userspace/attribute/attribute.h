/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call -> identity: the process table says who it was, orchestrators say where it ran, ordered
 * rules from the config say whose it is. The kernel's word beats the application's. Thread: drain,
 * but for what says otherwise.
 *
 * Rules (config key "attribution"); docs/attribution.md lists the facts and says which rule
 * decides:
 *
 *   attribution:
 *     env: [TEAM]                # variables that rules may read
 *     headers: [x-tenant-id]     # request headers that rules may read
 *     rules:
 *       - match: {namespace: "shop-*", label.app: web, unit: "billing.service", uid: 1000-1999}
 *         set: {tenant: acme, team: "${env.TEAM}", tags: {product: chat}}
 */
#pragma once

#include "userspace/attribute/identity.h"
#include "userspace/attribute/rules.h"
#include "userspace/base/yaml.h"
#include "userspace/decode/call.h"
#include "userspace/workload/workload.h"

struct lt_attributor;

struct lt_attributor_opts {
	struct lt_process_table *processes; /* outlives the attributor, as the next one */
	struct lt_workloads *workloads;	    /* NULL: no orchestrator tells anything */
	bool has_runtime, has_kubernetes;   /* which sources fill it */
	const char *cluster;		    /* name of this cluster, NULL: none; copied */
	const char *proc;		    /* NULL: "/proc"; "": there is none */
	const char *passwd;		    /* NULL: "/etc/passwd" */
};

/* @section: the "attribution" node of the config, or NULL. -EINVAL with @problem, -ENOMEM. */
LT_MUST_CHECK int lt_attributor_new(const struct lt_attributor_opts *opts,
				    const struct lt_yaml *config,
				    const struct lt_yaml_node *section, struct lt_attributor **ret,
				    struct lt_problem *problem);
struct lt_attributor *lt_attributor_free(struct lt_attributor *a);
LT_DEFINE_FREEP(lt_attributor_free, struct lt_attributor)

/* Other rules from now on. -EINVAL with @problem, -ENOMEM: the old ones stay. */
LT_MUST_CHECK int lt_attributor_reload(struct lt_attributor *a, const struct lt_yaml *config,
				       const struct lt_yaml_node *section,
				       struct lt_problem *problem);

/* The environment variables that the section names, for lt_process_opts. Borrowed from @section's
 * document. */
LT_MUST_CHECK int lt_attribution_env_names(const struct lt_yaml *config,
					   const struct lt_yaml_node *section,
					   const char *ret[LT_ENV_NAMES_MAX], size_t *ret_count,
					   struct lt_problem *problem);
/* The rules as they are; borrowed until the next reload. */
const struct lt_rules *lt_attributor_rules(const struct lt_attributor *a);
/* Whether rules read the environment: the kernel side should send it then. */
bool lt_attributor_reads_environ(const struct lt_attributor *a);

/* A process (NULL: an unknown one) makes a call: what it says of itself is read while it surely
 * lives. */
void lt_attributor_look(struct lt_attributor *a, const struct lt_process *process);
/* The environment as the kernel side read it. */
void lt_attributor_environ(struct lt_attributor *a, const struct lt_event_environ *event);
/* Another program begins in that process. */
void lt_attributor_exec(struct lt_attributor *a, uint32_t tgid);

/*
 * Always fills *ret: with kernel facts of the call alone when the process is unknown. @agent: name
 * of the agent program that it belongs to, may be NULL.
 */
void lt_attribute_call(struct lt_attributor *a, const struct lt_call *call, const char *agent,
		       struct lt_identity *ret);

/*
 * What orchestrators say now of the place where it ran: of names that others could have chosen only
 * what those may say. NULL: nothing. Any thread; end with lt_workload_put.
 */
const struct lt_workload *lt_attribute_workload(const struct lt_attributor *a,
						const struct lt_identity *id);

/*
 * The rules anew for an identity that was read back from the ledger, with what the orchestrator
 * says now (@w may be NULL). True: something of it is different. Any thread.
 */
bool lt_attribute_again(struct lt_attributor *a, const struct lt_call *call,
			const struct lt_workload *w, struct lt_identity *id);
