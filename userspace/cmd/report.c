// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/json_write.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/ledger_args.h"
#include "userspace/control/config.h"
#include "userspace/view/csv.h"
#include "userspace/view/table.h"

enum { OPT_BY = 256, BY_SIZE = 256, NUMBERS = 10, CELLS_MAX = LT_GROUP_DIMENSIONS_MAX + NUMBERS };

static const char help[] =
	"Usage: ledgertap report --by DIM[,DIM...] [OPTIONS]\n"
	"\n"
	"Sums tokens and money, most expensive first, with the totals and what they lack: calls "
	"that\n"
	"no rule attributes, that have no price, or whose usage nobody knows, and connections to "
	"AI\n"
	"hosts whose TLS cannot be read.\n"
	"\n"
	"  --by DIM[,DIM...]  at most 6 of: tenant team use_case environment cost_center role\n"
	"                     provider model api operation host comm exe pid user unit container\n"
	"                     container_name image runtime pod namespace workload node cluster\n"
	"                     agent run session day hour (UTC) status status_code category\n"
	"                     credential identity_source\n"
	"  --format F         table (default), json, csv\n" LT_LEDGER_OPTIONS_HELP "\n"
	"Examples:\n"
	"  ledgertap report --by tenant,model --since 24h\n"
	"  ledgertap report --by day,team --since 2026-11-01 --until 2026-12-01 --format csv\n"
	"  ledgertap report --by container --tenant unattributed\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

/* The columns after the dimensions. */
static const struct {
	const char *title; /* of the table */
	const char *key;   /* of JSON and CSV */
	unsigned drop;	   /* on a narrow terminal the highest go first */
} numbers[NUMBERS] = {
	{"CALLS", "calls", 0},
	{"ERRORS", "errors", 1},
	{"INPUT", "input_tokens", 0},
	{"CACHE READ", "cache_read_tokens", 4},
	{"CACHE WRITE", "cache_write_tokens", 5},
	{"OUTPUT", "output_tokens", 0},
	{"REASONING", "reasoning_tokens", 6},
	{"UNPRICED", "unpriced_calls", 2},
	{"NO USAGE", "no_usage_calls", 3},
	{"COST", "cost", 0},
};

enum { CALLS, ERRORS, INPUT, CACHE_READ, CACHE_WRITE, OUTPUT, REASONING, UNPRICED, NO_USAGE, COST };

/* The sums of calls that lack something; shown even when there are none. */
enum lack { LACK_TENANT, LACK_PRICE, LACK_USAGE, LACK_COUNT };

static const struct {
	const char *key, *name, *meaning;
} lacks[LACK_COUNT] = {
	[LACK_TENANT] = {"unattributed", "unattributed", "no rule names their tenant"},
	[LACK_PRICE] = {"unpriced", "unpriced", "no price in the book, so not in the cost"},
	[LACK_USAGE] = {"no_usage", "no usage", "billable, but nobody knows how many tokens"},
};

struct report {
	struct lt_ledger_args args;
	char by[BY_SIZE];
	const char *dimension[LT_GROUP_DIMENSIONS_MAX];
	size_t count;
	struct lt_ledger *ledger;
	struct lt_table_column columns[CELLS_MAX];
	struct lt_table *table;
	struct lt_json_writer json;
	struct lt_group lack[LACK_COUNT];
	char lack_currency[LACK_COUNT][8];
	bool lack_mixed[LACK_COUNT]; /* money of several currencies: no sum */
	uint64_t calls;		     /* in the totals of all currencies */
	struct lt_flow_sums flows;   /* what could not be decoded */
	bool any;
};

static void add_count(struct lt_count *to, struct lt_count from)
{
	if (!from.known)
		return;
	to->known = true;
	if (__builtin_add_overflow(to->n, from.n, &to->n))
		to->n = UINT64_MAX;
}

static void add_group(struct lt_group *to, const struct lt_group *from)
{
	to->calls += from->calls;
	to->errors += from->errors;
	to->unpriced += from->unpriced;
	to->no_usage += from->no_usage;
	add_count(&to->input, from->input);
	add_count(&to->output, from->output);
	add_count(&to->cache_read, from->cache_read);
	add_count(&to->cache_write, from->cache_write);
	add_count(&to->reasoning, from->reasoning);
	to->cost_known |= from->cost_known;
	to->cost += from->cost;
}

