/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by capture.c and attach.c only. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "capture.skel.h"
#include "userspace/capture/capture.h"
#include "userspace/capture/hurry.h"
#include "userspace/capture/uprobe_multi.h"

struct lt_capture {
	struct lt_capture_bpf *skeleton;
	struct ring_buffer *ring;
	uint64_t *verdicts; /* the kernel's table, memory mapped */
	enum lt_attach_way way;
	bool floor;
	bool wants_environ;
	bool old;	    /* without bpf_loop */
	bool linked;	    /* perf events have links (with the cookies, 5.15) */
	atomic_bool ending; /* ending events can wait, see lt_capture_ending */
	struct lt_hurry hurry;
	pthread_mutex_t lock;
	struct lt_attachment *ended;	    /* under the lock: programs off, events still there */
	const struct lt_capture_sink *sink; /* of the poll in progress */
};

/* Ends the events of what was freed while ending. The programs and the ring are gone by then. */
void lt_attach_end_events(struct lt_capture *c);
