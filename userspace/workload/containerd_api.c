// SPDX-License-Identifier: Apache-2.0
/*
 * containerd's own API: what ctr, nerdctl and Docker run there, and the pods of a kubelet, with
 * news of each. Each namespace is a world of its own, named in a header.
 */
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/digest_cache.h"
#include "userspace/workload/grpc_call.h"
#include "userspace/workload/runtime_answers.h"
#include "userspace/workload/runtime_source.h"

#define SERVICE "/containerd.services."

enum {
	HEADER = 32 + LT_SOURCE_NAMESPACE,
	REQUEST = 1, /* id, name */
	ANSWER = 1,  /* container, image; each of a list */
	NAMESPACE_NAME = 1,
	/* containerd.types.Envelope */
	ENVELOPE_NAMESPACE = 2,
	ENVELOPE_TOPIC = 3,
	ENVELOPE_EVENT = 4,
};

struct containerd {
	struct lt_source_links links;
	char namespaces[LT_SOURCE_NAMESPACES][LT_SOURCE_NAMESPACE];
	size_t count;
	struct lt_digest_cache digests;
};

struct got {
	struct lt_source *source;
	struct lt_container_draft *draft;
	bool any;
	/* of an event */
	char topic[32];
	char id[LT_DRAFT_ID];
	enum lt_runtime_news news;
};

static int call(struct lt_source *s, struct lt_http *http, const char *path, const char *namespace,
		const struct lt_proto_out *request, unsigned idle_ms,
		const struct lt_grpc_sink *sink, struct lt_problem *problem)
{
	char header[HEADER];
	struct lt_grpc_call c = {.path = path,
				 .header = namespace ? header : NULL,
				 .request = lt_bytes(request->at, request->n),
				 .idle_ms = idle_ms,
				 .stop = lt_source_stop(s),
				 .sink = *sink};

	if (request->full)
		return -EMSGSIZE;
	if (namespace)
		snprintf(header, sizeof(header), "containerd-namespace: %s", namespace);
	return lt_grpc_run(http, &c, problem);
}

static int on_container(void *arg, const struct lt_proto_field *f)
{
	struct got *got = arg;

	if (f->number != ANSWER || f->kind != LT_PROTO_BYTES)
		return 0;
	got->any = true;
	return lt_containerd_container(f->bytes, got->draft);
}

static int on_image(void *arg, const struct lt_proto_field *f)
{
	if (f->number == ANSWER && f->kind == LT_PROTO_BYTES)
		lt_containerd_image(f->bytes, ((struct got *)arg)->draft);
	return 0;
}

static int read_digest(struct lt_source *s, struct containerd *k, const char *namespace,
		       struct got *got)
{
	struct lt_grpc_sink sink = {.field = on_image, .arg = got};
	struct lt_proto_out request = {0};
	int r;

	if (!got->draft->image_id[0] || lt_digests_find(&k->digests, got->draft))
		return 0;
	lt_proto_put(&request, REQUEST, lt_bytes_str(got->draft->image_id));
	r = call(s, k->links.http, SERVICE "images.v1.Images/Get", namespace, &request, 0, &sink,
		 NULL);
	/* A name may get another image: only what has its digest in its name stays as it is. */
	if (r == 0 && strchr(got->draft->image_id, '@'))
		lt_digests_keep(&k->digests, got->draft);
	return r == -ECANCELED ? r : 0;
}

/* Docker's containers are known to it by their ids alone; Docker is to be asked for them. */
static bool is_bare(const struct lt_container_draft *d)
{
	return !d->image[0] && !d->name[0] && !d->pod[0];
}

static int look_in(struct lt_source *s, const char *namespace, const char *id,
		   struct lt_problem *problem)
{
	struct containerd *k = lt_source_kept(s);
	struct got got = {.source = s, .draft = lt_source_draft(s)};
	struct lt_grpc_sink sink = {.field = on_container, .arg = &got};
	struct lt_proto_out request = {0};
	int r;

	lt_proto_put(&request, REQUEST, lt_bytes_str(id));
	r = call(s, k->links.http, SERVICE "containers.v1.Containers/Get", namespace, &request, 0,
		 &sink, problem);
	if (r == 0 && (!got.any || strcmp(got.draft->id, id) != 0 || is_bare(got.draft)))
		r = -ENXIO;
	if (r == 0)
		r = read_digest(s, k, namespace, &got);
	if (r < 0)
		return r;
	/* ctr has no other name for it. */
	if (!got.draft->name[0] && !got.draft->pod[0])
		lt_draft_text(got.draft->name, sizeof(got.draft->name), lt_bytes_str(id));
	lt_source_found(s);
	return 0;
}

