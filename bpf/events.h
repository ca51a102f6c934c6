/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire between kernel and userspace: every struct that both sides read. Included by clang
 * -target bpf and by the host compiler; fixed-width types, explicit padding, sizes asserted by
 * both.
 */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum {
	LT_COMM_SIZE = 16,
	LT_ENVIRON_MAX = 8192,	     /* bytes of an environment carried */
	LT_NAME_SIZE = 256,	     /* server name (SNI), file name */
	LT_CGROUP_LEVELS = 8,	     /* path elements carried, leaf first */
	LT_CGROUP_NAME_SIZE = 96,    /* "cri-containerd-<64 hex>.scope" needs 85 */
	LT_CGROUP_EVENT_PATH = 1024, /* what the kernel's tracepoints carry */
	LT_VERDICT_SLOTS = 65536,    /* power of two */
	LT_CHUNK_MAX = 16384,	     /* plaintext bytes in one event at most */
	LT_CHUNKS_PER_CALL = 256, /* one TLS call is copied up to 4 MiB; the rest is a known gap */
	LT_CHUNKS_WITHOUT_LOOP = 32, /* the same before 5.17: 512 KiB */
	LT_PORT_WORDS = 1024,	     /* a bit for every port */
	LT_PLAIN_CGROUPS_MAX = 4096,
	LT_STDIO_FILE_SIZE = 128,
	LT_HELLO_MAX = 4096,   /* bytes of a ClientHello that are carried, */
	LT_HELLO_PACKETS = 16, /* in as many packets at most */
	LT_FLOW_PORTS_MAX = 8,
	LT_PIECES_PER_CALL = 1024, /* vectors of one call, each in chunks of its own */
	LT_PIECES_WITHOUT_LOOP = 8,
};

/* Which bytes of a connection are copied. Userspace sets it in the connection's slot when it knows.
 */
enum lt_verdict {
	LT_VERDICT_PROBE =
		0,	     /* look for the start of a known protocol; then copy, up to a budget */
	LT_VERDICT_HEAD = 1, /* copy the first bytes after each change of direction */
	LT_VERDICT_FULL = 2, /* copy all */
	LT_VERDICT_IGNORE = 3, /* copy nothing, count bytes */
};

enum lt_dir {
	LT_DIR_WRITE = 0, /* the process sends */
	LT_DIR_READ = 1,  /* the process receives */
};

enum lt_library {
	LT_LIBRARY_UNKNOWN = 0,
	LT_LIBRARY_OPENSSL = 1,
	LT_LIBRARY_BORINGSSL = 2,
	LT_LIBRARY_REPLAY = 3,
	LT_LIBRARY_GNUTLS = 4,
	LT_LIBRARY_NSS = 5,
	LT_LIBRARY_GO_TLS = 6,
	LT_LIBRARY_RUSTLS = 7,
	LT_LIBRARY_PLAINTEXT = 8, /* none: what a socket carries in the clear */
	LT_LIBRARY_S2N = 9,
	LT_LIBRARY_MBEDTLS = 10,
	LT_LIBRARY_WOLFSSL = 11,
	LT_LIBRARY_COUNT,
};

enum lt_event_type {
	LT_EVENT_DATA = 1,
	LT_EVENT_NAME = 2,  /* server name of a connection (SNI) */
	LT_EVENT_PEER = 3,  /* peer address of a connection */
	LT_EVENT_CLOSE = 4, /* the TLS object was freed or cleared */
	LT_EVENT_EXEC = 5,
	LT_EVENT_FORK = 6,
	LT_EVENT_EXIT = 7,
	LT_EVENT_ENVIRON = 8, /* the process's environment, only when the config names variables */
	LT_EVENT_HELLO = 9,   /* how a connection to a watched port begins */
	LT_EVENT_FLOW = 10,   /* its bytes so far, or at its end */
	LT_EVENT_CGROUP = 11, /* a cgroup was made or removed, or a process moved into it */
};

struct lt_event_head {
	__u32 type; /* enum lt_event_type */
	__u32 tgid;
	__u64 ts_ns; /* boot time */
};

/* What every connection event begins with. (tgid, ctx, generation) is the connection. */
struct lt_event_conn {
	struct lt_event_head head;
	__u64 ctx;		/* address of the TLS object, or of a socket in the clear */
	__u64 generation;	/* boot time at which this use of the address was first seen */
	__u64 process_start_ns; /* boot time */
	__u64 cgroup_id;
	__u32 uid;
	__u32 slot; /* index of the verdict */
};

struct lt_event_data {
	struct lt_event_conn conn;
	__u64 position; /* of the first byte, counted in this direction since the generation began
			 */
	__u64 lost;	/* bytes of this direction for which no event could be reserved, so far */
	__u32 len;	/* bytes in data[] */
	__u8 dir;	/* enum lt_dir */
	__u8 library;	/* enum lt_library */
	__u8 verdict;	/* under which it was copied */
	__u8 pad;
	__u8 data[];
};

struct lt_event_name {
	struct lt_event_conn conn;
	char name[LT_NAME_SIZE]; /* NUL terminated */
};

