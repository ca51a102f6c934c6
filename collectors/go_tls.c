// SPDX-License-Identifier: Apache-2.0
/*
 * Go's crypto/tls, and the record connections of Google's ALTS and S2A, whose Read and Write have
 * the same shape. Every program of Go carries its own copy, stripped or not: the functions are
 * found by the table that its runtime uses (go_table.h).
 *
 * The kernel's return probes write into the stack, which Go's runtime walks and moves: a program
 * that has one may crash. So a probe stands on every RET of Read and Write, and where these are not
 * all known nothing is attached.
 */
#include "collectors/go_tls.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectors/collector.h"
#include "collectors/go_code.h"
#include "collectors/go_image.h"
#include "userspace/base/alloc.h"

enum { CODE_BEGIN = 16, FIRST_OF_TLS = 0, END_OF_TLS = 4 };

/* First those of crypto/tls; a pair of Read and Write is of use only whole. */
static const struct {
	const char *name;
	enum lt_hook hook, returns; /* 0: its entry is all that matters */
} functions[] = {
	{"crypto/tls.(*Conn).Read", LT_HOOK_GO_READ, LT_HOOK_GO_READ_RET},
	{"crypto/tls.(*Conn).Write", LT_HOOK_GO_WRITE, LT_HOOK_GO_WRITE_RET},
	{"crypto/tls.(*Conn).Close", LT_HOOK_GO_CLOSE, 0},
	{"crypto/tls.(*Conn).clientHandshake", LT_HOOK_GO_HANDSHAKE, 0},
	{"google.golang.org/grpc/credentials/alts/internal/conn.(*conn).Read", LT_HOOK_GO_READ,
	 LT_HOOK_GO_READ_RET},
	{"google.golang.org/grpc/credentials/alts/internal/conn.(*conn).Write", LT_HOOK_GO_WRITE,
	 LT_HOOK_GO_WRITE_RET},
	{"github.com/google/s2a-go/internal/record.(*conn).Read", LT_HOOK_GO_READ,
	 LT_HOOK_GO_READ_RET},
	{"github.com/google/s2a-go/internal/record.(*conn).Write", LT_HOOK_GO_WRITE,
	 LT_HOOK_GO_WRITE_RET},
};

enum { COUNT = LT_COUNT(functions) };

/* What is known of a program when its functions are planned. */
struct program {
	const struct lt_elf_image *elf;
	struct lt_go_function found[COUNT]; /* by address */
	bool on_stack;			    /* arguments, in Go before registers */
	const char *why;		    /* it is not read */
};

/* The code at an address; returns how many of the @n bytes. */
static size_t read_code(const struct lt_elf_image *elf, uint64_t address, uint8_t *to, size_t n)
{
	uint64_t offset = lt_elf_offset(elf, address);
	ssize_t got = offset == 0 ? 0 : lt_elf_read(elf, offset, to, n);

	return got > 0 ? (size_t)got : 0;
}

/* Whether functions of Go begin at all places that were found when the code begins at @text, and
 * all of the same kind. */
static enum lt_go_begin begin_at(const struct program *p, uint64_t text)
{
	enum lt_go_begin all = LT_GO_BEGIN_OTHER;

	for (size_t i = 0; i < COUNT; i++) {
		uint8_t code[CODE_BEGIN];
		enum lt_go_begin begin;
		size_t n;

		if (!p->found[i].found)
			continue;
		n = read_code(p->elf, text + p->found[i].entry, code, sizeof(code));
		begin = lt_go_begin(lt_elf_machine(p->elf), code, n);
		if (begin == LT_GO_BEGIN_OTHER || (all != LT_GO_BEGIN_OTHER && begin != all))
			return LT_GO_BEGIN_OTHER;
		all = begin;
	}
	return all;
}

/* Entries become addresses. */
static int place(const struct lt_go_image *image, struct program *p)
{
	uint64_t texts[LT_GO_TEXTS_MAX] = {0};
	size_t count = image->table.relative ? lt_go_image_texts(image, texts) : 1;
	enum lt_go_begin begin = LT_GO_BEGIN_OTHER;
	size_t chosen = 0;

	for (size_t i = 0; i < count && begin == LT_GO_BEGIN_OTHER; i++) {
		begin = begin_at(p, texts[i]);
		chosen = i;
	}
	if (begin == LT_GO_BEGIN_OTHER) {
		p->why = "Go crypto/tls (where its code begins is not clear)";
		return -ENOENT;
	}
	/* On arm64 code looks alike in both; registers came with the table's form of 1.18. */
	p->on_stack = begin == LT_GO_BEGIN_STACK ||
		      (lt_elf_machine(p->elf) == EM_AARCH64 && !image->table.relative);
	for (size_t i = 0; i < COUNT; i++) {
		p->found[i].entry += texts[chosen];
		p->found[i].end += texts[chosen];
	}
	return 0;
}

