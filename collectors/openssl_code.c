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
 * Which of the two shows in SSL_write, which passes the address of a variable of its own for
 * @written. Where a compiler put a copy of them into each public function, SSL_read and SSL_write
 * are hooked themselves, which are known by their names.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectors/code_functions.h"
#include "collectors/code_refs.h"
#include "collectors/collector.h"
#include "userspace/base/alloc.h"

enum { TEXT_WRITE_INTERNAL, TEXT_READ_INTERNAL, TEXT_WRITE, TEXT_READ, TEXT_SHUTDOWN };

static const struct lt_code_text names[] = {
	[TEXT_WRITE_INTERNAL] = {"ssl_write_internal"},
	[TEXT_READ_INTERNAL] = {"ssl_read_internal"},
	[TEXT_WRITE] = {"SSL_write"},
	[TEXT_READ] = {"SSL_read"},
	[TEXT_SHUTDOWN] = {"SSL_shutdown"},
};

enum { FUNCTIONS_MAX = 4, CALLS_MAX = 64, ARGUMENTS_BYTES = 48 };

struct found {
	const struct lt_elf_image *image;
	struct lt_code_function functions[LT_COUNT(names)][FUNCTIONS_MAX];
	size_t counts[LT_COUNT(names)]; /* FUNCTIONS_MAX: as many or more */
};

static int add_function(struct found *f, const struct lt_code_ref *ref)
{
	struct lt_code_function *functions = f->functions[ref->text], function;
	size_t *count = &f->counts[ref->text];
	int r = lt_code_function(f->image, ref->at, &function);

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

static int find_functions(struct found *f)
{
	lt_defer(lt_freep)
	struct lt_code_refs *refs = lt_calloc(1, sizeof(*refs));
	int r;

	if (!refs)
		return -ENOMEM;
	r = lt_code_find(f->image, names, LT_COUNT(names), refs);
	for (size_t i = 0; i < refs->count && r == 0; i++)
		r = add_function(f, &refs->refs[i]);
	return r;
}

/* Whether an instruction in the @n bytes at @code puts an address on the stack into the register of
 * argument 3 (@fifth: 4). */
static bool passes_variable_x86(const uint8_t *code, size_t n, bool fifth)
{
	static const char *const forms[2][4] = {
		{"\x48\x8d\x4c\x24", "\x48\x8d\x4d", "\x48\x89\xe1", "\x48\x8d\x8c\x24"},
		{"\x4c\x8d\x44\x24", "\x4c\x8d\x45", "\x49\x89\xe0", "\x4c\x8d\x84\x24"},
	};

	for (size_t i = 0; i < LT_COUNT(forms[0]); i++) {
		if (memmem(code, n, forms[fifth][i], strlen(forms[fifth][i])))
			return true;
	}
	return false;
}

static bool passes_variable_arm64(const uint8_t *code, size_t n, bool fifth)
{
	for (size_t i = 0; i + 4 <= n; i += 4) {
		uint32_t word = code[i] | code[i + 1] << 8 | code[i + 2] << 16 |
				(uint32_t)code[i + 3] << 24;
		unsigned base = word >> 5 & 31;

		/* add or sub x3|x4, sp|x29, #imm */
		if ((word & 0xbf800000) == 0x91000000 && (word & 31) == 3U + fifth &&
		    (base == 31 || base == 29))
			return true;
	}
	return false;
}

static bool passes_variable(const struct lt_elf_image *image, uint64_t call, bool fifth)
{
	uint8_t code[ARGUMENTS_BYTES];
	uint64_t offset = lt_elf_offset(image, call);
	ssize_t got = offset < sizeof(code)
			      ? 0
			      : lt_elf_read(image, offset - sizeof(code), code, sizeof(code));

	if (got <= 0)
		return false;
	return lt_elf_machine(image) == EM_X86_64 ? passes_variable_x86(code, (size_t)got, fifth)
						  : passes_variable_arm64(code, (size_t)got, fifth);
}

/* How @internal is called by its public form: READ_EX's or WRITE_EX2's arguments; 0: not at all, or
 * not as we know it. */
static enum lt_hook hook_of(const struct found *f, const struct lt_code_function *outer,
			    const struct lt_code_function *internal, enum lt_hook fourth,
			    enum lt_hook fifth)
{
	struct lt_code_call calls[CALLS_MAX];
	int count = lt_code_calls(f->image, outer, calls, CALLS_MAX);

	for (int i = 0; i < count; i++) {
		if (calls[i].target != internal->start)
			continue;
		if (fifth && passes_variable(f->image, calls[i].at, true))
			return fifth;
		return passes_variable(f->image, calls[i].at, false) ? fourth : 0;
	}
	return 0;
}

static void add_probe(const struct found *f, struct lt_probe_plan *plan, enum lt_hook hook,
		      unsigned text, size_t which)
{
	struct lt_probe *probe = &plan->probes[plan->count++];

	probe->hook = hook;
	probe->offset = lt_elf_offset(f->image, f->functions[text][which].start);
	snprintf(probe->symbol, sizeof(probe->symbol), "%s", names[text].text);
}

/* One direction: the internal function where it stands alone, else the public one. */
static int add_direction(const struct found *f, struct lt_probe_plan *plan, unsigned internal,
			 unsigned public, enum lt_hook plain, enum lt_hook fourth,
			 enum lt_hook fifth)
{
	enum lt_hook hook = 0;

	if (f->counts[public] != 1)
		return f->counts[public] == 0 ? -ENOENT : -ENOTUNIQ;
	if (f->counts[internal] == 1)
		hook = hook_of(f, &f->functions[public][0], &f->functions[internal][0], fourth,
			       fifth);
	if (hook)
		add_probe(f, plan, hook, internal, 0);
	else
		add_probe(f, plan, plain, public, 0);
	return 0;
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	struct found f = {.image = image};
	int r = find_functions(&f);

	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_OPENSSL,
		.found = LT_FOUND_CODE,
		.collector = lt_openssl_code_collector.name,
	};
	if (r == 0)
		r = add_direction(&f, ret, TEXT_READ_INTERNAL, TEXT_READ, LT_HOOK_READ,
				  LT_HOOK_READ_EX, 0);
	if (r == 0)
		r = add_direction(&f, ret, TEXT_WRITE_INTERNAL, TEXT_WRITE, LT_HOOK_WRITE,
				  LT_HOOK_WRITE_EX, LT_HOOK_WRITE_EX2);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	if (f.counts[TEXT_SHUTDOWN] == 1)
		add_probe(&f, ret, LT_HOOK_SHUTDOWN, TEXT_SHUTDOWN, 0);
	return 0;
}

const struct lt_collector lt_openssl_code_collector = {
	.name = "openssl-code",
	.library = LT_LIBRARY_OPENSSL,
	.by_code = true,
	.plan = plan,
};
