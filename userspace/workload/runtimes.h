/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the container runtimes of this host who is who: name, image, digest and labels of the
 * containers that they run. Each source has threads of its own, so that one that hangs holds up
 * nothing else. Reads only; never starts, stops or changes a container.
 */
#pragma once

#include <sys/types.h>

#include "userspace/base/yaml.h"
#include "userspace/workload/workload.h"

enum lt_runtime_type {
	LT_RUNTIME_DOCKER,	/* Docker's API on a unix socket */
	LT_RUNTIME_PODMAN,	/* Podman's API that is compatible with it */
	LT_RUNTIME_CRI,		/* the API of the kubelet's runtimes: CRI-O, containerd */
	LT_RUNTIME_CONTAINERD,	/* containerd's own API: all of its namespaces */
	LT_RUNTIME_STORAGE,	/* the files of containers/storage: Podman, CRI-O; no daemon */
	LT_RUNTIME_DOCKER_ROOT, /* the files of Docker's data root */
};

/* "docker", "cri" ...: as in the config. */
const char *lt_runtime_type_name(enum lt_runtime_type type);

/* The section "containers" of the config, checked. */
struct lt_runtimes_config;

/*
 * @section NULL: the defaults, which are the usual places, looked for again every 30 s. -EINVAL
 * with @problem, -ENOMEM.
 */
LT_MUST_CHECK int lt_runtimes_config_new(const struct lt_yaml *config,
					 const struct lt_yaml_node *section,
					 struct lt_runtimes_config **ret,
					 struct lt_problem *problem);
struct lt_runtimes_config *lt_runtimes_config_free(struct lt_runtimes_config *config);
LT_DEFINE_FREEP(lt_runtimes_config_free, struct lt_runtimes_config)
/* Whether there is anything to ask at all: false for "runtimes: []". */
bool lt_runtimes_config_any(const struct lt_runtimes_config *config);

struct lt_runtime_source {
	enum lt_runtime_type type;
	const char *path; /* of its socket or folder */
	uid_t uid; /* whose it is; what a source of a user (not 0) tells was that user's choice */
	bool automatic; /* found in a usual place, not named by the config */
};

struct lt_runtimes_opts {
	const struct lt_runtimes_config *config; /* copied */
	/*
	 * A container, or a change of one. Called on the sources' threads, one at a time; all is
	 * borrowed for the call. What the better source said is not followed by a worse one's.
	 */
	void (*container)(void *arg, const struct lt_runtime_source *source,
			  const struct lt_container_facts *facts);
	/* It has ended (and may be started again). May be NULL. */
	void (*gone)(void *arg, const char *id);
	/* A source can be asked (@problem NULL), or cannot any more: told once until it changes.
	 * May be NULL. */
	void (*state)(void *arg, const struct lt_runtime_source *source, const char *problem);
	void *arg;
};

struct lt_runtimes;

/* -ENOMEM, -EAGAIN (no threads), ... */
LT_MUST_CHECK int lt_runtimes_start(const struct lt_runtimes_opts *opts, struct lt_runtimes **ret);
/* Returns within half a second, whatever the sources do. Returns NULL. */
struct lt_runtimes *lt_runtimes_stop(struct lt_runtimes *r);
LT_DEFINE_FREEP(lt_runtimes_stop, struct lt_runtimes)

/*
 * A container that nothing is known of yet, perhaps one that has only just begun: look it up now,
 * and a few times more within some 3 s when no runtime knows it yet. Any thread; never waits for
 * an answer. When too many are asked for, the one that was tried most often is given up.
 */
void lt_runtimes_ask(struct lt_runtimes *r, const char *id);
/* Every source has answered once, or failed to, and what it listed has been looked up. */
bool lt_runtimes_settled(struct lt_runtimes *r);
