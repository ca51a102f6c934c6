// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/config.h"

#include <errno.h>

#include "userspace/attribute/rules.h"
#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/workload/runtimes.h"
#include "userspace/workload/kubernetes.h"
#include "userspace/export/sinks.h"
#include "userspace/run/agents.h"

#define RING_BYTES_DEFAULT  (8ull << 20)
#define RING_BYTES_MIN	    (256ull << 10) /* a few dozen of the largest events */
#define RING_BYTES_MAX	    (1ull << 30)   /* what the kernel still gives */
#define CONNECTIONS_DEFAULT 16384ull
#define CONNECTIONS_MIN	    64ull
#define CONNECTIONS_MAX	    1048576ull
#define SWEEP_NS_DEFAULT    30000000000ull
#define SWEEP_NS_MIN	    1000000000ull
#define SWEEP_NS_MAX	    3600000000000ull
#define KEEP_NS_DEFAULT	    600000000000ull
#define KEEP_NS_MIN	    1000000000ull
#define KEEP_NS_MAX	    86400000000000ull

/*
 * Where servers of models listen by default, and gateways to them: Ollama, Docker's model runner;
 * vLLM, llama.cpp, LM Studio, SGLang, LMDeploy, Xinference, Aphrodite, text-generation-webui,
 * KoboldCpp, Jan, GPT4All, exo; LiteLLM, Portkey.
 */
static const uint16_t plain_ports_default[] = {11434, 12434, 8000, 8080, 1234, 30000, 23333, 9997,
					       2242,  5000,  5001, 1337, 4891, 52415, 4000,  8787};

enum {
	PLAIN_PORTS_MAX = 1024,
	PLAIN_CGROUPS_MAX = 256,
	FLOW_PORT_DEFAULT = 443,
	HOSTS_MAX = 1024,
	NAME_MAX_BYTES = 39, /* what a record keeps of a provider's name */
	HOST_MAX_BYTES = 255,
};

/* One config that is being read. */
struct reader {
	struct lt_config *config;
	struct lt_problem *problem;
};

static int wrong(const struct reader *r, const struct lt_yaml_node *node, const char *expected)
{
	return lt_yaml_wrong(r->config->yaml, node, r->problem, expected);
}

static int read_text(const struct reader *r, const struct lt_yaml_node *node, size_t max,
		     const char *expected, const char **ret)
{
	return lt_yaml_text(r->config->yaml, node, max, expected, ret, r->problem);
}

static int read_path(const struct reader *r, const struct lt_yaml_node *node, const char **ret)
{
	return lt_yaml_path(r->config->yaml, node, ret, r->problem);
}

/* Opens a section: its members are checked against @keys. *ret is NULL when it is absent. */
static int read_section(const struct reader *r, const struct lt_yaml_node *root, const char *key,
			const char *const *keys, const char *expected,
			const struct lt_yaml_node **ret)
{
	const struct lt_yaml_node *node = lt_yaml_member(root, key);

	*ret = node;
	if (!node)
		return 0;
	if (node->kind != LT_YAML_MAP)
		return wrong(r, node, expected);
	return lt_yaml_check_keys(r->config->yaml, node, keys, r->problem);
}

static int read_prices(const struct reader *r, const struct lt_yaml_node *root)
{
	static const char *const keys[] = {"book", "overlay", NULL};
	const struct lt_yaml_node *section;
	int e = read_section(r, root, "prices", keys, "a map with book and overlay", &section);

	if (e < 0)
		return e;
	e = read_path(r, lt_yaml_member(section, "book"), &r->config->price_book);
	if (e < 0)
		return e;
	return read_path(r, lt_yaml_member(section, "overlay"), &r->config->price_overlay);
}

static int read_host(const struct reader *r, const struct lt_yaml_node *node,
		     struct lt_config_host *ret)
{
	static const char *const keys[] = {"host", "provider", "name", NULL};
	static const char name_expected[] = "a name of at most 39 bytes";
	struct lt_config_host host = {.provider = "openai_compatible"};
	int e;

