// SPDX-License-Identifier: Apache-2.0
/*
 * Libraries that are linked in and stripped. The images are made by the compilers while the test
 * runs (images/), once with symbols and once without: what is planned for the stripped one has to
 * be what the other's symbols say, to the byte, or nothing. Nothing of it is ever run.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collectors/code_functions.h"
#include "collectors/code_refs.h"
#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "userspace/base/cleanup.h"

#define SOURCES "tests/unit/collectors/images/"
#define BARE	"-fno-asynchronous-unwind-tables -fno-unwind-tables"
#define ARM64	"clang --target=aarch64-linux-gnu -fuse-ld=lld"

enum { WANTED_MAX = 3 };

static char directory[64];
static bool has_lld;

static bool try(const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) == 0;
}

static int make_rest(const char *compiler, const char *name)
{
	return try("%s -w -Os -fPIC -fvisibility=hidden -c " SOURCES "rest.c -o %s/%s.o", compiler,
		   directory, name) &&
			       try("%s -w -Os " BARE " -fPIC -fvisibility=hidden -c " SOURCES
				   "rest.c -o %s/%s-bare.o",
				   compiler, directory, name)
		       ? 0
		       : -1;
}

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/lt-code.XXXXXX");
	if (!mkdtemp(directory) || make_rest("gcc -m64", "x86") < 0)
		return -1;
	has_lld = try("ld.lld --version >/dev/null 2>&1");
	return has_lld ? make_rest("clang --target=aarch64-linux-gnu", "arm64") : 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return try("rm -rf '%s'", directory) ? 0 : -1;
}

static int open_file(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* How an image is made. */
struct recipe {
	const char *source, *compiler, *options, *defines;
};

static bool is_arm64(const struct recipe *how)
{
	return strcmp(how->compiler, ARM64) == 0;
}

/* "whole", and "image" without its symbols. */
static void build(const struct recipe *how)
{
	const char *bare = strstr(how->options, BARE) ? "-bare" : "";

	if (!try("%s -w -nostdlib -fvisibility=hidden -Wl,--build-id=none %s %s " SOURCES
		 "%s.c %s/%s%s.o -o %s/whole",
		 how->compiler, how->options, how->defines, how->source, directory,
		 is_arm64(how) ? "arm64" : "x86", bare, directory) ||
	    !try("cd %s && %s -s -o image whole", directory,
		 is_arm64(how) ? "llvm-strip" : "strip"))
		fail_msg("%s %s %s %s", how->compiler, how->options, how->defines, how->source);
}

struct wanted {
	const char *symbol;
	enum lt_hook hook;
};

static const struct wanted boringssl[WANTED_MAX] = {{"SSL_read", LT_HOOK_READ},
						    {"SSL_write", LT_HOOK_WRITE},
						    {"SSL_shutdown", LT_HOOK_SHUTDOWN}};

static const struct wanted openssl[WANTED_MAX] = {{"ssl_read_internal", LT_HOOK_READ_EX},
						  {"ssl_write_internal", LT_HOOK_WRITE_EX},
						  {"SSL_shutdown", LT_HOOK_SHUTDOWN}};

/* Since 3.3. */
static const struct wanted openssl_five[WANTED_MAX] = {{"ssl_read_internal", LT_HOOK_READ_EX},
						       {"ssl_write_internal", LT_HOOK_WRITE_EX2},
						       {"SSL_shutdown", LT_HOOK_SHUTDOWN}};

static struct lt_elf_image *open_image(int fd)
{
	struct lt_elf_image *image = NULL;

	assert_int_equal(lt_elf_open(fd, &image), 0);
	return image;
}

static int plans_of(const char *name, struct lt_probe_plans *ret)
{
	lt_defer(lt_closep)
	int fd = open_file(name);
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = open_image(fd);

	return lt_collector_plans(image, ret);
}

/* By the symbols of "whole". */
static uint64_t offset_of(const char *symbol)
{
	lt_defer(lt_closep)
	int fd = open_file("whole");
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = open_image(fd);
	uint64_t offset;

	assert_int_equal(lt_elf_functions(image, symbol, &symbol, 1, &offset), 1);
	return offset;
}

static bool is_right(const struct lt_probe *probe, const struct wanted *wanted)
{
	for (unsigned i = 0; i < WANTED_MAX; i++) {
		if (strcmp(probe->symbol, wanted[i].symbol) == 0)
			return probe->hook == wanted[i].hook &&
			       probe->offset == offset_of(probe->symbol);
	}
	return false;
}

