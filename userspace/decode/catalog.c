// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/decode/builtin.h"
#include "userspace/decode/provider.h"

enum { PROVIDERS_MAX = 256, SHAPES_MAX = 128 };

struct lt_catalog {
	struct lt_provider *providers[PROVIDERS_MAX];
	unsigned provider_count;
	struct lt_shape *shapes[SHAPES_MAX];
	unsigned shape_count;
};

struct lt_catalog *lt_catalog_free(struct lt_catalog *c)
{
	if (!c)
		return NULL;
	for (unsigned i = 0; i < c->provider_count; i++)
		lt_free(c->providers[i]);
	for (unsigned i = 0; i < c->shape_count; i++)
		lt_shape_free(c->shapes[i]);
	lt_free(c);
	return NULL;
}

static struct lt_provider *find_provider(const struct lt_catalog *c, const char *name)
{
	for (unsigned i = 0; i < c->provider_count; i++) {
		if (strcmp(c->providers[i]->name, name) == 0)
			return c->providers[i];
	}
	return NULL;
}

/* A later provider of the same name replaces the earlier one. */
static int put_provider(struct lt_catalog *c, const struct lt_yaml *yaml,
			struct lt_problem *problem)
{
	struct lt_provider *provider;
	int r = lt_provider_parse(yaml, &provider, problem);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < c->provider_count; i++) {
		if (strcmp(c->providers[i]->name, provider->name) == 0) {
			lt_free(c->providers[i]);
			c->providers[i] = provider;
			return 0;
		}
	}
	if (c->provider_count == PROVIDERS_MAX) {
		lt_free(provider);
		return lt_yaml_problem(yaml, NULL, problem, "too many providers (256 at most)");
	}
	c->providers[c->provider_count++] = provider;
	return 0;
}

static int put_shape(struct lt_catalog *c, const struct lt_yaml *yaml, struct lt_problem *problem)
{
	struct lt_shape *shape;
	int r = lt_shape_parse(yaml, &shape, problem);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < c->shape_count; i++) {
		if (strcmp(c->shapes[i]->name, shape->name) == 0) {
			lt_shape_free(c->shapes[i]);
			c->shapes[i] = shape;
			return 0;
		}
	}
	if (c->shape_count == SHAPES_MAX) {
		lt_shape_free(shape);
		return lt_yaml_problem(yaml, NULL, problem, "too many shapes (128 at most)");
	}
	c->shapes[c->shape_count++] = shape;
	return 0;
}

static int put(struct lt_catalog *c, const struct lt_yaml *yaml, struct lt_problem *problem)
{
	const struct lt_yaml_node *root = lt_yaml_root(yaml);

	if (lt_yaml_get(root, "shape"))
		return put_shape(c, yaml, problem);
	if (lt_yaml_get(root, "provider"))
		return put_provider(c, yaml, problem);
	return lt_yaml_problem(yaml, root, problem,
			       "a catalog file begins with 'provider: NAME' or 'shape: NAME'");
}

static int load_builtin(struct lt_catalog *c, struct lt_problem *problem)
{
	for (size_t i = 0; i < lt_builtin_count(); i++) {
		struct lt_builtin_file file = lt_builtin_file(i);
		lt_defer(lt_yaml_freep)
		struct lt_yaml *yaml = NULL;
		int r = lt_yaml_parse(file.text, file.name, &yaml, problem);

		if (r == 0)
			r = put(c, yaml, problem);
		if (r < 0)
			return r;
	}
	return 0;
}

static int is_yaml(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

static int load_file(struct lt_catalog *c, const char *directory, const char *name,
		     struct lt_problem *problem)
{
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	char path[1024];
	int r;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	r = lt_yaml_load(path, &yaml, problem);
	return r < 0 ? r : put(c, yaml, problem);
}

static int load_directory(struct lt_catalog *c, const char *directory, struct lt_problem *problem)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_yaml, alphasort), r = 0;

	if (count < 0)
		return lt_problem_set(problem, -errno, directory, 0, "cannot be read: %s",
				      strerror(errno));
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = load_file(c, directory, entries[i]->d_name, problem);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* "like: NAME": the APIs of another provider behind the own ones. */
static int inherit(struct lt_catalog *c, struct lt_provider *p, struct lt_problem *problem)
{
	const struct lt_provider *base = find_provider(c, p->like);

	if (!base || base == p || base->like[0])
		return lt_problem_set(
			problem, -EINVAL, NULL, 0,
			"provider '%s': like '%s' is no provider with APIs of its own", p->name,
			p->like);
	if (p->api_count + base->api_count > LT_PROVIDER_APIS_MAX)
		return lt_problem_set(problem, -EINVAL, NULL, 0,
				      "provider '%s': too many apis with those of '%s' (%d at "
				      "most)",
				      p->name, p->like, LT_PROVIDER_APIS_MAX);
	for (unsigned a = 0; a < base->api_count; a++) {
		p->apis[p->api_count] = base->apis[a];
		p->apis[p->api_count++].provider = p;
	}
	p->like[0] = '\0';
	return 0;
}

