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

#include "collectors/symbols.h"

static const struct lt_named_hook functions[] = {
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
	uint64_t offsets[LT_NAMED_HOOKS_MAX];
	int r = lt_symbols_find(image, "gnutls_", functions, LT_COUNT(functions), offsets);

	if (r < 0)
		return r;
	if (!offsets[0] || !offsets[1])
		return -ENOENT;
	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_GNUTLS,
		.collector = lt_gnutls_collector.name,
	};
	lt_symbols_add(functions, LT_COUNT(functions), offsets, ret);
	return 0;
}

const struct lt_collector lt_gnutls_collector = {
	.name = "gnutls",
	.library = LT_LIBRARY_GNUTLS,
	.plan = plan,
};
