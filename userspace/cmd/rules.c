// SPDX-License-Identifier: Apache-2.0
/* The attribution rules: whether they are sound, and why a record got its tenant. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "userspace/base/parse.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/rules_print.h"
#include "userspace/control/config.h"
#include "userspace/ledger/query.h"

enum { FACTS_MAX = 64, LAST_MAX = 1000 };

static const char help[] =
	"Usage: ledgertap rules test RECORD_ID | --last N | --fact NAME=VALUE... [OPTIONS]\n"
	"       ledgertap rules check [FILE]\n"
	"\n"
	"test says for a record of the ledger (or for facts that are given) of each rule whether "
	"it\n"
	"matches, or which condition does not hold and what was seen there; which rule decides "
	"what; which\n"
	"claims say otherwise; and whether the ledger's record says the same. check reads the "
	"config.\n"
	"\n"
	"  RECORD_ID          the first 4 or more digits will do\n"
	"  --last N           the newest N records\n"
	"  --fact NAME=VALUE  a fact such as namespace=shop or label.team=web, may be repeated\n"
	"  --config FILE      rules, default " LT_CONFIG_PATH "\n"
	"  --state-dir DIR    where the ledger is (" LT_STATE_PATH ")\n"
	"  --json             for programs\n"
	"  --help             this text\n"
	"\n"
	"Exit codes: 0 done (test of records: all say the same), 1 failed, or a record says "
	"otherwise,\n"
	"2 wrong usage.\n";

struct command {
	const char *config_path, *state_dir;
	const char *id;
	const char *given[FACTS_MAX];
	size_t given_count;
	uint64_t last;
	bool json, help;
	/* while it runs */
	struct lt_rules *rules;
	const char *file;
	struct lt_json_writer writer;
	size_t shown, different;
};

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "ledgertap rules: %s%s%s%s; see ledgertap rules --help\n", what,
		value ? ", not '" : "", value ? value : "", value ? "'" : "");
	return -EINVAL;
}

static int load_rules(struct command *c, const char *path)
{
	lt_defer(lt_config_freep)
	struct lt_config *config = NULL;
	struct lt_problem problem = {0};
	char text[1024];
	int r = lt_config_load(path, &config, &problem);

	if (r == 0)
		r = lt_rules_new(config->yaml, config->attribution, &c->rules, &problem);
	if (r < 0)
		fprintf(stderr, "%s\n",
			problem.text[0] ? lt_problem_format(&problem, text, sizeof(text))
					: strerror(-r));
	c->file = path ? path : LT_CONFIG_PATH;
	return r;
}

/* ---- check ---- */

static int check(struct command *c, const char *path)
{
	const char *names[LT_ENV_NAMES_MAX];

	if (load_rules(c, path) < 0)
		return LT_EXIT_FAILED;
	printf("%s: %zu rules, %zu variables, %zu headers; all is well\n", c->file,
	       lt_rules_count(c->rules), lt_rules_env(c->rules, names),
	       lt_rules_headers(c->rules, names));
	return LT_EXIT_OK;
}

/* ---- test: facts by hand ---- */

struct by_hand {
	struct lt_facts facts;
	const char *parents[LT_PARENTS_MAX];
	char command[4096];
	size_t command_n;
};

/* False: no rule asks for it, so it changes nothing. */
static bool give_named(const struct lt_rules *rules, struct lt_bytes name, const char *value,
		       struct lt_facts *f)
{
	const struct lt_fact_name *n;

	for (size_t i = 0; (n = lt_rules_name(rules, i)) != NULL; i++) {
		if (!lt_bytes_is(name, n->text))
			continue;
		f->named[i] = value;
		return true;
	}
	return false;
}

static int give_uid(struct by_hand *h, const char *value)
{
	uint64_t uid;

	if (lt_parse_u64(lt_bytes_str(value), &uid) < 0 || uid > UINT32_MAX)
		return wrong("--fact uid takes a number", value);
	h->facts.uid = (uint32_t)uid;
	h->facts.uid_known = true;
	return 0;
}

