/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts JSON that comes in any pieces into items: the elements of an array at the root, or the
 * documents of a stream. Only one item is in memory at a time, so that the list of all containers
 * of a host costs no more than its largest entry.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/json_file.h"

enum { LT_JSON_ITEM_MAX = 512 << 10 /* bytes; a larger item is left out */ };

struct lt_json_items;

/* @item gets each object; negative ends the feed, which returns it. What is no object is left out.
 */
LT_MUST_CHECK int lt_json_items_new(int (*item)(void *arg, const struct lt_json_value *value),
				    void *arg, struct lt_json_items **ret);
struct lt_json_items *lt_json_items_free(struct lt_json_items *items);
LT_DEFINE_FREEP(lt_json_items_free, struct lt_json_items)

/* -EBADMSG: no JSON (stays so); -ENOMEM; what the item function returned. */
LT_MUST_CHECK int lt_json_items_feed(struct lt_json_items *items, struct lt_bytes in);
/* The text has ended: -EBADMSG when in the middle of something. */
LT_MUST_CHECK int lt_json_items_finish(struct lt_json_items *items);
