// SPDX-License-Identifier: Apache-2.0
#include "collectors/symbols.h"

#include <errno.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "collectors/elf_image.h"

/*
 * The kernel refuses an uprobe on an instruction of x86-64 with one of these prefixes, and with it
 * all that is attached together. Assemblers put them there to align branches
 * (-mbranches-within-32B-boundaries).
 */
static bool takes_probe(const struct lt_elf_image *image, uint64_t offset)
{
	static const char refused[] = "\x26\x2e\x36\x3e\xf0", others[] = "\x64\x65\x66\x67\xf2\xf3";
	unsigned char code[15];
	ssize_t n;

	if (lt_elf_machine(image) != EM_X86_64)
		return true;
	n = lt_elf_read(image, offset, code, sizeof(code));
	for (ssize_t i = 0; i < n; i++) {
		if (memchr(refused, code[i], sizeof(refused) - 1))
			return false;
		if (!memchr(others, code[i], sizeof(others) - 1))
			return true;
	}
	return false;
}

int lt_symbols_find(const struct lt_elf_image *image, const char *prefix,
		    const struct lt_named_hook *functions, size_t count,
		    uint64_t offsets[LT_NAMED_HOOKS_MAX])
{
	const char *names[LT_NAMED_HOOKS_MAX] = {NULL};
	int r;

	if (count > LT_NAMED_HOOKS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		names[i] = functions[i].symbol;
	r = lt_elf_functions(image, prefix, names, count, offsets);
	for (size_t i = 0; i < count && r > 0; i++) {
		if (offsets[i] == 0 || takes_probe(image, offsets[i]))
			continue;
		offsets[i] = 0;
		r--;
	}
	return r;
}

int lt_plan_add(struct lt_probe_plan *plan, enum lt_hook hook, uint64_t offset, const char *name)
{
	struct lt_probe *probe = &plan->probes[plan->count];

	if (offset == 0)
		return -EBADMSG;
	if (plan->count == LT_PROBES_MAX)
		return -E2BIG;
	probe->hook = hook;
	probe->offset = offset;
	snprintf(probe->symbol, sizeof(probe->symbol), "%s", name);
	plan->count++;
	return 0;
}

void lt_symbols_add(const struct lt_named_hook *functions, size_t count, const uint64_t *offsets,
		    struct lt_probe_plan *plan)
{
	for (size_t i = 0; i < count; i++) {
		/* What was not found, and what is too much, is left out. */
		lt_ignore(lt_plan_add(plan, functions[i].hook, offsets[i], functions[i].symbol));
	}
}
