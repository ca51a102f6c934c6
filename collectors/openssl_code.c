// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL linked in and stripped (Codex and other programs built with a static OpenSSL).
 *
 * Where OpenSSL 3 reports an error it names the function (ERR_set_debug, openssl/err.h). Before, it
 * passed the function's number and its source file (ERR_put_error; SSL_F_..., openssl/sslerr.h),
 * numbers that are the same in all releases. All public
 * forms of reading and writing end in ssl_read_internal and ssl_write_internal, which are hooked:
 *
 *   int ssl_read_internal(SSL *s, void *buf, size_t num, size_t *readbytes)
 *   int ssl_write_internal(SSL *s, const void *buf, size_t num, size_t *written)    1.1.1 to 3.2
 *   int ssl_write_internal(SSL *s, const void *buf, size_t num, uint64_t flags,
 *                          size_t *written)                                            since 3.3
 *
 * Which of the two shows where it begins: it puts away what it was passed. Where a compiler put a
 * copy of them into each public function, and before 1.1.1, SSL_read and SSL_write are hooked
 * themselves.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectors/code_flow.h"
#include "collectors/code_functions.h"
#include "collectors/code_refs.h"
#include "collectors/collector.h"
#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"

enum { TEXT_WRITE_INTERNAL, TEXT_READ_INTERNAL, TEXT_WRITE, TEXT_READ, TEXT_SHUTDOWN };

static const struct lt_code_text names[] = {
	[TEXT_WRITE_INTERNAL] = {"ssl_write_internal"},
	[TEXT_READ_INTERNAL] = {"ssl_read_internal"},
	[TEXT_WRITE] = {"SSL_write"},
	[TEXT_READ] = {"SSL_read"},
	[TEXT_SHUTDOWN] = {"SSL_shutdown"},
};

/* Before 3.0. */
static const struct lt_code_text file_name[] = {{"ssl_lib.c", true}};

static const struct {
	int number, text;
} numbers[] = {
	{524, TEXT_WRITE_INTERNAL}, {523, TEXT_READ_INTERNAL}, {208, TEXT_WRITE},
	{223, TEXT_READ},	    {224, TEXT_SHUTDOWN},
};

enum {
	FUNCTIONS_MAX = 4,
	BEGIN_BYTES = 512,
	REPORT_LINE = 1, /* arguments of ERR_set_debug */
	REPORT_NAME = 2,
	PUT_LIBRARY = 0, /* of ERR_put_error */
	PUT_FUNCTION = 1,
	PUT_FILE = 3,
	LIBRARY_SSL = 20,
	LINE_MIN = 300, /* of ssl_lib.c: far above where its functions begin */
};

struct found {
	const struct lt_elf_image *image;
	struct lt_code_function functions[LT_COUNT(names)][FUNCTIONS_MAX];
	size_t counts[LT_COUNT(names)]; /* FUNCTIONS_MAX: as many or more */
};

/* Which function @ref reports of: ERR_set_debug(file, line, name). -ENOENT: it is no report; others
 * name the functions too, for dlsym(). */
static int report_by_name(const struct lt_elf_image *image, const struct lt_code_ref *ref)
{
	int64_t constants[LT_CODE_ARGUMENTS];
	int r;

	if (ref->argument != REPORT_NAME)
		return -ENOENT;
	r = lt_code_constants(image, ref, constants);
	if (r < 0)
		return r;
	return constants[REPORT_LINE] >= LINE_MIN ? ref->text : -ENOENT;
}

/* The same before 3.0: ERR_put_error(library, function, reason, file, line). */
static int report_by_number(const struct lt_elf_image *image, const struct lt_code_ref *ref)
{
	int64_t constants[LT_CODE_ARGUMENTS];
	int r;

	if (ref->argument != PUT_FILE)
		return -ENOENT;
	r = lt_code_constants(image, ref, constants);
	if (r < 0)
		return r;
	for (size_t i = 0; constants[PUT_LIBRARY] == LIBRARY_SSL && i < LT_COUNT(numbers); i++) {
		if (constants[PUT_FUNCTION] == numbers[i].number)
			return numbers[i].text;
	}
	return -ENOENT;
}

