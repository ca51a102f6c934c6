/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main road in one screen: chunks -> stream -> session -> decoder -> attribute -> price ->
 * record. The same for live traffic and for replay. Thread: drain.
 */
#pragma once

#include "userspace/attribute/attribute.h"
#include "userspace/control/config.h"
#include "userspace/ledger/record.h"
#include "userspace/price/book.h"
#include "userspace/protocol/session.h"

struct lt_pipeline;

struct lt_pipeline_opts {
	const struct lt_config *config; /* borrowed; lives longer than the pipeline */
	uint8_t fingerprint_key[32];
	uint8_t previous_key[32];   /* the secret before it, while both hold */
	uint64_t previous_until_ns; /* boot time; 0: there is none */
	const char *proc;	    /* NULL: "/proc"; replay gives "" = no processes to look up */
	/* What orchestrators tell, see lt_attributor_opts; NULL: nothing. Outlives the pipeline. */
	struct lt_workloads *workloads;
	bool has_runtime, has_kubernetes;
	const char *cluster;		 /* NULL: none; copied */
	struct lt_verdict_sink verdicts; /* set may be NULL */
	/* Asks the kernel for one more flow event, see lt_flow_sink. May be NULL. */
	int (*look_at_flow)(void *arg, uint64_t sock, uint64_t cookie);
	/* A connection to an AI host was not decoded a while after it began. May be NULL. */
	void (*suspect)(void *arg, const struct lt_process *process);
	/* A container is met for the first time: when its cgroup is made, at the latest when a
	 * process in it is seen. It must not call back. May be NULL. */
	void (*container)(void *arg, const struct lt_container *container);
	/* Told of every record. @record is borrowed and may be changed (source_file). */
	void (*record)(void *arg, struct lt_record *record);
	void *arg;
};

/* Loads catalog and price book that the config names. -EINVAL with @problem, -ENOMEM. */
LT_MUST_CHECK int lt_pipeline_new(const struct lt_pipeline_opts *opts, struct lt_pipeline **ret,
				  struct lt_problem *problem);
/* Ends every open exchange first. */
struct lt_pipeline *lt_pipeline_free(struct lt_pipeline *p);
LT_DEFINE_FREEP(lt_pipeline_free, struct lt_pipeline)

/* The rules of @config's "attribution" from now on; nothing else of it is used. -EINVAL with
 * @problem, -ENOMEM: the old ones stay. */
LT_MUST_CHECK int lt_pipeline_reload(struct lt_pipeline *p, const struct lt_config *config,
				     struct lt_problem *problem);
/* For the writer's thread (lt_attribute_again), and for what is said of the rules. */
struct lt_attributor *lt_pipeline_attributor(struct lt_pipeline *p);

/* What capture (or replay) feeds; its arg is @p. */
struct lt_capture_sink lt_pipeline_sink(struct lt_pipeline *p);
/* Reads all running processes. */
LT_MUST_CHECK int lt_pipeline_scan_processes(struct lt_pipeline *p);
/* Time passes: overdue holes, idle connections, ended processes. */
void lt_pipeline_tick(struct lt_pipeline *p, uint64_t now_ns);

/* The end is near: asks for the bytes of all flows that are open. What comes of it has to be fed.
 */
void lt_pipeline_look_at_flows(struct lt_pipeline *p);

/* For doctor and the ready line. */
const struct lt_catalog *lt_pipeline_catalog(const struct lt_pipeline *p);
const struct lt_book *lt_pipeline_book(const struct lt_pipeline *p);
