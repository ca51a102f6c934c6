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
#include <stddef.h>
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
						       {"-DPEEK_GONE -DOLDER", boringssl},
						       {"-DPEEK_GONE -DSHORT", boringssl}},
					     .step = 17};

static const struct matrix openssl_ways = {.source = "openssl",
					   .table = "",
					   .kinds = {{"", openssl},
						     {"-DFIVE", openssl_five},
						     {"-DCOPIED", boringssl},
						     {"-DCOPIED -DONE -DFIVE", boringssl}},
					   .step = 17};

/* Before 3.0. */
static const struct matrix old_openssl_ways = {.source = "openssl",
					       .table = "",
					       .kinds = {{"-DNUMBERS", openssl},
							 {"-DNUMBERS -DONE", openssl},
							 {"-DNUMBERS -DCOPIED", boringssl},
							 {"-DNUMBERS -DCOPIED -DONE", boringssl}},
					       .step = 29};

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

static void openssl_before_three(void **state)
{
	struct tally tally = try_ways(&old_openssl_ways);

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

/* ---- what is no BoringSSL or OpenSSL, or too much of it -------------------------------------- */

static const struct recipe plain = {"boringssl", "gcc", "-O2 -fPIE -pie", "-DPEEK_CALLED"};

static void reports_in_another_order_are_not_boringssls(void **state)
{
	struct recipe how = plain;
	struct lt_probe_plans plans;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(compilers); i++) {
		how.compiler = compilers[i];
		if (!has_lld && strstr(how.compiler, "lld"))
			continue;
		how.defines = "-DPEEK_CALLED -DSWAPPED";
		build(&how);
		assert_int_equal(plans_of("image", &plans), -ENOENT);
		how.defines = "-DPEEK_CALLED -DSPREAD";
		build(&how);
		assert_int_equal(plans_of("image", &plans), -ENOENT);
	}
}

/* The reports are in parts of the functions then, which are no functions. */
static void reports_moved_out_of_the_way_tell_nothing(void **state)
{
	static const char *const defines[] = {"-DPEEK_CALLED -DCOLD", "-DCOLD",
					      "-DPEEK_GONE -DCOLD"};
	static const char *const options[] = {"-O2 -fPIE -pie", "-O2 -fno-pie -no-pie " BARE};
	struct lt_probe_plans plans;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(defines) * LT_COUNT(options); i++) {
		struct recipe how = {"boringssl", "gcc", options[i % 2], defines[i / 2]};

		build(&how);
		assert_int_equal(plans_of("image", &plans), -ENOENT);
	}
}

/* Nobody says which of them is used. */
static void two_copies_are_ambiguous(void **state)
{
	static const struct recipe copies[] = {
		{.source = "boringssl", .options = ""},
		{.source = "boringssl", .options = BARE},
		{.source = "openssl", .options = ""},
	};
	struct lt_probe_plans plans;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(copies); i++) {
		struct recipe how = {copies[i].source, "gcc", .defines = ""};
		char options[512];

		assert_true(try("gcc -w -O2 -fPIE -fvisibility=hidden %s -c " SOURCES
				"%s.c -o %s/other.o && objcopy --localize-hidden %s/other.o",
				copies[i].options, how.source, directory, directory));
		snprintf(options, sizeof(options), "-O2 -fPIE -pie %s %s/other.o",
			 copies[i].options, directory);
		how.options = options;
		build(&how);
		assert_int_equal(plans_of("image", &plans), -ENOENT);
	}
}

