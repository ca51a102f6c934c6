/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices of new executable file mappings on the whole host (perf's MMAP2 records of a dummy
 * event): how a library that is loaded by dlopen, or a new binary, is found at once without any
 * probe. Thread: scout.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

struct lt_mapping {
	uint32_t pid;
	uint64_t start, end; /* addresses: the name of the entry in /proc/PID/map_files */
	uint32_t major, minor;
	uint64_t inode;
	uint64_t inode_generation; /* tells a re-used inode number from its former owner; 0: not
				      known */
};

struct lt_map_watch;

/* -EACCES, -EPERM, -EOPNOTSUPP: not to be had here (the sweep alone finds new files then). */
LT_MUST_CHECK int lt_map_watch_open(struct lt_map_watch **ret);
struct lt_map_watch *lt_map_watch_free(struct lt_map_watch *w);
LT_DEFINE_FREEP(lt_map_watch_free, struct lt_map_watch)
/* Waits up to @timeout_ms or until @wake_fd is readable, then tells of every mapping. Mappings told
 * of, or -errno. */
LT_MUST_CHECK int lt_map_watch_poll(struct lt_map_watch *w, int wake_fd, int timeout_ms,
				    void (*each)(void *arg, const struct lt_mapping *m), void *arg);
