// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

bool lt_maps_parse_line(const char *line, uint32_t pid, struct lt_mapping *ret)
{
	unsigned long start, end, inode;
	unsigned major, minor;
	char perms[8];

	if (sscanf(line, "%lx-%lx %7s %*x %x:%x %lu", &start, &end, perms, &major, &minor,
		   &inode) != 6 ||
	    !strchr(perms, 'x') || inode == 0)
		return false;
	*ret = (struct lt_mapping){
		.pid = pid,
		.start = start,
		.end = end,
		.major = major,
		.minor = minor,
		.inode = inode,
	};
	return true;
}

int lt_maps_open(const char *proc, const struct lt_mapping *m, char ret_path[LT_MAPS_PATH])
{
	char link[512];
	ssize_t n;
	int fd;

	snprintf(link, sizeof(link), "%s/%u/map_files/%lx-%lx", proc, m->pid,
		 (unsigned long)m->start, (unsigned long)m->end);
	n = readlink(link, ret_path, LT_MAPS_PATH - 1);
	ret_path[n > 0 ? n : 0] = '\0';
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
