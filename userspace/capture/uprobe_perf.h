/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uprobes as perf events, for kernels that have no uprobe_multi. Event and program are held apart,
 * because ending them costs differently: a program is taken off at once, an event waits for several
 * of the kernel's grace periods, one event after the other on the whole host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"

struct lt_uprobe_perf {
	int event; /* the breakpoint, -1: none */
	int link;  /* event and program (5.15), -1: the program is part of the event (before) */
};

/*
 * Puts program @prog at @offset of @path for all processes; @returning: at the function's return.
 * @cookie 0: none. @linked: the kernel has links of perf events.
 */
LT_MUST_CHECK int lt_uprobe_perf_open(int prog, const char *path, uint64_t offset, uint64_t cookie,
				      bool returning, bool linked, struct lt_uprobe_perf *ret);
/* Takes the program off. The event stays, with nothing to run. */
void lt_uprobe_perf_unlink(struct lt_uprobe_perf *probe);

/*
 * Leaves @count events to a process that ends after us: it holds the descriptors until the kernel
 * is done with them. Only while the caller has no other thread. -errno: nothing has happened.
 */
LT_MUST_CHECK int lt_uprobe_perf_leave(struct lt_uprobe_perf *probes, size_t count);
