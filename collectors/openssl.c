// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL 1.1.1 to 3.x: libssl.so under any name (hashed copies in Python wheels too), and binaries
 * that carry it with symbols (node, some Pythons). Recognised by what it defines: both data
 * directions, in the plain or the _ex form.
 */
#include <errno.h>
#include <stdio.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"

static const struct {
	const char *symbol;
	enum lt_hook hook;
} functions[] = {
	{"SSL_read", LT_HOOK_READ},	      {"SSL_write", LT_HOOK_WRITE},
	{"SSL_read_ex", LT_HOOK_READ_EX},     {"SSL_write_ex", LT_HOOK_WRITE_EX},
	{"SSL_write_ex2", LT_HOOK_WRITE_EX2}, {"SSL_free", LT_HOOK_FREE},
	{"SSL_clear", LT_HOOK_CLEAR},	      {"SSL_shutdown", LT_HOOK_SHUTDOWN},
	{"SSL_ctrl", LT_HOOK_CTRL},	      {"SSL_set_fd", LT_HOOK_SET_FD},
	{"SSL_set_bio", LT_HOOK_SET_BIO},     {"SSL_set0_rbio", LT_HOOK_SET_RBIO},
};

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	const char *names[LT_COUNT(functions)];
	uint64_t offsets[LT_COUNT(functions)];
	int r;

	for (size_t i = 0; i < LT_COUNT(functions); i++)
		names[i] = functions[i].symbol;
	r = lt_elf_functions(image, "SSL_", names, LT_COUNT(functions), offsets);
	if (r < 0)
		return r;
	if (!(offsets[0] && offsets[1]) && !(offsets[2] && offsets[3]))
		return -ENOENT;
	ret->library = LT_LIBRARY_OPENSSL;
	ret->collector = lt_openssl_collector.name;
	ret->count = 0;
	for (size_t i = 0; i < LT_COUNT(functions); i++) {
		struct lt_probe *probe = &ret->probes[ret->count];

		if (offsets[i] == 0)
			continue;
		probe->hook = functions[i].hook;
		probe->offset = offsets[i];
		snprintf(probe->symbol, sizeof(probe->symbol), "%s", functions[i].symbol);
		ret->count++;
	}
	return 0;
}

const struct lt_collector lt_openssl_collector = {
	.name = "openssl",
	.plan = plan,
};
