// SPDX-License-Identifier: Apache-2.0
/*
 * What it costs to know many processes: 10,000 containers in pods with 50,000 processes, fed as the
 * kernel side would (each cgroup made in v1 and v2, one exec and four forks in it, an environment).
 * Memory is the growth of the resident set; a lookup is the median of batches in random order. The
 * floor of the same run is a hash table of the same keys whose entries are as large and come from
 * the same heap. Prints lines "name value".
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/parse.h"
#include "userspace/discover/process.h"

enum {
	CONTAINERS = 10000,
	EACH = 5,
	PROCESSES = CONTAINERS * EACH,
	BATCH = 500,
	BATCHES = 801, /* odd: the median is one of them */
	BUCKETS = 65536,
	ENTRY_BYTES = 240,
};

struct entry {
	struct entry *next;
	uint64_t start_ns;
	uint32_t tgid;
	char more[ENTRY_BYTES - 24];
};

static struct entry *floor_table[BUCKETS];
static uint64_t touched; /* so that no lookup is left out */

static void die(const char *what)
{
	fprintf(stderr, "bench_attribution: %s\n", what);
	exit(1);
}

static uint32_t tgid_of(uint32_t i)
{
	return 1000 + i;
}

static uint64_t start_of(uint32_t i)
{
	return 1000000000ull + i * 12345ull;
}

static uint64_t id_of(uint32_t container)
{
	return 5000 + container;
}

static double resident_mb(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	malloc_trim(0);
	if (!f || fscanf(f, "%*s %lu", &pages) != 1)
		die("no statm");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* ---- what the kernel side would tell ---- */

static void make_names(uint32_t container, char pod[64], char id[80])
{
	snprintf(pod, 64, "pod%08x-5266-4386-864e-45ed71136371", container * 2654435761u);
	snprintf(id, 80, "%016llx%016llx%016llx%016llx",
		 container * 0x9e3779b97f4a7c15ull | 1ull << 63,
		 container * 0xc2b2ae3d27d4eb4full | 1ull << 63,
		 container * 0x165667b19e3779f9ull | 1ull << 63, 1ull << 63 | container);
}

static void make_cgroup(struct lt_process_table *t, uint32_t container)
{
	struct lt_event_cgroup e = {.id = id_of(container), .change = LT_CGROUP_MADE};
	char pod[64], id[80];

	make_names(container, pod, id);
	snprintf(e.path, sizeof(e.path), "/kubepods/burstable/%s/%s", pod, id);
	for (uint32_t i = 0; i < LT_CGROUP_HIERARCHIES; i++) {
		e.hierarchy = i;
		lt_process_cgroup(t, &e);
	}
}

static void start_first(struct lt_process_table *t, uint32_t container, uint32_t i)
{
	struct lt_event_exec e = {.head = {.tgid = tgid_of(i)},
				  .process_start_ns = start_of(i),
				  .cgroup_id = id_of(container),
				  .parent_tgid = 1,
				  .uid = 1000,
				  .comm = "python3"};
	char pod[64], id[80];

	make_names(container, pod, id);
	snprintf(e.file, sizeof(e.file), "/usr/local/lib/app-%u/bin/python3", container % 200);
	snprintf(e.cgroup[0], sizeof(e.cgroup[0]), "%s", id);
	snprintf(e.cgroup[1], sizeof(e.cgroup[1]), "%s", pod);
	snprintf(e.cgroup[2], sizeof(e.cgroup[2]), "burstable");
	snprintf(e.cgroup[3], sizeof(e.cgroup[3]), "kubepods");
	lt_process_exec(t, &e);
}

static void tell_environment(struct lt_process_table *t, uint32_t container, uint32_t i)
{
	static struct lt_event_environ e;

	e.conn.head.tgid = tgid_of(i);
	e.conn.process_start_ns = start_of(i);
	e.conn.cgroup_id = id_of(container);
	e.len = (uint32_t)snprintf(e.text, sizeof(e.text), "TEAM=team-%u", container) + 1;
	lt_process_environ(t, &e);
}

static void start_child(struct lt_process_table *t, uint32_t container, uint32_t i, uint32_t parent)
{
	struct lt_event_fork e = {.head = {.tgid = tgid_of(i)},
				  .process_start_ns = start_of(i),
				  .cgroup_id = id_of(container),
				  .parent_tgid = tgid_of(parent),
				  .uid = 1000};

	lt_process_fork(t, &e);
}

static void fill(struct lt_process_table *t)
{
	for (uint32_t c = 0; c < CONTAINERS; c++) {
		uint32_t first = c * EACH;

		make_cgroup(t, c);
		start_first(t, c, first);
		tell_environment(t, c, first);
		for (uint32_t i = 1; i < EACH; i++)
			start_child(t, c, first + i, first);
	}
}

/* ---- the two lookups ---- */

static void look_up(struct lt_process_table *t, uint32_t i)
{
	const struct lt_process *p = lt_process_find(t, tgid_of(i), start_of(i), id_of(i / EACH));

	if (!p || !p->container->id[0] || !p->container->pod_uid[0] ||
	    strcmp(p->exe + strlen(p->exe) - 7, "python3") != 0 || !lt_process_env(p, 0)[0])
		die("a process is not what it was told to be");
	touched += p->container->id[0];
}

static struct entry **bucket_of(uint32_t tgid)
{
	return &floor_table[tgid * 2654435761u & (BUCKETS - 1)];
}

static void fill_floor(void)
{
	for (uint32_t i = 0; i < PROCESSES; i++) {
		struct entry *e = lt_calloc(1, sizeof(*e));
		struct entry **bucket = bucket_of(tgid_of(i));

		if (!e)
			die("no memory");
		*e = (struct entry){.next = *bucket, .tgid = tgid_of(i), .start_ns = start_of(i)};
		*bucket = e;
	}
}

static void look_up_floor(struct lt_process_table *t, uint32_t i)
{
	struct entry *e = *bucket_of(tgid_of(i));

	(void)t;
	while (e && (e->tgid != tgid_of(i) || e->start_ns != start_of(i)))
		e = e->next;
	touched += e ? e->tgid : 0;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* ns for one lookup. */
static double measure(struct lt_process_table *t, void (*look)(struct lt_process_table *, uint32_t))
{
	static double batch[BATCHES];
	unsigned seed = 1;

	for (int b = 0; b < BATCHES; b++) {
		uint64_t begun = lt_clock_boot_ns();

		for (int i = 0; i < BATCH; i++)
			look(t, (uint32_t)rand_r(&seed) % PROCESSES);
		batch[b] = (double)(lt_clock_boot_ns() - begun) / BATCH;
	}
	qsort(batch, BATCHES, sizeof(batch[0]), by_size);
	return batch[BATCHES / 2];
}

int main(void)
{
	static const char *const names[] = {"TEAM", "LT_TENANT"};
	const struct lt_process_opts opts = {
		.proc = "/nowhere", .env_names = names, .env_count = LT_COUNT(names)};
	lt_defer(lt_process_table_freep)
	struct lt_process_table *t = NULL;
	double before = resident_mb(), found, floor;

	if (lt_process_table_new(&opts, &t) < 0)
		die("no memory");
	fill(t);
	for (uint32_t i = 0; i < PROCESSES; i++)
		look_up(t, i);
	printf("attribution_rss_mb %.2f\n", resident_mb() - before);
	fill_floor();
	found = measure(t, look_up);
	floor = measure(t, look_up_floor);
	printf("attribution_find_ns %.0f\n", found);
	printf("attribution_floor_ns %.0f\n", floor);
	return touched > 0 ? 0 : 1;
}
