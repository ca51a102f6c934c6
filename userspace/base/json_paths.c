// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/json_paths.h"

#include <errno.h>

#include "userspace/base/alloc.h"

struct segment {
	enum { MEMBER, ANY, INDEX } kind;
	char name[LT_JSON_NAME_MAX];
	size_t name_n;
	uint32_t index;
};

/* "[]" or "[12]" off the front of *@text. */
static int parse_bracket(const char **text, struct segment *ret)
{
	const char *p = *text + 1;
	uint64_t index = 0;

	ret->kind = *p == ']' ? ANY : INDEX;
	while (*p >= '0' && *p <= '9' && index < 1000000)
		index = index * 10 + (uint64_t)(*p++ - '0');
	if (*p != ']')
		return -EINVAL;
	ret->index = (uint32_t)index;
	*text = p + 1;
	return 0;
}

/* name or "quoted name" off the front of *@text. */
static int parse_name(const char **text, struct segment *ret)
{
	const char *p = *text;
	bool quoted = *p == '"';
	size_t n;

	ret->kind = MEMBER;
	p += quoted;
	n = quoted ? strcspn(p, "\"") : strcspn(p, ".[\"");
	if (n == 0 || n > LT_JSON_NAME_MAX || (quoted && p[n] != '"'))
		return -EINVAL;
	memcpy(ret->name, p, n);
	ret->name_n = n;
	*text = p + n + quoted;
	return 0;
}

static int parse_segment(const char **text, bool first, struct segment *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (**text == '[')
		return parse_bracket(text, ret);
	if (!first) {
		if (**text != '.')
			return -EINVAL;
		(*text)++;
	}
	return parse_name(text, ret);
}

static bool fits(const struct lt_json_node *node, const struct segment *s)
{
	return s->kind == MEMBER
		       ? node->name_n == s->name_n && memcmp(node->name, s->name, s->name_n) == 0
		       : node->index == s->index;
}

/* The child of @at for @s, made when it is not there. 0: the set is too large. */
static uint16_t child(struct lt_json_paths *t, size_t *nodes, uint16_t at, const struct segment *s)
{
	struct lt_json_node *parent = &t->nodes[at];
	uint16_t *slot = s->kind == MEMBER ? &parent->first_member
			 : s->kind == ANY  ? &parent->any
					   : &parent->first_index;
	struct lt_json_node *node;

	while (*slot && s->kind != ANY && !fits(&t->nodes[*slot], s))
		slot = &t->nodes[*slot].next;
	if (*slot)
		return *slot;
	if (*nodes == LT_JSON_NODES_MAX)
		return 0;
	*slot = (uint16_t)(*nodes)++;
	node = &t->nodes[*slot];
	node->name_n = (uint16_t)s->name_n;
	node->index = s->index;
	memcpy(node->name, s->name, s->name_n);
	return *slot;
}

static int add_path(struct lt_json_paths *t, size_t *nodes, const char *text, uint16_t *ret)
{
	uint16_t at = 0;

	for (unsigned n = 0; *text; n++) {
		struct segment s;

		if (n == LT_JSON_SEGMENTS_MAX || parse_segment(&text, n == 0, &s) < 0)
			return -EINVAL;
		at = child(t, nodes, at, &s);
		if (at == 0)
			return -EINVAL;
	}
	*ret = at;
	return 0;
}

/* Puts the numbers of the paths that end at one node side by side. */
static void group_hits(struct lt_json_paths *t, size_t nodes)
{
	uint16_t at = 0;

	for (size_t node = 0; node < nodes; node++) {
		t->nodes[node].first_hit = at;
		for (size_t path = 0; path < t->count; path++) {
			if (t->node_of[path] == node)
				t->hits[at++] = (uint16_t)path;
		}
		t->nodes[node].hit_count = (uint16_t)(at - t->nodes[node].first_hit);
	}
}

int lt_json_paths_new(const char *const *paths, size_t count, struct lt_json_paths **ret,
		      size_t *ret_bad)
{
	lt_defer(lt_json_paths_freep)
	struct lt_json_paths *t = lt_calloc(1, sizeof(*t));
	size_t nodes = 1;

	if (!t)
		return -ENOMEM;
	if (count > LT_JSON_PATHS_MAX) {
		*ret_bad = LT_JSON_PATHS_MAX;
		return -EINVAL;
	}
	t->count = count;
	for (size_t i = 0; i < count; i++) {
		if (add_path(t, &nodes, paths[i], &t->node_of[i]) < 0) {
			*ret_bad = i;
			return -EINVAL;
		}
	}
	group_hits(t, nodes);
	*ret = lt_take(t);
	return 0;
}

struct lt_json_paths *lt_json_paths_free(struct lt_json_paths *paths)
{
	lt_free(paths);
	return NULL;
}
