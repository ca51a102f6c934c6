// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <time.h>

static const int64_t ns_per_s = 1000000000;

int lt_parse_u64(struct lt_bytes text, uint64_t *ret)
{
	uint64_t n = 0;

	if (text.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text.p[i] - '0'), &n))
			return -ERANGE;
	}
	*ret = n;
	return 0;
}

int lt_parse_hex_u64(struct lt_bytes text, uint64_t *ret)
{
	uint64_t n = 0;

	if (text.n == 0)
		return -EINVAL;
	if (text.n > 16)
		return -ERANGE;
	for (size_t i = 0; i < text.n; i++) {
		int c = text.p[i];

		if (!isxdigit(c))
			return -EINVAL;
		n = n << 4 | (uint64_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	*ret = n;
	return 0;
}

int lt_parse_bool(struct lt_bytes text, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};

	for (size_t i = 0; i < LT_COUNT(yes); i++) {
		if (lt_bytes_is_nocase(text, yes[i]) || lt_bytes_is_nocase(text, no[i])) {
			*ret = lt_bytes_is_nocase(text, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

/* A number followed by one of the letters of @units (or by none: factor 1). */
static int parse_scaled(struct lt_bytes text, const char *units, const uint64_t *factors,
			uint64_t *ret)
{
	uint64_t n, factor = 1;
	const char *unit = NULL;
	int r;

	if (text.n > 0 && !isdigit(text.p[text.n - 1])) {
		unit = strchr(units, text.p[text.n - 1]);
		if (!unit || text.p[text.n - 1] == '\0')
			return -EINVAL;
		factor = factors[unit - units];
		text.n--;
	}
	r = lt_parse_u64(text, &n);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(n, factor, &n))
		return -ERANGE;
	*ret = n;
	return 0;
}

int lt_parse_duration(struct lt_bytes text, uint64_t *ret_ns)
{
	static const uint64_t seconds[] = {1, 60, 3600, 86400, 604800};
	uint64_t n;
	int r = parse_scaled(text, "smhdw", seconds, &n);

	if (r < 0)
		return r;
	if (n > INT64_MAX / (uint64_t)ns_per_s)
		return -ERANGE;
	*ret_ns = n * (uint64_t)ns_per_s;
	return 0;
}

int lt_parse_size(struct lt_bytes text, uint64_t *ret)
{
	static const uint64_t factors[] = {1 << 10, 1 << 10, 1 << 20, 1 << 20, 1 << 30, 1 << 30};

	return parse_scaled(text, "kKmMgG", factors, ret);
}

/* Takes @digits digits and the character @then (0: none) off the front. False when they are not
 * there. */
static bool take_number(struct lt_bytes *text, size_t digits, char then, int *ret)
{
	uint64_t n;

	if (text->n < digits || lt_parse_u64(lt_bytes(text->p, digits), &n) < 0)
		return false;
	*text = lt_bytes_skip(*text, digits);
	*ret = (int)n;
	if (then == '\0')
		return true;
	if (text->n == 0 || text->p[0] != (uint8_t)then)
		return false;
	*text = lt_bytes_skip(*text, 1);
	return true;
}

/* ".123", or nothing: up to nine digits count, more are skipped. */
static bool take_fraction(struct lt_bytes *text, int64_t *ret)
{
	int64_t ns = 0, unit = ns_per_s / 10;

	*ret = 0;
	if (text->n == 0 || text->p[0] != '.')
		return true;
	*text = lt_bytes_skip(*text, 1);
	if (text->n == 0 || !isdigit(text->p[0]))
		return false;
	while (text->n > 0 && isdigit(text->p[0])) {
		ns += (text->p[0] - '0') * unit;
		unit /= 10;
		*text = lt_bytes_skip(*text, 1);
	}
	*ret = ns;
	return true;
}

/* "Z", "+01:00" or "-01:00" as seconds east. */
static bool take_zone(struct lt_bytes *text, int *ret)
{
	int hours, minutes, sign;

	if (text->n == 0)
		return false;
	sign = text->p[0] == '-' ? -1 : 1;
	if (text->p[0] == 'Z' || text->p[0] == 'z') {
		*text = lt_bytes_skip(*text, 1);
		*ret = 0;
		return true;
	}
	if (text->p[0] != '+' && text->p[0] != '-')
		return false;
	*text = lt_bytes_skip(*text, 1);
	if (!take_number(text, 2, ':', &hours) || !take_number(text, 2, 0, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int days_in(int year, int month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static bool take_date(struct lt_bytes *text, struct tm *tm)
{
	int year, month;

	if (!take_number(text, 4, '-', &year) || !take_number(text, 2, '-', &month) ||
	    !take_number(text, 2, 0, &tm->tm_mday))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return year >= 1970 && year <= 2200 && month >= 1 && month <= 12 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= days_in(year, month);
}

static bool take_clock(struct lt_bytes *text, struct tm *tm)
{
	if (text->p[0] != 'T' && text->p[0] != 't' && text->p[0] != ' ')
		return false;
	*text = lt_bytes_skip(*text, 1);
	return take_number(text, 2, ':', &tm->tm_hour) && take_number(text, 2, ':', &tm->tm_min) &&
	       take_number(text, 2, 0, &tm->tm_sec) && tm->tm_hour <= 23 && tm->tm_min <= 59 &&
	       tm->tm_sec <= 60;
}

int lt_parse_time(struct lt_bytes text, int64_t *ret_wall_ns)
{
	struct tm tm = {0};
	int64_t ns = 0;
	int zone = 0;

	if (!take_date(&text, &tm))
		return -EINVAL;
	if (text.n > 0) {
		if (!take_clock(&text, &tm))
			return -EINVAL;
		if (!take_fraction(&text, &ns) || !take_zone(&text, &zone) || text.n > 0)
			return -EINVAL;
	}
	*ret_wall_ns = ((int64_t)timegm(&tm) - zone) * ns_per_s + ns;
	return 0;
}

int lt_parse_moment(struct lt_bytes text, int64_t now_ns, int64_t *ret_wall_ns)
{
	uint64_t before;
	int64_t moment;
	int r = lt_parse_duration(text, &before);

	if (r == -EINVAL)
		return lt_parse_time(text, ret_wall_ns);
	if (r < 0 || __builtin_sub_overflow(now_ns, (int64_t)before, &moment))
		return -ERANGE;
	*ret_wall_ns = moment;
	return 0;
}

/* The last '*' is the only place to come back to, so the work is at most pattern x text. */
static bool match(const char *pattern, struct lt_bytes text, bool nocase)
{
	const char *star = NULL;
	size_t at = 0, star_at = 0;

	while (at < text.n) {
		int c = nocase ? tolower(text.p[at]) : text.p[at];
		int p = nocase ? tolower((unsigned char)*pattern) : (unsigned char)*pattern;

		if (*pattern == '*') {
			star = pattern++;
			star_at = at;
		} else if (*pattern == '?' || (*pattern && p == c)) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star + 1;
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool lt_glob_match(const char *pattern, struct lt_bytes text)
{
	return match(pattern, text, false);
}

bool lt_glob_match_nocase(const char *pattern, struct lt_bytes text)
{
	return match(pattern, text, true);
}

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int lt_base64_decode(struct lt_bytes text, uint8_t *to, size_t *ret_n)
{
	unsigned bits = 0, held = 0, padding = 0;
	size_t n = 0, digits = 0;

	for (size_t i = 0; i < text.n; i++) {
		int value = base64_value(text.p[i]);

		if (isspace(text.p[i]))
			continue;
		if (text.p[i] == '=' && ++padding <= 2)
			continue;
		if (value < 0 || padding > 0)
			return -EINVAL;
		held = (held << 6 | (unsigned)value) & 0xffff;
		bits += 6;
		digits++;
		if (bits >= 8) {
			bits -= 8;
			to[n++] = (uint8_t)(held >> bits);
		}
	}
	if (bits >= 6 || (padding > 0 && (digits + padding) % 4 != 0))
		return -EINVAL;
	*ret_n = n;
	return 0;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t lt_percent_decode(struct lt_bytes text, void *to, size_t size)
{
	uint8_t *out = to;
	size_t n = 0;

	for (size_t i = 0; i < text.n && n < size; i++) {
		bool coded = text.p[i] == '%' && i + 2 < text.n && hex_value(text.p[i + 1]) >= 0 &&
			     hex_value(text.p[i + 2]) >= 0;

		out[n++] = coded ? (uint8_t)(hex_value(text.p[i + 1]) << 4 |
					     hex_value(text.p[i + 2]))
				 : text.p[i];
		i += coded ? 2 : 0;
	}
	return n;
}
