// SPDX-License-Identifier: Apache-2.0
/*
 * Mbed TLS 2.x and 3.x: libmbedtls.so under any name, and programs that carry it with symbols.
 *
 * A call that has to be repeated (WANT_READ, WANT_WRITE) returns a negative number; the one that
 * repeats it is given the same bytes, and returns how many of them were taken. Early data is not
 * read. After mbedtls_ssl_session_reset the same object serves another connection.
 */
#include <errno.h>

#include "collectors/symbols.h"

static const struct lt_named_hook functions[] = {
	{"mbedtls_ssl_read", LT_HOOK_READ},
	{"mbedtls_ssl_write", LT_HOOK_WRITE},
	{"mbedtls_ssl_free", LT_HOOK_FREE},
	{"mbedtls_ssl_session_reset", LT_HOOK_CLEAR},
	{"mbedtls_ssl_set_hostname", LT_HOOK_SET_HOST},
	{"mbedtls_ssl_set_bio", LT_HOOK_SET_NET},
};

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	uint64_t offsets[LT_NAMED_HOOKS_MAX];
	int r = lt_symbols_find(image, "mbedtls_ssl_", functions, LT_COUNT(functions), offsets);

	if (r < 0)
		return r;
	if (!offsets[0] || !offsets[1])
		return -ENOENT;
	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_MBEDTLS,
		.collector = lt_mbedtls_collector.name,
	};
	lt_symbols_add(functions, LT_COUNT(functions), offsets, ret);
	return 0;
}

const struct lt_collector lt_mbedtls_collector = {
	.name = "mbedtls",
	.library = LT_LIBRARY_MBEDTLS,
	.plan = plan,
};
