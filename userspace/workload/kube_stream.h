/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of an answer of the Kubernetes API, one by one, from bytes that come in any pieces:
 * the items of a list, or the events of a watch. One object at a time is in memory.
 */
#pragma once

#include "userspace/base/json_file.h"

enum {
	LT_KUBE_OBJECT_MAX = 4 << 20, /* bytes; etcd takes 1.5 MiB. Larger ones are left out. */
	LT_KUBE_TOKEN_MAX = 4096,     /* of a "continue" token; a longer one is an error */
	LT_KUBE_VERSION_MAX = 64,
};

enum lt_kube_stream_kind {
	LT_KUBE_LIST,	/* one document; its objects are in "items" */
	LT_KUBE_EVENTS, /* documents behind each other; the object of each is in "object" */
	LT_KUBE_OBJECT, /* one document, which is the object */
};

struct lt_kube_stream;

struct lt_kube_stream_sink {
	void *arg;
	/*
	 * @type: of the event ("ADDED"), "" elsewhere. @object is borrowed. A negative return ends
	 * the stream and is what feed returns.
	 */
	int (*object)(void *arg, const char *type, const struct lt_json_value *object);
};

LT_MUST_CHECK int lt_kube_stream_new(enum lt_kube_stream_kind kind,
				     const struct lt_kube_stream_sink *sink,
				     struct lt_kube_stream **ret);
struct lt_kube_stream *lt_kube_stream_free(struct lt_kube_stream *s);
LT_DEFINE_FREEP(lt_kube_stream_free, struct lt_kube_stream)

/* Ready for the next answer. */
void lt_kube_stream_reset(struct lt_kube_stream *s);
/* -EBADMSG (no such JSON), -ENOMEM, or what the sink returned. */
LT_MUST_CHECK int lt_kube_stream_feed(struct lt_kube_stream *s, struct lt_bytes piece);
/* The answer has ended: -EBADMSG when in the middle of a document, -ENODATA when there was none. */
LT_MUST_CHECK int lt_kube_stream_finish(struct lt_kube_stream *s);

/* Of a list, as soon as they came: how to go on ("" at its end), and its version. */
const char *lt_kube_stream_continue(const struct lt_kube_stream *s);
const char *lt_kube_stream_version(const struct lt_kube_stream *s);
/* Of a list: "PodList". Anything else that is JSON has none. */
const char *lt_kube_stream_list_kind(const struct lt_kube_stream *s);
/* Objects that were left out because they are too large or broken, since it was made. */
uint64_t lt_kube_stream_skipped(const struct lt_kube_stream *s);
