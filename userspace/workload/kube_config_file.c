// SPDX-License-Identifier: Apache-2.0
/* Kubeconfig files: the cluster and the user of the current context. */
#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"
#include "userspace/workload/kube_config.h"

/* One file that is being read. */
struct reader {
	const char *path;
	struct lt_yaml *yaml;
	struct lt_problem *problem;
};

static const char *text_of(const struct lt_yaml_node *map, const char *key)
{
	const struct lt_yaml_node *node = lt_yaml_get(map, key);

	return node && node->kind == LT_YAML_SCALAR && node->text[0] ? node->text : NULL;
}

/* The @inner map of the entry of list @list that has this name. */
static const struct lt_yaml_node *entry(const struct reader *r, const char *list, const char *name,
					const char *inner)
{
	lt_yaml_for_each (item, lt_yaml_get(lt_yaml_root(r->yaml), list)) {
		const char *own = text_of(item, "name");

		if (own && strcmp(own, name) == 0)
			return lt_yaml_get(item, inner);
	}
	return NULL;
}

/* Relative paths are relative to the file. */
static int copy_path(const struct reader *r, const struct lt_yaml_node *map, const char *key,
		     char **to)
{
	const char *path = text_of(map, key), *slash = strrchr(r->path, '/');
	int n = path && path[0] != '/' && slash ? (int)(slash + 1 - r->path) : 0;
	size_t size;

	if (!path)
		return 0;
	size = strlen(path) + (size_t)n + 1;
	*to = lt_calloc(1, size);
	if (!*to)
		return -ENOMEM;
	snprintf(*to, size, "%.*s%s", n, r->path, path);
	return 0;
}

static int copy_text(const struct lt_yaml_node *map, const char *key, char **to)
{
	const char *text = text_of(map, key);

	if (!text)
		return 0;
	*to = lt_strdup(text);
	return *to ? 0 : -ENOMEM;
}

static int copy_base64(const struct reader *r, const struct lt_yaml_node *map, const char *key,
		       char **to)
{
	const char *text = text_of(map, key);
	size_t n;

	if (!text)
		return 0;
	*to = lt_calloc(1, strlen(text) + 4);
	if (!*to)
		return -ENOMEM;
	if (lt_base64_decode(lt_bytes_str(text), (uint8_t *)*to, &n) < 0)
		return lt_yaml_problem(r->yaml, lt_yaml_get(map, key), r->problem,
				       "%s is no base64", key);
	return 0;
}

static int read_cluster(const struct reader *r, const struct lt_yaml_node *cluster,
			struct lt_kube_settings *s)
{
	const char *insecure = text_of(cluster, "insecure-skip-tls-verify");
	int e = copy_text(cluster, "server", &s->server);

	if (e == 0 && !s->ca_file)
		e = copy_path(r, cluster, "certificate-authority", &s->ca_file);
	if (e == 0)
		e = copy_base64(r, cluster, "certificate-authority-data", &s->ca_pem);
	if (insecure && strcmp(insecure, "true") == 0)
		s->any_certificate = true;
	return e;
}

static int read_user(const struct reader *r, const struct lt_yaml_node *user,
		     struct lt_kube_settings *s)
{
	static const char *const others[] = {"exec", "auth-provider", "username"};
	int e;

	for (size_t i = 0; i < LT_COUNT(others); i++) {
		if (lt_yaml_get(user, others[i]))
			return lt_yaml_problem(r->yaml, lt_yaml_get(user, others[i]), r->problem,
					       "users with '%s' are not supported: a token, a "
					       "tokenFile or a client certificate is needed",
					       others[i]);
	}
	e = copy_text(user, "token", &s->token);
	if (e == 0 && !s->token_file)
		e = copy_path(r, user, "tokenFile", &s->token_file);
	if (e == 0)
		e = copy_path(r, user, "client-certificate", &s->cert_file);
	if (e == 0)
		e = copy_path(r, user, "client-key", &s->key_file);
	if (e == 0)
		e = copy_base64(r, user, "client-certificate-data", &s->cert_pem);
	if (e == 0)
		e = copy_base64(r, user, "client-key-data", &s->key_pem);
	return e;
}

static int read_context(const struct reader *r, struct lt_kube_settings *s)
{
	const struct lt_yaml_node *root = lt_yaml_root(r->yaml), *context, *cluster;
	const char *name = text_of(root, "current-context"), *cluster_name, *user_name;
	int e;

	context = name ? entry(r, "contexts", name, "context") : NULL;
	cluster_name = text_of(context, "cluster");
	user_name = text_of(context, "user");
	cluster = cluster_name ? entry(r, "clusters", cluster_name, "cluster") : NULL;
	if (!text_of(cluster, "server"))
		return lt_problem_set(r->problem, -EINVAL, r->path, 0,
				      "this is no kubeconfig whose current-context names a "
				      "cluster with a server");
	e = read_cluster(r, cluster, s);
	if (e == 0 && user_name)
		e = read_user(r, entry(r, "users", user_name, "user"), s);
	return e;
}

int lt_kube_config_file(const char *path, struct lt_kube_settings *s, struct lt_problem *problem)
{
	struct reader r = {.path = path, .problem = problem};
	int e = lt_yaml_load(path, &r.yaml, problem);

	if (e == 0)
		e = read_context(&r, s);
	lt_yaml_free(r.yaml);
	return e;
}
