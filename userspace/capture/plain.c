// SPDX-License-Identifier: Apache-2.0
/* Connections in the clear: which programs, and when system calls are followed for them. */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/base/clock.h"
#include "userspace/capture/internal.h"

/* How long nobody may have been heard of until the host gets its quick system calls back. */
static const uint64_t follow_ns = 600ULL * 1000000000;

static const char *const programs_of[][5] = {
	[LT_PLAIN_OFF] = {NULL},
	[LT_PLAIN_SOCKETS] = {"lt_plain_sent", "lt_plain_received", "lt_plain_destroyed", NULL},
	[LT_PLAIN_SYSCALLS] = {"lt_plain_state", "lt_plain_destroyed", "lt_plain_syscall", NULL},
};

static bool is_of(enum lt_plain_way way, bool old, const char *name)
{
	if (strcmp(name, "lt_plain_syscall_old") == 0)
		return way == LT_PLAIN_SYSCALLS && old;
	if (strcmp(name, "lt_plain_syscall") == 0 && old)
		return false;
	for (size_t i = 0; programs_of[way][i]; i++) {
		if (strcmp(programs_of[way][i], name) == 0)
			return true;
	}
	return false;
}

void lt_plain_choose(struct lt_capture *c, const struct lt_capture_opts *opts, bool socket_events)
{
	struct bpf_program *program;

	if (opts->plain_ports || opts->plain_cgroups)
		c->plain = socket_events && c->way != LT_ATTACH_PLAIN ? LT_PLAIN_SOCKETS
								      : LT_PLAIN_SYSCALLS;
	if (opts->plain_ports)
		memcpy((uint64_t *)c->skeleton->rodata->lt_plain_ports, opts->plain_ports,
		       LT_PORT_WORDS * sizeof(uint64_t));
	c->skeleton->rodata->lt_plain_has_cgroups = opts->plain_cgroups;
	bpf_object__for_each_program(program, c->skeleton->obj)
	{
		const char *name = bpf_program__name(program);

		if (strncmp(name, "lt_plain_", strlen("lt_plain_")) != 0)
			continue;
		bpf_program__set_autoload(program, is_of(c->plain, c->old, name));
		if (strncmp(name, "lt_plain_syscall", strlen("lt_plain_syscall")) == 0)
			bpf_program__set_autoattach(program, false);
	}
}

void lt_plain_tick(struct lt_capture *c)
{
	struct lt_capture_bpf__bss *kernel = c->skeleton->bss;
	uint64_t heard_ns = __atomic_load_n(&kernel->lt_plain_heard_ns, __ATOMIC_RELAXED);
	bool wanted;

	if (c->plain != LT_PLAIN_SYSCALLS)
		return;
	wanted = heard_ns > 0 && lt_clock_boot_ns() < heard_ns + follow_ns;
	if (wanted == (c->syscalls != NULL))
		return;
	if (wanted)
		c->syscalls = bpf_program__attach_raw_tracepoint(
			c->old ? c->skeleton->progs.lt_plain_syscall_old
			       : c->skeleton->progs.lt_plain_syscall,
			"sys_exit");
	else
		lt_plain_end(c);
	__atomic_store_n(&kernel->lt_plain_follows, c->syscalls != NULL, __ATOMIC_RELAXED);
}

void lt_plain_end(struct lt_capture *c)
{
	bpf_link__destroy(c->syscalls);
	c->syscalls = NULL;
}

enum lt_plain_way lt_capture_plain_way(const struct lt_capture *c)
{
	return c->plain;
}

int lt_capture_plain_cgroup(struct lt_capture *c, uint64_t id)
{
	uint8_t yes = 1;
	int r = bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.plain_cgroups), &id, &yes,
				    BPF_ANY);

	return r < 0 ? -errno : 0;
}

int lt_capture_plain_process(struct lt_capture *c, uint32_t tgid)
{
	uint8_t yes = 1;

	if (c->plain != LT_PLAIN_SYSCALLS)
		return 0;
	if (bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.plain_tasks), &tgid, &yes, BPF_ANY) <
	    0)
		return -errno;
	__atomic_store_n(&c->skeleton->bss->lt_plain_heard_ns, lt_clock_boot_ns(),
			 __ATOMIC_RELAXED);
	return 0;
}