static void note_lack(struct report *p, enum lack lack, const struct lt_group *g)
{
	char *currency = p->lack_currency[lack];

	add_group(&p->lack[lack], g);
	if (currency[0] && strcmp(currency, g->currency) != 0)
		p->lack_mixed[lack] = true;
	if (p->lack_mixed[lack])
		p->lack[lack].cost_known = false;
	lt_ignore(
		lt_bytes_copy(currency, sizeof(p->lack_currency[lack]), lt_bytes_str(g->currency)));
	p->lack[lack].currency = currency;
}

static int add_lack(void *arg, const struct lt_group *g)
{
	struct report *p = arg;
	const char *tenant = g->value[0], *status = g->value[1];

	if (!tenant || strcmp(tenant, "unattributed") == 0)
		note_lack(p, LACK_TENANT, g);
	if (status && strcmp(status, "unpriced") == 0)
		note_lack(p, LACK_PRICE, g);
	if (status && strcmp(status, "no_usage") == 0)
		note_lack(p, LACK_USAGE, g);
	return 0;
}

/* How much of what is known of was decoded, in thousandths; -1: nothing is known. */
static int coverage(const struct report *p)
{
	uint64_t all = p->calls + p->flows.connections;

	return all > 0 ? (int)((lt_int128)p->calls * 1000 / all) : -1;
}

/* ---- table ---- */

static const char *count_text(struct lt_count count, char to[LT_HUMAN_TEXT])
{
	return count.known ? lt_human_number(count.n, to) : "-";
}

static int table_row(struct report *p, const struct lt_group *g, const char *title,
		     enum lt_style style)
{
	char text[NUMBERS][LT_HUMAN_TEXT];
	const char *cells[CELLS_MAX] = {0}, **n = cells + p->count;
	enum lt_style styles[CELLS_MAX];

	for (size_t i = 0; i < p->count; i++)
		cells[i] = title ? (i == 0 ? title : "") : g->value[i] ? g->value[i] : "(none)";
	n[CALLS] = lt_human_number(g->calls, text[CALLS]);
	n[ERRORS] = lt_human_number(g->errors, text[ERRORS]);
	n[INPUT] = count_text(g->input, text[INPUT]);
	n[CACHE_READ] = count_text(g->cache_read, text[CACHE_READ]);
	n[CACHE_WRITE] = count_text(g->cache_write, text[CACHE_WRITE]);
	n[OUTPUT] = count_text(g->output, text[OUTPUT]);
	n[REASONING] = count_text(g->reasoning, text[REASONING]);
	n[UNPRICED] = lt_human_number(g->unpriced, text[UNPRICED]);
	n[NO_USAGE] = lt_human_number(g->no_usage, text[NO_USAGE]);
	n[COST] = g->cost_known ? lt_human_money(g->cost, g->currency, text[COST]) : "-";
	for (size_t i = 0; i < p->count + NUMBERS; i++)
		styles[i] = style;
	if (!title && g->errors > 0)
		styles[p->count + ERRORS] = LT_STYLE_BAD;
	if (!title && g->unpriced > 0)
		styles[p->count + UNPRICED] = LT_STYLE_WARN;
	if (!title && g->no_usage > 0)
		styles[p->count + NO_USAGE] = LT_STYLE_WARN;
	return lt_table_row(p->table, cells, styles);
}

static int table_group(void *arg, const struct lt_group *g)
{
	return table_row(arg, g, NULL, LT_STYLE_PLAIN);
}

static int table_total(void *arg, const struct lt_group *g)
{
	struct report *p = arg;

	p->any = true;
	p->calls += g->calls;
	return table_row(p, g, "TOTAL", LT_STYLE_BOLD);
}

static void print_lacks(struct report *p)
{
	char calls[LT_HUMAN_TEXT], in[LT_HUMAN_TEXT], out[LT_HUMAN_TEXT], money[LT_HUMAN_TEXT];

	putchar('\n');
	for (int i = 0; i < LACK_COUNT; i++) {
		const struct lt_group *g = &p->lack[i];

		printf("%-13s %s calls, %s tokens in, %s out%s%s: %s\n", lacks[i].name,
		       lt_human_number(g->calls, calls), lt_human_number(g->input.n, in),
		       lt_human_number(g->output.n, out), g->cost_known ? ", " : "",
		       g->cost_known ? lt_human_money(g->cost, g->currency, money) : "",
		       lacks[i].meaning);
	}
}

