// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/provider.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"

struct reader {
	const struct lt_yaml *yaml;
	struct lt_problem *problem;
};

static int read_text(const struct reader *r, const struct lt_yaml_node *map, const char *key,
		     bool needed, char *to, size_t size)
{
	const struct lt_yaml_node *node = lt_yaml_get(map, key);

	if (!node)
		return needed ? lt_yaml_problem(r->yaml, map, r->problem, "'%s' is missing here",
						key)
			      : 0;
	if (!node->text || strlen(node->text) >= size || (needed && !node->text[0]))
		return lt_yaml_problem(r->yaml, node, r->problem,
				       "'%s' takes a text of at most %zu characters", key,
				       size - 1);
	snprintf(to, size, "%s", node->text);
	return 0;
}

/* A list of texts into an array of @max rows of @size bytes. */
static int read_list(const struct reader *r, const struct lt_yaml_node *map, const char *key,
		     char *rows, size_t size, unsigned max, unsigned *ret_count)
{
	const struct lt_yaml_node *list = lt_yaml_get(map, key);
	unsigned count = 0;

	if (list && list->kind != LT_YAML_LIST)
		return lt_yaml_problem(r->yaml, list, r->problem, "'%s' takes a list of texts",
				       key);
	lt_yaml_for_each (item, list) {
		if (!item->text || strlen(item->text) >= size || count == max)
			return lt_yaml_problem(
				r->yaml, item, r->problem,
				"'%s' takes at most %u texts of at most %zu characters", key, max,
				size - 1);
		snprintf(rows + count++ * size, size, "%s", item->text);
	}
	*ret_count = count;
	return 0;
}

static int read_flag(const struct reader *r, const struct lt_yaml_node *map, const char *key,
		     bool *ret)
{
	char text[8] = "false";
	int e = read_text(r, map, key, false, text, sizeof(text));

	*ret = strcmp(text, "true") == 0;
	if (e == 0 && !*ret && strcmp(text, "false") != 0)
		e = lt_yaml_problem(r->yaml, lt_yaml_get(map, key), r->problem,
				    "'%s' is true or false", key);
	return e;
}

static int read_outside(const struct reader *r, const struct lt_yaml_node *list, uint32_t *bits)
{
	lt_yaml_for_each (item, list) {
		enum lt_meter meter;

		if (!item->text || lt_meter_parse(item->text, &meter) < 0)
			return lt_yaml_problem(r->yaml, item, r->problem,
					       "the name of a meter is expected");
		*bits |= 1U << meter;
	}
	return 0;
}

static int read_flags(const struct reader *r, const struct lt_yaml_node *node, struct lt_api *api)
{
	const struct {
		const char *key;
		bool *flag;
	} flags[] = {
		{"mcp", &api->mcp},
		{"free", &api->free},
		{"total_output", &api->total_output},
		{"confirm", &api->confirm},
		{"stored", &api->stored},
		{"websocket", &api->websocket},
		{"ignore", &api->ignore},
		{"cumulative", &api->cumulative},
	};
	int e = 0;

	for (size_t i = 0; e == 0 && i < LT_COUNT(flags); i++)
		e = read_flag(r, node, flags[i].key, flags[i].flag);
	return e;
}

static int read_api(const struct reader *r, const struct lt_yaml_node *node, struct lt_api *api)
{
	static const char *const known[] = {
		"api",	      "operation",    "record_type", "shape",
		"method",     "paths",	      "mcp",	     "free",
		"outside",    "confirm",      "stored",	     "tier",
		"ignore",     "websocket",    "category",    "price_provider",
		"cumulative", "total_output", NULL};
	int e = lt_yaml_check_keys(r->yaml, node, known, r->problem);

	snprintf(api->method, sizeof(api->method), "POST");
	if (e == 0)
		e = read_text(r, node, "api", true, api->name, sizeof(api->name));
	if (e == 0)
		e = read_text(r, node, "operation", true, api->operation, sizeof(api->operation));
	if (e == 0)
		e = read_text(r, node, "record_type", true, api->record_type,
			      sizeof(api->record_type));
	if (e == 0)
		e = read_text(r, node, "shape", true, api->shape_name, sizeof(api->shape_name));
	if (e == 0)
		e = read_text(r, node, "method", false, api->method, sizeof(api->method));
	if (e == 0 && !lt_yaml_get(node, "paths"))
		e = lt_yaml_problem(r->yaml, node, r->problem, "'paths' is missing here");
	if (e == 0)
		e = read_list(r, node, "paths", api->paths[0], LT_PATTERN_SIZE, LT_API_PATHS_MAX,
			      &api->path_count);
	if (e == 0)
		e = read_flags(r, node, api);
	if (e == 0)
		e = read_text(r, node, "tier", false, api->tier, sizeof(api->tier));
	if (e == 0)
		e = read_text(r, node, "category", false, api->category, sizeof(api->category));
	if (e == 0)
		e = read_text(r, node, "price_provider", false, api->price_provider,
			      sizeof(api->price_provider));
	if (e == 0)
		e = read_outside(r, lt_yaml_get(node, "outside"), &api->outside);
	return e;
}

static int read_names(const struct reader *r, const struct lt_yaml_node *root,
		      struct lt_provider *p)
{
	int e = read_text(r, root, "provider", true, p->name, sizeof(p->name));

	if (e == 0)
		e = read_text(r, root, "gen_ai_provider", true, p->gen_ai_provider,
			      sizeof(p->gen_ai_provider));
	if (e == 0)
		e = read_text(r, root, "category", true, p->category, sizeof(p->category));
	if (e == 0)
		e = read_text(r, root, "price_provider", false, p->price_provider,
			      sizeof(p->price_provider));
	if (e == 0)
		e = read_text(r, root, "like", false, p->like, sizeof(p->like));
	if (e == 0)
		e = read_flag(r, root, "confirm", &p->confirm);
	return e;
}

