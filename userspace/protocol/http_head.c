// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/http_head.h"

#include <errno.h>

#include "userspace/base/parse.h"

static const char *const methods[] = {"GET ",	"POST ",    "PUT ",	"HEAD ", "DELETE ",
				      "PATCH ", "OPTIONS ", "CONNECT ", "TRACE "};

struct lt_bytes lt_http_field(const struct lt_http_head *head, const char *name)
{
	for (size_t i = 0; i < head->field_count; i++) {
		if (lt_bytes_is_nocase(head->fields[i].name, name))
			return head->fields[i].value;
	}
	return lt_bytes(NULL, 0);
}

static int compare_start(struct lt_bytes text, const char *start)
{
	size_t n = strlen(start);

	if (text.n < n)
		return memcmp(text.p, start, text.n) == 0 ? LT_START_MORE : LT_START_NO;
	return memcmp(text.p, start, n) == 0 ? LT_START_YES : LT_START_NO;
}

int lt_head_begins(struct lt_bytes text, enum lt_side side)
{
	int best = LT_START_NO;

	if (text.n == 0)
		return LT_START_MORE;
	if (side == LT_SIDE_RESPONSE)
		return compare_start(text, "HTTP/1.");
	for (size_t i = 0; i < LT_COUNT(methods); i++) {
		int one = compare_start(text, methods[i]);

		if (one > best)
			best = one;
	}
	return best;
}

size_t lt_head_length(struct lt_bytes text, size_t from)
{
	size_t at = from > 3 ? from - 3 : 0;

	while (at < text.n) {
		const uint8_t *lf = memchr(text.p + at, '\n', text.n - at);

		if (!lf)
			return 0;
		at = (size_t)(lf - text.p) + 1;
		if (at < text.n && text.p[at] == '\n')
			return at + 1;
		if (at + 1 < text.n && text.p[at] == '\r' && text.p[at + 1] == '\n')
			return at + 2;
	}
	return 0;
}

/* tchar of RFC 9110, 5.6.2. */
static bool is_token(struct lt_bytes b)
{
	for (size_t i = 0; i < b.n; i++) {
		uint8_t c = b.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c != 0 && strchr("!#$%&'*+-.^_`|~", c))))
			return false;
	}
	return b.n > 0;
}

/* Takes one line off @text, without its line end. A CR elsewhere or a NUL breaks the protocol. */
static int take_line(struct lt_bytes *text, struct lt_bytes *ret)
{
	const uint8_t *lf = memchr(text->p, '\n', text->n);
	size_t n;

	if (!lf)
		return -EBADMSG;
	n = (size_t)(lf - text->p);
	*ret = lt_bytes(text->p, n > 0 && lf[-1] == '\r' ? n - 1 : n);
	*text = lt_bytes_skip(*text, n + 1);
	if (memchr(ret->p, '\r', ret->n) || memchr(ret->p, '\0', ret->n))
		return -EBADMSG;
	return 0;
}

static struct lt_bytes trim(struct lt_bytes b)
{
	while (b.n > 0 && (b.p[0] == ' ' || b.p[0] == '\t'))
		b = lt_bytes_skip(b, 1);
	while (b.n > 0 && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
		b.n--;
	return b;
}

static bool is_version(struct lt_bytes b)
{
	return b.n == 8 && lt_bytes_starts(b, "HTTP/1.") && b.p[7] >= '0' && b.p[7] <= '9';
}

static int parse_request_line(struct lt_bytes line, struct lt_http_head *head)
{
	const uint8_t *first = memchr(line.p, ' ', line.n);
	const uint8_t *last = line.n ? memrchr(line.p, ' ', line.n) : NULL;

	if (!first || last == first)
		return -EBADMSG;
	head->method = lt_bytes(line.p, (size_t)(first - line.p));
	head->target = lt_bytes(first + 1, (size_t)(last - first) - 1);
	if (!is_token(head->method) || head->target.n == 0 ||
	    memchr(head->target.p, ' ', head->target.n) ||
	    !is_version(lt_bytes_skip(line, (size_t)(last - line.p) + 1)))
		return -EBADMSG;
	return 0;
}

static int parse_status_line(struct lt_bytes line, struct lt_http_head *head)
{
	uint64_t status;

	if (line.n < 12 || !is_version(lt_bytes(line.p, 8)) || line.p[8] != ' ' ||
	    (line.n > 12 && line.p[12] != ' ') ||
	    lt_parse_u64(lt_bytes(line.p + 9, 3), &status) < 0 || status < 100)
		return -EBADMSG;
	head->status = (unsigned)status;
	return 0;
}

/* "host", "host:port", "[v6]:port" into the head. User information ("user:secret@") is left out. */
static void set_host(struct lt_http_head *head, struct lt_bytes value)
{
	const uint8_t *at = value.n ? memrchr(value.p, '@', value.n) : NULL;
	const uint8_t *colon, *bracket;
	struct lt_bytes digits;
	uint64_t port = 0;

	if (at)
		value = lt_bytes_skip(value, (size_t)(at - value.p) + 1);
	colon = value.n ? memrchr(value.p, ':', value.n) : NULL;
	bracket = value.n ? memrchr(value.p, ']', value.n) : NULL;
	head->host = value;
	head->port = 0;
	if (!colon || (bracket && colon < bracket))
		return;
	digits = lt_bytes_skip(value, (size_t)(colon - value.p) + 1);
	if (digits.n > 0 && (lt_parse_u64(digits, &port) < 0 || port > UINT16_MAX))
		return;
	head->host.n = (size_t)(colon - value.p);
	head->port = (uint16_t)port;
}

static int take_length(struct lt_head_parse *p, struct lt_bytes value)
{
	uint64_t n;

	if (lt_parse_u64(value, &n) < 0 || (p->has_length && n != p->length))
		return -EBADMSG;
	p->has_length = true;
	p->length = n;
	return 0;
}

/* Codings in the order applied; framing is by chunks when chunked comes last (of all such fields).
 */
static void take_transfer_encoding(struct lt_head_parse *p, struct lt_bytes value)
{
	p->has_transfer_encoding = true;
	while (value.n > 0) {
		const uint8_t *comma = memchr(value.p, ',', value.n);
		size_t n = comma ? (size_t)(comma - value.p) : value.n;
		struct lt_bytes coding = trim(lt_bytes(value.p, n));

		value = lt_bytes_skip(value, n + 1);
		if (coding.n == 0)
			continue;
		p->chunked = lt_bytes_is_nocase(coding, "chunked");
		if (!p->chunked && !lt_bytes_is_nocase(coding, "identity"))
			p->other_coding = true;
	}
}

/* Two different hosts: whoever acts on one of them may be fooled. */
static int take_host(struct lt_head_parse *p, struct lt_bytes value)
{
	if (p->has_host)
		return -EBADMSG;
	p->has_host = true;
	set_host(&p->head, value);
	return 0;
}

static int take_field(struct lt_head_parse *p, struct lt_bytes line)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	struct lt_http_field field;

