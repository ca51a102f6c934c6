// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"
#include "userspace/discover/container.h"

#define ID    "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define OTHER "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
#define UID   "2b801b7a-5266-4386-864e-45ed71136371"

enum { COLUMNS = 6, PATHS_AT_LEAST = 60 };

static size_t split(char *line, char *columns[COLUMNS])
{
	size_t n = 0;

	line[strcspn(line, "\n")] = '\0';
	for (char *at = line; at && n < COLUMNS; n++) {
		columns[n] = strsep(&at, "\t");
		if (strcmp(columns[n], "-") == 0)
			columns[n] = columns[n] + 1;
	}
	return n;
}

/* 0, or 1 and a line about it. */
static unsigned check(const char *what, const char *path, const char *want, const char *got)
{
	if (strcmp(want, got) == 0)
		return 0;
	print_error("%s of %s: want \"%s\", got \"%s\"\n", what, path, want, got);
	return 1;
}

static void every_path_of_the_fixture_is_understood(void **state)
{
	lt_defer(lt_fclosep)
	FILE *f = fopen("tests/unit/discover/cgroup_paths.tsv", "re");
	unsigned paths = 0, bad = 0;
	char line[2048];

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *want[COLUMNS];
		struct lt_container c;

		if (line[0] == '#')
			continue;
		assert_int_equal(split(line, want), COLUMNS);
		lt_container_parse(want[0], &c);
		bad += check("id", want[0], want[1], c.id);
		bad += check("runtime", want[0], want[2], c.runtime);
		bad += check("pod", want[0], want[3], c.pod_uid);
		bad += check("qos", want[0], want[4], c.qos);
		bad += check("unit", want[0], want[5], c.unit);
		paths++;
	}
	assert_true(paths >= PATHS_AT_LEAST);
	assert_int_equal(bad, 0);
}

static void control_characters_do_not_get_into_names(void **state)
{
	struct lt_container c;

	(void)state;
	lt_container_parse("/lxc.payload.a\x1b[2J\x7f/x\ny.service", &c);
	assert_string_equal(c.id, "a?[2J?");
	assert_string_equal(c.unit, "x?y.service");
	lt_container_parse("/machine-a\\x00\\x1bb\\xZZ\\x2.scope", &c);
	assert_string_equal(c.id, "a??b\\xZZ\\x2");
}

static void check_claims(const char *path, bool id, bool pod)
{
	struct lt_container c;

	lt_container_parse(path, &c);
	assert_int_equal(c.id_is_claim, id);
	assert_int_equal(c.pod_is_claim, pod);
}

static void names_that_others_can_choose_are_claims(void **state)
{
	(void)state;
	check_claims("/docker/" ID, false, false);
	check_claims("/kubepods/burstable/pod" UID "/" ID, false, false);
	check_claims("/kubepods/burstable/pod" UID "/" ID "/docker/" ID, true, false);
	check_claims("/docker/" ID "/kubelet/kubepods/burstable/pod" UID "/" ID, true, true);
	check_claims("/docker/" ID "/system.slice/a.service", false, false);
	check_claims("/user.slice/user-1000.slice/user@1000.service/docker-" ID ".scope", true,
		     false);
	check_claims("/user.slice/user-1000.slice/user@1000.service/kubepods/pod" UID "/" ID, true,
		     true);
	check_claims("/user.slice/user-1000.slice/session-1.scope", false, false);
	check_claims("/machine.slice/systemd-nspawn@build.service/supervisor", false, false);
}

static void oversized_names_are_cut(void **state)
{
	char path[5000];
	struct lt_container c;

	(void)state;
	memset(path, 'a', sizeof(path));
	memcpy(path, "/lxc.payload.", 13);
	path[sizeof(path) - 1] = '\0';
	lt_container_parse(path, &c);
	assert_int_equal(strlen(c.id), LT_CONTAINER_ID - 1);

	memset(path, 'b', sizeof(path));
	memcpy(path + 200, ".service", 9);
	lt_container_parse(path, &c);
	assert_int_equal(strlen(c.unit), LT_UNIT_SIZE - 1);
	assert_string_equal(c.id, "");
}

static void every_cut_of_a_long_path_is_safe(void **state)
{
	static const char path[] = "/docker/" ID "/kubelet.slice/kubelet-kubepods-burstable-pod"
				   "2b801b7a_5266_4386_864e_45ed71136371.slice:cri-containerd:" ID
				   "/machine-a\\x2db.scope";
	struct lt_container c;

	(void)state;
	for (size_t n = 0; n < sizeof(path); n++) {
		/* A block of the exact size, so that the sanitizer sees the first byte too many. */
		char *cut = malloc(n + 1);

		assert_non_null(cut);
		memcpy(cut, path, n);
		cut[n] = '\0';
		lt_container_parse(cut, &c);
		free(cut);
	}
	assert_string_equal(c.id, "a-b");
	assert_string_equal(c.pod_uid, UID);
}

