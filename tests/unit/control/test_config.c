// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"
#include "userspace/control/config.h"

#define EXAMPLE "packaging/config/ledgertap.yaml"

static struct lt_config *good(const char *text)
{
	struct lt_problem problem = {0};
	struct lt_config *config = NULL;
	int r = lt_config_parse(lt_bytes_str(text), "t.yaml", &config, &problem);

	if (r < 0)
		fail_msg("%s:%u: %s", problem.file, problem.line, problem.text);
	assert_non_null(config);
	return config;
}

/* Refused, at @line, and the problem says @what. */
static void bad(const char *text, unsigned line, const char *what)
{
	struct lt_problem problem = {0};
	struct lt_config *config = NULL;

	assert_int_equal(lt_config_parse(lt_bytes_str(text), "t.yaml", &config, &problem), -EINVAL);
	assert_null(config);
	assert_string_equal(problem.file, "t.yaml");
	if (problem.line != line || !strstr(problem.text, what))
		fail_msg("\"%s\": want line %u and \"%s\", got %u: %s", text, line, what,
			 problem.line, problem.text);
}

static bool has_port(const struct lt_config *c, unsigned port)
{
	return c->plain_ports[port / 64] >> (port % 64) & 1;
}

static void is_default(const struct lt_config *c)
{
	assert_int_equal(c->log_level, LT_LOG_INFO);
	assert_null(c->providers_dir);
	assert_null(c->agents);
	assert_null(c->price_book);
	assert_null(c->price_overlay);
	assert_null(c->attribution);
	assert_null(c->containers);
	assert_int_equal(c->host_count, 0);
	assert_int_equal(c->ring_bytes, 8 << 20);
	assert_int_equal(c->max_connections, 16384);
	assert_int_equal(c->sweep_ns, 30000000000);
	assert_int_equal(c->keep_ns, 600000000000);
	assert_true(c->plain);
	assert_false(c->mcp_stdio);
	assert_true(has_port(c, 11434) && has_port(c, 8000) && has_port(c, 4000));
	assert_false(has_port(c, 0) || has_port(c, 80) || has_port(c, 443));
	assert_int_equal(c->plain_cgroup_count, 0);
	assert_int_equal(c->flow_port_count, 1);
	assert_int_equal(c->flow_ports[0], 443);
}

static void nothing_said_means_defaults(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "# only a comment\n",
					    "---\n",
					    "{}",
					    "prices:\nhosts:\nattribution:\ncapture:\nlog_level:\n"
					    "containers:\n",
					    "prices: {book: , overlay: }\ncapture: {sweep: }\n",
					    "hosts: []\n"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		lt_defer(lt_config_freep)
		struct lt_config *c = good(texts[i]);

		is_default(c);
	}
}

static void every_setting_is_read(void **state)
{
	lt_defer(lt_config_freep)
	struct lt_config *c = good(
		"log_level: debug\n"
		"providers_dir: /etc/p\n"
		"agents: [{name: ours, exe: [\"/opt/ours\"]}]\n"
		"prices: {book: /b.tsv, overlay: \"/o.tsv\"}\n"
		"hosts:\n"
		"  - {host: \"*.corp.example\", provider: anthropic, name: proxy}\n"
		"  - host: llm\n"
		"attribution: {env: [TEAM], rules: [{set: {team: \"${env.TEAM}\"}}]}\n"
		"containers: {runtimes: [{type: storage, path: /a}]}\n"
		"capture: {ring_size: 16M, max_connections: 64, sweep: 2m, flow_ports: [443, "
		"8443]}\n");

	(void)state;
	assert_int_equal(c->log_level, LT_LOG_DEBUG);
	assert_string_equal(c->providers_dir, "/etc/p");
	assert_non_null(c->agents);
	assert_string_equal(c->price_book, "/b.tsv");
	assert_string_equal(c->price_overlay, "/o.tsv");
	assert_int_equal(c->host_count, 2);
	assert_string_equal(c->hosts[0].host, "*.corp.example");
	assert_string_equal(c->hosts[0].provider, "anthropic");
	assert_string_equal(c->hosts[0].name, "proxy");
	assert_string_equal(c->hosts[1].host, "llm");
	assert_string_equal(c->hosts[1].provider, "openai_compatible");
	assert_null(c->hosts[1].name);
	assert_non_null(c->attribution);
	assert_non_null(lt_yaml_get(c->containers, "runtimes"));
	assert_int_equal(c->ring_bytes, 16 << 20);
	assert_int_equal(c->max_connections, 64);
	assert_int_equal(c->sweep_ns, 120000000000);
	assert_int_equal(c->flow_port_count, 2);
	assert_int_equal(c->flow_ports[0], 443);
	assert_int_equal(c->flow_ports[1], 8443);
}

