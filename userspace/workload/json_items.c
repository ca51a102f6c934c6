// SPDX-License-Identifier: Apache-2.0
/*
 * Brackets are counted and strings are known; the grammar within an item is for the parser that
 * gets it whole.
 */
#include "userspace/workload/json_items.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"

enum { FIRST_BYTES = 4096, DEPTH_MAX = 128 };

struct lt_json_items {
	int (*item)(void *arg, const struct lt_json_value *value);
	void *arg;
	unsigned depth;	     /* of brackets that are open, the array around the items included */
	unsigned item_depth; /* at which an item begins: 1 within an array, else 0 */
	bool in_string, escape, in_item, skipping;
	int failed;
	uint8_t *buffer;
	size_t n, room;
};

int lt_json_items_new(int (*item)(void *arg, const struct lt_json_value *value), void *arg,
		      struct lt_json_items **ret)
{
	struct lt_json_items *items = lt_calloc(1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	items->item = item;
	items->arg = arg;
	*ret = items;
	return 0;
}

struct lt_json_items *lt_json_items_free(struct lt_json_items *items)
{
	if (!items)
		return NULL;
	lt_wipe(items->buffer, items->room);
	lt_free(items->buffer);
	lt_free(items);
	return NULL;
}

static int keep(struct lt_json_items *items, struct lt_bytes b)
{
	size_t need = items->n + b.n, room = items->room ? items->room : FIRST_BYTES;
	uint8_t *grown;

	if (items->skipping || b.n == 0)
		return 0;
	if (need > LT_JSON_ITEM_MAX) {
		items->skipping = true;
		return 0;
	}
	while (room < need)
		room *= 2;
	if (room > items->room) {
		grown = lt_reallocarray(items->buffer, room, 1);
		if (!grown)
			return -ENOMEM;
		items->buffer = grown;
		items->room = room;
	}
	memcpy(items->buffer + items->n, b.p, b.n);
	items->n = need;
	return 0;
}

static int hand_over(struct lt_json_items *items)
{
	lt_defer(lt_json_file_freep)
	struct lt_json_file *file = NULL;
	bool skipping = items->skipping;
	size_t n = items->n;
	int r;

	items->n = 0;
	items->in_item = false;
	items->skipping = false;
	if (skipping)
		return 0;
	r = lt_json_file_parse(lt_bytes(items->buffer, n), "answer", &file, NULL);
	if (r < 0)
		return r;
	if (!lt_json_is_object(lt_json_file_root(file)))
		return 0;
	return items->item(items->arg, lt_json_file_root(file));
}

static void in_string(struct lt_json_items *items, uint8_t c)
{
	if (items->escape)
		items->escape = false;
	else if (c == '\\')
		items->escape = true;
	else if (c == '"')
		items->in_string = false;
}

static int open_bracket(struct lt_json_items *items, uint8_t c)
{
	if (items->depth == 0 && !items->in_item) {
		items->item_depth = c == '[' ? 1 : 0;
		items->in_item = c == '{';
	} else if (items->depth == items->item_depth) {
		items->in_item = true;
	}
	return ++items->depth > DEPTH_MAX ? -EBADMSG : 0;
}

/* 1: an item ends with this byte. */
static int close_bracket(struct lt_json_items *items)
{
	if (items->depth == 0)
		return -EBADMSG;
	items->depth--;
	return items->in_item && items->depth == items->item_depth;
}

/* 1: an item ends with this byte. */
static int take(struct lt_json_items *items, uint8_t c)
{
	if (items->in_string) {
		in_string(items, c);
		return 0;
	}
	switch (c) {
	case '"':
		items->in_string = true;
		return 0;
	case '{':
	case '[':
		return open_bracket(items, c);
	case '}':
	case ']':
		return close_bracket(items);
	default:
		return 0;
	}
}

static int feed(struct lt_json_items *items, struct lt_bytes in)
{
	size_t from = 0;

	for (size_t i = 0; i < in.n; i++) {
		bool was = items->in_item;
		int r = take(items, in.p[i]), e;

		if (r < 0)
			return r;
		if (items->in_item && !was)
			from = i;
		if (r == 0)
			continue;
		e = keep(items, lt_bytes(in.p + from, i + 1 - from));
		if (e == 0)
			e = hand_over(items);
		if (e < 0)
			return e;
	}
	return items->in_item ? keep(items, lt_bytes_skip(in, from)) : 0;
}

int lt_json_items_feed(struct lt_json_items *items, struct lt_bytes in)
{
	if (items->failed == 0)
		items->failed = feed(items, in);
	return items->failed;
}

int lt_json_items_finish(struct lt_json_items *items)
{
	if (items->failed < 0)
		return items->failed;
	return items->depth > 0 || items->in_string ? -EBADMSG : 0;
}
