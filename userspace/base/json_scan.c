// SPDX-License-Identifier: Apache-2.0
/*
 * A token that lies whole in the input is taken in place; only one that the input ends in becomes a
 * state. A value under which no path lies is skipped by looking for quotes and brackets alone.
 *
 * What is checked: in walked values the grammar, numbers included; in skipped containers only
 * strings and the number of open brackets (not their kind); in strings that nobody wants not the
 * escapes, and nowhere control characters.
 */
#include "userspace/base/json_scan.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/json_find.h"
#include "userspace/base/json_paths.h"
#include "userspace/base/json_text.h"

enum { FRAMES = LT_JSON_SEGMENTS_MAX + 2 };

enum state {
	VALUE,	     /* a value must come */
	FIRST_VALUE, /* a value or ']' */
	FIRST_KEY,   /* a key or '}' */
	KEY,	     /* a key must come */
	COLON,
	NEXT, /* ',' or the container's end */
	DONE,
	IN_KEY, /* from here on: inside a token */
	IN_STRING,
	IN_SCALAR, /* number or literal */
	IN_SKIP_STRING,
	IN_SKIP,       /* a container under which no path lies */
	IN_SKIP_INNER, /* a string in it */
	FAILED,
};

struct frame {
	bool array;
	uint32_t index;
	struct lt_json_set set;
};

struct lt_json_scan {
	const struct lt_json_paths *paths;
	struct lt_json_sink sink;
	uint8_t state;
	bool escape;	/* the last byte of a skipped string was a backslash */
	uint16_t depth; /* frames in use */
	uint32_t skip_depth;
	struct lt_json_set value; /* of the value that comes or is being read */
	struct frame frames[FRAMES];
	uint64_t before; /* bytes of this document in earlier inputs */
	const uint8_t *input;
	struct lt_json_text text; /* of the token that the input ended in */
};

int lt_json_scan_new(const struct lt_json_paths *paths, const struct lt_json_sink *sink,
		     struct lt_json_scan **ret)
{
	struct lt_json_scan *s = lt_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->paths = paths;
	s->sink = *sink;
	lt_json_scan_reset(s);
	*ret = s;
	return 0;
}

struct lt_json_scan *lt_json_scan_free(struct lt_json_scan *scan)
{
	if (scan)
		explicit_bzero(&scan->text, sizeof(scan->text));
	lt_free(scan);
	return NULL;
}

void lt_json_scan_reset(struct lt_json_scan *s)
{
	s->state = VALUE;
	s->depth = 0;
	s->before = 0;
	lt_json_set_clear(&s->value);
	s->value.node[s->value.n++] = 0; /* the root */
	s->value.wanted = s->paths->nodes[0].hit_count > 0;
	s->value.flows = s->paths->nodes[0].flows;
}

bool lt_json_scan_done(const struct lt_json_scan *s)
{
	return s->state == DONE;
}

static void report(struct lt_json_scan *s, const struct lt_json_set *set, struct lt_json_hit *hit)
{
	if (!set->wanted)
		return;
	for (unsigned i = 0; i < set->n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[set->node[i]];

		for (unsigned h = 0; h < node->hit_count; h++) {
			hit->path = s->paths->hits[node->first_hit + h];
			s->sink.hit(s->sink.arg, hit);
		}
	}
}

/* A piece of the string at hand, for the paths that want all of it. */
static void flow(void *arg, struct lt_bytes piece)
{
	struct lt_json_scan *s = arg;

	for (unsigned i = 0; s->sink.text && i < s->value.n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[s->value.node[i]];

		for (unsigned h = 0; node->flows && h < node->hit_count; h++)
			s->sink.text(s->sink.arg, s->paths->hits[node->first_hit + h], piece);
	}
}

