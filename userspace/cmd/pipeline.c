// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/pipeline.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"
#include "userspace/decode/decoder.h"
#include "userspace/flow/flow.h"
#include "userspace/price/price.h"
#include "userspace/run/run.h"
#include "userspace/stream/stream.h"

struct lt_pipeline {
	struct lt_pipeline_opts opts;
	uint8_t node_uid[16];
	uint8_t boot_id[16];
	struct lt_catalog *catalog;
	struct lt_book *book;
	struct lt_process_table *processes;
	struct lt_agents *agents;
	struct lt_runs *runs;
	struct lt_attributor *attributor;
	struct lt_decoder *decoder;
	struct lt_sessions *sessions;
	struct lt_stream *stream;
	struct lt_flows *flows;
};

static void add_run(struct lt_identity *who, const struct lt_run_facts *run)
{
	who->run_key = run->run_key;
	who->session_key = run->session_key;
	who->step = run->step;
}

/* The last steps of a call: whose it is, what it costs, and the record of both. */
static void call_ended(void *arg, const struct lt_call *call)
{
	struct lt_pipeline *p = arg;
	struct lt_identity who;
	struct lt_record record;
	struct lt_cost cost = {.status = LT_PRICE_UNPRICED};
	struct lt_run_facts run;

	lt_counter_add(LT_C_CALLS, 1);
	lt_runs_call(p->runs, call, &run);
	lt_attribute_call(p->attributor, call, run.agent, &who);
	add_run(&who, &run);
	if (lt_price_call(p->book, call, lt_clock_boot_to_wall(call->first_byte_ns), &cost) < 0)
		cost.status = LT_PRICE_UNPRICED;
	if (cost.status == LT_PRICE_UNPRICED)
		lt_counter_add(LT_C_CALLS_UNPRICED, 1);
	if (lt_record_make(p->node_uid, p->boot_id, call, &who, &cost, &record) < 0) {
		lt_counter_add(LT_C_RECORDS_DROPPED, 1);
		return;
	}
	p->opts.record(p->opts.arg, &record);
}

/* What it says of itself is read of those alone that make calls. */
static void call_begins(void *arg, const struct lt_conn *conn)
{
	struct lt_pipeline *p = arg;

	lt_attributor_look(p->attributor, lt_process_find(p->processes, conn->key.tgid,
							  conn->process_start_ns, conn->cgroup_id));
}

static void connection_decoded(void *arg, const struct lt_conn *conn, struct lt_bytes host)
{
	lt_flows_decoded(((struct lt_pipeline *)arg)->flows, conn, host);
}

/* A connection that nobody could read: whose it is, and no more than that. */
static void flow_known(void *arg, const struct lt_call *call, uint32_t revision, bool last)
{
	struct lt_pipeline *p = arg;
	const struct lt_cost none = {.status = LT_PRICE_NO_USAGE};
	struct lt_run_facts run;
	struct lt_identity who;
	struct lt_record record;

	lt_runs_who(p->runs, call, &run);
	lt_attribute_call(p->attributor, call, run.agent, &who);
	add_run(&who, &run);
	if (lt_record_make(p->node_uid, p->boot_id, call, &who, &none, &record) < 0) {
		lt_counter_add(LT_C_RECORDS_DROPPED, 1);
		return;
	}
	record.revision = revision;
	record.who.pending &= last; /* else it comes again, and is asked for then */
	record.coverage = LT_COVERAGE_KNOWN_HOST_ENCRYPTED;
	record.counts_in_total = false;
	p->opts.record(p->opts.arg, &record);
}

static void flow_begins(void *arg, const struct lt_event_flow *e)
{
	struct lt_pipeline *p = arg;
	const struct lt_process *process = lt_process_find_at(
		p->processes, e->head.tgid, e->process_start_ns, e->cgroup_id, e->start_ns);

	lt_runs_look(p->runs, process);
	lt_attributor_look(p->attributor, process);
}

