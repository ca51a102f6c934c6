// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/sources.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/workload/kubernetes.h"
#include "userspace/workload/runtimes.h"

struct lt_sources {
	struct lt_workloads *workloads;
	struct lt_runtimes *runtimes;	  /* NULL: none are to be asked */
	struct lt_kubernetes *kubernetes; /* NULL: there is none */
};

/* A failure to keep one is no reason to stop: its calls are attributed by what the kernel saw. */
static void on_container(void *arg, const struct lt_runtime_source *source,
			 const struct lt_container_facts *facts)
{
	struct lt_sources *s = arg;
	struct lt_container_facts by = *facts;

	by.user = source->uid;
	lt_ignore(lt_workloads_container(s->workloads, &by));
}

static void on_container_gone(void *arg, const char *id)
{
	lt_workloads_container_gone(((struct lt_sources *)arg)->workloads, id, lt_clock_boot_ns());
}

static void on_runtime(void *arg, const struct lt_runtime_source *source, const char *problem)
{
	(void)arg;
	if (!problem)
		lt_log_info("containers are described by %s (%s)",
			    lt_runtime_type_name(source->type), source->path);
	else
		lt_log_warn("%s (%s) cannot be asked: %s; containers of it are known by their ids "
			    "alone",
			    lt_runtime_type_name(source->type), source->path, problem);
}

static int start_runtimes(struct lt_sources *s, const struct lt_config *config,
			  struct lt_problem *problem)
{
	lt_defer(lt_runtimes_config_freep)
	struct lt_runtimes_config *runtimes = NULL;
	struct lt_runtimes_opts opts = {
		.container = on_container,
		.gone = on_container_gone,
		.state = on_runtime,
		.arg = s,
	};
	int r = lt_runtimes_config_new(config->yaml, config->containers, &runtimes, problem);

	if (r < 0 || !lt_runtimes_config_any(runtimes))
		return r;
	opts.config = runtimes;
	r = lt_runtimes_start(&opts, &s->runtimes);
	return r < 0 ? lt_problem_set(problem, r, NULL, 0, "container runtimes cannot be asked: %s",
				      strerror(-r))
		     : 0;
}

static void on_pod(void *arg, const struct lt_pod_facts *pod)
{
	lt_ignore(lt_workloads_pod(((struct lt_sources *)arg)->workloads, pod));
}

static void on_pod_gone(void *arg, const char *uid)
{
	lt_workloads_pod_gone(((struct lt_sources *)arg)->workloads, uid, lt_clock_boot_ns());
}

static void on_kubernetes(void *arg, enum lt_kubernetes_status status, const char *text)
{
	(void)arg;
	if (status == LT_KUBERNETES_WORKS)
		lt_log_info("Kubernetes: %s", text);
	else
		lt_log_warn("Kubernetes: %s", text);
}

static int start_kubernetes(struct lt_sources *s, const struct lt_config *config,
			    struct lt_problem *problem)
{
	struct lt_kubernetes_opts opts = {
		.config = config->yaml,
		.section = config->kubernetes,
		.sink = {.arg = s, .pod = on_pod, .pod_gone = on_pod_gone, .status = on_kubernetes},
	};

	return lt_kubernetes_start(&opts, &s->kubernetes, problem);
}

int lt_sources_start(const struct lt_config *config, struct lt_sources **ret,
		     struct lt_problem *problem)
{
	const struct lt_workloads_opts opts = {0};
	lt_defer(lt_sources_stopp)
	struct lt_sources *s = lt_calloc(1, sizeof(*s));
	int r;

	lt_problem_set(problem, 0, NULL, 0, "out of memory");
	if (!s)
		return -ENOMEM;
	r = lt_workloads_new(&opts, &s->workloads);
	if (r == 0)
		r = start_runtimes(s, config, problem);
	if (r == 0)
		r = start_kubernetes(s, config, problem);
	if (r < 0)
		return r;
	lt_workloads_expect(s->workloads, s->runtimes, s->kubernetes);
	*ret = lt_take(s);
	return 0;
}

struct lt_sources *lt_sources_stop(struct lt_sources *s)
{
	if (!s)
		return NULL;
	s->kubernetes = lt_kubernetes_stop(s->kubernetes);
	s->runtimes = lt_runtimes_stop(s->runtimes);
	s->workloads = lt_workloads_free(s->workloads);
	lt_free(s);
	return NULL;
}

bool lt_sources_has_runtime(const struct lt_sources *s)
{
	return s->runtimes;
}

bool lt_sources_has_kubernetes(const struct lt_sources *s)
{
	return s->kubernetes;
}

struct lt_workloads *lt_sources_workloads(struct lt_sources *s)
{
	return s->workloads;
}

void lt_sources_ask(struct lt_sources *s, const struct lt_container *container)
{
	const struct lt_workload *known = lt_workloads_find(s->workloads, container->id,
							    container->pod_uid);
	bool whole = known && known->whole;

	if (known)
		lt_workload_put(known);
	if (whole)
		return;
	if (s->runtimes && container->id[0] && (!container->id_is_claim || container->unit[0]))
		lt_runtimes_ask(s->runtimes, container->id);
	if (s->kubernetes && container->pod_uid[0] && !container->pod_is_claim)
		lt_kubernetes_ask(s->kubernetes, container->pod_uid);
}

void lt_sources_tick(struct lt_sources *s, uint64_t now_ns)
{
	lt_workloads_tick(s->workloads, now_ns);
}