static uint64_t offset(const struct lt_json_scan *s, const uint8_t *p)
{
	return s->before + (uint64_t)(p - s->input);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void value_ends(struct lt_json_scan *s)
{
	s->state = s->depth == 0 ? DONE : NEXT;
}

/* ---- tokens: each function returns where to go on, NULL when the document is broken ---- */

/*
 * Goes on inside a string that nobody wants. Returns behind its closing quote, or NULL when the
 * input ends first.
 */
static const uint8_t *skip_string(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	if (s->escape && p < end) {
		p++;
		s->escape = false;
	}
	while (p < end) {
		p = lt_json_find_quote(p, end);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		if (end - p < 2) {
			s->escape = true;
			return NULL;
		}
		p += 2;
	}
	return NULL;
}

/* Goes on in a container that nobody wants: depth and strings. */
static const uint8_t *skip_container(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	uint32_t most = LT_JSON_DEPTH_MAX - s->depth;

	for (;;) {
		if (s->state == IN_SKIP_INNER) {
			p = skip_string(s, p, end);
			if (!p)
				return end;
			s->state = IN_SKIP;
		}
		p = lt_json_find_structure(p, end);
		if (p == end)
			return end;
		if (*p == '"') {
			s->escape = false;
			s->state = IN_SKIP_INNER;
		} else if (*p == '{' || *p == '[') {
			if (++s->skip_depth > most)
				return NULL;
		} else if (--s->skip_depth == 0) {
			value_ends(s);
			return p + 1;
		}
		p++;
	}
}

/* Behind a string's opening quote. */
static const uint8_t *string(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *stop = lt_json_find_quote(p, end);

	if (stop < end && *stop == '"') {
		if (s->value.wanted) {
			struct lt_json_hit hit = {.type = LT_JSON_STRING};

			if (s->value.flows)
				flow(s, lt_bytes(p, (size_t)(stop - p)));
			hit.characters = lt_utf8_characters(lt_bytes(p, (size_t)(stop - p)));
			hit.text = lt_json_text_clip(lt_bytes(p, (size_t)(stop - p)), &hit.cut);
			report(s, &s->value, &hit);
		}
		value_ends(s);
		return stop + 1;
	}
	if (!s->value.wanted) {
		s->escape = false;
		s->state = IN_SKIP_STRING;
		return stop;
	}
	lt_json_text_begin(&s->text);
	if (s->value.flows) {
		s->text.flow = flow;
		s->text.flow_arg = s;
	}
	s->state = IN_STRING;
	return p;
}

static size_t digits(struct lt_bytes text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	return n;
}

static bool is_number(struct lt_bytes text)
{
	size_t n;

	text = lt_bytes_skip(text, text.n > 0 && text.p[0] == '-');
	n = digits(text);
	if (n == 0 || (n > 1 && text.p[0] == '0'))
		return false;
	text = lt_bytes_skip(text, n);
	if (text.n > 0 && text.p[0] == '.') {
		n = digits(lt_bytes_skip(text, 1));
		if (n == 0)
			return false;
		text = lt_bytes_skip(text, 1 + n);
	}
	if (text.n > 0 && (text.p[0] | 0x20) == 'e') {
		text = lt_bytes_skip(text, 1);
		text = lt_bytes_skip(text, text.n > 0 && (text.p[0] == '-' || text.p[0] == '+'));
		n = digits(text);
		if (n == 0)
			return false;
		text = lt_bytes_skip(text, n);
	}
	return text.n == 0;
}

/* The beginning of a number too long to be kept: its characters are looked at, not their order. */
static bool begins_number(struct lt_bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!memchr("0123456789+-.eE", text.p[i], 15))
			return false;
	}
	return true;
}

static bool is_word(struct lt_bytes text, const char *word, size_t n)
{
	return text.n == n && memcmp(text.p, word, n) == 0;
}

static bool scalar_ends(struct lt_json_scan *s, struct lt_bytes text, bool cut)
{
	struct lt_json_hit hit = {.type = LT_JSON_NUMBER, .cut = cut};

	if (is_word(text, "null", 4))
		hit.type = LT_JSON_NULL;
	else if (is_word(text, "true", 4))
		hit.type = LT_JSON_TRUE;
	else if (is_word(text, "false", 5))
		hit.type = LT_JSON_FALSE;
	else if (cut ? !begins_number(text) : !is_number(text))
		return false;
	else
		hit.text = text;
	report(s, &s->value, &hit);
	value_ends(s);
	return true;
}

