/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the ledger to the sinks. The ledger is the spool: each sink reads the changes behind its own
 * place, in a thread and with a connection of its own, so that one that is down, slow or hostile
 * delays neither capture nor another. At least once: the place moves when the other side has
 * answered for the records; what comes twice has the same id and revision.
 *
 * A request that is refused is cut in halves until the record is found that is at fault; that one
 * becomes a dead letter, and the others go on.
 */
#pragma once

#include "userspace/export/sink.h"
#include "userspace/ledger/cursors.h"

struct lt_spool;

enum lt_sink_state {
	LT_SINK_WORKS,
	LT_SINK_WAITS, /* the last request failed, the next try is due */
	LT_SINK_STUCK, /* as its settings are nothing will be taken */
};

struct lt_spool_opts {
	const char *state_dir;	    /* of the ledger; copied */
	struct lt_cursors *cursors; /* outlives the spool */
	/* Told on a change, in a sink's thread. May be NULL. */
	void (*state)(void *arg, const struct lt_sink *sink, enum lt_sink_state state,
		      const char *reason);
	/* A record became a dead letter. May be NULL. */
	void (*dead)(void *arg, const struct lt_sink *sink, const struct lt_dead_letter *dead);
	void *arg;
	unsigned retry_ms_min, retry_ms_max; /* 0: 1 s, 5 min */
};

/* The spool owns @sinks from now on, whatever comes of it. */
LT_MUST_CHECK int lt_spool_start(const struct lt_spool_opts *opts, struct lt_sink **sinks,
				 size_t count, struct lt_spool **ret);
/* New records are in the ledger. Any thread; cheap. */
void lt_spool_wake(struct lt_spool *s);
/*
 * Ends the threads, within @timeout_ms for what can still be delivered; the rest stays in the
 * ledger and is sent after the next start. Returns NULL.
 */
struct lt_spool *lt_spool_stop(struct lt_spool *s, unsigned timeout_ms);
