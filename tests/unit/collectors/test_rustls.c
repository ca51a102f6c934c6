// SPDX-License-Identifier: Apache-2.0
/*
 * rustls: programs put together by the assembler with what is left of AWS-LC and ring when symbols
 * are stripped. What is found by the code has to be what the symbols say. The code is never run.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/code_targets.h"
#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "collectors/foreign.h"

#define RUSTLS "/registry/src/rustls-0.23.1/src/conn.rs"

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/lt-rustls.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static void run(const char *format, ...)
{
	char command[1024];
	va_list args;
	int n;

	n = snprintf(command, sizeof(command), "cd %s && ", directory);
	va_start(args, format);
	vsnprintf(command + n, sizeof(command) - (size_t)n, format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int open_file(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static FILE *begin_source(const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/source.s", directory);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out,
		".section .note.GNU-stack,\"\",%%progbits\n"
		".section .rodata\n.asciz \"%s\"\n"
		"path: .asciz \"/cargo/aws-lc/crypto/fipsmodule/cipher/aead.c\"\n.text\n",
		text);
	return out;
}

static int plan_of(const char *name, struct lt_probe_plan *ret, const char **ret_foreign)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = open_file(name);
	int r;

	r = lt_elf_open(fd, &image);
	if (r == 0)
		r = lt_rustls_collector.plan(image, ret);
	if (image && ret_foreign)
		*ret_foreign = lt_collector_foreign(image);
	return r;
}

static void assert_refused(const char *name, const char *why)
{
	struct lt_probe_plan plan;
	const char *foreign;

	assert_int_equal(plan_of(name, &plan, &foreign), -ENOENT);
	if (!why)
		assert_null(foreign);
	else
		assert_string_equal(foreign ? foreign : "nothing", why);
}

#ifdef __x86_64__

/* ---- AWS-LC --------------------------------------------------------------------------------- */

struct function {
	const char *name;
	int reasons[4];
};

/* As its source has them. */
static const struct function all[] = {
	{"EVP_AEAD_CTX_zero", {0}},
	{"EVP_AEAD_CTX_init", {124}},
	{"EVP_AEAD_CTX_free", {0}},
	{"EVP_AEAD_CTX_init_with_direction", {120}},
	{"EVP_AEAD_CTX_seal", {117, 103, 115}},
	{"EVP_AEAD_CTX_seal_scatter", {115, 112}},
	{"EVP_AEAD_CTX_open_gather", {115, 104}},
	{"EVP_AEAD_CTX_open", {115, 101, 103}},
};

static void write_report(FILE *out, int reason, bool small)
{
	if (small)
		fprintf(out,
			"lea path(%%rip), %%rcx\npush $30\npop %%rdi\npush $%d\npop %%rdx\n"
			"push $77\npop %%r8\nxor %%esi, %%esi\ncall put_error\n",
			reason);
	else
		fprintf(out,
			"mov $177, %%r8d\nlea path(%%rip), %%rcx\nmov $%d, %%edx\n"
			"xor %%esi, %%esi\nmov $30, %%edi\ncall put_error\n",
			reason);
}

/* @small: as built for size, without padding and without a table for unwinders. */
static void write_function(FILE *out, const struct function *f, bool small)
{
	fprintf(out, "%s.type aws_lc_0_1_2_%s, %%function\naws_lc_0_1_2_%s:\n%s",
		small ? "" : ".p2align 4, 0xcc\n", f->name, f->name,
		small ? "" : ".cfi_startproc\n");
	if (strstr(f->name, "_free"))
		fprintf(out, "test %%rdi, %%rdi\nje 1f\n");
	fprintf(out, "push %%rbp\nmov %%rsp, %%rbp\n");
	for (size_t i = 0; i < LT_COUNT(f->reasons) && f->reasons[i]; i++)
		write_report(out, f->reasons[i], small);
	fprintf(out, "pop %%rbp\n1: ret\n%s", small ? "" : ".cfi_endproc\n");
}

static void build_aws_lc(const struct function *functions, size_t count, bool small,
			 const char *text, const char *name)
{
	FILE *out = begin_source(text);

	fprintf(out, ".globl _start\n_start:\n");
	for (size_t i = 0; i < count; i++)
		fprintf(out, "call aws_lc_0_1_2_%s\n", functions[i].name);
	fprintf(out, "put_error: ret\n");
	for (size_t i = 0; i < count; i++)
		write_function(out, &functions[i], small);
	assert_int_equal(fclose(out), 0);
	run("gcc -nostdlib -pie -Wl,--eh-frame-hdr source.s -o %s", name);
}

