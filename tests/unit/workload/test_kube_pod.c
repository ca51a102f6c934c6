// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/kube_pod.h"
#include "userspace/workload/kube_stream.h"

static const struct lt_kube_filter all = {.all = true}, none = {0};

static struct lt_json_file *parse(const char *text)
{
	struct lt_json_file *file = NULL;

	assert_int_equal(lt_json_file_parse(lt_bytes_str(text), "test", &file, NULL), 0);
	return file;
}

static const char web[] =
	"{\"metadata\":{\"uid\":\"u1\",\"name\":\"web-5d9c-x\",\"namespace\":\"shop\","
	"\"resourceVersion\":\"7\",\"creationTimestamp\":\"2026-11-27T10:00:05Z\","
	"\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"5d9c\"},"
	"\"annotations\":{\"a/b\":\"1\",\"c\":\"2\"},"
	"\"ownerReferences\":[{\"kind\":\"Other\",\"name\":\"o\",\"uid\":\"x\"},"
	"{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"web-5d9c\",\"uid\":\"r1\","
	"\"controller\":true}]},"
	"\"spec\":{\"nodeName\":\"n1\",\"serviceAccountName\":\"sa\"},"
	"\"status\":{\"containerStatuses\":[{\"name\":\"main\",\"image\":\"i:1\","
	"\"imageID\":\"docker-pullable://i@sha256:aa\",\"containerID\":\"containerd://c1\"},"
	"{\"name\":\"waiting\",\"image\":\"i:1\",\"imageID\":\"\"}],"
	"\"initContainerStatuses\":[{\"name\":\"init\",\"imageID\":\"sha256:bb\","
	"\"containerID\":\"cri-o://c2\"}],"
	"\"ephemeralContainerStatuses\":[{\"name\":\"debug\",\"imageID\":\"i\","
	"\"containerID\":\"docker://c3\"}]}}";

static void what_is_taken_of_a_pod(void **state)
{
	struct lt_json_file *file = parse(web);
	char *globs[] = {(char *)"a/*"};
	const struct lt_kube_filter some = {.globs = globs, .count = 1};
	struct lt_kube_pod pod;

	(void)state;
	assert_int_equal(lt_kube_pod_read(lt_json_file_root(file), &all, &some, &pod), 0);
	assert_string_equal(pod.facts.uid, "u1");
	assert_string_equal(pod.facts.node, "n1");
	assert_string_equal(pod.facts.service_account, "sa");
	assert_null(pod.facts.cgroup_uid);
	assert_int_equal(pod.facts.labels.count, 2);
	assert_int_equal(pod.facts.annotations.count, 1);
	assert_string_equal(lt_pairs_get(pod.facts.annotations, "a/b"), "1");
	assert_int_equal(pod.facts.container_count, 3);
	assert_string_equal(pod.facts.containers[0].id, "c1");
	assert_string_equal(pod.facts.containers[0].digest, "sha256:aa");
	assert_string_equal(pod.facts.containers[1].id, "c2");
	assert_string_equal(pod.facts.containers[1].digest, "sha256:bb");
	assert_string_equal(pod.facts.containers[2].id, "c3");
	assert_string_equal(pod.facts.containers[2].digest, "");
	assert_string_equal(pod.owner.kind, "ReplicaSet");
	assert_string_equal(pod.owner.uid, "r1");
	assert_int_equal(lt_kube_pod_read(lt_json_file_root(file), &some, &none, &pod), 0);
	assert_int_equal(pod.facts.labels.count, 0);
	assert_int_equal(pod.facts.annotations.count, 0);
	lt_json_file_free(file);
}

static void what_is_no_pod(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"metadata\":1}",
		"{\"metadata\":{\"uid\":\"u\",\"name\":\"n\"}}",
		"{\"metadata\":{\"uid\":5,\"name\":\"n\",\"namespace\":\"s\"}}",
		"{\"metadata\":{\"uid\":"
		"\"0123456789012345678901234567890123456789012345678901234567890"
		"1234\",\"name\":\"n\",\"namespace\":\"s\"}}",
	};
	struct lt_kube_pod pod;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		struct lt_json_file *file = parse(texts[i]);

		assert_int_equal(lt_kube_pod_read(lt_json_file_root(file), &all, &all, &pod),
				 -EINVAL);
		lt_json_file_free(file);
	}
}

