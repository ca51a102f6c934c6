// SPDX-License-Identifier: Apache-2.0
/* Built from libyaml's events rather than its documents: aliases (and with them "billion laughs")
 * never expand. */
#include "userspace/base/yaml.h"

#include <errno.h>
#include <stdarg.h>

#include <yaml.h>

#include "userspace/base/alloc.h"

enum { FILE_MAX = 4 << 20, DEPTH_MAX = 64, KEYS_MAX = 4096 };

struct lt_yaml {
	char name[256];
	struct lt_yaml_node *root;
	struct lt_yaml_node
		*nodes; /* all of them, for the end; linked by the hidden member below */
};

/* Every node is allocated with this in front. */
struct owned {
	struct owned *next;
	char *text;
	char *key;
	struct lt_yaml_node node;
};

struct build {
	yaml_parser_t parser;
	struct lt_yaml *yaml;
	struct owned *all;
	struct lt_problem *problem;
};

static int fail(struct build *b, yaml_mark_t at, const char *text)
{
	return lt_problem_at(b->problem, -EINVAL, b->yaml->name, (unsigned)at.line + 1,
			     (unsigned)at.column + 1, "%s", text);
}

static struct owned *new_node(struct build *b, enum lt_yaml_kind kind, yaml_mark_t at)
{
	struct owned *o = lt_calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->next = b->all;
	b->all = o;
	o->node.kind = kind;
	o->node.line = (unsigned)at.line + 1;
	o->node.column = (unsigned)at.column + 1;
	return o;
}

static int next_event(struct build *b, yaml_event_t *event)
{
	if (yaml_parser_parse(&b->parser, event))
		return 0;
	if (b->parser.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return fail(b, b->parser.problem_mark,
		    b->parser.problem ? b->parser.problem : "this is not YAML");
}

static bool has_anchor(const yaml_event_t *event)
{
	return (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
	       (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor) ||
	       (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor);
}

static int build_value(struct build *b, yaml_event_t *event, unsigned depth,
		       struct lt_yaml_node **ret);

static int scalar(struct build *b, const yaml_event_t *event, struct lt_yaml_node **ret)
{
	struct owned *o = new_node(b, LT_YAML_SCALAR, event->start_mark);
	const char *text = (const char *)event->data.scalar.value;

	if (!o)
		return -ENOMEM;
	if (strlen(text) != event->data.scalar.length)
		return fail(b, event->start_mark, "a text holds a NUL character");
	o->node.quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (!o->node.quoted && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
		text = "";
	o->text = lt_strdup(text);
	if (!o->text)
		return -ENOMEM;
	o->node.text = o->text;
	*ret = &o->node;
	return 0;
}

static int list(struct build *b, const yaml_event_t *event, unsigned depth,
		struct lt_yaml_node **ret)
{
	struct owned *o = new_node(b, LT_YAML_LIST, event->start_mark);
	struct lt_yaml_node **tail;
	int r = 0;

	if (!o)
		return -ENOMEM;
	tail = &o->node.child;
	while (r == 0) {
		yaml_event_t item;

		r = next_event(b, &item);
		if (r < 0)
			return r;
		if (item.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&item);
			break;
		}
		r = build_value(b, &item, depth + 1, tail);
		yaml_event_delete(&item);
		if (r == 0)
			tail = &(*tail)->next;
	}
	if (r == 0)
		*ret = &o->node;
	return r;
}

/* The node that @value lives in. */
static struct owned *owner(struct lt_yaml_node *value)
{
	return (struct owned *)((char *)value - offsetof(struct owned, node));
}

static int member(struct build *b, struct lt_yaml_node *map, yaml_event_t *key, unsigned depth,
		  struct lt_yaml_node **tail)
{
	yaml_event_t value;
	char *name;
	int r;

	if (key->type != YAML_SCALAR_EVENT)
		return fail(b, key->start_mark, "a key must be a plain text");
	if (has_anchor(key))
		return fail(b, key->start_mark, "anchors and aliases are not supported");
	if (strlen((const char *)key->data.scalar.value) != key->data.scalar.length)
		return fail(b, key->start_mark, "a text holds a NUL character");
	if (lt_yaml_get(map, (const char *)key->data.scalar.value))
		return fail(b, key->start_mark, "this key stands twice in the same map");
	r = next_event(b, &value);
	if (r < 0)
		return r;
	r = build_value(b, &value, depth + 1, tail);
	yaml_event_delete(&value);
	if (r < 0)
		return r;
	name = lt_strdup((const char *)key->data.scalar.value);
	if (!name)
		return -ENOMEM;
	owner(*tail)->key = name;
	(*tail)->key = name;
	(*tail)->key_line = (unsigned)key->start_mark.line + 1;
	(*tail)->key_column = (unsigned)key->start_mark.column + 1;
	return 0;
}

static int map(struct build *b, const yaml_event_t *event, unsigned depth,
	       struct lt_yaml_node **ret)
{
	struct owned *o = new_node(b, LT_YAML_MAP, event->start_mark);
	struct lt_yaml_node **tail;
	unsigned keys = 0;
	int r = 0;

	if (!o)
		return -ENOMEM;
	tail = &o->node.child;
	while (r == 0) {
		yaml_event_t key;

		r = next_event(b, &key);
		if (r < 0)
			return r;
		if (key.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&key);
			break;
		}
		/* Keys are compared with all before them, so their number is bounded. */
		r = ++keys > KEYS_MAX ? fail(b, key.start_mark, "more than 4096 keys in a map")
				      : member(b, &o->node, &key, depth, tail);
		yaml_event_delete(&key);
		if (r == 0)
			tail = &(*tail)->next;
	}
	if (r == 0)
		*ret = &o->node;
	return r;
}

static int build_value(struct build *b, yaml_event_t *event, unsigned depth,
		       struct lt_yaml_node **ret)
{
	if (depth >= DEPTH_MAX && event->type != YAML_SCALAR_EVENT)
		return fail(b, event->start_mark, "nested too deeply (64 levels at most)");
	if (event->type == YAML_ALIAS_EVENT || has_anchor(event))
		return fail(b, event->start_mark, "anchors and aliases are not supported");
	if (event->type == YAML_SCALAR_EVENT)
		return scalar(b, event, ret);
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return list(b, event, depth, ret);
	if (event->type == YAML_MAPPING_START_EVENT)
		return map(b, event, depth, ret);
	return fail(b, event->start_mark, "a value is missing");
}

/* Stream start, one document at most, stream end. */
static int build_document(struct build *b)
{
	bool seen = false;

	for (;;) {
		yaml_event_t event;
		int r = next_event(b, &event);
		yaml_event_type_t type;

		if (r < 0)
			return r;
		type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && seen)
			r = fail(b, event.start_mark, "only one YAML document is expected");
		else if (type == YAML_DOCUMENT_START_EVENT)
			seen = true;
		else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
			 type != YAML_DOCUMENT_END_EVENT)
			r = build_value(b, &event, 0, &b->yaml->root);
		yaml_event_delete(&event);
		if (r < 0 || type == YAML_STREAM_END_EVENT)
			return r;
	}
}

