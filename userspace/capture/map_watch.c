// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/map_watch.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"

enum {
	RING_PAGES = 16, /* 64 KiB per CPU: about 500 notices; power of two */
	RECORD_MAX = 4096 + 128,
};

struct cpu {
	int fd;
	struct perf_event_mmap_page *page;
	const uint8_t *data;
};

struct lt_map_watch {
	struct cpu *cpus;
	struct pollfd *polls; /* one for each CPU, then the wake fd */
	size_t count;
	size_t page_size;
	size_t ring_bytes;
};

/* PERF_RECORD_MMAP2, linux/perf_event.h. */
struct mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t major, minor;
	uint64_t inode, inode_generation;
	uint32_t protection, flags;
};

static int open_cpu(struct lt_map_watch *w, int cpu, struct cpu *ret)
{
	struct perf_event_attr attr;
	void *page;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_DUMMY;
	attr.sample_period = 1;
	attr.mmap = 1;
	attr.mmap2 = 1; /* without mmap_data: executable mappings alone */
	/* Wake at the first byte: wakeup_events counts samples alone, and there are none here. */
	attr.watermark = 1;
	attr.wakeup_watermark = 1;
	attr.exclude_kernel = 1;
	ret->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ret->fd < 0)
		return -errno;
	page = mmap(NULL, w->page_size + w->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ret->fd,
		    0);
	if (page == MAP_FAILED)
		return -errno;
	ret->page = page;
	ret->data = (const uint8_t *)page + w->page_size;
	return 0;
}

int lt_map_watch_open(struct lt_map_watch **ret)
{
	lt_defer(lt_map_watch_freep)
	struct lt_map_watch *w = lt_calloc(1, sizeof(*w));
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int r;

	if (!w || cpus < 1)
		return -ENOMEM;
	w->page_size = (size_t)sysconf(_SC_PAGESIZE);
	w->ring_bytes = RING_PAGES * w->page_size;
	w->cpus = lt_calloc((size_t)cpus, sizeof(*w->cpus));
	w->polls = lt_calloc((size_t)cpus + 1, sizeof(*w->polls));
	if (!w->cpus || !w->polls)
		return -ENOMEM;
	for (int cpu = 0; cpu < cpus; cpu++) {
		struct cpu *slot = &w->cpus[w->count];

		slot->fd = -1;
		r = open_cpu(w, cpu, slot);
		if (r == -ENODEV) /* the CPU is offline */
			continue;
		w->count++; /* from here on free() ends it, whole or half made */
		if (r < 0)
			return r;
		w->polls[w->count - 1] = (struct pollfd){.fd = slot->fd, .events = POLLIN};
	}
	*ret = lt_take(w);
	return 0;
}

struct lt_map_watch *lt_map_watch_free(struct lt_map_watch *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->count; i++) {
		if (w->cpus[i].page)
			munmap(w->cpus[i].page, w->page_size + w->ring_bytes);
		lt_closep(&w->cpus[i].fd);
	}
	lt_free(w->cpus);
	lt_free(w->polls);
	lt_free(w);
	return NULL;
}

/* Copies @n bytes at ring position @at, which may wrap. */
static void copy_out(const struct lt_map_watch *w, const struct cpu *cpu, uint64_t at, void *to,
		     size_t n)
{
	size_t offset = at & (w->ring_bytes - 1);
	size_t first = n < w->ring_bytes - offset ? n : w->ring_bytes - offset;

	memcpy(to, cpu->data + offset, first);
	memcpy((uint8_t *)to + first, cpu->data, n - first);
}

static int drain_cpu(struct lt_map_watch *w, struct cpu *cpu,
		     void (*each)(void *arg, const struct lt_mapping *m), void *arg)
{
	uint64_t head = __atomic_load_n(&cpu->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = cpu->page->data_tail;
	int told = 0;

	while (tail < head) {
		struct mmap2 record;

		copy_out(w, cpu, tail, &record.header, sizeof(record.header));
		if (record.header.size < sizeof(record.header))
			break; /* cannot be: the kernel wrote it */
		if (record.header.type == PERF_RECORD_LOST)
			lt_counter_add(LT_C_MAP_EVENTS_LOST, 1);
		if (record.header.type == PERF_RECORD_MMAP2 &&
		    record.header.size >= sizeof(record)) {
			copy_out(w, cpu, tail, &record, sizeof(record));
			each(arg, &(struct lt_mapping){
					  .pid = record.pid,
					  .start = record.addr,
					  .end = record.addr + record.len,
					  .major = record.major,
					  .minor = record.minor,
					  .inode = record.inode,
					  .inode_generation = record.inode_generation,
				  });
			told++;
		}
		tail += record.header.size;
	}
	__atomic_store_n(&cpu->page->data_tail, tail, __ATOMIC_RELEASE);
	return told;
}

int lt_map_watch_poll(struct lt_map_watch *w, int wake_fd, int timeout_ms,
		      void (*each)(void *arg, const struct lt_mapping *m), void *arg)
{
	int told = 0, r;

	w->polls[w->count] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
	r = poll(w->polls, w->count + 1, timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < w->count; i++)
		told += drain_cpu(w, &w->cpus[i], each, arg);
	return told;
}