static int inherit_all(struct lt_catalog *c, struct lt_problem *problem)
{
	char heir[PROVIDERS_MAX] = {0};
	int r = 0;

	for (unsigned p = 0; p < c->provider_count; p++)
		heir[p] = c->providers[p]->like[0] != '\0';
	for (unsigned p = 0; p < c->provider_count && r == 0; p++) {
		if (heir[p])
			r = inherit(c, c->providers[p], problem);
	}
	return r;
}

/* Every API finds its shape, now that all files are read. */
static int resolve(struct lt_catalog *c, struct lt_problem *problem)
{
	for (unsigned p = 0; p < c->provider_count; p++) {
		for (unsigned a = 0; a < c->providers[p]->api_count; a++) {
			struct lt_api *api = &c->providers[p]->apis[a];

			for (unsigned s = 0; s < c->shape_count && !api->shape; s++) {
				if (strcmp(c->shapes[s]->name, api->shape_name) == 0)
					api->shape = c->shapes[s];
			}
			c->providers[p]->keeps_objects |= api->stored;
			if (!api->shape)
				return lt_problem_set(
					problem, -EINVAL, NULL, 0,
					"provider '%s', api '%s': there is no shape '%s'",
					c->providers[p]->name, api->name, api->shape_name);
		}
	}
	return 0;
}

int lt_catalog_load(const char *directory, struct lt_catalog **ret, struct lt_problem *problem)
{
	lt_defer(lt_catalog_freep)
	struct lt_catalog *c = lt_calloc(1, sizeof(*c));
	int r;

	if (!c)
		return lt_problem_set(problem, -ENOMEM, NULL, 0, "out of memory");
	r = load_builtin(c, problem);
	if (r == 0 && directory)
		r = load_directory(c, directory, problem);
	if (r == 0)
		r = inherit_all(c, problem);
	if (r == 0)
		r = resolve(c, problem);
	if (r < 0)
		return r;
	*ret = lt_take(c);
	return 0;
}

int lt_catalog_add_host(struct lt_catalog *c, const char *host, const char *provider,
			const char *name, struct lt_problem *problem)
{
	const struct lt_provider *base = find_provider(c, provider);
	struct lt_provider *copy;

	if (!base)
		return lt_problem_set(
			problem, -EINVAL, NULL, 0,
			"hosts: there is no provider '%s' whose shapes '%s' could speak", provider,
			host);
	if (strlen(host) >= LT_PATTERN_SIZE || (name && strlen(name) >= LT_WORD_SIZE))
		return lt_problem_set(problem, -EINVAL, NULL, 0, "hosts: '%.40s...' is too long",
				      host);
	if (c->provider_count == PROVIDERS_MAX)
		return lt_problem_set(problem, -EINVAL, NULL, 0, "too many providers and hosts");
	copy = lt_calloc(1, sizeof(*copy));
	if (!copy)
		return lt_problem_set(problem, -ENOMEM, NULL, 0, "out of memory");
	*copy = *base;
	for (unsigned i = 0; i < copy->api_count; i++)
		copy->apis[i].provider = copy;
	snprintf(copy->hosts[0], LT_PATTERN_SIZE, "%s", host);
	copy->host_count = 1;
	copy->named = true;
	/* A known provider's prices hold behind another name too; in-house servers have none. */
	if (!copy->price_provider[0] && base->host_count > 0)
		snprintf(copy->price_provider, sizeof(copy->price_provider), "%s", base->name);
	if (name)
		snprintf(copy->name, sizeof(copy->name), "%s", name);
	/* In front: what the config says wins over what is built in. */
	memmove(&c->providers[1], &c->providers[0], c->provider_count * sizeof(c->providers[0]));
	c->providers[0] = copy;
	c->provider_count++;
	return 0;
}

static bool has_host(const struct lt_provider *p, struct lt_bytes host)
{
	for (unsigned h = 0; h < p->host_count; h++) {
		if (lt_glob_match_nocase(p->hosts[h], host))
			return true;
	}
	return false;
}

static const struct lt_provider *find_host(const struct lt_catalog *c, struct lt_bytes host)
{
	for (unsigned p = 0; p < c->provider_count; p++) {
		if (!c->providers[p]->confirm && has_host(c->providers[p], host))
			return c->providers[p];
	}
	return NULL;
}

bool lt_catalog_knows_host(const struct lt_catalog *c, struct lt_bytes host)
{
	return find_host(c, host) != NULL;
}