int lt_yaml_parse(struct lt_bytes text, const char *name, struct lt_yaml **ret,
		  struct lt_problem *problem)
{
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = lt_calloc(1, sizeof(*yaml));
	struct build b = {.yaml = yaml, .problem = problem};
	int r;

	if (!yaml)
		return lt_problem_set(problem, -ENOMEM, name, 0, "out of memory");
	snprintf(yaml->name, sizeof(yaml->name), "%s", name);
	if (text.n > FILE_MAX)
		return lt_problem_set(problem, -EINVAL, name, 0, "is larger than 4 MiB");
	if (!yaml_parser_initialize(&b.parser))
		return lt_problem_set(problem, -ENOMEM, name, 0, "out of memory");
	yaml_parser_set_input_string(&b.parser, text.p, text.n);
	r = build_document(&b);
	yaml_parser_delete(&b.parser);
	yaml->nodes = b.all ? &b.all->node : NULL;
	if (r == -ENOMEM)
		lt_problem_set(problem, r, name, 0, "out of memory");
	if (r < 0)
		return r;
	*ret = lt_take(yaml);
	return 0;
}

int lt_yaml_load(const char *path, struct lt_yaml **ret, struct lt_problem *problem)
{
	lt_defer(lt_fclosep)
	FILE *file = fopen(path, "re");
	lt_defer(lt_freep)
	uint8_t *text = NULL;
	size_t n;

	if (!file)
		return lt_problem_set(problem, -errno, path, 0, "cannot be opened: %s",
				      strerror(errno));
	text = lt_calloc(1, FILE_MAX + 1);
	if (!text)
		return lt_problem_set(problem, -ENOMEM, path, 0, "out of memory");
	n = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file))
		return lt_problem_set(problem, -EIO, path, 0, "cannot be read: %s",
				      strerror(errno));
	return lt_yaml_parse(lt_bytes(text, n), path, ret, problem);
}

struct lt_yaml *lt_yaml_free(struct lt_yaml *yaml)
{
	struct owned *o = yaml && yaml->nodes ? owner(yaml->nodes) : NULL;

	while (o) {
		struct owned *next = o->next;

		lt_free(o->text);
		lt_free(o->key);
		lt_free(o);
		o = next;
	}
	lt_free(yaml);
	return NULL;
}

const struct lt_yaml_node *lt_yaml_root(const struct lt_yaml *yaml)
{
	return yaml->root;
}

const char *lt_yaml_name(const struct lt_yaml *yaml)
{
	return yaml->name;
}

