// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/foreign_stack.h"

#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "collectors/foreign.h"
#include "userspace/discover/maps.h"

static const char *look_into(const char *proc, const struct lt_mapping *m)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plans plans;
	char path[LT_MAPS_PATH];
	lt_defer(lt_closep)
	int fd = lt_maps_open(proc, m, path);

	if (fd < 0 || lt_elf_open(fd, &image) < 0 || lt_collector_plans(image, &plans) == 0)
		return NULL;
	return lt_collector_foreign(image);
}

const char *lt_foreign_stack(const char *proc, uint32_t pid)
{
	lt_defer(lt_fclosep)
	FILE *maps = NULL;
	const char *found = NULL;
	char path[256], line[512];
	uint64_t last = 0;

	snprintf(path, sizeof(path), "%s/%u/maps", proc, pid);
	maps = fopen(path, "re");
	for (size_t i = 0; maps && !found && i < LT_MAPS_LINES_MAX; i++) {
		struct lt_mapping m;

		if (!fgets(line, sizeof(line), maps))
			break;
		/* The segments of a file stand below each other. */
		if (!lt_maps_parse_line(line, pid, &m) || m.inode == last)
			continue;
		last = m.inode;
		found = look_into(proc, &m);
	}
	return found;
}
