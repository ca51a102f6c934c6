// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/bounded_json.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/alloc.h"
#include "userspace/base/json_write.h"

/* A member that is as long as any: name and value, each byte an escape of six. */
enum { MEMBER_MAX = 4096 };

struct lt_bounded_json {
	size_t max, used;
	bool cut;
	char *text;
};

int lt_bounded_json_new(size_t size, struct lt_bounded_json **ret)
{
	struct lt_bounded_json *json = lt_calloc(1, sizeof(*json));

	if (!json)
		return -ENOMEM;
	json->max = size;
	json->text = lt_calloc(1, size);
	if (!json->text) {
		lt_free(json);
		return -ENOMEM;
	}
	*ret = json;
	return 0;
}

struct lt_bounded_json *lt_bounded_json_free(struct lt_bounded_json *json)
{
	if (json)
		lt_free(json->text);
	lt_free(json);
	return NULL;
}

void lt_bounded_json_text(struct lt_bounded_json *json, const char *key, const char *value)
{
	struct lt_json_writer w;
	char member[MEMBER_MAX];
	FILE *out;
	size_t n;
	long end;

	if (!value || !value[0])
		return;
	out = fmemopen(member, sizeof(member), "w");
	json->cut |= !out;
	if (!out)
		return;
	lt_json_writer_init(&w, out);
	lt_json_begin_object(&w);
	lt_json_key(&w, key);
	lt_json_string(&w, value);
	fflush(out);
	end = ftell(out);
	n = end > 1 ? (size_t)end - 1 : 0; /* without the bracket, which becomes one or a comma */
	if (fclose(out) != 0 || n == 0 || json->used + n + 3 > json->max) {
		json->cut = true;
		return;
	}
	json->text[json->used] = json->used == 0 ? '{' : ',';
	json->used++;
	memcpy(json->text + json->used, member + 1, n);
	json->used += n;
}

void lt_bounded_json_cut(struct lt_bounded_json *json)
{
	json->cut = true;
}

bool lt_bounded_json_end(struct lt_bounded_json *json, char *to)
{
	if (json->used > 0)
		json->text[json->used++] = '}';
	memcpy(to, json->text, json->used);
	to[json->used] = '\0';
	return !json->cut;
}
