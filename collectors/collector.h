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

/* Whether it is a function of the cryptography below rustls. */
static inline bool lt_hook_of_aead(enum lt_hook hook)
{
	return (hook >= LT_HOOK_AEAD_OPEN && hook <= LT_HOOK_RING_INIT) ||
	       (hook >= LT_HOOK_AEAD_SEAL && hook <= LT_HOOK_RING_SEAL);
}

enum { LT_PROBES_MAX = 96 };

struct lt_probe {
	enum lt_hook hook;
	uint64_t offset; /* in the file */
	char symbol[32];
};

enum lt_found {
	LT_FOUND_SYMBOLS,
	LT_FOUND_GO_TABLE, /* Go's own table of functions */
	LT_FOUND_CODE,	   /* by what the code does: trusted once real traffic was seen there */
};

struct lt_probe_plan {
	enum lt_library library;
	enum lt_found found;
	const char *collector; /* name of the collector, static */
	struct lt_probe probes[LT_PROBES_MAX];
	unsigned count;
};

/* Adds a probe at a file offset (0: it is in no executable segment). -EBADMSG, -E2BIG. */
LT_MUST_CHECK int lt_plan_add(struct lt_probe_plan *plan, enum lt_hook hook, uint64_t offset,
			      const char *name);

struct lt_elf_image;

struct lt_collector {
	const char *name;
	enum lt_library library;
	bool openssl_names; /* its functions may bear OpenSSL's names: one such library in a file */
	bool by_code;	    /* for files without symbols: slow, so asked when nobody else knows */
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
extern const struct lt_collector lt_rustls_collector;
extern const struct lt_collector lt_boringssl_code_collector;
extern const struct lt_collector lt_openssl_code_collector;

enum { LT_PLANS_MAX = 4 };

/* A program may carry several TLS stacks: a plan for each. */
struct lt_probe_plans {
	unsigned count;
	struct lt_probe_plan plans[LT_PLANS_MAX];
};

/*
 * Asks all collectors in order; a library that has been found by its symbols is not looked for by
 * its code. -ENOENT: no collector knows this image.
 */
LT_MUST_CHECK int lt_collector_plans(const struct lt_elf_image *image, struct lt_probe_plans *ret);
/* The same one at a time: the next plan is added to @found. Both counts begin at 0. -ENOENT: no
 * more. */
LT_MUST_CHECK int lt_collector_next(const struct lt_elf_image *image, size_t *asked,
				    struct lt_probe_plans *found);
