// SPDX-License-Identifier: Apache-2.0
/*
 * Go: the walk over machine code, the runtime's table of functions, and whole programs: some that
 * are put together here by the assembler (the code is never run), and real ones where go is
 * installed.
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

#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "collectors/foreign.h"
#include "collectors/go_code.h"
#include "collectors/go_table.h"
#include "collectors/go_tls.h"

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/lt-go.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static bool try(const char *format, ...)
{
	char command[1024];
	va_list args;
	int n;

	n = snprintf(command, sizeof(command), "cd %s && ", directory);
	va_start(args, format);
	vsnprintf(command + n, sizeof(command) - (size_t)n, format, args);
	va_end(args);
	return system(command) == 0;
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

static int plan_of(const char *name, struct lt_probe_plan *ret, const char **ret_foreign)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plans plans;
	lt_defer(lt_closep)
	int fd = open_file(name);
	int r = lt_elf_open(fd, &image);

	assert_int_equal(r, 0);
	r = lt_collector_plans(image, &plans);
	*ret = r == 0 ? plans.plans[0] : (struct lt_probe_plan){0};
	if (ret_foreign)
		*ret_foreign = r == -ENOENT ? lt_collector_foreign(image) : NULL;
	return r;
}

/* "48 8b 05" -> bytes */
static size_t bytes_of(const char *hex, uint8_t *to)
{
	size_t n = 0;
	char *end;

	for (const char *at = hex; *at;) {
		to[n++] = (uint8_t)strtoul(at, &end, 16);
		at = end + strspn(end, " ");
	}
	return n;
}

static void instructions_have_their_length(void **state)
{
	static const char *const whole[] = {
		"c3",
		"90",
		"f3 c3",
		"c2 08 00",
		"55",
		"48 89 e5",
		"cc",
		"0f 0b",
		"0f 05",
		"49 3b 66 10",			 /* cmp 16(%r14),%rsp */
		"48 8d 05 78 56 34 12",		 /* lea disp32(%rip),%rax */
		"8b 04 25 78 56 34 12",		 /* mov disp32,%eax: SIB without a base */
		"48 8b 44 24 68",		 /* mov 104(%rsp),%rax */
		"48 8b 84 24 80 00 00 00",	 /* mov 128(%rsp),%rax */
		"48 c7 44 24 20 00 00 00 00",	 /* movq $0,32(%rsp) */
		"66 c7 44 24 20 00 00",		 /* movw */
		"c6 44 24 1f 00",		 /* movb */
		"48 b8 ef cd ab 89 67 45 23 01", /* movabs */
		"b8 78 56 34 12",
		"66 b8 34 12",
		"b0 01",
		"48 05 78 56 34 12",
		"66 05 34 12",
		"66 48 05 78 56 34 12",
		"48 a1 00 11 22 33 44 55 66 77",
		"67 a1 00 11 22 33",
		"f6 c1 01",
		"f6 d1",
		"f7 c1 78 56 34 12",
		"66 f7 c1 34 12",
		"48 f7 d9",
		"f0 0f b1 be 70 01 00 00", /* lock cmpxchg */
		"f0 48 0f c1 08",
		"0f 84 78 56 34 12",
		"75 10",
		"eb 10",
		"e8 78 56 34 12",
		"e9 78 56 34 12",
		"ff 25 78 56 34 12",
		"ff d1",
		"41 ff 52 18",
		"66 4c 0f d6 7c 24 50",
		"f3 0f 1e fa",
		"0f 1f 84 00 00 00 00 00",
		"66 2e 0f 1f 84 00 00 00 00 00",
		"0f ba e0 05",
		"0f a4 c2 05",
		"0f c8",
		"48 0f c9",
		"66 0f 3a 0f c1 08",
		"66 0f 38 00 c1",
		"f2 48 0f 38 f1 c1",
		"0f 70 c1 05",
		"66 0f 70 c1 05",
		"c5 f8 77", /* vzeroupper */
		"c5 fd 6f 44 24 20",
		"c5 f9 70 c1 05",
		"c4 e2 7d 58 10",
		"c4 e3 7d 38 c1 01",
		"c4 e2 fb f6 c1",
		"62 f1 7c 48 10 44 24 01",
		"62 f3 7d 48 25 c0 ff",
		"c8 10 00 01",
		"6b c0 05",
		"69 c0 78 56 34 12",
		"66 69 c0 34 12",
		"6a 01",
		"68 78 56 34 12",
		"64 48 8b 0c 25 f8 ff ff ff",
	};
	static const char *const none[] = {
		"06", "62", "0f 04", "8f c9 00",
		"d6", "ea", "40",    "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(whole); i++) {
		uint8_t code[32];
		size_t n = bytes_of(whole[i], code);

		memset(code + n, 0x90, sizeof(code) - n);
		if (lt_go_x86_length(code, sizeof(code)) != n)
			fail_msg("%s: length %zu", whole[i], lt_go_x86_length(code, sizeof(code)));
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(lt_go_x86_length(code, cut), 0);
	}
	for (size_t i = 0; i < LT_COUNT(none); i++) {
		uint8_t code[32];

		if (lt_go_x86_length(code, bytes_of(none[i], code)) != 0)
			fail_msg("%s is no instruction", none[i]);
	}
}

