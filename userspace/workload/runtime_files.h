/* SPDX-License-Identifier: Apache-2.0 */
/* Files of runtimes, some of them in the homes of users who may put there what they like. */
#pragma once

#include "userspace/workload/json_items.h"
#include "userspace/workload/runtime_source.h"

/*
 * Hands the objects of a JSON file to @item. Only a plain file that belongs to @uid or to root is
 * read, at most 64 MiB of it. -ENOENT, -EACCES, -EBADMSG, -EFBIG, -ENOMEM, what @item returned.
 */
LT_MUST_CHECK int lt_files_items(const char *path, uid_t uid,
				 int (*item)(void *arg, const struct lt_json_value *value),
				 void *arg);

/*
 * Waits for changes in the folders (those that are there), and has the source's list asked for at
 * each that concerns one of the names (NULL: at any). Returns when the source is to stop, or when
 * a folder of them came or went: then the folders are to be watched anew.
 */
LT_MUST_CHECK int lt_files_watch(struct lt_source *s, const char *const *folders, size_t count,
				 const char *const *names);