static void no_flow_ports_are_a_setting_too(void **state)
{
	lt_defer(lt_config_freep)
	struct lt_config *c = good("capture: {flow_ports: []}\n");

	(void)state;
	assert_int_equal(c->flow_port_count, 0);
}

static void unknown_keys_name_the_nearest(void **state)
{
	(void)state;
	bad("log_levl: info\n", 1, "log_level");
	bad("\nprices:\n  bok: /x\n", 3, "book");
	bad("hosts:\n  - host: a\n    provder: openai\n", 3, "provider");
	bad("capture:\n  sweeep: 1s\n", 2, "sweep");
	bad("attribution:\n  rule: []\n", 2, "rules");
	bad("attribution:\n  rules:\n    - match: {unti: a}\n      set: {team: a}\n", 3, "unit");
	bad("attribution:\n  rules:\n    - set: {taem: a}\n", 3, "team");
	bad("log_level: info\nlog_level: warn\n", 2, "twice");
}

static void wrong_values_say_what_is_expected(void **state)
{
	(void)state;
	bad("log_level: loud\n", 1, "error, warn, info or debug");
	bad("log_level: [info]\n", 1, "error, warn, info or debug");
	bad("providers_dir: relative/dir\n", 1, "absolute path");
	bad("agents: x\n", 1, "list of maps");
	bad("agents:\n  - name: x\n    exe: [\"*\"]\n", 3, "more than wild cards");
	bad("providers_dir: {a: b}\n", 1, "absolute path");
	bad("prices: /book\n", 1, "a map with book and overlay");
	bad("prices:\n  book: \"\"\n", 2, "absolute path");
	bad("hosts: api.example\n", 1, "a list");
	bad("hosts:\n  - api.example\n", 2, "maps such as");
	bad("hosts:\n  - provider: openai\n", 2, "needs host");
	bad("hosts:\n  - {host: \"https://x/v1\"}\n", 2, "without scheme");
	bad("hosts:\n  - {host: \"x:8080\"}\n", 2, "without scheme, port");
	bad("hosts:\n  - {host: \"*\"}\n", 2, "more than wild cards");
	bad("hosts:\n  - {host: \"*.*\"}\n", 2, "more than wild cards");
	bad("hosts:\n  - {host: a, name: [b]}\n", 2, "name");
	bad("hosts:\n  - {host: a, name: "
	    "a-name-of-forty-bytes-and-that-is-one-more}\n",
	    2, "at most 39 bytes");
	bad("hosts:\n  - {host: \"a\\tb\"}\n", 2, "host");
	bad("[]\n", 1, "a map of settings");
	bad("just text\n", 1, "a map of settings");
}

static void numbers_have_bounds(void **state)
{
	(void)state;
	bad("capture: {ring_size: 8}\n", 1, "a power of two from 256k to 1G");
	bad("capture: {ring_size: 3M}\n", 1, "a power of two");
	bad("capture: {ring_size: 2G}\n", 1, "a power of two");
	bad("capture: {ring_size: -8M}\n", 1, "a power of two");
	bad("capture: {ring_size: 99999999999999999999}\n", 1, "a power of two");
	bad("capture: {max_connections: 63}\n", 1, "64 to 1048576");
	bad("capture: {max_connections: 1e4}\n", 1, "64 to 1048576");
	bad("capture: {max_connections: \"\"}\n", 1, "64 to 1048576");
	bad("capture: {sweep: 500ms}\n", 1, "1s to 1h");
	bad("capture: {sweep: 0}\n", 1, "1s to 1h");
	bad("capture: {sweep: 1d}\n", 1, "1s to 1h");
	bad("capture: {flow_ports: 443}\n", 1, "at most 8 ports");
	bad("capture: {flow_ports: [0]}\n", 1, "at most 8 ports");
	bad("capture: {flow_ports: [65536]}\n", 1, "at most 8 ports");
	bad("capture: {flow_ports: [https]}\n", 1, "at most 8 ports");
	bad("capture: {flow_ports: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n", 1, "at most 8 ports");
	bad("capture: {flow_ports: [[443]]}\n", 1, "at most 8 ports");
	bad("capture: [1]\n", 1, "a map with ring_size");
}

