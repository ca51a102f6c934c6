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

static uint16_t find_index(const struct lt_json_paths *t, uint16_t child, uint32_t index)
{
	while (child && t->nodes[child].index != index)
		child = t->nodes[child].next;
	return child;
}

/* The child of @at for @s, made when it is not there. 0: the set is too large. */
static uint16_t child(struct lt_json_paths *t, uint16_t at, const struct segment *s)
{
	struct lt_json_node *parent = &t->nodes[at], *node;
	uint16_t *first = s->kind == MEMBER ? &parent->first_member
			  : s->kind == ANY  ? &parent->any
					    : &parent->first_index;
	uint64_t prefix = lt_json_prefix((const uint8_t *)s->name, s->name_n, sizeof(s->name));
	size_t slot = lt_json_find_slot(t, at, (const uint8_t *)s->name, s->name_n, prefix);
	uint16_t old = s->kind == MEMBER ? t->slots[slot]
		       : s->kind == ANY	 ? *first
					 : find_index(t, *first, s->index);

	if (old || t->node_count == LT_JSON_NODES_MAX)
		return old;
	node = &t->nodes[t->node_count];
	node->parent = at;
	node->next = *first;
	node->index = s->index;
	node->prefix = prefix;
	node->name_n = (uint16_t)s->name_n;
	memcpy(node->name, s->name, s->name_n);
	*first = (uint16_t)t->node_count++;
	if (s->kind == MEMBER)
		t->slots[slot] = *first;
	return *first;
}

static int add_path(struct lt_json_paths *t, const char *text, uint16_t *ret)
{
	uint16_t at = 0;

	for (unsigned n = 0; *text; n++) {
		struct segment s;

		if (n == LT_JSON_SEGMENTS_MAX || parse_segment(&text, n == 0, &s) < 0)
			return -EINVAL;
		at = child(t, at, &s);
		if (at == 0)
			return -EINVAL;
	}
	*ret = at;
	return 0;
}

static bool few_elements(const struct lt_json_paths *t, const struct lt_json_set *set);

/* Whether no value at or below @set can have more nodes than a set has room for. */
static bool few_nodes(const struct lt_json_paths *t, const struct lt_json_set *set)
{
	if (set->over)
		return false;
	for (unsigned i = 0; i < set->n; i++) {
		uint16_t at = t->nodes[set->node[i]].first_member;

		for (; at; at = t->nodes[at].next) {
			const struct lt_json_node *node = &t->nodes[at];
			struct lt_json_set below;

			lt_json_set_member(t, set, lt_bytes(node->name, node->name_n),
					   sizeof(node->name), &below);
			/* The same name below an earlier node was looked at there. */
			if (below.node[0] == at && !few_nodes(t, &below))
				return false;
		}
	}
	return few_elements(t, set);
}

/* The same for each element that a path names, and for one that none does. */
static bool few_elements(const struct lt_json_paths *t, const struct lt_json_set *set)
{
	struct lt_json_set below;
	bool any = false;

	for (unsigned i = 0; i < set->n; i++) {
		uint16_t at = t->nodes[set->node[i]].first_index;

		any |= t->nodes[set->node[i]].any != 0;
		for (; at; at = t->nodes[at].next) {
			lt_json_set_element(t, set, t->nodes[at].index, &below);
			if (!few_nodes(t, &below))
				return false;
		}
	}
	lt_json_set_element(t, set, UINT32_MAX, &below);
	return !any || few_nodes(t, &below);
}

/* Puts the numbers of the paths that end at one node side by side. */
static void group_hits(struct lt_json_paths *t)
{
	uint16_t at = 0;

	for (size_t node = 0; node < t->node_count; node++) {
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
	static const struct lt_json_set root = {.n = 1};
	lt_defer(lt_json_paths_freep)
	struct lt_json_paths *t = lt_calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	if (count > LT_JSON_PATHS_MAX) {
		*ret_bad = LT_JSON_PATHS_MAX;
		return -EINVAL;
	}
	t->count = count;
	t->node_count = 1;
	for (size_t i = 0; i < count; i++) {
		if (add_path(t, paths[i], &t->node_of[i]) < 0 || !few_nodes(t, &root)) {
			*ret_bad = i;
			return -EINVAL;
		}
	}
	group_hits(t);
	*ret = lt_take(t);
	return 0;
}

void lt_json_paths_want_text(struct lt_json_paths *t, uint32_t path)
{
	t->nodes[t->node_of[path]].flows = true;
}

size_t lt_json_paths_member(const struct lt_json_paths *t, struct lt_bytes name,
			    uint32_t *ret_paths, size_t max)
{
	static const struct lt_json_set root = {.n = 1};
	struct lt_json_set found;
	size_t count = 0;

	lt_json_set_member(t, &root, name, name.n, &found);
	for (unsigned i = 0; i < found.n; i++) {
		const struct lt_json_node *node = &t->nodes[found.node[i]];

		for (unsigned h = 0; h < node->hit_count && count < max; h++)
			ret_paths[count++] = t->hits[node->first_hit + h];
	}
	return count;
}

struct lt_json_paths *lt_json_paths_free(struct lt_json_paths *paths)
{
	lt_free(paths);
	return NULL;
}
