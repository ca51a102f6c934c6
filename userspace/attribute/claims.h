/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes say of themselves: command line (compared and forgotten), and the resource
 * attributes of OpenTelemetry, of the environment and of the published process context. Read when a
 * process that makes a call is first looked at, and a few times more while it has published
 * nothing. Bounded, least recently used. Thread: drain.
 */
#pragma once

#include "userspace/attribute/rules.h"

struct lt_claims;

struct lt_claims_opts {
	size_t max_processes; /* 0: 1024 */
	const char *proc;     /* NULL: "/proc"; "": nothing can be read */
};

struct lt_process_claims {
	char service_name[LT_NAME_OF_WORKLOAD];
	uint64_t commands;				    /* of the rules' command patterns */
	char resource[LT_RESOURCES_MAX][LT_DIMENSION_SIZE]; /* by the slot of their names */
};

LT_MUST_CHECK int lt_claims_new(const struct lt_claims_opts *opts, struct lt_claims **ret);
struct lt_claims *lt_claims_free(struct lt_claims *c);
LT_DEFINE_FREEP(lt_claims_free, struct lt_claims)

/* Of the process as it is now (@now_ns: boot time). Borrowed until the next call on @c. NULL:
 * nothing could be kept. */
const struct lt_process_claims *lt_claims_look(struct lt_claims *c, struct lt_rules *rules,
					       const struct lt_process *p, uint64_t now_ns);
/* The environment as the kernel side read it, for processes that are gone too soon. Cheap where it
 * says nothing of OpenTelemetry. */
void lt_claims_environ(struct lt_claims *c, struct lt_rules *rules, const struct lt_process *p,
		       struct lt_bytes text);
/* Another program runs under this number now. */
void lt_claims_forget(struct lt_claims *c, uint32_t tgid);