static int look(struct lt_source *s, const char *id, struct lt_problem *problem)
{
	struct containerd *k = lt_source_kept(s);
	int r = -ENXIO;

	for (size_t i = 0; i < k->count && r == -ENXIO; i++)
		r = look_in(s, k->namespaces[i], id, problem);
	return r;
}

static int on_namespace(void *arg, const struct lt_proto_field *f)
{
	struct containerd *k = lt_source_kept(((struct got *)arg)->source);
	struct lt_bytes name;

	if (f->number != ANSWER || f->kind != LT_PROTO_BYTES || k->count == LT_SOURCE_NAMESPACES)
		return 0;
	name = lt_proto_get(f->bytes, NAMESPACE_NAME);
	/* It goes into a header. */
	if (name.n == 0 || name.n >= LT_SOURCE_NAMESPACE)
		return 0;
	lt_draft_text(k->namespaces[k->count++], LT_SOURCE_NAMESPACE, name);
	return 0;
}

static int read_namespaces(struct lt_source *s, struct lt_problem *problem)
{
	struct containerd *k = lt_source_kept(s);
	const struct lt_place *place = lt_source_place(s);
	struct got got = {.source = s};
	struct lt_grpc_sink sink = {.field = on_namespace, .arg = &got};
	struct lt_proto_out request = {0};

	k->count = place->namespace_count;
	memcpy(k->namespaces, place->namespaces, sizeof(k->namespaces));
	if (k->count > 0)
		return 0;
	return call(s, k->links.http, SERVICE "namespaces.v1.Namespaces/List", NULL, &request, 0,
		    &sink, problem);
}

static int on_listed(void *arg, const struct lt_proto_field *f)
{
	struct got *got = arg;
	int r;

	if (f->number != ANSWER || f->kind != LT_PROTO_BYTES)
		return 0;
	got->draft = lt_source_draft(got->source);
	r = lt_containerd_container(f->bytes, got->draft);
	if (r == 0 && got->draft->id[0] && !is_bare(got->draft))
		lt_source_listed(got->source, got->draft->id);
	return r;
}

static int list(struct lt_source *s, struct lt_problem *problem)
{
	struct containerd *k = lt_source_kept(s);
	struct got got = {.source = s};
	struct lt_grpc_sink sink = {.field = on_listed, .arg = &got};
	struct lt_proto_out request = {0};
	int r = read_namespaces(s, problem);

	for (size_t i = 0; i < k->count && r == 0; i++)
		r = call(s, k->links.http, SERVICE "containers.v1.Containers/List",
			 k->namespaces[i], &request, 0, &sink, problem);
	return r;
}

static int on_event_field(void *arg, const struct lt_proto_field *f)
{
	struct got *got = arg;

	if (f->kind != LT_PROTO_BYTES)
		return 0;
	if (f->number == ENVELOPE_TOPIC)
		lt_draft_text(got->topic, sizeof(got->topic), f->bytes);
	else if (f->number == ENVELOPE_EVENT)
		got->news = lt_containerd_event(lt_bytes_str(got->topic), f->bytes, got->id);
	return 0;
}

static int on_event(void *arg)
{
	struct got *got = arg;

	if (got->news != LT_NEWS_NONE)
		lt_source_news(got->source, got->id, got->news == LT_NEWS_GONE);
	else if (lt_bytes_starts(lt_bytes_str(got->topic), "/namespaces/"))
		lt_source_relist(got->source);
	got->news = LT_NEWS_NONE;
	got->topic[0] = '\0';
	return 0;
}

static int watch(struct lt_source *s, struct lt_problem *problem)
{
	struct containerd *k = lt_source_kept(s);
	struct got got = {.source = s};
	struct lt_grpc_sink sink = {.field = on_event_field, .end = on_event, .arg = &got};
	struct lt_proto_out request = {0};

	lt_proto_put(&request, REQUEST, lt_bytes_str("topic~=\"^/(containers|namespaces)/\""));
	return call(s, k->links.news, SERVICE "events.v1.Events/Subscribe", NULL, &request,
		    LT_SOURCE_QUIET_MS, &sink, problem);
}

static void containerd_free(void *kept)
{
	struct containerd *k = kept;

	lt_source_links_done(&k->links);
	lt_free(k);
}

static int containerd_open(struct lt_source *s, struct lt_problem *problem)
{
	struct containerd *k = lt_calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	r = lt_source_links_new(s, true, &k->links, problem);
	if (r < 0) {
		containerd_free(k);
		return r;
	}
	lt_source_keep(s, k);
	return 0;
}

const struct lt_source_ops lt_containerd_ops = {.open = containerd_open,
						.close = containerd_free,
						.look = look,
						.list = list,
						.watch = watch,
						.rank = 5};