static void flow_suspect(void *arg, const struct lt_event_flow *e)
{
	struct lt_pipeline *p = arg;
	const struct lt_process *process = lt_process_find_at(
		p->processes, e->head.tgid, e->process_start_ns, e->cgroup_id, e->start_ns);

	if (process && p->opts.suspect)
		p->opts.suspect(p->opts.arg, process);
}

static int look_at_flow(void *arg, uint64_t sock, uint64_t cookie)
{
	struct lt_pipeline *p = arg;

	return p->opts.look_at_flow ? p->opts.look_at_flow(p->opts.arg, sock, cookie) : -EOPNOTSUPP;
}

static int make_flows(struct lt_pipeline *p)
{
	const struct lt_flows_opts defaults = {0};
	const struct lt_flow_sink sink = {
		.arg = p,
		.begins = flow_begins,
		.suspect = flow_suspect,
		.flow = flow_known,
		.look = look_at_flow,
	};

	return lt_flows_new(&defaults, p->catalog, &sink, &p->flows);
}

static int make_catalog(struct lt_pipeline *p, struct lt_problem *problem)
{
	const struct lt_config *config = p->opts.config;
	int r;

	r = lt_catalog_load(config->providers_dir, &p->catalog, problem);
	for (size_t i = 0; r == 0 && i < config->host_count; i++)
		r = lt_catalog_add_host(p->catalog, config->hosts[i].host,
					config->hosts[i].provider, config->hosts[i].name, problem);
	return r;
}

static void container_met(void *arg, const struct lt_container *container)
{
	struct lt_pipeline *p = arg;

	if (p->opts.container)
		p->opts.container(p->opts.arg, container);
}

static int make_attribution(struct lt_pipeline *p, struct lt_problem *problem)
{
	const struct lt_config *config = p->opts.config;
	const char *names[LT_ENV_NAMES_MAX];
	struct lt_process_opts opts = {
		.proc = p->opts.proc, .env_names = names, .container = container_met, .arg = p};
	struct lt_attributor_opts who = {.proc = p->opts.proc,
					 .workloads = p->opts.workloads,
					 .has_runtime = p->opts.has_runtime,
					 .has_kubernetes = p->opts.has_kubernetes,
					 .cluster = p->opts.cluster};
	int r;

	r = lt_attribution_env_names(config->yaml, config->attribution, names, &opts.env_count,
				     problem);
	if (r < 0)
		return r;
	r = lt_process_table_new(&opts, &p->processes);
	if (r < 0)
		return r;
	who.processes = p->processes;
	return lt_attributor_new(&who, config->yaml, config->attribution, &p->attributor, problem);
}

/* The decoder hands over the headers that the rules name. */
static void name_claims(struct lt_pipeline *p)
{
	const struct lt_rules *rules = lt_attributor_rules(p->attributor);
	const char *names[LT_CLAIMS_MAX];
	size_t count = lt_rules_headers(rules, names);

	lt_decoder_claims(p->decoder, names, count, lt_rules_stamp(rules));
}

static int make_runs(struct lt_pipeline *p, struct lt_problem *problem)
{
	struct lt_runs_opts opts = {.proc = p->opts.proc};
	int r = lt_agents_new(p->opts.config->yaml, p->opts.config->agents, &p->agents, problem);

	memcpy(opts.boot_id, p->boot_id, sizeof(opts.boot_id));
	memcpy(opts.key, p->opts.fingerprint_key, sizeof(opts.key));
	if (r == 0)
		r = lt_runs_new(&opts, p->agents, p->processes, &p->runs);
	lt_wipe(opts.key, sizeof(opts.key));
	return r;
}