static int returns_of(unsigned machine, const char *hex, uint32_t ret[4])
{
	uint8_t code[128];

	memset(ret, 0xff, 4 * sizeof(*ret));
	return lt_go_returns(machine, code, bytes_of(hex, code), ret, 4);
}

static void returns_are_found_in_step(void **state)
{
	static uint8_t large[LT_GO_CODE_MAX + 1];
	uint32_t at[4];

	(void)state;
	/* A c3 inside of an instruction is no RET; padding follows the function. */
	assert_int_equal(
		returns_of(EM_X86_64, "b8 c3 00 00 c3 c3 48 8b c3 c2 08 00 f3 c3 cc cc", at), 3);
	assert_int_equal(at[0], 5);
	assert_int_equal(at[1], 9);
	assert_int_equal(at[2], 12);
	/* Jumps forth, and back to the begin. */
	assert_int_equal(returns_of(EM_X86_64, "75 01 c3 0f 84 f7 ff ff ff eb f5", at), 1);
	/* Into an instruction: the walk is out of step. */
	assert_int_equal(returns_of(EM_X86_64, "75 02 b8 00 00 00 00 c3", at), -EBADMSG);
	/* Into another function: a way out that has no RET. */
	assert_int_equal(returns_of(EM_X86_64, "75 01 c3 e9 78 00 00 00", at), -ENOTSUP);
	assert_int_equal(returns_of(EM_X86_64, "c3 06", at), -EBADMSG);
	assert_int_equal(returns_of(EM_X86_64, "c3 48 8b", at), -EBADMSG);
	/* More than there is room for are counted. */
	assert_int_equal(returns_of(EM_X86_64, "c3 c3 c3 c3 c3 c3", at), 6);
	assert_int_equal(at[3], 3);
	assert_int_equal(
		returns_of(EM_AARCH64, "90 0b 40 f9 c0 03 5f d6 e0 03 00 91 c0 03 5f d6", at), 2);
	assert_int_equal(at[1], 12);
	assert_int_equal(returns_of(EM_AARCH64, "00 00 c0 03 5f d6 00 00", at), 0);
	assert_int_equal(returns_of(EM_RISCV, "c3", at), -EBADMSG);
	assert_int_equal(lt_go_returns(EM_X86_64, large, 0, at, 4), -EBADMSG);
	assert_int_equal(lt_go_returns(EM_X86_64, large, sizeof(large), at, 4), -EBADMSG);
}

static enum lt_go_begin begin_of(unsigned machine, const char *hex)
{
	uint8_t code[32];

	return lt_go_begin(machine, code, bytes_of(hex, code));
}

