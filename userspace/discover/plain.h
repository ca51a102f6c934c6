/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where connections in the clear are to be looked for: the cgroups that the config names, and the
 * processes that have such a connection already.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"

struct lt_plain_opts {
	const uint64_t *ports;	    /* a bit for each wanted remote port; NULL: none */
	const char *const *cgroups; /* paths below the mount of cgroup v2, '*' is wild */
	size_t cgroup_count;
	const char *proc; /* NULL: "/proc" */
};

struct lt_plain_found {
	void *arg;
	void (*cgroup)(void *arg, uint64_t id);
	void (*process)(void *arg, uint32_t tgid);
};

/*
 * Tells of every cgroup that there is, and of the processes in it (not below it). -ENOENT: there is
 * no cgroup v2.
 */
LT_MUST_CHECK int lt_plain_find_cgroups(const struct lt_plain_opts *opts,
					const struct lt_plain_found *found);
/* Tells of the processes that have a TCP connection to a wanted port. */
LT_MUST_CHECK int lt_plain_find_connected(const struct lt_plain_opts *opts,
					  const struct lt_plain_found *found);
