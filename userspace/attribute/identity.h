/* SPDX-License-Identifier: Apache-2.0 */
/* Who made a call: kernel facts, and the business dimensions that the rules give. Plain data. */
#pragma once

#include "userspace/decode/usage.h"
#include "userspace/discover/process.h"

enum {
	LT_DIMENSION_SIZE = 64,
	LT_PARENT_CHAIN = 160,
	LT_NAME_OF_WORKLOAD = 256, /* Kubernetes: 253 at most */
	LT_IMAGE_SIZE = 256,
	LT_DIGEST_SIZE = 80, /* "sha256:" and 64 hex */
	LT_TAGS_SIZE = 1024,
	LT_FACTS_SIZE = 2048,
};

enum lt_identity_source {
	LT_IDENTITY_NONE,
	LT_IDENTITY_KERNEL,	     /* only kernel facts, no rule matched */
	LT_IDENTITY_ADMIN_MAP,	     /* a rule over kernel facts */
	LT_IDENTITY_ORCHESTRATOR,    /* a rule over what a runtime or Kubernetes says */
	LT_IDENTITY_PROCESS_CONTEXT, /* a rule that read the process's environment, or what it
					publishes */
	LT_IDENTITY_CLIENT_CLAIM,    /* a rule that read what the request says of itself */
};

/* What a claim (process context, client) says otherwise than the identity, as bits. */
enum {
	LT_CONFLICT_TENANT = 1,
	LT_CONFLICT_USE_CASE = 2,
	LT_CONFLICT_ROLE = 4,
	LT_CONFLICT_USER = 8,
};

/* "none" | "kernel" | "admin_map" | "orchestrator" | "process_context" | "client_claim" */
const char *lt_identity_source_name(enum lt_identity_source s);

struct lt_identity {
	uint32_t pid; /* tgid in the host's namespace */
	uint32_t parent_pid;
	uint64_t process_start_ns;
	uint32_t uid;
	char comm[LT_COMM_SIZE];
	char exe[LT_EXE_SIZE];
	char parents[LT_PARENT_CHAIN]; /* comm of the ancestors, nearest first, joined by "<" */
	char cgroup[LT_CGROUP_PATH];
	struct lt_container container;
	/* What orchestrators say; "" = not known. */
	char cluster[LT_DIMENSION_SIZE];
	char container_name[LT_NAME_OF_WORKLOAD];
	char image[LT_IMAGE_SIZE];
	char image_digest[LT_DIGEST_SIZE];
	char namespace[LT_DIMENSION_SIZE];
	char pod[LT_NAME_OF_WORKLOAD];
	char node[LT_NAME_OF_WORKLOAD];
	char workload[LT_NAME_OF_WORKLOAD]; /* "Deployment/web", "CronJob/nightly"; or the systemd
					       unit */
	bool pending; /* an orchestrator may still say more: the record may be amended */
	/* Which agent program, and which run of it. */
	char agent_name[LT_DIMENSION_SIZE];
	uint64_t run_key;     /* of the run's root process; 0 = no run */
	uint64_t session_key; /* keyed hash of the conversation, or of process and connection; 0 =
				 none */
	struct lt_count step; /* of the session, from 1 */
	char tenant[LT_DIMENSION_SIZE]; /* "unattributed" when no rule says */
	char team[LT_DIMENSION_SIZE];	/* "" = null, as below */
	char use_case[LT_DIMENSION_SIZE];
	char agent_role[LT_DIMENSION_SIZE];
	char environment[LT_DIMENSION_SIZE];
	char cost_center[LT_DIMENSION_SIZE];
	char tags[LT_TAGS_SIZE];		/* JSON object of at most 16 texts, "" = none */
	char service_name[LT_NAME_OF_WORKLOAD]; /* as the process claims it (OpenTelemetry) */
	unsigned claim_conflict;		/* LT_CONFLICT_* */
	enum lt_identity_source source;
	unsigned confidence; /* 0..100 */
	/* What the rules saw that has no column of its own, as a JSON object: why the record got
	 * its tenant can be told, and rules can be applied again. */
	char facts[LT_FACTS_SIZE];
};