/* Of an annotation of a pod: the cgroup uid that is believed. */
static void static_pods(void **state)
{
	static const struct {
		const char *annotation, *value, *cgroup_uid;
	} cases[] = {
		{"config.mirror", "0123456789abcdef0123456789abcdef",
		 "0123456789abcdef0123456789abcdef"},
		{"config.hash", "0123456789abcdef0123456789abcdef",
		 "0123456789abcdef0123456789abcdef"},
		/* Another pod's uid; rubbish; its own. */
		{"config.mirror", "63e285b8-d41d-4d50-9f91-96137b8a8016", ""},
		{"config.mirror", "0123456789abcdef0123456789abcdeg", ""},
		{"config.hash", "ffffffffffffffffffffffffffffffff", ""},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_json_file *file;
		struct lt_kube_pod pod;
		char text[512];

		snprintf(
			text, sizeof(text),
			"{\"metadata\":{\"uid\":\"ffffffffffffffffffffffffffffffff\",\"name\":"
			"\"n\",\"namespace\":\"s\",\"annotations\":{\"kubernetes.io/%s\":\"%s\"}}}",
			cases[i].annotation, cases[i].value);
		file = parse(text);
		assert_int_equal(lt_kube_pod_read(lt_json_file_root(file), &all, &none, &pod), 0);
		assert_string_equal(pod.facts.cgroup_uid ? pod.facts.cgroup_uid : "",
				    cases[i].cgroup_uid);
		lt_json_file_free(file);
	}
}

static void owners_by_guess(void **state)
{
	static const struct {
		const char *version, *kind, *name, *label, *hash, *guess;
		bool asks;
	} cases[] = {
		{"apps/v1", "ReplicaSet", "web-5d9c", "pod-template-hash", "5d9c", "Deployment/web",
		 true},
		{"apps/v1", "ReplicaSet", "web-5d9c", "pod-template-hash", "d9c",
		 "ReplicaSet/web-5d9c", true},
		{"apps/v1", "ReplicaSet", "-5d9c", "pod-template-hash", "5d9c", "ReplicaSet/-5d9c",
		 true},
		{"apps/v1", "ReplicaSet", "web-7", "rollouts-pod-template-hash", "7", "Rollout/web",
		 true},
		{"apps/v1", "StatefulSet", "db", "pod-template-hash", "5d9c", "StatefulSet/db",
		 false},
		/* 10:00 of the pod's day in minutes, in seconds; a week and a day before; a number.
		 */
		{"batch/v1", "Job", "tick-29929560", "a", "b", "CronJob/tick", true},
		{"batch/v1", "Job", "tick-1795773600", "a", "b", "CronJob/tick", true},
		{"batch/v1", "Job", "tick-29918000", "a", "b", "Job/tick-29918000", true},
		{"batch/v1", "Job", "tick-5", "a", "b", "Job/tick-5", true},
		{"batch/v1", "Job", "29929560", "a", "b", "Job/29929560", true},
		{"example.com/v1", "Job", "x", "a", "b", "Job/x", false},
		{"example.com/v1", "Database", "x", "a", "b", "Database/x", false},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		char text[1024], kind[LT_KUBE_KIND], name[LT_KUBE_NAME], got[LT_KUBE_NAME * 2];
		struct lt_json_file *file;
		struct lt_kube_pod pod;

		snprintf(
			text, sizeof(text),
			"{\"metadata\":{\"uid\":\"u\",\"name\":\"n\",\"namespace\":\"s\","
			"\"creationTimestamp\":\"2026-11-27T10:00:05Z\",\"labels\":{\"%s\":\"%s\"},"
			"\"ownerReferences\":[{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"name\":"
			"\"%s\",\"uid\":\"r\",\"controller\":true}]}}",
			cases[i].label, cases[i].hash, cases[i].version, cases[i].kind,
			cases[i].name);
		file = parse(text);
		/* The hash counts, kept or not. */
		assert_int_equal(lt_kube_pod_read(lt_json_file_root(file), &none, &none, &pod), 0);
		lt_kube_owner_guess(&pod, kind, name);
		snprintf(got, sizeof(got), "%s/%s", kind, name);
		assert_string_equal(got, cases[i].guess);
		assert_int_equal(lt_kube_owner_has_owner(&pod.owner), cases[i].asks);
		lt_json_file_free(file);
	}
}

/* ---- streams --------------------------------------------------------------------------------- */

struct kept {
	char text[1024]; /* "TYPE:uid " for each */
	int refuse;
};

static int keep(void *arg, const char *type, const struct lt_json_value *object)
{
	struct kept *kept = arg;
	size_t n = strlen(kept->text);

	snprintf(kept->text + n, sizeof(kept->text) - n, "%s:%s ", type,
		 lt_kube_text(lt_json_get(object, "metadata"), "uid"));
	return kept->refuse;
}

