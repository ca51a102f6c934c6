// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/rule_value.h"

#include <errno.h>
#include <stdio.h>

#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"

enum { PARTS_MAX = 8 };

struct part {
	bool literal;
	size_t from, n; /* of a literal: in text[] */
	unsigned fact;
};

struct lt_rule_value {
	struct part parts[PARTS_MAX];
	size_t count;
	char text[]; /* the whole, with its references */
};

static int refuse(const char **ret_wrong, const char *why)
{
	*ret_wrong = why;
	return -EINVAL;
}

static int find_reference(struct lt_bytes name, const struct lt_fact_finder *finder, unsigned *ret,
			  const char **ret_wrong)
{
	int r = finder->find(finder->arg, name, ret, ret_wrong);

	if (r == 0 && *ret == LT_FACT_COMMAND)
		return refuse(ret_wrong, "command can be matched, but is never stored");
	return r;
}

static int check_literal(struct lt_bytes text, size_t *total, const char **ret_wrong)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < ' ' || text.p[i] == 0x7f)
			return refuse(ret_wrong, "control characters are not allowed");
	}
	*total += text.n;
	if (*total >= LT_DIMENSION_SIZE)
		return refuse(ret_wrong, "longer than 63 bytes");
	return 0;
}

/* Splits v->text into its parts. */
static int split(struct lt_rule_value *v, const struct lt_fact_finder *finder,
		 const char **ret_wrong)
{
	size_t at = 0, literal = 0;
	int r;

	while (v->text[at]) {
		const char *open = strstr(v->text + at, "${");
		const char *end = open ? strchr(open, '}') : NULL;
		struct part part = {.literal = open != v->text + at, .from = at};

		if (open && !end)
			return refuse(ret_wrong, "'${' without its '}'");
		if (v->count == PARTS_MAX)
			return refuse(ret_wrong, "too many ${} in one value");
		if (!part.literal) {
			open += 2;
			r = find_reference(lt_bytes(open, (size_t)(end - open)), finder, &part.fact,
					   ret_wrong);
			at = (size_t)(end + 1 - v->text);
		} else {
			part.n = open ? (size_t)(open - v->text) - at : strlen(v->text + at);
			r = check_literal(lt_bytes(v->text + at, part.n), &literal, ret_wrong);
			at += part.n;
		}
		if (r < 0)
			return r;
		v->parts[v->count++] = part;
	}
	return 0;
}

int lt_rule_value_new(const char *text, const struct lt_fact_finder *finder,
		      struct lt_rule_value **ret, const char **ret_wrong)
{
	size_t n = strlen(text);
	lt_defer(lt_rule_value_freep)
	struct lt_rule_value *v = lt_calloc(1, sizeof(*v) + n + 1);
	int r;

	if (!v)
		return -ENOMEM;
	memcpy(v->text, text, n);
	r = split(v, finder, ret_wrong);
	if (r < 0)
		return r;
	*ret = lt_take(v);
	return 0;
}

struct lt_rule_value *lt_rule_value_free(struct lt_rule_value *value)
{
	lt_free(value);
	return NULL;
}

bool lt_rule_value_reads(const struct lt_rule_value *value, unsigned i, unsigned *ret_fact)
{
	for (size_t k = 0; k < value->count; k++) {
		if (value->parts[k].literal || i-- > 0)
			continue;
		*ret_fact = value->parts[k].fact;
		return true;
	}
	return false;
}

/* @number: room for a uid. */
static const char *text_of(unsigned fact, const struct lt_facts *f, char number[16])
{
	if (fact >= LT_FACT_NAMED)
		return f->named[fact - LT_FACT_NAMED];
	if (fact == LT_FACT_PARENT)
		return f->parent_count > 0 ? f->parents[0] : NULL;
	if (fact != LT_FACT_UID)
		return f->text[fact];
	snprintf(number, 16, "%u", f->uid);
	return f->uid_known ? number : NULL;
}

/* Appends @text without the blanks around it. False when nothing is left of it. */
static bool append_fact(char *to, size_t *n, const char *text)
{
	size_t length;

	if (!text)
		return false;
	text += strspn(text, " \t\r\n");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r\n", text[length - 1]))
		length--;
	for (size_t i = 0; i < length && *n < LT_DIMENSION_SIZE - 1; i++)
		to[(*n)++] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '_';
	return length > 0;
}

static void append_literal(char *to, size_t *n, const char *text, size_t length)
{
	size_t left = LT_DIMENSION_SIZE - 1 - *n;

	/* A cut goes before a character, never through it. */
	if (length > left) {
		length = left;
		while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(to + *n, text, length);
	*n += length;
}

bool lt_rule_value_expand(const struct lt_rule_value *value, const struct lt_facts *facts,
			  char to[LT_DIMENSION_SIZE])
{
	char number[16];
	size_t n = 0;

	for (size_t i = 0; i < value->count; i++) {
		const struct part *part = &value->parts[i];

		if (part->literal) {
			append_literal(to, &n, value->text + part->from, part->n);
		} else if (!append_fact(to, &n, text_of(part->fact, facts, number))) {
			to[0] = '\0';
			return false;
		}
	}
	to[n] = '\0';
	return n > 0;
}
