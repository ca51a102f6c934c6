// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/base/clock.h"
#include "userspace/base/parse.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/ledger_args.h"
#include "userspace/control/config.h"
#include "userspace/view/record_csv.h"
#include "userspace/export/record_json.h"
#include "userspace/view/table.h"

enum {
	TABLE_LIMIT = 50,
	TABLE_ROWS = 1000,
	FOLLOW_MS = 200,
	NOTES_SIZE = 160,
	OPT_FOLLOW = 256,
	OPT_LIMIT
};

static const char help[] =
	"Usage: ledgertap calls [OPTIONS]\n"
	"\n"
	"Lists the calls in the ledger, oldest first, and the connections to AI hosts that could "
	"not be\n"
	"read; also while the agent runs.\n"
	"\n"
	"  --format F         table (default), json, jsonl, csv\n"
	"  --follow           goes on with new calls as they come, until Ctrl-C; waits for a "
	"ledger\n"
	"                     when there is none yet\n"
	"  --limit N          only the newest N (on a terminal without --since: 50, else "
	"all)\n" LT_LEDGER_OPTIONS_HELP "\n"
	"Examples:\n"
	"  ledgertap calls --follow\n"
	"  ledgertap calls --since 1h --tenant acme --model 'gpt-4o*'\n"
	"  ledgertap calls --format jsonl --since 2026-11-01 --until 2026-12-01 > november.jsonl\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

static const struct lt_table_column columns[] = {
	{"START", LT_LEFT, 0, 0, 8},	 {"TENANT", LT_LEFT, 6, 0, 12},
	{"PROCESS", LT_LEFT, 10, 1, 18}, {"CONTAINER", LT_LEFT, 12, 3, 20},
	{"MODEL", LT_LEFT, 10, 0, 30},	 {"IN", LT_RIGHT, 0, 0, 7},
	{"(CACHED)", LT_RIGHT, 0, 4, 8}, {"OUT", LT_RIGHT, 0, 0, 6},
	{"COST", LT_POINT, 0, 0, 10},	 {"NOTES", LT_LEFT, 8, 2, 8},
};

enum { START, TENANT, PROCESS, CONTAINER, MODEL, IN, CACHED, OUT, COST, NOTES, COLUMN_COUNT };

struct calls {
	struct lt_ledger_args args;
	bool follow;
	bool limited;
	bool any;
	struct lt_ledger *ledger;
	struct lt_table *table;
	struct lt_json_writer json;
	int64_t now_ns;
};

static volatile sig_atomic_t stopped;

