/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short grace periods while something is attached. The kernel waits for one before the first
 * uprobe of a file: 8 to 12 ms at 250 ticks a second, and by then a small program that nobody has
 * run before is past its first call. /sys/kernel/rcu_expedited makes it some 0.1 ms; it is set for
 * the time of one attach, and put back.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "userspace/base/cleanup.h"

#define LT_HURRY_PATH "/sys/kernel/rcu_expedited"

struct lt_hurry {
	pthread_mutex_t lock;
	int fd;		/* -1: grace periods stay as they are */
	unsigned users; /* under the lock */
};

/* Puts back what an agent that was killed has left. Where the file may not be written nothing is
 * hurried. @path NULL: never hurry. */
void lt_hurry_open(struct lt_hurry *h, const char *path);
void lt_hurry_close(struct lt_hurry *h);
/* Any thread; begin and end come in pairs. A setting of the administrator is left alone. */
void lt_hurry_begin(struct lt_hurry *h);
void lt_hurry_end(struct lt_hurry *h);
