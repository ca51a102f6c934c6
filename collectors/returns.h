/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Returns without return probes. On x86-64 the kernel's return probes go through a system call of
 * their own since 6.11, and until 6.14 (and the stable releases of that time) a process with a
 * seccomp filter is killed for it. There every RET of a function gets a probe instead.
 */
#pragma once

#include "collectors/collector.h"

struct lt_elf_image;

/*
 * Adds to @plan a probe on each RET of its functions whose return matters. -ENOTSUP: one leaves in
 * another way too, or its code is not understood: then the file must be left alone; -E2BIG, -errno.
 */
LT_MUST_CHECK int lt_returns_plan(const struct lt_elf_image *image, struct lt_probe_plan *plan);
