// SPDX-License-Identifier: Apache-2.0
/* The settings of the Kubernetes source, and its thread against a kubelet of this process. What an
 * API server does is tested by tests/kubernetes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "userspace/base/clock.h"
#include "userspace/workload/kube_config.h"
#include "userspace/workload/kubernetes.h"

/* ---- settings -------------------------------------------------------------------------------- */

static int load(const char *text, struct lt_kube_settings **ret, struct lt_problem *problem)
{
	struct lt_yaml *yaml = NULL;
	int r;

	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "test", &yaml, problem), 0);
	r = lt_kube_settings_load(yaml, lt_yaml_get(lt_yaml_root(yaml), "kubernetes"), ret,
				  problem);
	if (r == 0)
		assert_int_equal(lt_kubernetes_check(yaml,
						     lt_yaml_get(lt_yaml_root(yaml), "kubernetes"),
						     problem),
				 0);
	lt_yaml_free(yaml);
	return r;
}

static struct lt_kube_settings *good(const char *text)
{
	struct lt_kube_settings *s = NULL;
	struct lt_problem problem = {0};

	if (load(text, &s, &problem) < 0)
		fail_msg("%s", problem.text);
	return s;
}

static void settings_that_are_right(void **state)
{
	struct lt_kube_settings *s;

	(void)state;
	unsetenv("KUBERNETES_SERVICE_HOST");
	setenv("NODE_NAME", "node-1", 1);
	s = good("kubernetes:\n");
	assert_int_equal(s->from, LT_KUBE_OFF);
	lt_kube_settings_free(s);
	s = good("kubernetes: {from: off, api: \"https://x\"}\n");
	assert_int_equal(s->from, LT_KUBE_OFF);
	lt_kube_settings_free(s);
	s = good("kubernetes: {api: \"https://x:6443/k8s/c-1/\", token_file: /t, ca_file: /c,"
		 " labels: [team], annotations: [\"a/*\"]}\n");
	assert_int_equal(s->from, LT_KUBE_API);
	assert_string_equal(s->server, "https://x:6443");
	assert_string_equal(s->prefix, "/k8s/c-1");
	assert_string_equal(s->node, "node-1");
	assert_string_equal(s->token_file, "/t");
	assert_string_equal(s->ca_file, "/c");
	assert_false(s->any_certificate);
	assert_false(s->labels.all);
	assert_int_equal(s->labels.count, 1);
	assert_int_equal(s->annotations.count, 1);
	lt_kube_settings_free(s);
	s = good("kubernetes: {from: kubelet, node: n2, insecure: true}\n");
	assert_int_equal(s->from, LT_KUBE_KUBELET);
	assert_string_equal(s->server, "https://127.0.0.1:10250");
	assert_string_equal(s->node, "n2");
	assert_true(s->any_certificate);
	assert_true(s->labels.all);
	lt_kube_settings_free(s);
}

static void settings_that_are_wrong(void **state)
{
	static const char *const texts[] = {
		"kubernetes: [from]",
		"kubernetes: {form: api}",
		"kubernetes: {from: sometimes}",
		"kubernetes: {from: [api]}",
		"kubernetes: {from: api}",
		"kubernetes: {api: \"10.0.0.1:6443\"}",
		"kubernetes: {api: \"https://user:key@x\"}",
		"kubernetes: {api: \"https://x?y\"}",
		"kubernetes: {api: \"https://x\", kubeconfig: /y}",
		"kubernetes: {kubelet: kubelet}",
		"kubernetes: {token_file: token}",
		"kubernetes: {ca_file: [/c]}",
		"kubernetes: {node: \"a b\"}",
		"kubernetes: {node: \"a,spec.nodeName=b\"}",
		"kubernetes: {node: {}}",
		"kubernetes: {insecure: maybe}",
		"kubernetes: {labels: team}",
		"kubernetes: {annotations: [\"\"]}",
		"kubernetes: {annotations: [[a]]}",
	};

	(void)state;
	unsetenv("KUBERNETES_SERVICE_HOST");
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		struct lt_kube_settings *s = NULL;
		struct lt_problem problem = {0};

		assert_int_equal(load(texts[i], &s, &problem), -EINVAL);
		assert_null(s);
		assert_true(problem.text[0]);
	}
}

