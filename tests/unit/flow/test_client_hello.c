// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/cleanup.h"
#include "userspace/flow/client_hello.h"

/* A ClientHello that is put together here; everything in it can be chosen. */
struct made {
	uint8_t data[20000];
	size_t n;
};

static void put(struct made *m, uint32_t number, unsigned bytes)
{
	while (bytes-- > 0)
		m->data[m->n++] = (uint8_t)(number >> 8 * bytes);
}

static void put_length(struct made *m, size_t at, unsigned bytes)
{
	size_t n = m->n - at - bytes;

	for (unsigned i = 0; i < bytes; i++)
		m->data[at + i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
}

static void put_extension(struct made *m, uint32_t type, size_t n)
{
	put(m, type, 2);
	put(m, (uint32_t)n, 2);
	memset(m->data + m->n, 0xa5, n);
	m->n += n;
}

static void put_name(struct made *m, unsigned kind, const char *name, size_t n)
{
	put(m, 0, 2);
	put(m, (uint32_t)n + 5, 2);
	put(m, (uint32_t)n + 3, 2);
	put(m, kind, 1);
	put(m, (uint32_t)n, 2);
	memcpy(m->data + m->n, name, n);
	m->n += n;
}

/* @before: bytes of an extension in front of the name, such as a key share; @name NULL: none. */
static void make(struct made *m, size_t before, unsigned kind, const char *name)
{
	size_t extensions;

	m->n = 0;
	put(m, 22, 1);
	put(m, 0x0301, 2);
	put(m, 0, 2);
	put(m, 1, 1);
	put(m, 0, 3);
	put(m, 0x0303, 2);
	memset(m->data + m->n, 7, 32);
	m->n += 32;
	put(m, 32, 1);
	memset(m->data + m->n, 9, 32);
	m->n += 32;
	put(m, 4, 2);
	put(m, 0x13011302, 4);
	put(m, 1, 1);
	put(m, 0, 1);
	extensions = m->n;
	put(m, 0, 2);
	if (before > 0)
		put_extension(m, 51, before);
	put_extension(m, 23, 0);
	if (name)
		put_name(m, kind, name, strlen(name));
	put_extension(m, 43, 3);
	put_length(m, extensions, 2);
	put_length(m, 6, 3);
	put_length(m, 3, 2);
}

static enum lt_hello feed(struct lt_client_hello *h, const uint8_t *p, size_t n, size_t step)
{
	memset(h, 0, sizeof(*h));
	for (size_t at = 0; at < n; at += step)
		lt_client_hello_feed(h, lt_bytes(p + at, n - at < step ? n - at : step));
	return h->result;
}

static void the_name_is_found_in_pieces_of_any_size(void **state)
{
	static const size_t before[] = {0, 1, 1216, 4000};
	struct lt_client_hello h;
	struct made m;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(before); i++) {
		make(&m, before[i], 0, "API.OpenAI.com");
		for (size_t step = 1; step < m.n; step += step < 80 ? 1 : 97) {
			assert_int_equal(feed(&h, m.data, m.n, step), LT_HELLO_NAMED);
			assert_string_equal(h.name, "api.openai.com");
		}
	}
}

/* The same message, cut into records of @size bytes. */
static size_t fragment(const struct made *m, size_t size, uint8_t *to)
{
	size_t n = 0;

	for (size_t at = 5; at < m->n; at += size) {
		size_t part = m->n - at < size ? m->n - at : size;

		memcpy(to + n, m->data, 3);
		to[n + 3] = (uint8_t)(part >> 8);
		to[n + 4] = (uint8_t)part;
		memcpy(to + n + 5, m->data + at, part);
		n += part + 5;
	}
	return n;
}

static void records_may_be_as_short_as_a_client_likes(void **state)
{
	static uint8_t cut[40000];
	struct lt_client_hello h;
	struct made m;

	(void)state;
	make(&m, 1216, 0, "generativelanguage.googleapis.com");
	for (size_t size = 1; size < 300; size += 13) {
		size_t n = fragment(&m, size, cut);

		assert_int_equal(feed(&h, cut, n, 100), LT_HELLO_NAMED);
		assert_string_equal(h.name, "generativelanguage.googleapis.com");
	}
}

