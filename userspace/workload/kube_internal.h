/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the Kubernetes source: what is known (kube_known.c), who owns it (kube_owners.c),
 * where it comes from (kube_watch.c), and the whole (kubernetes.c). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "userspace/workload/facts.h"
#include "userspace/workload/kube_config.h"
#include "userspace/workload/kube_stream.h"
#include "userspace/workload/kubernetes.h"

enum {
	LT_KUBE_KNOWN_MAX = 16384, /* pods; more are told of, but not their end */
	LT_KUBE_BUCKETS = 1024,
	LT_KUBE_CACHE = 256, /* owners of owners */
};

/* A pod whose top owner is not known yet: all that is told once more when it is. */
struct lt_kube_pending {
	struct lt_kube_owner owner;
	unsigned asked; /* how often its owner was asked for */
	char guess_kind[LT_KUBE_KIND], guess_name[LT_KUBE_NAME];
	struct lt_facts *pod;
	size_t container_count;
	struct lt_facts *containers[];
};

struct lt_kube_known {
	struct lt_kube_known *next; /* of the same bucket */
	struct lt_kube_pending *pending;
	uint64_t generation;
	char uid[LT_KUBE_UID];
};

/* An owner's own owner, or its own kind and name when it has none. */
struct lt_kube_top {
	char uid[LT_KUBE_UID]; /* "": free */
	char kind[LT_KUBE_KIND], name[LT_KUBE_NAME];
	uint64_t used;
};

struct lt_kubernetes {
	struct lt_kube_settings *settings;
	struct lt_kubernetes_sink sink;
	pthread_t watcher, owner;
	bool has_watcher, has_owner;
	atomic_bool stop;

	pthread_mutex_t lock; /* of what follows, and of calling the sink */
	pthread_cond_t wake;
	struct lt_kube_known *known[LT_KUBE_BUCKETS];
	size_t known_count, pending_count;
	uint64_t generation; /* of the list that is being read, or was read last */
	struct lt_kube_top cache[LT_KUBE_CACHE];
	uint64_t cache_clock;
	bool replicasets_denied, jobs_denied;
	bool asked;		    /* the kubelet, for now */
	bool news;		    /* a pod that was not known has come */
	char said[512], lacks[512]; /* the last words on whether it works, and on what it lacks */

	/* The watcher's own. */
	struct lt_http *http;
	struct lt_kube_stream *list, *events;
	struct lt_kube_pod pod;
	char version[LT_KUBE_VERSION_MAX]; /* where the watch goes on; "": not known */
	bool must_list, expired, progress, failing;
	int event_code; /* of an ERROR event, 0: none */
	unsigned retry_after_s, failures;
};

/* ---- kube_known.c: with the lock held -------------------------------------------------------- */

/* Tells of @pod, with its owner as far as it is known. -ENOMEM. */
LT_MUST_CHECK int lt_kube_known_pod(struct lt_kubernetes *k, const struct lt_kube_pod *pod);
void lt_kube_known_gone(struct lt_kubernetes *k, const char *uid);
bool lt_kube_known_has(const struct lt_kubernetes *k, const char *uid);
/* A list is whole: those that it did not have are gone. */
void lt_kube_known_sweep(struct lt_kubernetes *k);
/* The owner @uid is settled, by @top or (NULL) by guess: tells of its pods once more. */
void lt_kube_known_settle(struct lt_kubernetes *k, const char *uid, const struct lt_kube_top *top);
/* The owner to be asked for next, and its namespace; false when none is. */
bool lt_kube_known_question(struct lt_kubernetes *k, struct lt_kube_owner *ret,
			    char ret_namespace[LT_KUBE_NAME]);
void lt_kube_known_free(struct lt_kubernetes *k);

/* ---- kube_owners.c --------------------------------------------------------------------------- */

/* With the lock held. NULL: not known (yet). */
const struct lt_kube_top *lt_kube_owner_top(struct lt_kubernetes *k, const char *uid);
/* With the lock held. Whether nobody can be asked about owners of this kind. */
bool lt_kube_owner_denied(const struct lt_kubernetes *k, const char *kind);
/* The thread. */
void *lt_kube_owner_run(void *arg);

/* ---- kube_watch.c ---------------------------------------------------------------------------- */

/* Makes what the thread needs. -ENOMEM, -EINVAL (the server's URL) with @problem. */
LT_MUST_CHECK int lt_kube_watch_begin(struct lt_kubernetes *k, struct lt_problem *problem);
/* The thread. */
void *lt_kube_watch_run(void *arg);

/* ---- kubernetes.c ---------------------------------------------------------------------------- */

/* Says it unless it was said last; takes the lock. */
void lt_kube_say(struct lt_kubernetes *k, enum lt_kubernetes_status status, const char *format, ...)
	LT_PRINTF(3, 4);
/* A quarter more or less of it, by chance. */
uint64_t lt_kube_jitter(uint64_t ms);
/* Sleeps; true when stopped. With @until also until that is true, which is read with the lock held.
 */
bool lt_kube_sleep(struct lt_kubernetes *k, uint64_t ms,
		   bool (*until)(const struct lt_kubernetes *k));