static int kubeconfig(const char *text, struct lt_kube_settings **ret, struct lt_problem *problem)
{
	char path[64], config[128];
	FILE *f;
	int r;

	snprintf(path, sizeof(path), "/tmp/lt-test-kubeconfig-%d", getpid());
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	snprintf(config, sizeof(config), "kubernetes: {kubeconfig: %s, node: n}", path);
	r = load(config, ret, problem);
	unlink(path);
	return r;
}

#define CONTEXT                                                                                    \
	"current-context: c\n"                                                                     \
	"contexts: [{name: x, context: {cluster: a}}, {name: c, context: {cluster: b, user: "      \
	"u}}]\n"                                                                                   \
	"clusters:\n- {name: a, cluster: {server: \"https://wrong\"}}\n"

static void kubeconfigs(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"current-context: c",
		CONTEXT,
		CONTEXT "- {name: b, cluster: {certificate-authority: /x}}\n",
		CONTEXT "- {name: b, cluster: {server: \"https://b\", certificate-authority-data: "
			"\"%%\"}}\n",
		CONTEXT "- {name: b, cluster: {server: \"https://b\"}}\n"
			"users: [{name: u, user: {exec: {command: aws}}}]\n",
	};
	struct lt_kube_settings *s = NULL;
	struct lt_problem problem = {0};

	(void)state;
	assert_int_equal(
		kubeconfig(CONTEXT
			   "- {name: b, cluster: {server: \"https://b:6443\", "
			   "certificate-authority: ca.pem}}\n"
			   "users: [{name: u, user: {client-certificate-data: \"Y2VydA==\", "
			   "client-key-data: \"a2V5\", token: t}}]\n",
			   &s, &problem),
		0);
	assert_int_equal(s->from, LT_KUBE_API);
	assert_string_equal(s->server, "https://b:6443");
	assert_string_equal(s->ca_file, "/tmp/ca.pem");
	assert_string_equal(s->cert_pem, "cert");
	assert_string_equal(s->key_pem, "key");
	assert_string_equal(s->token, "t");
	lt_kube_settings_free(s);
	for (size_t i = 0; i < LT_COUNT(wrong); i++) {
		s = NULL;
		assert_int_equal(kubeconfig(wrong[i], &s, &problem), -EINVAL);
		assert_null(s);
	}
	assert_int_equal(load("kubernetes: {kubeconfig: /nonexistent/config}", &s, &problem),
			 -ENOENT);
}

/* ---- a kubelet ------------------------------------------------------------------------------- */

struct kubelet {
	int fd;
	pthread_t thread;
	atomic_uint pods, requests;
	bool silent;
};

