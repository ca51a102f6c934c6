/* SPDX-License-Identifier: Apache-2.0 */
/* uprobe_multi links through bpf(2) itself: Debian 12's libbpf (1.1) and its headers do not know
 * them yet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LT_BPF_TRACE_UPROBE_MULTI = 48 }; /* enum bpf_attach_type, include/uapi/linux/bpf.h of 6.6 */

/*
 * Links program @prog to @count file offsets of @path for all processes; @returning: at the
 * functions' return. A file descriptor of the link (closing it detaches), or negative errno.
 */
int lt_uprobe_multi_link(int prog, const char *path, const uint64_t *offsets,
			 const uint64_t *cookies, size_t count, bool returning);
