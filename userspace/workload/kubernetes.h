/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods of this node, by a watch on the API server or from the kubelet. Has threads of its own;
 * nothing waits for it. While nobody answers, what is known stays.
 */
#pragma once

#include "userspace/base/yaml.h"
#include "userspace/workload/workload.h"

struct lt_kubernetes;

enum lt_kubernetes_status {
	LT_KUBERNETES_WORKS, /* all pods of the node are known */
	LT_KUBERNETES_FAILS, /* nobody answers; it is tried again */
	LT_KUBERNETES_LACKS, /* it works, with less than there could be */
};

/* Called by threads of this module, by one at a time; must not wait, nor call this module. */
struct lt_kubernetes_sink {
	void *arg;
	/* New or changed; borrowed. Also the same again. */
	void (*pod)(void *arg, const struct lt_pod_facts *pod);
	void (*pod_gone)(void *arg, const char *uid);
	/* For the log, once for each change; one line, nothing secret. May be NULL. */
	void (*status)(void *arg, enum lt_kubernetes_status status, const char *text);
};

struct lt_kubernetes_opts {
	const struct lt_yaml *config;	    /* the config and its section "kubernetes" (NULL: all */
	const struct lt_yaml_node *section; /* defaults); not needed after the start */
	struct lt_kubernetes_sink sink;
};

/* Is the section right? -EINVAL with @problem, -ENOMEM. Reads no other file. */
LT_MUST_CHECK int lt_kubernetes_check(const struct lt_yaml *config,
				      const struct lt_yaml_node *section,
				      struct lt_problem *problem);

/*
 * *@ret is NULL when there is no Kubernetes: it is off, or auto outside of a cluster. -EINVAL (the
 * section, a kubeconfig), -ENOENT, -EACCES with @problem, -ENOMEM. An API that does not answer is
 * no error.
 */
LT_MUST_CHECK int lt_kubernetes_start(const struct lt_kubernetes_opts *opts,
				      struct lt_kubernetes **ret, struct lt_problem *problem);
/* Within half a second; the sink is not called any more after that. NULL is fine. Returns NULL. */
struct lt_kubernetes *lt_kubernetes_stop(struct lt_kubernetes *k);
LT_DEFINE_FREEP(lt_kubernetes_stop, struct lt_kubernetes)

/*
 * A pod was met that nobody has told of: the kubelet is asked now, not at the next turn (as often
 * as it helps). With the API there is nothing to ask. Any thread.
 */
void lt_kubernetes_ask(struct lt_kubernetes *k, const char *pod_uid);
