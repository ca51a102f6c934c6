// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/ledger_args.h"
#include "userspace/control/config.h"
#include "userspace/view/csv.h"
#include "userspace/view/table.h"

static const char help[] =
	"Usage: ledgertap runs [OPTIONS]\n"
	"\n"
	"Lists the runs of agents, most expensive first. A run is all that an agent's process and "
	"the\n"
	"processes that it started called: models, tools, and what a program of it asked itself.\n"
	"\n"
	"  --format F         table (default), json, csv\n" LT_LEDGER_OPTIONS_HELP "\n"
	"Steps are those of the conversation that has most; tools asked for are what models wanted "
	"to be\n"
	"called, tools seen are calls that went over the wire (APIs of tools, MCP).\n"
	"\n"
	"Examples:\n"
	"  ledgertap runs --since 24h\n"
	"  ledgertap calls --format jsonl | jq 'select(.run_key == \"0f3a...\")'\n"
	"  ledgertap report --by agent,run,session --since 24h\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

static const struct lt_table_column columns[] = {
	{"STARTED", LT_LEFT, 0, 0, 0},	   {"LAST CALL", LT_LEFT, 0, 8, 0},
	{"AGENT", LT_LEFT, 8, 0, 0},	   {"RUN", LT_LEFT, 0, 2, 0},
	{"PROGRAM", LT_LEFT, 8, 3, 0},	   {"TENANT", LT_LEFT, 6, 1, 0},
	{"CALLS", LT_RIGHT, 0, 0, 0},	   {"STEPS", LT_RIGHT, 0, 0, 0},
	{"SESSIONS", LT_RIGHT, 0, 6, 0},   {"TOOLS ASKED", LT_RIGHT, 0, 4, 0},
	{"TOOLS SEEN", LT_RIGHT, 0, 5, 0}, {"PROCESSES", LT_RIGHT, 0, 7, 0},
	{"INPUT", LT_RIGHT, 0, 0, 0},	   {"OUTPUT", LT_RIGHT, 0, 0, 0},
	{"COST", LT_POINT, 0, 0, 0},
};

enum {
	STARTED,
	LAST,
	AGENT,
	RUN,
	PROGRAM,
	TENANT,
	CALLS,
	STEPS,
	SESSIONS,
	ASKED,
	SEEN,
	PROCESSES,
	INPUT,
	OUTPUT,
	COST,
	COLUMN_COUNT
};

struct runs {
	struct lt_ledger_args args;
	struct lt_ledger *ledger;
	struct lt_table *table;
	struct lt_json_writer json;
	int64_t now_ns;
};

/* ---- table ---- */

static const char *count_text(struct lt_count count, char to[LT_HUMAN_TEXT])
{
	return count.known ? lt_human_number(count.n, to) : "-";
}

static int table_row(void *arg, const struct lt_run_sums *run)
{
	struct runs *p = arg;
	char text[COLUMN_COUNT][LT_HUMAN_TEXT];
	const char *cell[COLUMN_COUNT] = {
		[STARTED] = lt_human_time(run->first_ns, p->now_ns, text[STARTED]),
		[LAST] = lt_human_time(run->last_ns, p->now_ns, text[LAST]),
		[AGENT] = run->agent ? run->agent : "-",
		[RUN] = run->run,
		[PROGRAM] = run->comm ? run->comm : "-",
		[TENANT] = run->tenant ? run->tenant : "-",
		[CALLS] = lt_human_number(run->calls, text[CALLS]),
		[STEPS] = count_text(run->steps, text[STEPS]),
		[SESSIONS] = lt_human_number(run->sessions, text[SESSIONS]),
		[ASKED] = count_text(run->tools_asked, text[ASKED]),
		[SEEN] = lt_human_number(run->tools_seen, text[SEEN]),
		[PROCESSES] = lt_human_number(run->processes, text[PROCESSES]),
		[INPUT] = count_text(run->input, text[INPUT]),
		[OUTPUT] = count_text(run->output, text[OUTPUT]),
		[COST] = run->cost_known ? lt_human_money(run->cost, run->currency, text[COST])
					 : "-",
	};
	enum lt_style style[COLUMN_COUNT] = {[STARTED] = LT_STYLE_DIM, [LAST] = LT_STYLE_DIM};

	if (run->errors > 0)
		style[CALLS] = LT_STYLE_WARN;
	return lt_table_row(p->table, cell, style);
}

static int print_table(struct runs *p)
{
	int r = lt_table_new(columns, COLUMN_COUNT, lt_terminal_width(stdout),
			     lt_terminal_colour(stdout), &p->table);

	p->now_ns = lt_clock_wall_ns();
	if (r == 0)
		r = lt_query_runs(p->ledger, &p->args.filter, table_row, p);
	if (r == 0 && lt_table_rows(p->table) > 0)
		lt_table_print(p->table, stdout);
	else if (r == 0)
		fputs("no run of an agent in this time\n", stderr);
	p->table = lt_table_free(p->table);
	return r;
}

/* ---- JSON and CSV ---- */

/* The members of a run that are numbers, NULL where it is not known. */
static const struct number {
	const char *key;
	size_t at;
	bool counted; /* struct lt_count, else uint64_t */
} numbers[] = {
	{"calls", offsetof(struct lt_run_sums, calls), false},
	{"errors", offsetof(struct lt_run_sums, errors), false},
	{"steps", offsetof(struct lt_run_sums, steps), true},
	{"sessions", offsetof(struct lt_run_sums, sessions), false},
	{"tool_calls_asked", offsetof(struct lt_run_sums, tools_asked), true},
	{"tool_calls_seen", offsetof(struct lt_run_sums, tools_seen), false},
	{"processes", offsetof(struct lt_run_sums, processes), false},
	{"input_tokens", offsetof(struct lt_run_sums, input), true},
	{"cache_read_tokens", offsetof(struct lt_run_sums, cache_read), true},
	{"cache_write_tokens", offsetof(struct lt_run_sums, cache_write), true},
	{"output_tokens", offsetof(struct lt_run_sums, output), true},
	{"reasoning_tokens", offsetof(struct lt_run_sums, reasoning), true},
};

