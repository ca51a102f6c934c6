// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The words of eight bytes, which hosts with SSE2 or NEON do not use otherwise. */
#define LT_JSON_PLAIN
#include "userspace/base/json_find.h"

#include <string.h>

static const uint8_t *naive(const uint8_t *p, const uint8_t *end, const char *set)
{
	while (p < end && (*p == '\0' || !strchr(set, *p)))
		p++;
	return p;
}

/* Every byte at every place of a text, before and after every other interesting one. */
static void words_find_what_bytes_find(void **state)
{
	static const uint8_t other[] = {'"', '\\', '{', '}', '[', ']', ';', '=', 0x00, 0x80, 0xff};
	uint8_t text[40];

	(void)state;
	for (size_t place = 0; place < sizeof(text); place++) {
		for (unsigned c = 0; c < 256; c++) {
			for (size_t k = 0; k < sizeof(other); k++) {
				const uint8_t *end = text + sizeof(text);
				size_t from = (c + k) % 9;

				memset(text, 'a' + (int)(c % 5), sizeof(text));
				text[place] = (uint8_t)c;
				text[(place + 1 + c % 7) % sizeof(text)] = other[k];
				assert_ptr_equal(lt_json_find_quote(text + from, end),
						 naive(text + from, end, "\"\\"));
				assert_ptr_equal(lt_json_find_structure(text + from, end),
						 naive(text + from, end, "\"{}[]"));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_find_what_bytes_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
