// SPDX-License-Identifier: Apache-2.0
/*
 * One loop over the input, one state for each place where the input may end. Two things make it
 * fast: a value under which no path lies is skipped by looking for quotes and brackets alone,
 * sixteen bytes at a time; and a member name that lies whole in the input is compared in place.
 *
 * In skipped values only strings and the balance of brackets are checked; in walked ones the
 * grammar is.
 */
#include <errno.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "userspace/base/alloc.h"
#include "userspace/base/json_paths.h"

enum { ACTIVE_MAX = 4, FRAMES = LT_JSON_SEGMENTS_MAX + 2 };

enum state {
	VALUE,	     /* a value must come */
	FIRST_VALUE, /* a value or ']' */
	FIRST_KEY,   /* a key or '}' */
	KEY,	     /* a key must come */
	COLON,
	NEXT, /* ',' or the container's end */
	IN_KEY,
	IN_STRING, /* wanted: gathered */
	IN_SKIP_STRING,
	IN_SCALAR,     /* number or literal */
	IN_SKIP,       /* a container under which no path lies */
	IN_SKIP_INNER, /* a string in it */
	DONE,
	FAILED,
};

/* The nodes of the trie that match one value. */
struct set {
	uint16_t n;
	uint16_t node[ACTIVE_MAX];
};

struct frame {
	bool array;
	uint32_t index;
	struct set set;
};

struct lt_json_scan {
	const struct lt_json_paths *paths;
	struct lt_json_sink sink;
	uint8_t state;
	bool escape; /* the last byte of a string was a backslash */
	bool cut;
	bool wanted;	  /* the scalar being read is at a path */
	uint8_t hex_left; /* digits of \uXXXX still to come */
	uint16_t hex;
	uint16_t high;	/* first half of a surrogate pair */
	uint16_t depth; /* frames in use */
	uint32_t skip_depth;
	uint32_t text_n;
	struct set value; /* of the value that comes or is being read */
	struct frame frames[FRAMES];
	uint8_t text[LT_JSON_TEXT_MAX];
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
		explicit_bzero(scan->text, sizeof(scan->text));
	lt_free(scan);
	return NULL;
}

void lt_json_scan_reset(struct lt_json_scan *s)
{
	s->state = VALUE;
	s->escape = false;
	s->hex_left = 0;
	s->high = 0;
	s->depth = 0;
	s->skip_depth = 0;
	s->text_n = 0;
	s->value = (struct set){.n = 1};
}

bool lt_json_scan_done(const struct lt_json_scan *s)
{
	return s->state == DONE;
}

/* ---- the path set ---- */

static void report(struct lt_json_scan *s, const struct set *set, enum lt_json_type type,
		   struct lt_bytes text)
{
	for (unsigned i = 0; i < set->n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[set->node[i]];

		for (unsigned h = 0; h < node->hit_count; h++) {
			struct lt_json_hit hit = {
				.path = s->paths->hits[node->first_hit + h],
				.type = type,
				.text = text,
				.cut = s->cut,
			};

			s->sink.hit(s->sink.arg, &hit);
		}
	}
}

static bool has_hits(const struct lt_json_scan *s, const struct set *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		if (s->paths->nodes[set->node[i]].hit_count > 0)
			return true;
	}
	return false;
}

/* Whether some path goes on below this value. */
static bool goes_on(const struct lt_json_scan *s, const struct set *set, bool array)
{
	for (unsigned i = 0; i < set->n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[set->node[i]];

		if (array ? node->any || node->first_index : node->first_member)
			return true;
	}
	return false;
}

static void add(struct set *set, uint16_t node)
{
	if (node && set->n < ACTIVE_MAX)
		set->node[set->n++] = node;
}

static void enter_element(struct lt_json_scan *s)
{
	struct frame *f = &s->frames[s->depth - 1];

	s->value.n = 0;
	for (unsigned i = 0; i < f->set.n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[f->set.node[i]];
		uint16_t child = node->first_index;

		add(&s->value, node->any);
		while (child && s->paths->nodes[child].index != f->index)
			child = s->paths->nodes[child].next;
		add(&s->value, child);
	}
}