static void begins_tell_the_convention(void **state)
{
	static const struct {
		unsigned machine;
		const char *code;
		enum lt_go_begin begin;
	} cases[] = {
		{EM_X86_64, "49 3b 66 10 76 20", LT_GO_BEGIN_REGISTER},
		{EM_X86_64, "4c 8d 64 24 d0 4d 3b 66 10", LT_GO_BEGIN_REGISTER},
		{EM_X86_64, "4c 8d a4 24 00 ff ff ff 4d 3b 66 10", LT_GO_BEGIN_REGISTER},
		{EM_X86_64, "64 48 8b 0c 25 f8 ff ff ff 48 3b 61 10", LT_GO_BEGIN_STACK},
		{EM_X86_64, "48 8b 0d 01 02 03 04 64 48 8b 09", LT_GO_BEGIN_STACK},
		{EM_X86_64, "48 c7 c1 f8 ff ff ff 64 48 8b 09", LT_GO_BEGIN_STACK},
		{EM_X86_64, "48 8b 0d 01 02 03 04 48 85 c9", LT_GO_BEGIN_OTHER},
		{EM_X86_64, "55 48 89 e5", LT_GO_BEGIN_OTHER},
		{EM_X86_64, "49 3b 66", LT_GO_BEGIN_OTHER},
		{EM_X86_64, "4c 8d 64 24 d0", LT_GO_BEGIN_OTHER},
		{EM_AARCH64, "90 0b 40 f9", LT_GO_BEGIN_REGISTER},
		{EM_AARCH64, "81 0b 40 f9", LT_GO_BEGIN_REGISTER},
		{EM_AARCH64, "fd 7b bf a9", LT_GO_BEGIN_OTHER},
		{EM_RISCV, "49 3b 66 10", LT_GO_BEGIN_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		if (begin_of(cases[i].machine, cases[i].code) != cases[i].begin)
			fail_msg("%s: %d", cases[i].code,
				 begin_of(cases[i].machine, cases[i].code));
	}
}

/* A table in memory. */
struct made {
	uint8_t bytes[1 << 20];
	size_t n;
	unsigned reads;
};

static ssize_t read_made(const void *arg, uint64_t position, void *to, size_t n)
{
	struct made *made = (struct made *)arg;

	made->reads++;
	if (position >= made->n)
		return 0;
	if (n > made->n - position)
		n = made->n - position;
	memcpy(to, made->bytes + position, n);
	return (ssize_t)n;
}

static int address_made(const void *arg, uint64_t position, uint64_t *ret)
{
	return read_made(arg, position, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret) ? 0 : -EBADMSG;
}

static void put(struct made *made, uint64_t value, size_t n)
{
	memcpy(made->bytes + made->n, &value, n);
	made->n += n;
}

enum { FUNCTIONS = 3000, FUNCTION_SIZE = 48 };

static void name_made(unsigned i, char to[64])
{
	if (i == 1000)
		snprintf(to, 64, "crypto/tls.(*Conn).Read");
	else if (i == FUNCTIONS - 1)
		snprintf(to, 64, "crypto/tls.(*Conn).Write");
	else
		snprintf(to, 64, "example.com/a/package.(*Type%u).Method", i);
}

/* As the linker lays it out: header, names, list, functions. */
static struct made *make_table(uint32_t magic)
{
	struct made *made = calloc(1, sizeof(*made));
	static uint32_t names[FUNCTIONS];
	bool relative = magic != 0xfffffffa;
	size_t width = relative ? 4 : 8, head = relative ? 72 : 64, list;
	uint64_t parts;

	assert_non_null(made);
	made->n = head;
	put(made, 0, 1);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		char name[64];

		name_made(i, name);
		names[i] = (uint32_t)(made->n - head);
		memcpy(made->bytes + made->n, name, strlen(name) + 1);
		made->n += strlen(name) + 1;
	}
	parts = made->n;
	list = (2 * FUNCTIONS + 1) * width;
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		put(made, 0x1000 + i * FUNCTION_SIZE, width);
		put(made, list + i * (width + 20), width);
	}
	put(made, 0x1000 + FUNCTIONS * FUNCTION_SIZE, width);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		put(made, 0x1000 + i * FUNCTION_SIZE, width);
		put(made, names[i], 4);
		made->n += 16;
	}
	list = made->n;
	made->n = 0;
	put(made, magic, 4);
	put(made, 0x08010000, 4);
	put(made, FUNCTIONS, 8);
	put(made, 0, 8);
	if (relative)
		put(made, 0x401000, 8);
	put(made, head, 8);
	for (int i = 0; i < 4; i++)
		put(made, parts, 8);
	made->n = list;
	return made;
}

