// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/char_class.h"

#include "userspace/base/cleanup.h"
#include "userspace/estimate/char_ranges.h"

enum { CLASS_BITS = 4, CODE_END = 0x110000 };

const uint8_t lt_char_ascii[128] = {
	[0x09] = LT_CHAR_SPACE,		 [0x0a] = LT_CHAR_BREAK,
	[0x0b ... 0x0c] = LT_CHAR_SPACE, [0x0d] = LT_CHAR_BREAK,
	[0x20] = LT_CHAR_SPACE,		 ['0' ... '9'] = LT_CHAR_NUMBER,
	['A' ... 'Z'] = LT_CHAR_UPPER,	 ['a' ... 'z'] = LT_CHAR_LOWER,
};

static void find(struct lt_char_memo *memo, uint32_t code)
{
	size_t low = 0, high = LT_COUNT(char_ranges);

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (char_ranges[middle] >> CLASS_BITS <= code)
			low = middle;
		else
			high = middle;
	}
	memo->first = char_ranges[low] >> CLASS_BITS;
	memo->end = high < LT_COUNT(char_ranges) ? char_ranges[high] >> CLASS_BITS : CODE_END;
	memo->class = char_ranges[low] & ((1 << CLASS_BITS) - 1);
}

enum lt_char_class lt_char_class_of(struct lt_char_memo *memo, uint32_t code)
{
	if (code < memo->first || code >= memo->end)
		find(memo, code);
	if (memo->class < LT_CHAR_PAIRS)
		return memo->class;
	return (code % 2 == 0) == (memo->class == LT_CHAR_PAIRS) ? LT_CHAR_UPPER : LT_CHAR_LOWER;
}
