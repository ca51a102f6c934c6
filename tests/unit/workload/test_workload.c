// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/workload/workload.h"

#define S 1000000000ull

static const struct lt_pair labels[] = {{"tenant", "acme"}, {"app", "web"}};

static struct lt_workloads *table(const struct lt_workloads_opts *opts)
{
	struct lt_workloads *w = NULL;

	assert_int_equal(lt_workloads_new(opts, &w), 0);
	return w;
}

static struct lt_workloads *of_kubernetes(void)
{
	return table(&(struct lt_workloads_opts){.has_kubernetes = true});
}

static struct lt_container_facts container(const char *id)
{
	return (struct lt_container_facts){.id = id, .name = "main", .image = "reg/app:1"};
}

static struct lt_pod_facts pod(const char *uid, const struct lt_container_facts *c, size_t n)
{
	return (struct lt_pod_facts){.uid = uid,
				     .name = "web-1",
				     .namespace = "shop",
				     .node = "node1",
				     .owner_kind = "Deployment",
				     .owner_name = "web",
				     .labels = {labels, 2},
				     .containers = c,
				     .container_count = n};
}

/* What is found, as "container/pod/namespace/owner whole", "" for nothing. */
static const char *look(struct lt_workloads *w, const char *id, const char *uid)
{
	static char text[512];
	const struct lt_workload *found = lt_workloads_find(w, id, uid);

	text[0] = '\0';
	if (found)
		snprintf(text, sizeof(text), "%s/%s/%s/%s%s", found->container_name, found->pod,
			 found->namespace, found->owner_name, found->whole ? " whole" : "");
	lt_workload_put(found);
	return text;
}

static void a_pod_and_its_containers(void **state)
{
	struct lt_workloads *w = of_kubernetes();
	const struct lt_container_facts c = container("c1"), unborn = {.name = "later"};
	struct lt_container_facts two[] = {c, unborn};
	struct lt_pod_facts p = pod("u1", two, 2);
	const struct lt_workload *found;
	uint64_t version = lt_workloads_version(w);

	(void)state;
	assert_string_equal(look(w, "c1", "u1"), "");
	assert_string_equal(look(w, NULL, NULL), "");
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_true(lt_workloads_version(w) > version);
	assert_string_equal(look(w, "c1", "u1"), "main/web-1/shop/web whole");
	assert_string_equal(look(w, "c1", NULL), "main/web-1/shop/web whole");
	assert_string_equal(look(w, NULL, "u1"), "/web-1/shop/web whole");
	/* Its pod is known; that it has this container is not yet. */
	assert_string_equal(look(w, "c2", "u1"), "/web-1/shop/web");
	assert_string_equal(look(w, "", "u1"), "/web-1/shop/web whole");
	found = lt_workloads_find(w, "c1", "u1");
	assert_string_equal(found->image, "reg/app:1");
	assert_string_equal(found->digest, "");
	assert_string_equal(found->node, "node1");
	assert_string_equal(found->owner_kind, "Deployment");
	assert_int_equal(found->labels.count, 2);
	assert_string_equal(found->labels.at[0].key, "app");
	assert_string_equal(lt_pairs_get(found->labels, "tenant"), "acme");
	assert_null(lt_pairs_get(found->labels, "other"));
	/* What was found outlives what is known. */
	lt_workloads_free(w);
	assert_string_equal(found->namespace, "shop");
	lt_workload_put(found);
}

static void the_same_again_is_no_change(void **state)
{
	struct lt_workloads *w = of_kubernetes();
	struct lt_container_facts c = container("c1");
	struct lt_pod_facts p = pod("u1", &c, 1);
	const struct lt_workload *first, *second;
	uint64_t version;

	(void)state;
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	version = lt_workloads_version(w);
	first = lt_workloads_find(w, "c1", NULL);
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_int_equal(lt_workloads_version(w), version);
	second = lt_workloads_find(w, "c1", NULL);
	assert_ptr_equal(first, second);
	lt_workload_put(second);
	p.owner_name = "web2";
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_true(lt_workloads_version(w) > version);
	assert_string_equal(look(w, "c1", NULL), "main/web-1/shop/web2 whole");
	assert_string_equal(first->owner_name, "web");
	lt_workload_put(first);
	lt_workloads_free(w);
}

