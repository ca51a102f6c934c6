// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/money.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/ledger_args.h"
#include "userspace/cmd/out_file.h"
#include "userspace/control/config.h"
#include "userspace/view/focus.h"
#include "userspace/view/focus_before.h"
#include "userspace/view/full_csv.h"
#include "userspace/export/record_json.h"

enum format { NO_FORMAT, FOCUS, CSV, JSONL };

enum {
	OPT_VERSION = 256,
	OPT_MODE,
	OPT_ACCOUNT,
	OPT_INVOICE,
	OPT_CORRECTS,
	OPT_FRESH,
	OPT_OUTPUT,
	OPT_QUARANTINE,
	REASONS_MAX = 8,
};

static const char help[] =
	"Usage: ledgertap export --format F [OPTIONS]\n"
	"\n"
	"Writes the records of the ledger for other programs, in the order in which the calls "
	"began; also\n"
	"while the agent runs.\n"
	"\n"
	"  --format F         focus: a row for each meter of a call, as FOCUS says (CSV)\n"
	"                     csv, jsonl: a line for each record, with all its fields\n"
	"  --output FILE      whole or not at all; else to standard output\n"
	"For focus:\n"
	"  --focus-version V  1.4 (default) or 1.2\n"
	"  --focus-mode M     showback (default): BilledCost 0, the provider's bill is elsewhere\n"
	"                     primary: BilledCost = EffectiveCost, there is no other bill\n"
	"                     split: the amounts of --invoice, spread over the calls\n"
	"  --invoice P=ID:AMOUNT[:CURRENCY]\n"
	"                     what provider P billed from --since to --until (USD unless said); "
	"repeatable\n"
	"  --billing-account [P=]ID\n"
	"                     account at provider P, or at those without one; repeatable\n"
	"  --corrects FILE    only what is to be added to FILE, an earlier export of this "
	"period:\n"
	"                     what was amended since, taken back and charged anew "
	"(Correction)\n"
	"  --fresh FILE       with --corrects: also a whole export, for --corrects next time\n"
	"  --quarantine FILE  lists the calls whose cost nobody knows, which are no rows\n"
	"                     (OUTPUT.quarantine.csv with --output)\n" LT_LEDGER_OPTIONS_HELP "\n"
	"Examples:\n"
	"  ledgertap export --format focus --since 2026-11-01 --until 2026-12-01 --output "
	"nov.csv\n"
	"  ledgertap export --format focus --focus-mode split --invoice openai=INV-7:1234.56 "
	"\\\n"
	"      --since 2026-11-01 --until 2026-12-01 --output nov.csv\n"
	"  ledgertap export --format jsonl --since 1h | jq .cost.amount\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

struct reason {
	const char *name;
	uint64_t count;
};

struct export
{
	struct lt_ledger_args args;
	enum format format;
	struct lt_focus focus;
	bool for_focus; /* an option of FOCUS was given */
	const char *output, *quarantine, *corrects, *fresh_path;
	char quarantine_path[PATH_MAX];
	struct lt_out_file out, aside, fresh;
	struct lt_ledger *ledger;
	struct lt_focus_before *before;
	FILE *before_file;
	struct reason reasons[REASONS_MAX];
	const char *unwritten; /* the file that could not be written */
	struct lt_problem problem;
};

static volatile sig_atomic_t stopped;

static void on_signal(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* ---- the command line ---- */

static int wrong(const struct export *e, const char *what, const char *value)
{
	return lt_ledger_args_wrong(&e->args, what, value);
}

static int read_word(struct export *e, const char *value, const char *const *words, size_t count,
		     const char *what, unsigned *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i] && strcmp(value, words[i]) == 0) {
			*ret = (unsigned)i;
			return 0;
		}
	}
	return wrong(e, what, value);
}

static int read_format(struct export *e, const char *value)
{
	static const char *const words[] = {[FOCUS] = "focus", [CSV] = "csv", [JSONL] = "jsonl"};
	unsigned n = 0;
	int r = read_word(e, value, words, LT_COUNT(words), "--format takes focus, csv or jsonl",
			  &n);

	e->format = n;
	return r;
}

static int read_version(struct export *e, const char *value)
{
	static const char *const words[] = {[LT_FOCUS_1_4] = "1.4", [LT_FOCUS_1_2] = "1.2"};
	unsigned n = 0;
	int r = read_word(e, value, words, LT_COUNT(words), "--focus-version takes 1.4 or 1.2", &n);

	e->focus.version = n;
	return r;
}

