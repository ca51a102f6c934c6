/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a collector: an ELF image in, a probe plan out. Pure: no I/O, no attach. One file per TLS stack says how
 * to recognise it (by symbols, never by file name) and where to hook.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/events.h"
#include "userspace/base/cleanup.h"

/* What a hooked function does; the argument layout follows from it. Travels as the probe's cookie. */
enum lt_hook {
	LT_HOOK_READ = 1,   /* int f(ctx, buf, num) */
	LT_HOOK_WRITE,
	LT_HOOK_READ_EX,    /* int f(ctx, buf, num, size_t *done) */
	LT_HOOK_WRITE_EX,
	LT_HOOK_WRITE_EX2,  /* int f(ctx, buf, num, flags, size_t *done) */
	LT_HOOK_FREE,       /* f(ctx): this use of the address ends */
	LT_HOOK_CLEAR,
	LT_HOOK_SHUTDOWN,
	LT_HOOK_CTRL,       /* f(ctx, cmd, larg, parg): server name */
	LT_HOOK_SET_FD,     /* f(ctx, fd) */
	LT_HOOK_SET_BIO,    /* f(ctx, rbio, wbio) */
	LT_HOOK_SET_RBIO,   /* f(ctx, bio) */
	LT_HOOK_COUNT,
};

/* Whether the function's return matters (data functions), or its entry alone. */
static inline bool lt_hook_returns(enum lt_hook hook)
{
	return hook <= LT_HOOK_WRITE_EX2;
}

enum { LT_PROBES_MAX = 24 };

struct lt_probe {
	enum lt_hook hook;
	uint64_t offset; /* in the file */
	char symbol[32];
};

struct lt_probe_plan {
	enum lt_library library;
	const char *collector; /* name of the collector, static */
	struct lt_probe probes[LT_PROBES_MAX];
	unsigned count;
};

struct lt_elf_image;

struct lt_collector {
	const char *name;
	/* -ENOENT: not this stack. */
	int (*plan)(const struct lt_elf_image *image, struct lt_probe_plan *ret);
};

extern const struct lt_collector lt_openssl_collector;

/* Asks all collectors in order. -ENOENT: no collector knows this image. */
LT_MUST_CHECK int lt_collector_plan(const struct lt_elf_image *image, struct lt_probe_plan *ret);
