// SPDX-License-Identifier: Apache-2.0
/* Executables that anybody may have built, and what is remembered of them from who knows where:
 * each collector's look at the whole file ends, and plans nothing outside of it. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/code_refs.h"
#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "collectors/foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the file ends with, taken for what was remembered. */
struct forged {
	const uint8_t *data;
	size_t size;
	struct lt_code_refs kept;
	bool again; /* what was kept is recalled */
};

enum { REF_BYTES = 6 };

static bool recall(void *arg, const char *text, struct lt_code_refs *ret)
{
	const struct forged *f = arg;
	size_t count = f->size / REF_BYTES < 8 ? f->size / REF_BYTES : 8;

	(void)text;
	if (f->again) {
		*ret = f->kept;
		return true;
	}
	ret->count = count;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = f->data + f->size - (i + 1) * REF_BYTES;

		ret->refs[i] = (struct lt_code_ref){
			.at = p[0] | p[1] << 8 | p[2] << 16,
			.size = p[3],
			.argument = p[4],
			.text = p[5],
		};
	}
	return count > 0;
}

static void keep(void *arg, const char *text, const struct lt_code_refs *refs)
{
	struct forged *f = arg;

	(void)text;
	if (refs->count == 0 || refs->count > LT_CODE_REFS_MAX)
		abort();
	f->kept = *refs;
}

static void look(int fd, const struct lt_code_memory *memory, size_t size)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plans plans;

	if (lt_elf_open(fd, &image) < 0)
		return;
	lt_elf_set_memory(image, memory);
	if (lt_collector_plans(image, &plans) < 0)
		lt_collector_foreign(image);
	for (unsigned i = 0; i < plans.count; i++) {
		const struct lt_probe_plan *plan = &plans.plans[i];

		if (plan->count == 0 || plan->count > LT_PROBES_MAX)
			abort();
		for (unsigned n = 0; n < plan->count && plan->found == LT_FOUND_CODE; n++) {
			if (plan->probes[n].offset == 0 || plan->probes[n].offset >= size)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct forged forged;
	struct lt_code_memory memory = {.recall = recall, .keep = keep, .arg = &forged};
	lt_defer(lt_closep)
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	forged = (struct forged){.data = data, .size = size};
	look(fd, NULL, size);
	look(fd, &memory, size);
	forged.again = true;
	look(fd, &memory, size);
	return 0;
}
