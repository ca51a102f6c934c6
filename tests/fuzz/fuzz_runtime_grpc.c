// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as what a container runtime answers over gRPC: the messages in any pieces, and each of
 * their fields as every message that is read. The first byte says how the bytes are cut.
 */
#include <errno.h>
#include <stdlib.h>

#include "userspace/workload/grpc_call.h"
#include "userspace/workload/runtime_answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lt_container_draft draft;

static void check_text(const char *text, size_t room)
{
	size_t n = strnlen(text, room);

	if (n == room)
		abort();
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			abort();
	}
}

static void check(int r)
{
	struct lt_container_facts f = lt_draft_facts(&draft);

	if (r != 0 && r != -EBADMSG && r != -ENOMEM)
		abort();
	check_text(f.id, LT_DRAFT_ID);
	check_text(f.name, LT_DRAFT_TEXT);
	check_text(f.image, LT_DRAFT_TEXT);
	check_text(f.digest, LT_DRAFT_TEXT);
	check_text(f.pod_uid, LT_DRAFT_ID);
	if (f.labels.count > LT_DRAFT_LABELS)
		abort();
	for (size_t i = 0; i < f.labels.count; i++)
		check_text(f.labels.at[i].value, LT_DRAFT_LABEL_VALUE + 1);
	lt_draft_reset(&draft);
}

static void read_all(struct lt_bytes message)
{
	char id[LT_DRAFT_ID];

	check(lt_cri_status(message, &draft));
	check(lt_cri_image(message, &draft));
	check(lt_containerd_container(message, &draft));
	lt_containerd_image(message, &draft);
	check(lt_cri_entry(message, id));
	check_text(id, sizeof(id));
	if (lt_containerd_event(lt_bytes_str("/containers/create"), message, id) != LT_NEWS_NONE)
		check_text(id, sizeof(id));
}

static int on_field(void *arg, const struct lt_proto_field *f)
{
	(void)arg;
	if (f->kind == LT_PROTO_BYTES)
		read_all(f->bytes);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size > 0 && data[0] % 32 ? data[0] % 32 : size + 1;
	struct lt_bytes rest = lt_bytes_skip(lt_bytes(data, size), 1);
	struct lt_grpc_sink sink = {.field = on_field};
	struct lt_grpc_messages *m;
	int r = lt_grpc_messages_new(&sink, &m);

	lt_draft_reset(&draft);
	read_all(rest);
	for (; r == 0 && rest.n > 0; rest = lt_bytes_skip(rest, step))
		r = lt_grpc_messages_feed(m, lt_bytes(rest.p, step < rest.n ? step : rest.n));
	if (r == 0)
		lt_ignore(lt_grpc_messages_finish(m));
	lt_grpc_messages_free(m);
	return 0;
}
