// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collectors/code_refs.h"
#include "userspace/discover/probe_cache.h"

static char directory[] = "/tmp/lt-probe-cache-XXXXXX";
static char folder[64];

/* The test itself is an image with a build id. */
struct bench {
	struct lt_probe_cache *cache;
	struct lt_elf_image *image;
	int fd;
};

/* Runs @command, in which $D is the folder. */
static void run(const char *command)
{
	assert_int_equal(setenv("D", folder, 1), 0);
	assert_int_equal(system(command), 0);
}

static int begin(void **state)
{
	static struct bench bench;
	struct lt_problem problem = {0};

	run("rm -rf $D");
	assert_int_equal(lt_probe_cache_open(folder, &bench.cache, &problem), 0);
	bench.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(bench.fd >= 0);
	assert_int_equal(lt_elf_open(bench.fd, &bench.image), 0);
	lt_probe_cache_use(bench.cache, bench.fd, bench.image);
	*state = &bench;
	return 0;
}

static int end(void **state)
{
	struct bench *bench = *state;

	bench->image = lt_elf_free(bench->image);
	bench->cache = lt_probe_cache_free(bench->cache);
	close(bench->fd);
	return 0;
}

static const struct lt_code_memory *memory(void **state)
{
	const struct bench *bench = *state;

	return lt_elf_memory(bench->image);
}

static void keep(const struct lt_code_memory *m, const char *text, uint64_t at)
{
	static struct lt_code_refs refs;

	refs.count = 2;
	refs.refs[0] = (struct lt_code_ref){.at = at, .size = 7, .argument = 2, .text = 1};
	refs.refs[1] = (struct lt_code_ref){.at = at + 9, .size = 5, .argument = 6};
	m->keep(m->arg, text, &refs);
}

static void what_is_kept_comes_back(void **state)
{
	const struct lt_code_memory *m = memory(state);
	static struct lt_code_refs refs;

	assert_false(m->recall(m->arg, "ssl/ssl_lib.cc", &refs));
	keep(m, "ssl/ssl_lib.cc", 0x123456789abcULL);
	assert_true(m->recall(m->arg, "ssl/ssl_lib.cc", &refs));
	assert_int_equal(refs.count, 2);
	assert_true(refs.refs[0].at == 0x123456789abcULL);
	assert_int_equal(refs.refs[0].size, 7);
	assert_int_equal(refs.refs[0].argument, 2);
	assert_int_equal(refs.refs[0].text, 1);
	assert_int_equal(refs.refs[1].argument, 6);
	assert_false(m->recall(m->arg, "another", &refs));
}

static void another_file_has_another_memory(void **state)
{
	struct bench *bench = *state;
	const struct lt_code_memory *m = memory(state);
	static struct lt_code_refs refs;
	lt_defer(lt_elf_freep)
	struct lt_elf_image *other = NULL;
	lt_defer(lt_closep)
	int fd = -1;
	char command[256];

	keep(m, "text", 1);
	snprintf(command, sizeof(command), "objcopy -R .note.gnu.build-id /proc/%d/exe %s/other",
		 getpid(), directory);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/other", directory);
	fd = open(command, O_RDONLY | O_CLOEXEC);
	assert_int_equal(lt_elf_open(fd, &other), 0);
	lt_probe_cache_use(bench->cache, fd, other);
	m = lt_elf_memory(other);
	assert_false(m->recall(m->arg, "text", &refs));
	keep(m, "text", 2);
	assert_true(m->recall(m->arg, "text", &refs));
	assert_int_equal(refs.refs[0].at, 2);
	lt_probe_cache_use(bench->cache, bench->fd, bench->image);
	m = memory(state);
	assert_true(m->recall(m->arg, "text", &refs));
	assert_int_equal(refs.refs[0].at, 1);
}

static void what_is_broken_is_not_recalled(void **state)
{
	static const char *const texts[] = {
		"",
		"another header\\n",
		"ledgertap code references 1\\n1 2 3\\n",
		"ledgertap code references 1\\n1 16 0 0\\n",
		"ledgertap code references 1\\n1 5 7 0\\n",
		"ledgertap code references 1\\n1 5 0 16\\n",
		"ledgertap code references 1\\nzz\\n",
	};
	const struct lt_code_memory *m = memory(state);
	static struct lt_code_refs refs;

	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		char command[256];

		keep(m, "text", 1);
		snprintf(command, sizeof(command), "for f in $D/*.text; do printf '%s' > $f; done",
			 texts[i]);
		run(command);
		assert_false(m->recall(m->arg, "text", &refs));
	}
	/* More than there is room for. */
	run("(echo 'ledgertap code references 1'; yes '1 5 0 0' | head -1000) > $(ls $D/*.text)");
	assert_false(m->recall(m->arg, "text", &refs));
	keep(m, "text", 1);
	assert_true(m->recall(m->arg, "text", &refs));
}

static void files_are_bounded_and_links_are_not_followed(void **state)
{
	const struct lt_code_memory *m = memory(state);
	static struct lt_code_refs refs;
	char text[32];

	for (int i = 0; i < LT_PROBE_CACHE_FILES + 40; i++) {
		snprintf(text, sizeof(text), "text-%d", i);
		keep(m, text, 1);
	}
	run("test $(ls $D | wc -l) -le 256");
	snprintf(text, sizeof(text), "text-%d", LT_PROBE_CACHE_FILES + 39);
	assert_true(m->recall(m->arg, text, &refs));
	run("cd $D && for f in *.text-290; do mv $f /tmp/lt-elsewhere; ln -s /tmp/lt-elsewhere $f; "
	    "done");
	assert_false(m->recall(m->arg, "text-290", &refs));
	run("rm -f /tmp/lt-elsewhere");
}

static void no_folder_is_told(void **state)
{
	struct lt_problem problem = {0};
	struct lt_probe_cache *cache;

	(void)state;
	assert_int_equal(lt_probe_cache_open("/proc/none/here", &cache, &problem), -ENOENT);
	assert_non_null(strstr(problem.text, "cannot make the folder"));
	lt_probe_cache_use(NULL, -1, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_kept_comes_back, begin, end),
		cmocka_unit_test_setup_teardown(another_file_has_another_memory, begin, end),
		cmocka_unit_test_setup_teardown(what_is_broken_is_not_recalled, begin, end),
		cmocka_unit_test_setup_teardown(files_are_bounded_and_links_are_not_followed, begin,
						end),
		cmocka_unit_test(no_folder_is_told),
	};
	int failed;

	if (!mkdtemp(directory))
		return 1;
	snprintf(folder, sizeof(folder), "%s/probes", directory);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(folder, sizeof(folder), "%s", directory);
	run("rm -rf $D");
	return failed;
}
