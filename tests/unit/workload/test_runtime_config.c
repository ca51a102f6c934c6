// SPDX-License-Identifier: Apache-2.0
/* The section "containers": what is taken, and what is refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/runtime_source.h"

static struct lt_runtimes_config *read_config(const char *text, int expected,
					      struct lt_problem *problem)
{
	struct lt_runtimes_config *config = NULL;
	struct lt_yaml *yaml;

	*problem = (struct lt_problem){0};
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, problem), 0);
	assert_int_equal(lt_runtimes_config_new(yaml, lt_yaml_root(yaml), &config, problem),
			 expected);
	lt_yaml_free(yaml);
	return config;
}

static struct lt_runtimes_config *good(const char *text)
{
	struct lt_problem problem;

	return read_config(text, 0, &problem);
}

static void bad(const char *text, unsigned line, const char *what)
{
	struct lt_problem problem;

	assert_null(read_config(text, -EINVAL, &problem));
	if (problem.line != line || !strstr(problem.text, what))
		fail_msg("\"%s\": want line %u and \"%s\", got %u: %s", text, line, what,
			 problem.line, problem.text);
}

static void defaults_are_the_usual_places(void **state)
{
	static const char *const texts[] = {"", "{}", "runtimes: auto", "runtimes:\nhost_root:\n"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		struct lt_runtimes_config *c = good(texts[i]);

		assert_true(c->automatic);
		assert_int_equal(c->count, 0);
		assert_true(lt_runtimes_config_any(c));
		lt_runtimes_config_free(c);
	}
}

static void a_source_is_whose_folder_it_is(void **state)
{
	char folder[] = "/tmp/lt-test-owner.XXXXXX", text[128];
	struct lt_runtimes_config *c;

	(void)state;
	if (getuid() != 0)
		skip();
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chown(folder, 61234, 61234), 0);
	snprintf(text, sizeof(text), "runtimes: [{type: storage, path: %s}]", folder);
	c = good(text);
	assert_int_equal(c->places[0].uid, 61234);
	lt_runtimes_config_free(c);
	assert_int_equal(rmdir(folder), 0);
	/* What is not there yet is taken for root's, and a user's is refused when it comes. */
	c = good(text);
	assert_int_equal(c->places[0].uid, 0);
	lt_runtimes_config_free(c);
}

static void a_list_takes_their_place(void **state)
{
	static const char text[] =
		"host_root: /host/\n"
		"runtimes:\n"
		"  - {type: docker, socket: /run/docker.sock}\n"
		"  - {type: podman, socket: /run/podman/podman.sock}\n"
		"  - {type: cri, socket: /run/crio/crio.sock}\n"
		"  - {type: containerd, socket: /c.sock, namespaces: [k8s.io, moby]}\n"
		"  - {type: storage, path: /var/lib/containers/storage}\n"
		"  - {type: docker-root, path: /var/lib/docker}\n";
	struct lt_runtimes_config *c = good(text);

	(void)state;
	assert_false(c->automatic);
	assert_int_equal(c->count, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(c->places[i].type, i);
		assert_memory_equal(c->places[i].path, "/host/", 6);
		assert_int_equal(c->places[i].uid, 0);
		assert_false(c->places[i].automatic);
	}
	assert_string_equal(c->places[0].path, "/host/run/docker.sock");
	assert_int_equal(c->places[3].namespace_count, 2);
	assert_string_equal(c->places[3].namespaces[1], "moby");
	assert_string_equal(c->places[5].path, "/host/var/lib/docker");
	lt_runtimes_config_free(c);
}

static void an_empty_list_is_off(void **state)
{
	struct lt_runtimes_config *c = good("runtimes: []");

	(void)state;
	assert_false(lt_runtimes_config_any(c));
	lt_runtimes_config_free(c);
}

static void wrong_settings_are_told_by_line(void **state)
{
	char text[4096];

	(void)state;
	bad("[]", 1, "a map with runtimes and host_root");
	bad("\nruntime: auto", 2, "runtimes");
	bad("runtimes: docker", 1, "auto, or a list");
	bad("runtimes: {type: docker}", 1, "auto, or a list");
	bad("runtimes:\n  - docker", 2, "takes maps");
	bad("runtimes:\n  - {socket: /a}", 2, "needs type");
	bad("runtimes:\n  - {type: lxc, path: /a}", 2, "docker, podman, cri");
	bad("runtimes:\n  - {type: docker}", 2, "type docker needs socket");
	bad("runtimes:\n  - {type: storage}", 2, "type storage needs path");
	bad("runtimes:\n  - {type: docker, path: /a}", 2, "path");
	bad("runtimes:\n  - {type: docker, socket: run/a}", 2, "an absolute path");
	bad("runtimes:\n  - {type: docker, socket: [/a]}", 2, "an absolute path");
	bad("runtimes:\n  - {type: docker, socket: /a, namespaces: [b]}", 2, "namespaces");
	bad("runtimes:\n  - {type: containerd, socket: /a, namespaces: b}", 2, "a list of at most");
	bad("runtimes:\n  - {type: containerd, socket: /a, namespaces: [\"a\\nb\"]}", 2,
	    "a list of at most");
	bad("runtimes:\n  - {type: containerd, socket: /a, namespaces: "
	    "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}",
	    2, "a list of at most");
	bad("host_root: host", 1, "an absolute path");
	/* What a socket's address can hold. */
	snprintf(text, sizeof(text),
		 "host_root: /%050d\nruntimes:\n- {type: docker, socket: /%056d}", 0, 0);
	bad(text, 3, "too long: at most 107 bytes");
	snprintf(text, sizeof(text),
		 "host_root: /%050d\nruntimes:\n- {type: docker, socket: /%055d}", 0, 0);
	lt_runtimes_config_free(good(text));
	snprintf(text, sizeof(text), "runtimes:\n- {type: storage, path: /%0255d}", 0);
	bad(text, 2, "too long");
	strcpy(text, "runtimes:\n");
	for (unsigned i = 0; i < LT_SOURCES_MAX + 1; i++)
		strcat(text, "- {type: docker, socket: /a}\n");
	bad(text, LT_SOURCES_MAX + 2, "at most 32");
}

static void memory_runs_out(void **state)
{
	struct lt_runtimes_config *config = NULL;

	(void)state;
	lt_alloc_fail_at(1);
	assert_int_equal(lt_runtimes_config_new(NULL, NULL, &config, NULL), -ENOMEM);
	lt_alloc_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_usual_places),
		cmocka_unit_test(a_list_takes_their_place),
		cmocka_unit_test(a_source_is_whose_folder_it_is),
		cmocka_unit_test(an_empty_list_is_off),
		cmocka_unit_test(wrong_settings_are_told_by_line),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