/* The words of a command line, as a shell without quotes would part them. */
static void give_command(const struct lt_rules *rules, struct by_hand *h, const char *value)
{
	snprintf(h->command, sizeof(h->command), "%s", value);
	h->command_n = strlen(h->command);
	for (size_t i = 0; i < h->command_n; i++) {
		if (h->command[i] == ' ')
			h->command[i] = '\0';
	}
	h->facts.commands = lt_rules_match_command(rules, lt_bytes(h->command, h->command_n));
}

static int give(const struct lt_rules *rules, struct by_hand *h, const char *given)
{
	const char *equals = strchr(given, '=');
	enum lt_fact_family family;
	struct lt_bytes name;
	enum lt_fact fact;

	if (!equals)
		return wrong("--fact takes NAME=VALUE", given);
	name = lt_bytes(given, (size_t)(equals - given));
	if (lt_family_find(name, &family)) {
		if (!give_named(rules, name, equals + 1, &h->facts))
			fprintf(stderr, "ledgertap rules: no rule asks for %.*s\n", (int)name.n,
				given);
		return 0;
	}
	if (!lt_fact_find(name, &fact))
		return wrong("--fact takes a name that rules may ask for", given);
	if (fact == LT_FACT_UID)
		return give_uid(h, equals + 1);
	if (fact == LT_FACT_COMMAND)
		give_command(rules, h, equals + 1);
	else if (fact != LT_FACT_PARENT)
		h->facts.text[fact] = equals + 1;
	else if (h->facts.parent_count < LT_PARENTS_MAX)
		h->parents[h->facts.parent_count++] = equals + 1;
	return 0;
}

static int test_by_hand(struct command *c)
{
	struct by_hand h = {.command_n = 0};
	const struct lt_rules_case one = {.rules = c->rules, .file = c->file, .facts = &h.facts};
	int r = 0;

	h.facts.parents = h.parents;
	for (size_t i = 0; i < c->given_count && r == 0; i++)
		r = give(c->rules, &h, c->given[i]);
	if (r < 0)
		return LT_EXIT_USAGE;
	if (c->json) {
		lt_json_writer_init(&c->writer, stdout);
		lt_ignore(lt_rules_print_json(&one, &c->writer));
		putchar('\n');
	} else {
		lt_ignore(lt_rules_print(&one, stdout));
	}
	return LT_EXIT_OK;
}

/* ---- test: records ---- */

static int show(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct command *c = arg;
	struct lt_fact_scratch scratch;
	struct lt_facts facts;
	struct lt_rules_case one = {
		.rules = c->rules, .file = c->file, .facts = &facts, .record = record};
	int r = lt_facts_of_record(c->rules, &record->who, &record->call, NULL, &scratch, &facts);

	(void)node_seq;
	if (r == -ENOMEM)
		return r;
	one.incomplete = r < 0 || scratch.store.incomplete;
	if (c->shown++ > 0 && !c->json)
		putchar('\n');
	if (c->json)
		c->different += !lt_rules_print_json(&one, &c->writer);
	else
		c->different += !lt_rules_print(&one, stdout);
	return ferror(stdout) ? -EPIPE : 0;
}

/* "3f2a-..." or its beginning, as the range of ids that begin so. */
static int parse_id(const char *text, struct lt_record_id *low, struct lt_record_id *high)
{
	enum { DIGITS_MIN = 4 };
	size_t digits = 0;

	memset(low->b, 0, sizeof(low->b));
	memset(high->b, 0xff, sizeof(high->b));
	for (; *text; text++) {
		uint64_t digit;
		unsigned shift = digits % 2 ? 0 : 4;

		if (*text == '-')
			continue;
		if (digits == 2 * sizeof(low->b) || lt_parse_hex_u64(lt_bytes(text, 1), &digit) < 0)
			return -EINVAL;
		low->b[digits / 2] |= (uint8_t)(digit << shift);
		high->b[digits / 2] &= (uint8_t)(digit << shift | (shift ? 0x0f : 0xf0));
		digits++;
	}
	return digits >= DIGITS_MIN ? 0 : -EINVAL;
}

