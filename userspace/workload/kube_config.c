// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/kube_config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define KUBELET_URL	"https://127.0.0.1:10250"

enum { GLOBS_MAX = 64, KEY_MAX = 317, NAME_MAX_BYTES = 253, PATH_MAX_BYTES = 4095 };

/* The section as it stands; nothing is owned. */
struct section {
	const struct lt_yaml *yaml;
	struct lt_problem *problem;
	const char *from, *api, *kubeconfig, *token_file, *ca_file, *node, *kubelet;
	bool any_certificate;
	const struct lt_yaml_node *annotations, *labels;
};

static int wrong(const struct section *s, const struct lt_yaml_node *node, const char *expected)
{
	return lt_yaml_wrong(s->yaml, node, s->problem, expected);
}

static bool is_text(const struct lt_yaml_node *node, size_t max)
{
	size_t n = node->kind == LT_YAML_SCALAR ? strlen(node->text) : 0;

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)node->text[i] <= ' ' || node->text[i] == 0x7f)
			return false;
	}
	return n > 0 && n <= max;
}

/* ---- the section ----------------------------------------------------------------------------- */

static int read_path(const struct section *s, const struct lt_yaml_node *node, const char **ret)
{
	if (!node)
		return 0;
	if (!is_text(node, PATH_MAX_BYTES) || node->text[0] != '/')
		return wrong(s, node, "an absolute path");
	*ret = node->text;
	return 0;
}

static int read_url(const struct section *s, const struct lt_yaml_node *node, const char **ret)
{
	if (!node)
		return 0;
	if (!is_text(node, PATH_MAX_BYTES) || strpbrk(node->text, "@?#") ||
	    (strncmp(node->text, "https://", 8) != 0 && strncmp(node->text, "http://", 7) != 0))
		return wrong(s, node, "a URL such as https://10.0.0.1:6443");
	*ret = node->text;
	return 0;
}

static bool is_node_name(const char *name)
{
	return name[0] && strlen(name) <= NAME_MAX_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
		       strlen(name);
}

static int read_globs(const struct section *s, const struct lt_yaml_node *list,
		      const struct lt_yaml_node **ret)
{
	static const char expected[] =
		"a list of at most 64 names such as [team, \"example.com/*\"]";
	size_t n = 0;

	if (!list)
		return 0;
	if (list->kind != LT_YAML_LIST)
		return wrong(s, list, expected);
	lt_yaml_for_each (item, list) {
		if (!is_text(item, KEY_MAX) || ++n > GLOBS_MAX)
			return wrong(s, list, expected);
	}
	*ret = list;
	return 0;
}

static int read_from(const struct section *s, const struct lt_yaml_node *node, const char **ret)
{
	static const char *const known[] = {"auto", "api", "kubelet", "off"};

	if (!node)
		return 0;
	for (size_t i = 0; i < LT_COUNT(known); i++) {
		if (node->kind == LT_YAML_SCALAR && strcmp(node->text, known[i]) == 0) {
			*ret = known[i];
			return 0;
		}
	}
	return wrong(s, node, "auto, api, kubelet or off");
}

static int read_insecure(struct section *s, const struct lt_yaml_node *node)
{
	if (!node)
		return 0;
	if (node->kind != LT_YAML_SCALAR ||
	    (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0))
		return wrong(s, node, "true or false");
	s->any_certificate = strcmp(node->text, "true") == 0;
	return 0;
}

static int read_node(struct section *s, const struct lt_yaml_node *node)
{
	if (!node)
		return 0;
	if (node->kind != LT_YAML_SCALAR || !is_node_name(node->text))
		return wrong(s, node, "the name of this node, letters, digits, '.' and '-'");
	s->node = node->text;
	return 0;
}

static int read_section(const struct lt_yaml *yaml, const struct lt_yaml_node *map,
			struct section *ret, struct lt_problem *problem)
{
	static const char *const keys[] = {"from",	  "api",    "kubeconfig", "token_file",
					   "ca_file",	  "node",   "kubelet",	  "insecure",
					   "annotations", "labels", NULL};
	struct section *s = ret;
	int e;