static int read_lists(const struct reader *r, const struct lt_yaml_node *root,
		      struct lt_provider *p)
{
	int e = read_list(r, root, "hosts", p->hosts[0], LT_PATTERN_SIZE, LT_PROVIDER_HOSTS_MAX,
			  &p->host_count);

	if (e == 0)
		e = read_list(r, root, "beside", p->beside[0], LT_WORD_SIZE, LT_BESIDE_MAX,
			      &p->beside_count);
	if (e == 0)
		e = read_list(r, root, "free_on_hit", p->free_on_hit[0], LT_WORD_SIZE,
			      LT_HEADER_NAMES_MAX, &p->free_on_hit_count);
	if (e == 0)
		e = read_list(r, root, "credential_headers", p->credential_headers[0], LT_WORD_SIZE,
			      LT_HEADER_NAMES_MAX, &p->credential_header_count);
	if (e == 0)
		e = read_list(r, root, "request_id_headers", p->request_id_headers[0], LT_WORD_SIZE,
			      LT_HEADER_NAMES_MAX, &p->request_id_header_count);
	return e;
}

static int read_capture(const struct reader *r, const struct lt_yaml_node *root,
			struct lt_provider *p)
{
	char capture[8] = "full";
	int e = read_text(r, root, "capture", false, capture, sizeof(capture));

	p->head_only = strcmp(capture, "head") == 0;
	if (e == 0 && !p->head_only && strcmp(capture, "full") != 0)
		return lt_yaml_problem(r->yaml, lt_yaml_get(root, "capture"), r->problem,
				       "capture is full or head");
	return e;
}

int lt_provider_parse(const struct lt_yaml *yaml, struct lt_provider **ret,
		      struct lt_problem *problem)
{
	static const char *const known[] = {"provider",	   "gen_ai_provider",
					    "category",	   "price_provider",
					    "hosts",	   "credential_headers",
					    "capture",	   "request_id_headers",
					    "apis",	   "like",
					    "confirm",	   "beside",
					    "free_on_hit", NULL};
	const struct lt_yaml_node *root = lt_yaml_root(yaml);
	struct reader r = {.yaml = yaml, .problem = problem};
	lt_defer(lt_freep)
	struct lt_provider *p = lt_calloc(1, sizeof(*p));
	int e;

	if (!p)
		return lt_problem_set(problem, -ENOMEM, lt_yaml_name(yaml), 0, "out of memory");
	e = lt_yaml_check_keys(yaml, root, known, problem);
	if (e == 0)
		e = read_names(&r, root, p);
	if (e == 0)
		e = read_lists(&r, root, p);
	if (e == 0)
		e = read_capture(&r, root, p);
	if (e < 0)
		return e;
	if (lt_yaml_get(root, "apis") && lt_yaml_get(root, "apis")->kind != LT_YAML_LIST)
		return lt_yaml_problem(yaml, lt_yaml_get(root, "apis"), problem,
				       "'apis' takes a list");
	lt_yaml_for_each (item, lt_yaml_get(root, "apis")) {
		if (p->api_count == LT_PROVIDER_APIS_MAX)
			return lt_yaml_problem(yaml, item, problem,
					       "too many apis in one provider");
		e = read_api(&r, item, &p->apis[p->api_count++]);
		if (e < 0)
			return e;
	}
	for (unsigned i = 0; i < p->api_count; i++)
		p->apis[i].provider = p;
	*ret = lt_take(p);
	return 0;
}

/* Matching steps of one path: far more than any real pattern takes, and an end for hostile ones. */
enum { MATCH_STEPS_MAX = 20000 };

/* One segment, a name that has slashes in it, and a segment that nobody wants to know. */
static const char variable[] = "{model}", long_variable[] = "{model...}", other[] = "{id}";

/* The length of the variable that @pattern begins with; 0: of none. */
static size_t variable_length(const char *pattern)
{
	const char *const all[] = {variable, long_variable, other};

	for (size_t i = 0; i < LT_COUNT(all); i++) {
		if (strncmp(pattern, all[i], strlen(all[i])) == 0)
			return strlen(all[i]);
	}
	return 0;
}

static bool match(const char *pattern, struct lt_bytes path, struct lt_path_parts *ret,
		  unsigned *steps)
{
	size_t skip = variable_length(pattern), n = 0;
	bool is_long = skip == sizeof(long_variable) - 1;

	if (++*steps > MATCH_STEPS_MAX)
		return false;
	if (*pattern == '*') {
		for (n = 0; n <= path.n; n++) {
			if (match(pattern + 1, lt_bytes_skip(path, n), ret, steps))
				return true;
		}
		return false;
	}
	if (skip == 0) {
		if (*pattern == '\0' || path.n == 0)
			return *pattern == '\0' && path.n == 0;
		return path.p[0] == (uint8_t)*pattern &&
		       match(pattern + 1, lt_bytes_skip(path, 1), ret, steps);
	}
	for (n = 1; n <= path.n && (is_long || path.p[n - 1] != '/'); n++) {
		if (match(pattern + skip, lt_bytes_skip(path, n), ret, steps)) {
			struct lt_bytes *part = skip == sizeof(other) - 1 ? &ret->id : &ret->model;

			if (part->n == 0) /* the pattern's end was here first */
				*part = lt_bytes(path.p, n);
			return true;
		}
	}
	return false;
}

bool lt_path_match(const char *pattern, struct lt_bytes path, struct lt_path_parts *ret)
{
	struct lt_path_parts parts = {0};
	unsigned steps = 0;

	if (!match(pattern, path, &parts, &steps))
		return false;
	if (ret)
		*ret = parts;
	return true;
}
