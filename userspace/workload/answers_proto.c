// SPDX-License-Identifier: Apache-2.0
/*
 * Messages by their field numbers: k8s.io/cri-api (runtime.v1 and v1alpha2 have the same) and
 * containerd's API.
 */
#include <errno.h>

#include "userspace/base/json_scan.h"
#include "userspace/workload/proto_message.h"
#include "userspace/workload/runtime_answers.h"

enum {
	CONTAINER_EXITED = 2,
	/* runtime.v1.ContainerStatus */
	STATUS_ID = 1,
	STATUS_METADATA = 2,
	STATUS_IMAGE = 8,
	STATUS_IMAGE_REF = 9,
	STATUS_LABELS = 12,
	/* runtime.v1.ContainerMetadata, ImageSpec */
	METADATA_NAME = 1,
	SPEC_IMAGE = 1,
	SPEC_USER_SPECIFIED = 18,
	/* runtime.v1.Image */
	IMAGE_REPO_DIGESTS = 3,
	/* runtime.v1.Container */
	ENTRY_ID = 1,
	ENTRY_STATE = 6,
	/* runtime.v1.ContainerEventResponse; created is 0, and so not on the wire */
	EVENT_CONTAINER_ID = 1,
	EVENT_TYPE = 2,
	EVENT_CREATED = 0,
	EVENT_STARTED = 1,
	/* containerd.services.containers.v1.Container */
	NATIVE_ID = 1,
	NATIVE_LABELS = 2,
	NATIVE_IMAGE = 3,
	NATIVE_SPEC = 5,
	/* containerd.services.images.v1.Image, containerd.types.Descriptor */
	IMAGE_TARGET = 3,
	DESCRIPTOR_DIGEST = 2,
	/* google.protobuf.Any; containerd.events.ContainerCreate, ContainerDelete */
	ANY_VALUE = 2,
	EVENT_ID = 1,
};

#define COPY(to, text) lt_draft_text(to, sizeof(to), text)

static void read_id(struct lt_bytes text, char ret_id[LT_DRAFT_ID])
{
	lt_draft_text(ret_id, LT_DRAFT_ID, text);
	if (text.n >= LT_DRAFT_ID)
		ret_id[0] = '\0';
}

static void read_label(struct lt_bytes entry, struct lt_container_draft *d)
{
	struct lt_bytes key, value;

	lt_proto_pair(entry, &key, &value);
	lt_draft_label(d, key, value);
}

static void read_spec(struct lt_bytes spec, struct lt_container_draft *d)
{
	struct lt_bytes image = lt_proto_get(spec, SPEC_USER_SPECIFIED);

	COPY(d->image, image.n > 0 ? image : lt_proto_get(spec, SPEC_IMAGE));
}

/* "repo@sha256:..." has the digest of the manifest, anything else is the image's id. */
static void read_image_ref(struct lt_bytes ref, struct lt_container_draft *d)
{
	COPY(d->image_id, ref);
	if (ref.n > 0 && memchr(ref.p, '@', ref.n))
		lt_draft_digest(d, ref);
}

int lt_cri_status(struct lt_bytes message, struct lt_container_draft *d)
{
	struct lt_proto_field f;
	int r;

	while ((r = lt_proto_next(&message, &f)) > 0) {
		if (f.kind != LT_PROTO_BYTES)
			continue;
		if (f.number == STATUS_ID)
			lt_draft_id(d, f.bytes);
		else if (f.number == STATUS_METADATA)
			COPY(d->name, lt_proto_get(f.bytes, METADATA_NAME));
		else if (f.number == STATUS_IMAGE)
			read_spec(f.bytes, d);
		else if (f.number == STATUS_IMAGE_REF)
			read_image_ref(f.bytes, d);
		else if (f.number == STATUS_LABELS)
			read_label(f.bytes, d);
	}
	return r;
}

int lt_cri_image(struct lt_bytes message, struct lt_container_draft *d)
{
	struct lt_proto_field f;
	int r;

	while ((r = lt_proto_next(&message, &f)) > 0) {
		if (f.number == IMAGE_REPO_DIGESTS && f.kind == LT_PROTO_BYTES && !d->digest[0])
			lt_draft_digest(d, f.bytes);
	}
	return r;
}

