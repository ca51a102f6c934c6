/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel types for arm64: see vmlinux/README.md. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include "vmlinux/common.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* uprobe programs see this head of struct pt_regs. */
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};

struct pt_regs {
	struct user_pt_regs user_regs;
	__u64 orig_x0;
	__s32 syscallno;
};

#pragma clang attribute pop

#endif
