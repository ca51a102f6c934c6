// SPDX-License-Identifier: Apache-2.0
/* The part of capture that watches connections to certain ports (bpf/flow.bpf.c). */
#include <arpa/inet.h>
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/capture/cgroup_root.h"
#include "userspace/capture/internal.h"

void lt_flows_choose(struct lt_capture *c, const struct lt_capture_opts *opts)
{
	struct bpf_program *const programs[] = {c->skeleton->progs.lt_flow_state,
						c->skeleton->progs.lt_flow_look,
						c->skeleton->progs.lt_flow_hello};
	struct bpf_map *const maps[] = {c->skeleton->maps.flows, c->skeleton->maps.hellos};
	bool wanted = opts->flow_port_count > 0 && c->flow_error == 0;

	for (size_t i = 0; i < LT_COUNT(programs); i++) {
		bpf_program__set_autoload(programs[i], wanted);
		bpf_program__set_autoattach(programs[i], false);
	}
	/* A map without entries is no map: those that nobody uses are not made. */
	for (size_t i = 0; i < LT_COUNT(maps); i++)
		lt_ignore(bpf_map__set_autocreate(maps[i], wanted));
	for (size_t i = 0; wanted && i < opts->flow_port_count && i < LT_FLOW_PORTS_MAX; i++)
		c->skeleton->rodata->lt_flow_ports[i] = htons(opts->flow_ports[i]);
	c->flows = wanted;
}

static int flow_problem(int error, const char *what, struct lt_problem *problem)
{
	return lt_problem_set(problem, error, NULL, 0,
			      "%s (%s): AI hosts that are called through a TLS stack which cannot "
			      "be read give no flow records",
			      what, strerror(-error));
}

static int attach(struct lt_capture *c, int root, struct lt_problem *problem)
{
	c->flow_hello = bpf_program__attach_cgroup(c->skeleton->progs.lt_flow_hello, root);
	if (!c->flow_hello)
		return flow_problem(
			-errno, "cannot link to the root of cgroup v2, which needs CAP_NET_ADMIN",
			problem);
	c->flow_state = bpf_program__attach(c->skeleton->progs.lt_flow_state);
	if (!c->flow_state)
		return flow_problem(-errno, "cannot attach to the tracepoint of sockets", problem);
	return 0;
}

int lt_capture_watch_flows(struct lt_capture *c, struct lt_problem *problem)
{
	lt_defer(lt_closep)
	int root = -1;
	int r;

	if (c->flow_error < 0)
		return flow_problem(c->flow_error,
				    "the kernel does not load the programs for connections",
				    problem);
	if (!c->flows)
		return 0;
	root = lt_cgroup_root_open();
	if (root < 0)
		return flow_problem(root, "the root of cgroup v2 is not mounted", problem);
	r = attach(c, root, problem);
	if (r < 0) /* one without the other is of no use */
		lt_flows_detach(c);
	return r;
}

int lt_capture_look_at_flow(struct lt_capture *c, uint64_t sock, uint64_t cookie)
{
	uint64_t arguments[] = {sock, cookie};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arguments, .ctx_size_in = sizeof(arguments));

	if (!c->flow_hello)
		return -EOPNOTSUPP;
	return bpf_prog_test_run_opts(bpf_program__fd(c->skeleton->progs.lt_flow_look), &opts) < 0
		       ? -errno
		       : 0;
}

void lt_flows_detach(struct lt_capture *c)
{
	bpf_link__destroy(c->flow_hello);
	bpf_link__destroy(c->flow_state);
	c->flow_hello = c->flow_state = NULL;
}
