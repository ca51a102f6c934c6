/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed view of bytes: valid only during the call that passes it. Keep = copy. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct lt_bytes {
	const uint8_t *p;
	size_t n;
};

/* 32 bits, least significant byte first. */
static inline uint32_t lt_le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline struct lt_bytes lt_bytes(const void *p, size_t n)
{
	return (struct lt_bytes){.p = p, .n = n};
}

static inline struct lt_bytes lt_bytes_str(const char *s)
{
	return lt_bytes(s, strlen(s));
}

/* The view without its first @n bytes (all of it when @n is larger). */
static inline struct lt_bytes lt_bytes_skip(struct lt_bytes b, size_t n)
{
	if (n > b.n)
		n = b.n;
	return lt_bytes(b.p + n, b.n - n);
}

static inline bool lt_bytes_is(struct lt_bytes b, const char *s)
{
	size_t n = strlen(s);

	return b.n == n && (n == 0 || memcmp(b.p, s, n) == 0);
}

/* As lt_bytes_is, ASCII case ignored. */
static inline bool lt_bytes_is_nocase(struct lt_bytes b, const char *s)
{
	size_t n = strlen(s);

	return b.n == n && strncasecmp((const char *)b.p, s, n) == 0;
}

static inline bool lt_bytes_starts(struct lt_bytes b, const char *s)
{
	size_t n = strlen(s);

	return b.n >= n && memcmp(b.p, s, n) == 0;
}

/* Code points in @b, which may begin or end inside one: it counts where it begins. */
static inline uint64_t lt_utf8_characters(struct lt_bytes b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < b.n; i++)
		n += (b.p[i] & 0xc0) != 0x80;
	return n;
}

/* Copies at most @size - 1 bytes into @to and ends it with a NUL. Returns false when it had to cut.
 */
static inline bool lt_bytes_copy(char *to, size_t size, struct lt_bytes b)
{
	size_t n = b.n < size - 1 ? b.n : size - 1;

	if (n > 0)
		memcpy(to, b.p, n);
	to[n] = '\0';
	return n == b.n;
}