static void what_is_whole(void **state)
{
	struct lt_workloads *w = of_kubernetes();
	struct lt_container_facts c = container("c1");
	struct lt_pod_facts p = pod("u1", &c, 1);

	(void)state;
	p.owner_pending = true;
	p.owner_name = NULL;
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_string_equal(look(w, "c1", "u1"), "main/web-1/shop/");
	p.owner_pending = false;
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_string_equal(look(w, "c1", "u1"), "main/web-1/shop/ whole");
	lt_workloads_free(w);

	w = table(&(struct lt_workloads_opts){.has_runtime = true});
	c.pod = "web-1";
	c.namespace = "shop";
	c.pod_uid = "u1";
	assert_int_equal(lt_workloads_container(w, &c), 0);
	assert_string_equal(look(w, "c1", "u1"), "main/web-1/shop/ whole");
	lt_workloads_free(w);

	w = table(&(struct lt_workloads_opts){.has_runtime = true, .has_kubernetes = true});
	assert_int_equal(lt_workloads_container(w, &c), 0);
	assert_string_equal(look(w, "c1", NULL), "main/web-1/shop/");
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_string_equal(look(w, "c1", NULL), "main/web-1/shop/ whole");
	lt_workloads_free(w);
}

static void runtime_and_pod_are_joined_in_any_order(void **state)
{
	struct lt_container_facts by_pod = container("c1"), by_runtime = container("c1");

	(void)state;
	by_pod.image = "docker.io/reg/app:1";
	by_runtime.digest = "sha256:1";
	by_runtime.name = "k8s_main";
	by_runtime.pod_uid = "u1";
	for (int order = 0; order < 2; order++) {
		struct lt_workloads *w = table(
			&(struct lt_workloads_opts){.has_runtime = true, .has_kubernetes = true});
		struct lt_pod_facts p = pod("u1", &by_pod, 1);
		const struct lt_workload *found;

		if (order)
			assert_int_equal(lt_workloads_container(w, &by_runtime), 0);
		assert_int_equal(lt_workloads_pod(w, &p), 0);
		if (!order)
			assert_int_equal(lt_workloads_container(w, &by_runtime), 0);
		found = lt_workloads_find(w, "c1", NULL);
		assert_string_equal(found->container_name, "main");
		assert_string_equal(found->image, "reg/app:1");
		assert_string_equal(found->digest, "sha256:1");
		assert_string_equal(found->pod, "web-1");
		assert_string_equal(lt_pairs_get(found->labels, "tenant"), "acme");
		lt_workload_put(found);
		lt_workloads_free(w);
	}
}

static void static_pods_are_found_by_their_hash(void **state)
{
	struct lt_workloads *w = of_kubernetes();
	struct lt_container_facts c = container("c1");
	struct lt_pod_facts p = pod("u1", &c, 1);

	(void)state;
	p.cgroup_uid = "hash";
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_string_equal(look(w, "", "hash"), "/web-1/shop/web whole");
	/* Another claims it, and the uid of a pod, too. */
	p.uid = "u2";
	p.name = "web-2";
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	p.uid = "u3";
	p.cgroup_uid = "u1";
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_string_equal(look(w, "", "hash"), "/web-1/shop/web whole");
	assert_string_equal(look(w, "", "u1"), "/web-1/shop/web whole");
	/* The mirror was made anew, the old one goes. */
	p.uid = "u2";
	p.cgroup_uid = "hash";
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	lt_workloads_pod_gone(w, "u1", 5 * S);
	lt_workloads_pod_gone(w, "hash", 5 * S); /* no uid of a pod */
	assert_string_equal(look(w, "", "hash"), "/web-2/shop/web whole");
	assert_string_equal(look(w, "c1", "hash"), "main/web-2/shop/web whole");
	lt_workloads_tick(w, 5 * S + 601 * S);
	assert_string_equal(look(w, "", "hash"), "/web-2/shop/web whole");
	assert_string_equal(look(w, "", "u1"), "/web-2/shop/web whole"); /* nobody else is left */
	lt_workloads_free(w);
}

