/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Money as integers: signed 64-bit count of 1e-12 currency units (pico). Prices are decimals parsed
 * exactly; sums are 128-bit; rounding happens once, half to even. No float anywhere near.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

typedef __int128 lt_int128;

/* An exact decimal: value = units / 10^scale, scale 0..18. */
struct lt_decimal {
	int64_t units;
	uint8_t scale;
};

/* Parses "12", "0.075", "-1.5", "2.5e-07". -EINVAL: not a decimal; -ERANGE: more than 18 digits or
 * places. */
LT_MUST_CHECK int lt_decimal_parse(struct lt_bytes text, struct lt_decimal *ret);

/* The decimal as pico units, rounded half to even. -ERANGE on overflow. */
LT_MUST_CHECK int lt_decimal_pico(struct lt_decimal d, int64_t *ret);

/* @numerator / @denominator (> 0) rounded half to even. -ERANGE when it does not fit 64 bits. */
LT_MUST_CHECK int lt_money_divide(lt_int128 numerator, lt_int128 denominator, int64_t *ret);

enum { LT_MONEY_TEXT = 48 };

/* "0.0123" (trailing zeros cut, at least one digit after a point only when needed). Returns @to. */
const char *lt_money_format(lt_int128 pico, char to[LT_MONEY_TEXT]);
