// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/json_write.h"

#include <assert.h>
#include <inttypes.h>

void lt_json_writer_init(struct lt_json_writer *w, FILE *out)
{
	memset(w, 0, sizeof(*w));
	w->out = out;
	w->first[0] = true;
}

/* The comma before a member or element. */
static void separate(struct lt_json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (!w->first[w->depth])
		putc(w->depth == 0 ? '\n' : ',', w->out);
	w->first[w->depth] = false;
}

static void begin(struct lt_json_writer *w, char c)
{
	separate(w);
	assert(w->depth + 1 < sizeof(w->first) / sizeof(w->first[0]));
	putc(c, w->out);
	w->first[++w->depth] = true;
}

static void end(struct lt_json_writer *w, char c)
{
	assert(w->depth > 0);
	w->depth--;
	putc(c, w->out);
}

void lt_json_begin_object(struct lt_json_writer *w)
{
	begin(w, '{');
}

void lt_json_end_object(struct lt_json_writer *w)
{
	end(w, '}');
}

void lt_json_begin_array(struct lt_json_writer *w)
{
	begin(w, '[');
}

void lt_json_end_array(struct lt_json_writer *w)
{
	end(w, ']');
}

size_t lt_utf8_length(const uint8_t *p, size_t n)
{
	static const uint8_t least[] = {0, 0, 0xc2, 0xe0, 0xf0};
	size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (length == 1)
		return 1;
	if (p[0] < least[length] || p[0] > 0xf4 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return length;
}

static void write_escaped(FILE *out, uint8_t c)
{
	switch (c) {
	case '"':
		fputs("\\\"", out);
		break;
	case '\\':
		fputs("\\\\", out);
		break;
	case '\n':
		fputs("\\n", out);
		break;
	case '\r':
		fputs("\\r", out);
		break;
	case '\t':
		fputs("\\t", out);
		break;
	default:
		fprintf(out, "\\u%04x", c);
	}
}

static void write_text(FILE *out, struct lt_bytes s)
{
	putc('"', out);
	for (size_t i = 0; i < s.n;) {
		size_t length = lt_utf8_length(s.p + i, s.n - i);

		if (length == 0) {
			fputs("\xef\xbf\xbd", out); /* U+FFFD */
			i++;
		} else if (length == 1 &&
			   (s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == 0x7f)) {
			write_escaped(out, s.p[i++]);
		} else {
			fwrite(s.p + i, 1, length, out);
			i += length;
		}
	}
	putc('"', out);
}

void lt_json_key(struct lt_json_writer *w, const char *key)
{
	separate(w);
	write_text(w->out, lt_bytes_str(key));
	putc(':', w->out);
	w->after_key = true;
}

void lt_json_string(struct lt_json_writer *w, const char *s)
{
	if (s)
		lt_json_bytes(w, lt_bytes_str(s));
	else
		lt_json_null(w);
}

void lt_json_bytes(struct lt_json_writer *w, struct lt_bytes s)
{
	separate(w);
	write_text(w->out, s);
}

void lt_json_u64(struct lt_json_writer *w, uint64_t n)
{
	separate(w);
	fprintf(w->out, "%" PRIu64, n);
}

void lt_json_i64(struct lt_json_writer *w, int64_t n)
{
	separate(w);
	fprintf(w->out, "%" PRId64, n);
}

void lt_json_bool(struct lt_json_writer *w, bool b)
{
	lt_json_raw(w, b ? "true" : "false");
}

void lt_json_null(struct lt_json_writer *w)
{
	lt_json_raw(w, "null");
}

void lt_json_raw(struct lt_json_writer *w, const char *text)
{
	separate(w);
	fputs(text, w->out);
}
