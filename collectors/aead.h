/* SPDX-License-Identifier: Apache-2.0 */
/* The libraries of cryptography below rustls: where they make keys, seal and open. */
#pragma once

#include "collectors/collector.h"

/*
 * Each adds its probes to @plan. -ENOENT: the library is not in this image. Other errors with
 * *@ret_why set: it is, but cannot be hooked, and that is why.
 */
LT_MUST_CHECK int lt_aws_lc_plan(const struct lt_elf_image *image, struct lt_probe_plan *plan,
				 const char **ret_why);
LT_MUST_CHECK int lt_ring_plan(const struct lt_elf_image *image, struct lt_probe_plan *plan,
			       const char **ret_why);
