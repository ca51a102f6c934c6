// SPDX-License-Identifier: Apache-2.0
/* Where pods come from: a list and then a watch of the API server, or the kubelet's list again and
 * again. */
#include <ctype.h>
#include <errno.h>

#include "userspace/base/clock.h"
#include "userspace/base/digest.h"
#include "userspace/workload/kube_internal.h"

enum {
	TIMEOUT_MS = 10000,
	LIST_IDLE_MS = 30000,
	PAGE = 200,
	WATCH_S = 270,
	WATCH_SPREAD_S = 60, /* so that not all nodes come at once */
	WATCH_GRACE_MS = 15000,
	BACKOFF_MS = 500,
	BACKOFF_MAX_MS = 15000,
	/* What fails so often in a row may be asked for with a wrong version. */
	FAILURES_TO_LIST = 4,
	FAILURES_TO_EXPIRE = 8,
	KUBELET_MS = 15000,
	ASKED_MS = 500, /* between two answers of the kubelet that were asked for */
	PATH = 8192 + LT_KUBE_TOKEN_MAX * 3,
	SHORT_WATCH_MS = 1000,
};

/* Percent-encodes what does not stand in a query. */
static void append_query(char *path, size_t size, const char *name, const char *value)
{
	size_t n = strlen(path);

	n += (size_t)snprintf(path + n, size - n, "&%s=", name);
	for (; *value && n + 4 < size; value++) {
		if (isalnum((unsigned char)*value) || strchr("-_.~", *value))
			path[n++] = *value;
		else
			n += (size_t)snprintf(path + n, size - n, "%%%02X", (unsigned char)*value);
	}
	path[n] = '\0';
}

static int feed(void *arg, struct lt_bytes piece)
{
	return lt_kube_stream_feed(arg, piece);
}

/* ---- pods ------------------------------------------------------------------------------------ */

static int read_pod(struct lt_kubernetes *k, const struct lt_json_value *object)
{
	const struct lt_kube_settings *s = k->settings;
	int r = lt_kube_pod_read(object, &s->labels, &s->annotations, &k->pod);

	if (r == 0 && k->pod.facts.node[0] && strcmp(k->pod.facts.node, s->node) != 0 &&
	    s->from == LT_KUBE_API)
		return -EINVAL; /* another node's */
	return r;
}

/* An item of a list. What is no pod is left out. */
static int on_item(void *arg, const char *type, const struct lt_json_value *object)
{
	struct lt_kubernetes *k = arg;
	int r;

	(void)type;
	if (read_pod(k, object) < 0)
		return 0;
	pthread_mutex_lock(&k->lock);
	r = lt_kube_known_pod(k, &k->pod);
	pthread_mutex_unlock(&k->lock);
	return r;
}

static void keep_version(struct lt_kubernetes *k, const char *version)
{
	if (version[0] && strlen(version) < sizeof(k->version))
		lt_ignore(snprintf(k->version, sizeof(k->version), "%s", version));
}

/* Ends the watch: the event says why, as a Status with its HTTP code. */
static int on_error_event(struct lt_kubernetes *k, const struct lt_json_value *object)
{
	double code = 0;

	if (!lt_json_number(lt_json_get(object, "code"), &code) || code < 400 || code > 599)
		code = 500;
	k->event_code = (int)code;
	return -ESTALE;
}

/* The server answers again, after it did not. */
static void recovered(struct lt_kubernetes *k)
{
	k->progress = true;
	if (!k->failing)
		return;
	k->failing = false;
	lt_kube_say(k, LT_KUBERNETES_WORKS, "kubernetes: %s%s answers again", k->settings->server,
		    k->settings->prefix);
}

