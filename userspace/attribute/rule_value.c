// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/rule_value.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"

enum { PARTS_MAX = 8 };

enum part_kind { PART_LITERAL, PART_FACT, PART_ENV };

struct part {
	enum part_kind kind;
	size_t from, n; /* LITERAL: in text[] */
	size_t fact;	/* FACT: offset in lt_rule_facts; ENV: index */
};

struct lt_rule_value {
	struct part parts[PARTS_MAX];
	size_t count;
	bool reads_env;
	char text[]; /* the whole, with its references */
};

static const struct {
	const char *name;
	size_t offset;
} references[] = {
	{"unit", offsetof(struct lt_rule_facts, unit)},
	{"comm", offsetof(struct lt_rule_facts, comm)},
	{"container_id", offsetof(struct lt_rule_facts, container_id)},
	{"pod_uid", offsetof(struct lt_rule_facts, pod_uid)},
};

static int refuse(const char **ret_wrong, const char *why)
{
	*ret_wrong = why;
	return -EINVAL;
}

static int find_reference(struct lt_bytes name, const char *const *env, size_t env_count,
			  struct part *ret, const char **ret_wrong)
{
	if (lt_bytes_starts(name, "env.")) {
		ret->kind = PART_ENV;
		for (ret->fact = 0; ret->fact < env_count; ret->fact++) {
			if (lt_bytes_is(lt_bytes_skip(name, 4), env[ret->fact]))
				return 0;
		}
		return refuse(ret_wrong, "${env.NAME} needs NAME in the list attribution.env");
	}
	ret->kind = PART_FACT;
	for (size_t i = 0; i < LT_COUNT(references); i++) {
		ret->fact = references[i].offset;
		if (lt_bytes_is(name, references[i].name))
			return 0;
	}
	return refuse(ret_wrong,
		      "${} takes env.NAME, unit, comm, container_id or pod_uid, nothing else");
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
static int split(struct lt_rule_value *v, const char *const *env, size_t env_count,
		 const char **ret_wrong)
{
	size_t at = 0, literal = 0;
	int r;

	while (v->text[at]) {
		const char *open = strstr(v->text + at, "${");
		const char *end = open ? strchr(open, '}') : NULL;
		struct part part = {.kind = PART_LITERAL, .from = at};

		if (open && !end)
			return refuse(ret_wrong, "'${' without its '}'");
		if (v->count == PARTS_MAX)
			return refuse(ret_wrong, "too many ${} in one value");
		if (open == v->text + at) {
			open += 2;
			r = find_reference(lt_bytes(open, (size_t)(end - open)), env, env_count,
					   &part, ret_wrong);
			at = (size_t)(end + 1 - v->text);
			v->reads_env |= part.kind == PART_ENV;
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

int lt_rule_value_new(const char *text, const char *const *env, size_t env_count,
		      struct lt_rule_value **ret, const char **ret_wrong)
{
	size_t n = strlen(text);
	lt_defer(lt_rule_value_freep)
	struct lt_rule_value *v = lt_calloc(1, sizeof(*v) + n + 1);
	int r;

	if (!v)
		return -ENOMEM;
	memcpy(v->text, text, n);
	r = split(v, env, env_count, ret_wrong);
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

bool lt_rule_value_reads_env(const struct lt_rule_value *value)
{
	return value->reads_env;
}

static const char *fact_of(const struct part *part, const struct lt_rule_facts *facts)
{
	const char *text;

	if (part->kind == PART_ENV)
		return facts->env[part->fact];
	memcpy(&text, (const char *)facts + part->fact, sizeof(text));
	return text;
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

bool lt_rule_value_expand(const struct lt_rule_value *value, const struct lt_rule_facts *facts,
			  char to[LT_DIMENSION_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < value->count; i++) {
		const struct part *part = &value->parts[i];

		if (part->kind == PART_LITERAL) {
			append_literal(to, &n, value->text + part->from, part->n);
		} else if (!append_fact(to, &n, fact_of(part, facts))) {
			to[0] = '\0';
			return false;
		}
	}
	to[n] = '\0';
	return n > 0;
}
