// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL 1.1.1 to 3.x: libssl.so under any name (hashed copies in Python wheels too), and binaries
 * that carry it with symbols (node, some Pythons). Recognised by what it defines: both data
 * directions, in the plain or the _ex form.
 */
#include <errno.h>

#include "collectors/symbols.h"

static const struct lt_named_hook functions[] = {
	{"SSL_read", LT_HOOK_READ},	      {"SSL_write", LT_HOOK_WRITE},
	{"SSL_read_ex", LT_HOOK_READ_EX},     {"SSL_write_ex", LT_HOOK_WRITE_EX},
	{"SSL_write_ex2", LT_HOOK_WRITE_EX2}, {"SSL_free", LT_HOOK_FREE},
	{"SSL_clear", LT_HOOK_CLEAR},	      {"SSL_shutdown", LT_HOOK_SHUTDOWN},
	{"SSL_ctrl", LT_HOOK_CTRL},	      {"SSL_set_fd", LT_HOOK_SET_FD},
	{"SSL_set_bio", LT_HOOK_SET_BIO},     {"SSL_set0_rbio", LT_HOOK_SET_RBIO},
};

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	uint64_t offsets[LT_NAMED_HOOKS_MAX];
	int r = lt_symbols_find(image, "SSL_", functions, LT_COUNT(functions), offsets);

	if (r < 0)
		return r;
	if (!(offsets[0] && offsets[1]) && !(offsets[2] && offsets[3]))
		return -ENOENT;
	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_OPENSSL,
		.collector = lt_openssl_collector.name,
	};
	lt_symbols_add(functions, LT_COUNT(functions), offsets, ret);
	return 0;
}

const struct lt_collector lt_openssl_collector = {
	.name = "openssl",
	.library = LT_LIBRARY_OPENSSL,
	.openssl_names = true,
	.plan = plan,
};