static void rules_are_checked_with_the_rest(void **state)
{
	(void)state;
	bad("attribution: []\n", 1, "attribution takes a map");
	bad("attribution:\n  rules:\n    - match: {uid: root}\n      set: {team: a}\n", 3,
	    "uid takes");
	bad("attribution:\n  env: [OPENAI_API_KEY]\n", 2, "secret");
}

static void broken_yaml_is_refused(void **state)
{
	static const char *const texts[] = {"a: [",
					    "\t",
					    "a: b: c",
					    "\"",
					    "%",
					    "a: &x 1\nb: *x\n",
					    "--- a\n--- b\n",
					    "? ",
					    "{",
					    "- - - -",
					    "a: !!binary x",
					    "\x80",
					    "log_level: \"\\u0000\""};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		struct lt_problem problem = {0};
		struct lt_config *config = NULL;

		assert_int_equal(
			lt_config_parse(lt_bytes_str(texts[i]), "t.yaml", &config, &problem),
			-EINVAL);
		assert_null(config);
		assert_true(problem.text[0] != '\0');
	}
}

static void kubernetes_is_checked_early(void **state)
{
	lt_defer(lt_config_freep)
	struct lt_config *c = good("cluster: eu-1\nkubernetes:\n  from: kubelet\n");

	(void)state;
	assert_string_equal(c->cluster, "eu-1");
	assert_non_null(c->kubernetes);
	bad("kubernetes:\n  from: cloud\n", 2, "auto, api, kubelet or off");
	bad("kubernetes:\n  node: n\n  tokenfile: /t\n", 3, "token_file");
	bad("cluster: [a]\n", 1, "a name of at most 39 bytes");
}

static char *read_example(size_t *ret_n)
{
	lt_defer(lt_fclosep)
	FILE *f = fopen(EXAMPLE, "re");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	*ret_n = fread(text, 1, 65535, f);
	assert_true(*ret_n > 1000 && *ret_n < 65535);
	return text;
}

static void the_shipped_example_is_all_defaults(void **state)
{
	lt_defer(lt_config_freep)
	struct lt_config *c = NULL;
	struct lt_problem problem = {0};

	(void)state;
	assert_int_equal(lt_config_load(EXAMPLE, &c, &problem), 0);
	is_default(c);
}

/* Settings are "#key:" and, below them, "#  more"; prose is "# text", or further in than any
 * setting. */
static void uncomment(char *text)
{
	enum { DEEPEST_SETTING = 8 };
	bool at_start = true, prose;
	char *to = text;

	for (const char *c = text; *c; c++) {
		size_t spaces = strspn(c + 1, " ");

		prose = spaces == 1 || spaces > DEEPEST_SETTING || c[1 + spaces] == '\n';
		if (!at_start || *c != '#' || prose)
			*to++ = *c;
		at_start = *c == '\n';
	}
	*to = '\0';
}

static void the_shipped_example_is_right_when_uncommented(void **state)
{
	size_t n;
	char *text = read_example(&n);
	lt_defer(lt_config_freep)
	struct lt_config *c = NULL;

	(void)state;
	uncomment(text);
	c = good(text);
	free(text);
	assert_string_equal(c->providers_dir, "/etc/ledgertap/providers");
	assert_string_equal(c->price_book, "/etc/ledgertap/prices.tsv");
	assert_string_equal(c->price_overlay, "/etc/ledgertap/negotiated.tsv");
	assert_int_equal(c->host_count, 3);
	assert_non_null(lt_yaml_get(c->attribution, "rules"));
	/* What is shown is what holds without it. */
	assert_int_equal(c->log_level, LT_LOG_INFO);
	assert_int_equal(c->ring_bytes, 8 << 20);
	assert_int_equal(c->max_connections, 16384);
	assert_int_equal(c->sweep_ns, 30000000000);
}

static void every_cut_of_a_config_is_safe(void **state)
{
	size_t n;
	char *text = read_example(&n);

	(void)state;
	uncomment(text);
	n = strlen(text);
	for (size_t cut = 0; cut < n; cut += 7) {
		char *copy = malloc(cut + 1);
		struct lt_config *c = NULL;

		assert_non_null(copy);
		memcpy(copy, text, cut);
		if (lt_config_parse(lt_bytes(copy, cut), "t.yaml", &c, NULL) == 0)
			lt_config_free(c);
		else
			assert_null(c);
		free(copy);
	}
	free(text);
}