static void answer(struct kubelet *k, int fd)
{
	char body[4096], head[128], request[4096];
	size_t n;

	if (read(fd, request, sizeof(request)) <= 0)
		return;
	atomic_fetch_add(&k->requests, 1);
	if (k->silent) {
		lt_ignore(read(fd, request, sizeof(request)));
		return;
	}
	n = (size_t)snprintf(body, sizeof(body), "{\"kind\":\"PodList\",\"items\":[");
	for (unsigned i = 0; i < atomic_load(&k->pods); i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n,
				      "%s{\"metadata\":{\"uid\":\"u%u\",\"name\":\"p%u\","
				      "\"namespace\":\"s\"}}",
				      i ? "," : "", i, i);
	n += (size_t)snprintf(body + n, sizeof(body) - n, "]}");
	snprintf(head, sizeof(head),
		 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", n);
	lt_ignore(send(fd, head, strlen(head), MSG_NOSIGNAL));
	lt_ignore(send(fd, body, n, MSG_NOSIGNAL));
}

static void *serve(void *arg)
{
	struct kubelet *k = arg;
	int fd;

	while ((fd = accept(k->fd, NULL, NULL)) >= 0) {
		answer(k, fd);
		close(fd);
	}
	return NULL;
}

struct told {
	atomic_uint pods, gone, works;
};

static void on_pod(void *arg, const struct lt_pod_facts *pod)
{
	struct told *told = arg;

	assert_false(pod->owner_pending);
	atomic_fetch_add(&told->pods, 1);
}

static void on_gone(void *arg, const char *uid)
{
	struct told *told = arg;

	(void)uid;
	atomic_fetch_add(&told->gone, 1);
}

static void on_status(void *arg, enum lt_kubernetes_status status, const char *text)
{
	struct told *told = arg;

	(void)text;
	atomic_fetch_add(&told->works, status == LT_KUBERNETES_WORKS);
}

static struct lt_kubernetes *start(struct kubelet *kubelet, struct told *told)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct lt_kubernetes_opts opts = {.sink = {told, on_pod, on_gone, on_status}};
	struct lt_kubernetes *k = NULL;
	struct lt_problem problem = {0};
	struct lt_yaml *yaml = NULL;
	socklen_t size = sizeof(in);
	char text[128];

	kubelet->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(kubelet->fd, (void *)&in, sizeof(in)), 0);
	assert_int_equal(listen(kubelet->fd, 8), 0);
	getsockname(kubelet->fd, (void *)&in, &size);
	assert_int_equal(pthread_create(&kubelet->thread, NULL, serve, kubelet), 0);
	snprintf(text, sizeof(text),
		 "kubernetes: {from: kubelet, kubelet: \"http://127.0.0.1:%d\", node: n}",
		 ntohs(in.sin_port));
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "test", &yaml, &problem), 0);
	opts.config = yaml;
	opts.section = lt_yaml_get(lt_yaml_root(yaml), "kubernetes");
	assert_int_equal(lt_kubernetes_start(&opts, &k, &problem), 0);
	assert_non_null(k);
	lt_yaml_free(yaml); /* not needed any more */
	return k;
}

static void stop(struct lt_kubernetes *k, struct kubelet *kubelet)
{
	uint64_t from = lt_clock_boot_ns();

	assert_null(lt_kubernetes_stop(k));
	assert_true(lt_clock_boot_ns() - from < 500000000);
	shutdown(kubelet->fd, SHUT_RDWR);
	pthread_join(kubelet->thread, NULL);
	close(kubelet->fd);
}

static bool within(atomic_uint *value, unsigned least, unsigned ms)
{
	const struct timespec step = {.tv_nsec = 10000000};

	for (unsigned i = 0; i < ms / 10 && atomic_load(value) < least; i++)
		nanosleep(&step, NULL);
	return atomic_load(value) >= least;
}

static void the_kubelet_is_asked_when_it_helps(void **state)
{
	struct kubelet kubelet = {.pods = 2};
	struct told told = {0};
	struct lt_kubernetes *k = start(&kubelet, &told);

	(void)state;
	assert_true(within(&told.works, 1, 3000));
	assert_int_equal(atomic_load(&told.pods), 2);
	lt_kubernetes_ask(k, "u1"); /* known */
	assert_false(within(&kubelet.requests, 2, 1200));
	atomic_store(&kubelet.pods, 3);
	lt_kubernetes_ask(k, "u2");
	assert_true(within(&told.pods, 5, 1500)); /* those two again, and the new one */
	atomic_store(&kubelet.pods, 1);
	for (int i = 0; i < 300; i++) { /* one that nobody knows must not be asked for forever */
		lt_kubernetes_ask(k, "u9");
		lt_ignore(within(&told.gone, 3, 10));
	}
	assert_int_equal(atomic_load(&told.gone), 2);
	assert_true(atomic_load(&kubelet.requests) <= 6);
	stop(k, &kubelet);
}

static void a_kubelet_that_does_not_answer_delays_no_end(void **state)
{
	struct kubelet kubelet = {.silent = true};
	struct told told = {0};
	struct lt_kubernetes *k = start(&kubelet, &told);

	(void)state;
	assert_true(within(&kubelet.requests, 1, 3000));
	stop(k, &kubelet);
	assert_int_equal(atomic_load(&told.works), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_that_are_right),
		cmocka_unit_test(settings_that_are_wrong),
		cmocka_unit_test(kubeconfigs),
		cmocka_unit_test(the_kubelet_is_asked_when_it_helps),
		cmocka_unit_test(a_kubelet_that_does_not_answer_delays_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
