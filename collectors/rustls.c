// SPDX-License-Identifier: Apache-2.0
/*
 * rustls: read where it seals and opens its records, in the library of cryptography below it
 * (bpf/aead.h says why). That it is there is told by the names of its source files, which the
 * messages of panics need, so stripping leaves them.
 */
#include "collectors/rustls.h"

#include <errno.h>

#include "collectors/aead.h"
#include "collectors/code_refs.h"
#include "userspace/base/alloc.h"

/* A program may hold both libraries. Each is whole or not there. */
static int examine(const struct lt_elf_image *image, struct lt_probe_plan *ret,
		   const char **ret_why)
{
	int (*const libraries[])(const struct lt_elf_image *, struct lt_probe_plan *,
				 const char **) = {lt_aws_lc_plan, lt_ring_plan};

	*ret = (struct lt_probe_plan){
		.library = LT_LIBRARY_RUSTLS,
		.collector = lt_rustls_collector.name,
	};
	*ret_why = NULL;
	if (!lt_code_mentions(image, "rustls-0.") && !lt_code_mentions(image, "rustls/src/"))
		return -ENOENT;
	for (size_t i = 0; i < LT_COUNT(libraries); i++) {
		int r = libraries[i](image, ret, ret_why);

		if (r < 0 && r != -ENOENT && !*ret_why)
			return r;
	}
	if (ret->count > 0)
		return 0;
	if (!*ret_why)
		*ret_why = "rustls (on cryptography that is not known)";
	return -ENOENT;
}

static int plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	const char *why;

	return examine(image, ret, &why);
}

const char *lt_rustls_refused(const struct lt_elf_image *image)
{
	lt_defer(lt_freep)
	struct lt_probe_plan *unused = lt_calloc(1, sizeof(*unused));
	const char *why = NULL;

	return unused && examine(image, unused, &why) < 0 ? why : NULL;
}

const struct lt_collector lt_rustls_collector = {
	.name = "rustls",
	.library = LT_LIBRARY_RUSTLS,
	.plan = plan,
};
