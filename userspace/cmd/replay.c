// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "userspace/base/clock.h"
#include "userspace/base/parse.h"
#include "userspace/capture/source_replay.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/pipeline.h"
#include "userspace/view/record_csv.h"
#include "userspace/export/record_json.h"
#include "userspace/view/table.h"

enum format { JSONL, JSON, TABLE, CSV };

enum { PROGRESS_AFTER_NS = 1000000000 };

static const char *const formats[] = {"jsonl", "json", "table", "csv"};

static const struct lt_table_column columns[] = {
	{"FILE", false, 16}, {"PROVIDER", false, 0}, {"MODEL", false, 12}, {"IN", true, 0},
	{"OUT", true, 0},    {"COST", true, 0},	     {"STATUS", true, 0},  {"USAGE", false, 0},
};

struct replay {
	const char *config_path, *prices;
	enum format format;
	bool progress, no_estimate;
	struct lt_replay_opts opts;
	struct lt_pipeline *pipeline;
	struct lt_json_writer json;
	struct lt_table *table;
	const char *file; /* being replayed */
	size_t records;
	struct lt_replay_stats stats;
	uint64_t begun_ns;
	bool shown; /* the progress line stands on the terminal */
};

static const char help[] =
	"Usage: ledgertap replay [OPTIONS] FILE...\n"
	"\n"
	"Decodes and prices recorded exchanges (HAR 1.2), each on a connection of its own, with "
	"the\n"
	"code that live traffic runs through.\n"
	"\n"
	"  --format F         jsonl (default), json, table, csv; a record names its file as "
	"source_file\n"
	"  --http 1.1|2       how the exchanges are put on the wire (default 1.1)\n"
	"  --split N          cut the bytes into pieces of N\n"
	"  --split random:S   cut them into pieces of random sizes, the same ones for the same S\n"
	"  --join-at N        see each direction of a connection from byte N on only\n"
	"  --config FILE      hosts, providers and prices as the agent would have them\n"
	"  --prices FILE      this price book instead\n"
	"  --no-estimate      leave usage open where the provider does not state it\n"
	"  --no-progress      no line of progress on a terminal\n"
	"  --help             this text\n"
	"\n"
	"Examples:\n"
	"  ledgertap replay session.har\n"
	"  ledgertap replay --format table --config /etc/ledgertap/ledgertap.yaml *.har\n"
	"\n"
	"Exit codes: 0 done, 1 a file could not be replayed (the others were), 2 wrong usage.\n";

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "ledgertap replay: %s%s%s%s (see 'ledgertap replay --help')\n", what,
		value ? " '" : "", value ? value : "", value ? "'" : "");
	return -EINVAL;
}