static const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

/* Also when there are none: then all that is known of was read. */
static void print_coverage(const struct report *p)
{
	char connections[LT_HUMAN_TEXT], processes[LT_HUMAN_TEXT], hosts[LT_HUMAN_TEXT];
	char sent[LT_HUMAN_TEXT], received[LT_HUMAN_TEXT];
	const struct lt_flow_sums *f = &p->flows;
	int thousandths = coverage(p);

	printf("%-13s %s %s by %s %s to %s %s, %s bytes out, %s in: TLS that is not read\n",
	       "encrypted", lt_human_number(f->connections, connections),
	       plural(f->connections, "connection", "connections"),
	       lt_human_number(f->processes, processes),
	       plural(f->processes, "process", "processes"), lt_human_number(f->hosts, hosts),
	       plural(f->hosts, "host", "hosts"), lt_human_number(f->sent, sent),
	       lt_human_number(f->received, received));
	if (thousandths >= 0)
		printf("%-13s %d.%d %%: calls decoded, of these and the encrypted connections\n",
		       "coverage", thousandths / 10, thousandths % 10);
}

static char upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c == '_' ? ' ' : c);
}

static int print_table(struct report *p)
{
	char titles[LT_GROUP_DIMENSIONS_MAX][32];
	struct lt_group none = {.currency = ""};
	int r;

	for (size_t i = 0; i < p->count; i++) {
		lt_bytes_copy(titles[i], sizeof(titles[i]), lt_bytes_str(p->dimension[i]));
		for (char *c = titles[i]; *c; c++)
			*c = upper(*c);
		p->columns[i] = (struct lt_table_column){titles[i], LT_LEFT, 8, 0, 0};
	}
	for (size_t i = 0; i < NUMBERS; i++)
		p->columns[p->count + i] = (struct lt_table_column){
			numbers[i].title, i == COST ? LT_POINT : LT_RIGHT, 0, numbers[i].drop, 0};
	r = lt_table_new(p->columns, p->count + NUMBERS, lt_terminal_width(stdout),
			 lt_terminal_colour(stdout), &p->table);
	if (r == 0)
		r = lt_query_groups(p->ledger, &p->args.filter, p->dimension, p->count, table_group,
				    p);
	if (r == 0)
		r = lt_query_groups(p->ledger, &p->args.filter, NULL, 0, table_total, p);
	if (r == 0 && !p->any)
		r = table_total(p, &none);
	if (r == 0) {
		lt_table_print(p->table, stdout);
		print_lacks(p);
		print_coverage(p);
	}
	p->table = lt_table_free(p->table);
	return r;
}

/* ---- JSON ---- */

static void json_count(struct report *p, const char *key, struct lt_count count)
{
	lt_json_key(&p->json, key);
	if (count.known)
		lt_json_u64(&p->json, count.n);
	else
		lt_json_null(&p->json);
}

static void json_numbers(struct report *p, const struct lt_group *g)
{
	struct lt_json_writer *w = &p->json;
	char money[LT_MONEY_TEXT];

	json_count(p, "calls", (struct lt_count){g->calls, true});
	json_count(p, "errors", (struct lt_count){g->errors, true});
	json_count(p, "input_tokens", g->input);
	json_count(p, "cache_read_tokens", g->cache_read);
	json_count(p, "cache_write_tokens", g->cache_write);
	json_count(p, "output_tokens", g->output);
	json_count(p, "reasoning_tokens", g->reasoning);
	json_count(p, "unpriced_calls", (struct lt_count){g->unpriced, true});
	json_count(p, "no_usage_calls", (struct lt_count){g->no_usage, true});
	lt_json_key(w, "cost");
	lt_json_string(w, g->cost_known ? lt_money_format(g->cost, money) : NULL);
	lt_json_key(w, "currency");
	lt_json_string(w, g->currency && g->currency[0] ? g->currency : NULL);
}

