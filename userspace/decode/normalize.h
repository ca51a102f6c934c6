/* SPDX-License-Identifier: Apache-2.0 */
/* The wire's numbers -> our disjoint buckets. Pure. */
#pragma once

#include "userspace/decode/shape.h"

/*
 * @outside: bits of meters that the provider's totals leave out (Anthropic's cache counts).
 * OpenAI's totals include their parts, hence the subtraction. A part larger than its total makes
 * the usage contradictory: totals and parts stay as the wire has them, nothing is clamped.
 */
void lt_normalize(const struct lt_count meter[LT_M_COUNT], uint32_t outside,
		  struct lt_usage *usage);
