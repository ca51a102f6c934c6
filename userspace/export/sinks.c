// SPDX-License-Identifier: Apache-2.0
#include "userspace/export/sinks.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "userspace/base/parse.h"
#include "userspace/export/file_sink.h"

enum { NAME_BYTES_MAX = 32, PATH_BYTES_MAX = 4000, KEEP_MAX = 1000 };

#define SIZE_MIN (64ull << 10)

struct reader {
	const struct lt_yaml *yaml;
	struct lt_problem *problem;
};

static int wrong(const struct reader *r, const struct lt_yaml_node *node, const char *expected)
{
	return lt_yaml_problem(r->yaml, node, r->problem, "%s takes %s",
			       node->key ? node->key : "sinks", expected);
}

static const char *text_of(const struct lt_yaml_node *node)
{
	return node && node->kind == LT_YAML_SCALAR && node->text[0] ? node->text : NULL;
}

static int read_size(const struct reader *r, const struct lt_yaml_node *node, uint64_t *ret)
{
	if (!node)
		return 0;
	return text_of(node) && lt_parse_size(lt_bytes_str(node->text), ret) == 0 &&
			       *ret >= SIZE_MIN
		       ? 0
		       : wrong(r, node, "a size from 64K on, such as 100M");
}

static int read_keep(const struct reader *r, const struct lt_yaml_node *node, unsigned *ret)
{
	uint64_t n = 0;

	if (!node)
		return 0;
	if (!text_of(node) || lt_parse_u64(lt_bytes_str(node->text), &n) < 0 || n < 1 ||
	    n > KEEP_MAX)
		return wrong(r, node, "how many rotated files stay, from 1 to 1000");
	*ret = (unsigned)n;
	return 0;
}

static int make_file(const struct reader *r, const struct lt_yaml_node *node, const char *name,
		     struct lt_sink **ret)
{
	static const char *const keys[] = {"name", "type", "path", "max_size", "keep", NULL};
	const struct lt_yaml_node *path = lt_yaml_get(node, "path");
	struct lt_file_sink_opts opts = {.name = name, .path = text_of(path)};
	int e = lt_yaml_check_keys(r->yaml, node, keys, r->problem);

	if (e < 0)
		return e;
	if (!opts.path || opts.path[0] != '/' || strlen(opts.path) > PATH_BYTES_MAX)
		return lt_yaml_problem(r->yaml, path ? path : node, r->problem,
				       "a sink of type file takes a path that is absolute");
	e = read_size(r, lt_yaml_get(node, "max_size"), &opts.max_bytes);
	if (e == 0)
		e = read_keep(r, lt_yaml_get(node, "keep"), &opts.keep);
	return e < 0 ? e : lt_file_sink_new(&opts, ret);
}

/* To add a sink: its type and what makes it. */
static const struct {
	const char *type;
	int (*make)(const struct reader *r, const struct lt_yaml_node *node, const char *name,
		    struct lt_sink **ret);
} types[] = {
	{"file", make_file},
};

static bool is_name(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) &&
		    (i == 0 || text[i] != '-'))
			return false;
	}
	return n > 0 && n <= NAME_BYTES_MAX;
}

static int read_name(const struct reader *r, const struct lt_yaml_node *node,
		     const struct lt_sinks *before, const char **ret)
{
	const struct lt_yaml_node *name = lt_yaml_get(node, "name");

	if (!text_of(name) || !is_name(name->text))
		return lt_yaml_problem(r->yaml, name ? name : node, r->problem,
				       "a sink takes a name of lower case letters, digits and "
				       "'-', at most 32");
	for (size_t i = 0; i < before->count; i++) {
		if (strcmp(before->sink[i]->name, name->text) == 0)
			return lt_yaml_problem(r->yaml, name, r->problem,
					       "two sinks are named %s: each has its own place in "
					       "the ledger by its name",
					       name->text);
	}
	*ret = name->text;
	return 0;
}

static int make_one(const struct reader *r, const struct lt_yaml_node *node, struct lt_sinks *sinks)
{
	const struct lt_yaml_node *type = lt_yaml_get(node, "type");
	const char *name = NULL;
	int e;

	if (node->kind != LT_YAML_MAP)
		return wrong(r, node, "a list of sinks, each with name and type");
	e = read_name(r, node, sinks, &name);
	if (e < 0)
		return e;
	for (size_t i = 0; text_of(type) && i < LT_COUNT(types); i++) {
		if (strcmp(type->text, types[i].type) != 0)
			continue;
		e = types[i].make(r, node, name, &sinks->sink[sinks->count]);
		if (e == 0)
			sinks->count++;
		return e;
	}
	return lt_yaml_problem(r->yaml, type ? type : node, r->problem, "type takes: file");
}

int lt_sinks_new(const struct lt_yaml *config, const struct lt_yaml_node *section,
		 struct lt_sinks *ret, struct lt_problem *problem)
{
	const struct reader r = {config, problem};
	struct lt_sinks sinks = {.count = 0};
	int e = 0;

	if (!lt_yaml_is_nothing(section) && section->kind != LT_YAML_LIST)
		return wrong(&r, section, "a list of sinks, each with name and type");
	lt_yaml_for_each (item, section) {
		if (e == 0 && sinks.count == LT_SINKS_MAX)
			e = wrong(&r, section, "at most 16 sinks");
		if (e == 0)
			e = make_one(&r, item, &sinks);
	}
	if (e < 0) {
		lt_sinks_done(&sinks);
		return e;
	}
	*ret = sinks;
	return 0;
}

void lt_sinks_done(struct lt_sinks *sinks)
{
	for (size_t i = 0; i < sinks->count; i++)
		lt_sink_freep(&sinks->sink[i]);
	sinks->count = 0;
}
