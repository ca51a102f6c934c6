// SPDX-License-Identifier: Apache-2.0
/* The API that the kubelet speaks to its runtime (k8s.io/cri-api), over gRPC on a unix socket. */
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/digest_cache.h"
#include "userspace/workload/grpc_call.h"
#include "userspace/workload/runtime_answers.h"
#include "userspace/workload/runtime_source.h"

enum {
	METHOD_PATH = 96,
	REQUEST_ID = 1,	   /* ContainerStatusRequest.container_id */
	REQUEST_IMAGE = 1, /* ImageStatusRequest.image */
	ANSWER = 1,	   /* of each answer: status, image, the containers */
};

struct cri {
	struct lt_source_links links;
	_Atomic(const char *) version;
	struct lt_digest_cache digests;
};

struct got {
	struct lt_source *source;
	struct lt_container_draft *draft;
	bool any;
	struct lt_cri_event event;
};

static struct lt_bytes view(const struct lt_proto_out *out)
{
	return lt_bytes(out->at, out->n);
}

static int call(struct lt_source *s, struct lt_http *http, const char *service, const char *method,
		const struct lt_proto_out *request, unsigned idle_ms,
		const struct lt_grpc_sink *sink, struct lt_problem *problem)
{
	const struct cri *k = lt_source_kept(s);
	char path[METHOD_PATH];
	struct lt_grpc_call c = {.path = path,
				 .request = view(request),
				 .idle_ms = idle_ms,
				 .stop = lt_source_stop(s),
				 .sink = *sink};

	if (request->full)
		return -EMSGSIZE;
	snprintf(path, sizeof(path), "/runtime.%s.%s/%s", atomic_load(&k->version), service,
		 method);
	return lt_grpc_run(http, &c, problem);
}

static int on_status(void *arg, const struct lt_proto_field *f)
{
	struct got *got = arg;

	if (f->number != ANSWER || f->kind != LT_PROTO_BYTES)
		return 0;
	got->any = true;
	return lt_cri_status(f->bytes, got->draft);
}

static int on_image(void *arg, const struct lt_proto_field *f)
{
	if (f->number != ANSWER || f->kind != LT_PROTO_BYTES)
		return 0;
	return lt_cri_image(f->bytes, ((struct got *)arg)->draft);
}

static int read_digest(struct lt_source *s, struct cri *k, struct got *got)
{
	struct lt_grpc_sink sink = {.field = on_image, .arg = got};
	struct lt_proto_out spec = {0}, request = {0};
	int r;

	if (got->draft->digest[0] || !got->draft->image_id[0] ||
	    lt_digests_find(&k->digests, got->draft))
		return 0;
	lt_proto_put(&spec, REQUEST_IMAGE, lt_bytes_str(got->draft->image_id));
	lt_proto_put(&request, REQUEST_IMAGE, view(&spec));
	r = call(s, k->links.http, "ImageService", "ImageStatus", &request, 0, &sink, NULL);
	if (r == 0)
		lt_digests_keep(&k->digests, got->draft);
	return r == -ECANCELED ? r : 0;
}

static int look(struct lt_source *s, const char *id, struct lt_problem *problem)
{
	struct cri *k = lt_source_kept(s);
	struct got got = {.source = s, .draft = lt_source_draft(s)};
	struct lt_grpc_sink sink = {.field = on_status, .arg = &got};
	struct lt_proto_out request = {0};
	int r;

	lt_proto_put(&request, REQUEST_ID, lt_bytes_str(id));
	r = call(s, k->links.http, "RuntimeService", "ContainerStatus", &request, 0, &sink,
		 problem);
	/* It takes the beginning of an id as well. */
	if (r == 0 && (!got.any || strcmp(got.draft->id, id) != 0))
		r = -ENXIO;
	if (r == 0)
		r = read_digest(s, k, &got);
	if (r == 0)
		lt_source_found(s);
	return r;
}

static int on_entry(void *arg, const struct lt_proto_field *f)
{
	char id[LT_DRAFT_ID];
	int r;

	if (f->number != ANSWER || f->kind != LT_PROTO_BYTES)
		return 0;
	r = lt_cri_entry(f->bytes, id);
	if (id[0])
		lt_source_listed(((struct got *)arg)->source, id);
	return r;
}

static int list_by(struct lt_source *s, const char *version, struct lt_problem *problem)
{
	struct cri *k = lt_source_kept(s);
	struct got got = {.source = s};
	struct lt_grpc_sink sink = {.field = on_entry, .arg = &got};
	struct lt_proto_out request = {0};

	atomic_store(&k->version, version);
	return call(s, k->links.http, "RuntimeService", "ListContainers", &request, 0, &sink,
		    problem);
}

/*
 * Kubernetes before 1.23 has the first version alone, since 1.26 the second. Some servers reset the
 * stream of a method that they do not have.
 */
static int list(struct lt_source *s, struct lt_problem *problem)
{
	const struct cri *k = lt_source_kept(s);
	const char *version = atomic_load(&k->version);
	int r = list_by(s, version, problem);

	if (r == -EOPNOTSUPP || r == -EPROTO)
		r = list_by(s, strcmp(version, "v1") == 0 ? "v1alpha2" : "v1", problem);
	if (r != -EOPNOTSUPP)
		return r;
	return lt_problem_set(problem, r, "", 0,
			      "its CRI service is switched off; type: containerd needs none");
}

static int on_event_field(void *arg, const struct lt_proto_field *f)
{
	lt_cri_event_field(&((struct got *)arg)->event, f);
	return 0;
}

static int on_event(void *arg)
{
	struct got *got = arg;
	enum lt_runtime_news news = lt_cri_event_news(&got->event);

	if (news != LT_NEWS_NONE)
		lt_source_news(got->source, got->event.id, news == LT_NEWS_GONE);
	got->event = (struct lt_cri_event){0};
	return 0;
}

static int watch(struct lt_source *s, struct lt_problem *problem)
{
	struct cri *k = lt_source_kept(s);
	struct got got = {.source = s};
	struct lt_grpc_sink sink = {.field = on_event_field, .end = on_event, .arg = &got};
	struct lt_proto_out request = {0};

	return call(s, k->links.news, "RuntimeService", "GetContainerEvents", &request,
		    LT_SOURCE_QUIET_MS, &sink, problem);
}

static void cri_free(void *kept)
{
	struct cri *k = kept;

	lt_source_links_done(&k->links);
	lt_free(k);
}

static int cri_open(struct lt_source *s, struct lt_problem *problem)
{
	struct cri *k = lt_calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	atomic_store(&k->version, "v1");
	r = lt_source_links_new(s, true, &k->links, problem);
	if (r < 0) {
		cri_free(k);
		return r;
	}
	lt_source_keep(s, k);
	return 0;
}

const struct lt_source_ops lt_cri_ops = {
	.open = cri_open, .close = cri_free, .look = look, .list = list, .watch = watch, .rank = 4};
