// SPDX-License-Identifier: Apache-2.0
/* The agent: ties the sinks together, runs the drain thread, and ends cleanly. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"
#include "userspace/base/log.h"
#include "userspace/capture/capture.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/pipeline.h"
#include "userspace/cmd/reload.h"
#include "userspace/discover/probe_cache.h"
#include "userspace/cmd/secret.h"
#include "userspace/cmd/sources.h"
#include "userspace/cmd/unread.h"
#include "userspace/discover/listening.h"
#include "userspace/discover/scout.h"
#include "userspace/export/sinks.h"
#include "userspace/export/spool.h"
#include "userspace/ledger/writer.h"

enum {
	POLL_BUSY_MS = 10, /* how long events wait in the ring at most */
	POLL_IDLE_MS = 40, /* the same when nothing came for a while */
	IDLE_POLLS = 100,
	STOP_WRITER_MS = 1000,
	STOP_SINKS_MS = 500,
};

#define SAY_DEAD_NS 60000000000ull

struct agent {
	const char *config_path;
	const char *state_dir;
	enum lt_attach_way way;
	struct lt_config *config;
	struct lt_sources *sources;
	struct lt_pipeline *pipeline;
	struct lt_capture *capture;
	struct lt_probe_cache *cache; /* NULL: there is none */
	struct lt_scout *scout;
	struct lt_ledger *ledger;
	struct lt_writer *writer;
	struct lt_cursors *cursors; /* NULL, as the next one: there are no sinks */
	struct lt_spool *spool;
	atomic_uint_least64_t dead_said_ns; /* boot time: when a dead letter was logged last */
	struct lt_listening listening;	    /* the writer's */
	struct lt_unread *unread;
	struct lt_reload reload;
	uint64_t dropped; /* records dropped when it was last said */
	uint64_t lost;	  /* kernel events lost when it was last said */
	enum lt_returns returns;
	bool debug, no_estimate, no_hurry;
};

static volatile sig_atomic_t stopping, hangup;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static void on_hangup(int number)
{
	(void)number;
	hangup = 1;
}

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: ledgertap agent [OPTIONS]\n\n"
		"Captures the LLM API calls of every process on this host and keeps one record of "
		"each in the\n"
		"ledger. Runs in the foreground until SIGTERM or Ctrl-C. Attribution rules are "
		"read "
		"again when\n"
		"the config file changes, and on SIGHUP (which ends an agent on a terminal).\n\n"
		"  --config FILE     default " LT_CONFIG_PATH " (absent: embedded defaults)\n"
		"  --state-dir DIR   ledger and secret, default " LT_STATE_PATH "\n"
		"  --attach WAY      auto, multi, cookie or plain: how probes are attached "
		"(default auto)\n"
		"  --returns HOW     auto, probes or sites: return probes, or a probe on every RET "
		"where the kernel\n"
		"                    would kill programs under seccomp for them (default auto)\n"
		"  --no-hurry        leave the kernel's grace periods as they are while "
		"attaching: programs that\n"
		"                    nobody has run before may lose their first call\n"
		"  --no-estimate     leave usage open where the provider does not state it\n"
		"  --debug           log every file that is attached, and the counters each "
		"minute\n"
		"  --help\n");
}