static const char *const wanted[] = {"crypto/tls.(*Conn).Write", "crypto/tls.(*Conn).Close",
				     "crypto/tls.(*Conn).Read"};

static int find_in(struct made *made, struct lt_go_function ret[3])
{
	const struct lt_go_reader reader = {
		.arg = made,
		.read = read_made,
		.address = address_made,
	};
	struct lt_go_table table;
	int r = lt_go_table_open(&reader, 0, made->n, &table);

	return r < 0 ? r : lt_go_table_find(&table, wanted, 3, ret);
}

static void functions_are_found_by_name(void **state)
{
	static const uint32_t magics[] = {0xfffffffa, 0xfffffff0, 0xfffffff1};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(magics); i++) {
		struct made *made = make_table(magics[i]);
		struct lt_go_function found[3];

		assert_int_equal(find_in(made, found), 2);
		assert_false(found[1].found);
		assert_true(found[0].found && found[2].found);
		assert_int_equal(found[2].entry, 0x1000 + 1000 * FUNCTION_SIZE);
		assert_int_equal(found[2].end, found[2].entry + FUNCTION_SIZE);
		assert_int_equal(found[0].entry, 0x1000 + (FUNCTIONS - 1) * FUNCTION_SIZE);
		assert_int_equal(found[0].end, found[0].entry + FUNCTION_SIZE);
		assert_in_range(made->reads, 4, 40);
		free(made);
	}
}

static void change(struct made *made, size_t at, uint64_t value, size_t n)
{
	memcpy(made->bytes + at, &value, n);
}

static void broken_tables_are_refused(void **state)
{
	struct lt_go_function found[3];
	struct made *made = make_table(0xfffffff1);
	struct made *bad = calloc(1, sizeof(*bad));
	uint64_t list;

	(void)state;
	assert_non_null(bad);
	memcpy(&list, made->bytes + 64, sizeof(list));
	for (int i = 0; i < 10; i++) {
		memcpy(bad, made, sizeof(*bad));
		switch (i) {
		case 0: /* another magic */
			change(bad, 0, 0xfffffff7, 4);
			break;
		case 1: /* no function, and more than there can be */
			change(bad, 8, 0, 8);
			break;
		case 2:
			change(bad, 8, 1 << 22, 8);
			break;
		case 3: /* parts outside of it, and out of order */
			change(bad, 64, bad->n, 8);
			break;
		case 4:
			change(bad, 32, list + 8, 8);
			break;
		case 5: /* a function outside */
			change(bad, list + 500 * 8 + 4, 0xffffff00, 4);
			break;
		case 6: /* one that ends before it begins */
			change(bad, list + 1001 * 8, 0x10, 4);
			break;
		case 7: /* cut inside of the list, and inside of the header */
			bad->n = list + 100;
			break;
		case 8:
			bad->n = 40;
			break;
		case 9: /* a list that leads to and fro costs no more than its size */
			for (unsigned f = 0; f < FUNCTIONS; f += 2)
				change(bad, list + f * 8 + 4, 100, 4);
			change(bad, 8, FUNCTIONS, 8);
			break;
		}
		assert_int_equal(find_in(bad, found), -EBADMSG);
		assert_in_range(bad->reads, 1, 400);
	}
	change(made, 0, 0xfffffffb, 4);
	assert_int_equal(find_in(made, found), -ENOTSUP);
	free(made);
	free(bad);
}

