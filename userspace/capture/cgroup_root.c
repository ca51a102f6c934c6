// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/cgroup_root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { ROOT = 3, MOUNT_POINT = 4, FIELDS = 5 };

/* mountinfo writes blanks and the like as "\040". */
static int unescape(const char *from, size_t n, char ret[LT_CGROUP_ROOT_PATH])
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		char c = from[i];

		if (c == '\\' && n - i > 3) {
			c = (char)((from[i + 1] - '0') << 6 | (from[i + 2] - '0') << 3 |
				   (from[i + 3] - '0'));
			i += 3;
		}
		if (at + 1 >= LT_CGROUP_ROOT_PATH)
			return -ENAMETOOLONG;
		ret[at++] = c;
	}
	ret[at] = '\0';
	return 0;
}

int lt_cgroup_root_parse(const char *line, char ret[LT_CGROUP_ROOT_PATH])
{
	const char *kind = strstr(line, " - cgroup2 ");
	const char *field[FIELDS];
	size_t length[FIELDS];

	if (!kind)
		return -ENOENT;
	for (int i = 0; i < FIELDS; i++) {
		field[i] = line;
		length[i] = strcspn(line, " ");
		if (line[length[i]] != ' ')
			return -ENOENT;
		line += length[i] + 1;
	}
	if (field[MOUNT_POINT] > kind || length[ROOT] != 1 || field[ROOT][0] != '/')
		return -ENOENT;
	return unescape(field[MOUNT_POINT], length[MOUNT_POINT], ret);
}

/* All groups but the root itself have this file; a container's namespace shows its own group as
 * "/".
 */
static bool is_root(int fd)
{
	return faccessat(fd, "cgroup.procs", F_OK, 0) == 0 &&
	       faccessat(fd, "cgroup.type", F_OK, 0) != 0;
}

/* As the process @proc ("/proc/1") has it mounted, below its own root. */
static int open_of(const char *proc)
{
	lt_defer(lt_fclosep)
	FILE *mounts = NULL;
	char path[64], line[4096], where[LT_CGROUP_ROOT_PATH];
	char full[LT_CGROUP_ROOT_PATH + sizeof(path)];

	snprintf(path, sizeof(path), "%s/mountinfo", proc);
	mounts = fopen(path, "re");
	while (mounts && fgets(line, sizeof(line), mounts)) {
		lt_defer(lt_closep)
		int fd = -1;

		if (lt_cgroup_root_parse(line, where) < 0)
			continue;
		snprintf(full, sizeof(full), "%s/root%s", proc, where);
		fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && is_root(fd)) {
			int found = fd;

			fd = -1;
			return found;
		}
	}
	return -ENOENT;
}

int lt_cgroup_root_open(void)
{
	int fd = open_of("/proc/self");

	return fd < 0 ? open_of("/proc/1") : fd;
}
