/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What orchestrators know of the workloads of this node: containers as their runtime describes
 * them, pods as the Kubernetes API or the kubelet does. Sources put, attribution finds; any thread.
 * Bounded: beyond the ceiling the longest unused is forgotten.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"

struct lt_pair {
	const char *key, *value;
};

/* Labels or annotations, in any order when put, by key when found. */
struct lt_pairs {
	const struct lt_pair *at;
	size_t count;
};

/* The value of @key, NULL when there is none. */
const char *lt_pairs_get(struct lt_pairs pairs, const char *key);

/* A container as a runtime describes it. NULL and "": not known. Everything is copied by who takes
 * it. */
struct lt_container_facts {
	const char *id;	     /* as the cgroup path has it, usually 64 hex */
	const char *name;    /* without a leading '/'; in a pod: the container's name there */
	const char *image;   /* reference, as it was asked for */
	const char *digest;  /* "sha256:..." of the manifest, of the image's config when that is all
			      */
	const char *pod_uid; /* as the cgroup path has it; the next two by the runtime's labels */
	const char *pod, *namespace;
	struct lt_pairs labels; /* of the container (OCI, Docker) */
	uint32_t user; /* whose word it is: 0 = root's, else that user's choice, and of their own
			  containers alone */
};

/* A pod as the API server or the kubelet describes it. */
struct lt_pod_facts {
	const char *uid;
	const char *cgroup_uid; /* static pods: the hash that their cgroup has instead; else NULL */
	const char *name, *namespace, *node, *service_account;
	const char *owner_kind, *owner_name; /* top of the owner chain: Deployment, CronJob, ... */
	bool owner_pending;		     /* the chain could not be followed to its end yet */
	struct lt_pairs labels, annotations;
	const struct lt_container_facts *containers; /* id, name, image, digest */
	size_t container_count;
};

/*
 * The two together, as they were when they were found; never changes. Borrowed until put back. No
 * text is NULL: "" is not known.
 */
struct lt_workload {
	const char *container_name, *image, *digest;
	const char *pod_uid, *pod, *namespace, *node, *service_account;
	const char *owner_kind, *owner_name;
	struct lt_pairs labels;	     /* of the pod, else of the container */
	struct lt_pairs annotations; /* of the pod */
	uint32_t user; /* as in lt_container_facts; 0 when the pod's word stands beside it */
	bool whole;    /* nothing more is to be expected: later answers would say the same */
};

struct lt_workloads;

struct lt_workloads_opts {
	size_t max_containers, max_pods; /* 0: 16384 each */
	uint64_t keep_gone_ns;		 /* 0: 10 min */
	/* Which sources there are: decides whether a workload is whole. */
	bool has_runtime, has_kubernetes;
};

LT_MUST_CHECK int lt_workloads_new(const struct lt_workloads_opts *opts, struct lt_workloads **ret);
struct lt_workloads *lt_workloads_free(struct lt_workloads *w);
LT_DEFINE_FREEP(lt_workloads_free, struct lt_workloads)

/* Which sources there are after all, when that shows only at their start: before the first find. */
void lt_workloads_expect(struct lt_workloads *w, bool runtime, bool kubernetes);

/* Adds or replaces. -ENOMEM, -EINVAL (no id, no uid). What is too long or too much is cut. */
LT_MUST_CHECK int lt_workloads_container(struct lt_workloads *w,
					 const struct lt_container_facts *c);
LT_MUST_CHECK int lt_workloads_pod(struct lt_workloads *w, const struct lt_pod_facts *p);
/* It ended: kept a while, so that its last calls find it. Unknown ones are fine. */
void lt_workloads_container_gone(struct lt_workloads *w, const char *id, uint64_t now_ns);
void lt_workloads_pod_gone(struct lt_workloads *w, const char *uid, uint64_t now_ns);
/* Forgets what ended long ago. */
void lt_workloads_tick(struct lt_workloads *w, uint64_t now_ns);

/*
 * By container id, else by pod alone; both may be NULL or "". NULL: nothing is known. End with
 * lt_workload_put.
 */
const struct lt_workload *lt_workloads_find(struct lt_workloads *w, const char *container_id,
					    const char *pod_uid);
void lt_workload_put(const struct lt_workload *workload);

/* Grows with each change: what was looked for in vain may be there now. */
uint64_t lt_workloads_version(const struct lt_workloads *w);