	if (node->kind != LT_YAML_MAP)
		return lt_yaml_problem(r->config->yaml, node, r->problem,
				       "hosts takes maps such as {host: \"llm.example.com\", "
				       "provider: openai_compatible}");
	e = lt_yaml_check_keys(r->config->yaml, node, keys, r->problem);
	if (e < 0)
		return e;
	e = read_text(r, lt_yaml_member(node, "host"), HOST_MAX_BYTES,
		      "a host name without port, '*' is wild", &host.host);
	if (e < 0)
		return e;
	if (!host.host)
		return lt_yaml_problem(r->config->yaml, node, r->problem,
				       "an entry of hosts needs host");
	if (strpbrk(host.host, ":/ "))
		return wrong(r, lt_yaml_member(node, "host"),
			     "a host name without scheme, port and path");
	/* All traffic of the node would be decoded as that provider's. */
	if (host.host[strspn(host.host, "*?.")] == '\0')
		return wrong(r, lt_yaml_member(node, "host"), "more than wild cards");
	e = read_text(r, lt_yaml_member(node, "provider"), NAME_MAX_BYTES, name_expected,
		      &host.provider);
	if (e < 0)
		return e;
	e = read_text(r, lt_yaml_member(node, "name"), NAME_MAX_BYTES, name_expected, &host.name);
	if (e < 0)
		return e;
	*ret = host;
	return 0;
}

static int read_hosts(const struct reader *r, const struct lt_yaml_node *root)
{
	const struct lt_yaml_node *list = lt_yaml_member(root, "hosts");
	size_t n = 0;
	int e;

	if (!list)
		return 0;
	if (list->kind != LT_YAML_LIST)
		return wrong(r, list, "a list of maps with host, provider and name");
	lt_yaml_for_each (item, list)
		n++;
	if (n > HOSTS_MAX)
		return wrong(r, list, "at most 1024 entries");
	r->config->hosts = lt_calloc(n ? n : 1, sizeof(r->config->hosts[0]));
	if (!r->config->hosts)
		return -ENOMEM;
	lt_yaml_for_each (item, list) {
		e = read_host(r, item, &r->config->hosts[r->config->host_count]);
		if (e < 0)
			return e;
		r->config->host_count++;
	}
	return 0;
}

typedef int (*parse_number)(struct lt_bytes text, uint64_t *ret);

static int read_number(const struct reader *r, const struct lt_yaml_node *node, parse_number parse,
		       uint64_t min, uint64_t max, const char *expected, uint64_t *ret)
{
	uint64_t value;

	if (!node)
		return 0;
	if (node->kind != LT_YAML_SCALAR || parse(lt_bytes_str(node->text), &value) < 0 ||
	    value < min || value > max)
		return wrong(r, node, expected);
	*ret = value;
	return 0;
}

/* [] is no port: there are no flow records then. */
static int read_flow_ports(const struct reader *r, const struct lt_yaml_node *node)
{
	static const char expected[] = "a list of at most 8 ports, such as [443, 8443]";
	uint64_t port;

	if (!node)
		return 0;
	if (node->kind != LT_YAML_LIST)
		return wrong(r, node, expected);
	r->config->flow_port_count = 0;
	lt_yaml_for_each (item, node) {
		if (r->config->flow_port_count == LT_COUNT(r->config->flow_ports) ||
		    item->kind != LT_YAML_SCALAR ||
		    lt_parse_u64(lt_bytes_str(item->text), &port) < 0 || port < 1 || port > 65535)
			return wrong(r, node, expected);
		r->config->flow_ports[r->config->flow_port_count++] = (uint16_t)port;
	}
	return 0;
}

