/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container while a runtime's answer is being read: everything is copied, bounded and cleaned
 * (control characters become '?'), and what labels say of pods is put in its place. Reused for
 * each container; one thread at a time.
 */
#pragma once

#include <stdint.h>

#include "userspace/base/bytes.h"
#include "userspace/workload/workload.h"

enum {
	LT_DRAFT_ID = 72,
	LT_DRAFT_TEXT = 512,
	LT_DRAFT_DIGEST = 136,
	LT_DRAFT_LABELS = 64,	    /* more are left out */
	LT_DRAFT_LABEL_KEY = 256,   /* longer keys are left out */
	LT_DRAFT_LABEL_VALUE = 256, /* longer values are cut */
	LT_DRAFT_ARENA = 16 * 1024, /* of all labels; those without room are left out */
};

struct lt_container_draft {
	char id[LT_DRAFT_ID];
	char name[LT_DRAFT_TEXT];
	char image[LT_DRAFT_TEXT];
	char image_id[LT_DRAFT_TEXT]; /* "sha256:..." of its config, or what the runtime calls it */
	char digest[LT_DRAFT_DIGEST];
	char pod_uid[LT_DRAFT_ID];
	char pod[LT_DRAFT_TEXT];
	char namespace[LT_DRAFT_TEXT];
	struct lt_pair labels[LT_DRAFT_LABELS];
	size_t label_count;
	size_t arena_used;
	char arena[LT_DRAFT_ARENA];
};

void lt_draft_reset(struct lt_container_draft *d);
/* Copies @text into a member of the draft. A text that had to be cut is no id: then it is "". */
void lt_draft_id(struct lt_container_draft *d, struct lt_bytes text);
void lt_draft_text(char *to, size_t size, struct lt_bytes text);
/* The part of "name@sha256:..." behind the '@', or @text when it is a digest itself. Anything else
 * leaves the digest as it is. */
void lt_draft_digest(struct lt_container_draft *d, struct lt_bytes text);
/* Keeps a label, and takes pod, namespace, uid and the container's name from those that Kubernetes
 * sets. */
void lt_draft_label(struct lt_container_draft *d, struct lt_bytes key, struct lt_bytes value);
/* "k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT", as the kubelet's runtimes name containers: into its
 * parts. Another name is kept whole, without a leading '/'. */
void lt_draft_name(struct lt_container_draft *d, struct lt_bytes name);

/* Views into the draft, with the digest of the image's config where that of the manifest is not
 * known. */
struct lt_container_facts lt_draft_facts(const struct lt_container_draft *d);
/* Changes when the facts do. */
uint64_t lt_draft_hash(const struct lt_container_draft *d);
