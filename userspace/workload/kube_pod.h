/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken of a pod object of the Kubernetes API, and of the owners it names. */
#pragma once

#include "userspace/base/json_file.h"
#include "userspace/workload/workload.h"

enum {
	LT_KUBE_PAIRS = 128,	  /* labels that are looked at, and as many annotations */
	LT_KUBE_CONTAINERS = 128, /* of one pod */
	LT_KUBE_UID = 64,
	LT_KUBE_NAME = 254, /* DNS subdomain */
	LT_KUBE_KIND = 64,
};

/* Which labels or annotations are kept. */
struct lt_kube_filter {
	char **globs;
	size_t count;
	bool all;
};

/* The controller that an object names. kind "": it has none. */
struct lt_kube_owner {
	char version[LT_KUBE_KIND]; /* "apps/v1" */
	char kind[LT_KUBE_KIND];
	char name[LT_KUBE_NAME];
	char uid[LT_KUBE_UID];
};

struct lt_kube_pod {
	/* owner_kind and owner_name are not filled in. */
	struct lt_pod_facts facts;
	struct lt_kube_owner owner;
	const char *version;			/* metadata.resourceVersion, "" */
	const char *created;			/* metadata.creationTimestamp, "" */
	const struct lt_json_value *all_labels; /* also those that are not kept */
	/* What the facts point at. */
	struct lt_pair labels[LT_KUBE_PAIRS], annotations[LT_KUBE_PAIRS];
	struct lt_container_facts containers[LT_KUBE_CONTAINERS];
};

/*
 * Everything is borrowed from @object's tree. -EINVAL: it is no pod (no uid, no name, no
 * namespace).
 */
LT_MUST_CHECK int lt_kube_pod_read(const struct lt_json_value *object,
				   const struct lt_kube_filter *labels,
				   const struct lt_kube_filter *annotations,
				   struct lt_kube_pod *ret);

/* The controller of any object with metadata. */
void lt_kube_owner_read(const struct lt_json_value *object, struct lt_kube_owner *ret);

/*
 * Whether the owner itself may have one: ReplicaSets (of a Deployment, or of what stands in its
 * place) and Jobs (of a CronJob).
 */
bool lt_kube_owner_has_owner(const struct lt_kube_owner *owner);

/*
 * The top of the chain without asking anybody: a ReplicaSet "web-5d9c" of a pod whose
 * pod-template-hash is "5d9c" is of Deployment "web"; a Job whose name ends with the minute before
 * its pod was made is of a CronJob. Else the owner itself. *@ret_kind and *@ret_name are "" without
 * an owner.
 */
void lt_kube_owner_guess(const struct lt_kube_pod *pod, char ret_kind[LT_KUBE_KIND],
			 char ret_name[LT_KUBE_NAME]);

/* Text of @object's member, "" when it has none. Ends with a NUL. */
const char *lt_kube_text(const struct lt_json_value *object, const char *name);
