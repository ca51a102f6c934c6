// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/base/parse.h"
#include "userspace/cmd/cmd.h"
#include "userspace/price/lookup.h"
#include "userspace/price/price.h"

enum format { TABLE, JSON, CSV };
enum { PER_TOKENS = 1000000 };

static const char help[] =
	"Usage: ledgertap prices show   [--provider P] [--at DATE] [--format table|json|csv]\n"
	"       ledgertap prices lookup --provider P --model M [--at DATE] [--tier T]\n"
	"                               [quantities] [--format table|json]\n"
	"\n"
	"show    lists the standard prices in force, per million tokens or per unit\n"
	"lookup  shows the entry that a model name finds, its prices, and, with quantities, the "
	"cost\n"
	"\n"
	"  --prices FILE        a price book instead of the built-in one\n"
	"  --overlay FILE       a price book whose rows win over it\n"
	"  --at DATE            prices in force then: 2026-11-24 or 2026-11-24T09:30:00Z (now)\n"
	"  --tier T             standard, batch, flex, priority or a provider's own word\n"
	"  --format F           table (default), json, csv\n"
	"  --help               this text\n"
	"\n"
	"Quantities (disjoint: each token counts once)\n"
	"  --input N            input tokens not served by a cache\n"
	"  --cache-read N  --cache-read-audio N  --cache-read-image N\n"
	"  --cache-write N  --cache-write-5m N  --cache-write-1h N\n"
	"  --input-audio N  --input-image N\n"
	"  --output N           output tokens without the ones below\n"
	"  --reasoning N  --output-audio N  --output-image N\n"
	"  --unit NAME=N        another unit, e.g. web_searches=3; may be given several times\n"
	"\n"
	"Exit codes: 0 done, 1 not found or failed, 2 wrong usage.\n";

struct options {
	const char *prices, *overlay, *provider, *model, *tier;
	int64_t at_ns;
	enum format format;
	struct lt_usage usage;
	bool has_usage;
};

enum {
	OPT_PRICES = 1000,
	OPT_OVERLAY,
	OPT_PROVIDER,
	OPT_MODEL,
	OPT_AT,
	OPT_TIER,
	OPT_FORMAT,
	OPT_UNIT,
	OPT_HELP,
};

/* Options up to LT_BUCKET_COUNT are the buckets themselves. */
static const struct option long_options[] = {
	{"input", required_argument, NULL, LT_B_IN_UNCACHED},
	{"input-audio", required_argument, NULL, LT_B_IN_AUDIO},
	{"input-image", required_argument, NULL, LT_B_IN_IMAGE},
	{"cache-read", required_argument, NULL, LT_B_CACHE_READ},
	{"cache-read-audio", required_argument, NULL, LT_B_CACHE_READ_AUDIO},
	{"cache-read-image", required_argument, NULL, LT_B_CACHE_READ_IMAGE},
	{"cache-write", required_argument, NULL, LT_B_CACHE_WRITE},
	{"cache-write-5m", required_argument, NULL, LT_B_CACHE_WRITE_5M},
	{"cache-write-1h", required_argument, NULL, LT_B_CACHE_WRITE_1H},
	{"output", required_argument, NULL, LT_B_OUT_VISIBLE},
	{"output-audio", required_argument, NULL, LT_B_OUT_AUDIO},
	{"output-image", required_argument, NULL, LT_B_OUT_IMAGE},
	{"reasoning", required_argument, NULL, LT_B_REASONING},
	{"prices", required_argument, NULL, OPT_PRICES},
	{"overlay", required_argument, NULL, OPT_OVERLAY},
	{"provider", required_argument, NULL, OPT_PROVIDER},
	{"model", required_argument, NULL, OPT_MODEL},
	{"at", required_argument, NULL, OPT_AT},
	{"tier", required_argument, NULL, OPT_TIER},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"unit", required_argument, NULL, OPT_UNIT},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int misuse(const char *what, const char *value)
{
	fprintf(stderr, "ledgertap prices: %s%s%s; see ledgertap prices --help\n", what,
		value ? ": " : "", value ? value : "");
	return -EINVAL;
}

static int read_format(const char *text, enum format *ret)
{
	static const char *const name[] = {[TABLE] = "table", [JSON] = "json", [CSV] = "csv"};

	for (unsigned i = 0; i < LT_COUNT(name); i++) {
		if (strcmp(text, name[i]) != 0)
			continue;
		*ret = i;
		return 0;
	}
	return misuse("--format is table, json or csv, not", text);
}

