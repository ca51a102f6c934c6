// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/multipart.h"

/* BODY: the preamble as well, as a part that nobody wants. BEHIND: of a boundary, up to its line's
 * end. */
enum { BODY, BEHIND, HEADERS, END };

enum { BOUNDARY_MAX = 70 };

/* The value of "; name=value" or "; name=\"value\"", NULL when there is none. */
static struct lt_bytes parameter(struct lt_bytes text, const char *name)
{
	size_t n = strlen(name);
	bool quoted = false;

	for (size_t i = 0; i + n < text.n; i++) {
		struct lt_bytes rest = lt_bytes_skip(text, i);
		const uint8_t *end;

		if (text.p[i] == '"')
			quoted = !quoted;
		if (quoted || (i > 0 && text.p[i - 1] != ' ' && text.p[i - 1] != ';') ||
		    rest.p[n] != '=' || strncasecmp((const char *)rest.p, name, n) != 0)
			continue;
		rest = lt_bytes_skip(rest, n + 1);
		if (rest.n > 0 && rest.p[0] == '"') {
			rest = lt_bytes_skip(rest, 1);
			end = rest.n ? memchr(rest.p, '"', rest.n) : NULL;
		} else {
			end = rest.n ? memchr(rest.p, ';', rest.n) : NULL;
		}
		return end ? lt_bytes(rest.p, (size_t)(end - rest.p)) : rest;
	}
	return (struct lt_bytes){0};
}

bool lt_multipart_init(struct lt_multipart *m, struct lt_bytes content_type,
		       const struct lt_multipart_sink *sink)
{
	static const char form[] = "multipart/form-data";
	struct lt_bytes boundary;

	memset(m, 0, sizeof(*m));
	m->sink = *sink;
	if (content_type.n < strlen(form) ||
	    strncasecmp((const char *)content_type.p, form, strlen(form)) != 0)
		return false;
	boundary = parameter(content_type, "boundary");
	if (boundary.n == 0 || boundary.n > BOUNDARY_MAX)
		return false;
	memcpy(m->boundary, "\r\n--", 4);
	memcpy(m->boundary + 4, boundary.p, boundary.n);
	m->boundary_n = (unsigned)boundary.n + 4;
	m->matched = 2; /* the first boundary may begin the body */
	return true;
}

static void part_ends(struct lt_multipart *m)
{
	if (m->wanted)
		m->sink.field(m->sink.arg, lt_bytes(m->name, m->name_n),
			      lt_bytes(m->value, m->value_n));
	m->wanted = false;
	m->value_n = 0;
	m->line_n = 0;
	m->state = BEHIND;
}

static void put_value(struct lt_multipart *m, struct lt_bytes text)
{
	size_t room = sizeof(m->value) - m->value_n;

	if (!m->wanted)
		return;
	if (text.n > room)
		text.n = room;
	memcpy(m->value + m->value_n, text.p, text.n);
	m->value_n += (unsigned)text.n;
}

static bool goes_on(const struct lt_multipart *m, uint8_t c)
{
	return c == (uint8_t)m->boundary[m->matched];
}

/* What looked like a boundary was content. The CR that a bare line feed did without was not there.
 */
static void not_a_boundary(struct lt_multipart *m)
{
	unsigned absent = m->bare ? 1 : 0;

	if (m->matched > absent)
		put_value(m, lt_bytes(m->boundary + absent, m->matched - absent));
	m->matched = 0;
	m->bare = false;
}

/* Only its first bytes can begin a boundary again: CR and LF stand nowhere else in it. */
static void body_byte(struct lt_multipart *m, uint8_t c)
{
	if (!goes_on(m, c)) {
		not_a_boundary(m);
		if (c == '\n') {
			/* Alone it ends a line as well, as lenient servers have it. */
			m->matched = 1;
			m->bare = true;
		}
		if (!goes_on(m, c)) {
			put_value(m, lt_bytes(&c, 1));
			return;
		}
	}
	if (++m->matched == m->boundary_n) {
		m->matched = 0;
		m->bare = false;
		part_ends(m);
	}
}

static void header_line(struct lt_multipart *m)
{
	static const char disposition[] = "content-disposition:";
	struct lt_bytes line = lt_bytes(m->line, m->line_n), name;

	if (line.n < strlen(disposition) ||
	    strncasecmp(m->line, disposition, strlen(disposition)) != 0)
		return;
	name = parameter(line, "name");
	m->wanted = name.n > 0 && name.n <= sizeof(m->name) &&
		    parameter(line, "filename").p == NULL &&
		    parameter(line, "filename*").p == NULL && line.n < sizeof(m->line);
	if (m->wanted) {
		memcpy(m->name, name.p, name.n);
		m->name_n = (unsigned)name.n;
	}
}

static void line_byte(struct lt_multipart *m, uint8_t c)
{
	if (c != '\n') {
		if (m->line_n < sizeof(m->line))
			m->line[m->line_n++] = (char)c;
		return;
	}
	if (m->line_n > 0 && m->line_n < sizeof(m->line) && m->line[m->line_n - 1] == '\r')
		m->line_n--;
	if (m->state == BEHIND) {
		m->state = lt_bytes_starts(lt_bytes(m->line, m->line_n), "--") ? END : HEADERS;
	} else if (m->line_n == 0) {
		m->state = BODY;
		m->value_n = 0;
	} else {
		header_line(m);
	}
	m->line_n = 0;
}

/* The first byte of a file's content that may end it. */
static size_t skip_file(const struct lt_multipart *m, struct lt_bytes in)
{
	const uint8_t *at;

	if (m->wanted || m->matched > 0)
		return 0;
	at = memchr(in.p, '\n', in.n);
	if (!at)
		return in.n > 1 ? in.n - 1 : 0;
	return at > in.p ? (size_t)(at - in.p) - 1 : 0;
}

void lt_multipart_feed(struct lt_multipart *m, struct lt_bytes in)
{
	while (in.n > 0 && m->state != END) {
		if (m->state == BODY) {
			in = lt_bytes_skip(in, skip_file(m, in));
			body_byte(m, in.p[0]);
		} else {
			line_byte(m, in.p[0]);
		}
		in = lt_bytes_skip(in, 1);
	}
}