	*s = (struct section){.yaml = yaml, .problem = problem, .from = "auto"};
	if (lt_yaml_is_nothing(map))
		return 0;
	if (map->kind != LT_YAML_MAP)
		return wrong(s, map, "a map with from, api, kubeconfig, node ...");
	e = lt_yaml_check_keys(yaml, map, keys, problem);
	if (e == 0)
		e = read_from(s, lt_yaml_member(map, "from"), &s->from);
	if (e == 0)
		e = read_url(s, lt_yaml_member(map, "api"), &s->api);
	if (e == 0)
		e = read_url(s, lt_yaml_member(map, "kubelet"), &s->kubelet);
	if (e == 0)
		e = read_path(s, lt_yaml_member(map, "kubeconfig"), &s->kubeconfig);
	if (e == 0)
		e = read_path(s, lt_yaml_member(map, "token_file"), &s->token_file);
	if (e == 0)
		e = read_path(s, lt_yaml_member(map, "ca_file"), &s->ca_file);
	if (e == 0)
		e = read_node(s, lt_yaml_member(map, "node"));
	if (e == 0)
		e = read_insecure(s, lt_yaml_member(map, "insecure"));
	if (e == 0)
		e = read_globs(s, lt_yaml_member(map, "annotations"), &s->annotations);
	if (e == 0)
		e = read_globs(s, lt_yaml_member(map, "labels"), &s->labels);
	if (e == 0 && s->api && s->kubeconfig)
		e = wrong(s, lt_yaml_member(map, "api"),
			  "no value where kubeconfig names the server");
	return e;
}

int lt_kube_config_check(const struct lt_yaml *config, const struct lt_yaml_node *section,
			 struct lt_problem *problem)
{
	struct section s;

	return read_section(config, section, &s, problem);
}

/* ---- what it comes to ------------------------------------------------------------------------ */

static int copy(const char *from, char **to)
{
	if (!from)
		return 0;
	*to = lt_strdup(from);
	return *to ? 0 : -ENOMEM;
}

static int copy_globs(const struct lt_yaml_node *list, struct lt_kube_filter *to)
{
	to->globs = lt_calloc(GLOBS_MAX, sizeof(to->globs[0]));
	if (!to->globs)
		return -ENOMEM;
	lt_yaml_for_each (item, list) {
		if (copy(item->text, &to->globs[to->count]) < 0)
			return -ENOMEM;
		to->count++;
	}
	return 0;
}

static bool in_cluster(void)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");

	return host && host[0] && access(SERVICE_ACCOUNT "token", R_OK) == 0;
}

/* The service account of the pod that we run in. */
static int use_service_account(const struct section *section, struct lt_kube_settings *s)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool ip6 = host && strchr(host, ':');
	char url[300];

	if (!section->api) {
		snprintf(url, sizeof(url), "https://%s%s%s:%s", ip6 ? "[" : "", host ? host : "",
			 ip6 ? "]" : "", port && port[0] ? port : "443");
		if (copy(url, &s->server) < 0)
			return -ENOMEM;
	}
	if (!s->token_file && copy(SERVICE_ACCOUNT "token", &s->token_file) < 0)
		return -ENOMEM;
	if (!s->ca_file && access(SERVICE_ACCOUNT "ca.crt", R_OK) == 0)
		return copy(SERVICE_ACCOUNT "ca.crt", &s->ca_file);
	return 0;
}

static int find_server(const struct section *section, struct lt_kube_settings *s)
{
	bool automatic = strcmp(section->from, "auto") == 0;

	if (strcmp(section->from, "off") == 0)
		return 0;
	if (strcmp(section->from, "kubelet") == 0) {
		s->from = LT_KUBE_KUBELET;
		if (copy(section->kubelet ? section->kubelet : KUBELET_URL, &s->server) < 0)
			return -ENOMEM;
		/* The kubelet's certificate is often signed by nobody else. */
		return in_cluster() && !s->token_file
			       ? copy(SERVICE_ACCOUNT "token", &s->token_file)
			       : 0;
	}
	s->from = LT_KUBE_API;
	if (section->kubeconfig)
		return lt_kube_config_file(section->kubeconfig, s, section->problem);
	if (copy(section->api, &s->server) < 0)
		return -ENOMEM;
	if (in_cluster())
		return use_service_account(section, s);
	if (!section->api && automatic)
		s->from = LT_KUBE_OFF;
	else if (!section->api)
		return lt_problem_set(section->problem, -EINVAL, lt_yaml_name(section->yaml), 0,
				      "kubernetes: 'from: api' needs api or kubeconfig where no "
				      "service account is mounted");
	return 0;
}