static int read_capture(const struct reader *r, const struct lt_yaml_node *root)
{
	static const char *const keys[] = {"ring_size", "max_connections", "sweep",
					   "keep",	"flow_ports",	   NULL};
	static const char ring_expected[] = "a power of two from 256k to 1G, such as 8M";
	const struct lt_yaml_node *section;
	int e = read_section(r, root, "capture", keys,
			     "a map with ring_size, max_connections, sweep, keep and flow_ports",
			     &section);

	if (e < 0)
		return e;
	e = read_number(r, lt_yaml_member(section, "ring_size"), lt_parse_size, RING_BYTES_MIN,
			RING_BYTES_MAX, ring_expected, &r->config->ring_bytes);
	if (e < 0)
		return e;
	if (r->config->ring_bytes & (r->config->ring_bytes - 1))
		return wrong(r, lt_yaml_member(section, "ring_size"), ring_expected);
	e = read_number(r, lt_yaml_member(section, "max_connections"), lt_parse_u64,
			CONNECTIONS_MIN, CONNECTIONS_MAX, "a number from 64 to 1048576",
			&r->config->max_connections);
	if (e < 0)
		return e;
	e = read_flow_ports(r, lt_yaml_member(section, "flow_ports"));
	if (e < 0)
		return e;
	e = read_number(r, lt_yaml_member(section, "sweep"), lt_parse_duration, SWEEP_NS_MIN,
			SWEEP_NS_MAX, "a time from 1s to 1h, such as 30s", &r->config->sweep_ns);
	if (e < 0)
		return e;
	return read_number(r, lt_yaml_member(section, "keep"), lt_parse_duration, KEEP_NS_MIN,
			   KEEP_NS_MAX, "a time from 1s to 24h, such as 10m", &r->config->keep_ns);
}

/* Only checked here: cmd/ compiles it into an attributor. */
static int check_attribution(const struct reader *r, const struct lt_yaml_node *root)
{
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = NULL;

	r->config->attribution = lt_yaml_member(root, "attribution");
	return lt_rules_new(r->config->yaml, r->config->attribution, &rules, r->problem);
}

/* Only checked here, as the rules are. */
static int check_containers(const struct reader *r, const struct lt_yaml_node *root)
{
	lt_defer(lt_runtimes_config_freep)
	struct lt_runtimes_config *runtimes = NULL;

	r->config->containers = lt_yaml_member(root, "containers");
	return lt_runtimes_config_new(r->config->yaml, r->config->containers, &runtimes,
				      r->problem);
}

/* Only checked here, too: cmd/ starts it. */
static int check_kubernetes(const struct reader *r, const struct lt_yaml_node *root)
{
	int e = read_text(r, lt_yaml_member(root, "cluster"), NAME_MAX_BYTES,
			  "a name of at most 39 bytes", &r->config->cluster);

	r->config->kubernetes = lt_yaml_member(root, "kubernetes");
	return e < 0 ? e : lt_kubernetes_check(r->config->yaml, r->config->kubernetes, r->problem);
}

/* As the rules: checked here, made for good by cmd/. */
static int check_agents(const struct reader *r, const struct lt_yaml_node *root)
{
	lt_defer(lt_agents_freep)
	struct lt_agents *agents = NULL;

	r->config->agents = lt_yaml_member(root, "agents");
	return lt_agents_new(r->config->yaml, r->config->agents, &agents, r->problem);
}

static int read_log_level(const struct reader *r, const struct lt_yaml_node *root)
{
	const struct lt_yaml_node *node = lt_yaml_member(root, "log_level");

	if (!node)
		return 0;
	if (node->kind != LT_YAML_SCALAR ||
	    lt_log_parse_level(node->text, &r->config->log_level) < 0)
		return wrong(r, node, "error, warn, info or debug");
	return 0;
}

/* *@ret stays as it is where nothing is said. */
static int read_flag(const struct reader *r, const struct lt_yaml_node *node, bool *ret)
{
	if (!node)
		return 0;
	if (node->kind != LT_YAML_SCALAR ||
	    (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0))
		return wrong(r, node, "true or false");
	*ret = strcmp(node->text, "true") == 0;
	return 0;
}