static void on_signal(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void note(char notes[NOTES_SIZE], const char *format, ...) LT_PRINTF(2, 3);

static void note(char notes[NOTES_SIZE], const char *format, ...)
{
	size_t n = strlen(notes);
	va_list arguments;

	n += (size_t)snprintf(notes + n, NOTES_SIZE - n, "%s", n > 0 ? ", " : "");
	if (n >= NOTES_SIZE)
		return;
	va_start(arguments, format);
	vsnprintf(notes + n, NOTES_SIZE - n, format, arguments);
	va_end(arguments);
}

/* A connection that nobody could read: what is known is how much went over it. */
static enum lt_style note_flow(const struct lt_record *r, char notes[NOTES_SIZE])
{
	char sent[LT_HUMAN_TEXT], received[LT_HUMAN_TEXT];

	note(notes, "TLS not read: %s bytes out, %s in",
	     lt_human_number(r->call.request_body_bytes, sent),
	     lt_human_number(r->call.response_body_bytes, received));
	return LT_STYLE_WARN;
}

/* What is not as it should be, in words. */
static enum lt_style make_notes(const struct lt_record *r, char notes[NOTES_SIZE])
{
	const struct lt_call *call = &r->call;
	enum lt_style style = LT_STYLE_WARN;
	char number[LT_HUMAN_TEXT];

	if (r->coverage != LT_COVERAGE_DECODED)
		return note_flow(r, notes);
	if (call->status >= 400 || call->error_type[0]) {
		style = LT_STYLE_BAD;
		if (call->status >= 400)
			note(notes, "HTTP %u", call->status);
		if (call->error_type[0])
			note(notes, "%s", call->error_type);
	}
	if (call->usage.completeness == LT_CLIENT_ABORT)
		note(notes, "cut by the client");
	else if (call->usage.completeness == LT_TRUNCATED)
		note(notes, "cut short");
	else if (call->usage.completeness == LT_UPSTREAM_ERROR && call->status < 400)
		note(notes, "provider error");
	if (r->cost.status == LT_PRICE_NO_USAGE)
		note(notes, "no usage");
	else if (r->cost.status == LT_PRICE_UNPRICED)
		note(notes, "unpriced");
	else if (r->cost.status == LT_PRICE_INLINE)
		note(notes, "provider's price");
	if (call->lost_bytes > 0)
		note(notes, "%s bytes lost", lt_human_number(call->lost_bytes, number));
	else if (call->usage.completeness == LT_CAPTURE_GAP)
		note(notes, "seen in part");
	if (call->usage.contradictory)
		note(notes, "usage contradicts itself");
	if (!r->counts_in_total)
		note(notes, r->call.inferred & LT_INFERRED_HOP ? "inner hop (inferred), not counted"
							       : "inner hop, not counted");
	return style;
}

static const char *count_text(struct lt_count count, char to[LT_HUMAN_TEXT])
{
	return count.known ? lt_human_number(count.n, to) : "-";
}

/* By what people call it: pod, or name, or the beginning of its id. */
static void name_container(const struct lt_identity *who, char to[LT_TABLE_CELL])
{
	if (who->pod[0])
		snprintf(to, LT_TABLE_CELL, "%.60s/%.60s", who->namespace, who->pod);
	else if (who->container_name[0])
		snprintf(to, LT_TABLE_CELL, "%.120s", who->container_name);
	else
		snprintf(to, LT_TABLE_CELL, "%.12s",
			 who->container.id[0] ? who->container.id : "-");
}

static int add_row(struct calls *c, const struct lt_record *r)
{
	const char *model = r->call.response_model[0] ? r->call.response_model
						      : r->call.request_model;
	char start[LT_HUMAN_TEXT], process[48], container[LT_TABLE_CELL], in[LT_HUMAN_TEXT],
		out[LT_HUMAN_TEXT];
	char cached[LT_HUMAN_TEXT + 2] = "", read[LT_HUMAN_TEXT];
	char who[LT_WORD_SIZE + LT_MODEL_SIZE + 1], cost[LT_HUMAN_TEXT], notes[NOTES_SIZE] = "";
	struct lt_count from_cache = lt_usage_cache_read(&r->call.usage);
	enum lt_style style[COLUMN_COUNT] = {
		[START] = LT_STYLE_DIM, [CONTAINER] = LT_STYLE_DIM, [CACHED] = LT_STYLE_DIM};
	const char *cell[COLUMN_COUNT] = {
		[START] = lt_human_time(r->start_ns, c->now_ns, start),
		[TENANT] = r->who.tenant,
		[PROCESS] = process,
		[CONTAINER] = container,
		[MODEL] = who,
		[IN] = count_text(r->call.usage.input, in),
		[CACHED] = cached,
		[OUT] = count_text(r->call.usage.output, out),
		[COST] = "-",
		[NOTES] = notes,
	};

	snprintf(process, sizeof(process), "%s(%u)", r->who.comm[0] ? r->who.comm : "?",
		 r->who.pid ? r->who.pid : r->call.conn.tgid);
	name_container(&r->who, container);
	if (r->coverage != LT_COVERAGE_DECODED)
		snprintf(who, sizeof(who), "%s (encrypted)", r->call.provider);
	else
		snprintf(who, sizeof(who), "%s%s%s", r->call.provider, model[0] ? "/" : "", model);
	if (from_cache.known && from_cache.n > 0)
		snprintf(cached, sizeof(cached), "(%s)", lt_human_number(from_cache.n, read));
	if (lt_record_has_amount(r))
		cell[COST] = lt_human_money(r->cost.amount, r->cost.currency, cost);
	style[NOTES] = make_notes(r, notes);
	if (strcmp(r->who.tenant, "unattributed") == 0)
		style[TENANT] = LT_STYLE_DIM;
	if (lt_table_rows(c->table) >= TABLE_ROWS) { /* a long list must not live in memory */
		lt_table_print(c->table, stdout);
		if (lt_ledger_args_output() < 0)
			return lt_ledger_args_output();
	}
	return lt_table_row(c->table, cell, style);
}

static int show(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct calls *c = arg;

	c->args.filter.after_seq = node_seq;
	c->any = true;
	if (stopped)
		return -EINTR;
	switch (c->args.format) {
	case LT_FORMAT_TABLE:
		return add_row(c, record);
	case LT_FORMAT_JSONL:
		lt_json_writer_init(&c->json, stdout);
		__attribute__((fallthrough));
	case LT_FORMAT_JSON:
		lt_record_json(&c->json, node_seq, record);
		if (c->args.format == LT_FORMAT_JSONL)
			putchar('\n');
		break;
	case LT_FORMAT_CSV:
		lt_view_record_csv(stdout, record);
		break;
	}
	if (c->follow)
		fflush(stdout);
	return lt_ledger_args_output();
}

static int list(struct calls *c)
{
	int r;

	c->now_ns = lt_clock_wall_ns();
	r = lt_query_records(c->ledger, &c->args.filter, show, c);
	if (c->table && r == 0 && lt_table_rows(c->table) > 0) {
		lt_table_print(c->table, stdout);
		if (c->follow)
			fflush(stdout);
		r = lt_ledger_args_output();
	}
	return r;
}

/* Whether nobody reads what we print any more, which a silent ledger would not tell. */
static bool is_closed(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP | POLLNVAL));
}