bool lt_catalog_describe_host(const struct lt_catalog *c, struct lt_bytes host,
			      struct lt_call *call)
{
	const struct lt_provider *p = find_host(c, host);

	if (!p)
		return false;
	lt_bytes_copy(call->host, sizeof(call->host), host);
	memcpy(call->provider, p->name, sizeof(call->provider));
	memcpy(call->gen_ai_provider, p->gen_ai_provider, sizeof(call->gen_ai_provider));
	memcpy(call->category, p->category, sizeof(call->category));
	return true;
}

static const struct lt_api *find_api(const struct lt_provider *p, const struct lt_ask *ask)
{
	for (unsigned a = 0; a < p->api_count; a++) {
		const struct lt_api *api = &p->apis[a];

		if ((api->mcp && !ask->mcp) || (api->websocket && !ask->websocket) ||
		    (strcmp(api->method, "*") != 0 && !lt_bytes_is(ask->method, api->method)))
			continue;
		for (unsigned i = 0; i < api->path_count; i++) {
			if (lt_path_match(api->paths[i], ask->path, NULL))
				return api;
		}
	}
	return NULL;
}

static bool is_beside(const struct lt_provider *p, struct lt_bytes path)
{
	for (unsigned i = 0; i < p->beside_count; i++) {
		if (lt_path_match(p->beside[i], path, NULL))
			return true;
	}
	return false;
}

/* Whether @p is asked at all: what has to prove itself is asked only where no host is known, MCP
 * everywhere. */
static bool is_asked(const struct lt_provider *p, const struct lt_ask *ask, bool proving,
		     bool known)
{
	return p->confirm == proving && (!proving || !known || ask->mcp) && has_host(p, ask->host);
}

/* Providers by host first; then those that are told by the path and have to prove it. */
enum lt_host_match lt_catalog_match(const struct lt_catalog *c, const struct lt_ask *ask,
				    const struct lt_api **ret_api)
{
	bool known = false, beside = false;

	for (int proving = 0; proving < 2; proving++) {
		for (unsigned p = 0; p < c->provider_count; p++) {
			const struct lt_provider *provider = c->providers[p];
			const struct lt_api *api;

			if (!is_asked(provider, ask, proving, known))
				continue;
			api = find_api(provider, ask);
			known |= !proving;
			beside |= is_beside(provider, ask->path);
			if (!api || (proving && known && !api->mcp))
				continue;
			if (api->ignore)
				return known ? LT_HOST_KNOWN : LT_HOST_UNKNOWN;
			*ret_api = api;
			return LT_HOST_METERED;
		}
	}
	return known ? LT_HOST_KNOWN : beside ? LT_HOST_BESIDE : LT_HOST_UNKNOWN;
}

static bool holds(struct lt_bytes text, const char *word)
{
	return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

/* What only an answer of that shape says in its beginning. */
static const char *shape_of_answer(struct lt_bytes start)
{
	static const struct {
		const char *word, *shape;
	} marks[] = {
		{"\"chat.completion", "openai_chat"},
		{"\"text_completion\"", "openai_chat"},
		{"\"type\":\"response.", "openai_responses"},
		{"\"object\":\"response\"", "openai_responses"},
		{"\"object\": \"response\"", "openai_responses"},
		{"message_start", "anthropic_messages"},
		{"\"type\":\"message\"", "anthropic_messages"},
		{"content_block_delta", "anthropic_messages"},
		{"\"candidates\"", "gemini_generate"},
		{"\"choices\"", "openai_chat"},
	};

	for (size_t i = 0; i < LT_COUNT(marks); i++) {
		if (holds(start, marks[i].word))
			return marks[i].shape;
	}
	return NULL;
}

const struct lt_api *lt_catalog_guess(const struct lt_catalog *c, struct lt_bytes host,
				      struct lt_bytes start)
{
	const char *shape = shape_of_answer(start);

	for (int confirm = 0; shape && confirm < 2; confirm++) {
		for (unsigned p = 0; p < c->provider_count; p++) {
			const struct lt_provider *provider = c->providers[p];

			if (provider->confirm != (confirm == 1) || !has_host(provider, host))
				continue;
			for (unsigned i = 0; i < provider->api_count; i++) {
				if (strcmp(provider->apis[i].shape->name, shape) == 0)
					return &provider->apis[i];
			}
		}
	}
	return NULL;
}

void lt_catalog_size(const struct lt_catalog *c, size_t *ret_providers, size_t *ret_apis)
{
	*ret_providers = c->provider_count;
	*ret_apis = 0;
	for (unsigned p = 0; p < c->provider_count; p++)
		*ret_apis += c->providers[p]->api_count;
}
