// SPDX-License-Identifier: Apache-2.0
/*
 * Docker's Engine API on its unix socket, and Podman's that is compatible with it. Paths without a
 * version: each daemon answers with its own, and what is read here is in all of them.
 */
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/digest_cache.h"
#include "userspace/workload/http.h"
#include "userspace/workload/json_items.h"
#include "userspace/workload/runtime_answers.h"
#include "userspace/workload/runtime_source.h"

enum { API_PATH = LT_DRAFT_TEXT + 80 };

/* {"type":["container"]}, {"id":["%s"]}. Listed, not inspected: an inspected container comes with
 * its environment, which is nobody's business here. */
#define LOOK_PATH "/containers/json?all=1&filters=%%7B%%22id%%22%%3A%%5B%%22%s%%22%%5D%%7D"
static const char events_path[] = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D";

struct docker {
	struct lt_source_links links;
	struct lt_digest_cache digests;
};

struct got {
	struct lt_source *source;
	struct lt_container_draft *draft;
	const char *id; /* the container that is looked up */
	bool any;
};

static int feed_items(void *arg, struct lt_bytes piece)
{
	return lt_json_items_feed(arg, piece);
}

static int by_status(unsigned status, const char *what, struct lt_problem *problem)
{
	if (status == 200)
		return 0;
	if (status == 404)
		return -ENXIO;
	return lt_problem_set(problem, status == 401 || status == 403 ? -EACCES : -EPROTO, "", 0,
			      "%s is answered by HTTP %u", what, status);
}

/* A GET, whose objects go to @item. */
static int get(struct lt_source *s, struct lt_http *http, const char *path, unsigned idle_ms,
	       int (*item)(void *arg, const struct lt_json_value *value), struct got *got,
	       struct lt_problem *problem)
{
	lt_defer(lt_json_items_freep)
	struct lt_json_items *items = NULL;
	struct lt_http_answer answer = {0};
	struct lt_http_request request = {
		.path = path, .idle_ms = idle_ms, .stop = lt_source_stop(s), .piece = feed_items};
	int r = lt_json_items_new(item, got, &items);

	if (r < 0)
		return r;
	request.arg = items;
	r = lt_http_run(http, &request, &answer, problem);
	if (r == 0)
		r = by_status(answer.status, path, problem);
	return r < 0 ? r : lt_json_items_finish(items);
}

/* Nothing in it that means anything in a path. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (!(*text >= '0' && *text <= '9') && !(*text >= 'a' && *text <= 'z') &&
		    !(*text >= 'A' && *text <= 'Z') && !strchr("_.-:", *text))
			return false;
	}
	return true;
}

/* The filter takes the beginning of an id, too: then it is another one's. */
static int on_looked_up(void *arg, const struct lt_json_value *v)
{
	struct got *got = arg;

	if (got->any)
		return 0;
	lt_draft_reset(got->draft);
	lt_docker_entry(v, got->draft);
	got->any = strcmp(got->draft->id, got->id) == 0;
	return 0;
}

static int on_image(void *arg, const struct lt_json_value *v)
{
	lt_docker_image(v, ((struct got *)arg)->draft);
	return 0;
}

/* An image that is gone, or has no digest, is remembered as well. */
static int read_digest(struct lt_source *s, struct docker *k, struct got *got)
{
	char path[API_PATH];
	int r;

	if (got->draft->digest[0] || !got->draft->image_id[0] || !is_plain(got->draft->image_id) ||
	    lt_digests_find(&k->digests, got->draft))
		return 0;
	snprintf(path, sizeof(path), "/images/%s/json", got->draft->image_id);
	r = get(s, k->links.http, path, 0, on_image, got, NULL);
	if (r == 0 || r == -ENXIO)
		lt_digests_keep(&k->digests, got->draft);
	return r == -ECANCELED ? r : 0;
}

static int look(struct lt_source *s, const char *id, struct lt_problem *problem)
{
	struct docker *k = lt_source_kept(s);
	struct got got = {.source = s, .draft = lt_source_draft(s), .id = id};
	char path[API_PATH];
	int r;

	if (!is_plain(id))
		return -ENXIO;
	snprintf(path, sizeof(path), LOOK_PATH, id);
	r = get(s, k->links.http, path, 0, on_looked_up, &got, problem);
	if (r == 0 && !got.any)
		r = -ENXIO;
	if (r == 0)
		r = read_digest(s, k, &got);
	if (r == 0)
		lt_source_found(s);
	return r;
}

static int on_entry(void *arg, const struct lt_json_value *v)
{
	struct got *got = arg;

	lt_draft_reset(got->draft);
	lt_docker_entry(v, got->draft);
	if (got->draft->id[0])
		lt_source_listed(got->source, got->draft->id);
	return 0;
}

static int list(struct lt_source *s, struct lt_problem *problem)
{
	struct docker *k = lt_source_kept(s);
	struct got got = {.source = s, .draft = lt_source_draft(s)};
	int r = get(s, k->links.http, "/containers/json", 0, on_entry, &got, problem);

	/* Whoever answers that is no such daemon. */
	return r == -ENXIO ? -EPROTO : r;
}

static int on_event(void *arg, const struct lt_json_value *v)
{
	char id[LT_DRAFT_ID];
	enum lt_runtime_news news = lt_docker_event(v, id);

	if (news != LT_NEWS_NONE)
		lt_source_news(((struct got *)arg)->source, id, news == LT_NEWS_GONE);
	return 0;
}

static int watch(struct lt_source *s, struct lt_problem *problem)
{
	struct docker *k = lt_source_kept(s);
	struct got got = {.source = s};

	return get(s, k->links.news, events_path, LT_SOURCE_QUIET_MS, on_event, &got, problem);
}

static void docker_free(void *kept)
{
	struct docker *k = kept;

	lt_source_links_done(&k->links);
	lt_free(k);
}

static int docker_open(struct lt_source *s, struct lt_problem *problem)
{
	struct docker *k = lt_calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	r = lt_source_links_new(s, false, &k->links, problem);
	if (r < 0) {
		docker_free(k);
		return r;
	}
	lt_source_keep(s, k);
	return 0;
}

const struct lt_source_ops lt_docker_ops = {.open = docker_open,
					    .close = docker_free,
					    .look = look,
					    .list = list,
					    .watch = watch,
					    .rank = 3};

const struct lt_source_ops lt_podman_ops = {.open = docker_open,
					    .close = docker_free,
					    .look = look,
					    .list = list,
					    .watch = watch,
					    .rank = 3};