/* Both libraries in one program: a plan for each. */
static void both_libraries_are_found(void **state)
{
	static const char others[] = "-DSSL_read=a -DSSL_write=c -DSSL_shutdown=d "
				     "-DSSL_do_handshake=e -DSSL_key_update=f -DSSL_pending=g";
	struct recipe how = plain;
	struct lt_probe_plans plans;
	char options[512];

	(void)state;
	assert_true(try("clang -w -O2 -fPIE -fvisibility=hidden %s -DONE -c " SOURCES
			"openssl.c -o %s/other.o",
			others, directory));
	snprintf(options, sizeof(options), "-O2 -fPIE -pie %s/other.o", directory);
	how.options = options;
	build(&how);
	assert_int_equal(plans_of("image", &plans), 0);
	assert_int_equal(plans.count, 2);
	assert_string_equal(plans.plans[0].collector, "boringssl-code");
	assert_string_equal(plans.plans[1].collector, "openssl-code");
	for (unsigned i = 0; i < 2; i++)
		assert_true(is_right(&plans.plans[0].probes[i], boringssl));
	for (unsigned i = 0; i < 2; i++)
		assert_true(is_right(&plans.plans[1].probes[i], openssl));
}

/* ---- damage ---------------------------------------------------------------------------------- */

enum { IMAGE_MAX = 256 << 10 };

struct file {
	unsigned char bytes[IMAGE_MAX];
	size_t n;
};

static void read_image(struct file *ret)
{
	lt_defer(lt_closep)
	int fd = open_file("image");
	ssize_t n = read(fd, ret->bytes, IMAGE_MAX);

	assert_in_range(n, 1, IMAGE_MAX - 1);
	ret->n = (size_t)n;
}

static void write_damaged(const struct file *file, size_t n)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/damaged", directory);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(file->bytes, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

/* The offsets of SSL_read, SSL_write and SSL_shutdown; what is planned for "damaged" is among them.
 */
static int plan_damaged(const uint64_t offsets[WANTED_MAX])
{
	lt_defer(lt_closep)
	int fd = open_file("damaged");
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plans plans;
	int r = lt_elf_open(fd, &image);

	if (r < 0)
		return r;
	r = lt_collector_plans(image, &plans);
	for (unsigned i = 0; r == 0 && i < plans.plans[0].count; i++) {
		const struct lt_probe *probe = &plans.plans[0].probes[i];

		for (unsigned w = 0; w < WANTED_MAX; w++) {
			if (strcmp(probe->symbol, boringssl[w].symbol) == 0)
				assert_int_equal(probe->offset, offsets[w]);
		}
	}
	return r;
}

/* Without section headers a file that is cut short is still read. */
static void images_cut_short(void **state)
{
	static const char *const options[] = {"-O2 -fPIE -pie", "-O2 -fno-pie -no-pie " BARE};
	struct file *file = malloc(sizeof(*file));
	uint64_t offsets[WANTED_MAX];

	(void)state;
	assert_non_null(file);
	for (size_t i = 0; i < LT_COUNT(compilers) * LT_COUNT(options); i++) {
		struct recipe how = {"boringssl", compilers[i / 2], options[i % 2], ""};

		if (!has_lld && strstr(how.compiler, "lld"))
			continue;
		build(&how);
		for (unsigned w = 0; w < WANTED_MAX; w++)
			offsets[w] = offset_of(boringssl[w].symbol);
		read_image(file);
		memset(file->bytes + offsetof(Elf64_Ehdr, e_shoff), 0, sizeof(Elf64_Off));
		memset(file->bytes + offsetof(Elf64_Ehdr, e_shnum), 0, 4);
		for (size_t cut = 0; cut < file->n; cut += 4096) {
			write_damaged(file, cut);
			assert_true(plan_damaged(offsets) <= 0);
		}
		write_damaged(file, file->n);
		assert_int_equal(plan_damaged(offsets), 0);
	}
	free(file);
}

static size_t table_of_image(struct file *file)
{
	const Elf64_Ehdr *header = (const void *)file->bytes;
	const Elf64_Phdr *segments = (const void *)(file->bytes + header->e_phoff);

	for (unsigned i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_GNU_EH_FRAME)
			return segments[i].p_offset;
	}
	fail_msg("no unwind table");
	return 0;
}

