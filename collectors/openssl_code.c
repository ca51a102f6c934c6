// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL 3 linked in and stripped (Codex and other programs built with a static OpenSSL).
 *
 * Where OpenSSL 3 reports an error it names the function (ERR_set_debug, openssl/err.h). All public
 * forms of reading and writing end in ssl_read_internal and ssl_write_internal, which are hooked:
 *
 *   int ssl_read_internal(SSL *s, void *buf, size_t num, size_t *readbytes)
 *   int ssl_write_internal(SSL *s, const void *buf, size_t num, size_t *written)      3.0 to 3.2
 *   int ssl_write_internal(SSL *s, const void *buf, size_t num, uint64_t flags,
 *                          size_t *written)                                            since 3.3
 *
 * Which of the two shows where it begins: it puts away what it was passed. Where a compiler put a
 * copy of them into each public function, SSL_read and SSL_write are hooked themselves, which are
 * known by their names.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectors/code_functions.h"
#include "collectors/code_refs.h"
#include "collectors/collector.h"
#include "collectors/go_code.h"
#include "userspace/base/alloc.h"

enum { TEXT_WRITE_INTERNAL, TEXT_READ_INTERNAL, TEXT_WRITE, TEXT_READ, TEXT_SHUTDOWN };

static const struct lt_code_text names[] = {
	[TEXT_WRITE_INTERNAL] = {"ssl_write_internal"},
	[TEXT_READ_INTERNAL] = {"ssl_read_internal"},
	[TEXT_WRITE] = {"SSL_write"},
	[TEXT_READ] = {"SSL_read"},
	[TEXT_SHUTDOWN] = {"SSL_shutdown"},
};

enum {
	FUNCTIONS_MAX = 4,
	PROLOGUE_BYTES = 128,
	REPORT_LINE = 1, /* arguments of ERR_set_debug */
	REPORT_NAME = 2,
	LINE_MIN = 300, /* of ssl_lib.c: far above where its functions begin */
};

struct found {
	const struct lt_elf_image *image;
	struct lt_code_function functions[LT_COUNT(names)][FUNCTIONS_MAX];
	size_t counts[LT_COUNT(names)]; /* FUNCTIONS_MAX: as many or more */
};

/* Whether @ref is a report: ERR_set_debug(file, line, name). Others name the functions too, for
 * dlsym(). */
static int is_report(const struct lt_elf_image *image, const struct lt_code_ref *ref)
{
	int64_t constants[LT_CODE_ARGUMENTS];
	int r;

	if (ref->argument != REPORT_NAME)
		return 0;
	r = lt_code_constants(image, ref, constants);
	return r < 0 ? r : constants[REPORT_LINE] >= LINE_MIN;
}

