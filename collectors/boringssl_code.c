// SPDX-License-Identifier: Apache-2.0
/*
 * BoringSSL linked in and stripped (Bun and what is compiled with it, gRPC's Python module,
 * Electron).
 *
 * Where BoringSSL reports an error it passes a reason, its source file and a line (ERR_put_error,
 * openssl/err.h; OPENSSL_PUT_ERROR). Lines move with every release; reasons are part of the API
 * (openssl/ssl.h) and stand in the source's order. In ssl_lib.cc, sorted by line, that order is
 *
 *   ssl_read_impl  226 215              not initialised, handshake failed
 *   SSL_peek       66                   must not be called (QUIC)
 *   SSL_write      66 226 215 111       ..., bad length
 *                  66 226 194 215       ..., protocol is shut down (releases before 2023)
 *   SSL_shutdown   226 291              ..., application data on shutdown
 *
 * SSL_read has no report of its own: it calls SSL_peek, or holds a copy of it.
 *
 * Which argument is what follows from the file's: the reason is the one before it, the line the one
 * after. Link-time optimisation drops arguments that are the same everywhere, never their order.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/code_functions.h"
#include "collectors/code_refs.h"
#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "userspace/base/alloc.h"

enum {
	REASON_QUIC = 66,
	REASON_BAD_LENGTH = 111,
	REASON_IS_SHUTDOWN = 194,
	REASON_HANDSHAKE_FAILURE = 215,
	REASON_UNINITIALIZED = 226,
	REASON_DATA_ON_SHUTDOWN = 291,
	LIBRARY_SSL = 16,
	LINES_OF_A_FUNCTION = 60, /* from a function's first report to its last, at most */
	WRITE_REPORTS = 4,	  /* in SSL_write */
	CALLS_MAX = 256,
	NEIGHBOUR = 1024, /* bytes between SSL_read and SSL_peek */
	BEFORE_CALL = 64, /* bytes from where SSL_read begins to its call of SSL_peek */
};

static const struct lt_code_text file_name[] = {{"ssl/ssl_lib.cc", true}};

struct site {
	uint64_t at;
	int line, reason;
};

struct sites {
	const struct lt_elf_image *image;
	struct site sites[LT_CODE_REFS_MAX];
	size_t count;
};

static int by_line(const void *a, const void *b)
{
	const struct site *left = a, *right = b;

	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	return left->at < right->at ? -1 : left->at > right->at;
}

static int read_site(struct sites *all, const struct lt_code_ref *ref)
{
	int64_t constants[LT_CODE_ARGUMENTS];
	unsigned file = ref->argument;
	int r;

	if (file < 1 || file + 1 >= LT_CODE_ARGUMENTS)
		return 0;
	r = lt_code_constants(all->image, ref, constants);
	if (r < 0)
		return r;
	if (constants[file - 1] <= 0 || constants[file + 1] <= 0 ||
	    (file > 1 && constants[0] >= 0 && constants[0] != LIBRARY_SSL))
		return 0;
	all->sites[all->count++] = (struct site){
		.at = ref->at,
		.reason = (int)constants[file - 1],
		.line = (int)constants[file + 1],
	};
	return 0;
}

static int read_sites(struct sites *all, const struct lt_code_refs *refs)
{
	int r = 0;

	for (size_t i = 0; i < refs->count && r == 0; i++)
		r = read_site(all, &refs->refs[i]);
	qsort(all->sites, all->count, sizeof(all->sites[0]), by_line);
	return r;
}

/* The first site of the next line behind that of @i; the count: there is none. */
static size_t next_line(const struct sites *all, size_t i)
{
	size_t next = i + 1;

	while (next < all->count && all->sites[next].line == all->sites[i].line)
		next++;
	return next;
}

/* The site at @i begins lines with @reasons, close to each other. */
static bool matches(const struct sites *all, size_t i, const int *reasons, size_t count)
{
	int first = all->sites[i].line;

	for (size_t n = 0; n < count; n++, i = next_line(all, i)) {
		if (i >= all->count || all->sites[i].reason != reasons[n] ||
		    all->sites[i].line - first > LINES_OF_A_FUNCTION)
			return false;
	}
	return true;
}

/* Index of the site where @reasons begin from @from on; -ENOENT. */
static int find_order(const struct sites *all, size_t from, const int *reasons, size_t count)
{
	for (size_t i = from; i < all->count; i = next_line(all, i)) {
		if (matches(all, i, reasons, count))
			return (int)i;
	}
	return -ENOENT;
}

