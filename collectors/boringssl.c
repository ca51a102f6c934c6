// SPDX-License-Identifier: Apache-2.0
/*
 * BoringSSL and AWS-LC with symbols: netty-tcnative, programs that link it and are not stripped.
 * Told from OpenSSL by functions that it alone has (in OpenSSL, the server name is set by a macro
 * on SSL_ctrl). There are no _ex forms; SSL_read calls SSL_peek, which is not hooked.
 */
#include <errno.h>

#include "collectors/elf_image.h"
#include "collectors/symbols.h"

static const struct lt_named_hook functions[] = {
	{"SSL_read", LT_HOOK_READ},	     {"SSL_write", LT_HOOK_WRITE},
	{"SSL_free", LT_HOOK_FREE},	     {"SSL_clear", LT_HOOK_CLEAR},
	{"SSL_shutdown", LT_HOOK_SHUTDOWN},  {"SSL_set_tlsext_host_name", LT_HOOK_SET_HOST},
	{"SSL_set_fd", LT_HOOK_SET_FD},	     {"SSL_set_bio", LT_HOOK_SET_BIO},
	{"SSL_set0_rbio", LT_HOOK_SET_RBIO},
};

/* One of them is enough: a linker may leave out what a program does not call. */
static const char *const marks[] = {
	"SSL_set_tlsext_host_name",
	"SSL_error_description",
	"SSL_set_custom_verify",
	"SSL_CTX_set_custom_verify",
};

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	uint64_t offsets[LT_NAMED_HOOKS_MAX], found[LT_COUNT(marks)];
	int r = lt_symbols_find(image, "SSL_", functions, LT_COUNT(functions), offsets);

	if (r < 0)
		return r;
	if (!offsets[0] || !offsets[1])
		return -ENOENT;
	r = lt_elf_functions(image, "SSL_", marks, LT_COUNT(marks), found);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_BORINGSSL,
		.collector = lt_boringssl_collector.name,
	};
	lt_symbols_add(functions, LT_COUNT(functions), offsets, ret);
	return 0;
}

const struct lt_collector lt_boringssl_collector = {
	.name = "boringssl",
	.library = LT_LIBRARY_BORINGSSL,
	.openssl_names = true,
	.plan = plan,
};
