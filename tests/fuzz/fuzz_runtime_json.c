// SPDX-License-Identifier: Apache-2.0
/*
 * Any text as the JSON that a container runtime answers or writes. The first byte says how it is
 * cut in pieces. Whatever comes of it is bounded text without control characters.
 */
#include <stdlib.h>

#include "userspace/workload/json_items.h"
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

static void check(void)
{
	struct lt_container_facts f = lt_draft_facts(&draft);

	check_text(f.id, LT_DRAFT_ID);
	check_text(f.name, LT_DRAFT_TEXT);
	check_text(f.image, LT_DRAFT_TEXT);
	check_text(f.digest, LT_DRAFT_TEXT);
	check_text(f.pod, LT_DRAFT_TEXT);
	check_text(f.namespace, LT_DRAFT_TEXT);
	check_text(f.pod_uid, LT_DRAFT_ID);
	if (f.labels.count > LT_DRAFT_LABELS)
		abort();
	for (size_t i = 0; i < f.labels.count; i++) {
		check_text(f.labels.at[i].key, LT_DRAFT_LABEL_KEY + 1);
		check_text(f.labels.at[i].value, LT_DRAFT_LABEL_VALUE + 1);
	}
}

static int on_item(void *arg, const struct lt_json_value *v)
{
	static void (*const readers[])(const struct lt_json_value *,
				       struct lt_container_draft *) = {
		lt_docker_entry, lt_docker_image, lt_docker_file, lt_docker_repositories,
		lt_storage_container};
	char id[LT_DRAFT_DIGEST], digest[LT_DRAFT_DIGEST];

	(void)arg;
	for (size_t i = 0; i < LT_COUNT(readers); i++) {
		readers[i](v, &draft);
		check();
	}
	lt_ignore(lt_docker_event(v, id));
	check_text(id, LT_DRAFT_ID);
	lt_storage_image(v, id, digest);
	check_text(id, sizeof(id));
	check_text(digest, sizeof(digest));
	lt_draft_reset(&draft);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size > 0 && data[0] % 32 ? data[0] % 32 : size + 1;
	struct lt_bytes rest = lt_bytes_skip(lt_bytes(data, size), 1);
	struct lt_json_items *items;
	int r = lt_json_items_new(on_item, NULL, &items);

	lt_draft_reset(&draft);
	for (; r == 0 && rest.n > 0; rest = lt_bytes_skip(rest, step))
		r = lt_json_items_feed(items, lt_bytes(rest.p, step < rest.n ? step : rest.n));
	if (r == 0)
		lt_ignore(lt_json_items_finish(items));
	lt_json_items_free(items);
	return 0;
}