static int read_unit(const char *text, struct lt_usage *usage)
{
	const char *eq = strchr(text, '=');
	struct lt_unit *u;
	uint64_t n;

	if (usage->unit_count == LT_UNITS_MAX)
		return misuse("too many --unit", NULL);
	u = &usage->units[usage->unit_count];
	if (!eq || eq == text ||
	    !lt_bytes_copy(u->name, sizeof(u->name), lt_bytes(text, (size_t)(eq - text))) ||
	    lt_parse_u64(lt_bytes_str(eq + 1), &n) ||
	    __builtin_mul_overflow(n, 1000000u, &u->amount_micro))
		return misuse("--unit takes NAME=NUMBER, not", text);
	usage->unit_count++;
	return 0;
}

static int read_option(int option, const char *value, struct options *o)
{
	switch (option) {
	case OPT_PRICES:
		o->prices = value;
		return 0;
	case OPT_OVERLAY:
		o->overlay = value;
		return 0;
	case OPT_PROVIDER:
		o->provider = value;
		return 0;
	case OPT_MODEL:
		o->model = value;
		return 0;
	case OPT_TIER:
		o->tier = value;
		return 0;
	case OPT_FORMAT:
		return read_format(value, &o->format);
	case OPT_AT:
		if (lt_parse_time(lt_bytes_str(value), &o->at_ns))
			return misuse("--at takes a date like 2026-11-24, not", value);
		return 0;
	case OPT_UNIT:
		o->has_usage = true;
		return read_unit(value, &o->usage);
	default:
		if (option < 0 || option >= LT_BUCKET_COUNT)
			return misuse("unknown option or missing value", NULL);
		if (lt_parse_u64(lt_bytes_str(value), &o->usage.bucket[option].n))
			return misuse("a quantity is a whole number, not", value);
		o->usage.bucket[option].known = true;
		o->has_usage = true;
		return 0;
	}
}

/* 1: help was asked for. */
static int read_options(int argc, char **argv, struct options *o)
{
	int option, err;

	*o = (struct options){.tier = "", .at_ns = lt_clock_wall_ns()};
	o->usage.source = LT_USAGE_WIRE;
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPT_HELP)
			return 1;
		if (option == '?')
			return misuse("unknown option or missing value", argv[optind - 1]);
		err = read_option(option, optarg, o);
		if (err)
			return err;
	}
	if (optind < argc)
		return misuse("unexpected argument", argv[optind]);
	return 0;
}

/* ---- output ---- */

/* One price as people read it: per million tokens, or per unit. */
struct price_line {
	char provider[64], model[128];
	const char *meter;
	unsigned per;
	char price[LT_MONEY_TEXT];
	char entry[LT_PRICE_KEY];
};

static bool make_line(const struct lt_tariff *t, uint16_t meter, uint64_t total_input,
		      struct price_line *line)
{
	struct lt_quote q;
	int64_t pico;

	line->per = lt_meter_is_token(meter) ? PER_TOKENS : 1;
	if (lt_tariff_quote(t, meter, total_input, &q) || lt_quote_amount(&q, line->per, &pico))
		return false;
	lt_ignore(lt_bytes_copy(line->provider, sizeof(line->provider),
				lt_book_model_provider(t->book, t->model)));
	lt_ignore(lt_bytes_copy(line->model, sizeof(line->model), lt_book_model_id(t->model)));
	line->meter = lt_book_meter_name(t->book, meter);
	lt_money_format(pico, line->price);
	memcpy(line->entry, q.key, sizeof(line->entry));
	return true;
}

static void write_csv_field(const char *s, char end)
{
	bool quote = strpbrk(s, ",\"\n") != NULL;

	if (quote)
		putchar('"');
	for (; *s; s++) {
		if (*s == '"')
			putchar('"');
		putchar(*s);
	}
	if (quote)
		putchar('"');
	putchar(end);
}

static void write_line(const struct price_line *l, enum format format, struct lt_json_writer *json)
{
	switch (format) {
	case TABLE:
		printf("%-20s %-44s %-18s %14s per %s\n", l->provider, l->model, l->meter, l->price,
		       l->per == 1 ? "unit" : "1M");
		return;
	case CSV:
		write_csv_field(l->provider, ',');
		write_csv_field(l->model, ',');
		write_csv_field(l->meter, ',');
		printf("%s,%u,", l->price, l->per);
		write_csv_field(l->entry, '\n');
		return;
	case JSON:
		lt_json_begin_object(json);
		lt_json_key(json, "provider");
		lt_json_string(json, l->provider);
		lt_json_key(json, "model");
		lt_json_string(json, l->model);
		lt_json_key(json, "meter");
		lt_json_string(json, l->meter);
		lt_json_key(json, "price");
		lt_json_string(json, l->price);
		lt_json_key(json, "per");
		lt_json_u64(json, l->per);
		lt_json_key(json, "entry");
		lt_json_string(json, l->entry);
		lt_json_end_object(json);
		return;
	}
}

