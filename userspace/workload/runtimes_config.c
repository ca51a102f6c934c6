// SPDX-License-Identifier: Apache-2.0
/* The section "containers" of the config. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/runtime_source.h"

enum { SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 };

static const struct {
	const char *name, *where; /* the key that says where it is */
} types[] = {
	[LT_RUNTIME_DOCKER] = {"docker", "socket"},
	[LT_RUNTIME_PODMAN] = {"podman", "socket"},
	[LT_RUNTIME_CRI] = {"cri", "socket"},
	[LT_RUNTIME_CONTAINERD] = {"containerd", "socket"},
	[LT_RUNTIME_STORAGE] = {"storage", "path"},
	[LT_RUNTIME_DOCKER_ROOT] = {"docker-root", "path"},
};

struct reader {
	const struct lt_yaml *yaml;
	struct lt_runtimes_config *config;
	struct lt_problem *problem;
};

const char *lt_runtime_type_name(enum lt_runtime_type type)
{
	return types[type].name;
}

/* An absolute path with the host's root before it, as long as @max. */
static int read_path(const struct reader *r, const struct lt_yaml_node *node, const char *root,
		     size_t max, char ret[LT_SOURCE_PATH])
{
	int n = -1;

	if (node->kind == LT_YAML_SCALAR && node->text[0] == '/')
		n = snprintf(ret, LT_SOURCE_PATH, "%s%s", root, node->text);
	if (n < 0)
		return lt_yaml_problem(r->yaml, node, r->problem, "%s takes an absolute path",
				       node->key);
	if ((size_t)n > max || n >= LT_SOURCE_PATH)
		return lt_yaml_problem(r->yaml, node, r->problem,
				       "%s is too long: at most %zu bytes, host_root included",
				       node->key, max < LT_SOURCE_PATH ? max : LT_SOURCE_PATH - 1);
	return 0;
}

/* Whose the source is, who decides what it says: root, until it is there. */
static uid_t owner_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_uid : 0;
}

static int read_type(const struct reader *r, const struct lt_yaml_node *item,
		     enum lt_runtime_type *ret)
{
	const struct lt_yaml_node *type = lt_yaml_get(item, "type");

	for (size_t i = 0; type && type->kind == LT_YAML_SCALAR && i < LT_COUNT(types); i++) {
		if (strcmp(type->text, types[i].name) != 0)
			continue;
		*ret = (enum lt_runtime_type)i;
		return 0;
	}
	return lt_yaml_problem(r->yaml, type ? type : item, r->problem,
			       "a runtime needs type: docker, podman, cri, containerd, storage or "
			       "docker-root");
}

static int read_namespaces(const struct reader *r, const struct lt_yaml_node *list,
			   struct lt_place *place)
{
	static const char expected[] = "namespaces takes a list of at most 16 names, such as "
				       "[k8s.io, default]";

	if (!list)
		return 0;
	if (list->kind != LT_YAML_LIST)
		return lt_yaml_problem(r->yaml, list, r->problem, expected);
	lt_yaml_for_each (item, list) {
		if (item->kind != LT_YAML_SCALAR || !item->text[0] ||
		    strpbrk(item->text, " \t\r\n:") ||
		    place->namespace_count == LT_SOURCE_NAMESPACES ||
		    !lt_bytes_copy(place->namespaces[place->namespace_count], LT_SOURCE_NAMESPACE,
				   lt_bytes_str(item->text)))
			return lt_yaml_problem(r->yaml, list, r->problem, expected);
		place->namespace_count++;
	}
	return 0;
}