/* Behind the characters that numbers and literals are made of. */
static const uint8_t *scalar_end(const uint8_t *p, const uint8_t *end)
{
	while (p < end && ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') ||
			   *p == '-' || *p == '+' || *p == '.'))
		p++;
	return p;
}

static const uint8_t *scalar(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *stop = scalar_end(p, end);
	struct lt_bytes text = lt_bytes(p, (size_t)(stop - p));
	bool cut;

	if (stop < end) {
		text = lt_json_text_clip(text, &cut);
		return scalar_ends(s, text, cut) ? stop : NULL;
	}
	lt_json_text_begin(&s->text);
	lt_json_text_put(&s->text, text);
	s->state = IN_SCALAR;
	return end;
}

/* Whether some path goes on below this value. */
static bool goes_on(const struct lt_json_scan *s, bool array)
{
	for (unsigned i = 0; i < s->value.n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[s->value.node[i]];

		if (array ? node->any || node->first_index : node->first_member)
			return true;
	}
	return false;
}

static const uint8_t *begin_container(struct lt_json_scan *s, const uint8_t *p)
{
	bool array = *p == '[';
	struct lt_json_hit hit = {.type = array ? LT_JSON_ARRAY : LT_JSON_OBJECT};
	struct frame *f;

	hit.at = offset(s, p);
	report(s, &s->value, &hit);
	/* Its end is reported as well, so a container at a path is walked even if no path lies
	 * below. */
	if ((!s->value.wanted && !goes_on(s, array)) || s->depth == FRAMES) {
		s->state = IN_SKIP;
		s->skip_depth = 1;
		return p + 1;
	}
	f = &s->frames[s->depth++];
	f->array = array;
	f->index = 0;
	lt_json_set_copy(&f->set, &s->value);
	s->state = array ? FIRST_VALUE : FIRST_KEY;
	if (array)
		lt_json_set_element(s->paths, &f->set, 0, &s->value);
	return p + 1;
}

static const uint8_t *end_container(struct lt_json_scan *s, const uint8_t *p)
{
	struct lt_json_hit hit = {.type = LT_JSON_END};
	struct frame *f;

	if (s->depth == 0 || *p != (s->frames[s->depth - 1].array ? ']' : '}'))
		return NULL;
	f = &s->frames[--s->depth];
	hit.at = offset(s, p);
	report(s, &f->set, &hit);
	value_ends(s);
	return p + 1;
}

static const uint8_t *value(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	if (*p == '"')
		return string(s, p + 1, end);
	return *p == '{' || *p == '[' ? begin_container(s, p) : scalar(s, p, end);
}

/* Behind a key's opening quote. */
static const uint8_t *key(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *stop = lt_json_find_quote(p, end);

	if (stop == end || *stop != '"') {
		lt_json_text_begin(&s->text);
		s->state = IN_KEY;
		return p;
	}
	lt_json_set_member(s->paths, &s->frames[s->depth - 1].set, lt_bytes(p, (size_t)(stop - p)),
			   (size_t)(end - p), &s->value);
	if (end - stop > 2 && stop[1] == ':' && !is_space(stop[2]))
		return value(s, stop + 2, end); /* as nearly every document has it */
	s->state = COLON;
	return stop + 1;
}

static const uint8_t *next(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	struct frame *f = &s->frames[s->depth - 1];

	if (*p != ',')
		return end_container(s, p);
	if (f->array) {
		s->state = VALUE;
		lt_json_set_element(s->paths, &f->set, ++f->index, &s->value);
		return p + 1;
	}
	if (end - p > 1 && p[1] == '"')
		return key(s, p + 2, end); /* as nearly every document has it */
	s->state = KEY;
	return p + 1;
}

/* ---- the walk ---- */

/* What begins at a byte that is no white space. Compares rather than a switch: its indirect jump
 * costs more than all of them, as it is hardly ever foretold. */
