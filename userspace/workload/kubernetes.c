// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/kubernetes.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/workload/kube_internal.h"

int lt_kubernetes_check(const struct lt_yaml *config, const struct lt_yaml_node *section,
			struct lt_problem *problem)
{
	return lt_kube_config_check(config, section, problem);
}

void lt_kube_say(struct lt_kubernetes *k, enum lt_kubernetes_status status, const char *format, ...)
{
	char *said = status == LT_KUBERNETES_LACKS ? k->lacks : k->said;
	char text[sizeof(k->said)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&k->lock);
	if (strcmp(said, text) != 0) {
		memcpy(said, text, sizeof(text));
		if (k->sink.status)
			k->sink.status(k->sink.arg, status, text);
	}
	pthread_mutex_unlock(&k->lock);
}

uint64_t lt_kube_jitter(uint64_t ms)
{
	uint32_t chance = 0;

	lt_ignore(lt_random(&chance, sizeof(chance)));
	return ms * 3 / 4 + ms / 2 * (chance % 1024) / 1024;
}

bool lt_kube_sleep(struct lt_kubernetes *k, uint64_t ms,
		   bool (*until)(const struct lt_kubernetes *k))
{
	struct timespec end;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)(ms / 1000);
	end.tv_nsec += (long)(ms % 1000 * 1000000);
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&k->lock);
	while (r == 0 && !atomic_load(&k->stop) && !(until && until(k)))
		r = pthread_cond_timedwait(&k->wake, &k->lock, &end);
	pthread_mutex_unlock(&k->lock);
	return atomic_load(&k->stop);
}

/* Signals are for the threads that wait for them. */
static int begin_thread(pthread_t *ret, void *(*run)(void *arg), struct lt_kubernetes *k)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret, NULL, run, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static int begin(struct lt_kubernetes *k, struct lt_problem *problem)
{
	pthread_condattr_t monotonic;
	int r;

	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = lt_kube_watch_begin(k, problem);
	if (r == 0)
		r = begin_thread(&k->watcher, lt_kube_watch_run, k);
	k->has_watcher = r == 0;
	if (r == 0 && k->settings->from == LT_KUBE_API) {
		r = begin_thread(&k->owner, lt_kube_owner_run, k);
		k->has_owner = r == 0;
	}
	return r;
}

int lt_kubernetes_start(const struct lt_kubernetes_opts *opts, struct lt_kubernetes **ret,
			struct lt_problem *problem)
{
	lt_defer(lt_kube_settings_freep)
	struct lt_kube_settings *settings = NULL;
	lt_defer(lt_kubernetes_stopp)
	struct lt_kubernetes *k = NULL;
	int r = lt_kube_settings_load(opts->config, opts->section, &settings, problem);

	*ret = NULL;
	if (r < 0 || settings->from == LT_KUBE_OFF)
		return r;
	k = lt_calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->settings = lt_take(settings);
	k->sink = opts->sink;
	r = begin(k, problem);
	if (r == 0)
		*ret = lt_take(k);
	return r;
}

struct lt_kubernetes *lt_kubernetes_stop(struct lt_kubernetes *k)
{
	if (!k)
		return NULL;
	pthread_mutex_lock(&k->lock);
	atomic_store(&k->stop, true);
	pthread_cond_broadcast(&k->wake);
	pthread_mutex_unlock(&k->lock);
	if (k->has_watcher)
		pthread_join(k->watcher, NULL);
	if (k->has_owner)
		pthread_join(k->owner, NULL);
	lt_kube_known_free(k);
	lt_http_free(k->http);
	lt_kube_stream_free(k->list);
	lt_kube_stream_free(k->events);
	lt_kube_settings_free(k->settings);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	lt_free(k);
	return NULL;
}

void lt_kubernetes_ask(struct lt_kubernetes *k, const char *pod_uid)
{
	if (k->settings->from != LT_KUBE_KUBELET)
		return;
	pthread_mutex_lock(&k->lock);
	if (!k->asked && !lt_kube_known_has(k, pod_uid)) {
		k->asked = true;
		pthread_cond_broadcast(&k->wake);
	}
	pthread_mutex_unlock(&k->lock);
}
