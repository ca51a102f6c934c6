// SPDX-License-Identifier: Apache-2.0
/* Any file looked into for rustls: nothing is read outside of it, and each probe lies in it. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lt_probe_plan plan;
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lt_elf_open(fd, &image) < 0)
		return 0;
	if (lt_rustls_collector.plan(image, &plan) < 0)
		return 0;
	if (plan.count == 0 || plan.count > LT_PROBES_MAX)
		abort();
	for (unsigned i = 0; i < plan.count; i++) {
		if (plan.probes[i].offset == 0)
			abort();
	}
	return 0;
}