static int json_group(void *arg, const struct lt_group *g)
{
	struct report *p = arg;

	lt_json_begin_object(&p->json);
	for (size_t i = 0; i < p->count; i++) {
		lt_json_key(&p->json, p->dimension[i]);
		lt_json_string(&p->json, g->value[i]);
	}
	json_numbers(p, g);
	lt_json_end_object(&p->json);
	return lt_ledger_args_output();
}

static int json_total(void *arg, const struct lt_group *g)
{
	struct report *p = arg;

	p->calls += g->calls;
	lt_json_begin_object(&p->json);
	json_numbers(p, g);
	lt_json_end_object(&p->json);
	return lt_ledger_args_output();
}

static void json_flows(struct report *p)
{
	struct lt_json_writer *w = &p->json;
	int thousandths = coverage(p);
	char text[16];

	lt_json_key(w, "encrypted");
	lt_json_begin_object(w);
	json_count(p, "connections", (struct lt_count){p->flows.connections, true});
	json_count(p, "processes", (struct lt_count){p->flows.processes, true});
	json_count(p, "hosts", (struct lt_count){p->flows.hosts, true});
	json_count(p, "sent_bytes", (struct lt_count){p->flows.sent, true});
	json_count(p, "received_bytes", (struct lt_count){p->flows.received, true});
	lt_json_end_object(w);
	lt_json_key(w, "coverage");
	snprintf(text, sizeof(text), "%d.%03d", thousandths / 1000, thousandths % 1000);
	if (thousandths >= 0)
		lt_json_raw(w, text);
	else
		lt_json_null(w);
}

/* {"by": [...], "groups": [...], "totals": [one for each currency], "unattributed": {...}, ...} */
static int print_json(struct report *p)
{
	struct lt_json_writer *w = &p->json;
	char money[LT_MONEY_TEXT];
	int r;

	lt_json_writer_init(w, stdout);
	lt_json_begin_object(w);
	lt_json_key(w, "by");
	lt_json_begin_array(w);
	for (size_t i = 0; i < p->count; i++)
		lt_json_string(w, p->dimension[i]);
	lt_json_end_array(w);
	lt_json_key(w, "groups");
	lt_json_begin_array(w);
	r = lt_query_groups(p->ledger, &p->args.filter, p->dimension, p->count, json_group, p);
	if (r < 0)
		return r;
	lt_json_end_array(w);
	lt_json_key(w, "totals");
	lt_json_begin_array(w);
	r = lt_query_groups(p->ledger, &p->args.filter, NULL, 0, json_total, p);
	if (r < 0)
		return r;
	lt_json_end_array(w);
	for (int i = 0; i < LACK_COUNT; i++) {
		lt_json_key(w, lacks[i].key);
		lt_json_begin_object(w);
		json_count(p, "calls", (struct lt_count){p->lack[i].calls, true});
		json_count(p, "input_tokens", (struct lt_count){p->lack[i].input.n, true});
		json_count(p, "output_tokens", (struct lt_count){p->lack[i].output.n, true});
		lt_json_key(w, "cost");
		lt_json_string(w, p->lack[i].cost_known ? lt_money_format(p->lack[i].cost, money)
							: NULL);
		lt_json_end_object(w);
	}
	json_flows(p);
	lt_json_end_object(w);
	putchar('\n');
	return 0;
}

/* ---- CSV ---- */

static void csv_number(bool known, uint64_t n)
{
	if (known)
		printf(",%" PRIu64, n);
	else
		putchar(',');
}

static int csv_line(struct report *p, const struct lt_group *g, const char *row)
{
	char money[LT_MONEY_TEXT];

	lt_csv_field(stdout, row);
	for (size_t i = 0; i < p->count; i++) {
		putchar(',');
		lt_csv_field(stdout, g->value[i]);
	}
	csv_number(true, g->calls);
	csv_number(true, g->errors);
	csv_number(g->input.known, g->input.n);
	csv_number(g->cache_read.known, g->cache_read.n);
	csv_number(g->cache_write.known, g->cache_write.n);
	csv_number(g->output.known, g->output.n);
	csv_number(g->reasoning.known, g->reasoning.n);
	csv_number(true, g->unpriced);
	csv_number(true, g->no_usage);
	printf(",%s,", g->cost_known ? lt_money_format(g->cost, money) : "");
	lt_csv_field(stdout, g->currency);
	fputs("\r\n", stdout);
	return lt_ledger_args_output();
}

