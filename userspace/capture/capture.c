// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/capture.h"

#include <errno.h>
#include <sys/resource.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/capture/features.h"
#include "userspace/capture/internal.h"

static const char *const way_names[] = {"auto", "multi", "cookie", "plain"};

int lt_attach_way_parse(const char *text, enum lt_attach_way *ret)
{
	for (size_t i = 0; i < LT_COUNT(way_names); i++) {
		if (strcmp(text, way_names[i]) == 0) {
			*ret = (enum lt_attach_way)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *lt_attach_way_name(enum lt_attach_way way)
{
	return way_names[way];
}

/* libbpf tells its errors through its own log; ours are told by lt_problem. */
static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* The least size of each event type. */
static const size_t sizes[] = {
	[LT_EVENT_DATA] = sizeof(struct lt_event_data),
	[LT_EVENT_NAME] = sizeof(struct lt_event_name),
	[LT_EVENT_PEER] = sizeof(struct lt_event_peer),
	[LT_EVENT_CLOSE] = sizeof(struct lt_event_close),
	[LT_EVENT_EXEC] = sizeof(struct lt_event_exec),
	[LT_EVENT_FORK] = sizeof(struct lt_event_fork),
	[LT_EVENT_EXIT] = sizeof(struct lt_event_exit),
	[LT_EVENT_ENVIRON] = sizeof(struct lt_event_environ),
	[LT_EVENT_HELLO] = sizeof(struct lt_event_hello),
	[LT_EVENT_FLOW] = sizeof(struct lt_event_flow),
	[LT_EVENT_CGROUP] = sizeof(struct lt_event_cgroup),
};

static void hand_on_data(const struct lt_capture_sink *sink, const struct lt_event_data *e)
{
	struct lt_chunk chunk = {
		.conn = &e->conn,
		.library = e->library,
		.dir = e->dir == LT_DIR_READ ? LT_DIR_READ : LT_DIR_WRITE,
		.ts_ns = e->conn.head.ts_ns,
		.position = e->position,
		.lost = e->lost,
		.data = lt_bytes(e->data, e->len),
	};

	sink->data(sink->arg, &chunk);
}

static void hand_on_hello(const struct lt_capture_sink *sink, const struct lt_event_hello *e,
			  size_t size)
{
	if (e->len > size - sizeof(*e))
		lt_counter_add(LT_C_EVENTS_BAD, 1);
	else if (sink->hello)
		sink->hello(sink->arg, e);
}

static int on_event(void *arg, void *data, size_t size)
{
	const struct lt_capture *c = arg;
	const struct lt_capture_sink *sink = c->sink;
	const struct lt_event_head *head = data;

	lt_counter_add(LT_C_EVENTS, 1);
	if (size < sizeof(*head) || head->type >= LT_COUNT(sizes) || head->type == 0 ||
	    size < sizes[head->type]) {
		lt_counter_add(LT_C_EVENTS_BAD, 1);
		return 0;
	}
	switch ((enum lt_event_type)head->type) {
	case LT_EVENT_DATA:
		if (((const struct lt_event_data *)data)->len <=
		    size - sizeof(struct lt_event_data))
			hand_on_data(sink, data);
		else
			lt_counter_add(LT_C_EVENTS_BAD, 1);
		break;
	case LT_EVENT_NAME:
		sink->name(sink->arg, data);
		break;
	case LT_EVENT_PEER:
		sink->peer(sink->arg, data);
		break;
	case LT_EVENT_CLOSE:
		sink->close(sink->arg, data);
		break;
	case LT_EVENT_EXEC:
		sink->exec(sink->arg, data);
		break;
	case LT_EVENT_FORK:
		sink->fork(sink->arg, data);
		break;
	case LT_EVENT_EXIT:
		sink->exit(sink->arg, data);
		break;
	case LT_EVENT_ENVIRON:
		sink->environ(sink->arg, data);
		break;
	case LT_EVENT_HELLO:
		hand_on_hello(sink, data, size);
		break;
	case LT_EVENT_FLOW:
		if (sink->flow)
			sink->flow(sink->arg, data);
		break;
	case LT_EVENT_CGROUP:
		if (sink->cgroup)
			sink->cgroup(sink->arg, data);
		break;
	}
	return 0;
}

static enum lt_attach_way best_way(const struct lt_features *f)
{
	if (f->uprobe_multi)
		return LT_ATTACH_MULTI;
	return f->attach_cookie ? LT_ATTACH_COOKIE : LT_ATTACH_PLAIN;
}

static int check_features(const struct lt_features *f, enum lt_attach_way way,
			  struct lt_problem *problem)
{
	if (!f->btf)
		return lt_problem_set(
			problem, -EOPNOTSUPP, NULL, 0,
			"kernel %s has no BTF (/sys/kernel/btf/vmlinux): ledgertap needs "
			"5.8 or later built with CONFIG_DEBUG_INFO_BTF",
			f->release);
	if (!f->bpf)
		return lt_problem_set(
			problem, f->bpf_error, NULL, 0,
			"the kernel refuses BPF programs (%s): run as root, or with CAP_BPF, "
			"CAP_PERFMON and CAP_SYS_PTRACE",
			strerror(-f->bpf_error));
	if (way == LT_ATTACH_MULTI && !f->uprobe_multi)
		return lt_problem_set(problem, -EOPNOTSUPP, NULL, 0,
				      "kernel %s has no uprobe_multi links: use --attach auto",
				      f->release);
	if (way == LT_ATTACH_COOKIE && !f->attach_cookie)
		return lt_problem_set(problem, -EOPNOTSUPP, NULL, 0,
				      "kernel %s has no attach cookies: use --attach auto",
				      f->release);
	return 0;
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* Whether this way of attaching on this kernel has a use for the uprobe program @name. */
static bool is_needed(const struct lt_capture *c, const char *name)
{
	bool plain = begins(name, "lt_ssl_enter_") || begins(name, "lt_go_plain_") ||
		     begins(name, "lt_aead_plain_");
	bool cookie = strcmp(name, "lt_ssl_enter") == 0 || strcmp(name, "lt_go_enter") == 0 ||
		      strcmp(name, "lt_aead_enter") == 0 || begins(name, "lt_go_leave");
	bool returning = begins(name, "lt_ssl_leave") || begins(name, "lt_go_leave");
	size_t n = strlen(name);

	if (c->way == LT_ATTACH_PLAIN ? cookie : plain)
		return false;
	return !returning || c->old == (n > 4 && strcmp(name + n - 4, "_old") == 0);
}

/* Only what is needed is loaded: older kernels do not know the rest. */
static void choose_programs(struct lt_capture *c)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, c->skeleton->obj)
	{
		if (bpf_program__type(program) != BPF_PROG_TYPE_KPROBE)
			continue;
		bpf_program__set_autoload(program, is_needed(c, bpf_program__name(program)));
		bpf_program__set_autoattach(program, false);
		if (c->way == LT_ATTACH_MULTI)
			bpf_program__set_expected_attach_type(
				program, (enum bpf_attach_type)LT_BPF_TRACE_UPROBE_MULTI);
	}
}

/* Attached by lt_capture_watch_cgroups. */
static void choose_cgroups(struct lt_capture *c)
{
	bpf_program__set_autoattach(c->skeleton->progs.lt_cgroup_mkdir, false);
	bpf_program__set_autoattach(c->skeleton->progs.lt_cgroup_rmdir, false);
	bpf_program__set_autoattach(c->skeleton->progs.lt_cgroup_attach_task, false);
}

static int load_object(struct lt_capture *c, const struct lt_features *f,
		       const struct lt_capture_opts *opts)
{
	uint32_t ring_bytes = opts->ring_bytes ? opts->ring_bytes : 8 << 20;
	int r;

	c->skeleton = lt_capture_bpf__open();
	if (!c->skeleton)
		return -ENOMEM;
	choose_programs(c);
	lt_plain_choose(c, opts, f);
	lt_flows_choose(c, opts);
	choose_cgroups(c);
	c->skeleton->rodata->lt_own_tgid = (uint32_t)getpid();
	c->skeleton->rodata->lt_has_preempt_guard = f->preempt_guard;
	c->skeleton->rodata->lt_wants_environ = c->wants_environ;
	c->skeleton->rodata->lt_wakeup_bytes = ring_bytes / 8;
	r = bpf_map__set_max_entries(c->skeleton->maps.events, ring_bytes);
	return r == 0 ? lt_capture_bpf__load(c->skeleton) : r;
}

static int load(struct lt_capture *c, const struct lt_features *f,
		const struct lt_capture_opts *opts, struct lt_problem *problem)
{
	int r = load_object(c, f, opts);

	/* Flow records are not worth that nothing is captured. */
	if (r < 0 && c->flows) {
		c->flow_error = r;
		lt_capture_bpf__destroy(c->skeleton);
		r = load_object(c, f, opts);
	}
	if (r < 0)
		return lt_problem_set(
			problem, r, NULL, 0,
			"the kernel (%s) does not load ledgertap's BPF programs: %s; please report "
			"it with the output of 'ledgertap doctor'",
			f->release, strerror(-r));
	c->verdicts = (uint64_t *)c->skeleton->bss->lt_verdicts;
	r = lt_capture_bpf__attach(c->skeleton);
	if (r == 0)
		r = lt_plain_start(c);
	if (r < 0)
		return lt_problem_set(problem, r, NULL, 0,
				      "cannot attach to the kernel's tracepoints: %s",
				      strerror(-r));
	c->ring = ring_buffer__new(bpf_map__fd(c->skeleton->maps.events), on_event, c, NULL);
	if (!c->ring)
		return lt_problem_set(problem, -errno, NULL, 0, "cannot map the ring buffer: %s",
				      strerror(errno));
	return 0;
}

int lt_capture_open(const struct lt_capture_opts *opts, struct lt_capture **ret,
		    struct lt_problem *problem)
{
	lt_defer(lt_capture_freep)
	struct lt_capture *c = lt_calloc(1, sizeof(*c));
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY}, files;
	struct lt_features features;
	int r;

	if (!c)
		return lt_problem_set(problem, -ENOMEM, NULL, 0, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	lt_hurry_open(&c->hurry, opts->no_hurry ? NULL : LT_HURRY_PATH);
	libbpf_set_print(quiet);
	/* Kernels before 5.11 charge BPF memory to this limit; where it may not be raised it is not
	 * needed. */
	lt_ignore(setrlimit(RLIMIT_MEMLOCK, &unlimited));
	/* Every attached file holds some descriptors. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		lt_ignore(setrlimit(RLIMIT_NOFILE, &files));
	}
	lt_features_probe(&features);
	r = check_features(&features, opts->way, problem);
	if (r < 0)
		return r;
	c->way = opts->way == LT_ATTACH_AUTO ? best_way(&features) : opts->way;
	c->floor = opts->floor;
	c->wants_environ = opts->wants_environ;
	/* The way of the oldest kernels is taken whole, so that a test on a new one covers it. */
	c->old = !features.bpf_loop || c->way == LT_ATTACH_PLAIN;
	c->linked = features.attach_cookie;
	c->returns_at_sites = opts->returns == LT_RETURNS_SITES ||
			      (opts->returns == LT_RETURNS_AUTO && features.uretprobe_kills);
	if (opts->flow_port_count > 0 && !features.cgroup_skb)
		c->flow_error = -EOPNOTSUPP;
	r = load(c, &features, opts, problem);
	if (r < 0)
		return r;
	*ret = lt_take(c);
	return 0;
}

int lt_capture_watch_cgroups(struct lt_capture *c, struct lt_problem *problem)
{
	const struct {
		struct bpf_program *program;
		struct bpf_link **link; /* ended with the skeleton */
	} watches[] = {
		{c->skeleton->progs.lt_cgroup_mkdir, &c->skeleton->links.lt_cgroup_mkdir},
		{c->skeleton->progs.lt_cgroup_rmdir, &c->skeleton->links.lt_cgroup_rmdir},
		{c->skeleton->progs.lt_cgroup_attach_task,
		 &c->skeleton->links.lt_cgroup_attach_task},
	};

	for (size_t i = 0; i < LT_COUNT(watches); i++) {
		*watches[i].link = bpf_program__attach(watches[i].program);
		if (!*watches[i].link)
			return lt_problem_set(problem, -errno, NULL, 0,
					      "cannot attach to the tracepoints of cgroups (%s): "
					      "a process that is moved to another cgroup is seen "
					      "there at its next call at the earliest",
					      strerror(errno));
	}
	return 0;
}

struct lt_capture *lt_capture_free(struct lt_capture *c)
{
	if (!c)
		return NULL;
	lt_flows_detach(c);
	ring_buffer__free(c->ring);
	lt_plain_end(c);
	lt_capture_bpf__destroy(c->skeleton);
	lt_attach_end_events(c);
	if (atomic_load(&c->ending))
		lt_hurry_end(&c->hurry);
	lt_hurry_close(&c->hurry);
	pthread_mutex_destroy(&c->lock);
	lt_free(c);
	return NULL;
}

void lt_capture_ending(struct lt_capture *c)
{
	if (!atomic_exchange(&c->ending, true))
		lt_hurry_begin(&c->hurry);
}

int lt_capture_poll(struct lt_capture *c, const struct lt_capture_sink *sink, int timeout_ms)
{
	int polled, consumed;

	c->sink = sink;
	polled = ring_buffer__poll(c->ring, timeout_ms);
	if (polled < 0 && polled != -EINTR)
		return polled;
	/* Events are submitted without a wake-up, so what is there must be asked for. */
	consumed = ring_buffer__consume(c->ring);
	lt_plain_tick(c);
	if (consumed < 0)
		return consumed;
	return (polled > 0 ? polled : 0) + consumed;
}

void lt_capture_set_verdict(struct lt_capture *c, const struct lt_conn *conn,
			    enum lt_verdict verdict)
{
	uint64_t word = conn->key.generation << 8 | (uint64_t)verdict;

	__atomic_store_n(&c->verdicts[conn->slot % LT_VERDICT_SLOTS], word, __ATOMIC_RELAXED);
}

void lt_capture_read_counters(struct lt_capture *c)
{
	static const enum lt_counter ours[LT_KC_COUNT] = {
		[LT_KC_LOST_EVENTS] = LT_C_KERNEL_LOST_EVENTS,
		[LT_KC_LOST_BYTES] = LT_C_KERNEL_LOST_BYTES,
		[LT_KC_CALLS_LOST] = LT_C_KERNEL_CALLS_LOST,
		[LT_KC_SHORT_READS] = LT_C_KERNEL_SHORT_READS,
		[LT_KC_UNPAIRED] = LT_C_KERNEL_UNPAIRED,
	};
	int cpus = libbpf_num_possible_cpus();
	lt_defer(lt_freep)
	uint64_t *values = cpus > 0 ? lt_calloc((size_t)cpus, sizeof(*values)) : NULL;

	for (uint32_t which = 0; values && which < LT_KC_COUNT; which++) {
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(bpf_map__fd(c->skeleton->maps.counters), &which, values) <
		    0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			sum += values[cpu];
		lt_counter_set(ours[which], sum);
	}
}

bool lt_capture_returns_at_sites(const struct lt_capture *c)
{
	return c->returns_at_sites;
}

enum lt_attach_way lt_capture_way(const struct lt_capture *c)
{
	return c->way;
}
