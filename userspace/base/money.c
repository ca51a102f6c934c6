// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/money.h"

#include <errno.h>

enum { MAX_DIGITS = 18, MAX_PLACES = 18, MAX_EXPONENT = 99, PICO_PLACES = 12 };

static int64_t power_of_ten(unsigned n)
{
	int64_t p = 1;

	while (n-- > 0)
		p *= 10;
	return p;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The digits of a mantissa as they are read: value x 10^-places, leading zeros not counted. */
struct mantissa {
	int64_t value;
	unsigned digits;
	int places;
	bool any;
	bool too_long;
};

/*
 * Zeros are held back until a digit follows them: "1.500000000000000000000" is 1.5, however many
 * places were written, and "0.000" is 0.
 */
static struct lt_bytes read_mantissa(struct lt_bytes text, struct mantissa *ret)
{
	unsigned held = 0;
	bool point = false;

	for (; text.n > 0; text = lt_bytes_skip(text, 1)) {
		uint8_t c = text.p[0];

		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (!is_digit(c))
			break;
		ret->any = true;
		ret->places += point;
		if (c == '0') {
			held += ret->digits > 0;
			continue;
		}
		if (ret->digits + held + 1 > MAX_DIGITS) {
			ret->too_long = true;
			continue;
		}
		ret->value = ret->value * power_of_ten(held + 1) + (c - '0');
		ret->digits += held + 1;
		held = 0;
	}
	ret->places -= (int)held;
	return text;
}

static int read_exponent(struct lt_bytes text, int *ret)
{
	bool negative = false;
	int e = 0;

	if (text.n > 0 && (text.p[0] == '+' || text.p[0] == '-')) {
		negative = text.p[0] == '-';
		text = lt_bytes_skip(text, 1);
	}
	if (text.n == 0)
		return -EINVAL;
	for (; text.n > 0; text = lt_bytes_skip(text, 1)) {
		if (!is_digit(text.p[0]))
			return -EINVAL;
		if (e <= MAX_EXPONENT)
			e = e * 10 + (text.p[0] - '0');
	}
	*ret = negative ? -e : e;
	return 0;
}

int lt_decimal_parse(struct lt_bytes text, struct lt_decimal *ret)
{
	struct mantissa m = {0};
	bool negative = text.n > 0 && text.p[0] == '-';
	int exponent = 0;
	int err;

	text = read_mantissa(lt_bytes_skip(text, negative), &m);
	if (!m.any)
		return -EINVAL;
	if (text.n > 0) {
		if (text.p[0] != 'e' && text.p[0] != 'E')
			return -EINVAL;
		err = read_exponent(lt_bytes_skip(text, 1), &exponent);
		if (err)
			return err;
	}
	if (m.too_long)
		return -ERANGE;
	if (m.digits == 0) {
		*ret = (struct lt_decimal){0};
		return 0;
	}
	m.places -= exponent;
	if (m.places > MAX_PLACES)
		return -ERANGE;
	if (m.places < 0) {
		if ((int)m.digits - m.places > MAX_DIGITS)
			return -ERANGE;
		m.value *= power_of_ten((unsigned)-m.places);
		m.places = 0;
	}
	*ret = (struct lt_decimal){
		.units = negative ? -m.value : m.value,
		.scale = (uint8_t)m.places,
	};
	return 0;
}

int lt_money_divide(lt_int128 numerator, lt_int128 denominator, int64_t *ret)
{
	lt_int128 q, rest, half;

	if (denominator <= 0)
		return -EINVAL;
	q = numerator / denominator;
	rest = numerator % denominator;
	if (rest < 0)
		rest = -rest;
	/* rest > half would be right without doubling, which could overflow; equality needs an even
	 * divisor. */
	half = denominator / 2;
	if (rest > half || (rest == half && denominator % 2 == 0 && q % 2 != 0))
		q += numerator < 0 ? -1 : 1;
	if (q > INT64_MAX || q < INT64_MIN)
		return -ERANGE;
	*ret = (int64_t)q;
	return 0;
}

int lt_decimal_pico(struct lt_decimal d, int64_t *ret)
{
	if (d.scale > MAX_PLACES)
		return -EINVAL;
	return lt_money_divide((lt_int128)d.units * power_of_ten(PICO_PLACES),
			       power_of_ten(d.scale), ret);
}

const char *lt_money_format(lt_int128 pico, char to[LT_MONEY_TEXT])
{
	/* The magnitude in the unsigned type: the smallest value has no positive counterpart. */
	unsigned __int128 rest = pico < 0 ? -(unsigned __int128)pico : (unsigned __int128)pico;
	char digits[LT_MONEY_TEXT];
	unsigned n = 0, cut = 0;
	char *p = to;

	while (rest > 0 || n <= PICO_PLACES) {
		digits[n++] = (char)('0' + (int)(rest % 10));
		rest /= 10;
	}
	while (cut < PICO_PLACES && digits[cut] == '0')
		cut++;
	if (pico < 0)
		*p++ = '-';
	while (n > cut) {
		if (n == PICO_PLACES)
			*p++ = '.';
		*p++ = digits[--n];
	}
	*p = '\0';
	return to;
}
