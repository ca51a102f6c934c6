// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/base64_member.h"

/* SEEK: outside strings. BEHIND: a string has ended, which was a key if a colon follows. */
enum { SEEK, STRING, BEHIND, WANTED, VALUE };

void lt_base64_member_init(struct lt_base64_member *m, const struct lt_base64_member_sink *sink)
{
	memset(m, 0, sizeof(*m));
	m->sink = *sink;
}

static void flush(struct lt_base64_member *m)
{
	if (m->out_n > 0)
		m->sink.data(m->sink.arg, lt_bytes(m->out, m->out_n));
	m->out_n = 0;
}

static int digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static void put_digit(struct lt_base64_member *m, uint8_t c)
{
	int d = digit(c);

	if (d < 0)
		return; /* padding, white space */
	m->bits = m->bits << 6 | (uint32_t)d;
	m->bits_n += 6;
	if (m->bits_n < 8)
		return;
	m->bits_n -= 8;
	m->out[m->out_n++] = (uint8_t)(m->bits >> m->bits_n);
	if (m->out_n == sizeof(m->out))
		flush(m);
}

static unsigned hex(uint8_t c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* A byte behind a backslash: some encoders write "/" and "+" so (RFC 8259, 7). The other escapes
 * are no digits. */
static void escaped_byte(struct lt_base64_member *m, uint8_t c)
{
	if (m->escape == 1) {
		m->escape = c == 'u' ? 2 : 0;
		m->code = 0;
		if (c == '/')
			put_digit(m, c);
		return;
	}
	m->code = m->code << 4 | (hex(c) & 15);
	if (++m->escape < 6)
		return;
	m->escape = 0;
	if (m->code < 128)
		put_digit(m, (uint8_t)m->code);
}

static void value_byte(struct lt_base64_member *m, uint8_t c)
{
	if (m->escape > 0) {
		escaped_byte(m, c);
	} else if (c == '\\') {
		m->escape = 1;
	} else if (c == '"') {
		flush(m);
		m->bits_n = 0;
		m->state = SEEK;
	} else {
		put_digit(m, c);
	}
}

static void string_byte(struct lt_base64_member *m, uint8_t c)
{
	if (c == '"' && !m->escape) {
		m->state = BEHIND;
		return;
	}
	m->escape = c == '\\' && !m->escape ? 1 : 0;
	if (m->key_n < sizeof(m->key))
		m->key[m->key_n++] = (char)c;
}

static void other_byte(struct lt_base64_member *m, uint8_t c)
{
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return;
	if (c == '"') {
		m->state = m->state == WANTED ? VALUE : STRING;
		m->key_n = 0;
		m->escape = 0;
	} else if (m->state == BEHIND && c == ':' && m->depth == 1 &&
		   lt_bytes_is(lt_bytes(m->key, m->key_n), "bytes")) {
		m->state = WANTED;
	} else {
		m->state = SEEK;
		if (c == '{' || c == '[')
			m->depth++;
		else if ((c == '}' || c == ']') && m->depth > 0)
			m->depth--;
	}
}

void lt_base64_member_feed(struct lt_base64_member *m, struct lt_bytes in)
{
	for (size_t i = 0; i < in.n; i++) {
		if (m->state == VALUE)
			value_byte(m, in.p[i]);
		else if (m->state == STRING)
			string_byte(m, in.p[i]);
		else
			other_byte(m, in.p[i]);
	}
	flush(m);
}