static void what_code_says_is_what_symbols_say(bool small)
{
	struct lt_probe_plan named, stripped;

	build_aws_lc(all, LT_COUNT(all), small, RUSTLS, "named");
	run("strip --strip-all -o stripped named");
	assert_int_equal(plan_of("named", &named, NULL), 0);
	assert_int_equal(named.found, LT_FOUND_SYMBOLS);
	assert_int_equal(named.library, LT_LIBRARY_RUSTLS);
	assert_int_equal(named.count, 7);
	assert_int_equal(plan_of("stripped", &stripped, NULL), 0);
	assert_int_equal(stripped.found, LT_FOUND_CODE);
	assert_int_equal(stripped.count, 7);
	for (unsigned i = 0; i < 7; i++) {
		assert_string_equal(stripped.probes[i].symbol, named.probes[i].symbol);
		assert_int_equal(stripped.probes[i].hook, named.probes[i].hook);
		assert_int_equal(stripped.probes[i].offset, named.probes[i].offset);
	}
}

static void aws_lc_by_its_reports(void **state)
{
	(void)state;
	what_code_says_is_what_symbols_say(false);
}

static void aws_lc_built_for_size(void **state)
{
	(void)state;
	what_code_says_is_what_symbols_say(true);
}

static void what_is_not_clear_in_aws_lc_is_refused(void **state)
{
	static const char why[] = "rustls on AWS-LC, without symbols (which of its functions seal "
				  "and open is not clear)";
	struct function functions[LT_COUNT(all) + 1];

	(void)state;
	/* Two that might be the same. */
	memcpy(functions, all, sizeof(all));
	functions[LT_COUNT(all)] = (struct function){"other", {117}};
	for (int small = 0; small < 2; small++) {
		build_aws_lc(functions, LT_COUNT(functions), small, RUSTLS, "two");
		run("strip --strip-all two");
		assert_refused("two", why);
	}
	/* Nothing that makes keys: directions could not be paired. */
	build_aws_lc(all + 4, LT_COUNT(all) - 4, false, RUSTLS, "half");
	run("strip --strip-all half");
	assert_refused("half", why);
	/* The library without rustls is somebody else's. */
	build_aws_lc(all, LT_COUNT(all), false, "nothing", "alone");
	assert_refused("alone", NULL);
	run("strip --strip-all alone");
	assert_refused("alone", NULL);
}

static void calls_say_where_functions_begin(void **state)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = -1;
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	uint64_t targets[16], text = 0;

	(void)state;
	build_aws_lc(all, LT_COUNT(all), true, RUSTLS, "calls");
	fd = open_file("calls");
	assert_int_equal(lt_elf_open(fd, &image), 0);
	for (size_t i = lt_elf_segments(image, segments); i > 0; i--) {
		if (segments[i - 1].executable)
			text = segments[i - 1].address;
	}
	/* Those that are called, and what reports. */
	assert_int_equal(lt_code_targets(image, text, text + 4096, targets, 16), LT_COUNT(all) + 1);
	for (size_t i = 1; i <= LT_COUNT(all); i++)
		assert_true(targets[i] > targets[i - 1]);
	assert_int_equal(lt_code_targets(image, text, text + 4096, targets, 4), -E2BIG);
	assert_int_equal(lt_code_targets(image, text + 4096, text + 8192, targets, 16), 0);
}

#endif

/* ---- ring ----------------------------------------------------------------------------------- */

#define FUNCTIONS                                                                                  \
	"init_128", "init_256", "seal", "open", "init_chacha", "seal_chacha", "open_chacha"
#define AES_128	 ".quad init_128, seal, open, 16, 0\n"
#define AES_256	 ".quad init_256, seal, open, 32, 1\n"
#define CHACHA20 ".quad init_chacha, seal_chacha, open_chacha, 32, 2\n"

static const char *const ring_functions[] = {FUNCTIONS};

/* @before the tables there is something else; marks tell the functions. */
static void build_ring(const char *tables, const char *options, const char *name)
{
	FILE *out = begin_source(RUSTLS);

	fprintf(out, ".globl _start\n_start: .quad 0\n");
	for (size_t i = 0; i < LT_COUNT(ring_functions); i++)
		fprintf(out, "%s: .quad 0x77777777%08zx\n", ring_functions[i], i);
	fprintf(out,
		".section .data.rel.ro,\"aw\"\n.balign 8\n.quad seal, open, seal, 8, seal, 0\n%s"
		".quad 1, seal, 3\n",
		tables);
	assert_int_equal(fclose(out), 0);
	run("gcc -nostdlib %s source.s -o %s && strip --strip-all %s", options, name, name);
}

