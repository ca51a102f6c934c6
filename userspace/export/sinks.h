/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config's section "sinks": where records go beside the ledger.
 *
 *   sinks:
 *     - name: archive              # its place is kept under this name
 *       type: file
 *       path: /var/lib/ledgertap/records.jsonl
 *       max_size: 100M
 *       keep: 10
 */
#pragma once

#include "userspace/base/yaml.h"
#include "userspace/export/sink.h"

enum { LT_SINKS_MAX = 16 };

/* A list of sinks; owns them until one is taken out by lt_take. */
struct lt_sinks {
	struct lt_sink *sink[LT_SINKS_MAX];
	size_t count;
};

/*
 * Makes the sinks that @section names (NULL: none); nothing is opened or asked yet, so this is the
 * check of the config, too. -EINVAL with @problem, -ENOMEM.
 */
LT_MUST_CHECK int lt_sinks_new(const struct lt_yaml *config, const struct lt_yaml_node *section,
			       struct lt_sinks *ret, struct lt_problem *problem);
void lt_sinks_done(struct lt_sinks *sinks);