/* The function in which @text is reported, at @at. */
static int add_function(struct found *f, int text, uint64_t at)
{
	struct lt_code_function *functions = f->functions[text], function;
	size_t *count = &f->counts[text];
	int r = lt_code_function(f->image, at, &function);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < *count; i++) {
		if (functions[i].start == function.start)
			return 0;
	}
	if (*count < FUNCTIONS_MAX)
		functions[(*count)++] = function;
	return 0;
}

/* mov r64|[...], rcx|r8: argument 3 or 4 is put away. */
static bool x86_keeps(const uint8_t *p, size_t n, unsigned argument)
{
	/* rcx is register 1, r8 register 0 of the upper half. */
	uint8_t upper = argument == 4 ? 4 : 0, number = argument == 4 ? 0 : 1;

	return n >= 3 && (p[0] & 0xf8) == 0x48 && (p[0] & 4) == upper && p[1] == 0x89 &&
	       (p[2] >> 3 & 7) == number;
}

/* Something else is put there: mov, lea, movsxd, movzx, movsx, cmov, xor; mov of a constant. */
static bool x86_sets(const uint8_t *p, size_t n, unsigned argument)
{
	uint8_t rex = n > 0 && (p[0] & 0xf0) == 0x40 ? *p : 0, number = argument == 4 ? 0 : 1;
	bool upper = argument == 4, reg, rm;

	p += rex != 0;
	n -= rex != 0;
	if (n >= 5 && p[0] == (0xb8 | number))
		return !!(rex & 1) == upper;
	if (n < 2)
		return false;
	reg = !!(rex & 4) == upper && (p[1] >> 3 & 7) == number;
	rm = !!(rex & 1) == upper && p[1] >= 0xc0 && (p[1] & 7) == number;
	switch (p[0]) {
	case 0x31:
	case 0x89:
	case 0xc7:
		return rm;
	case 0x33:
	case 0x63:
	case 0x8b:
	case 0x8d:
		return reg;
	default:
		return n >= 3 && p[0] == 0x0f && !!(rex & 4) == upper &&
		       (p[2] >> 3 & 7) == number &&
		       ((p[1] & 0xf0) == 0x40 || (p[1] & 0xf6) == 0xb6);
	}
}

/* orr xd, xzr, x3|x4; str or stp of it. */
static bool arm64_keeps(uint32_t code, unsigned argument)
{
	bool pair = (code & 0xfe400000) == 0xa8000000;

	return (code & 0xffffffe0) == (0xaa0003e0 | argument << 16) ||
	       (code & 0xffc0001f) == (0xf9000000 | argument) ||
	       (pair && ((code & 31) == argument || (code >> 10 & 31) == argument));
}

/* What has it as its destination and is no store, branch or compare; or loads a pair. */
static bool arm64_sets(uint32_t code, unsigned argument)
{
	bool store = (code & 0x0a000000) == 0x08000000 && !(code & 1 << 22);
	bool branch = (code & 0x1c000000) == 0x14000000;
	bool pair = (code & 0x3a400000) == 0x28400000;

	return (!store && !branch && (code & 31) == argument) ||
	       (pair && (code >> 10 & 31) == argument);
}

static bool keeps(unsigned machine, const uint8_t *p, size_t n, unsigned argument, bool *ret_sets)
{
	uint32_t code = n >= 4 ? lt_le32(p) : 0;

	*ret_sets = machine == EM_X86_64 ? x86_sets(p, n, argument) : arm64_sets(code, argument);
	return machine == EM_X86_64 ? x86_keeps(p, n, argument) : arm64_keeps(code, argument);
}

/* Whether, on some way through the code before it calls anybody, argument @argument (3 or 4) is put
 * away: what a function was not passed it does not keep. */
static bool keeps_on_a_way(unsigned machine, const uint8_t *code, size_t n, unsigned argument)
{
	bool seen[BEGIN_BYTES] = {false};
	uint16_t open[BEGIN_BYTES] = {0};
	size_t count = 1;

	while (count > 0) {
		size_t at = open[--count];
		struct lt_code_step step;

		while (at < n && !seen[at] && lt_code_step(machine, code + at, n - at, &step)) {
			size_t target = at + (size_t)step.target;
			bool sets;

			seen[at] = true;
			if (keeps(machine, code + at, step.length, argument, &sets))
				return true;
			if (sets || step.call)
				break;
			if (step.jumps && target < n)
				open[count++] = (uint16_t)target;
			if (!step.goes_on)
				break;
			at += step.length;
		}
	}
	return false;
}