static void assert_ring(const char *name, const char *const *wanted, unsigned count)
{
	struct lt_probe_plan plan;
	lt_defer(lt_closep)
	int fd = open_file(name);

	assert_int_equal(plan_of(name, &plan, NULL), 0);
	assert_int_equal(plan.found, LT_FOUND_CODE);
	assert_int_equal(plan.count, count);
	for (unsigned i = 0; i < count; i++) {
		enum lt_hook hook = plan.probes[i].hook;
		uint64_t mark = 0;

		assert_int_equal(pread(fd, &mark, 8, (off_t)plan.probes[i].offset), 8);
		assert_int_equal(mark >> 32, 0x77777777);
		assert_string_equal(ring_functions[mark & 7], wanted[i]);
		assert_int_equal(hook, strncmp(wanted[i], "init", 4) == 0   ? LT_HOOK_RING_INIT
				       : strncmp(wanted[i], "open", 4) == 0 ? LT_HOOK_RING_OPEN
									    : LT_HOOK_RING_SEAL);
	}
}

static void ring_by_its_tables(void **state)
{
	static const char *const wanted[] = {"init_128",    "open",	   "seal",	 "init_256",
					     "init_chacha", "open_chacha", "seal_chacha"};

	(void)state;
	build_ring(AES_128 AES_256 CHACHA20, "-pie", "pie");
	assert_ring("pie", wanted, 7);
	build_ring(AES_128 AES_256 CHACHA20, "-static -no-pie", "fixed");
	assert_ring("fixed", wanted, 7);
	/* In any order, with other things in between, and one left out. */
	build_ring(CHACHA20 ".skip 6000\n" AES_256 ".quad 0\n" AES_128, "-pie", "pie");
	assert_ring("pie", wanted, 7);
	build_ring(AES_256 ".quad 0\n" AES_128, "-pie", "pie");
	assert_ring("pie", wanted, 4);
	/* Two that might be it: then without it. */
	build_ring(AES_128 AES_256 CHACHA20 CHACHA20, "-pie", "pie");
	assert_ring("pie", wanted, 4);
}

static void what_is_not_clear_in_ring_is_refused(void **state)
{
	static const char unknown[] = "rustls (on cryptography that is not known)";

	(void)state;
	build_ring(AES_128 AES_256 ".quad init_chacha, seal, open, 32, 1\n", "-pie", "two");
	assert_refused("two", "rustls on ring (which of its functions seal and open is not clear)");
	build_ring(AES_128 CHACHA20, "-pie", "half");
	assert_refused("half", unknown);
	build_ring(".quad init_128, seal, open, 16, 0\n.quad init_128, seal, open, 32, 1\n", "-pie",
		   "same");
	assert_refused("same", unknown);
	build_ring("", "-pie", "none");
	assert_refused("none", unknown);
}

/* Each with ten bytes after the other changed, then cut short. */
static void broken_files_do_no_harm(void **state)
{
	struct lt_probe_plan plan;
	lt_defer(lt_closep)
	int fd = -1;
	off_t size;

	(void)state;
	build_ring(AES_128 AES_256 CHACHA20, "-pie", "broken");
	fd = open_file("broken");
	size = lseek(fd, 0, SEEK_END);
	for (off_t at = 0; at + 10 <= size; at += 37) {
		uint8_t whole[10], bad[10];

		assert_int_equal(pread(fd, whole, sizeof(whole), at), sizeof(whole));
		memset(bad, 0xff, sizeof(bad));
		assert_int_equal(pwrite(fd, bad, sizeof(bad), at), sizeof(bad));
		(void)plan_of("broken", &plan, NULL);
		assert_int_equal(pwrite(fd, whole, sizeof(whole), at), sizeof(whole));
	}
	for (; size > 0; size -= 101) {
		assert_int_equal(ftruncate(fd, size), 0);
		(void)plan_of("broken", &plan, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef __x86_64__
		cmocka_unit_test(aws_lc_by_its_reports),
		cmocka_unit_test(aws_lc_built_for_size),
		cmocka_unit_test(what_is_not_clear_in_aws_lc_is_refused),
		cmocka_unit_test(calls_say_where_functions_begin),
#endif
		cmocka_unit_test(ring_by_its_tables),
		cmocka_unit_test(what_is_not_clear_in_ring_is_refused),
		cmocka_unit_test(broken_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