static const uint8_t *token(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	if (s->state == NEXT)
		return next(s, p, end);
	if (s->state == VALUE)
		return value(s, p, end);
	if (s->state == FIRST_KEY || s->state == KEY) {
		if (*p == '"')
			return key(s, p + 1, end);
		return s->state == FIRST_KEY && *p == '}' ? end_container(s, p) : NULL;
	}
	if (s->state == FIRST_VALUE)
		return *p == ']' ? end_container(s, p) : value(s, p, end);
	if (s->state == DONE || *p != ':')
		return NULL;
	s->state = VALUE;
	return p + 1;
}

/* A string or key that the last input ended in, or that has escapes. */
static const uint8_t *gather(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	struct lt_json_hit hit = {.type = LT_JSON_STRING};
	struct lt_bytes text;
	const uint8_t *after;

	if (lt_json_text_gather(&s->text, p, end, &after) < 0)
		return NULL;
	if (!after)
		return end;
	text = lt_json_text_view(&s->text);
	if (s->state == IN_KEY) {
		/* No path's name is as long as a key that was cut. */
		if (s->text.cut)
			text = lt_bytes(s->text.bytes, LT_JSON_TEXT_MAX);
		lt_json_set_member(s->paths, &s->frames[s->depth - 1].set, text,
				   sizeof(s->text.bytes), &s->value);
		s->state = COLON;
		return after;
	}
	hit.text = text;
	hit.cut = s->text.cut;
	hit.characters = s->text.characters;
	report(s, &s->value, &hit);
	value_ends(s);
	return after;
}

/* The same for a number or literal. */
static const uint8_t *gather_scalar(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *stop = scalar_end(p, end);

	lt_json_text_put(&s->text, lt_bytes(p, (size_t)(stop - p)));
	if (stop == end)
		return end;
	return scalar_ends(s, lt_json_text_view(&s->text), s->text.cut) ? stop : NULL;
}

static const uint8_t *go_on(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	switch ((enum state)s->state) {
	case IN_KEY:
	case IN_STRING:
		return gather(s, p, end);
	case IN_SCALAR:
		return gather_scalar(s, p, end);
	case IN_SKIP_STRING:
		p = skip_string(s, p, end);
		if (!p)
			return end;
		value_ends(s);
		return p;
	case IN_SKIP:
	case IN_SKIP_INNER:
		return skip_container(s, p, end);
	default:
		return NULL; /* FAILED */
	}
}

static const uint8_t *step(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	if (s->state >= IN_KEY)
		return go_on(s, p, end);
	return is_space(*p) ? p + 1 : token(s, p, end);
}

int lt_json_scan_feed(struct lt_json_scan *s, struct lt_bytes in)
{
	const uint8_t *p = in.p, *end = in.p + in.n;

	if (s->state == FAILED)
		return -EBADMSG;
	s->input = in.p;
	while (p && p < end)
		p = step(s, p, end);
	s->before += in.n;
	if (p == end)
		return 0;
	s->state = FAILED;
	return -EBADMSG;
}

int lt_json_scan_document(struct lt_json_scan *s, struct lt_bytes in, size_t *ret_used)
{
	const uint8_t *p = in.p, *end = in.p + in.n;

	if (s->state == FAILED)
		return -EBADMSG;
	s->input = in.p;
	while (p && p < end && s->state != DONE)
		p = step(s, p, end);
	s->before += in.n;
	if (!p) {
		s->state = FAILED;
		return -EBADMSG;
	}
	*ret_used = (size_t)(p - in.p);
	return 0;
}

int lt_json_scan_finish(struct lt_json_scan *s)
{
	/* A number at the root ends with the document. */
	if (s->state == IN_SCALAR && s->depth == 0 &&
	    !scalar_ends(s, lt_json_text_view(&s->text), s->text.cut))
		s->state = FAILED;
	if (s->state == DONE)
		return 0;
	return s->state == VALUE && s->depth == 0 ? -ENODATA : -EBADMSG;
}