static int read_mode(struct export *e, const char *value)
{
	static const char *const words[] = {[LT_FOCUS_SHOWBACK] = "showback",
					    [LT_FOCUS_PRIMARY] = "primary",
					    [LT_FOCUS_SPLIT] = "split"};
	unsigned n = 0;
	int r = read_word(e, value, words, LT_COUNT(words),
			  "--focus-mode takes showback, primary or split", &n);

	e->focus.mode = n;
	return r;
}

/* The text up to @end; false: none, or more than there is room for. */
static bool take(char *to, size_t size, const char *from, const char *end)
{
	return end > from && lt_bytes_copy(to, size, lt_bytes(from, (size_t)(end - from)));
}

static int read_account(struct export *e, const char *value)
{
	struct lt_focus_account *a = &e->focus.accounts[e->focus.account_count];
	const char *equals = strchr(value, '='), *id = equals ? equals + 1 : value;

	if (e->focus.account_count == LT_FOCUS_ACCOUNTS_MAX)
		return wrong(e, "--billing-account may be given 64 times", NULL);
	if ((equals && !take(a->provider, sizeof(a->provider), value, equals)) ||
	    !take(a->id, sizeof(a->id), id, id + strlen(id)))
		return wrong(e, "--billing-account takes PROVIDER=ID or ID", value);
	e->focus.account_count++;
	return 0;
}