static int on_event(void *arg, const char *type, const struct lt_json_value *object)
{
	struct lt_kubernetes *k = arg;
	bool deleted = strcmp(type, "DELETED") == 0;
	int r = 0;

	if (strcmp(type, "ERROR") == 0)
		return on_error_event(k, object);
	if (strcmp(type, "BOOKMARK") == 0) {
		keep_version(k, lt_kube_text(lt_json_get(object, "metadata"), "resourceVersion"));
		recovered(k);
		return 0;
	}
	if (!deleted && strcmp(type, "ADDED") != 0 && strcmp(type, "MODIFIED") != 0)
		return 0;
	if (read_pod(k, object) < 0)
		return 0;
	pthread_mutex_lock(&k->lock);
	r = lt_kube_known_pod(k, &k->pod); /* its last state, too */
	if (r == 0 && deleted)
		lt_kube_known_gone(k, k->pod.facts.uid);
	pthread_mutex_unlock(&k->lock);
	if (r == 0) {
		keep_version(k, k->pod.version);
		recovered(k);
	}
	return r;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* What an answer that is no 200 comes to. -ESTALE: the version is too old. */
static int refused(struct lt_kubernetes *k, const struct lt_http_answer *answer, const char *what)
{
	const char *why = "";

	k->retry_after_s = answer->retry_after_s;
	if (answer->status == 410)
		return -ESTALE;
	k->failing = true;
	if (answer->status == 401)
		why = ": the token is not accepted";
	else if (answer->status == 403)
		why = ": no permission for pods";
	lt_kube_say(k, LT_KUBERNETES_FAILS, "kubernetes: %s%s answers HTTP %u to a %s%s",
		    k->settings->server, k->settings->prefix, answer->status, what, why);
	return -EAGAIN;
}

static int failed(struct lt_kubernetes *k, int r, const struct lt_problem *problem)
{
	if (r == -ECANCELED || r == -ESTALE || r == -ENOMEM)
		return r;
	k->failing = true;
	lt_kube_say(k, LT_KUBERNETES_FAILS, "kubernetes: %s%s%s",
		    problem->text[0] ? problem->text : k->settings->server,
		    problem->text[0] ? "" : ": its answer is not understood",
		    k->version[0] ? "; what is known stays" : "");
	return -EAGAIN;
}

/* One page of a list. */
static int read_page(struct lt_kubernetes *k, const char *path)
{
	const struct lt_http_request request = {.path = path,
						.idle_ms = LIST_IDLE_MS,
						.stop = &k->stop,
						.piece = feed,
						.arg = k->list};
	struct lt_http_answer answer;
	struct lt_problem problem = {0};
	int r;

	lt_kube_stream_reset(k->list);
	r = lt_http_run(k->http, &request, &answer, &problem);
	if (r == 0 && answer.status != 200)
		return refused(k, &answer, "list");
	if (r == 0)
		r = lt_kube_stream_finish(k->list);
	if (r == 0 && strcmp(lt_kube_stream_list_kind(k->list), "PodList") != 0)
		r = -EBADMSG; /* whatever that is, the pods are not gone by it */
	return r < 0 ? failed(k, r, &problem) : 0;
}

static void list_path(const struct lt_kubernetes *k, const char *more, char *path, size_t size)
{
	char selector[LT_KUBE_NAME + 32];

	if (k->settings->from == LT_KUBE_KUBELET) {
		snprintf(path, size, "%s/pods", k->settings->prefix);
		return;
	}
	snprintf(path, size, "%s/api/v1/pods?limit=%d", k->settings->prefix, PAGE);
	snprintf(selector, sizeof(selector), "spec.nodeName=%s", k->settings->node);
	append_query(path, size, "fieldSelector", selector);
	/*
	 * Not older than what is known; the first time any: that comes from the server's memory,
	 * not from the database behind it. What is expired must come from there.
	 */
	if (more[0])
		append_query(path, size, "continue", more);
	else if (!k->expired)
		append_query(path, size, "resourceVersion", k->version[0] ? k->version : "0");
}

static void begin_list(struct lt_kubernetes *k)
{
	k->progress = false;
	pthread_mutex_lock(&k->lock);
	k->generation++;
	k->news = k->replicasets_denied = k->jobs_denied = false;
	pthread_mutex_unlock(&k->lock);
}

static void end_list(struct lt_kubernetes *k)
{
	size_t n;

	keep_version(k, lt_kube_stream_version(k->list));
	k->must_list = k->expired = k->failing = false;
	pthread_mutex_lock(&k->lock);
	lt_kube_known_sweep(k);
	n = k->known_count;
	pthread_mutex_unlock(&k->lock);
	lt_kube_say(k, LT_KUBERNETES_WORKS, "kubernetes: %zu pods of node %s by %s%s", n,
		    k->settings->node, k->settings->server, k->settings->prefix);
}

/* All pods of the node. -ESTALE: it expired between two pages. */
static int list(struct lt_kubernetes *k)
{
	char path[PATH], more[LT_KUBE_TOKEN_MAX] = "";
	int r;

	begin_list(k);
	do {
		list_path(k, more, path, sizeof(path));
		r = read_page(k, path);
		if (r < 0)
			return r;
		lt_ignore(snprintf(more, sizeof(more), "%s", lt_kube_stream_continue(k->list)));
	} while (more[0]);
	end_list(k);
	return 0;
}

static unsigned watch_seconds(void)
{
	uint32_t chance = 0;

	lt_ignore(lt_random(&chance, sizeof(chance)));
	return WATCH_S - WATCH_SPREAD_S / 2 + chance % WATCH_SPREAD_S;
}

/* Until the server ends it, which is 0. -ESTALE: a new list is needed. */
static int watch(struct lt_kubernetes *k)
{
	unsigned seconds = watch_seconds();
	char path[PATH], number[16], selector[LT_KUBE_NAME + 32];
	struct lt_http_request request = {.path = path,
					  .idle_ms = seconds * 1000 + WATCH_GRACE_MS,
					  .stop = &k->stop,
					  .piece = feed,
					  .arg = k->events};
	uint64_t from = lt_clock_boot_ns();
	struct lt_http_answer answer;
	struct lt_problem problem = {0};
	int r;

	snprintf(path, sizeof(path), "%s/api/v1/pods?watch=1&allowWatchBookmarks=true",
		 k->settings->prefix);
	snprintf(selector, sizeof(selector), "spec.nodeName=%s", k->settings->node);
	snprintf(number, sizeof(number), "%u", seconds);
	append_query(path, sizeof(path), "fieldSelector", selector);
	append_query(path, sizeof(path), "resourceVersion", k->version);
	append_query(path, sizeof(path), "timeoutSeconds", number);
	lt_kube_stream_reset(k->events);
	k->event_code = 0;
	k->progress = false;
	r = lt_http_run(k->http, &request, &answer, &problem);
	if (r == -ESTALE && k->event_code != 410) {
		answer.status = (unsigned)k->event_code;
		return refused(k, &answer, "watch");
	}
	if (r == 0 && answer.status != 200)
		return refused(k, &answer, "watch");
	if (r < 0)
		return failed(k, r, &problem);
	/* Cut in the middle of a line: the rest comes with the next watch. */
	if (!k->progress && lt_clock_boot_ns() - from < SHORT_WATCH_MS * 1000000ull)
		return -EAGAIN;
	recovered(k);
	return 0;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static uint64_t backoff_ms(struct lt_kubernetes *k)
{
	uint64_t ms = (uint64_t)BACKOFF_MS << (k->failures < 6 ? k->failures : 6);

	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	if (k->retry_after_s && ms < k->retry_after_s * 1000ull)
		ms = k->retry_after_s * 1000ull;
	k->retry_after_s = 0;
	return lt_kube_jitter(ms);
}

static void watch_api(struct lt_kubernetes *k)
{
	k->must_list = true;
	while (!atomic_load(&k->stop)) {
		bool listing = k->must_list;
		int r = listing ? list(k) : watch(k);

		/* A list alone is not enough: the watch after it may be what fails. */
		if (!listing && (r == 0 || k->progress))
			k->failures = 0;
		if (r == 0)
			continue;
		if (r == -ESTALE) {
			k->expired = k->must_list = true;
			if (k->failures++ == 0)
				continue;
		}
		if (lt_kube_sleep(k, backoff_ms(k), NULL))
			break;
		k->failures++;
		if (k->failures >= FAILURES_TO_LIST)
			k->must_list = true;
		if (k->failures >= FAILURES_TO_EXPIRE)
			k->expired = true;
	}
}

static bool is_asked(const struct lt_kubernetes *k)
{
	return k->asked;
}

/* How long to leave the kubelet alone after it was asked, and whether that was of use. */
static uint64_t pause_ms(struct lt_kubernetes *k, uint64_t last_ms)
{
	uint64_t ms = ASKED_MS;

	pthread_mutex_lock(&k->lock);
	if (k->asked && !k->news)
		ms = last_ms * 2 < KUBELET_MS ? last_ms * 2 : KUBELET_MS;
	k->asked = false;
	pthread_mutex_unlock(&k->lock);
	return ms;
}

static void watch_kubelet(struct lt_kubernetes *k)
{
	uint64_t least_ms = ASKED_MS;

	while (!atomic_load(&k->stop)) {
		if (list(k) < 0) {
			if (lt_kube_sleep(k, backoff_ms(k), NULL))
				break;
			k->failures++;
			continue;
		}
		k->failures = 0;
		least_ms = pause_ms(k, least_ms);
		if (lt_kube_sleep(k, least_ms, NULL) ||
		    lt_kube_sleep(k, KUBELET_MS - least_ms, is_asked))
			break;
	}
}

void *lt_kube_watch_run(void *arg)
{
	struct lt_kubernetes *k = arg;

	if (k->settings->from == LT_KUBE_KUBELET)
		watch_kubelet(k);
	else
		watch_api(k);
	return NULL;
}

int lt_kube_watch_begin(struct lt_kubernetes *k, struct lt_problem *problem)
{
	const struct lt_kube_stream_sink items = {.arg = k, .object = on_item};
	const struct lt_kube_stream_sink events = {.arg = k, .object = on_event};
	int r = lt_kube_stream_new(LT_KUBE_LIST, &items, &k->list);

	if (r == 0)
		r = lt_kube_stream_new(LT_KUBE_EVENTS, &events, &k->events);
	return r < 0 ? r : lt_kube_settings_connect(k->settings, TIMEOUT_MS, &k->http, problem);
}