static int find(const struct lt_elf_image *elf, struct program *p)
{
	const char *names[COUNT];
	struct lt_go_image image;
	int r;

	for (size_t i = 0; i < COUNT; i++)
		names[i] = functions[i].name;
	r = lt_go_image_open(elf, &image);
	if (r == -ENOTSUP)
		p->why = "Go before 1.16";
	else if (r == -EBADMSG)
		p->why = "Go (its table of functions is broken, or of a form that is not known)";
	if (r == 0) {
		r = lt_go_table_find(&image.table, names, COUNT, p->found);
		if (r == -EBADMSG)
			p->why = "Go (its table of functions is broken)";
	}
	if (r < 0)
		return p->why ? -ENOENT : r;
	if (!p->found[FIRST_OF_TLS].found || !p->found[FIRST_OF_TLS + 1].found)
		return -ENOENT;
	return place(&image, p);
}

static enum lt_hook hook_for(const struct program *p, enum lt_hook hook)
{
	return p->on_stack ? hook - LT_HOOK_GO_READ + LT_HOOK_GO_STACK_READ : hook;
}

/* The name without the path of its package. */
static const char *short_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static int add(const struct program *p, size_t which, enum lt_hook hook, uint64_t address,
	       struct lt_probe_plan *plan)
{
	return lt_plan_add(plan, hook_for(p, hook), lt_elf_offset(p->elf, address),
			   short_name(functions[which].name));
}

static int add_returns(const struct program *p, size_t which, struct lt_probe_plan *plan)
{
	const struct lt_go_function *f = &p->found[which];
	lt_defer(lt_freep)
	uint8_t *code = NULL;
	uint32_t returns[LT_PROBES_MAX];
	size_t n = f->end - f->entry;
	int count, r = 0;

	if (f->end <= f->entry || n > LT_GO_CODE_MAX)
		return -EBADMSG;
	code = lt_calloc(1, n);
	if (!code)
		return -ENOMEM;
	if (read_code(p->elf, f->entry, code, n) != n)
		return -EBADMSG;
	count = lt_go_returns(lt_elf_machine(p->elf), code, n, returns, LT_COUNT(returns));
	if (count == 0)
		return -EBADMSG;
	if (count > LT_PROBES_MAX)
		return -E2BIG;
	for (int i = 0; i < count && r == 0; i++)
		r = add(p, which, functions[which].returns, f->entry + returns[i], plan);
	return count < 0 ? count : r;
}

/* Functions @first to @end, those that were found. Returns before entries: a call that is entered
 * while they are attached is whole or not there. */
static int add_group(const struct program *p, size_t first, size_t end, struct lt_probe_plan *plan)
{
	unsigned before = plan->count;
	int r = 0;

	for (size_t i = first; i < end && r == 0; i++) {
		if (p->found[i].found && functions[i].returns)
			r = add_returns(p, i, plan);
	}
	for (size_t i = first; i < end && r == 0; i++) {
		if (p->found[i].found)
			r = add(p, i, functions[i].hook, p->found[i].entry, plan);
	}
	if (r < 0)
		plan->count = before;
	return r;
}

static int examine(const struct lt_elf_image *elf, struct lt_probe_plan *ret, const char **ret_why)
{
	struct program p = {.elf = elf};
	int r = find(elf, &p);

	*ret = (struct lt_probe_plan){0};
	*ret_why = p.why;
	if (r < 0)
		return r;
	r = add_group(&p, FIRST_OF_TLS, END_OF_TLS, ret);
	if (r == -E2BIG)
		*ret_why = "Go crypto/tls (its functions return in too many places)";
	else if (r == -ENOTSUP)
		*ret_why = "Go crypto/tls (its functions leave by jumps into others)";
	else if (r == -EBADMSG)
		*ret_why = "Go crypto/tls (its machine code is not understood)";
	if (r < 0)
		return *ret_why ? -ENOENT : r;
	for (size_t i = END_OF_TLS; i < COUNT; i += 2) {
		if (!p.found[i].found || !p.found[i + 1].found)
			continue;
		r = add_group(&p, i, i + 2, ret);
		if (r == -ENOMEM)
			return r;
	}
	ret->library = LT_LIBRARY_GO_TLS;
	ret->found = LT_FOUND_GO_TABLE;
	ret->collector = lt_go_tls_collector.name;
	return 0;
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	const char *why;
	int r = examine(image, ret, &why);

	if (r < 0) /* half a plan is none */
		*ret = (struct lt_probe_plan){0};
	return r;
}

const char *lt_go_tls_refused(const struct lt_elf_image *image)
{
	lt_defer(lt_freep)
	struct lt_probe_plan *unused = lt_calloc(1, sizeof(*unused));
	const char *why = NULL;

	return unused && examine(image, unused, &why) < 0 ? why : NULL;
}

const struct lt_collector lt_go_tls_collector = {
	.name = "go_tls",
	.library = LT_LIBRARY_GO_TLS,
	.plan = plan,
};