/*
 * A program for the assembler. @read and @write are the code of the two functions, @before is what
 * the linker put in front of Go's code, @text is what the table says of its begin.
 */
struct source {
	const char *read, *write, *before, *text, *magic, *section, *module;
	const char *instruction; /* its size */
};

static void write_source(const struct source *s)
{
	static const char parts[] = "listing - table";
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/source.s", directory);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out,
		".section .note.GNU-stack,\"\",%%progbits\n"
		".section .note.go.buildid,\"a\",%%note\n.quad 0\n"
		".text\n.globl _start\n_start:\n%s\ntext:\n.skip 64, 0xcc\n"
		"read: .byte %s\nread_end: .skip 16, 0xcc\n"
		"write: .byte %s\nwrite_end: .skip 16, 0xcc\n",
		s->before, s->read, s->write);
	fprintf(out,
		".section %s\n.balign 32\ntable:\n.long %s\n.byte 0, 0, %s, 8\n"
		".quad 2, 0, %s, names - table, %s, %s, %s, %s\n",
		s->section, s->magic, s->instruction, s->text, parts, parts, parts, parts);
	fprintf(out, "names: .byte 0\nname1: .asciz \"crypto/tls.(*Conn).Read\"\n"
		     "name2: .asciz \"crypto/tls.(*Conn).Write\"\n.balign 8\n"
		     "listing: .long read - text, one - listing, write - text, two - listing, "
		     "write_end - text, 0\n"
		     "one: .long 0, name1 - names, 0, 0\ntwo: .long 0, name2 - names, 0, 0\n");
	fprintf(out, ".data\n.quad 1, 2, 3\n%s\n", s->module);
	assert_int_equal(fclose(out), 0);
}

/* Read has two RETs, Write one. */
#define X86_READ  "0x49,0x3b,0x66,0x10,0x75,0x01,0xc3,0xb8,0xc3,0xc3,0xc3,0xc3,0xc3"
#define X86_WRITE "0x4c,0x8d,0x64,0x24,0xd0,0x4d,0x3b,0x66,0x10,0x90,0xc3"
#define ARM_READ  "0x90,0x0b,0x40,0xf9,0xc0,0x03,0x5f,0xd6,0xe0,0x03,0x00,0x91,0xc0,0x03,0x5f,0xd6"
#define ARM_WRITE "0x91,0x0b,0x40,0xf9,0xc0,0x03,0x5f,0xd6"
/* What the runtime keeps of a module: table, names ..., and as the 23rd word where its code is. */
#define MODULE ".quad table, names\n.skip 20 * 8\n.quad text\n"

#define X86                                                                                        \
	.read = X86_READ, .write = X86_WRITE, .before = "", .text = "text", .magic = "0xfffffff1", \
	.section = ".gopclntab,\"aw\"", .module = "", .instruction = "1"

static void assemble(const struct source *s, const char *options, const char *name)
{
	write_source(s);
	assert_true(try("gcc -nostdlib -Wl,-z,noseparate-code %s source.s -o %s", options, name));
}

static void assert_read_and_write(const char *name, const uint8_t ret[], size_t ret_n)
{
	static const enum lt_hook hooks[] = {LT_HOOK_GO_READ_RET, LT_HOOK_GO_READ_RET,
					     LT_HOOK_GO_WRITE_RET, LT_HOOK_GO_READ,
					     LT_HOOK_GO_WRITE};
	struct lt_probe_plan plan;
	lt_defer(lt_closep)
	int fd = open_file(name);

	assert_int_equal(plan_of(name, &plan, NULL), 0);
	assert_string_equal(plan.collector, "go_tls");
	assert_int_equal(plan.library, LT_LIBRARY_GO_TLS);
	assert_int_equal(plan.count, LT_COUNT(hooks));
	for (unsigned i = 0; i < plan.count; i++) {
		uint8_t code[4];

		assert_int_equal(plan.probes[i].hook, hooks[i]);
		assert_int_equal(pread(fd, code, sizeof(code), (off_t)plan.probes[i].offset), 4);
		if (i < 3)
			assert_memory_equal(code, ret, ret_n);
	}
	assert_true(plan.probes[1].offset > plan.probes[0].offset);
	assert_true(plan.probes[3].offset < plan.probes[0].offset);
}

