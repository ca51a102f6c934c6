/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for the few bytes that matter in JSON, a vector at a time: SSE2, NEON, or words of eight
 * bytes where there is neither (or LT_JSON_PLAIN is defined, so that tests reach them).
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__) && !defined(LT_JSON_PLAIN)

#include <emmintrin.h>

enum { LT_VEC_SIZE = 16, LT_VEC_SHIFT = 0 };
typedef __m128i lt_vec;
typedef unsigned lt_vec_mask; /* LT_VEC_SHIFT: log2 of its bits for each byte */

static inline lt_vec lt_vec_load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline lt_vec lt_vec_set(uint8_t c)
{
	return _mm_set1_epi8((char)c);
}

static inline lt_vec lt_vec_or(lt_vec a, lt_vec b)
{
	return _mm_or_si128(a, b);
}

static inline lt_vec lt_vec_equal(lt_vec a, lt_vec b)
{
	return _mm_cmpeq_epi8(a, b);
}

static inline lt_vec_mask lt_vec_bits(lt_vec v)
{
	return (unsigned)_mm_movemask_epi8(v);
}

#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(LT_JSON_PLAIN)

#include <arm_neon.h>

enum { LT_VEC_SIZE = 16, LT_VEC_SHIFT = 2 };
typedef uint8x16_t lt_vec;
typedef uint64_t lt_vec_mask;

static inline lt_vec lt_vec_load(const uint8_t *p)
{
	return vld1q_u8(p);
}

static inline lt_vec lt_vec_set(uint8_t c)
{
	return vdupq_n_u8(c);
}

static inline lt_vec lt_vec_or(lt_vec a, lt_vec b)
{
	return vorrq_u8(a, b);
}

static inline lt_vec lt_vec_equal(lt_vec a, lt_vec b)
{
	return vceqq_u8(a, b);
}

/* There is no movemask: narrowing by four bits leaves four bits for each byte. */
static inline lt_vec_mask lt_vec_bits(lt_vec v)
{
	return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(v), 4)), 0);
}

#else

enum { LT_VEC_SIZE = 8, LT_VEC_SHIFT = 3 };
typedef uint64_t lt_vec;
typedef uint64_t lt_vec_mask;

static inline lt_vec lt_vec_load(const uint8_t *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline lt_vec lt_vec_set(uint8_t c)
{
	return c * 0x0101010101010101ULL;
}

static inline lt_vec lt_vec_or(lt_vec a, lt_vec b)
{
	return a | b;
}

/* The high bit of each byte that is equal; above the first one there may be false ones. */
static inline lt_vec lt_vec_equal(lt_vec a, lt_vec b)
{
	uint64_t v = a ^ b;

	return (v - 0x0101010101010101ULL) & ~v & 0x8080808080808080ULL;
}

static inline lt_vec_mask lt_vec_bits(lt_vec v)
{
	return v;
}

#endif

/* Place of the first byte that @mask (not 0) names. */
static inline unsigned lt_vec_first(lt_vec_mask mask)
{
	return (unsigned)__builtin_ctzll(mask) >> LT_VEC_SHIFT;
}

/* The next quote or backslash at or after @p, @end when there is none. */
static inline const uint8_t *lt_json_find_quote(const uint8_t *p, const uint8_t *end)
{
	const lt_vec quote = lt_vec_set('"'), backslash = lt_vec_set('\\');

	for (; end - p >= LT_VEC_SIZE; p += LT_VEC_SIZE) {
		lt_vec v = lt_vec_load(p);
		lt_vec_mask mask = lt_vec_bits(
			lt_vec_or(lt_vec_equal(v, quote), lt_vec_equal(v, backslash)));

		if (mask)
			return p + lt_vec_first(mask);
	}
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* The next quote or bracket at or after @p, @end when there is none. */
static inline const uint8_t *lt_json_find_structure(const uint8_t *p, const uint8_t *end)
{
	/* '[' and '{', ']' and '}' differ in one bit only: with it set both pairs are one compare
	 * each. */
	const lt_vec bit = lt_vec_set(0x20), quote = lt_vec_set('"');
	const lt_vec opens = lt_vec_set('{'), closes = lt_vec_set('}');

	for (; end - p >= LT_VEC_SIZE; p += LT_VEC_SIZE) {
		lt_vec v = lt_vec_load(p), lower = lt_vec_or(v, bit);
		lt_vec_mask mask = lt_vec_bits(
			lt_vec_or(lt_vec_equal(v, quote), lt_vec_or(lt_vec_equal(lower, opens),
								    lt_vec_equal(lower, closes))));

		if (mask)
			return p + lt_vec_first(mask);
	}
	while (p < end && *p != '"' && *p != '{' && *p != '}' && *p != '[' && *p != ']')
		p++;
	return p;
}
