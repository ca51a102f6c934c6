// SPDX-License-Identifier: Apache-2.0
/*
 * GnuTLS 3.x: libgnutls.so under any name, and binaries that carry it with symbols.
 *
 * gnutls_record_send may end in a jump to gnutls_record_send2, or may not: both are hooked, and
 * which of two frames counts is told at run time. gnutls_record_uncork sends what was accepted
 * while corked through the same functions once more. Not read: gnutls_record_recv_packet (DTLS
 * programs use it) and early data.
 */
#include <errno.h>
#include <stdio.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"

static const struct {
	const char *symbol;
	enum lt_hook hook;
} functions[] = {
	{"gnutls_record_recv", LT_HOOK_READ},
	{"gnutls_record_send", LT_HOOK_WRITE},
	{"gnutls_record_recv_seq", LT_HOOK_READ},
	{"gnutls_record_send2", LT_HOOK_WRITE},
	{"gnutls_record_send_range", LT_HOOK_WRITE},
	{"gnutls_record_uncork", LT_HOOK_COVER},
	{"gnutls_deinit", LT_HOOK_FREE},
	{"gnutls_server_name_set", LT_HOOK_SET_NAME},
	{"gnutls_transport_set_int2", LT_HOOK_SET_FD},
	{"gnutls_transport_set_ptr", LT_HOOK_SET_PTR},
	{"gnutls_transport_set_ptr2", LT_HOOK_SET_PTR},
};

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	const char *names[LT_COUNT(functions)];
	uint64_t offsets[LT_COUNT(functions)];
	int r;

	for (size_t i = 0; i < LT_COUNT(functions); i++)
		names[i] = functions[i].symbol;
	r = lt_elf_functions(image, "gnutls_", names, LT_COUNT(functions), offsets);
	if (r < 0)
		return r;
	if (!offsets[0] || !offsets[1])
		return -ENOENT;
	ret->library = LT_LIBRARY_GNUTLS;
	ret->collector = lt_gnutls_collector.name;
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

const struct lt_collector lt_gnutls_collector = {
	.name = "gnutls",
	.plan = plan,
};