static int read_runtime(const struct reader *r, const struct lt_yaml_node *item)
{
	static const char *const socket_keys[] = {"type", "socket", NULL};
	static const char *const containerd_keys[] = {"type", "socket", "namespaces", NULL};
	static const char *const path_keys[] = {"type", "path", NULL};
	struct lt_place *place = &r->config->places[r->config->count];
	const char *const *keys = socket_keys;
	const struct lt_yaml_node *where;
	bool is_path;
	int e;

	if (item->kind != LT_YAML_MAP)
		return lt_yaml_problem(r->yaml, item, r->problem,
				       "runtimes takes maps such as {type: docker, socket: "
				       "/run/docker.sock}");
	if (r->config->count == LT_SOURCES_MAX)
		return lt_yaml_problem(r->yaml, item, r->problem, "at most %d runtimes",
				       LT_SOURCES_MAX);
	e = read_type(r, item, &place->type);
	if (e < 0)
		return e;
	is_path = strcmp(types[place->type].where, "path") == 0;
	if (is_path)
		keys = path_keys;
	else if (place->type == LT_RUNTIME_CONTAINERD)
		keys = containerd_keys;
	e = lt_yaml_check_keys(r->yaml, item, keys, r->problem);
	if (e < 0)
		return e;
	where = lt_yaml_get(item, types[place->type].where);
	if (!where)
		return lt_yaml_problem(r->yaml, item, r->problem, "type %s needs %s",
				       types[place->type].name, types[place->type].where);
	e = read_path(r, where, r->config->host_root,
		      is_path ? LT_SOURCE_PATH - 1 : SOCKET_PATH_MAX, place->path);
	if (e == 0)
		e = read_namespaces(r, lt_yaml_get(item, "namespaces"), place);
	if (e < 0)
		return e;
	place->uid = owner_of(place->path);
	r->config->count++;
	return 0;
}

static int read_runtimes(const struct reader *r, const struct lt_yaml_node *node)
{
	if (lt_yaml_is_nothing(node) ||
	    (node->kind == LT_YAML_SCALAR && strcmp(node->text, "auto") == 0)) {
		r->config->automatic = true;
		return 0;
	}
	if (node->kind != LT_YAML_LIST)
		return lt_yaml_problem(r->yaml, node, r->problem,
				       "runtimes takes auto, or a list of maps; [] for none");
	lt_yaml_for_each (item, node) {
		int e = read_runtime(r, item);

		if (e < 0)
			return e;
	}
	return 0;
}

static int read_section(const struct reader *r, const struct lt_yaml_node *section)
{
	static const char *const keys[] = {"runtimes", "host_root", NULL};
	const struct lt_yaml_node *root;
	size_t n;
	int e;

	if (section->kind != LT_YAML_MAP)
		return lt_yaml_problem(r->yaml, section, r->problem,
				       "containers takes a map with runtimes and host_root");
	e = lt_yaml_check_keys(r->yaml, section, keys, r->problem);
	if (e < 0)
		return e;
	root = lt_yaml_get(section, "host_root");
	if (root && (root->kind != LT_YAML_SCALAR || root->text[0])) {
		e = read_path(r, root, "", LT_SOURCE_PATH - 1, r->config->host_root);
		if (e < 0)
			return e;
	}
	/* "/host/" and "/": the paths that follow begin with a slash. */
	n = strlen(r->config->host_root);
	while (n > 0 && r->config->host_root[n - 1] == '/')
		r->config->host_root[--n] = '\0';
	return read_runtimes(r, lt_yaml_get(section, "runtimes"));
}

int lt_runtimes_config_new(const struct lt_yaml *config, const struct lt_yaml_node *section,
			   struct lt_runtimes_config **ret, struct lt_problem *problem)
{
	lt_defer(lt_runtimes_config_freep)
	struct lt_runtimes_config *c = lt_calloc(1, sizeof(*c));
	struct reader r = {.yaml = config, .config = c, .problem = problem};
	int e = 0;

	if (!c)
		return -ENOMEM;
	if (section)
		e = read_section(&r, section);
	else
		c->automatic = true;
	if (e < 0)
		return e;
	*ret = lt_take(c);
	return 0;
}

struct lt_runtimes_config *lt_runtimes_config_free(struct lt_runtimes_config *config)
{
	lt_free(config);
	return NULL;
}

bool lt_runtimes_config_any(const struct lt_runtimes_config *config)
{
	return config->automatic || config->count > 0;
}