static void programs_are_found_wherever_the_linker_put_them(void **state)
{
	static const uint8_t ret[] = {0xc3}, arm_ret[] = {0xc0, 0x03, 0x5f, 0xd6};
	struct source s = {X86};

	(void)state;
	assemble(&s, "-static -no-pie", "fixed");
	assert_read_and_write("fixed", ret, sizeof(ret));
	assert_true(try("strip --strip-all fixed"));
	assert_read_and_write("fixed", ret, sizeof(ret));
	/* The begin of the code is a relocation, then it is not told at all (Go 1.26). */
	assemble(&s, "-pie", "pie");
	assert_read_and_write("pie", ret, sizeof(ret));
	s.text = "0";
	assemble(&s, "-pie", "pie");
	assert_read_and_write("pie", ret, sizeof(ret));
	/* Not even the first thing in its section: the module says it, relocated or not. */
	s.before = ".skip 4096, 0x90";
	s.module = MODULE;
	assemble(&s, "-static -no-pie", "fixed");
	assert_read_and_write("fixed", ret, sizeof(ret));
	assemble(&s, "-pie", "pie");
	assert_read_and_write("pie", ret, sizeof(ret));
	/* In a section of another name, and without any sections. */
	s.section = ".rodata";
	assemble(&s, "-pie", "other");
	assert_read_and_write("other", ret, sizeof(ret));
	assert_true(try("objcopy --strip-section-headers other none 2>/dev/null || "
			"{ cp other none && printf '\\0\\0\\0\\0\\0\\0\\0\\0' | dd of=none bs=1 "
			"seek=40 conv=notrunc status=none && printf '\\0\\0\\0\\0\\0\\0' | dd "
			"of=none bs=1 seek=58 conv=notrunc status=none; }"));
	assert_read_and_write("none", ret, sizeof(ret));
	/* For arm64, by the number of the machine in the file. */
	s = (struct source){X86};
	s.read = ARM_READ;
	s.write = ARM_WRITE;
	s.instruction = "4";
	assemble(&s, "-static -no-pie", "arm");
	assert_true(try("printf '\\267' | dd of=arm bs=1 seek=18 conv=notrunc status=none"));
	assert_read_and_write("arm", arm_ret, sizeof(arm_ret));
}

static void what_is_not_read_says_why(void **state)
{
	static const struct {
		const char *read, *text, *magic, *why;
	} cases[] = {
		{X86_READ, "text + 1", "0xfffffff1", "where its code begins"},
		{X86_READ, "text", "0xfffffffb", "before 1.16"},
		{X86_READ, "text", "0xfffffff7", "broken"},
		{"0x49,0x3b,0x66,0x10,0x06,0xc3", "text", "0xfffffff1", "not understood"},
		{"0x49,0x3b,0x66,0x10,0x90", "text", "0xfffffff1", "not understood"},
		{"0x49,0x3b,0x66,0x10,0xc3,0xe9,0,0x10,0,0", "text", "0xfffffff1", "jumps"},
		{"0x49,0x3b,0x66,0x10\n.skip 97, 0xc3\n.byte 0x90", "text", "0xfffffff1",
		 "too many"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct source s = {X86};
		struct lt_probe_plan plan;
		const char *why;

		s.read = cases[i].read;
		s.text = cases[i].text;
		s.magic = cases[i].magic;
		/* Where the begin is in doubt, the section must not happen to be right. */
		s.before = ".skip 100, 0x90";
		assemble(&s, "-static -no-pie", "refused");
		assert_int_equal(plan_of("refused", &plan, &why), -ENOENT);
		assert_null(plan.collector);
		assert_int_equal(plan.count, 0);
		if (!why || !strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].why, why ? why : "nothing");
	}
}

static bool have_go(void)
{
	return system("command -v go >/dev/null 2>&1") == 0;
}

