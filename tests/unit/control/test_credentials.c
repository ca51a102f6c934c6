// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>

#include <cmocka.h>

#include "userspace/control/config.h"

static void good(const char *text, struct lt_config **ret)
{
	struct lt_problem problem = {0};

	if (lt_config_parse(lt_bytes_str(text), "t.yaml", ret, &problem) < 0)
		fail_msg("%s:%u: %s", problem.file, problem.line, problem.text);
}

static void settings_are_read(void **state)
{
	lt_defer(lt_config_freep)
	struct lt_config *c = NULL;
	const struct lt_credentials *k;

	(void)state;
	good("credentials:\n"
	     "  secret_file: /etc/s\n"
	     "  previous_secret_file: /etc/p\n"
	     "  overlap: 7d\n"
	     "  idle_after: 90d\n"
	     "  max_workloads: 9\n"
	     "  known:\n"
	     "    - {fingerprint: \"fedcba9876543210\", name: prod, tenant: acme, kind: "
	     "openai_project}\n"
	     "    - {fingerprint: \"0000000000000001\"}\n",
	     &c);
	k = &c->credentials;
	assert_string_equal(k->secret_file, "/etc/s");
	assert_string_equal(k->previous_secret_file, "/etc/p");
	assert_int_equal(k->overlap_ns, 7 * 86400000000000);
	assert_int_equal(k->idle_ns, 90 * 86400000000000);
	assert_int_equal(k->max_workloads, 9);
	assert_true(k->has_known);
	assert_int_equal(k->known_count, 2);
	assert_int_equal(k->known[0].fp, 1); /* in order */
	assert_null(k->known[0].name);
	assert_int_equal(k->known[1].fp, 0xfedcba9876543210);
	assert_string_equal(k->known[1].name, "prod");
	assert_string_equal(k->known[1].tenant, "acme");
	assert_string_equal(k->known[1].kind, "openai_project");
}

static void defaults_hold(void **state)
{
	static const char *const texts[] = {"", "credentials:\n", "credentials: {}\n"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		lt_defer(lt_config_freep)
		struct lt_config *c = NULL;

		good(texts[i], &c);
		assert_null(c->credentials.secret_file);
		assert_int_equal(c->credentials.overlap_ns, 30 * 86400000000000);
		assert_int_equal(c->credentials.idle_ns, 30 * 86400000000000);
		assert_int_equal(c->credentials.max_workloads, 5);
		assert_false(c->credentials.has_known);
	}
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *what;
	} cases[] = {
		{"credentials: 1\n", 1, "a map with"},
		{"credentials:\n  secret: x\n", 2, "secret_file"},
		{"credentials:\n  secret_file: here\n", 2, "absolute path"},
		{"credentials:\n  previous_secret_file: /p\n", 2, "ledgertap keys rotate"},
		{"credentials:\n  overlap: 400d\n", 2, "366d"},
		{"credentials:\n  idle_after: never\n", 2, "3660d"},
		{"credentials:\n  max_workloads: 0\n", 2, "1 to 250"},
		{"credentials:\n  max_workloads: 251\n", 2, "1 to 250"},
		{"credentials:\n  known: {}\n", 2, "a list of maps"},
		{"credentials:\n  known: [x]\n", 2, "takes maps"},
		{"credentials:\n  known:\n    - {name: x}\n", 3, "needs fingerprint"},
		{"credentials:\n  known:\n    - {fingerprint: \"sk-proj-1\"}\n", 3,
		 "never the key itself"},
		{"credentials:\n  known:\n    - {fingerprint: \"0000000000000000\"}\n", 3,
		 "16 hexadecimal"},
		{"credentials:\n  known:\n    - {fingerprint: \"0000000000000001\", kind: x}\n", 3,
		 "kind of key"},
		{"credentials:\n  known:\n    - {fingerprint: \"0000000000000001\"}\n"
		 "    - {fingerprint: \"0000000000000001\"}\n",
		 4, "twice"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_problem p = {0};
		struct lt_config *c = NULL;

		assert_int_equal(lt_config_parse(lt_bytes_str(cases[i].text), "t.yaml", &c, &p),
				 -EINVAL);
		assert_null(c);
		if (p.line != cases[i].line || !strstr(p.text, cases[i].what))
			fail_msg("%s: line %u: %s", cases[i].text, p.line, p.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_read),
		cmocka_unit_test(defaults_hold),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