static void clear_progress(struct replay *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

static int fail(struct replay *p, const struct lt_problem *problem)
{
	char text[1024];

	clear_progress(p);
	fprintf(stderr, "ledgertap replay: %s\n", lt_problem_format(problem, text, sizeof(text)));
	return LT_EXIT_FAILED;
}

/* Replayed twice, on any host, a recording gives the same records. */
static void make_stable(struct lt_record *r)
{
	struct lt_record_id_facts facts = {
		.connection = r->call.conn.ctx,
		.stream_id = r->call.stream_id,
		.ordinal = lt_record_ordinal(&r->call, r->call.model),
	};
	int64_t start_ns = (int64_t)r->call.conn.generation;

	/* A failure leaves the id of this run, which is as unique. */
	lt_ignore(lt_record_id_make(&facts, &r->id));
	facts.ordinal = lt_record_ordinal(&r->call, 0);
	if (r->parent_known)
		lt_ignore(lt_record_id_make(&facts, &r->parent));
	r->end_ns += start_ns - r->start_ns;
	r->start_ns = start_ns;
}

static const char *count_text(struct lt_count count, char to[LT_HUMAN_TEXT])
{
	return count.known ? lt_human_number(count.n, to) : "-";
}

static int add_row(struct replay *p, const struct lt_record *r)
{
	const char *slash = strrchr(p->file, '/');
	char in[LT_HUMAN_TEXT], out[LT_HUMAN_TEXT], cost[LT_HUMAN_TEXT], status[16];
	const char *cells[LT_COUNT(columns)] = {
		slash ? slash + 1 : p->file,
		r->call.provider,
		r->call.response_model[0] ? r->call.response_model : r->call.request_model,
		count_text(r->call.usage.input, in),
		count_text(r->call.usage.output, out),
		lt_price_status_name(r->cost.status),
		status,
		lt_completeness_name(r->call.usage.completeness),
	};

	snprintf(status, sizeof(status), "%u", r->call.status);
	if (r->cost.status == LT_PRICE_PRICED || r->cost.status == LT_PRICE_INLINE)
		cells[5] = lt_human_money(r->cost.amount, r->cost.currency, cost);
	return lt_table_row(p->table, cells, NULL);
}

static void on_record(void *arg, struct lt_record *record)
{
	struct replay *p = arg;

	lt_bytes_copy(record->source_file, sizeof(record->source_file), lt_bytes_str(p->file));
	make_stable(record);
	clear_progress(p);
	p->records++;
	switch (p->format) {
	case JSONL:
		/* Each line is a document of its own. */
		lt_json_writer_init(&p->json, stdout);
		lt_record_json(&p->json, 0, record);
		putchar('\n');
		break;
	case JSON:
		lt_record_json(&p->json, 0, record);
		break;
	case TABLE:
		lt_ignore(add_row(p, record)); /* without memory, a row less */
		break;
	case CSV:
		lt_view_record_csv(stdout, record);
		break;
	}
}

static int begin_output(struct replay *p)
{
	if (p->format == CSV)
		lt_view_csv_titles(stdout);
	if (p->format == JSON) {
		lt_json_writer_init(&p->json, stdout);
		lt_json_begin_array(&p->json);
	}
	if (p->format != TABLE)
		return 0;
	return lt_table_new(columns, LT_COUNT(columns), lt_terminal_width(stdout),
			    lt_terminal_colour(stdout), &p->table);
}

static void end_output(struct replay *p)
{
	if (p->format == TABLE)
		lt_table_print(p->table, stdout);
	if (p->format == JSON) {
		lt_json_end_array(&p->json);
		putchar('\n');
	}
	p->table = lt_table_free(p->table);
}

static int parse_format(const char *text, enum format *ret)
{
	for (size_t i = 0; i < LT_COUNT(formats); i++) {
		if (strcmp(text, formats[i]) == 0) {
			*ret = (enum format)i;
			return 0;
		}
	}
	return wrong("--format takes jsonl, json, table or csv, not", text);
}

static int parse_split(const char *text, struct lt_replay_opts *opts)
{
	static const char random[] = "random:";
	uint64_t n = 0;
	int r;

	opts->random = strncmp(text, random, strlen(random)) == 0;
	if (opts->random)
		r = lt_parse_u64(lt_bytes_str(text + strlen(random)), &opts->seed);
	else
		r = lt_parse_u64(lt_bytes_str(text), &n);
	if (r < 0 || (!opts->random && n == 0))
		return wrong("--split takes a number of bytes or random:SEED, not", text);
	opts->split = n;
	return 0;
}

static int parse_http(const char *text, struct lt_replay_opts *opts)
{
	opts->http2 = strcmp(text, "2") == 0;
	if (!opts->http2 && strcmp(text, "1.1") != 0)
		return wrong("--http takes 1.1 or 2, not", text);
	return 0;
}

/* 1: help was asked for. */
static int parse_options(int argc, char **argv, struct replay *p)
{
	static const struct option options[] = {
		{"format", required_argument, NULL, 'f'}, {"http", required_argument, NULL, 't'},
		{"split", required_argument, NULL, 's'},  {"config", required_argument, NULL, 'c'},
		{"prices", required_argument, NULL, 'p'}, {"no-progress", no_argument, NULL, 'n'},
		{"no-estimate", no_argument, NULL, 'e'},  {"join-at", required_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return 1;
		else if (c == 'f')
			r = parse_format(optarg, &p->format);
		else if (c == 't')
			r = parse_http(optarg, &p->opts);
		else if (c == 's')
			r = parse_split(optarg, &p->opts);
		else if (c == 'c')
			p->config_path = optarg;
		else if (c == 'p')
			p->prices = optarg;
		else if (c == 'n')
			p->progress = false;
		else if (c == 'j')
			r = lt_parse_u64(lt_bytes_str(optarg), &p->opts.join_at) < 0
				    ? wrong("--join-at takes a number of bytes, not", optarg)
				    : 0;
		else if (c == 'e')
			p->no_estimate = true;
		else
			r = -EINVAL; /* getopt has said it */
	}
	return r < 0 || optind < argc ? r : wrong("which files?", NULL);
}

static int replay_file(struct replay *p, const char *file)
{
	struct lt_capture_sink sink = lt_pipeline_sink(p->pipeline);
	size_t malformed = p->stats.malformed;
	struct lt_problem problem = {0};

	p->file = file;
	if (lt_replay_har(file, &p->opts, &sink, &p->stats, &problem) < 0 ||
	    p->stats.malformed > malformed)
		return fail(p, &problem);
	return LT_EXIT_OK;
}

static int replay_all(struct replay *p, char **files, int count)
{
	int code = LT_EXIT_OK;

	for (int i = 0; i < count; i++) {
		if (replay_file(p, files[i]) != LT_EXIT_OK)
			code = LT_EXIT_FAILED;
		if (p->progress && lt_clock_boot_ns() - p->begun_ns > PROGRESS_AFTER_NS) {
			fprintf(stderr, "\r%d of %d files, %zu records", i + 1, count, p->records);
			p->shown = true;
		}
	}
	clear_progress(p);
	return code;
}

int lt_cmd_replay(int argc, char **argv)
{
	struct replay p = {.progress = isatty(STDERR_FILENO), .begun_ns = lt_clock_boot_ns()};
	struct lt_pipeline_opts opts = {
		.proc = "", /* the recording's processes are not this host's */
		.record = on_record,
		.arg = &p,
	};
	lt_defer(lt_config_freep)
	struct lt_config *config = NULL;
	struct lt_problem problem = {0};
	int r = parse_options(argc, argv, &p);

	if (r < 0)
		return LT_EXIT_USAGE;
	if (r > 0) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	if (lt_config_load(p.config_path, &config, &problem) < 0)
		return fail(&p, &problem);
	config->no_estimate |= p.no_estimate;
	if (p.prices)
		config->price_book = p.prices;
	opts.config = config;
	if (lt_pipeline_new(&opts, &p.pipeline, &problem) < 0)
		return fail(&p, &problem);
	r = LT_EXIT_FAILED;
	if (begin_output(&p) == 0) {
		r = replay_all(&p, argv + optind, argc - optind);
		end_output(&p);
	}
	p.pipeline = lt_pipeline_free(p.pipeline);
	if (fflush(stdout) != 0 && errno != EPIPE) {
		fprintf(stderr, "ledgertap replay: cannot write the output: %s\n", strerror(errno));
		r = LT_EXIT_FAILED;
	}
	return r;
}
