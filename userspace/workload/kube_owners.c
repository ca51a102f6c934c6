// SPDX-License-Identifier: Apache-2.0
/* Owners of owners: asked by a thread of its own, so that the watch never waits for them. */
#include <errno.h>

#include "userspace/workload/kube_internal.h"

enum {
	TIMEOUT_MS = 5000,
	BACKOFF_MS = 500,
	BACKOFF_MAX_MS = 15000,
	IDLE_MS = 60000,
};

/* What is asked for: a copy, since the lock is not held meanwhile. */
struct question {
	struct lt_kube_owner owner;
	char namespace[LT_KUBE_NAME];
	bool denied;
};

const struct lt_kube_top *lt_kube_owner_top(struct lt_kubernetes *k, const char *uid)
{
	for (size_t i = 0; uid[0] && i < LT_KUBE_CACHE; i++) {
		if (strcmp(k->cache[i].uid, uid) == 0) {
			k->cache[i].used = ++k->cache_clock;
			return &k->cache[i];
		}
	}
	return NULL;
}

static struct lt_kube_top *new_top(struct lt_kubernetes *k)
{
	struct lt_kube_top *oldest = &k->cache[0];

	for (size_t i = 1; i < LT_KUBE_CACHE; i++) {
		if (k->cache[i].used < oldest->used)
			oldest = &k->cache[i];
	}
	oldest->used = ++k->cache_clock;
	return oldest;
}

bool lt_kube_owner_denied(const struct lt_kubernetes *k, const char *kind)
{
	if (k->settings->from != LT_KUBE_API)
		return true; /* the kubelet knows pods only */
	return strcmp(kind, "Job") == 0 ? k->jobs_denied : k->replicasets_denied;
}

/* Whether all of it may stand in a path. */
static bool is_path_text(const char *text)
{
	return text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-/") == strlen(text) &&
	       !strstr(text, "..");
}

struct answer {
	const struct question *question;
	struct lt_kube_owner parent;
	bool same; /* the object that was meant, not a later one of its name */
};

static int on_object(void *arg, const char *type, const struct lt_json_value *object)
{
	struct answer *a = arg;
	const char *uid = lt_kube_text(lt_json_get(object, "metadata"), "uid");

	(void)type;
	a->same = strcmp(uid, a->question->owner.uid) == 0;
	lt_kube_owner_read(object, &a->parent);
	return 0;
}

static int feed(void *arg, struct lt_bytes piece)
{
	return lt_kube_stream_feed(arg, piece);
}

/* The HTTP status, or -errno. */
static int ask(struct lt_kubernetes *k, struct lt_http *http, struct answer *answer)
{
	static const char *const headers[] = {
		"Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
		"application/json",
		NULL};
	const struct question *q = answer->question;
	const struct lt_kube_stream_sink sink = {.arg = answer, .object = on_object};
	struct lt_http_answer got;
	lt_defer(lt_kube_stream_freep)
	struct lt_kube_stream *stream = NULL;
	char path[1024];
	int r;

	if (!is_path_text(q->owner.version) || !is_path_text(q->owner.name) ||
	    !is_path_text(q->namespace))
		return 404;
	if (snprintf(path, sizeof(path), "%s/apis/%s/namespaces/%s/%s/%s", k->settings->prefix,
		     q->owner.version, q->namespace,
		     strcmp(q->owner.kind, "Job") == 0 ? "jobs" : "replicasets",
		     q->owner.name) >= (int)sizeof(path))
		return 404;
	r = lt_kube_stream_new(LT_KUBE_OBJECT, &sink, &stream);
	if (r == 0)
		r = lt_http_run(http,
				&(struct lt_http_request){.path = path,
							  .headers = headers,
							  .stop = &k->stop,
							  .piece = feed,
							  .arg = stream},
				&got, NULL);
	if (r == 0 && got.status == 200)
		r = lt_kube_stream_finish(stream);
	return r < 0 ? r : (int)got.status;
}

static void take_answer(struct lt_kubernetes *k, const struct answer *answer)
{
	const struct lt_kube_owner *owner = &answer->question->owner;
	const struct lt_kube_owner *top = answer->parent.kind[0] ? &answer->parent : owner;
	struct lt_kube_top *cached = new_top(k);

	memcpy(cached->uid, owner->uid, sizeof(cached->uid));
	memcpy(cached->kind, top->kind, sizeof(cached->kind));
	memcpy(cached->name, top->name, sizeof(cached->name));
	lt_kube_known_settle(k, owner->uid, cached);
}

/* -EAGAIN: it is to be asked again, later. */
static int settle(struct lt_kubernetes *k, int status, const struct answer *answer)
{
	const struct lt_kube_owner *owner = &answer->question->owner;
	bool job = strcmp(owner->kind, "Job") == 0, denied = status == 403;
	bool known = status == 200 && answer->same;

	if (!known && status != 200 && status != 403 && status != 404 && status != 410)
		return -EAGAIN;
	pthread_mutex_lock(&k->lock);
	if (known)
		take_answer(k, answer);
	else
		lt_kube_known_settle(k, owner->uid, NULL);
	if (denied && job)
		k->jobs_denied = true;
	else if (denied)
		k->replicasets_denied = true;
	pthread_mutex_unlock(&k->lock);
	if (denied)
		lt_kube_say(k, LT_KUBERNETES_LACKS,
			    "kubernetes: no permission to get %s: owners of pods are told by "
			    "their labels and names",
			    job ? "jobs" : "replicasets");
	return 0;
}

/* False: nobody waits. */
static bool next_question(struct lt_kubernetes *k, struct question *ret)
{
	bool any;

	pthread_mutex_lock(&k->lock);
	any = lt_kube_known_question(k, &ret->owner, ret->namespace);
	ret->denied = any && lt_kube_owner_denied(k, ret->owner.kind);
	pthread_mutex_unlock(&k->lock);
	return any;
}

static bool has_pending(const struct lt_kubernetes *k)
{
	return k->pending_count > 0;
}

void *lt_kube_owner_run(void *arg)
{
	struct lt_kubernetes *k = arg;
	lt_defer(lt_http_freep)
	struct lt_http *http = NULL;
	uint64_t backoff_ms = BACKOFF_MS;
	struct question question;

	if (lt_kube_settings_connect(k->settings, TIMEOUT_MS, &http, NULL) < 0)
		return NULL; /* only without memory: pods stay as they were told */
	while (!atomic_load(&k->stop)) {
		struct answer answer = {.question = &question};

		if (!next_question(k, &question)) {
			lt_ignore(lt_kube_sleep(k, IDLE_MS, has_pending));
			continue;
		}
		if (settle(k, question.denied ? 403 : ask(k, http, &answer), &answer) == 0) {
			backoff_ms = BACKOFF_MS;
			continue;
		}
		if (lt_kube_sleep(k, lt_kube_jitter(backoff_ms), NULL))
			break;
		backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
	}
	return NULL;
}