static void without_a_name_it_is_unnamed(void **state)
{
	struct lt_client_hello h;
	struct made m;

	(void)state;
	make(&m, 100, 0, NULL);
	assert_int_equal(feed(&h, m.data, m.n - 1, 1), LT_HELLO_MORE);
	assert_int_equal(feed(&h, m.data, m.n, 1), LT_HELLO_UNNAMED);
	make(&m, 0, 1, "of.another.kind"); /* not a host name */
	assert_int_equal(feed(&h, m.data, m.n, 7), LT_HELLO_UNNAMED);
	/* A ClientHello of SSL 3 ends behind its compression methods. */
	make(&m, 0, 0, NULL);
	m.n = 5 + 4 + 34 + 33 + 6 + 2;
	put_length(&m, 6, 3);
	put_length(&m, 3, 2);
	assert_int_equal(feed(&h, m.data, m.n, 7), LT_HELLO_UNNAMED);
}

static void what_a_host_is_not_called_is_no_name(void **state)
{
	static const char *const bad[] = {"a b.com", "a/b", "\x1b[2J", "caf\xc3\xa9.fr", "", "."};
	struct lt_client_hello h;
	struct made m;
	char name[300];

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++) {
		make(&m, 0, 0, bad[i]);
		assert_int_equal(feed(&h, m.data, m.n, 1000), LT_HELLO_BROKEN);
	}
	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	make(&m, 0, 0, name);
	assert_int_equal(feed(&h, m.data, m.n, 1000), LT_HELLO_NAMED);
	assert_string_equal(h.name, name);
	name[255] = 'x';
	name[256] = '\0';
	make(&m, 0, 0, name);
	assert_int_equal(feed(&h, m.data, m.n, 1000), LT_HELLO_BROKEN);
	make(&m, 0, 0, "host.");
	assert_int_equal(feed(&h, m.data, m.n, 1000), LT_HELLO_NAMED);
	assert_string_equal(h.name, "host");
}

static void what_is_no_client_hello_is_told_by_its_first_bytes(void **state)
{
	struct lt_client_hello h;
	struct made m;

	(void)state;
	assert_int_equal(feed(&h, (const uint8_t *)"GET / HTTP/1.1\r\n", 16, 16), LT_HELLO_BROKEN);
	make(&m, 0, 0, "host");
	m.data[5] = 2; /* ServerHello */
	assert_int_equal(feed(&h, m.data, m.n, 1), LT_HELLO_BROKEN);
	make(&m, 0, 0, "host");
	m.data[6] = 2; /* 128 KiB and more */
	assert_int_equal(feed(&h, m.data, m.n, 1), LT_HELLO_BROKEN);
	make(&m, 0, 0, "host");
	m.data[3] = m.data[4] = 0; /* an empty record */
	assert_int_equal(feed(&h, m.data, m.n, 1), LT_HELLO_BROKEN);
}

static void any_byte_may_be_wrong(void **state)
{
	struct lt_client_hello h, other;
	struct made m;

	(void)state;
	make(&m, 40, 0, "api.anthropic.com");
	for (size_t at = 0; at < m.n; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			m.data[at] ^= (uint8_t)(1u << bit);
			feed(&h, m.data, m.n, m.n);
			assert_int_equal(feed(&other, m.data, m.n, 3), h.result);
			assert_true(strlen(h.name) < sizeof(h.name));
			m.data[at] ^= (uint8_t)(1u << bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_is_found_in_pieces_of_any_size),
		cmocka_unit_test(records_may_be_as_short_as_a_client_likes),
		cmocka_unit_test(without_a_name_it_is_unnamed),
		cmocka_unit_test(what_a_host_is_not_called_is_no_name),
		cmocka_unit_test(what_is_no_client_hello_is_told_by_its_first_bytes),
		cmocka_unit_test(any_byte_may_be_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
