// SPDX-License-Identifier: Apache-2.0
#include "collectors/symbols.h"

#include <errno.h>
#include <stdio.h>

#include "collectors/elf_image.h"

int lt_symbols_find(const struct lt_elf_image *image, const char *prefix,
		    const struct lt_named_hook *functions, size_t count,
		    uint64_t offsets[LT_NAMED_HOOKS_MAX])
{
	const char *names[LT_NAMED_HOOKS_MAX];

	if (count > LT_NAMED_HOOKS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		names[i] = functions[i].symbol;
	return lt_elf_functions(image, prefix, names, count, offsets);
}

void lt_symbols_add(const struct lt_named_hook *functions, size_t count, const uint64_t *offsets,
		    struct lt_probe_plan *plan)
{
	for (size_t i = 0; i < count && plan->count < LT_PROBES_MAX; i++) {
		struct lt_probe *probe = &plan->probes[plan->count];

		if (offsets[i] == 0)
			continue;
		probe->hook = functions[i].hook;
		probe->offset = offsets[i];
		snprintf(probe->symbol, sizeof(probe->symbol), "%s", functions[i].symbol);
		plan->count++;
	}
}