/* How many functions are planned for "image"; each of them is right. */
static unsigned count_right(const struct recipe *how, const struct wanted *wanted)
{
	struct lt_probe_plans plans;
	const struct lt_probe_plan *plan = &plans.plans[0];
	int r = plans_of("image", &plans);

	if (r == -ENOENT)
		return 0;
	assert_int_equal(r, 0);
	assert_int_equal(plans.count, 1);
	assert_int_equal(plan->found, LT_FOUND_CODE);
	for (unsigned i = 0; i < plan->count; i++) {
		if (!is_right(&plan->probes[i], wanted))
			fail_msg("%s is not at %#llx: %s %s %s", plan->probes[i].symbol,
				 (unsigned long long)plan->probes[i].offset, how->compiler,
				 how->options, how->defines);
	}
	assert_in_range(plan->count, 2, WANTED_MAX);
	return plan->count;
}

/*
 * All ways of building are a few hundred; every @step-th of them is tried (a step that has no
 * factor in common with the lists' lengths meets all of their entries). LT_TEST_ALL=1: all.
 */
struct matrix {
	const char *source, *table;
	struct {
		const char *defines;
		const struct wanted *wanted;
	} kinds[4];
	unsigned step;
};

static const char *const compilers[] = {"gcc", "clang", "clang -fuse-ld=lld", ARM64};

struct tally {
	unsigned built, found, whole;
};

static struct tally try_ways(const struct matrix *m)
{
	static const char *const levels[] = {"-O1", "-O2", "-O3"};
	static const char *const links[] = {"-fPIE -pie", "-fno-pie -no-pie", "-fPIC -shared"};
	static const char *const sections[] = {"", "-ffunction-sections",
					       "-ffunction-sections -Wl,--sort-section=name"};
	struct tally tally = {0};

	for (size_t i = 0; i < 4 * 4 * 27; i += getenv("LT_TEST_ALL") ? 1 : m->step) {
		const char *compiler = compilers[i / 4 % 4];
		struct recipe how = {m->source, compiler, .defines = m->kinds[i % 4].defines};
		char options[256];
		unsigned count;

		if (!has_lld && strstr(compiler, "lld"))
			continue;
		snprintf(options, sizeof(options), "%s %s %s %s", levels[i / 16 % 3],
			 links[i / 48 % 3], sections[i / 144], m->table);
		how.options = options;
		build(&how);
		count = count_right(&how, m->kinds[i % 4].wanted);
		tally.built++;
		tally.found += count > 0;
		tally.whole += count == WANTED_MAX;
		if (count < WANTED_MAX && getenv("LT_TEST_ALL"))
			printf("%u of %u: %s %s %s\n", count, WANTED_MAX, compiler, options,
			       how.defines);
	}
	printf("%s %s: %u images, %u with a plan, %u with all of it\n", m->source, m->table,
	       tally.built, tally.found, tally.whole);
	return tally;
}

static const struct matrix boringssl_ways = {.source = "boringssl",
					     .table = "",
					     .kinds = {{"-DPEEK_CALLED", boringssl},
						       {"", boringssl},
						       {"-DPEEK_GONE", boringssl},
						       {"-DPEEK_GONE -DSHORT", boringssl}},
					     .step = 13};

static const struct matrix openssl_ways = {.source = "openssl",
					   .table = "",
					   .kinds = {{"", openssl},
						     {"-DFIVE", openssl_five},
						     {"-DCOPIED", boringssl},
						     {"-DCOPIED -DONE -DFIVE", boringssl}},
					   .step = 13};

static void boringssl_with_an_unwind_table(void **state)
{
	struct tally tally = try_ways(&boringssl_ways);

	(void)state;
	assert_int_equal(tally.whole, tally.built);
}

static void openssl_with_an_unwind_table(void **state)
{
	struct tally tally = try_ways(&openssl_ways);

	(void)state;
	assert_int_equal(tally.whole, tally.built);
}

/* Where a function begins is told by who is called, and by padding. It can't always be. */
static void boringssl_without_an_unwind_table(void **state)
{
	struct matrix bare = boringssl_ways;
	struct tally tally;

	(void)state;
	bare.table = BARE;
	tally = try_ways(&bare);
	assert_in_range(tally.whole, tally.built * 9 / 10, tally.built);
}

static void openssl_without_an_unwind_table(void **state)
{
	struct matrix bare = openssl_ways;
	struct tally tally;

	(void)state;
	bare.table = BARE;
	tally = try_ways(&bare);
	assert_in_range(tally.whole, tally.built * 9 / 10, tally.built);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boringssl_with_an_unwind_table),
		cmocka_unit_test(openssl_with_an_unwind_table),
		cmocka_unit_test(boringssl_without_an_unwind_table),
		cmocka_unit_test(openssl_without_an_unwind_table),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