/* The functions that hold the sites of one line, each once; returns how many. */
static int functions_of(const struct sites *all, size_t i, struct lt_code_function *ret, size_t max)
{
	size_t end = next_line(all, i);
	int count = 0;

	for (; i < end; i++) {
		struct lt_code_function function;
		int r = lt_code_function(all->image, all->sites[i].at, &function), n = 0;

		if (r < 0)
			return r;
		while (n < count && ret[n].start != function.start)
			n++;
		if (n == count && count == (int)max)
			return -ENOTUNIQ;
		if (n == count)
			ret[count++] = function;
	}
	return count;
}

/* SSL_write: all of its reports are in one function. */
static int find_write(const struct sites *all, size_t i, struct lt_code_function *ret)
{
	struct lt_code_function functions[1];

	for (int n = 0; n < WRITE_REPORTS; n++, i = next_line(all, i)) {
		int r = functions_of(all, i, functions, 1);

		if (r < 0)
			return r;
		if (n > 0 && functions[0].start != ret->start)
			return -ENOTUNIQ;
		*ret = functions[0];
	}
	return 0;
}

/* The neighbourhood of @function, as far as its segment goes. */
static int neighbours(const struct lt_elf_image *image, const struct lt_code_function *function,
		      struct lt_code_function *ret)
{
	struct lt_elf_segment segments[LT_ELF_SEGMENTS_MAX];
	size_t count = lt_elf_segments(image, segments);

	for (size_t i = 0; i < count; i++) {
		uint64_t begin = segments[i].address, end = begin + segments[i].size;

		if (!segments[i].executable || function->start < begin || function->start >= end)
			continue;
		ret->start = function->start - begin > NEIGHBOUR ? function->start - NEIGHBOUR
								 : begin;
		ret->end = end - function->start > 2 * NEIGHBOUR ? function->start + 2 * NEIGHBOUR
								 : end;
		return 0;
	}
	return -ENOENT;
}

/* What compilers put before a function's first call and what leaves its arguments alone: endbr64,
 * push, sub rsp, imm8, mov r64, r64 to a register that is kept. Its length, 0: something else. */
static size_t x86_prologue(const uint8_t *p, size_t n)
{
	bool wide = n >= 3 && (p[0] & 0xfa) == 0x48;

	if (n >= 4 && memcmp(p, "\xf3\x0f\x1e\xfa", 4) == 0)
		return 4;
	if (n >= 1 && (p[0] & 0xf8) == 0x50)
		return 1;
	if (n >= 2 && p[0] == 0x41 && (p[1] & 0xf8) == 0x50)
		return 2;
	if (n >= 4 && wide && p[1] == 0x83 && p[2] == 0xec)
		return 4;
	/* To rbx, rbp or, with REX.B, r12 to r15. */
	if (wide && p[1] == 0x89 && p[2] >= 0xc0 &&
	    ((p[0] & 1) ? (p[2] & 7) >= 4 : (p[2] & 7) == 3 || (p[2] & 7) == 5))
		return 3;
	return 0;
}

/* The same of arm64: bti, paciasp; stores to the stack; sub sp; mov to a register from x19 on. */
static bool arm64_prologue(uint32_t instruction)
{
	unsigned to = instruction & 31, base = instruction >> 5 & 31;
	bool pair = (instruction & 0xfe400000) == 0xa8000000;
	bool single = (instruction & 0xffe00000) == 0xf8000000 ||
		      (instruction & 0xffc00000) == 0xf9000000;

	return (instruction & 0xfffff01f) == 0xd503201f || ((pair || single) && base == 31) ||
	       (instruction & 0xff8003ff) == 0xd10003ff ||
	       (instruction & 0xff8003ff) == 0x910003fd ||
	       ((instruction & 0xffe0ffe0) == 0xaa0003e0 && to >= 19 && to < 31);
}

/* Whether @function begins with the call at @call, with the arguments that it was passed. */
static bool passes_on(const struct lt_elf_image *image, uint64_t function, uint64_t call)
{
	uint8_t code[BEFORE_CALL];
	uint64_t offset = lt_elf_offset(image, function);
	bool x86 = lt_elf_machine(image) == EM_X86_64;
	ssize_t got = offset ? lt_elf_read(image, offset, code, sizeof(code)) : 0;
	size_t at = 0, n = got > 0 ? (size_t)got : 0, step = 1;

	while (at < n && step > 0 && function + at < call) {
		if (x86)
			step = x86_prologue(code + at, n - at);
		else
			step = n - at >= 4 && arm64_prologue(code[at] | code[at + 1] << 8 |
							     code[at + 2] << 16 |
							     (uint32_t)code[at + 3] << 24)
				       ? 4
				       : 0;
		at += step;
	}
	/* It comes back: what jumps is another name of it. */
	return function + at == call && at + 4 <= n &&
	       (x86 ? code[at] == 0xe8 : (code[at + 3] & 0xfc) == 0x94);
}

