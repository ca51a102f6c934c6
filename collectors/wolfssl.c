// SPDX-License-Identifier: Apache-2.0
/*
 * wolfSSL 3.x to 5.x: libwolfssl.so under any name, and programs that carry it with symbols.
 *
 * A call that has to be repeated returns -1; what the one that repeats it returns counts from the
 * start of what it was given. Of nested calls the outermost counts. A
 * build that has OpenSSL's names too is read through its own, so it is asked for before OpenSSL.
 */
#include <errno.h>

#include "collectors/symbols.h"

static const struct lt_named_hook functions[] = {
	{"wolfSSL_read", LT_HOOK_READ},	      {"wolfSSL_write", LT_HOOK_WRITE},
	{"wolfSSL_read_ex", LT_HOOK_READ_EX}, {"wolfSSL_write_ex", LT_HOOK_WRITE_EX},
	{"wolfSSL_recv", LT_HOOK_READ},	      {"wolfSSL_send", LT_HOOK_WRITE},
	{"wolfSSL_writev", LT_HOOK_WRITEV},   {"wolfSSL_free", LT_HOOK_FREE},
	{"wolfSSL_clear", LT_HOOK_CLEAR},     {"wolfSSL_shutdown", LT_HOOK_SHUTDOWN},
	{"wolfSSL_UseSNI", LT_HOOK_SET_SNI},  {"wolfSSL_set_fd", LT_HOOK_SET_FD},
};

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	uint64_t offsets[LT_NAMED_HOOKS_MAX];
	int r = lt_symbols_find(image, "wolfSSL_", functions, LT_COUNT(functions), offsets);

	if (r < 0)
		return r;
	if (!offsets[0] || !offsets[1])
		return -ENOENT;
	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_WOLFSSL,
		.collector = lt_wolfssl_collector.name,
	};
	lt_symbols_add(functions, LT_COUNT(functions), offsets, ret);
	return 0;
}

const struct lt_collector lt_wolfssl_collector = {
	.name = "wolfssl",
	.library = LT_LIBRARY_WOLFSSL,
	.openssl_names = true,
	.plan = plan,
};