struct lt_event_peer {
	struct lt_event_conn conn;
	__u64 socket_cookie;
	__u16 family; /* AF_INET, AF_INET6 */
	__u16 port;   /* host byte order */
	__u8 pad[4];
	__u8 address[16];
};

struct lt_event_environ {
	struct lt_event_conn conn;
	__u32 len;
	__u8 pad[4];
	char text[LT_ENVIRON_MAX]; /* NAME=value, each ended by a NUL */
};

struct lt_event_close {
	struct lt_event_conn conn;
	__u64 position[2]; /* where each direction ended: what is missing at the tail was lost */
};

struct lt_event_exec {
	struct lt_event_head head;
	__u64 process_start_ns;
	__u64 cgroup_id;
	__u64 stack_start; /* address: as /proc/PID/stat says it while this program runs */
	__u32 parent_tgid;
	__u32 uid;
	char comm[LT_COMM_SIZE];
	char file[LT_NAME_SIZE]; /* as passed to execve */
	/* Names of the cgroup and its ancestors, leaf first; an empty name ends the list. */
	char cgroup[LT_CGROUP_LEVELS][LT_CGROUP_NAME_SIZE];
};

struct lt_event_fork {
	struct lt_event_head head; /* tgid of the child */
	__u64 process_start_ns;
	__u64 cgroup_id;
	__u32 parent_tgid;
	__u32 uid;
};

struct lt_event_exit {
	struct lt_event_head head;
	__u64 process_start_ns;
};

enum lt_cgroup_change {
	LT_CGROUP_MADE = 0,
	LT_CGROUP_GONE = 1,
	LT_CGROUP_ENTERED = 2, /* by the process head.tgid */
};

enum lt_cgroup_hierarchy {
	LT_CGROUP_V2 = 0,
	LT_CGROUP_V1 = 1, /* the one of the memory controller: of v1, only that is told of */
	LT_CGROUP_HIERARCHIES,
};

struct lt_event_cgroup {
	struct lt_event_head head;	 /* tgid: of who entered, else 0 */
	__u64 process_start_ns;		 /* of who entered, else 0 */
	__u64 id;			 /* within its hierarchy */
	__u32 change;			 /* enum lt_cgroup_change */
	__u32 hierarchy;		 /* enum lt_cgroup_hierarchy */
	char path[LT_CGROUP_EVENT_PATH]; /* from the root of the hierarchy; "": not known */
};

/* A TCP connection that a process of this host opened to a watched port, whoever encrypts it. */
struct lt_event_flow {
	struct lt_event_head head; /* tgid of who opened it */
	__u64 socket_cookie;
	__u64 sock;	/* the kernel's handle of it, for another look */
	__u64 start_ns; /* boot time at which it was opened */
	__u64 process_start_ns;
	__u64 cgroup_id;
	__u64 sent;	/* bytes of TCP payload, without what was sent again */
	__u64 received; /* as its peer sent them */
	__u32 uid;
	__u16 port; /* of the peer, host byte order */
	__u8 ended;
	__u8 pad;
};

/* The next piece of its ClientHello, in order. */
struct lt_event_hello {
	struct lt_event_flow flow;
	__u32 position; /* of the first byte, in what the connection sends */
	__u32 len;
	__u32 whole; /* bytes that the ClientHello has, 0: its records are cut, so nobody knows */
	__u32 pad;
	__u8 data[];
};

/* Counters that the kernel side keeps, in one array map. */
enum lt_kernel_counter {
	LT_KC_LOST_EVENTS,
	LT_KC_LOST_BYTES,
	LT_KC_CALLS_LOST,  /* call or connection map full */
	LT_KC_SHORT_READS, /* user memory could not be read */
	LT_KC_UNPAIRED,	   /* answers of which it is not known to which connection they belong */
	LT_KC_COUNT,
};

/*
 * What was seen at a site: the functions of one file that were found by their code, not by name.
 * An entry of an array map.
 */
struct lt_site {
	__u32 proven;	/* a message of a known protocol began there */
	__u32 given_up; /* connections in which none did */
	__u32 absurd;	/* calls that said to have done more than they were asked to */
	__u32 pad;
};

enum { LT_SITES_MAX = 1024 };

_Static_assert(sizeof(struct lt_event_head) == 16, "wire");
_Static_assert(sizeof(struct lt_event_conn) == 56, "wire");
_Static_assert(sizeof(struct lt_event_data) == 80, "wire");
_Static_assert(sizeof(struct lt_event_name) == 312, "wire");
_Static_assert(sizeof(struct lt_event_peer) == 88, "wire");
_Static_assert(sizeof(struct lt_event_environ) == 8256, "wire");
_Static_assert(sizeof(struct lt_event_close) == 72, "wire");
_Static_assert(sizeof(struct lt_event_exec) == 1088, "wire");
_Static_assert(sizeof(struct lt_event_fork) == 40, "wire");
_Static_assert(sizeof(struct lt_event_exit) == 24, "wire");
_Static_assert(sizeof(struct lt_event_cgroup) == 1064, "wire");
_Static_assert(sizeof(struct lt_event_flow) == 80, "wire");
_Static_assert(sizeof(struct lt_event_hello) == 96, "wire");
