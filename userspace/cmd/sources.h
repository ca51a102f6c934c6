/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who tells the agent about workloads: the container runtimes and Kubernetes, as the config says,
 * into one table. Nothing waits for them: what they do not know yet is asked for, and records are
 * amended when the answer comes.
 */
#pragma once

#include "userspace/control/config.h"
#include "userspace/discover/container.h"
#include "userspace/workload/workload.h"

struct lt_sources;

/* -EINVAL with @problem for a wrong section of the config, -ENOMEM. A source that cannot be reached
 * is no error: it is logged, and tried again. */
LT_MUST_CHECK int lt_sources_start(const struct lt_config *config, struct lt_sources **ret,
				   struct lt_problem *problem);
/* Returns within a second, whatever the sources do. Returns NULL. */
struct lt_sources *lt_sources_stop(struct lt_sources *s);
LT_DEFINE_FREEP(lt_sources_stop, struct lt_sources)

/* Which there are. */
bool lt_sources_has_runtime(const struct lt_sources *s);
bool lt_sources_has_kubernetes(const struct lt_sources *s);
/* What they told. Lives as long as @s. */
struct lt_workloads *lt_sources_workloads(struct lt_sources *s);
/* A container or pod was met: asks about it unless it is known, or nobody could know it. Never
 * waits. Any thread. */
void lt_sources_ask(struct lt_sources *s, const struct lt_container *container);
/* Forgets what ended long ago. */
void lt_sources_tick(struct lt_sources *s, uint64_t now_ns);
