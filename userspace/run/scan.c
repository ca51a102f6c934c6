// SPDX-License-Identifier: Apache-2.0
#include "userspace/run/scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"
#include "userspace/base/parse.h"
#include "userspace/run/agents.h"

enum { SCAN_MAX = 4 << 20, DEPTH_MAX = 64, GROWTH = 256 };

struct list {
	struct lt_scanned *p;
	size_t n, room, max;
};

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void free_list(struct list *list)
{
	lt_free(list->p);
}

static int keep(struct list *list, const struct lt_scanned *one)
{
	if (list->n == list->room) {
		struct lt_scanned *more = lt_reallocarray(list->p, list->room + GROWTH,
							  sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->p = more;
		list->room += GROWTH;
	}
	list->p[list->n++] = *one;
	return 0;
}

static int look(const char *proc, uint32_t tgid, const struct lt_scan_sink *sink, struct list *list)
{
	lt_defer(lt_closep)
	int fd = lt_procfs_open(proc, tgid);
	struct lt_procfs_stat stat;
	struct lt_scanned one = {.tgid = tgid};

	if (fd < 0 || lt_procfs_stat(fd, &stat) < 0 || stat.kernel_thread)
		return 0; /* gone, or nobody's program */
	one.parent_tgid = stat.parent_tgid;
	one.start_ns = stat.start_ns;
	one.agent = sink->agent(sink->arg, fd, &stat);
	return keep(list, &one);
}

static int by_tgid(const void *a, const void *b)
{
	uint32_t x = ((const struct lt_scanned *)a)->tgid, y = ((const struct lt_scanned *)b)->tgid;

	return x < y ? -1 : x > y;
}

static const struct lt_scanned *parent_of(const struct list *list, const struct lt_scanned *child)
{
	const struct lt_scanned key = {.tgid = child->parent_tgid};
	const struct lt_scanned *p = bsearch(&key, list->p, list->n, sizeof(key), by_tgid);

	return p && p->start_ns <= child->start_ns && p != child ? p : NULL;
}

/* Tells of the agents above @process and of what is between, outermost first; then of itself. */
static int tell(const struct list *list, const struct lt_scanned *process,
		const struct lt_scan_sink *sink)
{
	const struct lt_scanned *way[DEPTH_MAX];
	size_t depth = 0, root = DEPTH_MAX;

	for (; process && depth < DEPTH_MAX; process = parent_of(list, process)) {
		if (process->agent != LT_NO_AGENT)
			root = depth;
		way[depth++] = process;
	}
	if (root == DEPTH_MAX)
		return 0;
	for (size_t i = root + 1; i-- > 0;)
		sink->found(sink->arg, way[i], i == root ? NULL : way[i + 1]);
	return 1;
}

int lt_scan_agents(const char *proc, size_t max, const struct lt_scan_sink *sink)
{
	lt_defer(closedirp)
	DIR *dir = opendir(proc);
	lt_defer(free_list)
	struct list list = {0};
	int found = 0;

	if (!dir)
		return -errno;
	for (int i = 0; i < SCAN_MAX && list.n < max; i++) {
		struct dirent *entry = readdir(dir);
		uint64_t tgid;
		int r;

		if (!entry)
			break;
		if (lt_parse_u64(lt_bytes_str(entry->d_name), &tgid) < 0 || tgid == 0 ||
		    tgid > UINT32_MAX)
			continue;
		r = look(proc, (uint32_t)tgid, sink, &list);
		if (r < 0)
			return r;
	}
	if (list.n > 0)
		qsort(list.p, list.n, sizeof(list.p[0]), by_tgid);
	for (size_t i = 0; i < list.n; i++)
		found += tell(&list, &list.p[i], sink);
	return found;
}
