/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the ledger: records by filter, and sums by dimension. */
#pragma once

#include "userspace/base/money.h"
#include "userspace/ledger/ledger.h"

struct lt_filter {
	int64_t since_ns; /* wall, INT64_MIN = no bound */
	int64_t until_ns; /* exclusive, INT64_MAX = no bound */
	/* NULL = any; globs. container: the beginning of its id, or its name; workload: "web" or
	 * "Deployment/web"; run: 16 hex digits. */
	const char *tenant, *team, *provider, *model, *container, *comm;
	const char *namespace, *workload, *agent, *run;
	int64_t pid;	    /* -1 = any */
	uint64_t after_seq; /* node_seq greater than this */
	size_t limit;	    /* 0 = no limit */
	bool with_void;	    /* also records in whose place others stand */
	bool by_time;	    /* in the order of start, then id, instead of node_seq; no sorting */
	bool newest;	    /* with a limit: the newest ones (still given oldest first) */
};

void lt_filter_init(struct lt_filter *f);

/* Calls @each for every record in node_seq order (or that of @f->by_time); a negative return stops
 * and is returned. */
LT_MUST_CHECK int lt_query_records(struct lt_ledger *l, const struct lt_filter *f,
				   int (*each)(void *arg, uint64_t node_seq,
					       const struct lt_record *record),
				   void *arg);

/* The same for the records whose id lies from @low to @high, both included, at most @limit. */
LT_MUST_CHECK int
lt_query_ids(struct lt_ledger *l, const struct lt_record_id *low, const struct lt_record_id *high,
	     size_t limit,
	     int (*each)(void *arg, uint64_t node_seq, const struct lt_record *record), void *arg);

/*
 * Records behind @after in the order in which they came or changed, at most @limit: who keeps the
 * last change_seq and goes on from it meets each record, and each of its later revisions, at least
 * once. Void records are among them. A negative return of @each stops and is returned.
 */
LT_MUST_CHECK int lt_query_changes(struct lt_ledger *l, uint64_t after, size_t limit,
				   int (*each)(void *arg, uint64_t change_seq, uint64_t node_seq,
					       const struct lt_record *record),
				   void *arg);

/* How many records are behind @after, in the same order. */
LT_MUST_CHECK int lt_query_behind(struct lt_ledger *l, uint64_t after, uint64_t *ret_count);

/* Queries between the two see one state of the ledger. */
LT_MUST_CHECK int lt_query_begin(struct lt_ledger *l);
void lt_query_end(struct lt_ledger *l);

enum { LT_GROUP_DIMENSIONS_MAX = 6 };

struct lt_group {
	const char *value[LT_GROUP_DIMENSIONS_MAX]; /* borrowed for the call; NULL = null */
	uint64_t calls, errors, unpriced, no_usage;
	struct lt_count input, output, cache_read, cache_write, reasoning;
	bool cost_known; /* false: not one of the calls has an amount */
	lt_int128 cost;	 /* pico */
	const char *currency;
};

/* Names that --by accepts, NULL terminated. */
extern const char *const lt_group_dimensions[];

/* Only records that count in totals. Rows ordered by cost, then calls. -EINVAL: unknown dimension.
 */
LT_MUST_CHECK int lt_query_groups(struct lt_ledger *l, const struct lt_filter *f,
				  const char *const *dimensions, size_t count,
				  int (*each)(void *arg, const struct lt_group *group), void *arg);

/* A run of an agent (userspace/run): all that its processes called. */
struct lt_run_sums {
	/* Borrowed for the call; NULL = null. Agent, program and tenant are those of the oldest
	 * process of the run that called, which is its root if that one did. */
	const char *run, *agent, *comm, *exe, *tenant;
	int64_t first_ns, last_ns;   /* wall, when the first and the last of them began */
	uint64_t calls, errors;	     /* but those of tools */
	uint64_t tools_seen;	     /* calls of tools: APIs of these, MCP */
	struct lt_count tools_asked; /* calls of tools that models asked for */
	struct lt_count steps;	     /* of the session that has most */
	uint64_t sessions, processes;
	struct lt_count input, output, cache_read, cache_write, reasoning;
	bool cost_known;
	lt_int128 cost; /* pico */
	const char *currency;
};

/* Only records that count in totals. Rows ordered by cost, then calls. A run that cost money in
 * several currencies is as many rows. */
LT_MUST_CHECK int lt_query_runs(struct lt_ledger *l, const struct lt_filter *f,
				int (*each)(void *arg, const struct lt_run_sums *run), void *arg);

/* Connections to known hosts that nobody could read (coverage known_host_encrypted). */
struct lt_flow_sums {
	uint64_t connections, processes, hosts;
	uint64_t sent, received; /* bytes on the wire */
};

LT_MUST_CHECK int lt_query_flows(struct lt_ledger *l, const struct lt_filter *f,
				 struct lt_flow_sums *ret);

/* One program at one host, of these. */
struct lt_flow_program {
	const char *comm, *exe, *host; /* borrowed for the call; NULL = null */
	uint64_t connections;
	int64_t last_ns; /* wall, when the newest of them began */
};

/* Who could not be read since @since_ns, most connections first. At most @limit. */
LT_MUST_CHECK int
lt_query_flow_programs(struct lt_ledger *l, int64_t since_ns, size_t limit,
		       int (*each)(void *arg, const struct lt_flow_program *program), void *arg);

struct lt_host_calls {
	const char *host; /* borrowed for the call */
	uint64_t calls;
	int64_t last_ns; /* wall, when the newest of them began */
};

/*
 * The hosts at which calls of @provider (exactly) went since @since_ns, the most used first. At
 * most @limit.
 */
LT_MUST_CHECK int lt_query_hosts(struct lt_ledger *l, const char *provider, int64_t since_ns,
				 size_t limit,
				 int (*each)(void *arg, const struct lt_host_calls *host),
				 void *arg);