/* PROVIDER=ID:AMOUNT[:CURRENCY]; the id may have colons. */
static bool parse_invoice(const char *value, struct lt_focus_invoice *i)
{
	const char *equals = strchr(value, '='), *end = value + strlen(value);
	const char *colon = strrchr(value, ':');
	struct lt_decimal amount;
	int64_t pico;

	if (!equals || !colon || colon < equals ||
	    !take(i->provider, sizeof(i->provider), value, equals))
		return false;
	snprintf(i->currency, sizeof(i->currency), "USD");
	if (strspn(colon + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3 && colon + 4 == end) {
		lt_bytes_copy(i->currency, sizeof(i->currency), lt_bytes(colon + 1, 3));
		end = colon;
		do
			colon--;
		while (colon > equals && *colon != ':');
	}
	if (colon <= equals || !take(i->id, sizeof(i->id), equals + 1, colon) ||
	    lt_decimal_parse(lt_bytes(colon + 1, (size_t)(end - colon - 1)), &amount) < 0 ||
	    lt_decimal_pico(amount, &pico) < 0 || pico < 0)
		return false;
	i->amount = pico;
	return true;
}

static int read_invoice(struct export *e, const char *value)
{
	struct lt_focus_invoice *i = &e->focus.invoices[e->focus.invoice_count];

	if (e->focus.invoice_count == LT_FOCUS_INVOICES_MAX)
		return wrong(e, "--invoice may be given 64 times", NULL);
	if (!parse_invoice(value, i))
		return wrong(e, "--invoice takes PROVIDER=ID:AMOUNT or PROVIDER=ID:AMOUNT:EUR",
			     value);
	for (size_t j = 0; j < e->focus.invoice_count; j++) {
		const struct lt_focus_invoice *other = &e->focus.invoices[j];

		if (strcmp(other->provider, i->provider) == 0 &&
		    strcmp(other->currency, i->currency) == 0)
			return wrong(e, "a provider has one --invoice in a currency", value);
	}
	e->focus.invoice_count++;
	return 0;
}

static int read_option(struct export *e, int option, const char *value)
{
	e->for_focus |= option >= OPT_VERSION && option != OPT_OUTPUT;
	switch (option) {
	case 'f':
		return read_format(e, value);
	case OPT_VERSION:
		return read_version(e, value);
	case OPT_MODE:
		return read_mode(e, value);
	case OPT_ACCOUNT:
		return read_account(e, value);
	case OPT_INVOICE:
		return read_invoice(e, value);
	case OPT_CORRECTS:
		e->corrects = value;
		return 0;
	case OPT_FRESH:
		e->fresh_path = value;
		return 0;
	case OPT_OUTPUT:
		e->output = value;
		return 0;
	case OPT_QUARANTINE:
		e->quarantine = value;
		return 0;
	}
	return lt_ledger_args_option(&e->args, option, value);
}

static bool is_whole_period(const struct lt_filter *f)
{
	return f->since_ns != INT64_MIN && f->until_ns != INT64_MAX && !f->tenant && !f->team &&
	       !f->provider && !f->model && !f->container && !f->comm && f->pid < 0;
}

/* What does not go together. */
static int check_options(const struct export *e)
{
	bool split = e->focus.mode == LT_FOCUS_SPLIT;

	if (e->format == NO_FORMAT)
		return wrong(e, "which --format: focus, csv or jsonl?", NULL);
	if (e->for_focus && e->format != FOCUS)
		return wrong(e, "that option is for --format focus", NULL);
	if (split != (e->focus.invoice_count > 0))
		return wrong(e, "--focus-mode split and --invoice need each other", NULL);
	if (split && e->corrects)
		return wrong(e, "an invoice is corrected by another invoice, not by --corrects",
			     NULL);
	if (e->fresh_path && !e->corrects)
		return wrong(e, "--fresh is for --corrects: else the export is a fresh one", NULL);
	if ((split || e->corrects) && !is_whole_period(&e->args.filter))
		return wrong(e,
			     "--invoice and --corrects are for a period: --since and --until, and "
			     "no other filter",
			     NULL);
	return 0;
}

static int parse(int argc, char **argv, struct export *e)
{
	static const struct option options[] = {
		{"focus-version", required_argument, NULL, OPT_VERSION},
		{"focus-mode", required_argument, NULL, OPT_MODE},
		{"billing-account", required_argument, NULL, OPT_ACCOUNT},
		{"invoice", required_argument, NULL, OPT_INVOICE},
		{"corrects", required_argument, NULL, OPT_CORRECTS},
		{"fresh", required_argument, NULL, OPT_FRESH},
		{"output", required_argument, NULL, OPT_OUTPUT},
		{"quarantine", required_argument, NULL, OPT_QUARANTINE},
		LT_LEDGER_OPTIONS,
	};
	int option, r = 0;

	optind = 1;
	while (r == 0 && !e->args.help &&
	       (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		r = read_option(e, option, optarg);
	if (r == 0 && optind < argc && !e->args.help)
		r = wrong(e, "it takes options only", argv[optind]);
	return r == 0 && !e->args.help ? check_options(e) : r;
}

/* ---- the records ---- */

static void quarantine(struct export *e, const struct lt_record *r, const char *reason)
{
	size_t i = 0;

	while (i + 1 < REASONS_MAX && e->reasons[i].name && strcmp(e->reasons[i].name, reason) != 0)
		i++;
	e->reasons[i].name = reason;
	e->reasons[i].count++;
	if (e->aside.f)
		lt_focus_quarantine(e->aside.f, r, reason);
}

/* Notes which file it is that cannot be written. */
static int note(struct export *e, const struct lt_out_file *o, int r)
{
	if (r < 0)
		e->unwritten = o->path ? o->path : "the output";
	return r;
}

static int check(struct export *e, const struct lt_out_file *o)
{
	return o->f ? note(e, o, lt_out_file_check(o)) : 0;
}

static int put_focus(struct export *e, const struct lt_record *r)
{
	const char *reason;
	enum lt_focus_verdict verdict = lt_focus_judge(r, &reason);
	bool same = false;
	int err = 0;

	if (verdict == LT_FOCUS_QUARANTINE)
		quarantine(e, r, reason);
	if (e->before)
		err = lt_focus_before_record(e->before, r, verdict == LT_FOCUS_ROWS, e->out.f,
					     &same, &e->problem);
	if (err == 0 && verdict == LT_FOCUS_ROWS && !same)
		lt_focus_write(e->out.f, &e->focus, r, e->before != NULL);
	if (err == 0 && verdict == LT_FOCUS_ROWS && e->fresh.f)
		lt_focus_write(e->fresh.f, &e->focus, r, false);
	if (err == 0)
		err = check(e, &e->aside);
	return err == 0 ? check(e, &e->fresh) : err;
}

static int put(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct export *e = arg;
	struct lt_json_writer json;
	int r = 0;

	if (stopped)
		return -EINTR;
	if (e->format == CSV) {
		lt_view_full_csv(e->out.f, node_seq, record);
	} else if (e->format == JSONL) {
		lt_json_writer_init(&json, e->out.f);
		lt_record_json(&json, node_seq, record);
		putc('\n', e->out.f);
	} else {
		r = put_focus(e, record);
	}
	return r == 0 ? check(e, &e->out) : r;
}

static int count(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct export *e = arg;

	(void)node_seq;
	lt_focus_count(&e->focus, record);
	return stopped ? -EINTR : 0;
}

static int put_all(struct export *e)
{
	const struct lt_filter *f = &e->args.filter;
	int r = 0;

	if (e->focus.mode == LT_FOCUS_SPLIT)
		r = lt_query_records(e->ledger, f, count, e);
	if (r < 0)
		return r;
	if (e->format == CSV)
		lt_view_full_csv_titles(e->out.f);
	if (e->format == FOCUS)
		lt_focus_titles(e->out.f, &e->focus);
	if (e->fresh.f)
		lt_focus_titles(e->fresh.f, &e->focus);
	if (e->aside.f)
		lt_focus_quarantine_titles(e->aside.f);
	r = lt_query_records(e->ledger, f, put, e);
	if (r == 0 && e->before)
		r = lt_focus_before_end(e->before, e->out.f, &e->problem);
	if (r == 0 && e->focus.mode == LT_FOCUS_SPLIT)
		lt_focus_residuals(e->out.f, &e->focus, f->since_ns, f->until_ns);
	return r;
}

/* ---- the files ---- */

static int open_before(struct export *e)
{
	const struct lt_filter *f = &e->args.filter;

	if (!e->corrects)
		return 0;
	e->before_file = fopen(e->corrects, "re");
	if (!e->before_file)
		return lt_problem_set(&e->problem, -errno, e->corrects, 0, "%s", strerror(errno));
	return lt_focus_before_new(e->before_file, e->corrects, e->focus.version, f->since_ns,
				   f->until_ns, &e->before, &e->problem);
}

static int open_files(struct export *e)
{
	int r = open_before(e);

	if (e->format == FOCUS && e->output && !e->quarantine) {
		if (snprintf(e->quarantine_path, sizeof(e->quarantine_path), "%s.quarantine.csv",
			     e->output) >= (int)sizeof(e->quarantine_path))
			return lt_problem_set(&e->problem, -ENAMETOOLONG, e->output, 0,
					      "the name is too long");
		e->quarantine = e->quarantine_path;
	}
	if (r == 0)
		r = lt_out_file_open(e->output, &e->out, &e->problem);
	if (r == 0 && e->quarantine)
		r = lt_out_file_open(e->quarantine, &e->aside, &e->problem);
	if (r == 0 && e->fresh_path)
		r = lt_out_file_open(e->fresh_path, &e->fresh, &e->problem);
	return r;
}

/* The list of what is missing comes first: who sees the export finds it. */
static int commit(struct export *e)
{
	struct lt_out_file *files[] = {&e->aside, &e->fresh, &e->out};
	int r = 0;

	for (size_t i = 0; r == 0 && i < LT_COUNT(files); i++) {
		if (files[i]->f)
			r = note(e, files[i], lt_out_file_commit(files[i]));
	}
	return r;
}

/* ---- what is said ---- */

static void say_quarantine(const struct export *e)
{
	if (!e->reasons[0].name)
		return;
	fprintf(stderr, "ledgertap export: calls that are no rows, as nobody knows their cost:");
	for (size_t i = 0; i < REASONS_MAX && e->reasons[i].name; i++)
		fprintf(stderr, "%s %" PRIu64 " %s", i > 0 ? "," : "", e->reasons[i].count,
			e->reasons[i].name);
	fprintf(stderr, "; %s%s\n", e->quarantine ? "listed in " : "--quarantine FILE lists them",
		e->quarantine ? e->quarantine : "");
}

static int fail(const struct export *e, int r)
{
	char text[1024];

	if (r == -EPIPE && !e->output && e->unwritten)
		return LT_EXIT_OK; /* its reader has seen enough */
	if (e->problem.text[0])
		fprintf(stderr, "ledgertap export: %s\n",
			lt_problem_format(&e->problem, text, sizeof(text)));
	else if (r == -EINTR)
		fprintf(stderr, "ledgertap export: stopped%s\n",
			e->output ? ", nothing was written" : "");
	else if (e->unwritten)
		fprintf(stderr, "ledgertap export: %s cannot be written: %s\n", e->unwritten,
			strerror(-r));
	else
		fprintf(stderr, "ledgertap export: the ledger cannot be read: %s\n",
			r != -ENOMEM ? lt_ledger_error(e->ledger) : strerror(-r));
	return LT_EXIT_FAILED;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int run(struct export *e)
{
	int r = open_files(e);

	if (r == 0)
		r = lt_query_begin(e->ledger); /* both passes see one state */
	if (r == 0) {
		r = put_all(e);
		lt_query_end(e->ledger);
	}
	if (r == 0)
		r = commit(e);
	if (r < 0)
		return fail(e, r);
	say_quarantine(e);
	return LT_EXIT_OK;
}

int lt_cmd_export(int argc, char **argv)
{
	struct export e = {0};
	int code;

	lt_ledger_args_init(&e.args, "export");
	if (parse(argc, argv, &e) < 0)
		return LT_EXIT_USAGE;
	if (e.args.help) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	e.args.filter.by_time = true;
	catch_signals();
	if (lt_ledger_args_open(&e.args, false, &e.ledger) < 0)
		return LT_EXIT_FAILED;
	code = run(&e);
	lt_out_file_discard(&e.out);
	lt_out_file_discard(&e.aside);
	lt_out_file_discard(&e.fresh);
	lt_focus_before_free(e.before);
	lt_fclosep(&e.before_file);
	lt_ledger_close(e.ledger);
	return code;
}