static int query(struct command *c, struct lt_ledger *l)
{
	struct lt_filter filter;
	struct lt_record_id low, high;

	lt_filter_init(&filter);
	filter.limit = c->last;
	filter.newest = true;
	if (!c->id)
		return lt_query_records(l, &filter, show, c);
	if (parse_id(c->id, &low, &high) < 0)
		return wrong("RECORD_ID takes four or more digits of a record's id", c->id);
	return lt_query_ids(l, &low, &high, LAST_MAX, show, c);
}

static int test_records(struct command *c)
{
	lt_defer(lt_ledger_closep)
	struct lt_ledger *l = NULL;
	struct lt_problem problem = {0};
	char text[1024];
	int r = lt_ledger_open(c->state_dir, LT_LEDGER_READ, &l, &problem);

	if (r < 0) {
		fprintf(stderr, "ledgertap rules: %s\n",
			lt_problem_format(&problem, text, sizeof(text)));
		return LT_EXIT_FAILED;
	}
	if (c->json) {
		lt_json_writer_init(&c->writer, stdout);
		lt_json_begin_array(&c->writer);
	}
	r = query(c, l);
	if (c->json) {
		lt_json_end_array(&c->writer);
		putchar('\n');
	}
	if (r == -EINVAL)
		return LT_EXIT_USAGE;
	if (r < 0 && r != -EPIPE)
		fprintf(stderr, "ledgertap rules: the ledger cannot be read: %s\n",
			r != -ENOMEM ? lt_ledger_error(l) : strerror(-r));
	if (r == 0 && c->shown == 0)
		fprintf(stderr, "ledgertap rules: there is no such record in %s\n", c->state_dir);
	return r == 0 && c->shown > 0 && c->different == 0 ? LT_EXIT_OK : LT_EXIT_FAILED;
}

/* ---- the command line ---- */

static int read_last(struct command *c, const char *value)
{
	if (lt_parse_u64(lt_bytes_str(value), &c->last) < 0 || c->last == 0 || c->last > LAST_MAX)
		return wrong("--last takes a number from 1 to 1000", value);
	return 0;
}

static int read_option(struct command *c, int option, const char *value)
{
	switch (option) {
	case 'c':
		c->config_path = value;
		return 0;
	case 's':
		c->state_dir = value;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case 'h':
		c->help = true;
		return 0;
	case 'l':
		return read_last(c, value);
	case 'f':
		if (c->given_count == FACTS_MAX)
			return wrong("there are too many facts", NULL);
		c->given[c->given_count++] = value;
		return 0;
	}
	fprintf(stderr, "see ledgertap rules --help\n"); /* getopt has said what is wrong */
	return -EINVAL;
}

static int read_options(int argc, char **argv, struct command *c)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"state-dir", required_argument, NULL, 's'},
						{"last", required_argument, NULL, 'l'},
						{"fact", required_argument, NULL, 'f'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int option, r = 0;

	optind = 1;
	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		r = read_option(c, option, optarg);
	return r;
}

static int test(struct command *c)
{
	if ((c->id != NULL) + (c->last > 0) + (c->given_count > 0) != 1) {
		wrong("test takes a RECORD_ID, or --last, or --fact", NULL);
		return LT_EXIT_USAGE;
	}
	if (load_rules(c, c->config_path) < 0)
		return LT_EXIT_FAILED;
	return c->given_count > 0 ? test_by_hand(c) : test_records(c);
}

int lt_cmd_rules(int argc, char **argv)
{
	struct command c = {.state_dir = LT_STATE_PATH};
	const char *verb, *operand;
	int code = LT_EXIT_USAGE;

	if (read_options(argc, argv, &c) < 0)
		return LT_EXIT_USAGE;
	if (c.help) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	verb = optind < argc ? argv[optind] : "";
	operand = optind + 1 < argc ? argv[optind + 1] : NULL;
	c.id = operand;
	if (optind + 2 < argc)
		wrong("there are too many words", argv[optind + 2]);
	else if (strcmp(verb, "check") == 0)
		code = check(&c, operand ? operand : c.config_path);
	else if (strcmp(verb, "test") == 0)
		code = test(&c);
	else
		wrong("it takes test or check", verb);
	lt_rules_free(c.rules);
	if (fflush(stdout) != 0 && code == LT_EXIT_OK)
		code = LT_EXIT_FAILED;
	return code;
}