static void pick(const char *text, const char *want)
{
	char path[LT_CGROUP_PATH];

	assert_true(lt_cgroup_pick(text, strlen(text), path));
	assert_string_equal(path, want);
}

static void pure_v2_gives_its_only_line(void **state)
{
	(void)state;
	pick("0::/system.slice/billing.service\n", "/system.slice/billing.service");
	pick("0::/system.slice/billing.service", "/system.slice/billing.service");
	pick("0::/\n", "/");
	pick("0::/system.slice/docker-" ID ".scope (deleted)\n",
	     "/system.slice/docker-" ID ".scope");
}

static void v1_gives_the_line_that_says_most(void **state)
{
	(void)state;
	pick("11:cpuset:/\n10:memory:/system.slice/x.service\n9:cpu,cpuacct:/\n"
	     "2:devices:/docker/" ID "\n1:name=systemd:/system.slice/x.service\n",
	     "/docker/" ID);
	pick("3:cpu:/\n2:name=systemd:/user.slice/user-1000.slice/session-2.scope\n",
	     "/user.slice/user-1000.slice/session-2.scope");
}

static void hybrid_prefers_v2_unless_v1_says_more(void **state)
{
	(void)state;
	pick("9:name=systemd:/\n4:memory:/docker/" ID "\n3:cpuset:/\n0::/\n", "/docker/" ID);
	pick("9:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n",
	     "/system.slice/b.service");
	pick("4:memory:/process_api/114b8218259653a3df1ddc506de30c14\n1:cpu:/\n0::/\n",
	     "/process_api/114b8218259653a3df1ddc506de30c14");
	pick("4:memory:/default/" ID "\n0::/kubepods/burstable/pod" UID "/" ID "\n",
	     "/kubepods/burstable/pod" UID "/" ID);
}

static void hybrid_finds_the_inner_container_in_v1(void **state)
{
	(void)state;
	pick("9:name=systemd:/docker/" ID "/docker/" OTHER "\n4:memory:/docker/" ID "/docker/" OTHER
	     "\n0::/docker/" ID "\n",
	     "/docker/" ID "/docker/" OTHER);
	pick("0::/docker/" ID "\n4:memory:/docker/" ID "/docker/" OTHER "\n",
	     "/docker/" ID "/docker/" OTHER);
	/* Deeper, but the same container: the v2 line, whose ids the kernel side tells. */
	pick("4:memory:/docker/" ID "/init\n0::/docker/" ID "\n", "/docker/" ID);
	/* Another place, no matter how deep. */
	pick("4:memory:/a/docker/" OTHER "\n0::/docker/" ID "\n", "/docker/" ID);
}

static void colons_in_the_path_are_the_paths(void **state)
{
	(void)state;
	pick("0::/system.slice:docker:" ID "\n", "/system.slice:docker:" ID);
}

static void what_is_no_cgroup_file_gives_nothing(void **state)
{
	static const char *const texts[] = {"",	    "\n\n\n", "0:",	"0::",	   "0::relative",
					    "text", ":",      "12:cpu", "12:cpu:", "0::\n"};
	char path[LT_CGROUP_PATH];

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++)
		assert_false(lt_cgroup_pick(texts[i], strlen(texts[i]), path));
}

static void a_path_too_long_keeps_its_end(void **state)
{
	char text[3000], path[LT_CGROUP_PATH];
	struct lt_container c;
	int n = snprintf(text, sizeof(text), "0::");

	(void)state;
	for (int i = 0; i < 100; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "/nested-%03d", i);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "/docker/" ID "\n");
	assert_true(lt_cgroup_pick(text, (size_t)n, path));
	assert_int_equal(path[0], '/');
	assert_true(strlen(path) > LT_CGROUP_PATH - 16);
	lt_container_parse(path, &c);
	assert_string_equal(c.id, ID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_of_the_fixture_is_understood),
		cmocka_unit_test(control_characters_do_not_get_into_names),
		cmocka_unit_test(names_that_others_can_choose_are_claims),
		cmocka_unit_test(oversized_names_are_cut),
		cmocka_unit_test(every_cut_of_a_long_path_is_safe),
		cmocka_unit_test(pure_v2_gives_its_only_line),
		cmocka_unit_test(v1_gives_the_line_that_says_most),
		cmocka_unit_test(hybrid_prefers_v2_unless_v1_says_more),
		cmocka_unit_test(hybrid_finds_the_inner_container_in_v1),
		cmocka_unit_test(colons_in_the_path_are_the_paths),
		cmocka_unit_test(what_is_no_cgroup_file_gives_nothing),
		cmocka_unit_test(a_path_too_long_keeps_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