static int make_road(struct lt_pipeline *p)
{
	struct lt_decoder_opts decoder = {0};
	struct lt_stream_opts stream = {.max_connections = p->opts.config->max_connections};
	struct lt_call_sink calls = {.arg = p,
				     .call = call_ended,
				     .begins = call_begins,
				     .connection = connection_decoded};
	struct lt_exchange_sink exchanges;
	struct lt_stream_sink bytes;
	int r;

	decoder.estimate = !p->opts.config->no_estimate;
	memcpy(decoder.fingerprint_key, p->opts.fingerprint_key, sizeof(decoder.fingerprint_key));
	memcpy(decoder.previous_key, p->opts.previous_key, sizeof(decoder.previous_key));
	decoder.previous_until_ns = p->opts.previous_until_ns;
	r = lt_decoder_new(&decoder, p->catalog, &calls, &p->decoder);
	lt_wipe(&decoder, sizeof(decoder));
	if (r < 0)
		return r;
	name_claims(p);
	exchanges = lt_decoder_sink(p->decoder);
	r = lt_sessions_new(&exchanges, &p->opts.verdicts, &p->sessions);
	if (r < 0)
		return r;
	bytes = lt_sessions_sink(p->sessions);
	return lt_stream_new(&stream, &bytes, &p->stream);
}

int lt_pipeline_new(const struct lt_pipeline_opts *opts, struct lt_pipeline **ret,
		    struct lt_problem *problem)
{
	lt_defer(lt_pipeline_freep)
	struct lt_pipeline *p = lt_calloc(1, sizeof(*p));
	int r;

	if (!p)
		return lt_problem_set(problem, -ENOMEM, NULL, 0, "out of memory");
	p->opts = *opts;
	lt_problem_set(problem, 0, NULL, 0, "cannot read this machine's id or boot id");
	r = lt_node_uid(p->node_uid);
	if (r == 0)
		r = lt_boot_id(p->boot_id);
	if (r == 0)
		r = make_catalog(p, problem);
	if (r == 0)
		r = lt_book_load(opts->config->price_book, opts->config->price_overlay, &p->book,
				 problem);
	if (r == 0)
		r = make_attribution(p, problem);
	if (r == 0)
		r = make_runs(p, problem);
	if (r == 0) {
		lt_problem_set(problem, 0, NULL, 0, "out of memory");
		r = make_flows(p);
	}
	if (r == 0)
		r = make_road(p);
	if (r < 0)
		return r;
	*ret = lt_take(p);
	return 0;
}

struct lt_pipeline *lt_pipeline_free(struct lt_pipeline *p)
{
	if (!p)
		return NULL;
	/* From the front to the back: closing the streams ends exchanges, which still become
	 * records. */
	p->stream = lt_stream_free(p->stream);
	p->sessions = lt_sessions_free(p->sessions);
	p->decoder = lt_decoder_free(p->decoder);
	p->flows = lt_flows_free(p->flows);
	p->attributor = lt_attributor_free(p->attributor);
	p->runs = lt_runs_free(p->runs);
	p->agents = lt_agents_free(p->agents);
	p->processes = lt_process_table_free(p->processes);
	p->book = lt_book_free(p->book);
	p->catalog = lt_catalog_free(p->catalog);
	lt_wipe(&p->opts, sizeof(p->opts)); /* the secrets */
	lt_free(p);
	return NULL;
}

/*
 * A process may be gone when its call ends: its environment and executable are read while it surely
 * lives, at the first sign of a connection (the kernel side wakes us for that).
 */
static void look_at_process(struct lt_pipeline *p, const struct lt_event_conn *conn)
{
	lt_runs_look(p->runs,
		     lt_process_find_at(p->processes, conn->head.tgid, conn->process_start_ns,
					conn->cgroup_id, conn->head.ts_ns));
}

static void on_data(void *arg, const struct lt_chunk *chunk)
{
	struct lt_pipeline *p = arg;

	if (chunk->position == 0 && chunk->dir == LT_DIR_WRITE)
		look_at_process(p, chunk->conn);
	lt_ignore(lt_stream_data(p->stream, chunk)); /* a failure became a counted gap */
}

static void on_name(void *arg, const struct lt_event_name *event)
{
	struct lt_pipeline *p = arg;

	look_at_process(p, &event->conn);
	lt_stream_name(p->stream, event);
}

static void on_peer(void *arg, const struct lt_event_peer *event)
{
	struct lt_pipeline *p = arg;

	look_at_process(p, &event->conn);
	lt_stream_peer(p->stream, event);
}

