/* SPDX-License-Identifier: Apache-2.0 */
/* The config's section on keys: under which secret they are fingerprinted, and whose they are. */
#pragma once

#include "userspace/base/yaml.h"

struct lt_known_key {
	uint64_t fp;
	const char *name;   /* what people call it, NULL: nothing */
	const char *tenant; /* whose it is, NULL: anybody's */
	const char *kind;   /* as lt_key_kind.name, NULL: as seen */
	unsigned line;
};

struct lt_credentials {
	const char *secret_file;	  /* NULL: of this installation, in the state directory */
	const char *previous_secret_file; /* NULL: none */
	uint64_t overlap_ns;		  /* for how long both hold, default 30 d */
	uint64_t idle_ns;		  /* unused for so long is idle, default 30 d */
	uint64_t max_workloads;		  /* used by more is shared, default 5 */
	bool has_known;			  /* the list is there: keys that it lacks are unknown */
	struct lt_known_key *known;
	size_t known_count;
};

/*
 * @node NULL: defaults. Texts live as long as @yaml. -EINVAL with @problem, which says file and
 * line; -ENOMEM. What *ret holds is to be cleared in any case.
 */
LT_MUST_CHECK int lt_credentials_read(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
				      struct lt_credentials *ret, struct lt_problem *problem);
void lt_credentials_clear(struct lt_credentials *c);
