/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of this host, by (tgid, start time): fed by exec, fork and exit events and once
 * from /proc. A process that has ended is kept a while, so that its last calls are attributed all
 * the same. Thread: drain.
 */
#pragma once

#include <stdint.h>

#include "bpf/events.h"
#include "userspace/base/cleanup.h"
#include "userspace/discover/container.h"

enum {
	LT_EXE_SIZE = 256,
	LT_ENV_NAMES_MAX = 8, /* environment variables that the config may name */
	LT_ENV_VALUE = 64,
	LT_PARENTS_MAX = 8,
};

struct lt_env;

/* What is behind the pointers is shared by all processes that have it, never NULL but for env. */
struct lt_process {
	uint32_t tgid;
	uint32_t parent_tgid;
	uint64_t start_ns;  /* boot time */
	uint64_t end_ns;    /* 0: alive */
	uint64_t cgroup_id; /* of v2 */
	uint32_t uid;
	char comm[LT_COMM_SIZE]; /* of the thread group leader */
	const char *exe;	 /* path as the process's own mount namespace names it */
	const char *cgroup;
	const struct lt_container *container;
	struct lt_env *env; /* see lt_process_env */
};

struct lt_process_opts {
	size_t max_processes;	      /* 0: 65536 */
	uint64_t keep_ended_ns;	      /* 0: 60 s */
	const char *proc;	      /* NULL: "/proc" (tests give a folder of their own) */
	const char *const *env_names; /* at most LT_ENV_NAMES_MAX; copied */
	size_t env_count;
	/* Told of each container that is met for the first time: when its cgroup is made, at the
	 * latest when a process in it is seen. It must not call back. May be NULL. */
	void (*container)(void *arg, const struct lt_container *container);
	void *arg;
};

struct lt_process_table;

LT_MUST_CHECK int lt_process_table_new(const struct lt_process_opts *opts,
				       struct lt_process_table **ret);
struct lt_process_table *lt_process_table_free(struct lt_process_table *t);
LT_DEFINE_FREEP(lt_process_table_free, struct lt_process_table)

/* Other variables from now on; values of those that stay are kept, the rest is read when a process
 * is asked for again. -ENOMEM, -EINVAL: nothing changed. */
LT_MUST_CHECK int lt_process_table_env(struct lt_process_table *t, const char *const *names,
				       size_t count);
/* Reads every process of /proc. Returns how many, or -errno. */
LT_MUST_CHECK int lt_process_table_scan(struct lt_process_table *t);
void lt_process_exec(struct lt_process_table *t, const struct lt_event_exec *event);
void lt_process_fork(struct lt_process_table *t, const struct lt_event_fork *event);
/* The environment as the kernel side read it in the process: the named variables are kept, nothing
 * else. */
void lt_process_environ(struct lt_process_table *t, const struct lt_event_environ *event);
void lt_process_exit(struct lt_process_table *t, const struct lt_event_exit *event);
/* A cgroup was made or removed, or a process moved into it. */
void lt_process_cgroup(struct lt_process_table *t, const struct lt_event_cgroup *event);
/* Forgets what ended long ago. */
void lt_process_tick(struct lt_process_table *t, uint64_t now_ns);

/*
 * The process of a call. When it was never seen it is read from /proc now (if it still lives and
 * its start time fits); @cgroup_id helps when it is gone. Borrowed until the next call on @t. NULL:
 * nothing is known.
 */
const struct lt_process *lt_process_find(struct lt_process_table *t, uint32_t tgid,
					 uint64_t start_ns, uint64_t cgroup_id);
/* The same, in the cgroup where it was at @at_ns (boot time), when @cgroup_id was seen. 0: now. */
const struct lt_process *lt_process_find_at(struct lt_process_table *t, uint32_t tgid,
					    uint64_t start_ns, uint64_t cgroup_id, uint64_t at_ns);
/* The value of the variable that the options name as number @i; "" = not set. */
const char *lt_process_env(const struct lt_process *p, size_t i);
/* Ancestors of @p, nearest first, as far as they are known. Returns how many. Borrowed as above; so
 * is @p still. */
size_t lt_process_parents(struct lt_process_table *t, const struct lt_process *p,
			  const struct lt_process *ret[LT_PARENTS_MAX]);
