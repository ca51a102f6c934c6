/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call -> identity: the process table says who it was, ordered rules from the config say whose it
 * is. The kernel's word beats the application's: rules match kernel facts, and environment
 * variables only where the config names them. Thread: drain.
 *
 * Rules (config key "attribution"), first match wins per dimension:
 *
 *   attribution:
 *     env: [LT_TENANT, TEAM]               # variables that rules may read
 *     rules:
 *       - match: {container_id: "3f*", comm: "python*", exe: "/opt/x", uid: 1001, cgroup:
 * "*kubepods*", unit: "billing.service", runtime: docker, pod_uid: "...", parent: "airflow*", host:
 * "api.openai.com", provider: openai, env.LT_TENANT: "*"} set: {tenant: acme, team: search,
 * use_case: "${env.TEAM}", environment: prod, cost_center: "42"}
 */
#pragma once

#include "userspace/attribute/identity.h"
#include "userspace/base/yaml.h"
#include "userspace/decode/call.h"

struct lt_attributor;

/* @section: the "attribution" node of the config, or NULL. @processes must outlive the attributor.
 */
LT_MUST_CHECK int lt_attributor_new(const struct lt_yaml *config,
				    const struct lt_yaml_node *section,
				    struct lt_process_table *processes, struct lt_attributor **ret,
				    struct lt_problem *problem);
struct lt_attributor *lt_attributor_free(struct lt_attributor *a);
LT_DEFINE_FREEP(lt_attributor_free, struct lt_attributor)

/* The environment variables that the section names, for lt_process_opts. Borrowed from @section's
 * document. */
LT_MUST_CHECK int lt_attribution_env_names(const struct lt_yaml *config,
					   const struct lt_yaml_node *section,
					   const char *ret[LT_ENV_NAMES_MAX], size_t *ret_count,
					   struct lt_problem *problem);

/* Always fills *ret: with kernel facts of the call alone when the process is unknown. */
void lt_attribute_call(struct lt_attributor *a, const struct lt_call *call,
		       struct lt_identity *ret);
