/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the files to probe: at start and every sweep all executable mappings of all processes, in
 * between every new mapping at once. Each file is examined once and attached once for its real
 * inode; a file that no process has mapped for a while is detached. Owns one thread ("scout").
 */
#pragma once

#include "userspace/capture/capture.h"
#include "userspace/discover/plain.h"

struct lt_scout;
struct lt_probe_cache;

/* An attached or refused file, for the log. */
struct lt_scout_file {
	const char *path;      /* as a process named it when it was found; borrowed for the call */
	const char *collector; /* NULL: refused */
	uint64_t inode;
	unsigned probes;
	int error;    /* why it was refused, 0 = attached */
	uint32_t pid; /* that had it mapped when it was found */
};

/* What was attached by its code has shown what it is. */
struct lt_scout_proof {
	const char *path, *collector; /* borrowed for the call */
	bool wrong;		      /* it is detached */
};

struct lt_scout_opts {
	struct lt_probe_cache *cache; /* NULL: none; must outlive the scout */
	uint64_t sweep_ns;	      /* 0: 30 s */
	struct lt_plain_opts plain;   /* borrowed: what is looked for while it runs */
	uint64_t keep_ns; /* 0: 10 minutes without a process that maps the file, then detached */
	/* Told of every file that was attached or refused. Thread: scout. */
	void (*found)(void *arg, const struct lt_scout_file *file);
	void (*proved)(void *arg, const struct lt_scout_proof *proof); /* thread: scout */
	void *arg;
	/* The answer to lt_scout_ask; @name NULL: nobody knows. Thread: scout. May be NULL. */
	void (*stack)(void *arg, unsigned question, const char *name);
	void *stack_arg;
};

/* Begins the thread, which examines all running processes first. @capture must outlive it. */
LT_MUST_CHECK int lt_scout_start(struct lt_capture *capture, const struct lt_scout_opts *opts,
				 struct lt_scout **ret);
/* -EAGAIN: what runs already is still being attached; 0: all of it is; else why it could not be
 * looked for. */
int lt_scout_first_sweep(const struct lt_scout *s);
/*
 * Asks which TLS stack of that process is known by sight and not read; @question comes back with
 * the answer, which takes a while. Any thread. -EBUSY: too many questions wait.
 */
LT_MUST_CHECK int lt_scout_ask(struct lt_scout *s, uint32_t pid, unsigned question);
/* Processes that the latest sweep was not allowed to look into: a privilege is missing. Any thread.
 */
unsigned lt_scout_closed(const struct lt_scout *s);
/* Ends the thread and detaches everything. Returns NULL. */
struct lt_scout *lt_scout_stop(struct lt_scout *s);
