/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One source of what runtimes know: a worker that looks up, lists and retries, a watcher that
 * waits for news, and below them the functions that know one kind of runtime. Part of runtimes.c.
 */
#pragma once

#include <stdatomic.h>

#include "userspace/base/problem.h"
#include "userspace/workload/container_draft.h"
#include "userspace/workload/http.h"
#include "userspace/workload/runtimes.h"

enum {
	LT_SOURCES_MAX = 32,
	LT_SOURCE_PATH = 256,
	LT_SOURCE_NAMESPACES = 16,
	LT_SOURCE_NAMESPACE = 80,
	LT_SOURCE_RANK_ROOT = 100, /* whatever a user's source says, one of root's says it better */
	LT_SOURCE_TIMEOUT_MS = 2000,	  /* for an answer */
	LT_SOURCE_QUIET_MS = 3600 * 1000, /* a stream of news without any is begun anew */
};

/* Where a source is. */
struct lt_place {
	enum lt_runtime_type type;
	char path[LT_SOURCE_PATH]; /* with the host's root before it */
	uid_t uid;
	bool automatic;
	char namespaces[LT_SOURCE_NAMESPACES][LT_SOURCE_NAMESPACE]; /* containerd's */
	size_t namespace_count;					    /* 0: all */
};

struct lt_source;

/* What knows one kind of runtime. look, list on the worker's thread, watch on the watcher's. */
struct lt_source_ops {
	/*
	 * Opens what it needs (no waiting), and may keep something by lt_source_keep: that is
	 * what close gets after the threads have ended.
	 */
	int (*open)(struct lt_source *s, struct lt_problem *problem);
	void (*close)(void *kept);
	/* One container: lt_source_found and 0; -ENXIO: it does not know that one. */
	int (*look)(struct lt_source *s, const char *id, struct lt_problem *problem);
	/* All of them: lt_source_listed, or lt_source_found, for each. */
	int (*list)(struct lt_source *s, struct lt_problem *problem);
	/* Waits for news until stopped: lt_source_news. -EOPNOTSUPP: there is no such thing. May
	 * be NULL. */
	int (*watch)(struct lt_source *s, struct lt_problem *problem);
	unsigned rank; /* how much it knows: the higher one's word stays */
};

extern const struct lt_source_ops lt_docker_ops, lt_podman_ops, lt_cri_ops, lt_containerd_ops,
	lt_storage_ops, lt_docker_root_ops;

/* What all sources of one lt_runtimes share. */
struct lt_source_owner {
	void *arg;
	/* A source has these facts: passed on unless a better source has told of it. */
	void (*found)(void *arg, struct lt_source *s, const struct lt_container_facts *facts);
	void (*gone)(void *arg, struct lt_source *s, const char *id);
	void (*state)(void *arg, struct lt_source *s, const char *problem);
	/* Whether another source that is as good has told of it. */
	bool (*known)(void *arg, const struct lt_source *s, const char *id);
};

/* The places where runtimes usually are and that exist now, at most @max. */
size_t lt_usual_places(const char *host_root, struct lt_place *ret, size_t max);

struct lt_runtimes_config {
	bool automatic;
	char host_root[LT_SOURCE_PATH];
	size_t count;
	struct lt_place places[LT_SOURCES_MAX];
};

LT_MUST_CHECK int lt_source_start(const struct lt_place *place, const struct lt_source_owner *owner,
				  struct lt_source **ret);
/* Says stop to both threads, without waiting. */
void lt_source_cancel(struct lt_source *s);
/* Waits for their end; the source can still be asked what it knows. */
void lt_source_join(struct lt_source *s);
/* Cancels, waits, and frees. */
struct lt_source *lt_source_free(struct lt_source *s);
/* Any thread. @force: also when its facts are fresh. */
void lt_source_ask(struct lt_source *s, const char *id, bool force);
bool lt_source_settled(struct lt_source *s);
/* Whether its facts have been told. Any thread. */
bool lt_source_knows(struct lt_source *s, const char *id);
unsigned lt_source_rank(const struct lt_source *s);
struct lt_runtime_source lt_source_about(const struct lt_source *s);

/* ---- for the ops ---- */

const struct lt_place *lt_source_place(const struct lt_source *s);
/* Two clients of an API on the source's socket: a stream of news must not hold up questions. */
struct lt_source_links {
	struct lt_http *http; /* the worker's */
	struct lt_http *news; /* the watcher's */
};

/* Opens nothing yet. @http2: gRPC. -ENOMEM ... with @problem: then there is nothing to be freed. */
LT_MUST_CHECK int lt_source_links_new(const struct lt_source *s, bool http2,
				      struct lt_source_links *ret, struct lt_problem *problem);
void lt_source_links_done(struct lt_source_links *links);
void lt_source_keep(struct lt_source *s, void *kept);
void *lt_source_kept(const struct lt_source *s);
/* An empty draft, the worker's. */
struct lt_container_draft *lt_source_draft(struct lt_source *s);
/* The draft is whole: told when it is news, or was asked for. */
void lt_source_found(struct lt_source *s);
/* It is there: looked up later when nothing is known of it yet. Worker. */
void lt_source_listed(struct lt_source *s, const char *id);
/* Something happened to it. Any thread. */
void lt_source_news(struct lt_source *s, const char *id, bool gone);
/* The list is to be asked for soon. Any thread. */
void lt_source_relist(struct lt_source *s);
const atomic_bool *lt_source_stop(const struct lt_source *s);
/* Readable once it is to stop. */
int lt_source_stop_fd(const struct lt_source *s);