int lt_cri_entry(struct lt_bytes message, char ret_id[LT_DRAFT_ID])
{
	struct lt_proto_field f;
	bool ended = false;
	int r;

	ret_id[0] = '\0';
	while ((r = lt_proto_next(&message, &f)) > 0) {
		if (f.number == ENTRY_ID && f.kind == LT_PROTO_BYTES)
			read_id(f.bytes, ret_id);
		else if (f.number == ENTRY_STATE && f.kind == LT_PROTO_VARINT)
			ended = f.value == CONTAINER_EXITED;
	}
	if (ended || r < 0)
		ret_id[0] = '\0';
	return r;
}

void lt_cri_event_field(struct lt_cri_event *e, const struct lt_proto_field *f)
{
	if (f->number == EVENT_CONTAINER_ID && f->kind == LT_PROTO_BYTES)
		read_id(f->bytes, e->id);
	else if (f->number == EVENT_TYPE && f->kind == LT_PROTO_VARINT)
		e->type = f->value;
}

enum lt_runtime_news lt_cri_event_news(const struct lt_cri_event *e)
{
	if (!e->id[0])
		return LT_NEWS_NONE;
	return e->type == EVENT_CREATED || e->type == EVENT_STARTED ? LT_NEWS_LOOK : LT_NEWS_GONE;
}

static void on_image_name(void *arg, const struct lt_json_hit *hit)
{
	struct lt_container_draft *d = arg;

	if (hit->type == LT_JSON_STRING && !hit->cut)
		COPY(d->image, hit->text);
}

/*
 * The kubelet asks for an image by its id: what it was called stands in the OCI spec alone. That
 * has the environment as well, so it is passed over, not read into memory.
 */
static void read_oci_spec(struct lt_bytes json, struct lt_container_draft *d)
{
	static const char *const wanted[] = {"annotations.\"io.kubernetes.cri.image-name\""};
	struct lt_json_sink sink = {.arg = d, .hit = on_image_name};
	lt_defer(lt_json_paths_freep)
	struct lt_json_paths *paths = NULL;
	lt_defer(lt_json_scan_freep)
	struct lt_json_scan *scan = NULL;
	size_t bad;

	if (lt_json_paths_new(wanted, LT_COUNT(wanted), &paths, &bad) == 0 &&
	    lt_json_scan_new(paths, &sink, &scan) == 0)
		lt_ignore(lt_json_scan_feed(scan, json));
}

int lt_containerd_container(struct lt_bytes message, struct lt_container_draft *d)
{
	struct lt_bytes spec = lt_bytes("", 0);
	struct lt_proto_field f;
	int r;

	while ((r = lt_proto_next(&message, &f)) > 0) {
		if (f.kind != LT_PROTO_BYTES)
			continue;
		if (f.number == NATIVE_ID)
			lt_draft_id(d, f.bytes);
		else if (f.number == NATIVE_LABELS)
			read_label(f.bytes, d);
		else if (f.number == NATIVE_IMAGE)
			COPY(d->image, f.bytes);
		else if (f.number == NATIVE_SPEC)
			spec = lt_proto_get(f.bytes, ANY_VALUE);
	}
	if (r < 0)
		return r;
	/* What the image is called in containerd's store, for its digest. */
	memcpy(d->image_id, d->image, sizeof(d->image_id));
	if (lt_bytes_starts(lt_bytes_str(d->image), "sha256:"))
		read_oci_spec(spec, d);
	return 0;
}

void lt_containerd_image(struct lt_bytes message, struct lt_container_draft *d)
{
	lt_draft_digest(d, lt_proto_get(lt_proto_get(message, IMAGE_TARGET), DESCRIPTOR_DIGEST));
}

enum lt_runtime_news lt_containerd_event(struct lt_bytes topic, struct lt_bytes any,
					 char ret_id[LT_DRAFT_ID])
{
	bool created = lt_bytes_is(topic, "/containers/create") ||
		       lt_bytes_is(topic, "/containers/update");

	if (!created && !lt_bytes_is(topic, "/containers/delete"))
		return LT_NEWS_NONE;
	read_id(lt_proto_get(lt_proto_get(any, ANY_VALUE), EVENT_ID), ret_id);
	if (!ret_id[0])
		return LT_NEWS_NONE;
	return created ? LT_NEWS_LOOK : LT_NEWS_GONE;
}