/* A function beside SSL_peek that calls it before it does anything else is SSL_read. */
static int find_caller(const struct sites *all, struct lt_code_function *peek)
{
	struct lt_code_call calls[CALLS_MAX];
	struct lt_code_function around, caller;
	int count = neighbours(all->image, peek, &around);

	if (count == 0)
		count = lt_code_calls(all->image, &around, calls, CALLS_MAX);
	for (int i = 0; i < count; i++) {
		if (calls[i].target == peek->start &&
		    lt_code_function(all->image, calls[i].at, &caller) == 0 &&
		    passes_on(all->image, caller.start, calls[i].at)) {
			*peek = caller;
			return 0;
		}
	}
	return count < 0 ? count : 0;
}

/*
 * SSL_read, by the report of SSL_peek before that of SSL_write. Two functions with that report are
 * the two: SSL_read does what SSL_peek does and more. If it is one, that is SSL_read with a copy
 * of SSL_peek in it, or SSL_peek, which SSL_read calls.
 */
static int find_read(const struct sites *all, size_t write, struct lt_code_function *ret)
{
	struct lt_code_function functions[2];
	size_t peek = write;
	int count;

	while (peek > 0 && all->sites[peek].line == all->sites[write].line)
		peek--;
	if (all->sites[peek].reason != REASON_QUIC ||
	    all->sites[write].line - all->sites[peek].line > LINES_OF_A_FUNCTION)
		return -ENOENT;
	while (peek > 0 && all->sites[peek - 1].line == all->sites[peek].line)
		peek--;
	count = functions_of(all, peek, functions, LT_COUNT(functions));
	if (count < 0)
		return count;
	*ret = functions[0];
	if (count == 1)
		return find_caller(all, ret);
	if (functions[1].end - functions[1].start > functions[0].end - functions[0].start)
		*ret = functions[1];
	return 0;
}

/* Good to have: a write after it is another connection. */
static void add_shutdown(const struct sites *all, size_t write, struct lt_probe_plan *plan)
{
	static const int order[] = {REASON_UNINITIALIZED, REASON_DATA_ON_SHUTDOWN};
	struct lt_code_function function;
	int i = find_order(all, write, order, LT_COUNT(order));

	if (i >= 0 && functions_of(all, (size_t)i, &function, 1) == 1)
		lt_ignore(lt_plan_add(plan, LT_HOOK_SHUTDOWN,
				      lt_elf_offset(all->image, function.start), "SSL_shutdown"));
}

static int plan_sites(const struct sites *all, struct lt_probe_plan *ret)
{
	static const int order[WRITE_REPORTS] = {REASON_QUIC, REASON_UNINITIALIZED,
						 REASON_HANDSHAKE_FAILURE, REASON_BAD_LENGTH};
	static const int older[WRITE_REPORTS] = {REASON_QUIC, REASON_UNINITIALIZED,
						 REASON_IS_SHUTDOWN, REASON_HANDSHAKE_FAILURE};
	struct lt_code_function write_function, read_function;
	int write = find_order(all, 0, order, WRITE_REPORTS), r;

	if (write < 0)
		write = find_order(all, 0, older, WRITE_REPORTS);
	if (write < 0)
		return write;
	r = find_write(all, (size_t)write, &write_function);
	if (r == 0)
		r = find_read(all, (size_t)write, &read_function);
	if (r < 0)
		return r;
	if (read_function.start == write_function.start)
		return -ENOTUNIQ;
	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_BORINGSSL,
		.found = LT_FOUND_CODE,
		.collector = lt_boringssl_code_collector.name,
	};
	r = lt_plan_add(ret, LT_HOOK_READ, lt_elf_offset(all->image, read_function.start),
			"SSL_read");
	if (r == 0)
		r = lt_plan_add(ret, LT_HOOK_WRITE, lt_elf_offset(all->image, write_function.start),
				"SSL_write");
	if (r < 0)
		return r;
	add_shutdown(all, (size_t)write, ret);
	return 0;
}

static int plan_refs(const struct lt_elf_image *image, const struct lt_code_refs *refs,
		     struct lt_probe_plan *ret)
{
	lt_defer(lt_freep)
	struct sites *all = lt_calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	all->image = image;
	r = read_sites(all, refs);
	if (r == 0)
		r = plan_sites(all, ret);
	return r == -ENOMEM ? r : r < 0 ? -ENOENT : 0;
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	int r = lt_code_plan(image, file_name, LT_COUNT(file_name), plan_refs, ret);

	return r == -ENOMEM ? r : r < 0 ? -ENOENT : 0;
}

const struct lt_collector lt_boringssl_code_collector = {
	.name = "boringssl-code",
	.library = LT_LIBRARY_BORINGSSL,
	.by_code = true,
	.plan = plan,
};
