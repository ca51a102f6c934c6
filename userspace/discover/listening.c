// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/listening.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/discover/procfs.h"

enum {
	INODES_MAX = 256, /* listening on one port: workers with SO_REUSEPORT */
	LINE_BYTES = 512,
	FDS_MAX = 65536,
	STATE_LISTEN = 0x0a, /* TCP_LISTEN, include/net/tcp_states.h */
};

#define KEPT_NS 60000000000ull /* a gateway stays what it is */

struct inodes {
	uint64_t number[INODES_MAX];
	size_t count;
};

/* The sockets that listen on @port, of a table such as /proc/PID/net/tcp. */
static void read_table(int pid_fd, const char *name, uint16_t port, struct inodes *to)
{
	int fd = openat(pid_fd, name, O_RDONLY | O_CLOEXEC);
	FILE *table = fd < 0 ? NULL : fdopen(fd, "r");
	char line[LINE_BYTES];

	if (!table) {
		lt_closep(&fd);
		return;
	}
	while (to->count < INODES_MAX && fgets(line, sizeof(line), table)) {
		unsigned local, state;
		uint64_t inode;

		if (sscanf(line,
			   " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u "
			   "%" SCNu64,
			   &local, &state, &inode) == 3 &&
		    state == STATE_LISTEN && local == port && inode != 0)
			to->number[to->count++] = inode;
	}
	fclose(table);
}

static bool is_one_of(const struct inodes *inodes, uint64_t inode)
{
	for (size_t i = 0; i < inodes->count; i++) {
		if (inodes->number[i] == inode)
			return true;
	}
	return false;
}

/* Whether one of the process's descriptors is one of the sockets. */
static bool holds(int pid_fd, const struct inodes *inodes)
{
	int fd = openat(pid_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool found = false;

	if (!folder) {
		lt_closep(&fd);
		return false;
	}
	for (unsigned n = 0; !found && n < FDS_MAX && (entry = readdir(folder)) != NULL; n++) {
		char target[64];
		ssize_t size = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
		uint64_t inode;

		if (size <= 0)
			continue;
		target[size] = '\0';
		found = sscanf(target, "socket:[%" SCNu64 "]", &inode) == 1 &&
			is_one_of(inodes, inode);
	}
	closedir(folder);
	return found;
}

static bool look(const char *proc, uint32_t tgid, uint64_t start_ns, uint16_t port)
{
	lt_defer(lt_closep)
	int process = lt_procfs_open(proc, tgid);
	lt_defer(lt_closep)
	int parent = -1;
	struct lt_procfs_stat stat;
	struct inodes inodes = {.count = 0};

	if (process < 0 || lt_procfs_stat(process, &stat) < 0 || stat.start_ns > start_ns ||
	    start_ns - stat.start_ns > LT_PROCFS_SLACK_NS)
		return false; /* another process has the number now */
	read_table(process, "net/tcp", port, &inodes);
	read_table(process, "net/tcp6", port, &inodes);
	if (inodes.count == 0)
		return false;
	if (holds(process, &inodes))
		return true;
	parent = stat.parent_tgid > 1 ? lt_procfs_open(proc, stat.parent_tgid) : -1;
	return parent >= 0 && holds(parent, &inodes);
}

bool lt_process_listens(struct lt_listening *l, uint32_t tgid, uint64_t start_ns, uint16_t port)
{
	uint64_t now = lt_clock_boot_ns();
	unsigned at;

	for (at = 0; at < LT_LISTENING_KEPT; at++) {
		if (l->kept[at].tgid == tgid && l->kept[at].start_ns == start_ns &&
		    l->kept[at].port == port && now < l->kept[at].until_ns)
			return l->kept[at].listens;
	}
	at = l->next++ % LT_LISTENING_KEPT;
	l->kept[at].tgid = tgid;
	l->kept[at].start_ns = start_ns;
	l->kept[at].port = port;
	l->kept[at].until_ns = now + KEPT_NS;
	l->kept[at].listens = look(l->proc ? l->proc : "/proc", tgid, start_ns, port);
	return l->kept[at].listens;
}