static int csv_group(void *arg, const struct lt_group *g)
{
	return csv_line(arg, g, "group");
}

static int csv_total(void *arg, const struct lt_group *g)
{
	return csv_line(arg, g, "total");
}

/*
 * The first column tells the kinds of lines apart: group, total, unattributed, unpriced, no_usage,
 * encrypted (whose calls are connections).
 */
static int print_csv(struct report *p)
{
	const struct lt_group encrypted = {.calls = p->flows.connections, .currency = ""};
	int r;

	fputs("row", stdout);
	for (size_t i = 0; i < p->count; i++)
		printf(",%s", p->dimension[i]);
	for (size_t i = 0; i < NUMBERS; i++)
		printf(",%s", numbers[i].key);
	fputs(",currency\r\n", stdout);
	r = lt_query_groups(p->ledger, &p->args.filter, p->dimension, p->count, csv_group, p);
	if (r == 0)
		r = lt_query_groups(p->ledger, &p->args.filter, NULL, 0, csv_total, p);
	for (int i = 0; r == 0 && i < LACK_COUNT; i++)
		r = csv_line(p, &p->lack[i], lacks[i].key);
	if (r == 0)
		r = csv_line(p, &encrypted, "encrypted");
	return r;
}

/* ---- command ---- */

static bool is_dimension(const char *name)
{
	for (size_t i = 0; lt_group_dimensions[i]; i++) {
		if (strcmp(lt_group_dimensions[i], name) == 0)
			return true;
	}
	return false;
}

static int read_by(struct report *p, const char *value)
{
	char *rest = p->by, *name;

	p->count = 0;
	if (!lt_bytes_copy(p->by, sizeof(p->by), lt_bytes_str(value)))
		return lt_ledger_args_wrong(&p->args, "--by takes at most 6 dimensions", value);
	while ((name = strsep(&rest, ",")) != NULL) {
		if (!is_dimension(name))
			return lt_ledger_args_wrong(
				&p->args, "--by takes dimensions such as tenant or model,day",
				name);
		if (p->count == LT_GROUP_DIMENSIONS_MAX)
			return lt_ledger_args_wrong(&p->args, "--by takes at most 6 dimensions",
						    value);
		p->dimension[p->count++] = name;
	}
	return 0;
}

static int parse(int argc, char **argv, struct report *p)
{
	static const struct option options[] = {
		{"by", required_argument, NULL, OPT_BY},
		LT_LEDGER_OPTIONS,
	};
	int option, r = 0;

	optind = 1;
	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == OPT_BY)
			r = read_by(p, optarg);
		else
			r = lt_ledger_args_option(&p->args, option, optarg);
	}
	if (r < 0 || p->args.help)
		return r;
	if (optind < argc)
		return lt_ledger_args_wrong(&p->args, "it takes options only", argv[optind]);
	if (p->args.format == LT_FORMAT_JSONL)
		return lt_ledger_args_wrong(&p->args, "--format takes table, json or csv", "jsonl");
	if (p->count == 0)
		return lt_ledger_args_wrong(&p->args, "say by what: --by tenant,model", NULL);
	return 0;
}

int lt_cmd_report(int argc, char **argv)
{
	static const char *const lack_by[] = {"tenant", "status"};
	struct report p = {0};
	int r, code;

	lt_ledger_args_init(&p.args, "report");
	if (parse(argc, argv, &p) < 0)
		return LT_EXIT_USAGE;
	if (p.args.help) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	signal(SIGPIPE, SIG_IGN);
	if (lt_ledger_args_open(&p.args, false, &p.ledger) < 0)
		return LT_EXIT_FAILED;
	r = lt_query_begin(p.ledger);
	if (r == 0)
		r = lt_query_groups(p.ledger, &p.args.filter, lack_by, LT_COUNT(lack_by), add_lack,
				    &p);
	if (r == 0)
		r = lt_query_flows(p.ledger, &p.args.filter, &p.flows);
	if (r == 0)
		r = p.args.format == LT_FORMAT_TABLE  ? print_table(&p)
		    : p.args.format == LT_FORMAT_JSON ? print_json(&p)
						      : print_csv(&p);
	lt_query_end(p.ledger);
	code = lt_ledger_args_end(&p.args, p.ledger, r);
	lt_ledger_close(p.ledger);
	return code;
}
