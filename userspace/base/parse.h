/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsing of small texts: the whole text must fit, else -EINVAL; out of range is -ERANGE. */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

LT_MUST_CHECK int lt_parse_u64(struct lt_bytes text, uint64_t *ret);
/* Hexadecimal digits without prefix. */
LT_MUST_CHECK int lt_parse_hex_u64(struct lt_bytes text, uint64_t *ret);
LT_MUST_CHECK int lt_parse_bool(struct lt_bytes text, bool *ret); /* true|false|yes|no|on|off|1|0 */
/* "90s" "15m" "2h" "7d" (a bare number is seconds) as ns. */
LT_MUST_CHECK int lt_parse_duration(struct lt_bytes text, uint64_t *ret_ns);
/* "64k" "32M" "1G" (powers of 1024) as bytes. */
LT_MUST_CHECK int lt_parse_size(struct lt_bytes text, uint64_t *ret);
/* "2026-11-24" or "2026-11-24T00:30:00[.123]Z" (or +01:00) as wall ns, UTC. */
LT_MUST_CHECK int lt_parse_time(struct lt_bytes text, int64_t *ret_wall_ns);
/* A moment for --since/--until: a time as above, or a duration before @now_ns ("2h"). */
LT_MUST_CHECK int lt_parse_moment(struct lt_bytes text, int64_t now_ns, int64_t *ret_wall_ns);
/* '*' = any run of characters (also none), '?' = one; the whole text must match. Linear in pattern
 * x text. */
bool lt_glob_match(const char *pattern, struct lt_bytes text);
/* As lt_glob_match, ASCII case ignored (host names). */
bool lt_glob_match_nocase(const char *pattern, struct lt_bytes text);
/* Standard alphabet, padding optional, white space skipped. @to needs 3/4 of text.n + 3 bytes.
 * -EINVAL. */
LT_MUST_CHECK int lt_base64_decode(struct lt_bytes text, uint8_t *to, size_t *ret_n);
/* "%3A" is a colon, anything else stands for itself. Writes at most @size bytes, returns how many.
 */
size_t lt_percent_decode(struct lt_bytes text, void *to, size_t size);
