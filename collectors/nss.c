// SPDX-License-Identifier: Apache-2.0
/*
 * NSS. Its programs read and write through NSPR (libnspr4), whose functions serve files and plain
 * sockets as well: the hooks look at each descriptor for the TLS layer. The name of the server is
 * given to NSS itself (libssl3). Mozilla's builds have both in one file.
 */
#include <errno.h>

#include "collectors/symbols.h"

static const struct lt_named_hook nspr[] = {
	{"PR_Read", LT_HOOK_READ},  {"PR_Write", LT_HOOK_WRITE}, {"PR_Recv", LT_HOOK_RECV},
	{"PR_Send", LT_HOOK_WRITE}, {"PR_Close", LT_HOOK_FREE},	 {"PR_Writev", LT_HOOK_WRITEV},
};

static const struct lt_named_hook nss[] = {
	{"SSL_SetURL", LT_HOOK_SET_URL},
};

/* Adds one of the lists to the plan, when the image defines all of it. -ENOENT: it does not. */
static int add(const struct lt_elf_image *image, const char *prefix,
	       const struct lt_named_hook *functions, size_t count, struct lt_probe_plan *plan)
{
	uint64_t offsets[LT_NAMED_HOOKS_MAX];
	int r = lt_symbols_find(image, prefix, functions, count, offsets);

	if (r < 0)
		return r;
	if ((size_t)r < count)
		return -ENOENT;
	lt_symbols_add(functions, count, offsets, plan);
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
	.library = LT_LIBRARY_NSS,
	.plan = plan,
};
