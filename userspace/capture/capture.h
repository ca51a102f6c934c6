/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel -> chunks: loads the BPF programs, attaches them, drains the ring buffer. With attach.c
 * and features.c the only libbpf user.
 */
#pragma once

#include "collectors/collector.h"
#include "userspace/base/problem.h"
#include "userspace/capture/chunk.h"

/* How uprobes are attached; AUTO takes the best that the kernel has. */
enum lt_attach_way {
	LT_ATTACH_AUTO,
	LT_ATTACH_MULTI,  /* uprobe_multi link (6.6): one link for all functions of a file */
	LT_ATTACH_COOKIE, /* perf events with cookies (5.15) */
	LT_ATTACH_PLAIN,  /* perf events, one program for each function */
};

/* "auto" | "multi" | "cookie" | "plain"; -EINVAL */
LT_MUST_CHECK int lt_attach_way_parse(const char *text, enum lt_attach_way *ret);
const char *lt_attach_way_name(enum lt_attach_way way);

/* How returns of functions are seen. */
enum lt_returns {
	LT_RETURNS_AUTO,
	LT_RETURNS_PROBES, /* return probes, whatever this kernel does with them */
	LT_RETURNS_SITES,  /* a probe on every RET */
};

struct lt_capture_opts {
	uint32_t ring_bytes; /* power of two; 0: 8 MiB */
	enum lt_attach_way way;
	enum lt_returns returns;
	bool no_hurry;	    /* leave the grace periods of the kernel as they are, see hurry.h */
	bool wants_environ; /* environment of the processes that make connections */
	const uint64_t *plain_ports; /* a bit for each remote port that is read in the clear, as
				      * many words as LT_PORT_WORDS; borrowed; NULL: none */
	bool stdio;		     /* children that are spoken to in lines of JSON-RPC */
	bool plain_cgroups;	     /* lt_capture_plain_cgroup will be called */
	bool floor; /* attach empty programs instead: the floor that benchmarks compare with */
	/* TCP ports whose connections are told of (hello, flow); LT_FLOW_PORTS_MAX at most, 0:
	 * none.
	 */
	uint16_t flow_ports[LT_FLOW_PORTS_MAX];
	size_t flow_port_count;
};

struct lt_capture;
struct lt_attachment;

/*
 * Needs CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN below 6.6). @problem says what is missing and what
 * to do. The caller ends *ret with lt_capture_free.
 */
LT_MUST_CHECK int lt_capture_open(const struct lt_capture_opts *opts, struct lt_capture **ret,
				  struct lt_problem *problem);
/*
 * The process is about to end: attachments that are freed from now on stop to see anything at once,
 * and the rest of their end, which takes the kernel long without uprobe_multi, is up to
 * lt_capture_free: the last thing that the process does, without other threads.
 */
void lt_capture_ending(struct lt_capture *c);
/* Detaches and unloads everything; attachments must be freed before. */
struct lt_capture *lt_capture_free(struct lt_capture *c);
LT_DEFINE_FREEP(lt_capture_free, struct lt_capture)

/*
 * Attaches @plan to the file behind @fd (stays the caller's), for all processes. Any thread.
 * -EPERM, -EACCES: privilege; else as the kernel says.
 */
LT_MUST_CHECK int lt_capture_attach(struct lt_capture *c, int fd, const struct lt_probe_plan *plan,
				    struct lt_attachment **ret);
struct lt_attachment *lt_attachment_free(struct lt_attachment *a);

/* What was found by its code is trusted when the traffic there is what it should be. */
enum lt_site_state {
	LT_SITE_TRUSTED,  /* a known protocol was seen; or nothing had to be proven */
	LT_SITE_UNPROVEN, /* nothing was seen that tells */
	LT_SITE_WRONG,	  /* what is hooked can't be what it was taken for */
};

/* Any thread, while @a is attached. */
enum lt_site_state lt_attachment_state(const struct lt_attachment *a);
/*
 * Begins to tell of cgroups that are made and removed, and of who moves into which. On failure all
 * else goes on, and @problem says what is missing.
 */
LT_MUST_CHECK int lt_capture_watch_cgroups(struct lt_capture *c, struct lt_problem *problem);
/*
 * Begins to tell of connections to the flow ports that are opened from now on; 0 when there are no
 * such ports. On failure capture of TLS goes on without, and @problem says what is missing.
 */
LT_MUST_CHECK int lt_capture_watch_flows(struct lt_capture *c, struct lt_problem *problem);
/*
 * Asks for one more flow event of a connection that lives, which comes through the ring before this
 * returns. -EOPNOTSUPP, -EINVAL and the like: this kernel cannot (before 5.10).
 */
LT_MUST_CHECK int lt_capture_look_at_flow(struct lt_capture *c, uint64_t sock, uint64_t cookie);

/* Thread: drain. Waits up to @timeout_ms for data that is worth it, then hands on all that is
 * there. Events, or -errno. */
LT_MUST_CHECK int lt_capture_poll(struct lt_capture *c, const struct lt_capture_sink *sink,
				  int timeout_ms);
/* Thread: drain. A plain store into the kernel's verdict table. */
void lt_capture_set_verdict(struct lt_capture *c, const struct lt_conn *conn,
			    enum lt_verdict verdict);
/* How connections in the clear are read. */
enum lt_plain_way {
	LT_PLAIN_OFF,
	LT_PLAIN_SOCKETS,  /* by the sockets' own tracepoints (6.3): all there are */
	LT_PLAIN_SYSCALLS, /* by system calls, of processes that connected, or were named */
};
enum lt_plain_way lt_capture_plain_way(const struct lt_capture *c);
/* All connections of the processes in this cgroup (v2 id), and below it, are looked at. Any thread.
 */
LT_MUST_CHECK int lt_capture_plain_cgroup(struct lt_capture *c, uint64_t id);
/* LT_PLAIN_SYSCALLS: this process has a connection from before. Nothing in the other ways. Any
 * thread. */
LT_MUST_CHECK int lt_capture_plain_process(struct lt_capture *c, uint32_t tgid);

/* Takes over what the kernel counted since the last time. Any one thread. */
void lt_capture_read_counters(struct lt_capture *c);
/* Whether plans need their RETs (lt_returns_plan): return probes would kill processes here. */
bool lt_capture_returns_at_sites(const struct lt_capture *c);
enum lt_attach_way lt_capture_way(const struct lt_capture *c);
