/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by capture.c and attach.c only. */
#pragma once

#include "capture.skel.h"
#include "userspace/capture/capture.h"
#include "userspace/capture/uprobe_multi.h"

struct lt_capture {
	struct lt_capture_bpf *skeleton;
	struct ring_buffer *ring;
	uint64_t *verdicts; /* the kernel's table, memory mapped */
	enum lt_attach_way way;
	bool floor;
	bool wants_environ;
	bool old;			    /* without bpf_loop */
	const struct lt_capture_sink *sink; /* of the poll in progress */
};
