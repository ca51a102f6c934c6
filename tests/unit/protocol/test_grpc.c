// SPDX-License-Identifier: Apache-2.0
/* Length-prefixed messages of gRPC, plain and compressed, in any pieces. */
#include "userspace/protocol/grpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char seen[512];
static size_t seen_n;

static void put(const void *p, size_t n)
{
	assert_true(seen_n + n < sizeof(seen));
	memcpy(seen + seen_n, p, n);
	seen_n += n;
	seen[seen_n] = '\0';
}

static void on_begin(void *arg)
{
	(void)arg;
	put("<", 1);
}

static void on_data(void *arg, struct lt_bytes piece)
{
	(void)arg;
	put(piece.p, piece.n);
}

static void on_end(void *arg, bool whole)
{
	(void)arg;
	put(whole ? ">" : "!", 1);
}

static const struct lt_grpc_sink sink = {.begin = on_begin, .data = on_data, .end = on_end};

static void expect(const char *coding, const uint8_t *p, size_t n, const char *text)
{
	for (size_t step = n; step > 0; step--) {
		struct lt_grpc g;

		seen_n = 0;
		seen[0] = '\0';
		lt_grpc_init(&g, lt_bytes_str(coding), &sink);
		for (size_t at = 0; at < n; at += step)
			lt_grpc_feed(&g, lt_bytes(p + at, n - at < step ? n - at : step));
		lt_grpc_done(&g);
		assert_string_equal(seen, text);
	}
}

static void messages_follow_each_other(void **state)
{
	const uint8_t stream[] = {0, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'c'};

	(void)state;
	expect("", stream, sizeof(stream), "<ab><><c>");
	expect("", stream, sizeof(stream) - 1, "<ab><><"); /* cut */
}

static void each_message_is_compressed_on_its_own(void **state)
{
	static const uint8_t
		packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
			    0x03, 0xcb, 0x49, 0x4d, 0x49, 0x4f, 0x2d, 0x02, 0x00,
			    0xbc, 0xa4, 0x7b, 0xc0, 0x06, 0x00, 0x00, 0x00}; /* "ledger" by gzip */
	static const uint8_t plain[] = {0, 0, 0, 0, 1, '-'};
	const uint8_t prefix[] = {1, 0, 0, 0, sizeof(packed)};
	uint8_t stream[2 * (sizeof(prefix) + sizeof(packed)) + sizeof(plain)], *to = stream;

	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		to = mempcpy(to, prefix, sizeof(prefix));
		to = mempcpy(to, packed, sizeof(packed));
		if (twice == 0)
			to = mempcpy(to, plain, sizeof(plain));
	}
	expect("gzip", stream, sizeof(stream), "<ledger><-><ledger>");
}

static void what_cannot_be_undone_is_told_and_the_next_one_is_whole(void **state)
{
	const uint8_t stream[] = {1, 0, 0, 0, 3, 'x', 'y', 'z', 0, 0, 0, 0, 1, 'c'};

	(void)state;
	expect("gzip", stream, sizeof(stream), "<!<c>");
	expect("snappy", stream, sizeof(stream), "<!<c>"); /* not one that we know */
	expect("", stream, sizeof(stream), "<!<c>");	   /* said to be compressed, by nothing */
}

static void trailers_of_the_web_are_no_message(void **state)
{
	const uint8_t stream[] = {0, 0, 0, 0, 1, 'a', 0x80, 0, 0, 0, 3, 'x', ':', '1'};

	(void)state;
	expect("", stream, sizeof(stream), "<a>");
}

static void after_a_loss_nothing_is_believed(void **state)
{
	const uint8_t stream[] = {0, 0, 0, 0, 1, 'a'};
	struct lt_grpc g;

	(void)state;
	seen_n = 0;
	lt_grpc_init(&g, lt_bytes_str(""), &sink);
	lt_grpc_lose(&g);
	lt_grpc_feed(&g, lt_bytes(stream, sizeof(stream)));
	lt_grpc_done(&g);
	assert_int_equal(seen_n, 0);
}

static void codes_have_names(void **state)
{
	(void)state;
	assert_string_equal(lt_grpc_status(lt_bytes_str("0")), "");
	assert_string_equal(lt_grpc_status(lt_bytes_str("8")), "RESOURCE_EXHAUSTED");
	assert_string_equal(lt_grpc_status(lt_bytes_str("16")), "UNAUTHENTICATED");
	assert_string_equal(lt_grpc_status(lt_bytes_str("17")), "");
	assert_string_equal(lt_grpc_status(lt_bytes_str("x")), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_follow_each_other),
		cmocka_unit_test(each_message_is_compressed_on_its_own),
		cmocka_unit_test(what_cannot_be_undone_is_told_and_the_next_one_is_whole),
		cmocka_unit_test(trailers_of_the_web_are_no_message),
		cmocka_unit_test(after_a_loss_nothing_is_believed),
		cmocka_unit_test(codes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
