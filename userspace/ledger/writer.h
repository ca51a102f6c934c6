/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer thread: takes records from the queue, commits batches of at most 200 ms. On a full
 * disk or an I/O error it keeps the batch and tries again with back-off; the queue is the bound,
 * what it refuses is counted.
 */
#pragma once

#include "userspace/ledger/ledger.h"

struct lt_writer;

struct lt_writer_opts {
	size_t queue_records; /* 0: 4096 */
	unsigned batch_ms;    /* 0: 100; at most 200 */
	/* Told (in the writer thread) when writing begins to fail (@error < 0) and when it works
	 * again (0). */
	void (*status)(void *arg, int error, const char *text);
	/* Told (in the writer thread) when records were committed. May be NULL. */
	void (*committed)(void *arg);
	/* Records that wait for what orchestrators know are given to @again, see amend.h, when
	 * @version has grown: it counts what became known. Both in the writer thread; may be NULL.
	 */
	uint64_t (*version)(void *arg);
	bool (*again)(void *arg, struct lt_record *record);
	void *arg;
};

/* @ledger belongs to the writer's thread until lt_writer_stop. */
LT_MUST_CHECK int lt_writer_start(struct lt_ledger *ledger, const struct lt_writer_opts *opts,
				  struct lt_writer **ret);
/* Thread: drain. False: queue full, the record is lost (counted in RECORDS_DROPPED). */
bool lt_writer_put(struct lt_writer *w, const struct lt_record *record);
/* No record is looked at again from now on, nor while this returns. */
void lt_writer_settle(struct lt_writer *w);
/* Writes what is queued (gives up after @timeout_ms), ends the thread, frees. Returns NULL. */
struct lt_writer *lt_writer_stop(struct lt_writer *w, unsigned timeout_ms);