static void set_port(struct lt_config *config, uint64_t port)
{
	config->plain_ports[port / 64] |= 1ULL << port % 64;
}

/* The length of a list of at most @max, -EINVAL when it is none. */
static int list_length(const struct reader *r, const struct lt_yaml_node *list, size_t max,
		       const char *expected)
{
	size_t n = 0;

	if (list->kind != LT_YAML_LIST)
		return wrong(r, list, expected);
	lt_yaml_for_each (item, list)
		n++;
	return n > max ? wrong(r, list, expected) : (int)n;
}

static int read_plain_ports(const struct reader *r, const struct lt_yaml_node *list)
{
	static const char expected[] = "a list of at most 1024 ports from 1 to 65535";
	int e;

	if (!list)
		return 0;
	e = list_length(r, list, PLAIN_PORTS_MAX, expected);
	if (e < 0)
		return e;
	memset(r->config->plain_ports, 0, sizeof(r->config->plain_ports));
	lt_yaml_for_each (item, list) {
		uint64_t port = 0;

		e = read_number(r, item, lt_parse_u64, 1, 65535, expected, &port);
		if (e < 0)
			return e;
		set_port(r->config, port);
	}
	return 0;
}

static int read_plain_cgroups(const struct reader *r, const struct lt_yaml_node *list)
{
	static const char expected[] = "a list of at most 256 cgroup paths such as "
				       "/system.slice/assistant.service, '*' is wild";
	int n;

	if (!list)
		return 0;
	n = list_length(r, list, PLAIN_CGROUPS_MAX, expected);
	if (n < 0)
		return n;
	r->config->plain_cgroups = lt_calloc((size_t)n + 1, sizeof(r->config->plain_cgroups[0]));
	if (!r->config->plain_cgroups)
		return -ENOMEM;
	lt_yaml_for_each (item, list) {
		const char *path = NULL;
		int e = read_path(r, item, &path);

		if (e < 0 || !path || strstr(path, "/.."))
			return e < 0 ? e : wrong(r, list, expected);
		r->config->plain_cgroups[r->config->plain_cgroup_count++] = path;
	}
	return 0;
}

static int read_plain(const struct reader *r, const struct lt_yaml_node *root)
{
	static const char *const keys[] = {"enabled", "ports", "cgroups", NULL};
	const struct lt_yaml_node *section;
	int e = read_section(r, root, "plaintext", keys, "a map with enabled, ports and cgroups",
			     &section);

	if (e < 0 || !section)
		return e;
	e = read_flag(r, lt_yaml_member(section, "enabled"), &r->config->plain);
	if (e == 0)
		e = read_plain_ports(r, lt_yaml_member(section, "ports"));
	return e < 0 ? e : read_plain_cgroups(r, lt_yaml_member(section, "cgroups"));
}

static int read_estimate(const struct reader *r, const struct lt_yaml_node *root)
{
	bool estimate = !r->config->no_estimate;
	int e = read_flag(r, lt_yaml_member(root, "estimate"), &estimate);

	r->config->no_estimate = !estimate;
	return e;
}

static int read_flags(const struct reader *r, const struct lt_yaml_node *root)
{
	return read_flag(r, lt_yaml_member(root, "mcp_stdio"), &r->config->mcp_stdio);
}

static int read_providers(const struct reader *r, const struct lt_yaml_node *root)
{
	return read_path(r, lt_yaml_member(root, "providers_dir"), &r->config->providers_dir);
}

static int read_credentials(const struct reader *r, const struct lt_yaml_node *root)
{
	return lt_credentials_read(r->config->yaml, lt_yaml_member(root, "credentials"),
				   &r->config->credentials, r->problem);
}