/* RETs of Read and Write in the program with symbols, by objdump, as file offsets. */
static size_t returns_by_objdump(const char *name, uint64_t ret[LT_PROBES_MAX])
{
	char command[512];
	unsigned long value;
	size_t n = 0;
	FILE *out;

	snprintf(command, sizeof(command),
		 "cd %s && for f in Read Write; do objdump -d "
		 "--disassemble=\"crypto/tls.(*Conn).$f\" %s; done | "
		 "awk '/\\tret/ {sub(\":\", \"\", $1); print $1}'",
		 directory, name);
	out = popen(command, "r");
	assert_non_null(out);
	while (n < LT_PROBES_MAX && fscanf(out, "%lx", &value) == 1)
		ret[n++] = value;
	pclose(out);
	return n;
}

static void real_programs_are_read_in_every_form(void **state)
{
	static const struct {
		const char *name, *cgo, *flags;
	} forms[] = {
		{"static", "0", ""},
		{"stripped", "0", "-ldflags '-s -w'"},
		{"pie", "0", "-buildmode=pie -ldflags '-s -w'"},
		{"linked", "1", "-buildmode=pie -ldflags '-linkmode=external -s -w'"},
	};
	uint64_t returns[LT_PROBES_MAX];
	struct lt_probe_plan plan;
	size_t count, at = 0;

	(void)state;
	if (!have_go()) {
		print_message(
			"SKIPPED: go is not installed: no real program of Go was looked at\n");
		skip();
	}
	assert_true(try("mkdir real"));
	assert_true(try("printf 'package main\\nimport (\"crypto/tls\"; \"os\")\\nfunc main() { c, "
			"_ := tls.Dial(\"tcp\", os.Args[1], nil); b := make([]byte, 1); "
			"c.Write(b); c.Read(b); c.Close() }\\n' > real/main.go"));
	assert_true(try("printf 'module m\\ngo 1.17\\n' > real/go.mod"));
	for (size_t i = 0; i < LT_COUNT(forms); i++) {
		assert_true(try("cd real && CGO_ENABLED=%s GOTOOLCHAIN=local GOFLAGS= go build %s "
				"-o ../%s .",
				forms[i].cgo, forms[i].flags, forms[i].name));
		assert_int_equal(plan_of(forms[i].name, &plan, NULL), 0);
		assert_string_equal(plan.collector, "go_tls");
		assert_in_range(plan.count, 8, LT_PROBES_MAX);
	}
	assert_int_equal(plan_of("static", &plan, NULL), 0);
	count = returns_by_objdump("static", returns);
	assert_in_range(count, 4, LT_PROBES_MAX);
	for (unsigned i = 0; i < plan.count; i++) {
		enum lt_hook hook = plan.probes[i].hook;

		if (hook != LT_HOOK_GO_READ_RET && hook != LT_HOOK_GO_WRITE_RET)
			continue;
		assert_in_range(at, 0, count - 1);
		/* All in one segment: they differ by one constant. */
		assert_int_equal(returns[at] - plan.probes[i].offset,
				 returns[0] - plan.probes[0].offset);
		at++;
	}
	assert_int_equal(at, count);
	/* One that makes no connections by TLS. */
	assert_true(try("printf 'package main\\nfunc main() { println(1) }\\n' > real/main.go && "
			"cd real && GOTOOLCHAIN=local GOFLAGS= go build -o ../plain ."));
	{
		const char *why;

		assert_int_equal(plan_of("plain", &plan, &why), -ENOENT);
		assert_null(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_have_their_length),
		cmocka_unit_test(returns_are_found_in_step),
		cmocka_unit_test(begins_tell_the_convention),
		cmocka_unit_test(functions_are_found_by_name),
		cmocka_unit_test(broken_tables_are_refused),
		cmocka_unit_test(programs_are_found_wherever_the_linker_put_them),
		cmocka_unit_test(what_is_not_read_says_why),
		cmocka_unit_test(real_programs_are_read_in_every_form),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
