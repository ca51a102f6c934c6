// SPDX-License-Identifier: Apache-2.0
/* Answers of a Kubernetes API, in pieces: the same objects however they are cut, and nothing of
 * them that is out of bounds. The first byte says which kind, and where to cut. */
#include <assert.h>

#include "userspace/workload/kube_pod.h"
#include "userspace/workload/kube_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_object(void *arg, const char *type, const struct lt_json_value *object)
{
	static const struct lt_kube_filter all = {.all = true};
	static struct lt_kube_pod pod;
	char kind[LT_KUBE_KIND], name[LT_KUBE_NAME];

	assert(strlen(type) < 16);
	++*(uint64_t *)arg;
	if (lt_kube_pod_read(object, &all, &all, &pod) < 0)
		return 0;
	assert(strlen(pod.facts.uid) > 0 && strlen(pod.facts.uid) < LT_KUBE_UID);
	assert(pod.facts.labels.count <= LT_KUBE_PAIRS);
	assert(pod.facts.container_count <= LT_KUBE_CONTAINERS);
	lt_kube_owner_guess(&pod, kind, name);
	assert(strnlen(kind, sizeof(kind)) < sizeof(kind));
	assert(strnlen(name, sizeof(name)) < sizeof(name));
	return 0;
}

/* What came of it: objects and error. */
static uint64_t run(enum lt_kube_stream_kind kind, struct lt_bytes in, size_t piece, int *ret_error)
{
	uint64_t objects = 0;
	const struct lt_kube_stream_sink sink = {.arg = &objects, .object = on_object};
	lt_defer(lt_kube_stream_freep)
	struct lt_kube_stream *s = NULL;
	int r = lt_kube_stream_new(kind, &sink, &s);

	while (r == 0 && in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;

		r = lt_kube_stream_feed(s, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}
	if (r == 0)
		r = lt_kube_stream_finish(s);
	*ret_error = r;
	return objects;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lt_bytes in = lt_bytes(data + 1, size - 1);
	enum lt_kube_stream_kind kind;
	int whole_error, cut_error;
	uint64_t whole, cut;

	if (size < 2)
		return 0;
	kind = data[0] % 3 == 0 ? LT_KUBE_LIST : data[0] % 3 == 1 ? LT_KUBE_EVENTS : LT_KUBE_OBJECT;
	whole = run(kind, in, in.n, &whole_error);
	cut = run(kind, in, data[0] / 3 + 1, &cut_error);
	assert((whole_error < 0) == (cut_error < 0));
	assert(whole == cut || whole_error < 0); /* rubbish behind an object may come too late */
	return 0;
}
