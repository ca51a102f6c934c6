/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stable, idempotent id of a record: the first 122 bits of SHA-256 over facts that the kernel
 * stamped once, as a UUID version 8. No wall clock, no agent start time, no counter of one agent
 * run.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

enum { LT_RECORD_ID_TEXT = 37 };

struct lt_record_id {
	uint8_t b[16];
};

struct lt_record_id_facts {
	uint8_t node_uid[16];
	uint8_t boot_id[16];
	uint32_t tgid;
	uint64_t process_start_ns; /* boot time */
	uint64_t connection;	   /* TLS object address mixed with its first-seen time, or a socket
				      cookie */
	uint64_t stream_id;	   /* 0 on HTTP/1.1 */
	uint64_t first_byte_ns;	   /* boot time of the request's first byte */
	uint64_t ordinal; /* tells apart several records of one exchange or one instant; else 0 */
};

LT_MUST_CHECK int lt_record_id_make(const struct lt_record_id_facts *facts,
				    struct lt_record_id *ret);
/* The id of what takes @from's place: the same for the same three. */
LT_MUST_CHECK int lt_record_id_derive(struct lt_record_id from, const char *why, uint64_t n,
				      struct lt_record_id *ret);
/* "8-4-4-4-12" hexadecimal. Returns @to. */
const char *lt_record_id_format(struct lt_record_id id, char to[LT_RECORD_ID_TEXT]);
/* node_uid: keyed hash of /etc/machine-id (of the host name when there is none). */
LT_MUST_CHECK int lt_node_uid(uint8_t ret[16]);
/* /proc/sys/kernel/random/boot_id. */
LT_MUST_CHECK int lt_boot_id(uint8_t ret[16]);