static void write_json_head(struct lt_json_writer *json, const struct lt_book *book)
{
	lt_json_writer_init(json, stdout);
	lt_json_begin_object(json);
	lt_json_key(json, "book");
	lt_json_string(json, lt_book_version(book));
	lt_json_key(json, "source");
	lt_json_string(json, lt_book_source(book));
	lt_json_key(json, "currency");
	lt_json_string(json, lt_book_currency(book));
	lt_json_key(json, "prices");
	lt_json_begin_array(json);
}

static unsigned write_tariff(const struct lt_tariff *t, uint64_t total_input, enum format format,
			     struct lt_json_writer *json)
{
	unsigned lines = 0;

	for (uint16_t meter = 0; lt_book_meter_name(t->book, meter); meter++) {
		struct price_line line;

		if (!make_line(t, meter, total_input, &line))
			continue;
		write_line(&line, format, json);
		lines++;
	}
	return lines;
}

static int show(const struct lt_book *book, const struct options *o)
{
	struct lt_json_writer json;
	unsigned lines = 0;
	const struct lt_book_model *m;

	if (o->format == JSON)
		write_json_head(&json, book);
	else if (o->format == CSV)
		printf("provider,model,meter,price,per,entry\n");
	else
		printf("# %s (%s), %zu models, %s\n", lt_book_version(book), lt_book_source(book),
		       lt_book_size(book), lt_book_currency(book));
	for (size_t i = 0; (m = lt_book_at(book, i)) != NULL; i++) {
		struct lt_tariff tariff;

		if (o->provider && !lt_bytes_is(lt_book_model_provider(book, m), o->provider))
			continue;
		if (lt_tariff_find(book, m, "", "", o->at_ns, &tariff) == 0)
			lines += write_tariff(&tariff, 0, o->format, &json);
	}
	if (o->format == JSON) {
		lt_json_end_array(&json);
		lt_json_end_object(&json);
		putchar('\n');
	}
	if (lines > 0 || !o->provider)
		return LT_EXIT_OK;
	fprintf(stderr,
		"ledgertap prices: no prices for provider '%s'; "
		"ledgertap prices show --format csv lists every name\n",
		o->provider);
	return LT_EXIT_FAILED;
}

static void write_cost_json(struct lt_json_writer *json, const struct lt_cost *cost)
{
	char money[LT_MONEY_TEXT];

	lt_json_begin_object(json);
	lt_json_key(json, "status");
	lt_json_string(json, lt_price_status_name(cost->status));
	lt_json_key(json, "amount");
	lt_json_string(json, lt_money_format(cost->amount, money));
	lt_json_key(json, "amount_pico");
	lt_json_i64(json, cost->amount);
	lt_json_key(json, "currency");
	lt_json_string(json, cost->currency);
	lt_json_key(json, "parts");
	lt_json_begin_array(json);
	for (unsigned i = 0; i < cost->part_count; i++) {
		const struct lt_cost_part *p = &cost->parts[i];

		lt_json_begin_object(json);
		lt_json_key(json, "meter");
		lt_json_string(json, p->meter);
		lt_json_key(json, "quantity");
		lt_json_u64(json, p->quantity);
		lt_json_key(json, "amount");
		lt_json_string(json, lt_money_format(p->amount, money));
		lt_json_key(json, "entry");
		lt_json_string(json, p->price);
		lt_json_end_object(json);
	}
	lt_json_end_array(json);
	lt_json_end_object(json);
}

static void write_cost_table(const struct lt_cost *cost)
{
	char money[LT_MONEY_TEXT];

	putchar('\n');
	for (unsigned i = 0; i < cost->part_count; i++) {
		const struct lt_cost_part *p = &cost->parts[i];

		printf("%-18s %14llu %16s  %s\n", p->meter, (unsigned long long)p->quantity,
		       lt_money_format(p->amount, money), p->price);
	}
	printf("%-18s %14s %16s  %s (%s)\n", "total", "", lt_money_format(cost->amount, money),
	       cost->currency, lt_price_status_name(cost->status));
}