const struct lt_yaml_node *lt_yaml_get(const struct lt_yaml_node *map_node, const char *key)
{
	if (!map_node || map_node->kind != LT_YAML_MAP)
		return NULL;
	lt_yaml_for_each (item, map_node) {
		if (item->key && strcmp(item->key, key) == 0)
			return item;
	}
	return NULL;
}

int lt_yaml_problem(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
		    struct lt_problem *problem, const char *format, ...)
{
	char text[sizeof(problem->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return lt_problem_at(problem, -EINVAL, yaml ? yaml->name : NULL, node ? node->line : 0,
			     node ? node->column : 0, "%s", text);
}

int lt_yaml_key_problem(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
			struct lt_problem *problem, const char *format, ...)
{
	bool has_key = node && node->key_line > 0;
	char text[sizeof(problem->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!has_key)
		return lt_yaml_problem(yaml, node, problem, "%s", text);
	return lt_problem_at(problem, -EINVAL, yaml ? yaml->name : NULL, node->key_line,
			     node->key_column, "%s", text);
}

/* Edits that turn @a into @b (Levenshtein), for short words. */
static unsigned distance(const char *a, const char *b)
{
	enum { WORD = 40 };
	unsigned row[WORD + 1];
	size_t m = strlen(b);

	if (m > WORD || strlen(a) > WORD)
		return WORD;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned above = row[j];
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			best = above + 1 < best ? above + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = above;
		}
	}
	return row[m];
}

int lt_yaml_check_keys(const struct lt_yaml *yaml, const struct lt_yaml_node *map_node,
		       const char *const *known, struct lt_problem *problem)
{
	if (map_node && map_node->kind != LT_YAML_MAP)
		return lt_yaml_problem(yaml, map_node, problem,
				       "a map (key: value) is expected here");
	lt_yaml_for_each (item, map_node) {
		const char *nearest = known[0];
		size_t i = 0;

		while (known[i] && strcmp(known[i], item->key) != 0) {
			if (distance(item->key, known[i]) < distance(item->key, nearest))
				nearest = known[i];
			i++;
		}
		if (!known[i])
			return lt_yaml_key_problem(yaml, item, problem,
						   "unknown key '%s' (did you mean '%s'?)",
						   item->key, nearest ? nearest : "");
	}
	return 0;
}

static size_t count_of(const struct lt_yaml_node *node)
{
	size_t n = 0;

	lt_yaml_for_each (item, node)
		n++;
	return n;
}

bool lt_yaml_same(const struct lt_yaml_node *a, const struct lt_yaml_node *b)
{
	const struct lt_yaml_node *other = b ? b->child : NULL;

	if (!a || !b || a->kind != b->kind)
		return a == b;
	if (a->kind == LT_YAML_SCALAR)
		return strcmp(a->text, b->text) == 0;
	if (count_of(a) != count_of(b))
		return false;
	lt_yaml_for_each (item, a) {
		if (!lt_yaml_same(item, item->key ? lt_yaml_get(b, item->key) : other))
			return false;
		other = other->next;
	}
	return true;
}

bool lt_yaml_is_nothing(const struct lt_yaml_node *node)
{
	return !node || (node->kind == LT_YAML_SCALAR && !node->quoted && !node->text[0]);
}

const struct lt_yaml_node *lt_yaml_member(const struct lt_yaml_node *map, const char *key)
{
	const struct lt_yaml_node *node = lt_yaml_get(map, key);

	return lt_yaml_is_nothing(node) ? NULL : node;
}

int lt_yaml_wrong(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
		  struct lt_problem *problem, const char *expected)
{
	return lt_yaml_problem(yaml, node, problem, "%s takes %s",
			       node->key ? node->key : "this list", expected);
}

int lt_yaml_text(const struct lt_yaml *yaml, const struct lt_yaml_node *node, size_t max,
		 const char *expected, const char **ret, struct lt_problem *problem)
{
	size_t n;

	if (!node)
		return 0;
	n = node->kind == LT_YAML_SCALAR ? strlen(node->text) : 0;
	if (n == 0 || n > max)
		return lt_yaml_wrong(yaml, node, problem, expected);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)node->text[i] < ' ' || node->text[i] == 0x7f)
			return lt_yaml_wrong(yaml, node, problem, expected);
	}
	*ret = node->text;
	return 0;
}

int lt_yaml_path(const struct lt_yaml *yaml, const struct lt_yaml_node *node, const char **ret,
		 struct lt_problem *problem)
{
	enum { PATH_BYTES_MAX = 4095 };
	static const char expected[] = "an absolute path";
	const char *path = NULL;
	int r = lt_yaml_text(yaml, node, PATH_BYTES_MAX, expected, &path, problem);

	if (r < 0 || !path)
		return r;
	if (path[0] != '/')
		return lt_yaml_wrong(yaml, node, problem, expected);
	*ret = path;
	return 0;
}