/* The table's header, its first entries, and the segment that says where it is. */
static void unwind_tables_with_wrong_bytes(void **state)
{
	static const unsigned char values[] = {0, 1, 0x1b, 0x7f, 0x80, 0xff};
	struct file *file = malloc(sizeof(*file));
	uint64_t offsets[WANTED_MAX];
	unsigned found = 0;
	size_t table;

	(void)state;
	assert_non_null(file);
	build(&plain);
	for (unsigned w = 0; w < WANTED_MAX; w++)
		offsets[w] = offset_of(boringssl[w].symbol);
	read_image(file);
	table = table_of_image(file);
	for (size_t i = 0; i < 12 + 12 * 8; i++) {
		unsigned char was = file->bytes[table + i];

		for (size_t v = 0; v < LT_COUNT(values); v++) {
			file->bytes[table + i] = values[v];
			write_damaged(file, file->n);
			found += plan_damaged(offsets) == 0;
		}
		file->bytes[table + i] = was;
	}
	/* Mostly it is told by calls then. */
	assert_in_range(found, 1, (12 + 12 * 8) * LT_COUNT(values));
	free(file);
}

/* ---- memory ---------------------------------------------------------------------------------- */

struct memory {
	struct lt_code_refs refs;
	bool known;
	unsigned asked, kept;
};

static bool recall(void *arg, const char *text, struct lt_code_refs *ret)
{
	struct memory *memory = arg;

	memory->asked++;
	if (!memory->known || strcmp(text, "ssl/ssl_lib.cc") != 0)
		return false;
	*ret = memory->refs;
	return true;
}

static void keep(void *arg, const char *text, const struct lt_code_refs *refs)
{
	struct memory *memory = arg;

	assert_string_equal(text, "ssl/ssl_lib.cc");
	memory->refs = *refs;
	memory->known = true;
	memory->kept++;
}

/* A plan is all references that were found; of less than @least none is made. */
static struct lt_code_refs *planned;
static size_t least;

static int plan_all(const struct lt_elf_image *image, const struct lt_code_refs *refs,
		    struct lt_probe_plan *ret)
{
	(void)image;
	(void)ret;
	*planned = *refs;
	return refs->count < least ? -ENOENT : 0;
}

/* What is found in "image" with what @memory knows. */
static int find_with(struct memory *memory, struct lt_code_refs *ret)
{
	static const struct lt_code_text text = {"ssl/ssl_lib.cc", true};
	const struct lt_code_memory door = {.recall = recall, .keep = keep, .arg = memory};
	lt_defer(lt_closep)
	int fd = open_file("image");
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = open_image(fd);
	static struct lt_probe_plan plan;

	lt_elf_set_memory(image, &door);
	assert_ptr_equal(lt_elf_memory(image), &door);
	planned = ret;
	return lt_code_plan(image, &text, 1, plan_all, &plan);
}

static void assert_same_refs(const struct lt_code_refs *a, const struct lt_code_refs *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->refs[i].at, b->refs[i].at);
		assert_int_equal(a->refs[i].size, b->refs[i].size);
		assert_int_equal(a->refs[i].argument, b->refs[i].argument);
		assert_int_equal(a->refs[i].text, b->refs[i].text);
	}
}

/* The scan is repeated, and finds what is there. */
static void assert_refused(struct memory *forged, const struct lt_code_refs *truth)
{
	struct lt_code_refs *found = calloc(1, sizeof(*found));

	assert_non_null(found);
	forged->kept = 0;
	assert_int_equal(find_with(forged, found), 0);
	assert_int_equal(forged->kept, 1);
	assert_same_refs(found, truth);
	free(found);
}

static void try_memory(struct memory *memory, struct lt_code_refs *truth,
		       struct lt_code_refs *found)
{
	*memory = (struct memory){0};
	assert_int_equal(find_with(memory, truth), 0);
	assert_int_equal(memory->kept, 1);
	assert_in_range(truth->count, 8, 20);
	assert_int_equal(find_with(memory, found), 0);
	assert_int_equal(memory->kept, 1); /* recalled, not searched */
	assert_int_equal(memory->asked, 2);
	assert_same_refs(found, truth);
	for (size_t i = 0; i < truth->count; i++) {
		for (int kind = 0; kind < 7; kind++) {
			struct lt_code_ref *ref = &memory->refs.refs[i];

			memory->refs = *truth;
			ref->at += kind == 0 ? 1 : kind == 1 ? (uint64_t)-1 : 0;
			ref->at = kind == 2 ? UINT64_MAX - 3 : kind == 3 ? 0 : ref->at;
			ref->text += kind == 4;
			ref->argument ^= kind == 5;
			ref->size += kind == 6;
			assert_refused(memory, truth);
		}
	}
	memory->refs.count = 0;
	assert_refused(memory, truth);
	/* True, but not all: they make no plan. */
	memory->refs = *truth;
	memory->refs.count--;
	least = truth->count;
	assert_refused(memory, truth);
	least = 0;
	memory->refs.count = LT_CODE_REFS_MAX + 1;
	assert_refused(memory, truth);
}