static bool keeps_argument(const struct lt_elf_image *image, uint64_t function, unsigned argument)
{
	uint8_t code[BEGIN_BYTES];
	uint64_t offset = lt_elf_offset(image, function);
	ssize_t got = offset ? lt_elf_read(image, offset, code, sizeof(code)) : 0;

	return got > 0 && keeps_on_a_way(lt_elf_machine(image), code, (size_t)got, argument);
}

static int add_probe(const struct found *f, struct lt_probe_plan *plan, enum lt_hook hook,
		     unsigned text)
{
	return lt_plan_add(plan, hook, lt_elf_offset(f->image, f->functions[text][0].start),
			   names[text].text);
}

/* One direction: the internal function where it stands alone, else the public one. @fifth: its hook
 * when it has five arguments, 0: it never has. */
static int add_direction(const struct found *f, struct lt_probe_plan *plan, unsigned internal,
			 unsigned public, enum lt_hook plain, enum lt_hook fourth,
			 enum lt_hook fifth)
{
	bool inside = f->counts[internal] == 1 && f->counts[public] == 1 &&
		      f->functions[internal][0].start == f->functions[public][0].start;

	if (f->counts[internal] == 1 && !inside) {
		uint64_t start = f->functions[internal][0].start;

		if (fifth && keeps_argument(f->image, start, 4))
			fourth = fifth;
		else if (!keeps_argument(f->image, start, 3))
			return -ENOENT;
		return add_probe(f, plan, fourth, internal);
	}
	if (f->counts[public] != 1)
		return f->counts[public] == 0 ? -ENOENT : -ENOTUNIQ;
	return add_probe(f, plan, plain, public);
}

static int find_functions(struct found *f, const struct lt_code_refs *refs,
			  int (*report)(const struct lt_elf_image *image,
					const struct lt_code_ref *ref))
{
	for (size_t i = 0; i < refs->count; i++) {
		int r = report(f->image, &refs->refs[i]);

		if (r >= 0)
			r = add_function(f, r, refs->refs[i].at);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int plan_functions(const struct found *f, struct lt_probe_plan *ret)
{
	int r;

	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_OPENSSL,
		.found = LT_FOUND_CODE,
		.collector = lt_openssl_code_collector.name,
	};
	r = add_direction(f, ret, TEXT_READ_INTERNAL, TEXT_READ, LT_HOOK_READ, LT_HOOK_READ_EX, 0);
	if (r == 0)
		r = add_direction(f, ret, TEXT_WRITE_INTERNAL, TEXT_WRITE, LT_HOOK_WRITE,
				  LT_HOOK_WRITE_EX, LT_HOOK_WRITE_EX2);
	if (r == 0 && ret->probes[0].offset == ret->probes[1].offset)
		r = -ENOTUNIQ;
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	return f->counts[TEXT_SHUTDOWN] == 1 ? add_probe(f, ret, LT_HOOK_SHUTDOWN, TEXT_SHUTDOWN)
					     : 0;
}

static int plan_by_name(const struct lt_elf_image *image, const struct lt_code_refs *refs,
			struct lt_probe_plan *ret)
{
	struct found f = {.image = image};
	int r = find_functions(&f, refs, report_by_name);

	return r < 0 ? r : plan_functions(&f, ret);
}

static int plan_by_number(const struct lt_elf_image *image, const struct lt_code_refs *refs,
			  struct lt_probe_plan *ret)
{
	struct found f = {.image = image};
	int r = find_functions(&f, refs, report_by_number);

	return r < 0 ? r : plan_functions(&f, ret);
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	int r = lt_code_plan(image, names, LT_COUNT(names), plan_by_name, ret);

	if (r == -ENOENT)
		r = lt_code_plan(image, file_name, LT_COUNT(file_name), plan_by_number, ret);
	return r == -ENOMEM ? r : r < 0 ? -ENOENT : 0;
}

const struct lt_collector lt_openssl_code_collector = {
	.name = "openssl-code",
	.library = LT_LIBRARY_OPENSSL,
	.by_code = true,
	.plan = plan,
};