	if (line.p[0] == ' ' || line.p[0] == '\t' || !colon)
		return -EBADMSG; /* obs-fold, or no field at all */
	field.name = lt_bytes(line.p, (size_t)(colon - line.p));
	field.value = trim(lt_bytes_skip(line, field.name.n + 1));
	if (!is_token(field.name))
		return -EBADMSG;
	if (p->head.field_count < LT_HEAD_FIELDS_MAX)
		p->fields[p->head.field_count++] = field;
	else
		p->skipped++;
	if (lt_bytes_is_nocase(field.name, "content-length"))
		return take_length(p, field.value);
	if (lt_bytes_is_nocase(field.name, "transfer-encoding"))
		take_transfer_encoding(p, field.value);
	else if (lt_bytes_is_nocase(field.name, "content-encoding"))
		p->content_encoding = field.value;
	else if (p->head.side == LT_SIDE_REQUEST && lt_bytes_is_nocase(field.name, "host"))
		return take_host(p, field.value);
	return 0;
}

/*
 * "http://host:port/path" (to a proxy) and "host:port" (CONNECT) name the host themselves, which
 * wins over the Host field (RFC 9112, 3.2.2). Of the former the path remains as target.
 */
static void take_authority(struct lt_http_head *head)
{
	static const char *const schemes[] = {"http://", "https://"};
	static const struct lt_bytes root = {.p = (const uint8_t *)"/", .n = 1};

	if (lt_bytes_is(head->method, "CONNECT")) {
		set_host(head, head->target);
		return;
	}
	for (size_t i = 0; i < LT_COUNT(schemes); i++) {
		size_t n = strlen(schemes[i]);
		struct lt_bytes rest = lt_bytes_skip(head->target, n);
		size_t host = 0;

		if (!lt_bytes_is_nocase(lt_bytes(head->target.p, head->target.n - rest.n),
					schemes[i]))
			continue;
		while (host < rest.n && rest.p[host] != '/' && rest.p[host] != '?')
			host++;
		set_host(head, lt_bytes(rest.p, host));
		head->target = host < rest.n ? lt_bytes_skip(rest, host) : root;
		return;
	}
}

int lt_head_parse(struct lt_bytes text, enum lt_side side, struct lt_head_parse *ret)
{
	struct lt_bytes line;
	int r;

	/* The fields themselves need no zeroing: field_count says which are set. */
	memset(&ret->head, 0, sizeof(ret->head));
	ret->skipped = 0;
	ret->has_length = ret->chunked = ret->has_transfer_encoding = false;
	ret->other_coding = ret->has_host = false;
	ret->length = 0;
	ret->content_encoding = lt_bytes(NULL, 0);
	ret->head.side = side;
	ret->head.fields = ret->fields;
	r = take_line(&text, &line);
	if (r < 0)
		return r;
	r = side == LT_SIDE_REQUEST ? parse_request_line(line, &ret->head)
				    : parse_status_line(line, &ret->head);
	while (r == 0 && text.n > 0) {
		r = take_line(&text, &line);
		if (r < 0 || line.n == 0)
			break;
		r = take_field(ret, line);
	}
	if (r == 0 && side == LT_SIDE_REQUEST)
		take_authority(&ret->head);
	return r;
}
