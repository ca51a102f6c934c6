/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a process listens on a TCP port: what a gateway does, and a mere client does not. One
 * thread at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LT_LISTENING_KEPT = 64 };

/* Zeroed before the first use. What was found is taken for true for a while. */
struct lt_listening {
	const char *proc; /* NULL: "/proc" */
	struct {
		uint32_t tgid;
		uint16_t port;
		bool listens;
		uint64_t start_ns, until_ns; /* boot time */
	} kept[LT_LISTENING_KEPT];
	unsigned next;
};

/*
 * True: the process @tgid that began at @start_ns (boot time), or its parent (whose workers accept
 * for it), has a socket that listens on @port in the process's network namespace. False also when
 * it is gone, or may not be looked into.
 */
bool lt_process_listens(struct lt_listening *l, uint32_t tgid, uint64_t start_ns, uint16_t port);
