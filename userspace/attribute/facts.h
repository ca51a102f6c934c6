/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rules can ask for: the list of facts, how far each can be trusted, and their values for one
 * call. Plain data. A fact that is NULL or "" is not known.
 */
#pragma once

#include "userspace/attribute/identity.h"
#include "userspace/base/bytes.h"
#include "userspace/decode/call.h"

/* X(id, name, class): facts that are one text each, but for UID (a number), PARENT (one of several)
 * and COMMAND (matched, never kept). The class is that of a rule that reads it. */
#define LT_FACTS(X)                                                                                \
	X(COMM, "comm", ADMIN_MAP)                                                                 \
	X(EXE, "exe", ADMIN_MAP)                                                                   \
	X(CGROUP, "cgroup", ADMIN_MAP)                                                             \
	X(CONTAINER_ID, "container_id", ADMIN_MAP)                                                 \
	X(RUNTIME, "runtime", ADMIN_MAP)                                                           \
	X(POD_UID, "pod_uid", ADMIN_MAP)                                                           \
	X(QOS, "qos", ADMIN_MAP)                                                                   \
	X(UNIT, "unit", ADMIN_MAP)                                                                 \
	X(HOST, "host", ADMIN_MAP)                                                                 \
	X(PROVIDER, "provider", ADMIN_MAP)                                                         \
	X(CREDENTIAL, "credential", ADMIN_MAP)                                                     \
	X(KEY_KIND, "key_kind", ADMIN_MAP)                                                         \
	X(ORGANIZATION, "organization", ADMIN_MAP)                                                 \
	X(PROJECT, "project", ADMIN_MAP)                                                           \
	X(AGENT, "agent", ADMIN_MAP)                                                               \
	X(USER, "user", ADMIN_MAP)                                                                 \
	X(CLUSTER, "cluster", ADMIN_MAP)                                                           \
	X(CONTAINER_NAME, "container_name", ORCHESTRATOR)                                          \
	X(IMAGE, "image", ORCHESTRATOR)                                                            \
	X(IMAGE_DIGEST, "image_digest", ORCHESTRATOR)                                              \
	X(NAMESPACE, "namespace", ORCHESTRATOR)                                                    \
	X(POD, "pod", ORCHESTRATOR)                                                                \
	X(NODE, "node", ORCHESTRATOR)                                                              \
	X(WORKLOAD, "workload", ORCHESTRATOR)                                                      \
	X(SERVICE_ACCOUNT, "service_account", ORCHESTRATOR)                                        \
	X(UID, "uid", ADMIN_MAP)                                                                   \
	X(PARENT, "parent", ADMIN_MAP)                                                             \
	X(COMMAND, "command", PROCESS_CONTEXT)

/* X(id, prefix, class): facts whose second half is a name of the config's choice. */
#define LT_FACT_FAMILIES(X)                                                                        \
	X(ENV, "env.", PROCESS_CONTEXT)                                                            \
	X(LABEL, "label.", ORCHESTRATOR)                                                           \
	X(ANNOTATION, "annotation.", ORCHESTRATOR)                                                 \
	X(RESOURCE, "resource.", PROCESS_CONTEXT)                                                  \
	X(CLAIM, "claim.", CLIENT_CLAIM)

enum lt_fact {
#define X(id, name, class) LT_FACT_##id,
	LT_FACTS(X)
#undef X
		LT_FACT_NAMED, /* this and above: the named ones, by their order */
};

enum lt_fact_family {
#define X(id, prefix, class) LT_FAMILY_##id,
	LT_FACT_FAMILIES(X)
#undef X
		LT_FAMILY_COUNT,
};

enum {
	LT_FACT_NAMES_MAX = 128,      /* named facts of one config */
	LT_FACT_NAME_BYTES = 96,      /* "label.app.kubernetes.io/name" */
	LT_RESOURCES_MAX = 16,	      /* resource attributes of one config */
	LT_COMMAND_PATTERNS_MAX = 64, /* of one config: a bit each */
};

/* A fact that a config names, such as "label.app". */
struct lt_fact_name {
	char *text; /* with its prefix */
	const char *key;
	enum lt_fact_family family;
	unsigned slot; /* ENV: in the config's "env"; CLAIM: in its "headers"; RESOURCE: among
			  these */
};

/* Of one call. Everything is borrowed. */
struct lt_facts {
	const char *text[LT_FACT_NAMED];
	const char *named[LT_FACT_NAMES_MAX]; /* in the order of the rules' names */
	const char *const *parents;	      /* comm of the ancestors, nearest first */
	size_t parent_count;
	uint32_t uid;
	bool uid_known;
	uint64_t commands; /* bits of the rules' command patterns that the command line has */
	/* Only the request says so, not the answer: worth no more than a claim. */
	bool organization_claimed, project_claimed;
	/* Whoever is there could choose that name: worth no more than what a process says. */
	bool container_claimed, pod_claimed;
};

/* "comm", "uid" ...; @fact is below LT_FACT_NAMED. */
const char *lt_fact_text(enum lt_fact fact);
/* The class of a rule that reads it. */
enum lt_identity_source lt_fact_class(enum lt_fact fact);
enum lt_identity_source lt_family_class(enum lt_fact_family family);
/* "env." ... */
const char *lt_family_prefix(enum lt_fact_family family);
/* False: @name is none of LT_FACTS. */
bool lt_fact_find(struct lt_bytes name, enum lt_fact *ret);
/* False: @name begins with no family's prefix. */
bool lt_family_find(struct lt_bytes name, enum lt_fact_family *ret);

/* Variables, headers and attributes that by their name hold a secret must not become part of a
 * record. */
bool lt_names_a_secret(const char *name);