static struct lt_count number_of(const struct lt_run_sums *run, const struct number *number)
{
	const char *at = (const char *)run + number->at;
	struct lt_count count = {.known = true};

	if (number->counted)
		memcpy(&count, at, sizeof(count));
	else
		memcpy(&count.n, at, sizeof(count.n));
	return count;
}

static const struct {
	const char *key;
	size_t at;
} texts[] = {
	{"agent", offsetof(struct lt_run_sums, agent)},
	{"run", offsetof(struct lt_run_sums, run)},
	{"comm", offsetof(struct lt_run_sums, comm)},
	{"exe", offsetof(struct lt_run_sums, exe)},
	{"tenant", offsetof(struct lt_run_sums, tenant)},
};

static const char *text_of(const struct lt_run_sums *run, size_t at)
{
	const char *text;

	memcpy(&text, (const char *)run + at, sizeof(text));
	return text;
}

static int json_run(void *arg, const struct lt_run_sums *run)
{
	struct lt_json_writer *w = &((struct runs *)arg)->json;
	char money[LT_MONEY_TEXT], time[LT_CLOCK_TEXT];

	lt_json_begin_object(w);
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		lt_json_key(w, texts[i].key);
		lt_json_string(w, text_of(run, texts[i].at));
	}
	lt_json_key(w, "started");
	lt_json_string(w, lt_clock_format(run->first_ns, time));
	lt_json_key(w, "last_call");
	lt_json_string(w, lt_clock_format(run->last_ns, time));
	for (size_t i = 0; i < LT_COUNT(numbers); i++) {
		struct lt_count count = number_of(run, &numbers[i]);

		lt_json_key(w, numbers[i].key);
		if (count.known)
			lt_json_u64(w, count.n);
		else
			lt_json_null(w);
	}
	lt_json_key(w, "cost");
	lt_json_string(w, run->cost_known ? lt_money_format(run->cost, money) : NULL);
	lt_json_key(w, "currency");
	lt_json_string(w, run->currency[0] ? run->currency : NULL);
	lt_json_end_object(w);
	return lt_ledger_args_output();
}

static int print_json(struct runs *p)
{
	int r;

	lt_json_writer_init(&p->json, stdout);
	lt_json_begin_array(&p->json);
	r = lt_query_runs(p->ledger, &p->args.filter, json_run, p);
	lt_json_end_array(&p->json);
	putchar('\n');
	return r;
}

static int csv_run(void *arg, const struct lt_run_sums *run)
{
	char money[LT_MONEY_TEXT], time[LT_CLOCK_TEXT];

	(void)arg;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		lt_csv_field(stdout, text_of(run, texts[i].at));
		putchar(',');
	}
	printf("%s,", lt_clock_format(run->first_ns, time));
	fputs(lt_clock_format(run->last_ns, time), stdout);
	for (size_t i = 0; i < LT_COUNT(numbers); i++) {
		struct lt_count count = number_of(run, &numbers[i]);

		putchar(',');
		if (count.known)
			printf("%" PRIu64, count.n);
	}
	printf(",%s,", run->cost_known ? lt_money_format(run->cost, money) : "");
	lt_csv_field(stdout, run->currency);
	fputs("\r\n", stdout);
	return lt_ledger_args_output();
}

static int print_csv(struct runs *p)
{
	for (size_t i = 0; i < LT_COUNT(texts); i++)
		printf("%s,", texts[i].key);
	fputs("started,last_call", stdout);
	for (size_t i = 0; i < LT_COUNT(numbers); i++)
		printf(",%s", numbers[i].key);
	fputs(",cost,currency\r\n", stdout);
	return lt_query_runs(p->ledger, &p->args.filter, csv_run, p);
}

/* ---- command ---- */

static int parse(int argc, char **argv, struct runs *p)
{
	static const struct option options[] = {LT_LEDGER_OPTIONS};
	int option, r = 0;

	optind = 1;
	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		r = lt_ledger_args_option(&p->args, option, optarg);
	if (r < 0 || p->args.help)
		return r;
	if (optind < argc)
		return lt_ledger_args_wrong(&p->args, "it takes options only", argv[optind]);
	if (p->args.format == LT_FORMAT_JSONL)
		return lt_ledger_args_wrong(&p->args, "--format takes table, json or csv", "jsonl");
	return 0;
}

int lt_cmd_runs(int argc, char **argv)
{
	struct runs p = {0};
	int r, code;

	lt_ledger_args_init(&p.args, "runs");
	if (parse(argc, argv, &p) < 0)
		return LT_EXIT_USAGE;
	if (p.args.help) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	signal(SIGPIPE, SIG_IGN);
	if (lt_ledger_args_open(&p.args, false, &p.ledger) < 0)
		return LT_EXIT_FAILED;
	r = p.args.format == LT_FORMAT_TABLE  ? print_table(&p)
	    : p.args.format == LT_FORMAT_JSON ? print_json(&p)
					      : print_csv(&p);
	code = lt_ledger_args_end(&p.args, p.ledger, r);
	lt_ledger_close(p.ledger);
	return code;
}
