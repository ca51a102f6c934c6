// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/inflate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/unit/protocol/inflate_cases.h"
#include "userspace/base/alloc.h"

struct out {
	uint8_t data[4096];
	size_t n;     /* all that came */
	size_t large; /* the largest piece */
};

static char plain[4096];
static size_t plain_n;

static void on_bytes(void *arg, struct lt_bytes data)
{
	struct out *out = arg;

	assert_true(data.n > 0);
	if (out->n + data.n <= sizeof(out->data))
		memcpy(out->data + out->n, data.p, data.n);
	out->n += data.n;
	if (data.n > out->large)
		out->large = data.n;
}

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		plain_n += (size_t)sprintf(plain + plain_n, "data: {\"n\":%d}\n\n", i);
	return 0;
}

static int open_it(const char *coding, struct out *out, struct lt_inflate **ret)
{
	struct lt_inflate_sink sink = {.arg = out, .bytes = on_bytes};

	memset(out, 0, sizeof(*out));
	return lt_inflate_new(lt_bytes_str(coding), &sink, ret);
}

static void expect_plain(const struct inflate_case *c, const struct out *out)
{
	if (out->n != plain_n || memcmp(out->data, plain, plain_n) != 0)
		fail_msg("%s: %zu bytes came, %zu were expected", c->name, out->n, plain_n);
}

static void every_coding_is_undone_in_any_split(void **state)
{
	struct lt_inflate *z;
	struct out out;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_bytes data = cases[i].data;

		for (size_t at = 0; at <= data.n; at++) {
			assert_int_equal(open_it(cases[i].coding, &out, &z), 0);
			assert_int_equal(lt_inflate_feed(z, lt_bytes(data.p, at)), 0);
			assert_int_equal(lt_inflate_feed(z, lt_bytes_skip(data, at)), 0);
			expect_plain(&cases[i], &out);
			assert_null(lt_inflate_free(z));
		}
		assert_int_equal(open_it(cases[i].coding, &out, &z), 0);
		for (size_t k = 0; k < data.n; k++)
			assert_int_equal(lt_inflate_feed(z, lt_bytes(data.p + k, 1)), 0);
		expect_plain(&cases[i], &out);
		lt_inflate_free(z);
	}
}

static void what_is_flushed_comes_out_at_once(void **state)
{
	/* Stored blocks: what went in is there without waiting for more. */
	static const uint8_t raw[] = {0x00, 2, 0, 0xfd, 0xff, 'h', 'i'};
	struct lt_inflate *z;
	struct out out;

	(void)state;
	assert_int_equal(open_it("deflate", &out, &z), 0);
	assert_int_equal(lt_inflate_feed(z, lt_bytes(raw, sizeof(raw))), 0);
	assert_int_equal(out.n, 2);
	assert_memory_equal(out.data, "hi", 2);
	lt_inflate_free(z);
}

static void nothing_to_undo_needs_nothing(void **state)
{
	static const char *const none[] = {"", "identity", " Identity , ", ","};
	struct out out;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(none); i++) {
		struct lt_inflate *z = (struct lt_inflate *)&out;

		assert_int_equal(open_it(none[i], &out, &z), 0);
		assert_null(z);
	}
}

static void what_is_not_known_is_refused(void **state)
{
	static const char *const other[] = {"dcb", "gzip, dcz", "gzip gzip", "gzip, gzip, gzip",
					    "compress"};
	struct lt_inflate *z = NULL;
	struct out out;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(other); i++)
		assert_int_equal(open_it(other[i], &out, &z), -EOPNOTSUPP);
	assert_null(z);
}

static void broken_data_is_an_error_that_stays(void **state)
{
	struct lt_inflate *z;
	struct out out;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		uint8_t *copy = malloc(cases[i].data.n);
		size_t n = cases[i].data.n;
		unsigned errors = 0;

		assert_non_null(copy);
		for (size_t k = 0; k < n; k++) {
			memcpy(copy, cases[i].data.p, n);
			copy[k] ^= 0x55;
			assert_int_equal(open_it(cases[i].coding, &out, &z), 0);
			if (lt_inflate_feed(z, lt_bytes(copy, n)) < 0) {
				errors++;
				assert_int_equal(lt_inflate_feed(z, lt_bytes(copy, n)), -EBADMSG);
			}
			lt_inflate_free(z);
		}
		free(copy);
		assert_true(errors > 3);
	}
}

static void large_zstd_windows_are_refused(void **state)
{
	struct lt_inflate *z;
	struct out out;

	(void)state;
	assert_int_equal(open_it("zstd", &out, &z), 0);
	assert_int_equal(lt_inflate_feed(z, zstd_window_16m), -EBADMSG);
	assert_int_equal(out.n, 0);
	lt_inflate_free(z);
	assert_int_equal(open_it("zstd", &out, &z), 0);
	assert_int_equal(lt_inflate_feed(z, zstd_window_8m), 0);
	assert_memory_equal(out.data, "hi", 2);
	lt_inflate_free(z);
}

static void a_bomb_costs_no_memory(void **state)
{
	static const struct {
		const char *coding;
		const struct lt_bytes *data;
	} bombs[] = {{"br", &brotli_bomb}, {"zstd, zstd", &zstd_zstd_bomb}};
	struct rusage before, after;
	struct lt_inflate *z;
	struct out out;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < LT_COUNT(bombs); i++) {
		assert_int_equal(open_it(bombs[i].coding, &out, &z), 0);
		assert_int_equal(lt_inflate_feed(z, *bombs[i].data), 0);
		assert_int_equal(out.n, 32 << 20);
		assert_true(out.large <= 16384);
		lt_inflate_free(z);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 26 << 10);
}

static void without_memory_it_is_not_opened(void **state)
{
	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		for (unsigned long nth = 1; nth < 8; nth++) {
			struct lt_inflate *z = NULL;
			struct out out;
			int r;

			lt_alloc_fail_at(nth);
			r = open_it(cases[i].coding, &out, &z);
			if (r < 0) {
				assert_int_equal(r, -ENOMEM);
				assert_null(z);
			} else if (lt_inflate_feed(z, cases[i].data) == 0) {
				expect_plain(&cases[i], &out);
			}
			lt_alloc_fail_at(0);
			lt_inflate_free(z);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_coding_is_undone_in_any_split),
		cmocka_unit_test(what_is_flushed_comes_out_at_once),
		cmocka_unit_test(nothing_to_undo_needs_nothing),
		cmocka_unit_test(what_is_not_known_is_refused),
		cmocka_unit_test(broken_data_is_an_error_that_stays),
		cmocka_unit_test(large_zstd_windows_are_refused),
		cmocka_unit_test(a_bomb_costs_no_memory),
		cmocka_unit_test(without_memory_it_is_not_opened),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
