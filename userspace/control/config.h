/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's YAML config, checked whole: unknown keys and wrong values name file, line and what is
 * expected. */
#pragma once

#include "userspace/base/log.h"
#include "userspace/base/yaml.h"
#include "userspace/control/credentials.h"

struct lt_config_host {
	const char *host;     /* glob */
	const char *provider; /* whose shapes it speaks, "openai_compatible" by default */
	const char *name;     /* what records call it, NULL = provider */
};

struct lt_config {
	struct lt_yaml *yaml;			/* owns every string; NULL when there is no file */
	const struct lt_yaml_node *attribution; /* NULL: none */
	const struct lt_yaml_node *containers;	/* NULL: defaults (workload/runtimes.h) */
	const struct lt_yaml_node *sinks;	/* NULL: none (export/sinks.h) */
	const struct lt_yaml_node *kubernetes;	/* NULL: none */
	const char *cluster;			/* its name in records, NULL: none */
	const struct lt_yaml_node *agents;	/* own ones, NULL: none */
	enum lt_log_level log_level;
	const char *providers_dir; /* NULL: none */
	bool no_estimate;	   /* usage that the wire does not state stays open */
	const char *price_book;	   /* NULL: built-in */
	const char *price_overlay; /* NULL: none */
	struct lt_config_host *hosts;
	size_t host_count;
	uint64_t ring_bytes;	  /* power of two, default 8 MiB */
	uint64_t max_connections; /* default 16384 */
	bool mcp_stdio; /* tool servers that are children of their clients, default false */
	bool plain;	/* connections in the clear are read, default true */
	uint64_t plain_ports[65536 / 64]; /* to these remote ports, a bit for each */
	const char **plain_cgroups;	  /* and all of the processes in these (globs) */
	size_t plain_cgroup_count;
	uint16_t flow_ports[8]; /* whose connections are watched, default 443 alone */
	size_t flow_port_count; /* 0: no flow records */
	uint64_t sweep_ns;	/* how often all processes are looked at again, default 30 s */
	struct lt_credentials credentials;
	uint64_t keep_ns; /* how long a file stays attached that nobody runs, default 10 min */
};

#define LT_CONFIG_PATH "/etc/ledgertap/ledgertap.yaml"
#define LT_STATE_PATH  "/var/lib/ledgertap"

/* @path NULL: LT_CONFIG_PATH, whose absence means defaults. -EINVAL, -ENOENT ... with @problem. */
LT_MUST_CHECK int lt_config_load(const char *path, struct lt_config **ret,
				 struct lt_problem *problem);
/* The same from memory; @name is what problems call it. -EINVAL with @problem, -ENOMEM. */
LT_MUST_CHECK int lt_config_parse(struct lt_bytes text, const char *name, struct lt_config **ret,
				  struct lt_problem *problem);
struct lt_config *lt_config_free(struct lt_config *config);
LT_DEFINE_FREEP(lt_config_free, struct lt_config)