/* Splits "https://host/prefix/"; a path is for servers in front of API servers. */
static int split_server(struct lt_kube_settings *s)
{
	char *host = s->server ? strstr(s->server, "://") : NULL;
	char *slash = host ? strchr(host + 3, '/') : NULL;
	size_t n;

	if (copy(slash ? slash : "", &s->prefix) < 0)
		return -ENOMEM;
	if (slash)
		*slash = '\0';
	n = strlen(s->prefix);
	while (n > 0 && s->prefix[n - 1] == '/')
		s->prefix[--n] = '\0';
	return 0;
}

static int find_node(const struct section *section, struct lt_kube_settings *s)
{
	const char *node = section->node ? section->node : getenv("NODE_NAME");
	char host[HOST_NAME_MAX + 1] = "";

	if (!node || !node[0]) {
		if (gethostname(host, sizeof(host) - 1) < 0)
			return -errno;
		for (char *p = host; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		node = host;
	}
	if (!is_node_name(node))
		return lt_problem_set(section->problem, -EINVAL, "", 0,
				      "kubernetes: this host's name is no name of a node: node "
				      "must say it");
	return copy(node, &s->node);
}

int lt_kube_settings_load(const struct lt_yaml *config, const struct lt_yaml_node *map,
			  struct lt_kube_settings **ret, struct lt_problem *problem)
{
	lt_defer(lt_kube_settings_freep)
	struct lt_kube_settings *s = lt_calloc(1, sizeof(*s));
	struct section section;
	int e = s ? read_section(config, map, &section, problem) : -ENOMEM;

	if (e < 0)
		return e;
	s->any_certificate = section.any_certificate;
	s->labels.all = !section.labels;
	if (copy(section.token_file, &s->token_file) < 0 ||
	    copy(section.ca_file, &s->ca_file) < 0 || copy_globs(section.labels, &s->labels) < 0 ||
	    copy_globs(section.annotations, &s->annotations) < 0)
		return -ENOMEM;
	e = find_server(&section, s);
	if (e == 0)
		e = split_server(s);
	if (e == 0 && s->from != LT_KUBE_OFF)
		e = find_node(&section, s);
	if (e < 0)
		return e;
	*ret = lt_take(s);
	return 0;
}

static void free_secret(char *text)
{
	if (text)
		lt_wipe(text, strlen(text));
	lt_free(text);
}

static void free_globs(struct lt_kube_filter *filter)
{
	for (size_t i = 0; i < filter->count; i++)
		lt_free(filter->globs[i]);
	lt_free(filter->globs);
}

struct lt_kube_settings *lt_kube_settings_free(struct lt_kube_settings *s)
{
	if (!s)
		return NULL;
	lt_free(s->server);
	lt_free(s->prefix);
	lt_free(s->node);
	lt_free(s->ca_file);
	lt_free(s->ca_pem);
	lt_free(s->cert_file);
	lt_free(s->cert_pem);
	lt_free(s->key_file);
	free_secret(s->key_pem);
	lt_free(s->token_file);
	free_secret(s->token);
	free_globs(&s->labels);
	free_globs(&s->annotations);
	lt_free(s);
	return NULL;
}

int lt_kube_settings_connect(const struct lt_kube_settings *s, unsigned timeout_ms,
			     struct lt_http **ret, struct lt_problem *problem)
{
	const struct lt_http_opts opts = {
		.url = s->server,
		.ca_file = s->ca_file,
		.ca_pem = s->ca_pem,
		.cert_file = s->cert_file,
		.cert_pem = s->cert_pem,
		.key_file = s->key_file,
		.key_pem = s->key_pem,
		.any_certificate = s->any_certificate,
		.token_file = s->token_file,
		.token = s->token,
		.timeout_ms = timeout_ms,
	};

	return lt_http_new(&opts, ret, problem);
}
