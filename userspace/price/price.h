/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call -> cost. Pure. Charges each disjoint bucket at its own price; a bucket without one falls
 * back to its parent (cache_write_1h -> cache_write -> input, reasoning -> output, audio ->
 * input/output). Long-context tiers look at total input and apply to all tokens of the call. The
 * granted service tier multiplies or replaces prices. Looks up the model returned, then the model
 * asked for. Unknown model: UNPRICED, never 0.
 */
#pragma once

#include "userspace/decode/call.h"
#include "userspace/price/book.h"
#include "userspace/price/cost.h"

/* @at_ns: wall time of the call; dated prices are those in force then. -ERANGE: would overflow. */
LT_MUST_CHECK int lt_price_call(const struct lt_book *book, const struct lt_call *call,
				int64_t at_ns, struct lt_cost *ret);
