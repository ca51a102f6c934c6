/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runtimes answer, and write into their files, as a draft of a container. Pure: no socket, no
 * file. Anything that is absent or of another kind is left as it is in the draft.
 */
#pragma once

#include "userspace/base/json_file.h"
#include "userspace/workload/container_draft.h"
#include "userspace/workload/proto_message.h"

/* ---- Docker's API, and Podman's that is compatible with it ---- */

/* An entry of GET /containers/json, which has no environment in it, as /containers/ID/json has. */
void lt_docker_entry(const struct lt_json_value *v, struct lt_container_draft *d);
/* GET /images/ID/json: the digest of the image that the draft names, among those that it has. */
void lt_docker_image(const struct lt_json_value *v, struct lt_container_draft *d);

enum lt_runtime_news { LT_NEWS_NONE, LT_NEWS_LOOK, LT_NEWS_GONE };
/* A line of GET /events. */
enum lt_runtime_news lt_docker_event(const struct lt_json_value *v, char ret_id[LT_DRAFT_ID]);

/* ---- files ---- */

/* DATA-ROOT/containers/ID/config.v2.json */
void lt_docker_file(const struct lt_json_value *v, struct lt_container_draft *d);
/* DATA-ROOT/image/DRIVER/repositories.json: the digest of the image whose id is in the draft. */
void lt_docker_repositories(const struct lt_json_value *v, struct lt_container_draft *d);
/* An entry of overlay-containers/containers.json, as Podman and CRI-O write them. */
void lt_storage_container(const struct lt_json_value *v, struct lt_container_draft *d);
/* An entry of overlay-images/images.json: its id (without "sha256:") and digest, "" when absent. */
void lt_storage_image(const struct lt_json_value *v, char ret_id[LT_DRAFT_DIGEST],
		      char ret_digest[LT_DRAFT_DIGEST]);

/* ---- messages ---- */

/* runtime.v1.ContainerStatus. -EBADMSG. */
LT_MUST_CHECK int lt_cri_status(struct lt_bytes message, struct lt_container_draft *d);
/* runtime.v1.Image: its digest. -EBADMSG. */
LT_MUST_CHECK int lt_cri_image(struct lt_bytes message, struct lt_container_draft *d);
/* runtime.v1.Container, an entry of ListContainers: its id, "" when it has ended. -EBADMSG. */
LT_MUST_CHECK int lt_cri_entry(struct lt_bytes message, char ret_id[LT_DRAFT_ID]);
/* runtime.v1.ContainerEventResponse, whose fields come one by one. Zeroed is the beginning. */
struct lt_cri_event {
	char id[LT_DRAFT_ID];
	uint64_t type;
};
void lt_cri_event_field(struct lt_cri_event *e, const struct lt_proto_field *f);
enum lt_runtime_news lt_cri_event_news(const struct lt_cri_event *e);
/* containerd.services.containers.v1.Container. -EBADMSG. */
LT_MUST_CHECK int lt_containerd_container(struct lt_bytes message, struct lt_container_draft *d);
/* containerd.services.images.v1.Image: its digest. */
void lt_containerd_image(struct lt_bytes message, struct lt_container_draft *d);
/* The event in an envelope: its topic, and the google.protobuf.Any. */
enum lt_runtime_news lt_containerd_event(struct lt_bytes topic, struct lt_bytes any,
					 char ret_id[LT_DRAFT_ID]);