static void what_was_kept_is_recalled_and_checked(void **state)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	struct lt_code_refs *truth = calloc(2, sizeof(*truth));

	(void)state;
	assert_non_null(memory);
	assert_non_null(truth);
	for (size_t i = 0; i < LT_COUNT(compilers); i++) {
		struct recipe how = {"boringssl", compilers[i],
				     i % 2 ? "-O2 -fno-pie -no-pie" : "-O2 -fPIE -pie",
				     "-DPEEK_CALLED"};

		if (!has_lld && strstr(how.compiler, "lld"))
			continue;
		build(&how);
		try_memory(memory, truth, truth + 1);
		/* Another image in its place. */
		how.defines = "-DPEEK_GONE";
		build(&how);
		memory->refs = *truth;
		memory->kept = 0;
		assert_int_equal(find_with(memory, truth + 1), 0);
		assert_int_equal(memory->kept, 1);
		assert_true(truth[1].count != truth[0].count ||
			    memcmp(truth[0].refs, truth[1].refs, sizeof(truth[0].refs)) != 0);
	}
	free(memory);
	free(truth);
}

/* ---- one by one ------------------------------------------------------------------------------ */

/* Assembles @code as "image": ET_DYN, its text at the symbol "text". */
static struct lt_elf_image *assemble(bool arm64, const char *code, int *ret_fd)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/source.s", directory);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out,
		".section .note.GNU-stack,\"\",%%progbits\n.section .rodata\n.asciz \"before\"\n"
		"text: .asciz \"dir/the/text\"\n.text\n.balign 16\n.globl _start\n_start:\n%s\n",
		code);
	assert_int_equal(fclose(out), 0);
	if (!try("cd %s && %s -nostdlib -shared -Wl,--build-id=none source.s -o image", directory,
		 arm64 ? ARM64 : "gcc"))
		fail_msg("%s", code);
	*ret_fd = open_file("image");
	return open_image(*ret_fd);
}

/* Loads of constants around the load of a text. */
static void constants_of_a_call(void **state)
{
	static const struct {
		bool arm64;
		const char *code;
		int64_t want[LT_CODE_ARGUMENTS];
	} cases[] = {
		{false,
		 "nop; xor %esi,%esi; mov $16,%edi; mov $66,%edx; lea text(%rip),%rcx;"
		 "mov $1234,%r8d; call _start; mov $7,%r9d; ret",
		 {16, 0, 66, -1, 1234, -1}},
		{false,
		 "mov $1,%edx; mov $2,%edx; lea text(%rip),%rcx; mov $3,%r8d; mov $4,%r8d; ret",
		 {-1, -1, 2, -1, 3, -1}},
		{false,
		 "mov $9,%edi; mov $10,%r9d; lea text(%rip),%rdx; jmp _start; mov $5,%ecx",
		 {9, -1, -1, -1, -1, 10}},
		{false, "lea text(%rip),%rdx; mov $0x12345678,%ecx; ret", {-1, -1, -1, -1, -1, -1}},
		{true,
		 "nop; mov w0,#16; mov w1,#0; mov w2,#66; adrp x3,text; add x3,x3,:lo12:text;"
		 "mov w4,#1234; bl _start; mov w5,#7; ret",
		 {16, 0, 66, -1, 1234, -1}},
		{true,
		 "mov w1,#3; ret; mov w2,#4; mov w2,#5; adrp x8,text; add x3,x8,:lo12:text; b "
		 "_start",
		 {-1, -1, 5, -1, -1, -1}},
	};
	static const struct lt_code_text text = {"the/text", true};
	struct lt_code_refs *refs = calloc(1, sizeof(*refs));

	(void)state;
	assert_non_null(refs);
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		lt_defer(lt_elf_freep)
		struct lt_elf_image *image = NULL;
		lt_defer(lt_closep)
		int fd = -1;
		int64_t got[LT_CODE_ARGUMENTS];

		if (cases[i].arm64 && !has_lld)
			continue;
		image = assemble(cases[i].arm64, cases[i].code, &fd);
		assert_int_equal(lt_code_find(image, &text, 1, refs), 0);
		assert_int_equal(refs->count, 1);
		assert_int_equal(lt_code_constants(image, &refs->refs[0], got), 0);
		for (int n = 0; n < LT_CODE_ARGUMENTS; n++) {
			if (got[n] != cases[i].want[n])
				fail_msg("%s: argument %d is %lld", cases[i].code, n,
					 (long long)got[n]);
		}
	}
	free(refs);
}