/* The call that the options describe, priced like any other. */
static int price(const struct lt_book *book, const struct options *o, struct lt_cost *ret)
{
	static const struct {
		const char *name;
		enum lt_tier tier;
	} tiers[] = {
		{"", LT_TIER_UNSTATED}, {"standard", LT_TIER_STANDARD}, {"batch", LT_TIER_BATCH},
		{"flex", LT_TIER_FLEX}, {"priority", LT_TIER_PRIORITY},
	};
	struct lt_call call = {
		.billable = LT_BILLABLE_YES, .tier = LT_TIER_UNKNOWN, .usage = o->usage};
	bool fits = lt_bytes_copy(call.provider, sizeof(call.provider), lt_bytes_str(o->provider));

	fits &= lt_bytes_copy(call.request_model, sizeof(call.request_model),
			      lt_bytes_str(o->model));
	fits &= lt_bytes_copy(call.service_tier, sizeof(call.service_tier), lt_bytes_str(o->tier));
	if (!fits)
		return -EINVAL;
	for (unsigned i = 0; i < LT_COUNT(tiers); i++)
		if (strcmp(o->tier, tiers[i].name) == 0)
			call.tier = tiers[i].tier;
	return lt_price_call(book, &call, o->at_ns, ret);
}

static int not_found(const char *what, const char *value)
{
	fprintf(stderr,
		"ledgertap prices: no price for %s '%s'; add it with --overlay FILE "
		"(format: userspace/price/books/README.md)\n",
		what, value);
	return LT_EXIT_FAILED;
}

static uint64_t total_input(const struct lt_usage *usage)
{
	uint64_t n = 0;

	for (unsigned i = LT_B_IN_UNCACHED; i <= LT_B_CACHE_WRITE_1H; i++)
		if (__builtin_add_overflow(n, usage->bucket[i].n, &n))
			return UINT64_MAX;
	return n;
}

static int lookup(const struct lt_book *book, const struct options *o)
{
	const struct lt_book_model *model = lt_book_find(book, o->provider, o->model);
	struct lt_json_writer json;
	struct lt_tariff tariff;
	struct lt_cost cost = {0};

	if (!model)
		return not_found("model", o->model);
	if (lt_tariff_find(book, model, o->provider, o->tier, o->at_ns, &tariff))
		return not_found("tier", o->tier);
	if (o->has_usage) {
		int err = price(book, o, &cost);

		if (err) {
			fprintf(stderr, "ledgertap prices: the cost does not fit: %s\n",
				strerror(-err));
			return LT_EXIT_FAILED;
		}
	}
	if (o->format == JSON) {
		write_json_head(&json, book);
		write_tariff(&tariff, total_input(&o->usage), JSON, &json);
		lt_json_end_array(&json);
		if (o->has_usage) {
			lt_json_key(&json, "cost");
			write_cost_json(&json, &cost);
		}
		lt_json_end_object(&json);
		putchar('\n');
	} else {
		printf("# %s (%s), %s\n", lt_book_version(book), lt_book_source(book),
		       lt_book_currency(book));
		write_tariff(&tariff, total_input(&o->usage), TABLE, NULL);
		if (o->has_usage)
			write_cost_table(&cost);
	}
	if (!o->has_usage || cost.status != LT_PRICE_UNPRICED)
		return LT_EXIT_OK;
	fprintf(stderr, "ledgertap prices: the entry has no price for some of these quantities; "
			"add rates with --overlay FILE\n");
	return LT_EXIT_FAILED;
}

/* What is wrong with the options as a whole. */
static int check_options(const struct options *o, bool is_lookup)
{
	if (is_lookup && (!o->provider || !o->model))
		return misuse("lookup needs --provider and --model", NULL);
	if (is_lookup ? o->format == CSV : o->model || o->has_usage || o->tier[0])
		return misuse("an option that does not belong here", NULL);
	return 0;
}

int lt_cmd_prices(int argc, char **argv)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = NULL;
	const char *verb = argc > 1 ? argv[1] : "";
	bool is_lookup = strcmp(verb, "lookup") == 0;
	struct lt_problem problem = {0};
	struct options o;
	char text[900];
	int err = 1;

	if (!is_lookup && strcmp(verb, "show") != 0 && strcmp(verb, "--help") != 0) {
		misuse("say show or lookup", argc > 1 ? verb : NULL);
		return LT_EXIT_USAGE;
	}
	if (strcmp(verb, "--help") != 0)
		err = read_options(argc - 1, argv + 1, &o);
	if (err > 0) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	if (err || check_options(&o, is_lookup))
		return LT_EXIT_USAGE;
	err = lt_book_load(o.prices, o.overlay, &book, &problem);
	if (err) {
		fprintf(stderr, "ledgertap prices: %s\n",
			err == -EINVAL ? lt_problem_format(&problem, text, sizeof(text))
				       : strerror(-err));
		return LT_EXIT_FAILED;
	}
	return is_lookup ? lookup(book, &o) : show(book, &o);
}
