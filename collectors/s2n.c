// SPDX-License-Identifier: Apache-2.0
/*
 * s2n-tls: the AWS common runtime (awscrt) carries it, with symbols.
 *
 * A call that blocks fails, or returns what has left so far; then it is repeated from there, and
 * what it returns counts from the start of what it was given. s2n_send calls s2n_sendv_with_offset,
 * which s2n_sendv jumps to: of nested calls the outermost counts. So the inner functions are hooked
 * too, in case that the outer ones take no probe, as in awscrt. A new object is wiped, which ends
 * what was known of one at its address. Early data is not read.
 */
#include <errno.h>

#include "collectors/symbols.h"

static const struct lt_named_hook functions[] = {
	{"s2n_recv", LT_HOOK_READ},
	{"s2n_recv_impl", LT_HOOK_READ},
	{"s2n_send", LT_HOOK_WRITE},
	{"s2n_sendv", LT_HOOK_WRITEV},
	{"s2n_sendv_with_offset", LT_HOOK_WRITEV_AT},
	{"s2n_sendv_with_offset_impl", LT_HOOK_WRITEV_AT},
	{"s2n_connection_free", LT_HOOK_FREE},
	{"s2n_connection_wipe", LT_HOOK_FREE},
	{"s2n_set_server_name", LT_HOOK_SET_HOST},
	{"s2n_connection_set_fd", LT_HOOK_SET_FD},
	{"s2n_connection_set_read_fd", LT_HOOK_SET_FD},
};

enum { RECV, RECV_IMPL, SEND, SENDV, SENDV_AT, SENDV_AT_IMPL };

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	uint64_t offsets[LT_NAMED_HOOKS_MAX];
	int r = lt_symbols_find(image, "s2n_", functions, LT_COUNT(functions), offsets);

	if (r < 0)
		return r;
	if (!(offsets[RECV] || offsets[RECV_IMPL]) ||
	    !(offsets[SEND] || offsets[SENDV_AT] || offsets[SENDV_AT_IMPL]))
		return -ENOENT;
	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_S2N,
		.collector = lt_s2n_collector.name,
	};
	lt_symbols_add(functions, LT_COUNT(functions), offsets, ret);
	return 0;
}

const struct lt_collector lt_s2n_collector = {
	.name = "s2n",
	.library = LT_LIBRARY_S2N,
	.plan = plan,
};
