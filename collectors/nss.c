// SPDX-License-Identifier: Apache-2.0
/*
 * NSS. Its programs read and write through NSPR (libnspr4), whose functions serve files and plain
 * sockets as well: the hooks look at each descriptor for the TLS layer. The name of the server is
 * given to NSS itself (libssl3). Mozilla's builds have both in one file.
 */
#include <errno.h>
#include <stdio.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"

struct function {
	const char *symbol;
	enum lt_hook hook;
};

static const struct function nspr[] = {
	{"PR_Read", LT_HOOK_READ},  {"PR_Write", LT_HOOK_WRITE}, {"PR_Recv", LT_HOOK_RECV},
	{"PR_Send", LT_HOOK_WRITE}, {"PR_Close", LT_HOOK_FREE},
};

static const struct function nss[] = {
	{"SSL_SetURL", LT_HOOK_SET_URL},
};

enum { FUNCTIONS_MAX = LT_COUNT(nspr) };
_Static_assert(LT_COUNT(nss) <= FUNCTIONS_MAX, "room for either list");

/* Adds one of the lists to the plan, when the image defines all of it. -ENOENT: it does not. */
static int add(const struct lt_elf_image *image, const char *prefix,
	       const struct function *functions, size_t count, struct lt_probe_plan *plan)
{
	const char *names[FUNCTIONS_MAX];
	uint64_t offsets[FUNCTIONS_MAX];
	int r;

	for (size_t i = 0; i < count; i++)
		names[i] = functions[i].symbol;
	r = lt_elf_functions(image, prefix, names, count, offsets);
	if (r < 0)
		return r;
	if ((size_t)r < count)
		return -ENOENT;
	for (size_t i = 0; i < count; i++) {
		struct lt_probe *probe = &plan->probes[plan->count++];

		probe->hook = functions[i].hook;
		probe->offset = offsets[i];
		snprintf(probe->symbol, sizeof(probe->symbol), "%s", functions[i].symbol);
	}
	return 0;
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	struct lt_probe_plan found = {
		.library = LT_LIBRARY_NSS,
		.collector = lt_nss_collector.name,
	};
	int r;

	r = add(image, "PR_", nspr, LT_COUNT(nspr), &found);
	if (r == 0 || r == -ENOENT)
		r = add(image, "SSL_", nss, LT_COUNT(nss), &found);
	if (r < 0 && r != -ENOENT)
		return r;
	if (found.count == 0)
		return -ENOENT;
	*ret = found;
	return 0;
}

const struct lt_collector lt_nss_collector = {
	.name = "nss",
	.plan = plan,
};