static void on_environ(void *arg, const struct lt_event_environ *event)
{
	lt_attributor_environ(((struct lt_pipeline *)arg)->attributor, event);
}

static void on_close(void *arg, const struct lt_event_close *event)
{
	lt_stream_close(((struct lt_pipeline *)arg)->stream, event);
}

static void on_exec(void *arg, const struct lt_event_exec *event)
{
	struct lt_pipeline *p = arg;

	/* The old image's connections ended with it, and its calls are the old image's. */
	lt_stream_exit(p->stream, event->head.tgid, event->head.ts_ns);
	lt_process_exec(p->processes, event);
	lt_runs_exec(p->runs, event);
	lt_attributor_exec(p->attributor, event->head.tgid);
}

static void on_fork(void *arg, const struct lt_event_fork *event)
{
	struct lt_pipeline *p = arg;

	lt_process_fork(p->processes, event);
	lt_runs_fork(p->runs, event);
}

static void on_exit_(void *arg, const struct lt_event_exit *event)
{
	struct lt_pipeline *p = arg;

	lt_stream_exit(p->stream, event->head.tgid, event->head.ts_ns);
	lt_process_exit(p->processes, event);
	lt_runs_exit(p->runs, event);
}

static void on_cgroup(void *arg, const struct lt_event_cgroup *event)
{
	lt_process_cgroup(((struct lt_pipeline *)arg)->processes, event);
}

static void on_hello(void *arg, const struct lt_event_hello *event)
{
	lt_flows_hello(((struct lt_pipeline *)arg)->flows, event);
}

static void on_flow(void *arg, const struct lt_event_flow *event)
{
	lt_flows_event(((struct lt_pipeline *)arg)->flows, event);
}

struct lt_capture_sink lt_pipeline_sink(struct lt_pipeline *p)
{
	return (struct lt_capture_sink){
		.arg = p,
		.data = on_data,
		.name = on_name,
		.peer = on_peer,
		.environ = on_environ,
		.close = on_close,
		.exec = on_exec,
		.fork = on_fork,
		.exit = on_exit_,
		.cgroup = on_cgroup,
		.hello = on_hello,
		.flow = on_flow,
	};
}

int lt_pipeline_scan_processes(struct lt_pipeline *p)
{
	int r = lt_process_table_scan(p->processes);
	int agents = r < 0 ? 0 : lt_runs_scan(p->runs);

	return agents < 0 ? agents : r;
}

int lt_pipeline_reload(struct lt_pipeline *p, const struct lt_config *config,
		       struct lt_problem *problem)
{
	const char *names[LT_ENV_NAMES_MAX];
	size_t count;
	int r = lt_attributor_reload(p->attributor, config->yaml, config->attribution, problem);

	if (r < 0)
		return r;
	count = lt_rules_env(lt_attributor_rules(p->attributor), names);
	r = lt_process_table_env(p->processes, names, count);
	/* Values under the wrong names would bill the wrong one. */
	if (r < 0)
		lt_ignore(lt_process_table_env(p->processes, NULL, 0));
	name_claims(p);
	return r < 0 ? lt_problem_set(problem, r, NULL, 0,
				      "out of memory: the environment of "
				      "processes is not read any more")
		     : 0;
}

struct lt_attributor *lt_pipeline_attributor(struct lt_pipeline *p)
{
	return p->attributor;
}

void lt_pipeline_tick(struct lt_pipeline *p, uint64_t now_ns)
{
	lt_stream_tick(p->stream, now_ns);
	lt_flows_tick(p->flows, now_ns);
	lt_process_tick(p->processes, now_ns);
	lt_runs_tick(p->runs, now_ns);
}

void lt_pipeline_look_at_flows(struct lt_pipeline *p)
{
	lt_flows_look(p->flows);
}

const struct lt_catalog *lt_pipeline_catalog(const struct lt_pipeline *p)
{
	return p->catalog;
}

const struct lt_book *lt_pipeline_book(const struct lt_pipeline *p)
{
	return p->book;
}
