// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/digest.h"

static void as_hex(const uint8_t *p, char *to)
{
	for (int i = 0; i < LT_SHA256_SIZE; i++)
		snprintf(to + 2 * i, 3, "%02x", p[i]);
}

static void sha256_of_known_texts(void **state)
{
	struct lt_bytes parts[] = {lt_bytes("a", 1), lt_bytes(NULL, 0), lt_bytes("bc", 2)};
	uint8_t digest[LT_SHA256_SIZE];
	char hex[2 * LT_SHA256_SIZE + 1];

	(void)state;
	assert_int_equal(lt_sha256(NULL, 0, digest), 0);
	as_hex(digest, hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(lt_sha256(parts, 3, digest), 0);
	as_hex(digest, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hmac_of_a_known_text(void **state)
{
	uint8_t digest[LT_SHA256_SIZE], again[LT_SHA256_SIZE];
	char hex[2 * LT_SHA256_SIZE + 1];

	(void)state;
	/* RFC 4231, case 2. */
	assert_int_equal(lt_hmac_sha256(lt_bytes_str("Jefe"),
					lt_bytes_str("what do ya want for nothing?"), digest),
			 0);
	as_hex(digest, hex);
	assert_string_equal(hex,
			    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_int_equal(lt_hmac_sha256(lt_bytes("", 0), lt_bytes("", 0), digest), 0);
	assert_int_equal(lt_hmac_sha256(lt_bytes(NULL, 0), lt_bytes(NULL, 0), again), 0);
	assert_memory_equal(digest, again, sizeof(digest));
}

static void random_bytes_fill_all_of_it(void **state)
{
	uint8_t a[300] = {0}, b[300] = {0};
	size_t zeros = 0;

	(void)state;
	assert_int_equal(lt_random(a, sizeof(a)), 0);
	assert_int_equal(lt_random(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0 && b[i] == 0;
	assert_true(zeros < 20);
	assert_int_equal(lt_random(a, 0), 0);
}

static void a_wipe_leaves_zeros_and_its_neighbours(void **state)
{
	uint8_t b[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t expected[8] = {1, 0, 0, 0, 0, 0, 0, 8};

	(void)state;
	lt_wipe(b + 1, 6);
	assert_memory_equal(b, expected, sizeof(b));
	lt_wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_known_texts),
		cmocka_unit_test(hmac_of_a_known_text),
		cmocka_unit_test(random_bytes_fill_all_of_it),
		cmocka_unit_test(a_wipe_leaves_zeros_and_its_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