/* Only checked here: cmd/ makes them. */
static int check_sinks(const struct reader *r, const struct lt_yaml_node *root)
{
	struct lt_sinks sinks = {.count = 0};
	int e;

	r->config->sinks = lt_yaml_member(root, "sinks");
	e = lt_sinks_new(r->config->yaml, r->config->sinks, &sinks, r->problem);
	lt_sinks_done(&sinks);
	return e;
}

static int read_root(const struct reader *r)
{
	static const char *const keys[] = {"agents",	 "attribution",	  "capture",   "cluster",
					   "containers", "credentials",	  "estimate",  "hosts",
					   "kubernetes", "log_level",	  "mcp_stdio", "plaintext",
					   "prices",	 "providers_dir", "sinks",     NULL};
	static int (*const sections[])(const struct reader *, const struct lt_yaml_node *) = {
		read_log_level,	  read_estimate,    read_flags,	       read_providers,
		read_prices,	  read_hosts,	    read_capture,      read_plain,
		check_containers, check_kubernetes, check_attribution, check_agents,
		read_credentials, check_sinks,
	};
	const struct lt_yaml_node *root = lt_yaml_root(r->config->yaml);
	int e;

	if (lt_yaml_is_nothing(root))
		return 0;
	if (root->kind != LT_YAML_MAP)
		return lt_yaml_problem(r->config->yaml, root, r->problem,
				       "the config is a map of settings such as 'log_level: info'");
	e = lt_yaml_check_keys(r->config->yaml, root, keys, r->problem);
	for (size_t i = 0; e == 0 && i < LT_COUNT(sections); i++)
		e = sections[i](r, root);
	return e;
}

static struct lt_config *new_config(void)
{
	struct lt_config *config = lt_calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->log_level = LT_LOG_INFO;
	config->ring_bytes = RING_BYTES_DEFAULT;
	config->max_connections = CONNECTIONS_DEFAULT;
	config->sweep_ns = SWEEP_NS_DEFAULT;
	config->keep_ns = KEEP_NS_DEFAULT;
	config->plain = true;
	for (size_t i = 0; i < LT_COUNT(plain_ports_default); i++)
		set_port(config, plain_ports_default[i]);
	config->flow_ports[0] = FLOW_PORT_DEFAULT;
	config->flow_port_count = 1;
	return config;
}

/* Takes @yaml (NULL: defaults) whatever comes of it. */
static int from_yaml(struct lt_yaml *yaml, struct lt_config **ret, struct lt_problem *problem)
{
	lt_defer(lt_config_freep)
	struct lt_config *config = new_config();
	struct reader r = {.config = config, .problem = problem};
	int e;

	if (!config) {
		lt_yaml_free(yaml);
		return -ENOMEM;
	}
	config->yaml = yaml;
	e = lt_credentials_read(yaml, NULL, &config->credentials, problem);
	if (e == 0 && yaml)
		e = read_root(&r);
	if (e < 0)
		return e;
	*ret = lt_take(config);
	return 0;
}

int lt_config_parse(struct lt_bytes text, const char *name, struct lt_config **ret,
		    struct lt_problem *problem)
{
	struct lt_yaml *yaml = NULL;
	int r = lt_yaml_parse(text, name, &yaml, problem);

	return r < 0 ? r : from_yaml(yaml, ret, problem);
}

int lt_config_load(const char *path, struct lt_config **ret, struct lt_problem *problem)
{
	struct lt_yaml *yaml = NULL;
	int r = lt_yaml_load(path ? path : LT_CONFIG_PATH, &yaml, problem);

	if (r == -ENOENT && !path)
		return from_yaml(NULL, ret, problem);
	return r < 0 ? r : from_yaml(yaml, ret, problem);
}

struct lt_config *lt_config_free(struct lt_config *config)
{
	if (!config)
		return NULL;
	lt_credentials_clear(&config->credentials);
	lt_free(config->hosts);
	lt_free(config->plain_cgroups);
	lt_yaml_free(config->yaml);
	lt_free(config);
	return NULL;
}