static void pause_a_little(void)
{
	const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000};

	nanosleep(&pause, NULL);
}

static int wait_for_ledger(struct calls *c)
{
	bool told = false;
	int r;

	for (;;) {
		r = lt_ledger_args_open(&c->args, true, &c->ledger);
		if (r != -ENOENT && r != -EBUSY)
			return r;
		if (!told)
			fprintf(stderr, "ledgertap calls: waiting for a ledger in %s\n",
				c->args.state_dir);
		told = true;
		pause_a_little();
		if (stopped || is_closed())
			return -EINTR;
	}
}

static int follow(struct calls *c)
{
	int r = 0;

	while (!stopped && !is_closed() && (r == 0 || r == -EBUSY)) {
		r = list(c);
		if (r == 0)
			c->args.filter.limit = 0; /* it was for what was there at the start */
		pause_a_little();
	}
	return r == -EBUSY || r == -EINTR ? 0 : r;
}

static int begin(struct calls *c)
{
	struct sigaction action = {.sa_handler = on_signal};
	int r = 0;

	signal(SIGPIPE, SIG_IGN);
	if (c->follow) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
	}
	c->args.filter.newest = true;
	if (c->args.format == LT_FORMAT_TABLE && !c->limited && lt_terminal_width(stdout) > 0 &&
	    c->args.filter.since_ns == INT64_MIN)
		c->args.filter.limit = TABLE_LIMIT;
	lt_json_writer_init(&c->json, stdout);
	if (c->args.format == LT_FORMAT_TABLE)
		r = lt_table_new(columns, LT_COUNT(columns), lt_terminal_width(stdout),
				 lt_terminal_colour(stdout), &c->table);
	if (r == 0 && c->table && c->follow)
		lt_table_expect(c->table);
	return r;
}

static int run(struct calls *c)
{
	int r;

	if (c->args.format == LT_FORMAT_CSV)
		lt_view_csv_titles(stdout);
	if (c->args.format == LT_FORMAT_JSON)
		lt_json_begin_array(&c->json);
	r = c->follow ? follow(c) : list(c);
	if (r == 0 && !c->any && !c->follow && c->args.format == LT_FORMAT_TABLE)
		fprintf(stderr, "ledgertap calls: there are no such calls in %s\n",
			c->args.state_dir);
	if (c->args.format == LT_FORMAT_JSON) {
		lt_json_end_array(&c->json);
		putchar('\n');
	}
	return r;
}

static int read_limit(struct calls *c, const char *value)
{
	uint64_t limit;

	if (lt_parse_u64(lt_bytes_str(value), &limit) < 0 || limit == 0)
		return lt_ledger_args_wrong(&c->args, "--limit takes a number from 1 on", value);
	c->args.filter.limit = limit;
	c->limited = true;
	return 0;
}

static int parse(int argc, char **argv, struct calls *c)
{
	static const struct option options[] = {
		{"follow", no_argument, NULL, OPT_FOLLOW},
		{"limit", required_argument, NULL, OPT_LIMIT},
		LT_LEDGER_OPTIONS,
	};
	int option, r = 0;

	optind = 1;
	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == OPT_FOLLOW)
			c->follow = true;
		else if (option == OPT_LIMIT)
			r = read_limit(c, optarg);
		else
			r = lt_ledger_args_option(&c->args, option, optarg);
	}
	if (r == 0 && optind < argc)
		r = lt_ledger_args_wrong(&c->args, "it takes options only", argv[optind]);
	if (r == 0 && c->follow && c->args.format == LT_FORMAT_JSON)
		r = lt_ledger_args_wrong(
			&c->args, "--follow cannot end a json array: take --format jsonl", NULL);
	return r;
}

int lt_cmd_calls(int argc, char **argv)
{
	struct calls c = {0};
	int r, code;

	lt_ledger_args_init(&c.args, "calls");
	if (parse(argc, argv, &c) < 0)
		return LT_EXIT_USAGE;
	if (c.args.help) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	r = begin(&c);
	if (r == 0)
		r = c.follow ? wait_for_ledger(&c) : lt_ledger_args_open(&c.args, false, &c.ledger);
	if (!c.ledger) {
		lt_table_free(c.table);
		return r == -EINTR ? LT_EXIT_OK : LT_EXIT_FAILED;
	}
	r = run(&c);
	code = lt_ledger_args_end(&c.args, c.ledger, r);
	lt_table_free(c.table);
	lt_ledger_close(c.ledger);
	return code;
}
