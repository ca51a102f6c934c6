/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by capture.c and attach.c only. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "capture.skel.h"
#include "userspace/capture/capture.h"
#include "userspace/capture/features.h"
#include "userspace/capture/hurry.h"
#include "userspace/capture/uprobe_multi.h"

struct lt_capture {
	struct lt_capture_bpf *skeleton;
	struct ring_buffer *ring;
	uint64_t *verdicts; /* the kernel's table, memory mapped */
	enum lt_attach_way way;
	bool floor;
	bool returns_at_sites; /* no return probes: lt_capture_returns_at_sites */
	bool wants_environ;
	enum lt_plain_way plain;
	bool stdio;
	bool exec_prepared;
	struct bpf_link *syscalls; /* while they are followed */
	bool old;		   /* without bpf_loop */
	bool linked;		   /* perf events have links (with the cookies, 5.15) */
	bool flows;		   /* the programs for connections are loaded */
	int flow_error;		   /* why they are not, 0: they need not be */
	struct bpf_link *flow_state, *flow_hello;
	atomic_bool ending; /* ending events can wait, see lt_capture_ending */
	struct lt_hurry hurry;
	pthread_mutex_t lock;
	bool sites_taken[LT_SITES_MAX];	    /* under the lock */
	struct lt_attachment *ended;	    /* under the lock: programs off, events still there */
	const struct lt_capture_sink *sink; /* of the poll in progress */
};

/* Sets up the programs for connections in the clear, before they are loaded. */
void lt_plain_choose(struct lt_capture *c, const struct lt_capture_opts *opts,
		     const struct lt_features *f);
/* Begins to follow system calls where that is not left to the first who connects. */
LT_MUST_CHECK int lt_plain_start(struct lt_capture *c);
/* Begins or ends to follow system calls, as there is somebody to follow. Thread: drain. */
void lt_plain_tick(struct lt_capture *c);
void lt_plain_end(struct lt_capture *c);
/* Ends the events of what was freed while ending. The programs and the ring are gone by then. */
void lt_attach_end_events(struct lt_capture *c);

/* Before the load: whether the programs for connections are part of it, and for which ports. */
void lt_flows_choose(struct lt_capture *c, const struct lt_capture_opts *opts);
void lt_flows_detach(struct lt_capture *c);