static int add_function(struct found *f, const struct lt_code_ref *ref)
{
	struct lt_code_function *functions = f->functions[ref->text], function;
	size_t *count = &f->counts[ref->text];
	int r = is_report(f->image, ref);

	if (r <= 0)
		return r;
	r = lt_code_function(f->image, ref->at, &function);
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

/* Whether the function at @code begins by putting argument @argument (3 or 4) away: what it was not
 * passed it does not keep. mov [...]/r64, rcx|r8 before its first call or jump. */
static bool keeps_argument_x86(const uint8_t *code, size_t n, unsigned argument)
{
	for (size_t i = 0; i + 3 <= n;) {
		size_t length = lt_go_x86_length(code + i, n - i);
		/* rcx is register 1, r8 register 0 of the upper half. */
		uint8_t upper = argument == 4 ? 4 : 0, number = argument == 4 ? 0 : 1;

		if (length == 0 || code[i] == 0xe8)
			return false;
		if ((code[i] & 0xf8) == 0x48 && (code[i] & 4) == upper && code[i + 1] == 0x89 &&
		    (code[i + 2] >> 3 & 7) == number)
			return true;
		i += length;
	}
	return false;
}

/* orr xd, xzr, x3|x4; str or stp of it. */
static bool keeps_argument_arm64(const uint8_t *code, size_t n, unsigned argument)
{
	for (size_t i = 0; i + 4 <= n; i += 4) {
		uint32_t word = code[i] | code[i + 1] << 8 | code[i + 2] << 16 |
				(uint32_t)code[i + 3] << 24;

		if ((word & 0xfc000000) == 0x94000000)
			return false;
		if ((word & 0xffffffe0) == (0xaa0003e0 | argument << 16))
			return true;
		if ((word & 0xffc0001f) == (0xf9000000 | argument) ||
		    ((word & 0xfe400000) == 0xa8000000 &&
		     ((word & 31) == argument || (word >> 10 & 31) == argument)))
			return true;
	}
	return false;
}

static bool keeps_argument(const struct lt_elf_image *image, uint64_t function, unsigned argument)
{
	uint8_t code[PROLOGUE_BYTES];
	uint64_t offset = lt_elf_offset(image, function);
	ssize_t got = offset ? lt_elf_read(image, offset, code, sizeof(code)) : 0;

	if (got <= 0)
		return false;
	return lt_elf_machine(image) == EM_X86_64
		       ? keeps_argument_x86(code, (size_t)got, argument)
		       : keeps_argument_arm64(code, (size_t)got, argument);
}

static void add_probe(const struct found *f, struct lt_probe_plan *plan, enum lt_hook hook,
		      unsigned text, size_t which)
{
	struct lt_probe *probe = &plan->probes[plan->count++];

	probe->hook = hook;
	probe->offset = lt_elf_offset(f->image, f->functions[text][which].start);
	snprintf(probe->symbol, sizeof(probe->symbol), "%s", names[text].text);
}

/* One direction: the internal function where it stands alone, else the public one. @fifth: its hook
 * when it has five arguments, 0: it never has. */
static int add_direction(const struct found *f, struct lt_probe_plan *plan, unsigned internal,
			 unsigned public, enum lt_hook plain, enum lt_hook fourth,
			 enum lt_hook fifth)
{
	if (f->counts[internal] == 1) {
		uint64_t start = f->functions[internal][0].start;

		if (fifth && keeps_argument(f->image, start, 4))
			fourth = fifth;
		else if (!keeps_argument(f->image, start, 3))
			return -ENOENT;
		add_probe(f, plan, fourth, internal, 0);
		return 0;
	}
	if (f->counts[public] != 1)
		return f->counts[public] == 0 ? -ENOENT : -ENOTUNIQ;
	add_probe(f, plan, plain, public, 0);
	return 0;
}

static int plan_refs(const struct lt_elf_image *image, const struct lt_code_refs *refs,
		     struct lt_probe_plan *ret)
{
	struct found f = {.image = image};
	int r = 0;

	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_OPENSSL,
		.found = LT_FOUND_CODE,
		.collector = lt_openssl_code_collector.name,
	};
	for (size_t i = 0; i < refs->count && r == 0; i++)
		r = add_function(&f, &refs->refs[i]);
	if (r == 0)
		r = add_direction(&f, ret, TEXT_READ_INTERNAL, TEXT_READ, LT_HOOK_READ,
				  LT_HOOK_READ_EX, 0);
	if (r == 0)
		r = add_direction(&f, ret, TEXT_WRITE_INTERNAL, TEXT_WRITE, LT_HOOK_WRITE,
				  LT_HOOK_WRITE_EX, LT_HOOK_WRITE_EX2);
	if (r == 0 && ret->probes[0].offset == ret->probes[1].offset)
		r = -ENOTUNIQ;
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	if (f.counts[TEXT_SHUTDOWN] == 1)
		add_probe(&f, ret, LT_HOOK_SHUTDOWN, TEXT_SHUTDOWN, 0);
	return 0;
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	int r = lt_code_plan(image, names, LT_COUNT(names), plan_refs, ret);

	return r == -ENOMEM ? r : r < 0 ? -ENOENT : 0;
}

const struct lt_collector lt_openssl_code_collector = {
	.name = "openssl-code",
	.library = LT_LIBRARY_OPENSSL,
	.by_code = true,
	.plan = plan,
};