static void a_missing_file_is_a_problem_when_it_was_named(void **state)
{
	struct lt_problem problem = {0};
	struct lt_config *c = NULL;

	(void)state;
	assert_int_equal(lt_config_load("/nowhere/ledgertap.yaml", &c, &problem), -ENOENT);
	assert_null(c);
	assert_string_equal(problem.file, "/nowhere/ledgertap.yaml");
	assert_true(problem.text[0] != '\0');
}

static void the_default_file_may_be_missing(void **state)
{
	lt_defer(lt_config_freep)
	struct lt_config *c = NULL;

	(void)state;
	if (access(LT_CONFIG_PATH, F_OK) == 0)
		skip(); /* this host has one */
	assert_int_equal(lt_config_load(NULL, &c, NULL), 0);
	assert_null(c->yaml);
	is_default(c);
}

static void plaintext_names_ports_and_cgroups(void **state)
{
	lt_defer(lt_config_freep)
	struct lt_config *c = good(
		"plaintext:\n  ports: [80, 65535]\n  cgroups: [/a.slice/b.service, /c*]\n");
	lt_defer(lt_config_freep)
	struct lt_config *off = good("plaintext: {enabled: false}\n");
	lt_defer(lt_config_freep)
	struct lt_config *none = good("plaintext: {ports: []}\nmcp_stdio: true\n");

	(void)state;
	assert_true(c->plain && has_port(c, 80) && has_port(c, 65535));
	assert_false(has_port(c, 11434)); /* in place of the usual ones */
	assert_int_equal(c->plain_cgroup_count, 2);
	assert_string_equal(c->plain_cgroups[1], "/c*");
	assert_false(off->plain);
	assert_true(none->plain && !has_port(none, 11434) && none->mcp_stdio);
	bad("containers: auto\n", 1, "a map with runtimes and host_root");
	bad("containers:\n  runtimes:\n  - {type: dokcer}\n", 3, "docker, podman");
	bad("mcp_stdio: 1\n", 1, "true or false");
	bad("plaintext: yes\n", 1, "a map with enabled, ports and cgroups");
	bad("plaintext: {enabled: 1}\n", 1, "true or false");
	bad("plaintext: {port: [1]}\n", 1, "ports");
	bad("plaintext: {ports: 80}\n", 1, "a list of at most 1024 ports");
	bad("plaintext: {ports: [0]}\n", 1, "ports from 1 to 65535");
	bad("plaintext: {ports: [65536]}\n", 1, "ports from 1 to 65535");
	bad("plaintext: {ports: [80-90]}\n", 1, "ports from 1 to 65535");
	bad("plaintext: {cgroups: [a.slice]}\n", 1, "an absolute path");
	bad("plaintext: {cgroups: [/a/../../etc]}\n", 1, "cgroup paths");
}

static void every_failed_allocation_is_survived(void **state)
{
	static const char text[] = "hosts: [{host: a}]\nplaintext: {cgroups: [/a]}\nattribution: "
				   "{env: [T], rules: [{match: "
				   "{comm: [a, b], uid: 1}, "
				   "set: {team: \"x${env.T}\", tenant: y}}]}\n";
	int r = -ENOMEM;

	(void)state;
	for (unsigned long n = 1; r == -ENOMEM && n < 1000; n++) {
		struct lt_config *c = NULL;

		lt_alloc_fail_at(n);
		r = lt_config_parse(lt_bytes_str(text), "t.yaml", &c, NULL);
		lt_alloc_fail_at(0);
		assert_true(r == 0 || (r == -ENOMEM && !c));
		assert_true(r == -ENOMEM || n > 8);
		lt_config_free(c);
	}
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_means_defaults),
		cmocka_unit_test(every_setting_is_read),
		cmocka_unit_test(no_flow_ports_are_a_setting_too),
		cmocka_unit_test(unknown_keys_name_the_nearest),
		cmocka_unit_test(wrong_values_say_what_is_expected),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(rules_are_checked_with_the_rest),
		cmocka_unit_test(broken_yaml_is_refused),
		cmocka_unit_test(the_shipped_example_is_all_defaults),
		cmocka_unit_test(the_shipped_example_is_right_when_uncommented),
		cmocka_unit_test(every_cut_of_a_config_is_safe),
		cmocka_unit_test(a_missing_file_is_a_problem_when_it_was_named),
		cmocka_unit_test(the_default_file_may_be_missing),
		cmocka_unit_test(plaintext_names_ports_and_cgroups),
		cmocka_unit_test(kubernetes_is_checked_early),
		cmocka_unit_test(every_failed_allocation_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