/* Tells systemd (Type=notify, sd_notify(3)): a datagram to the socket that it names. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	lt_defer(lt_closep)
	int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (n == 0 || n >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, n);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		lt_ignore(sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)));
}

/* Prompts pass through this process's memory: no core dump, no ptrace by others. */
static void forbid_dumps(void)
{
	struct rlimit none = {0, 0};

	lt_ignore(setrlimit(RLIMIT_CORE, &none));
	lt_ignore(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

/* Symbol tables of large binaries are read and dropped: the heap gives such blocks back at once,
 * not never. */
static void return_large_blocks(void)
{
	lt_ignore(mallopt(M_MMAP_THRESHOLD, 128 << 10));
}

static void on_record(void *arg, struct lt_record *record)
{
	struct agent *a = arg;

	if (record->coverage != LT_COVERAGE_DECODED)
		lt_unread_record(a->unread, record);
	lt_ignore(lt_writer_put(a->writer, record)); /* counted there when the queue is full */
}

static void on_verdict(void *arg, const struct lt_conn *conn, enum lt_verdict verdict)
{
	struct agent *a = arg;

	lt_capture_set_verdict(a->capture, conn, verdict);
}

static void on_file(void *arg, const struct lt_scout_file *file)
{
	const struct agent *a = arg;

	if (file->error == -ENOTSUP)
		lt_log_warn(
			"not attached: %s (pid %u): its functions leave in ways that only return "
			"probes see, which would kill programs under seccomp on this kernel",
			file->path, file->pid);
	else if (file->error < 0)
		lt_log_warn("cannot attach to %s (pid %u): %s", file->path, file->pid,
			    strerror(-file->error));
	else if (a->debug)
		lt_log_debug("attached %u probes to %s (%s, pid %u)", file->probes, file->path,
			     file->collector, file->pid);
}

static void on_proof(void *arg, const struct lt_scout_proof *proof)
{
	(void)arg;
	if (proof->wrong)
		lt_log_warn("%s: what was taken for TLS functions (%s) is something else: "
			    "detached, its calls are not seen. Please report the file with the "
			    "output of: ledgertap probe-info %s",
			    proof->path, proof->collector, proof->path);
	else
		lt_log_info("%s: the TLS functions found in its code (%s) are proven by their "
			    "traffic",
			    proof->path, proof->collector);
}

/* How much is known by now about workloads, and the record anew with that. */
static uint64_t on_version(void *arg)
{
	struct agent *a = arg;

	return lt_workloads_version(lt_sources_workloads(a->sources));
}

static bool on_again(void *arg, struct lt_record *record)
{
	struct agent *a = arg;
	struct lt_attributor *attributor = lt_pipeline_attributor(a->pipeline);
	const struct lt_workload *w = lt_attribute_workload(attributor, &record->who);
	bool changed;

	if (!w)
		return false;
	changed = lt_attribute_again(attributor, &record->call, w, &record->who);
	lt_workload_put(w);
	return changed;
}

static void on_container(void *arg, const struct lt_container *container)
{
	struct agent *a = arg;

	lt_sources_ask(a->sources, container);
}

static void on_writer(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0)
		lt_log_error(
			"the ledger cannot be written (%s); records are kept in memory and tried "
			"again: free space or mend the state directory",
			text);
	else
		lt_log_info("the ledger can be written again");
}

/* Thread: writer. */
static bool serves(void *arg, uint32_t tgid, uint64_t process_start_ns, uint16_t port)
{
	return lt_process_listens(&((struct agent *)arg)->listening, tgid, process_start_ns, port);
}

static int say_problem(int r, const struct lt_problem *problem)
{
	char text[1024];

	if (r < 0)
		lt_log_error("%s", lt_problem_format(problem, text, sizeof(text)));
	return r;
}

static int open_ledger(struct agent *a)
{
	struct lt_problem problem = {0};
	char text[1024];
	int r;

	r = lt_ledger_open(a->state_dir, LT_LEDGER_WRITE, &a->ledger, &problem);
	if (r < 0) {
		lt_log_error("%s", lt_problem_format(&problem, text, sizeof(text)));
		return r;
	}
	if (problem.text[0])
		lt_log_warn("%s", lt_problem_format(&problem, text, sizeof(text)));
	lt_ledger_serves(a->ledger, serves, a);
	return 0;
}

static int open_sources(struct agent *a)
{
	struct lt_problem problem = {0};

	return say_problem(lt_sources_start(a->config, &a->sources, &problem), &problem);
}

static void on_committed(void *arg)
{
	struct agent *a = arg;

	if (a->spool)
		lt_spool_wake(a->spool);
}

/* Thread: that of the sink. */
static void on_sink(void *arg, const struct lt_sink *sink, enum lt_sink_state state,
		    const char *reason)
{
	(void)arg;
	if (state == LT_SINK_WORKS)
		lt_log_info("sink %s takes records again", sink->name);
	else
		lt_log_warn("sink %s: %s; records stay in the ledger and are sent later%s",
			    sink->name, reason,
			    state == LT_SINK_STUCK ? ", once that is mended" : "");
}

static void on_dead_letter(void *arg, const struct lt_sink *sink, const struct lt_dead_letter *dead)
{
	struct agent *a = arg;
	uint64_t now_ns = lt_clock_boot_ns(), said_ns = atomic_load(&a->dead_said_ns);
	char id[LT_RECORD_ID_TEXT];

	/* One of many is enough: the command has them all. */
	if (said_ns != 0 && now_ns - said_ns < SAY_DEAD_NS)
		return;
	atomic_store(&a->dead_said_ns, now_ns);
	lt_log_warn("sink %s will never take record %s: %s; see ledgertap sinks --dead %s",
		    sink->name, lt_record_id_format(dead->id, id), dead->reason, sink->name);
}

static int start_sinks(struct agent *a)
{
	struct lt_spool_opts opts = {
		.state_dir = a->state_dir, .state = on_sink, .dead = on_dead_letter, .arg = a};
	struct lt_problem problem = {0};
	struct lt_sinks sinks = {.count = 0};
	int r = lt_sinks_new(a->config->yaml, a->config->sinks, &sinks, &problem);

	if (r < 0 || sinks.count == 0)
		return say_problem(r, &problem);
	r = lt_cursors_open(a->state_dir, LT_LEDGER_WRITE, &a->cursors, &problem);
	if (r < 0) {
		lt_sinks_done(&sinks);
		return say_problem(r, &problem);
	}
	opts.cursors = a->cursors;
	r = lt_spool_start(&opts, sinks.sink, sinks.count, &a->spool);
	if (r < 0)
		lt_log_error("cannot start the sinks: %s", strerror(-r));
	return r;
}

/* Behind the pipeline, whose rules it applies to records that waited. */
static int start_writer(struct agent *a)
{
	struct lt_writer_opts opts = {
		.status = on_writer,
		.committed = on_committed,
		.version = on_version,
		.again = on_again,
		.arg = a,
	};
	int r = lt_writer_start(a->ledger, &opts, &a->writer);

	if (r < 0)
		lt_log_error("cannot start the ledger's writer: %s", strerror(-r));
	return r;
}

static int open_capture(struct agent *a)
{
	struct lt_capture_opts opts = {
		.ring_bytes = (uint32_t)a->config->ring_bytes,
		.way = a->way,
		.no_hurry = a->no_hurry,
		.returns = a->returns,
		.wants_environ = lt_attributor_reads_environ(lt_pipeline_attributor(a->pipeline)),
		.plain_ports = a->config->plain ? a->config->plain_ports : NULL,
		.stdio = a->config->mcp_stdio,
		.plain_cgroups = a->config->plain && a->config->plain_cgroup_count > 0,
		.flow_port_count = a->config->flow_port_count,
	};
	struct lt_problem problem = {0};
	int r;

	memcpy(opts.flow_ports, a->config->flow_ports, sizeof(opts.flow_ports));
	r = lt_capture_open(&opts, &a->capture, &problem);
	if (r < 0)
		lt_log_error("%s", problem.text);
	return r;
}

static int on_look_at_flow(void *arg, uint64_t sock, uint64_t cookie)
{
	struct agent *a = arg;

	return lt_capture_look_at_flow(a->capture, sock, cookie);
}

static void on_suspect(void *arg, const struct lt_process *process)
{
	lt_unread_suspect(((struct agent *)arg)->unread, process);
}

static void watch_cgroups(struct agent *a)
{
	struct lt_problem problem = {0};

	if (lt_capture_watch_cgroups(a->capture, &problem) < 0)
		lt_log_warn("%s", problem.text);
}

/* Without them the rest works, and says less. */
static void watch_flows(struct agent *a)
{
	struct lt_problem problem = {0};

	if (lt_capture_watch_flows(a->capture, &problem) < 0)
		lt_log_warn("%s", problem.text);
}

static int load_secrets(struct agent *a, struct lt_pipeline_opts *opts, struct lt_problem *problem)
{
	struct lt_secrets secrets;
	int r = lt_secrets_load(a->state_dir, &a->config->credentials, true, &secrets, problem);
	int64_t left = secrets.previous_until_ns - lt_clock_wall_ns();

	memcpy(opts->fingerprint_key, secrets.current, sizeof(opts->fingerprint_key));
	memcpy(opts->previous_key, secrets.previous, sizeof(opts->previous_key));
	if (r == 0 && left > 0) {
		opts->previous_until_ns = lt_clock_boot_ns() + (uint64_t)left;
		lt_log_info("keys are known under the secret before this one too, for %lld h more",
			    (long long)(left / 3600000000000));
	} else if (r == 0 && a->config->credentials.previous_secret_file) {
		lt_log_info("the overlap of previous_secret_file is over: it can go");
	}
	lt_wipe(&secrets, sizeof(secrets));
	return r;
}

static int open_pipeline(struct agent *a)
{
	struct lt_pipeline_opts opts = {
		.config = a->config,
		.verdicts = {.arg = a, .set = on_verdict},
		.workloads = lt_sources_workloads(a->sources),
		.has_runtime = lt_sources_has_runtime(a->sources),
		.has_kubernetes = lt_sources_has_kubernetes(a->sources),
		.cluster = a->config->cluster,
		.container = on_container,
		.look_at_flow = on_look_at_flow,
		.suspect = on_suspect,
		.record = on_record,
		.arg = a,
	};
	struct lt_problem problem = {0};
	char text[1024];
	int r;

	r = load_secrets(a, &opts, &problem);
	if (r == 0)
		r = lt_pipeline_new(&opts, &a->pipeline, &problem);
	lt_wipe(&opts, sizeof(opts));
	if (r < 0)
		lt_log_error("%s", lt_problem_format(&problem, text, sizeof(text)));
	return r;
}

static void say_closed(unsigned count)
{
	if (count > 0)
		lt_log_warn("%u process%s may not be looked into: calls through TLS libraries "
			    "that only they use are not seen; 'ledgertap doctor' says more",
			    count, count == 1 ? "" : "es");
}

/* Without it large programs are looked through anew after each start. */
static void open_cache(struct agent *a)
{
	struct lt_problem problem = {0};
	char path[512], text[1024];

	if (snprintf(path, sizeof(path), "%s/probes", a->state_dir) < (int)sizeof(path) &&
	    lt_probe_cache_open(path, &a->cache, &problem) < 0)
		lt_log_warn("%s; what is found in programs without symbols is not kept",
			    lt_problem_format(&problem, text, sizeof(text)));
}

/* Attaching can take seconds: what the first programs say meanwhile must not fill the ring. */
static int await_first_sweep(struct agent *a)
{
	struct lt_capture_sink sink = lt_pipeline_sink(a->pipeline);
	int r;

	while ((r = lt_scout_first_sweep(a->scout)) == -EAGAIN && !stopping)
		lt_ignore(lt_capture_poll(a->capture, &sink, POLL_BUSY_MS));
	return r == -EAGAIN ? 0 : r;
}

static int start(struct agent *a)
{
	struct lt_scout_opts scout = {
		.sweep_ns = a->config->sweep_ns,
		.keep_ns = a->config->keep_ns,
		.proved = on_proof,
		.plain = {.ports = a->config->plain_ports,
			  .cgroups = a->config->plain_cgroups,
			  .cgroup_count = a->config->plain_cgroup_count},
		.found = on_file,
		.arg = a,
		.stack = lt_unread_answer,
	};
	int processes, r;

	r = lt_unread_new(&a->unread);
	if (r == 0)
		r = open_ledger(a);
	if (r == 0)
		r = open_sources(a);
	if (r == 0)
		r = open_pipeline(a);
	if (r == 0)
		r = start_sinks(a);
	if (r == 0)
		r = start_writer(a);
	if (r == 0)
		r = open_capture(a);
	if (r < 0)
		return r;
	watch_cgroups(a);
	/* Events of what begins from now on are in the ring already; what runs is read from /proc.
	 */
	processes = lt_pipeline_scan_processes(a->pipeline);
	if (processes < 0)
		lt_log_warn("cannot read /proc: %s", strerror(-processes));
	open_cache(a);
	scout.cache = a->cache;
	scout.stack_arg = a->unread;
	r = lt_scout_start(a->capture, &scout, &a->scout);
	if (r == 0)
		r = await_first_sweep(a);
	if (r < 0) {
		lt_log_error("cannot look for TLS libraries: %s", strerror(-r));
		return r;
	}
	lt_unread_ask(a->unread, a->scout);
	/* Last: what was opened before the stacks were attached would look as if nobody read it. */
	watch_flows(a);
	say_closed(lt_scout_closed(a->scout));
	lt_log_info("ready: %d processes, %llu files attached (%s), prices %s, ledger in %s",
		    processes < 0 ? 0 : processes,
		    (unsigned long long)lt_counter_get(LT_C_ATTACHMENTS),
		    lt_attach_way_name(lt_capture_way(a->capture)),
		    lt_book_version(lt_pipeline_book(a->pipeline)), a->state_dir);
	notify("READY=1");
	lt_ignore(malloc_trim(0));
	return 0;
}

/* Once a second: say what is lost, never in silence and never in a flood. */
static void say_losses(struct agent *a)
{
	uint64_t dropped = lt_counter_get(LT_C_RECORDS_DROPPED);
	uint64_t lost;

	lt_capture_read_counters(a->capture);
	lost = lt_counter_get(LT_C_KERNEL_LOST_EVENTS);
	if (dropped > a->dropped)
		lt_log_error("%llu records lost because the ledger did not keep up",
			     (unsigned long long)(dropped - a->dropped));
	if (lost > a->lost)
		lt_log_warn(
			"%llu events lost in the kernel (ring full): their calls say lost_bytes; "
			"a larger capture.ring_size in the config avoids it",
			(unsigned long long)(lost - a->lost));
	a->dropped = dropped;
	a->lost = lost;
}

static void log_counters(void)
{
	for (int i = 0; i < LT_COUNTER_COUNT; i++) {
		if (lt_counter_get(i) > 0)
			lt_log_debug("counter %s %llu", lt_counter_name(i),
				     (unsigned long long)lt_counter_get(i));
	}
}

/* On SIGHUP at once, else when the file has changed. */
static void reload_if_due(struct agent *a)
{
	if (!hangup && !lt_reload_due(&a->reload))
		return;
	hangup = 0;
	lt_reload_run(&a->reload, a->config, a->pipeline);
}

static int drain(struct agent *a)
{
	struct lt_capture_sink sink = lt_pipeline_sink(a->pipeline);
	uint64_t next_second = 0, seconds = 0;
	unsigned quiet = 0;

	while (!stopping) {
		int r = lt_capture_poll(a->capture, &sink,
					quiet < IDLE_POLLS ? POLL_BUSY_MS : POLL_IDLE_MS);
		uint64_t now_ns = lt_clock_boot_ns();

		if (r < 0) {
			lt_log_error("the ring buffer cannot be read: %s", strerror(-r));
			return r;
		}
		quiet = r > 0 ? 0 : quiet + 1;
		lt_pipeline_tick(a->pipeline, now_ns);
		if (now_ns < next_second)
			continue;
		next_second = now_ns + 1000000000;
		say_losses(a);
		lt_sources_tick(a->sources, now_ns);
		reload_if_due(a);
		if (a->debug && ++seconds % 60 == 0)
			log_counters();
	}
	/* What the kernel has already handed over still becomes records. */
	lt_pipeline_look_at_flows(a->pipeline);
	return lt_capture_poll(a->capture, &sink, 0) < 0 ? -EIO : 0;
}

static void stop(struct agent *a)
{
	notify("STOPPING=1");
	if (a->capture)
		lt_capture_ending(a->capture);
	a->scout = lt_scout_stop(a->scout);
	a->cache = lt_probe_cache_free(a->cache);
	if (a->unread)
		lt_unread_ask(a->unread, NULL);
	if (a->writer)
		lt_writer_settle(a->writer);
	a->pipeline = lt_pipeline_free(a->pipeline);
	a->unread = lt_unread_free(a->unread);
	if (a->writer)
		a->writer = lt_writer_stop(a->writer, STOP_WRITER_MS);
	a->spool = lt_spool_stop(a->spool, STOP_SINKS_MS);
	a->cursors = lt_cursors_close(a->cursors);
	a->ledger = lt_ledger_close(a->ledger);
	a->capture = lt_capture_free(a->capture);
	a->sources = lt_sources_stop(a->sources);
	if (a->debug)
		log_counters();
	a->config = lt_config_free(a->config);
}

static int parse_returns(const char *text, enum lt_returns *ret)
{
	static const char *const names[] = {"auto", "probes", "sites"};

	for (size_t i = 0; i < LT_COUNT(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum lt_returns)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_options(int argc, char **argv, struct agent *a)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"state-dir", required_argument, NULL, 's'},
		{"attach", required_argument, NULL, 'a'},
		{"debug", no_argument, NULL, 'd'},
		{"no-estimate", no_argument, NULL, 'e'},
		{"no-hurry", no_argument, NULL, 'u'},
		{"returns", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c') {
			a->config_path = optarg;
		} else if (c == 's') {
			a->state_dir = optarg;
		} else if (c == 'd') {
			a->debug = true;
		} else if (c == 'e') {
			a->no_estimate = true;
		} else if (c == 'u') {
			a->no_hurry = true;
		} else if (c == 'h') {
			usage(stdout);
			return -ECANCELED;
		} else if (c == 'r') {
			if (parse_returns(optarg, &a->returns) == 0)
				continue;
			fprintf(stderr, "ledgertap agent: --returns takes auto, probes or sites\n");
			usage(stderr);
			return -EINVAL;
		} else if (c != 'a' || lt_attach_way_parse(optarg, &a->way) < 0) {
			if (c == 'a')
				fprintf(stderr, "ledgertap agent: --attach takes auto, multi, "
						"cookie or plain\n");
			usage(stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "ledgertap agent: unexpected argument '%s'\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

int lt_cmd_agent(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct agent a = {.state_dir = LT_STATE_PATH};
	struct lt_problem problem = {0};
	char text[1024];
	int r;

	r = parse_options(argc, argv, &a);
	if (r < 0)
		return r == -ECANCELED ? LT_EXIT_OK : LT_EXIT_USAGE;
	forbid_dumps();
	return_large_blocks();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* On a terminal it says that this is gone, and nobody would end the agent then. */
	if (!isatty(STDERR_FILENO))
		action.sa_handler = on_hangup;
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = lt_config_load(a.config_path, &a.config, &problem);
	if (r < 0) {
		lt_log_error("%s", lt_problem_format(&problem, text, sizeof(text)));
		return LT_EXIT_FAILED;
	}
	lt_reload_init(&a.reload, a.config_path);
	a.config->no_estimate |= a.no_estimate;
	lt_log_set_level(a.debug ? LT_LOG_DEBUG : a.config->log_level);
	r = start(&a);
	if (r == 0)
		r = drain(&a);
	stop(&a);
	if (r == 0)
		lt_log_info("stopped");
	return r < 0 ? LT_EXIT_FAILED : LT_EXIT_OK;
}