/* What is a reference, how many there may be, and in whose code. */
static void references_are_counted(void **state)
{
	static const struct lt_code_text texts[] = {{"dir/the/text", false}, {"the/text", false}};
	struct lt_code_refs *refs = calloc(1, sizeof(*refs));

	(void)state;
	assert_non_null(refs);
	for (int i = 0; i < 5; i++) {
		static const char *const codes[] = {
			".rept 600; lea text(%rip),%rax; .endr", "lea text+1(%rip),%rax; ret",
			"lea text+4(%rip),%rdi; ret", "ret", "lea text(%rip),%r9; ret"};
		static const int wanted[] = {-E2BIG, -ENOENT, 0, -ENOENT, 0};
		lt_defer(lt_elf_freep)
		struct lt_elf_image *image = NULL;
		lt_defer(lt_closep)
		int fd = -1;

		image = assemble(false, codes[i], &fd);
		assert_int_equal(lt_code_find(image, texts, LT_COUNT(texts), refs), wanted[i]);
		if (wanted[i] < 0)
			continue;
		assert_int_equal(refs->count, 1);
		/* A text of its own: linkers let short texts be the ends of long ones. */
		assert_int_equal(refs->refs[0].text, i == 2 ? 1 : 0);
		assert_int_equal(refs->refs[0].argument, i == 2 ? 0 : 5);
		assert_int_equal(refs->refs[0].size, 7);
		assert_true(lt_code_mentions(image, "the/tex"));
		assert_false(lt_code_mentions(image, "the/test"));
	}
	free(refs);
}

static void other_machines_are_not_read(void **state)
{
	static const struct lt_code_text text = {"the/text", true};
	struct lt_code_refs *refs = calloc(1, sizeof(*refs));
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = -1;

	(void)state;
	assert_non_null(refs);
	image = assemble(false, "lea text(%rip),%rax; ret", &fd);
	assert_true(try("printf '\\363\\000' | dd of=%s/image bs=1 seek=18 conv=notrunc "
			"status=none",
			directory));
	image = lt_elf_free(image);
	image = open_image(fd);
	assert_int_equal(lt_code_find(image, &text, 1, refs), -EOPNOTSUPP);
	free(refs);
}

