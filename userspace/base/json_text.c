// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/json_text.h"

#include <errno.h>

#include "userspace/base/json_find.h"

void lt_json_text_begin(struct lt_json_text *t)
{
	t->n = 0;
	t->characters = 0;
	t->cut = false;
	t->escape = false;
	t->high = 0;
	t->hex_left = 0;
	t->flow = NULL;
}

void lt_json_text_put(struct lt_json_text *t, struct lt_bytes b)
{
	size_t room = LT_JSON_TEXT_MAX - t->n;

	t->characters += lt_utf8_characters(b);
	if (t->flow)
		t->flow(t->flow_arg, b);
	if (t->cut)
		return;
	t->cut = b.n > room;
	if (t->cut)
		b.n = room;
	memcpy(t->bytes + t->n, b.p, b.n);
	t->n += (uint32_t)b.n;
}

/* Without the beginning of a character at the end. */
static struct lt_bytes trim(struct lt_bytes text)
{
	size_t tail = 0;
	uint8_t lead;

	while (tail < 4 && tail < text.n && (text.p[text.n - 1 - tail] & 0xc0) == 0x80)
		tail++;
	if (tail == text.n)
		return text;
	lead = text.p[text.n - 1 - tail];
	if (lead >= 0xc0 && tail + 1 < (lead >= 0xf0 ? 4U : lead >= 0xe0 ? 3U : 2U))
		text.n -= tail + 1;
	return text;
}

struct lt_bytes lt_json_text_view(const struct lt_json_text *t)
{
	struct lt_bytes text = lt_bytes(t->bytes, t->n);

	return t->cut ? trim(text) : text;
}

struct lt_bytes lt_json_text_clip(struct lt_bytes text, bool *ret_cut)
{
	*ret_cut = text.n > LT_JSON_TEXT_MAX;
	return *ret_cut ? trim(lt_bytes(text.p, LT_JSON_TEXT_MAX)) : text;
}

static void put_code_point(struct lt_json_text *t, uint32_t c)
{
	uint8_t b[4];
	size_t n;

	if (c < 0x80) {
		b[0] = (uint8_t)c;
		n = 1;
	} else if (c < 0x800) {
		b[0] = (uint8_t)(0xc0 | c >> 6);
		b[1] = (uint8_t)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		b[0] = (uint8_t)(0xe0 | c >> 12);
		b[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		b[2] = (uint8_t)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		b[0] = (uint8_t)(0xf0 | c >> 18);
		b[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		b[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		b[3] = (uint8_t)(0x80 | (c & 0x3f));
		n = 4;
	}
	if (t->n + n > LT_JSON_TEXT_MAX)
		t->cut = true; /* whole or not at all */
	lt_json_text_put(t, lt_bytes(b, n));
}

/* A first half of a pair that no second half followed. */
static void settle_high(struct lt_json_text *t)
{
	if (t->high)
		put_code_point(t, 0xfffd);
	t->high = 0;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_hex(struct lt_json_text *t, uint8_t c)
{
	int value = hex_value(c);

	if (value < 0)
		return -EBADMSG;
	t->hex = (uint16_t)(t->hex << 4 | value);
	if (--t->hex_left > 0)
		return 0;
	if (t->hex >= 0xd800 && t->hex < 0xdc00) {
		settle_high(t);
		t->high = t->hex;
	} else if (t->hex >= 0xdc00 && t->hex < 0xe000) {
		if (t->high)
			put_code_point(t, 0x10000 + ((uint32_t)(t->high - 0xd800) << 10) +
						  (t->hex - 0xdc00U));
		else
			put_code_point(t, 0xfffd);
		t->high = 0;
	} else {
		settle_high(t);
		put_code_point(t, t->hex);
	}
	return 0;
}

/* The byte behind a backslash. */
static int take_escape(struct lt_json_text *t, uint8_t c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c ? strchr(from, c) : NULL;

	t->escape = false;
	if (c == 'u') {
		t->hex_left = 4;
		t->hex = 0;
		return 0;
	}
	settle_high(t);
	if (!at)
		return -EBADMSG;
	lt_json_text_put(t, lt_bytes(&to[at - from], 1));
	return 0;
}

int lt_json_text_gather(struct lt_json_text *t, const uint8_t *p, const uint8_t *end,
			const uint8_t **ret)
{
	*ret = NULL;
	while (p < end) {
		const uint8_t *stop;
		int r = 0;

		if (t->hex_left > 0) {
			r = take_hex(t, *p++);
		} else if (t->escape) {
			r = take_escape(t, *p++);
		} else {
			stop = lt_json_find_quote(p, end);
			if (stop > p) {
				settle_high(t);
				lt_json_text_put(t, lt_bytes(p, (size_t)(stop - p)));
			}
			if (stop == end)
				return 0;
			if (*stop == '"') {
				settle_high(t);
				*ret = stop + 1;
				return 0;
			}
			t->escape = true;
			p = stop + 1;
		}
		if (r < 0)
			return r;
	}
	return 0;
}
