/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place that records are sent to. Each has a thread of its own (spool.h), which alone calls it:
 * add ... add, send, over and over. A sink builds one request in memory of bounded size and keeps
 * nothing between requests; where it stands is the spool's business.
 */
#pragma once

#include <stdatomic.h>

#include "userspace/base/problem.h"
#include "userspace/ledger/record.h"

/* What came of a request. */
enum lt_delivery {
	LT_DELIVERED,	  /* on the other side for good, but for those that it rejected by itself */
	LT_LATER,	  /* not now (unreachable, overloaded): the same again after a pause */
	LT_TOO_LARGE,	  /* fewer records at a time */
	LT_REFUSED,	  /* never: something about these records is wrong */
	LT_MISCONFIGURED, /* nothing will be taken before a person mends the settings (401, 404) */
};

struct lt_delivery_report {
	char reason[256];  /* one line, no secret; "" = delivered */
	unsigned pause_s;  /* LT_LATER: at least so long, as the other side asks; 0: our own */
	unsigned rejected; /* LT_DELIVERED: so many it did not take (partial success) */
};

struct lt_sink;

struct lt_sink_ops {
	/* Appends to the request. 1: it is full, this record belongs to the next one. -ENOMEM ...
	 */
	int (*add)(struct lt_sink *sink, uint64_t node_seq, const struct lt_record *record);
	/*
	 * Sends what was added, and begins a new request whatever came of it. Returns soon (0.2 s)
	 * when @stop is set, with LT_LATER.
	 */
	enum lt_delivery (*send)(struct lt_sink *sink, const atomic_bool *stop,
				 struct lt_delivery_report *ret);
	/* Forgets what was added. */
	void (*reset)(struct lt_sink *sink);
	void (*free)(struct lt_sink *sink);
};

/* What every sink begins with. */
struct lt_sink {
	const struct lt_sink_ops *ops;
	const char *kind;   /* "otlp", "file" ... */
	char name[64];	    /* of this one, by which its place is kept */
	size_t batch;	    /* records in a request at most */
	unsigned linger_ms; /* how long a request that is not full may wait for more */
};

static inline void lt_sink_freep(struct lt_sink **sink)
{
	if (*sink)
		(*sink)->ops->free(*sink);
	*sink = NULL;
}
