/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which programs are agents: the built-in list (agents.yaml) and the config's own. Immutable once
 * made: any thread.
 *
 *   agents:
 *     - {name: our-agent, exe: ["*our-agent"], comm: [ouragent], npm: ["@ours/agent"],
 *        python: [our_agent], script: [our-agent], user_agent: ["our-agent?*"]}
 */
#pragma once

#include "userspace/base/yaml.h"

enum { LT_AGENT_NAME_MAX = 63, LT_NO_AGENT = -1 };

struct lt_agents;

/*
 * @config, @own: the document and its node "agents", or NULL; both must outlive the list. -EINVAL
 * with @problem: line and what is expected; -ENOMEM.
 */
LT_MUST_CHECK int lt_agents_new(const struct lt_yaml *config, const struct lt_yaml_node *own,
				struct lt_agents **ret, struct lt_problem *problem);
struct lt_agents *lt_agents_free(struct lt_agents *agents);
LT_DEFINE_FREEP(lt_agents_free, struct lt_agents)

size_t lt_agents_count(const struct lt_agents *agents);
/* @agent: a number that lt_agents_match gave. */
const char *lt_agents_name(const struct lt_agents *agents, int agent);

/* What is known of a program; empty where it is not. */
struct lt_program {
	struct lt_bytes exe;  /* resolved path of the executable */
	struct lt_bytes file; /* path that was given to execve */
	struct lt_bytes comm;
	struct lt_bytes cmdline; /* words, each ended by a NUL */
	bool cmdline_whole;	 /* its last word is not cut */
};

/* The number of the agent that it is, or LT_NO_AGENT. */
int lt_agents_match(const struct lt_agents *agents, const struct lt_program *program);
/* By the product of a User-Agent alone, which anybody may say. */
int lt_agents_match_user_agent(const struct lt_agents *agents, struct lt_bytes product);