static void the_gone_stay_a_while(void **state)
{
	struct lt_workloads *w = of_kubernetes();
	struct lt_container_facts c = container("c1"), again = container("c2");
	struct lt_pod_facts p = pod("u1", &c, 1);

	(void)state;
	lt_workloads_pod_gone(w, "u1", 1);
	lt_workloads_container_gone(w, "c1", 1);
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	/* A container that began anew has another id. */
	p.containers = &again;
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	assert_string_equal(look(w, "c1", "u1"), "main/web-1/shop/web whole");
	lt_workloads_tick(w, 100 * S);
	lt_workloads_tick(w, 699 * S);
	assert_string_equal(look(w, "c1", ""), "main/web-1/shop/web whole");
	lt_workloads_tick(w, 701 * S);
	assert_string_equal(look(w, "c1", ""), "");
	assert_string_equal(look(w, "c2", ""), "main/web-1/shop/web whole");
	lt_workloads_pod_gone(w, "u1", 1000 * S);
	lt_workloads_tick(w, 1599 * S);
	assert_string_equal(look(w, "c2", "u1"), "main/web-1/shop/web whole");
	/* Of a pod that has gone nothing more is to be expected. */
	assert_string_equal(look(w, "c3", "u1"), "/web-1/shop/web whole");
	lt_workloads_tick(w, 1601 * S);
	assert_string_equal(look(w, "c2", "u1"), "");
	/* It was no end after all. */
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	lt_workloads_pod_gone(w, "u1", 2000 * S);
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	lt_workloads_tick(w, 9000 * S);
	assert_string_equal(look(w, "c2", "u1"), "main/web-1/shop/web whole");
	lt_workloads_free(w);
}

static void beyond_the_ceiling_the_longest_unused_goes(void **state)
{
	struct lt_workloads *w = table(
		&(struct lt_workloads_opts){.max_containers = 4, .max_pods = 4});
	char id[32], uid[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct lt_container_facts c = container(id);
		struct lt_pod_facts p = pod(uid, &c, 1);

		snprintf(id, sizeof(id), "c%d", i);
		snprintf(uid, sizeof(uid), "u%d", i);
		assert_int_equal(lt_workloads_pod(w, &p), 0);
		assert_string_not_equal(look(w, "c0", NULL), ""); /* in use all the time */
	}
	assert_string_equal(look(w, "c95", "u95"), "");
	assert_string_not_equal(look(w, "c97", NULL), "");
	lt_workloads_free(w);
}

static void long_and_wrong_facts_are_cut_or_refused(void **state)
{
	static char text[5000], keys[200][16];
	struct lt_workloads *w = of_kubernetes();
	struct lt_container_facts c = container("c1");
	struct lt_pair many[200];
	struct lt_pod_facts p = pod("u1", &c, 1);
	const struct lt_workload *found;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text + 1023, "\xc3\xa9", 2); /* must not be cut in two */
	for (int i = 0; i < 200; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		many[i] = (struct lt_pair){keys[i], i < 30 ? text : "v"};
	}
	many[40].value = NULL;
	many[41].key = NULL;
	p.labels = (struct lt_pairs){many, 200};
	p.name = text;
	assert_int_equal(lt_workloads_pod(w, &p), 0);
	found = lt_workloads_find(w, "c1", NULL);
	assert_int_equal(strlen(found->pod), 1023);
	assert_int_equal(found->labels.count, 64);
	assert_int_equal(strlen(lt_pairs_get(found->labels, "k0")), 1023);
	assert_null(lt_pairs_get(found->labels, "k29")); /* no room */
	assert_string_equal(lt_pairs_get(found->labels, "k40"), "");
	lt_workload_put(found);
	p.uid = text;
	assert_int_equal(lt_workloads_pod(w, &p), -EINVAL);
	p.uid = "";
	assert_int_equal(lt_workloads_pod(w, &p), -EINVAL);
	c.id = NULL;
	assert_int_equal(lt_workloads_container(w, &c), -EINVAL);
	lt_workloads_free(w);
}

static void without_memory_nothing_breaks(void **state)
{
	struct lt_container_facts c = container("c1");
	struct lt_pod_facts p = pod("u1", &c, 1);

	(void)state;
	for (unsigned long n = 1; n < 12; n++) {
		struct lt_workloads *w = NULL;
		int r;

		lt_alloc_fail_at(n);
		r = lt_workloads_new(&(struct lt_workloads_opts){0}, &w);
		if (r == 0)
			r = lt_workloads_pod(w, &p);
		if (r == 0)
			r = lt_workloads_container(w, &c);
		if (r == 0)
			lt_workload_put(lt_workloads_find(w, "c1", NULL));
		assert_true(r == 0 || r == -ENOMEM);
		lt_alloc_fail_at(0);
		if (w && lt_workloads_pod(w, &p) == 0)
			assert_string_equal(look(w, "c1", NULL), "main/web-1/shop/web whole");
		lt_workloads_free(w);
	}
}

enum { NODES = 10000, LOOKUPS = 1000000 };