static void enter_member(struct lt_json_scan *s, const uint8_t *name, size_t n)
{
	const struct frame *f = &s->frames[s->depth - 1];

	s->value.n = 0;
	for (unsigned i = 0; i < f->set.n; i++) {
		uint16_t child = s->paths->nodes[f->set.node[i]].first_member;

		for (; child; child = s->paths->nodes[child].next) {
			const struct lt_json_node *node = &s->paths->nodes[child];

			if (node->name_n == n && memcmp(node->name, name, n) == 0) {
				add(&s->value, child);
				break;
			}
		}
	}
}

/* ---- strings ---- */

/* The next quote or backslash at or after @p, @end when there is none. */
static const uint8_t *find_quote(const uint8_t *p, const uint8_t *end)
{
#if defined(__SSE2__)
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
		int mask = _mm_movemask_epi8(hit);

		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* The next quote or bracket at or after @p. */
static const uint8_t *find_structure(const uint8_t *p, const uint8_t *end)
{
#if defined(__SSE2__)
	/* '[' and '{', ']' and '}' differ in one bit only: with it set both pairs are one compare
	 * each. */
	const __m128i bit = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"');
	const __m128i opens = _mm_set1_epi8('{'), closes = _mm_set1_epi8('}');

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i lower = _mm_or_si128(v, bit);
		__m128i hit = _mm_or_si128(
			_mm_cmpeq_epi8(v, quote),
			_mm_or_si128(_mm_cmpeq_epi8(lower, opens), _mm_cmpeq_epi8(lower, closes)));
		int mask = _mm_movemask_epi8(hit);

		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && *p != '"' && *p != '{' && *p != '}' && *p != '[' && *p != ']')
		p++;
	return p;
}

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
		p = find_quote(p, end);
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

static void put_text(struct lt_json_scan *s, const uint8_t *p, size_t n)
{
	size_t room = LT_JSON_TEXT_MAX - s->text_n;

	if (s->cut)
		return;
	s->cut = n > room;
	n = s->cut ? room : n;
	memcpy(s->text + s->text_n, p, n);
	s->text_n += (uint32_t)n;
}

/* The gathered text; a character that the ceiling cut in two is left out. */
static struct lt_bytes gathered(const struct lt_json_scan *s)
{
	size_t n = s->text_n, tail = 0;
	uint8_t lead;

	while (s->cut && tail < 4 && tail < n && (s->text[n - 1 - tail] & 0xc0) == 0x80)
		tail++;
	if (!s->cut || tail == n)
		return lt_bytes(s->text, n);
	lead = s->text[n - 1 - tail];
	if (lead >= 0xc0 && tail + 1 < (lead >= 0xf0 ? 4U : lead >= 0xe0 ? 3U : 2U))
		n -= tail + 1;
	return lt_bytes(s->text, n);
}

static void put_code_point(struct lt_json_scan *s, uint32_t c)
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
	if (s->cut || s->text_n + n > LT_JSON_TEXT_MAX) {
		s->cut = true;
		return;
	}
	memcpy(s->text + s->text_n, b, n);
	s->text_n += (uint32_t)n;
}

