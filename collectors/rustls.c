// SPDX-License-Identifier: Apache-2.0
/*
 * rustls: read where it seals and opens its records, in the library of cryptography below it
 * (bpf/aead.h says why). AWS-LC puts its release before its names, so these are told by their ends.
 */
#include <errno.h>
#include <stdio.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"

enum { COPIES_MAX = 4 };

static const struct {
	const char *name;
	enum lt_hook hook;
} functions[] = {
	{"EVP_AEAD_CTX_open", LT_HOOK_AEAD_OPEN},
	{"EVP_AEAD_CTX_open_gather", LT_HOOK_AEAD_OPEN_GATHER},
	{"EVP_AEAD_CTX_seal", LT_HOOK_AEAD_SEAL},
	{"EVP_AEAD_CTX_seal_scatter", LT_HOOK_AEAD_SEAL_SCATTER},
	{"EVP_AEAD_CTX_init", LT_HOOK_AEAD_INIT},
	{"EVP_AEAD_CTX_init_with_direction", LT_HOOK_AEAD_INIT},
	{"EVP_AEAD_CTX_free", LT_HOOK_AEAD_FREE},
};

static void add(struct lt_probe_plan *plan, enum lt_hook hook, uint64_t offset, const char *name)
{
	struct lt_probe *probe = &plan->probes[plan->count];

	if (plan->count == LT_PROBES_MAX)
		return;
	probe->hook = hook;
	probe->offset = offset;
	snprintf(probe->symbol, sizeof(probe->symbol), "%s", name);
	plan->count++;
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	uint64_t offsets[COPIES_MAX];

	*ret = (struct lt_probe_plan){0};
	if (!lt_elf_mentions(image, "rustls-0."))
		return -ENOENT;
	for (size_t i = 0; i < LT_COUNT(functions); i++) {
		int count = lt_elf_functions_ending(image, functions[i].name, offsets, COPIES_MAX);

		if (count < 0)
			return count;
		for (int n = 0; n < count; n++)
			add(ret, functions[i].hook, offsets[n], functions[i].name);
	}
	if (ret->count == 0)
		return -ENOENT;
	ret->library = LT_LIBRARY_RUSTLS;
	ret->collector = lt_rustls_collector.name;
	return 0;
}

const struct lt_collector lt_rustls_collector = {
	.name = "rustls",
	.library = LT_LIBRARY_RUSTLS,
	.plan = plan,
};
