// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/uprobe_perf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>

#include "userspace/base/parse.h"

#define PMU "/sys/bus/event_source/devices/uprobe/"

/* The number in a small file of sysfs, after @prefix. */
static int read_number(const char *path, const char *prefix, uint64_t *ret)
{
	lt_defer(lt_fclosep)
	FILE *file = fopen(path, "re");
	size_t n = strlen(prefix);
	char text[64];

	if (!file)
		return -errno;
	if (!fgets(text, sizeof(text), file) || strncmp(text, prefix, n) != 0)
		return -EINVAL;
	return lt_parse_u64(lt_bytes(text + n, strcspn(text + n, "\n")), ret);
}

/* Which event source, and which bit of it says "at the return": the kernel's choice. */
static int event_source(uint32_t *ret_type, uint64_t *ret_return_bit)
{
	uint64_t type, bit;
	int r;

	r = read_number(PMU "type", "", &type);
	if (r == 0)
		r = read_number(PMU "format/retprobe", "config:", &bit);
	if (r < 0)
		return r;
	if (bit > 63 || type > UINT32_MAX)
		return -EINVAL;
	*ret_type = (uint32_t)type;
	*ret_return_bit = 1ULL << bit;
	return 0;
}

static int open_event(const char *path, uint64_t offset, bool returning)
{
	struct perf_event_attr attr;
	uint64_t return_bit;
	uint32_t type;
	long fd;
	int r;

	r = event_source(&type, &return_bit);
	if (r < 0)
		return r;
	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = type;
	attr.config = returning ? return_bit : 0;
	attr.config1 = (uintptr_t)path;
	attr.config2 = offset;
	/* All processes: then the kernel wants a CPU named, but the breakpoint is met on any. */
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

static int put_program(int prog, uint64_t cookie, bool linked, struct lt_uprobe_perf *probe)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = cookie);

	if (linked) {
		probe->link = bpf_link_create(prog, probe->event, BPF_PERF_EVENT, &opts);
		if (probe->link < 0)
			return -errno;
	} else if (ioctl(probe->event, PERF_EVENT_IOC_SET_BPF, prog) < 0) {
		return -errno;
	}
	return ioctl(probe->event, PERF_EVENT_IOC_ENABLE, 0) < 0 ? -errno : 0;
}

int lt_uprobe_perf_open(int prog, const char *path, uint64_t offset, uint64_t cookie,
			bool returning, bool linked, struct lt_uprobe_perf *ret)
{
	struct lt_uprobe_perf probe = {.event = -1, .link = -1};
	int r;

	probe.event = open_event(path, offset, returning);
	if (probe.event < 0)
		return probe.event;
	r = put_program(prog, cookie, linked, &probe);
	if (r < 0) {
		lt_uprobe_perf_unlink(&probe);
		lt_closep(&probe.event);
		return r;
	}
	*ret = probe;
	return 0;
}

void lt_uprobe_perf_unlink(struct lt_uprobe_perf *probe)
{
	lt_closep(&probe->link);
}

/* Output, sockets and locks of our caller must not stay open for as long as this takes. */
static void keep_events_alone(int pipe_end)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		uint64_t number;
		char target[64];
		ssize_t n;

		if (lt_parse_u64(lt_bytes_str(entry->d_name), &number) < 0 ||
		    (int)number == dirfd(dir) || (int)number == pipe_end)
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strcmp(target, "anon_inode:[perf_event]") != 0)
			close((int)number);
	}
	if (dir)
		closedir(dir);
}

static void close_events(struct lt_uprobe_perf *probes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		lt_closep(&probes[i].event);
}

/* Ends when its parent has let go: whoever closes an event last waits for the kernel. */
static _Noreturn void wait_and_end(struct lt_uprobe_perf *probes, size_t count, int pipe_end)
{
	char none;

	lt_ignore(prctl(PR_SET_NAME, "ledgertap-end"));
	keep_events_alone(pipe_end);
	lt_ignore(chdir("/"));
	while (read(pipe_end, &none, 1) < 0 && errno == EINTR)
		;
	/* By hand: a process that exits has no command line and no environment to be known by. */
	close_events(probes, count);
	_exit(0);
}

int lt_uprobe_perf_leave(struct lt_uprobe_perf *probes, size_t count)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		int r = -errno;

		close(ends[0]);
		close(ends[1]);
		return r;
	}
	if (child == 0) {
		close(ends[1]);
		wait_and_end(probes, count, ends[0]);
	}
	close_events(probes, count);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