/* A first half of a pair that no second half followed. */
static void settle_high(struct lt_json_scan *s)
{
	if (s->high)
		put_code_point(s, 0xfffd);
	s->high = 0;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_hex(struct lt_json_scan *s, uint8_t c)
{
	int value = hex_value(c);

	if (value < 0)
		return -EBADMSG;
	s->hex = (uint16_t)(s->hex << 4 | value);
	if (--s->hex_left > 0)
		return 0;
	if (s->hex >= 0xd800 && s->hex < 0xdc00) {
		settle_high(s);
		s->high = s->hex;
	} else if (s->hex >= 0xdc00 && s->hex < 0xe000) {
		if (s->high)
			put_code_point(s, 0x10000 + ((uint32_t)(s->high - 0xd800) << 10) +
						  (s->hex - 0xdc00U));
		else
			put_code_point(s, 0xfffd);
		s->high = 0;
	} else {
		settle_high(s);
		put_code_point(s, s->hex);
	}
	return 0;
}

/* The byte behind a backslash. */
static int take_escape(struct lt_json_scan *s, uint8_t c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c ? strchr(from, c) : NULL;

	s->escape = false;
	if (c == 'u') {
		s->hex_left = 4;
		s->hex = 0;
		return 0;
	}
	settle_high(s);
	if (!at)
		return -EBADMSG;
	put_text(s, (const uint8_t *)&to[at - from], 1);
	return 0;
}

/* Goes on inside a string that is gathered (wanted, or a key with escapes or a split). *@ret:
 * behind its quote, or NULL. */
static int gather_string(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end,
			 const uint8_t **ret)
{
	*ret = NULL;
	while (p < end) {
		const uint8_t *stop;
		int r = 0;

		if (s->hex_left > 0) {
			r = take_hex(s, *p++);
		} else if (s->escape) {
			r = take_escape(s, *p++);
		} else {
			stop = find_quote(p, end);
			if (stop > p) {
				settle_high(s);
				put_text(s, p, (size_t)(stop - p));
			}
			if (stop == end)
				return 0;
			if (*stop == '"') {
				settle_high(s);
				*ret = stop + 1;
				return 0;
			}
			s->escape = true;
			p = stop + 1;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the walk ---- */

static void value_ends(struct lt_json_scan *s)
{
	s->state = s->depth == 0 ? DONE : NEXT;
}

static void begin_text(struct lt_json_scan *s)
{
	s->text_n = 0;
	s->cut = false;
	s->escape = false;
	s->high = 0;
	s->hex_left = 0;
}

static int begin_container(struct lt_json_scan *s, bool array)
{
	if (s->value.n > 0) {
		s->cut = false;
		report(s, &s->value, array ? LT_JSON_ARRAY : LT_JSON_OBJECT, lt_bytes(NULL, 0));
	}
	/* Its end is reported as well, so a container at a path is walked even if no path lies
	 * below. */
	if ((!has_hits(s, &s->value) && !goes_on(s, &s->value, array)) || s->depth == FRAMES) {
		s->state = IN_SKIP;
		s->skip_depth = 1;
		return 0;
	}
	s->frames[s->depth++] = (struct frame){.array = array, .set = s->value};
	s->state = array ? FIRST_VALUE : FIRST_KEY;
	if (array)
		enter_element(s);
	return 0;
}

static int end_container(struct lt_json_scan *s, bool array)
{
	struct frame *f;

	if (s->depth == 0 || s->frames[s->depth - 1].array != array)
		return -EBADMSG;
	f = &s->frames[--s->depth];
	s->cut = false;
	report(s, &f->set, LT_JSON_END, lt_bytes(NULL, 0));
	value_ends(s);
	return 0;
}

static int begin_value(struct lt_json_scan *s, uint8_t c)
{
	if (c == '{' || c == '[')
		return begin_container(s, c == '[');
	s->wanted = s->value.n > 0 && has_hits(s, &s->value);
	begin_text(s);
	if (c == '"') {
		s->state = s->wanted ? IN_STRING : IN_SKIP_STRING;
		return 0;
	}
	if (c != '-' && !(c >= '0' && c <= '9') && c != 't' && c != 'f' && c != 'n')
		return -EBADMSG;
	s->text[0] = c;
	s->text_n = 1;
	s->state = IN_SCALAR;
	return 0;
}

static bool is_number(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!((p[i] >= '0' && p[i] <= '9') || p[i] == '-' || p[i] == '+' || p[i] == '.' ||
		      p[i] == 'e' || p[i] == 'E'))
			return false;
	}
	return n > 0 && p[n - 1] >= '0' && p[n - 1] <= '9';
}

static int scalar_ends(struct lt_json_scan *s)
{
	struct lt_bytes text = lt_bytes(s->text, s->text_n);
	enum lt_json_type type = LT_JSON_NUMBER;

	if (lt_bytes_is(text, "true"))
		type = LT_JSON_TRUE;
	else if (lt_bytes_is(text, "false"))
		type = LT_JSON_FALSE;
	else if (lt_bytes_is(text, "null"))
		type = LT_JSON_NULL;
	else if (!s->cut && !is_number(text.p, text.n))
		return -EBADMSG;
	if (s->wanted)
		report(s, &s->value, type, type == LT_JSON_NUMBER ? text : lt_bytes(NULL, 0));
	value_ends(s);
	return 0;
}

static bool ends_scalar(uint8_t c)
{
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const uint8_t *gather_scalar(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *from = p;

	while (p < end && !ends_scalar(*p))
		p++;
	put_text(s, from, (size_t)(p - from));
	return p;
}

/* A container that nobody wants: depth and strings. NULL when the input ends first. */
static const uint8_t *skip_container(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end,
				     int *ret_error)
{
	if (s->state == IN_SKIP_INNER) {
		p = skip_string(s, p, end);
		if (!p)
			return NULL;
		s->state = IN_SKIP;
	}
	for (;;) {
		p = find_structure(p, end);
		if (p == end)
			return NULL;
		if (*p == '"') {
			s->escape = false;
			p = skip_string(s, p + 1, end);
			if (!p) {
				s->state = IN_SKIP_INNER;
				return NULL;
			}
			continue;
		}
		if (*p == '{' || *p == '[') {
			if (++s->skip_depth > LT_JSON_DEPTH_MAX) {
				*ret_error = -EBADMSG;
				return NULL;
			}
		} else if (--s->skip_depth == 0) {
			return p + 1;
		}
		p++;
	}
}

/* Behind a key's opening quote. A key that lies whole in the input and has no escape is compared in
 * place. */
static int begin_key(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end,
		     const uint8_t **ret)
{
	const uint8_t *stop = find_quote(p, end);

	if (stop < end && *stop == '"') {
		enter_member(s, p, (size_t)(stop - p));
		s->state = COLON;
		*ret = stop + 1;
		return 0;
	}
	begin_text(s);
	s->state = IN_KEY;
	*ret = p;
	return 0;
}

/* What a token in progress makes of the next bytes. *@ret: where to go on, NULL when the input is
 * used up. */
static int go_on(struct lt_json_scan *s, const uint8_t *p, const uint8_t *end, const uint8_t **ret)
{
	int r = 0;

	switch ((enum state)s->state) {
	case IN_SKIP:
	case IN_SKIP_INNER:
		*ret = skip_container(s, p, end, &r);
		if (*ret)
			value_ends(s);
		return r;
	case IN_SKIP_STRING:
		*ret = skip_string(s, p, end);
		if (*ret)
			value_ends(s);
		return 0;
	case IN_STRING:
		r = gather_string(s, p, end, ret);
		if (r == 0 && *ret) {
			report(s, &s->value, LT_JSON_STRING, gathered(s));
			value_ends(s);
		}
		return r;
	case IN_KEY:
		r = gather_string(s, p, end, ret);
		if (r == 0 && *ret) {
			enter_member(s, s->text, s->cut ? SIZE_MAX : s->text_n);
			s->state = COLON;
		}
		return r;
	default:
		*ret = gather_scalar(s, p, end);
		if (*ret < end)
			r = scalar_ends(s);
		return r;
	}
}

/* One byte between tokens. */
static int punctuation(struct lt_json_scan *s, uint8_t c)
{
	struct frame *f = s->depth > 0 ? &s->frames[s->depth - 1] : NULL;

	switch ((enum state)s->state) {
	case FIRST_VALUE:
		if (c == ']')
			return end_container(s, true);
		return begin_value(s, c);
	case VALUE:
		return begin_value(s, c);
	case FIRST_KEY:
		return c == '}' ? end_container(s, false) : -EBADMSG;
	case COLON:
		s->state = VALUE;
		return c == ':' ? 0 : -EBADMSG;
	case NEXT:
		if (c != ',')
			return c == '}' || c == ']' ? end_container(s, c == ']') : -EBADMSG;
		s->state = f->array ? VALUE : KEY;
		if (f->array) {
			f->index++;
			enter_element(s);
		}
		return 0;
	default:
		return -EBADMSG; /* KEY without a quote; bytes behind the root value */
	}
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

int lt_json_scan_feed(struct lt_json_scan *s, struct lt_bytes in)
{
	const uint8_t *p = in.p, *end = in.p + in.n;
	int r = 0;

	if (s->state == FAILED)
		return -EBADMSG;
	while (r == 0 && p < end) {
		if (s->state >= IN_KEY && s->state < DONE) {
			const uint8_t *next = NULL;

			r = go_on(s, p, end, &next);
			if (!next)
				break;
			p = next;
		} else if (is_space(*p)) {
			p++;
		} else if (*p == '"' && (s->state == FIRST_KEY || s->state == KEY)) {
			r = begin_key(s, p + 1, end, &p);
		} else {
			r = punctuation(s, *p++);
		}
	}
	if (r < 0)
		s->state = FAILED;
	return r;
}

int lt_json_scan_finish(struct lt_json_scan *s)
{
	/* A number at the root ends with the document. */
	if (s->state == IN_SCALAR && s->depth == 0 && scalar_ends(s) < 0)
		s->state = FAILED;
	if (s->state == DONE)
		return 0;
	return s->state == VALUE && s->depth == 0 ? -ENODATA : -EBADMSG;
}