/* Everything that a stream makes of @text, cut into pieces of @piece bytes. */
static int run(enum lt_kube_stream_kind kind, const char *text, size_t piece, struct kept *kept,
	       char *ret_list)
{
	const struct lt_kube_stream_sink sink = {.arg = kept, .object = keep};
	struct lt_kube_stream *s = NULL;
	size_t n = strlen(text);
	int r = 0;

	assert_int_equal(lt_kube_stream_new(kind, &sink, &s), 0);
	for (size_t at = 0; r == 0 && at < n; at += piece)
		r = lt_kube_stream_feed(s, lt_bytes(text + at, n - at < piece ? n - at : piece));
	if (r == 0)
		r = lt_kube_stream_finish(s);
	if (ret_list)
		snprintf(ret_list, 128, "%s %s %s %lu", lt_kube_stream_list_kind(s),
			 lt_kube_stream_version(s), lt_kube_stream_continue(s),
			 (unsigned long)lt_kube_stream_skipped(s));
	lt_kube_stream_free(s);
	return r;
}

static void lists_and_events_in_every_split(void **state)
{
	static const char list[] =
		"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"12\",\"continue\":"
		"\"a\\u0062c\"},\"items\":[ {\"metadata\":{\"uid\":\"1\"}},5,[{}],"
		"{\"items\":[{\"x\":\"}]\"}],\"metadata\":{\"uid\":\"2\"}} ]} \n";
	static const char events[] =
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"uid\":\"1\"}}}\n"
		"{\"object\":{\"metadata\":{\"uid\":\"2\"}},\"type\":\"MODIFIED\"}\n\n{}"
		"{\"type\":\"X\"}{\"object\":{\"metadata\":{\"uid\":\"3\"}}}\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof(list); piece++) {
		struct kept kept = {0};
		char said[128];

		assert_int_equal(run(LT_KUBE_LIST, list, piece, &kept, said), 0);
		assert_string_equal(kept.text, ":1 :2 ");
		assert_string_equal(said, "PodList 12 abc 0");
		kept.text[0] = '\0';
		assert_int_equal(run(LT_KUBE_EVENTS, events, piece, &kept, NULL), 0);
		assert_string_equal(kept.text, "ADDED:1 MODIFIED:2 :3 ");
		kept.text[0] = '\0';
		assert_int_equal(
			run(LT_KUBE_OBJECT, "{\"metadata\":{\"uid\":\"9\"}}", piece, &kept, NULL),
			0);
		assert_string_equal(kept.text, ":9 ");
	}
}

static void broken_streams(void **state)
{
	struct kept kept = {0};

	(void)state;
	assert_int_equal(
		run(LT_KUBE_LIST, "{\"items\":[{\"metadata\":{\"uid\":\"1\"}}", 7, &kept, NULL),
		-EBADMSG);
	assert_int_equal(run(LT_KUBE_LIST, "<html>", 7, &kept, NULL), -EBADMSG);
	assert_int_equal(run(LT_KUBE_LIST, "{} {}", 7, &kept, NULL), -EBADMSG);
	kept.text[0] = '\0';
	assert_int_equal(run(LT_KUBE_LIST, "", 7, &kept, NULL), -ENODATA);
	assert_int_equal(run(LT_KUBE_EVENTS, "", 7, &kept, NULL), 0);
	assert_int_equal(run(LT_KUBE_EVENTS, "{\"type\":\"ADD", 7, &kept, NULL), -EBADMSG);
	assert_int_equal(run(LT_KUBE_LIST, "{\"items\":[{\"a\":nonsense}]}", 7, &kept, NULL),
			 -EBADMSG);
	/* What the scanner lets pass, since it has no look at keys there. */
	assert_int_equal(run(LT_KUBE_EVENTS, "{\"object\":{\"\xff\":1}}", 7, &kept, NULL), 0);
	assert_string_equal(kept.text, "");
	kept = (struct kept){.refuse = -ESTALE};
	assert_int_equal(run(LT_KUBE_EVENTS, "{\"object\":{}}{\"object\":{}}", 100, &kept, NULL),
			 -ESTALE);
	assert_string_equal(kept.text, ": ");
}

static void too_large_objects_are_left_out(void **state)
{
	size_t n = LT_KUBE_OBJECT_MAX + 100;
	char *text = lt_calloc(1, n + 200);
	unsigned long before = lt_alloc_live();
	struct kept kept = {0};
	char said[128];
	int at;

	(void)state;
	at = snprintf(text, n, "{\"items\":[{\"metadata\":{\"uid\":\"");
	memset(text + at, 'x', n);
	snprintf(text + at + n, 100, "\"}},{\"metadata\":{\"uid\":\"2\"}}]}");
	assert_int_equal(run(LT_KUBE_LIST, text, 65536, &kept, said), 0);
	assert_string_equal(kept.text, ":2 ");
	assert_string_equal(said, "   1");
	assert_int_equal(lt_alloc_live(), before);
	lt_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_of_a_pod),
		cmocka_unit_test(what_is_no_pod),
		cmocka_unit_test(static_pods),
		cmocka_unit_test(owners_by_guess),
		cmocka_unit_test(lists_and_events_in_every_split),
		cmocka_unit_test(broken_streams),
		cmocka_unit_test(too_large_objects_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
