/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells when the content of a file changes. A probe belongs to an inode and an offset, and the
 * kernel does not look at the file again: one that is overwritten in place (cp over an old program)
 * would get its breakpoints in the middle of other instructions, and crash whoever runs it. So what
 * has probes is watched, and let go of with the first byte that changes.
 */
#pragma once

#include "userspace/base/cleanup.h"

struct lt_file_watch;

LT_MUST_CHECK int lt_file_watch_new(struct lt_file_watch **ret);
struct lt_file_watch *lt_file_watch_free(struct lt_file_watch *w);
LT_DEFINE_FREEP(lt_file_watch_free, struct lt_file_watch)

/* Becomes readable when there is something to tell. */
int lt_file_watch_fd(const struct lt_file_watch *w);
/* Watches the file behind @fd, which stays the caller's. Its number (the same for the same file),
 * or -errno: no more files can be watched. */
LT_MUST_CHECK int lt_file_watch_add(struct lt_file_watch *w, int fd);
void lt_file_watch_remove(struct lt_file_watch *w, int number);
/* Calls @changed for every change since the last time. @number -1: so many that some were lost, any
 * file may have changed. Does not wait. */
void lt_file_watch_read(struct lt_file_watch *w, void (*changed)(void *arg, int number), void *arg);