static void calls_are_where_they_stand(void **state)
{
	static const char *const codes[] = {
		"begin: call after; jmp begin; nop; jmp after; .byte 0xe9,1,0,0,0; after: ret",
		"begin: bl after; b begin; nop; b after; cbz x0, after; after: ret"};
	/* A short jump of x86-64 stays inside of a function. */
	static const struct lt_code_call wanted[2][3] = {{{0, 15}, {10, 16}},
							 {{0, 20}, {4, 0}, {12, 20}}};

	(void)state;
	for (int arm64 = 0; arm64 <= has_lld; arm64++) {
		lt_defer(lt_elf_freep)
		struct lt_elf_image *image = NULL;
		lt_defer(lt_closep)
		int fd = -1;
		struct lt_code_function function;
		struct lt_code_call calls[8];
		struct lt_elf_segment text;

		image = assemble(arm64, codes[arm64], &fd);
		assert_int_equal(lt_elf_section(image, ".text", &text), 0);
		function.start = text.address;
		function.end = text.address + text.size;
		assert_int_equal(lt_code_calls(image, &function, calls, 8), arm64 ? 3 : 2);
		for (int i = 0; i < (arm64 ? 3 : 2); i++) {
			assert_int_equal(calls[i].at - function.start, wanted[arm64][i].at);
			assert_int_equal(calls[i].target - function.start, wanted[arm64][i].target);
		}
		assert_int_equal(lt_code_calls(image, &function, calls, 1), 1);
		function.end = function.start + 4;
		assert_int_equal(lt_code_calls(image, &function, calls, 8), arm64 ? 1 : 0);
		function.end = function.start;
		assert_int_equal(lt_code_calls(image, &function, calls, 8), 0);
		function.start = UINT64_MAX - 8;
		function.end = UINT64_MAX;
		assert_int_equal(lt_code_calls(image, &function, calls, 8), 0);
	}
}

/* Where they begin and end. */
static void functions_from_end_to_end(void **state)
{
	static const char *const names[] = {"SSL_do_handshake", "SSL_read", "SSL_peek", "SSL_write",
					    "SSL_shutdown"};
	static const char *const tables[] = {"-O2 -fPIE -pie", "-O2 -fPIE -pie " BARE};

	(void)state;
	for (size_t i = 0; i < 2 * LT_COUNT(compilers); i++) {
		struct recipe how = {"boringssl", compilers[i / 2], tables[i % 2], ""};
		lt_defer(lt_elf_freep)
		struct lt_elf_image *image = NULL;
		lt_defer(lt_closep)
		int fd = -1;
		struct lt_elf_segment text;
		struct lt_code_function function;

		if (!has_lld && strstr(how.compiler, "lld"))
			continue;
		build(&how);
		fd = open_file("image");
		image = open_image(fd);
		assert_int_equal(lt_elf_section(image, ".text", &text), 0);
		for (size_t n = 0; n < LT_COUNT(names); n++) {
			uint64_t start = offset_of(names[n]) - text.offset + text.address;

			assert_int_equal(lt_code_function(image, start, &function), 0);
			assert_int_equal(function.start, start);
			assert_in_range(function.end, start + 16, start + 4096);
			/* The table knows bytes, the way that code takes instructions. */
			if (i % 2)
				continue;
			assert_int_equal(lt_code_function(image, function.end - 1, &function), 0);
			assert_int_equal(function.start, start);
			assert_int_equal(lt_code_function(image, start + 3, &function), 0);
			assert_int_equal(function.start, start);
		}
		assert_int_equal(lt_code_function(image, 0, &function), -ENOENT);
		assert_int_equal(lt_code_function(image, text.address + (1 << 20), &function),
				 -ENOENT);
		assert_int_equal(lt_code_function(image, UINT64_MAX, &function), -ENOENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boringssl_with_an_unwind_table),
		cmocka_unit_test(openssl_with_an_unwind_table),
		cmocka_unit_test(openssl_before_three),
		cmocka_unit_test(boringssl_without_an_unwind_table),
		cmocka_unit_test(openssl_without_an_unwind_table),
		cmocka_unit_test(reports_in_another_order_are_not_boringssls),
		cmocka_unit_test(reports_moved_out_of_the_way_tell_nothing),
		cmocka_unit_test(two_copies_are_ambiguous),
		cmocka_unit_test(both_libraries_are_found),
		cmocka_unit_test(images_cut_short),
		cmocka_unit_test(unwind_tables_with_wrong_bytes),
		cmocka_unit_test(what_was_kept_is_recalled_and_checked),
		cmocka_unit_test(constants_of_a_call),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(other_machines_are_not_read),
		cmocka_unit_test(calls_are_where_they_stand),
		cmocka_unit_test(functions_from_end_to_end),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
