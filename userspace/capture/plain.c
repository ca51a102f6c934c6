// SPDX-License-Identifier: Apache-2.0
/* Connections in the clear: which programs, and when system calls are followed for them. */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/capture/internal.h"

/* How long nobody may have been heard of until the host gets its quick system calls back. */
static const uint64_t follow_ns = 600ULL * 1000000000;

static const char *const programs_of[][4] = {
	[LT_PLAIN_OFF] = {NULL},
	[LT_PLAIN_SOCKETS] = {"lt_plain_sent", "lt_plain_received", "lt_plain_destroyed", NULL},
	[LT_PLAIN_SYSCALLS] = {"lt_plain_state", "lt_plain_destroyed", NULL},
};

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static bool is_needed(const struct lt_capture *c, const char *name)
{
	if (begins(name, "lt_stdio_"))
		return c->stdio && c->exec_prepared == (strcmp(name, "lt_stdio_prepare") == 0);
	if (begins(name, "lt_plain_syscall"))
		return (c->stdio || c->plain == LT_PLAIN_SYSCALLS) &&
		       c->old == (strcmp(name, "lt_plain_syscall_old") == 0);
	for (size_t i = 0; programs_of[c->plain][i]; i++) {
		if (strcmp(programs_of[c->plain][i], name) == 0)
			return true;
	}
	return false;
}

void lt_plain_choose(struct lt_capture *c, const struct lt_capture_opts *opts,
		     const struct lt_features *f)
{
	struct bpf_program *program;

	c->stdio = opts->stdio;
	c->exec_prepared = f->exec_prepared;
	if (opts->plain_ports || opts->plain_cgroups)
		c->plain = f->socket_events && c->way != LT_ATTACH_PLAIN ? LT_PLAIN_SOCKETS
									 : LT_PLAIN_SYSCALLS;
	if (opts->plain_ports)
		memcpy((uint64_t *)c->skeleton->rodata->lt_plain_ports, opts->plain_ports,
		       LT_PORT_WORDS * sizeof(uint64_t));
	c->skeleton->rodata->lt_plain_has_cgroups = opts->plain_cgroups;
	bpf_object__for_each_program(program, c->skeleton->obj)
	{
		const char *name = bpf_program__name(program);

		if (!begins(name, "lt_plain_") && !begins(name, "lt_stdio_"))
			continue;
		bpf_program__set_autoload(program, is_needed(c, name));
		if (begins(name, "lt_plain_syscall"))
			bpf_program__set_autoattach(program, false);
	}
}

static int follow(struct lt_capture *c)
{
	c->syscalls = bpf_program__attach_raw_tracepoint(
		c->old ? c->skeleton->progs.lt_plain_syscall_old
		       : c->skeleton->progs.lt_plain_syscall,
		"sys_exit");
	return c->syscalls ? 0 : -errno;
}

/* What a process says to a child that it has just started is said before anybody could react. */
int lt_plain_start(struct lt_capture *c)
{
	return c->stdio ? follow(c) : 0;
}

void lt_plain_tick(struct lt_capture *c)
{
	struct lt_capture_bpf__bss *kernel = c->skeleton->bss;
	uint64_t heard_ns = __atomic_load_n(&kernel->lt_plain_heard_ns, __ATOMIC_RELAXED);
	bool wanted;

	if (c->plain != LT_PLAIN_SYSCALLS || c->stdio)
		return;
	wanted = heard_ns > 0 && lt_clock_boot_ns() < heard_ns + follow_ns;
	if (wanted == (c->syscalls != NULL))
		return;
	if (wanted)
		lt_ignore(follow(c)); /* the next tick tries again */
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
