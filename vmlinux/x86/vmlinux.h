/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel types for x86_64: see vmlinux/README.md. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include "vmlinux/common.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};

#pragma clang attribute pop

#endif
