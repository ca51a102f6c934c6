/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource attributes that a process publishes of itself for readers outside (OpenTelemetry process
 * context, OTEP 4719: a memory mapping named OTEL_CTX), and the same as its environment says them
 * (OTEL_RESOURCE_ATTRIBUTES). Claims, not facts: a process can publish what it likes.
 */
#pragma once

#include <stdint.h>

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

enum {
	LT_OTEL_PAYLOAD_MAX = 64 << 10, /* larger ones are not read */
	LT_OTEL_MAPS_MAX = 4 << 20,	/* of /proc/PID/maps that are looked through */
};

/* Attributes whose value is a text, one after the other; both are borrowed and end with a NUL. A
 * text of more than 256 bytes is cut. */
struct lt_otel_sink {
	void *arg;
	void (*attribute)(void *arg, const char *key, const char *value);
};

struct lt_otel_reader;

LT_MUST_CHECK int lt_otel_reader_new(struct lt_otel_reader **ret);
struct lt_otel_reader *lt_otel_reader_free(struct lt_otel_reader *r);
LT_DEFINE_FREEP(lt_otel_reader_free, struct lt_otel_reader)

/*
 * Reads what the process publishes; @pid_fd is of lt_procfs_open. -ENOENT: nothing. -EAGAIN: it is
 * being written. -EBADMSG: it is not what it should be. -EACCES, -ESRCH ...
 */
LT_MUST_CHECK int lt_otel_context_read(struct lt_otel_reader *r, int pid_fd,
				       const struct lt_otel_sink *sink);

/* The payload alone: a ProcessContext message, or (as earlier drafts have it) a Resource. -EBADMSG:
 * neither, or without any attribute. */
LT_MUST_CHECK int lt_otel_context_decode(struct lt_otel_reader *r, struct lt_bytes payload,
					 const struct lt_otel_sink *sink);

/* The value of OTEL_RESOURCE_ATTRIBUTES: "key=value,key=value", percent-encoded. What is no pair is
 * skipped. */
void lt_otel_resource_list(struct lt_bytes text, const struct lt_otel_sink *sink);
