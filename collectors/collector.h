/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a collector: an ELF image in, a probe plan out. Pure: no I/O, no attach. One file
 * per TLS stack says how to recognise it (by symbols, never by file name) and where to hook.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/events.h"
#include "bpf/hooks.h"
#include "userspace/base/cleanup.h"

/* Whether the function's return matters (data functions), or its entry alone. */
static inline bool lt_hook_returns(enum lt_hook hook)
{
	return hook <= LT_HOOK_WRITE_EX2;
}

enum { LT_PROBES_MAX = 96 };

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

extern const struct lt_collector lt_boringssl_collector;
extern const struct lt_collector lt_openssl_collector;
extern const struct lt_collector lt_gnutls_collector;
extern const struct lt_collector lt_nss_collector;
extern const struct lt_collector lt_s2n_collector;
extern const struct lt_collector lt_wolfssl_collector;
extern const struct lt_collector lt_mbedtls_collector;
extern const struct lt_collector lt_go_tls_collector;

/* Asks all collectors in order. -ENOENT: no collector knows this image. */
LT_MUST_CHECK int lt_collector_plan(const struct lt_elf_image *image, struct lt_probe_plan *ret);