static void many_are_small_and_found_at_once(void **state)
{
	static const struct lt_pair eight[] = {
		{"app.kubernetes.io/name", "checkout"},
		{"app.kubernetes.io/instance", "checkout-eu"},
		{"app.kubernetes.io/version", "1.14.2"},
		{"app.kubernetes.io/component", "api"},
		{"app.kubernetes.io/managed-by", "Helm"},
		{"pod-template-hash", "7d9c6bd4f5"},
		{"tenant", "acme"},
		{"team", "payments"},
	};
	unsigned long before = lt_alloc_live();
	struct lt_workloads *w = of_kubernetes();
	static char ids[NODES][65], uids[NODES][37];
	uint64_t from, took;
	unsigned long bytes;

	(void)state;
	for (int i = 0; i < NODES; i++) {
		struct lt_container_facts c = {
			.id = ids[i],
			.name = "checkout",
			.image = "registry.example.com/shop/checkout:1.14.2",
			.digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7"
				  "852b855"};
		struct lt_pod_facts p = pod(uids[i], &c, 1);

		snprintf(ids[i], sizeof(ids[i]), "%064x", i * 7919);
		snprintf(uids[i], sizeof(uids[i]), "%08x-0000-4000-8000-000000000000", i);
		p.labels = (struct lt_pairs){eight, LT_COUNT(eight)};
		p.cgroup_uid = NULL;
		assert_int_equal(lt_workloads_pod(w, &p), 0);
	}
	for (int i = 0; i < NODES; i++)
		lt_workload_put(lt_workloads_find(w, ids[i], NULL));
	bytes = lt_alloc_live() - before;
	from = lt_clock_boot_ns();
	for (int i = 0; i < LOOKUPS; i++)
		lt_workload_put(lt_workloads_find(w, ids[i * 31 % NODES], NULL));
	took = (lt_clock_boot_ns() - from) / LOOKUPS;
	print_message("10,000 pods: %lu bytes, a lookup %lu ns\n", bytes, (unsigned long)took);
	assert_true(bytes < 20000000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(took < 1000);
#endif
	lt_workloads_free(w);
	assert_int_equal(lt_alloc_live(), before);
}

static atomic_bool done;
static atomic_uint finds;

static void *put_all_the_time(void *arg)
{
	struct lt_workloads *w = arg;
	char id[32], uid[32];

	/* Until the others had their turn, too. */
	for (unsigned i = 0; i < 20000 || atomic_load(&finds) < 100; i++) {
		struct lt_container_facts c = container(id);
		struct lt_pod_facts p = pod(uid, &c, 1);

		snprintf(id, sizeof(id), "c%u", i % 50);
		snprintf(uid, sizeof(uid), "u%u", i % 50);
		p.owner_name = i % 3 ? "web" : "other";
		assert_int_equal(lt_workloads_pod(w, &p), 0);
		if (i % 7 == 0)
			lt_workloads_pod_gone(w, uid, i * S);
		if (i % 100 == 0)
			lt_workloads_tick(w, i * S);
	}
	atomic_store(&done, true);
	return NULL;
}

static void *find_all_the_time(void *arg)
{
	struct lt_workloads *w = arg;
	uintptr_t found = 0;

	for (unsigned i = 0; !atomic_load(&done); i++) {
		const struct lt_workload *workload;
		char id[32];

		snprintf(id, sizeof(id), "c%u", i % 50);
		workload = lt_workloads_find(w, id, NULL);
		if (!workload)
			continue;
		found++;
		atomic_fetch_add(&finds, 1);
		assert_string_equal(workload->namespace, "shop");
		lt_workload_put(workload);
	}
	return (void *)found;
}

static void threads_put_and_find(void **state)
{
	struct lt_workloads *w = table(&(struct lt_workloads_opts){
		.max_containers = 45, .max_pods = 40, .has_kubernetes = true});
	pthread_t put, find[2];
	void *found;

	(void)state;
	assert_int_equal(pthread_create(&put, NULL, put_all_the_time, w), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&find[i], NULL, find_all_the_time, w), 0);
	pthread_join(put, NULL);
	for (int i = 0; i < 2; i++) {
		pthread_join(find[i], &found);
		assert_true((uintptr_t)found > 0);
	}
	lt_workloads_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_and_its_containers),
		cmocka_unit_test(the_same_again_is_no_change),
		cmocka_unit_test(what_is_whole),
		cmocka_unit_test(runtime_and_pod_are_joined_in_any_order),
		cmocka_unit_test(static_pods_are_found_by_their_hash),
		cmocka_unit_test(the_gone_stay_a_while),
		cmocka_unit_test(beyond_the_ceiling_the_longest_unused_goes),
		cmocka_unit_test(long_and_wrong_facts_are_cut_or_refused),
		cmocka_unit_test(without_memory_nothing_breaks),
		cmocka_unit_test(many_are_small_and_found_at_once),
		cmocka_unit_test(threads_put_and_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
