// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "userspace/base/clock.h"
#include "userspace/base/digest.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/ledger_args.h"
#include "userspace/cmd/secret.h"
#include "userspace/control/config.h"
#include "userspace/decode/credential.h"
#include "userspace/view/key_list.h"

enum {
	EXIT_FINDINGS = 3,
	KEY_MAX_BYTES = 8192,
	OPT_CONFIG = 256,
	OPT_FINDINGS,
	OPT_CHECK,
	OPT_PROVIDER,
	OPT_FORCE
};

static const char help[] =
	"Usage: ledgertap keys [OPTIONS]\n"
	"       ledgertap keys fingerprint [--provider P] [OPTIONS] < KEY\n"
	"       ledgertap keys rotate [--force] [OPTIONS]\n"
	"\n"
	"Which API keys were used, by their fingerprints: kind, provider, tenants, workloads, "
	"calls, cost,\n"
	"first and last use, and what is to be looked at. The keys themselves are kept nowhere.\n"
	"\n"
	"  --findings[=LIST]  only keys with findings, of all kinds or of these:\n"
	"                     shared    by more than one tenant, or by many workloads\n"
	"                     unknown   it is not in the config's list of known keys\n"
	"                     foreign   by another tenant than its owner in that list\n"
	"                     new       first used within the last 24 h\n"
	"                     idle      not used for long, or never\n"
	"                     personal  a person's sign-in or subscription\n"
	"                     admin     a key that manages an organisation, used for calls\n"
	"  --check            exit code 3 when there is a finding\n"
	"  --format F         table (default), json, csv\n"
	"  --config FILE      default " LT_CONFIG_PATH "\n"
	"  --state-dir DIR    where ledger and secret are (" LT_STATE_PATH ")\n"
	"\n"
	"fingerprint reads a key from standard input, without echo, and prints its line for "
	"the config's\n"
	"list of known keys; --provider says who gave it, where its first letters do not.\n"
	"rotate makes a new secret for this host. Both hold for the config's overlap, after the "
	"agent is\n"
	"started again; --force rotates although the last overlap is not over.\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage, 3 there are findings (--check).\n";

struct keys {
	struct lt_ledger_args args;
	const char *config_path, *provider, *verb;
	unsigned findings; /* 0: all keys */
	bool check, force;
	struct lt_config *config;
};

static int read_findings(struct keys *k, const char *value)
{
	k->findings = LT_FOUND_ANY;
	if (!value || lt_key_findings_parse(value, &k->findings) == 0)
		return 0;
	return lt_ledger_args_wrong(&k->args,
				    "--findings takes shared, unknown, foreign, new, idle, "
				    "personal and admin, with commas between",
				    value);
}

static int read_option(struct keys *k, int option, const char *value)
{
	switch (option) {
	case OPT_CONFIG:
		k->config_path = value;
		return 0;
	case OPT_FINDINGS:
		return read_findings(k, value);
	case OPT_CHECK:
		k->check = true;
		return 0;
	case OPT_PROVIDER:
		k->provider = value;
		return 0;
	case OPT_FORCE:
		k->force = true;
		return 0;
	default:
		return lt_ledger_args_option(&k->args, option, value);
	}
}

static int check_verb(struct keys *k, int argc, char **argv)
{
	k->verb = optind < argc ? argv[optind++] : "list";
	if (strcmp(k->verb, "list") != 0 && strcmp(k->verb, "fingerprint") != 0 &&
	    strcmp(k->verb, "rotate") != 0)
		return lt_ledger_args_wrong(
			&k->args, "it takes list (or nothing), fingerprint or rotate", k->verb);
	if (optind < argc && strcmp(k->verb, "fingerprint") == 0)
		/* And the text is not repeated: it may be the key. */
		return lt_ledger_args_wrong(&k->args,
					    "a key is no argument, where others could see it: "
					    "fingerprint reads it from standard input",
					    NULL);
	if (optind < argc)
		return lt_ledger_args_wrong(&k->args, "that is one word too many", argv[optind]);
	if (k->args.format == LT_FORMAT_JSONL)
		return lt_ledger_args_wrong(&k->args, "--format takes table, json or csv", "jsonl");
	return 0;
}

static int parse(int argc, char **argv, struct keys *k)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, OPT_CONFIG},
		{"findings", optional_argument, NULL, OPT_FINDINGS},
		{"check", no_argument, NULL, OPT_CHECK},
		{"provider", required_argument, NULL, OPT_PROVIDER},
		{"force", no_argument, NULL, OPT_FORCE},
		{"state-dir", required_argument, NULL, 's'},
		{"format", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option, r = 0;

	optind = 1;
	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		r = read_option(k, option, optarg);
	return r < 0 || k->args.help ? r : check_verb(k, argc, argv);
}

static int say(const struct lt_problem *problem)
{
	char text[1024];

	fprintf(stderr, "ledgertap keys: %s\n", lt_problem_format(problem, text, sizeof(text)));
	return LT_EXIT_FAILED;
}

/* ---- list ---- */

static int print(const struct keys *k, const struct lt_key_list *list)
{
	switch (k->args.format) {
	case LT_FORMAT_JSON:
		lt_key_list_json(list, stdout);
		return 0;
	case LT_FORMAT_CSV:
		lt_key_list_csv(list, stdout);
		return 0;
	default:
		return lt_key_list_table(list, stdout);
	}
}

static int list_keys(struct keys *k)
{
	lt_defer(lt_ledger_closep)
	struct lt_ledger *l = NULL;
	lt_defer(lt_key_list_freep)
	struct lt_key_list *list = NULL;
	size_t found = 0;
	int r, code;

	signal(SIGPIPE, SIG_IGN);
	if (lt_ledger_args_open(&k->args, false, &l) < 0)
		return LT_EXIT_FAILED;
	r = lt_query_begin(l);
	if (r == 0)
		r = lt_key_list_new(l, &k->config->credentials, lt_clock_wall_ns(), &list);
	lt_query_end(l);
	if (r == -ENOENT) {
		fprintf(stderr, "ledgertap keys: this ledger has no inventory of keys yet: start "
				"this version's agent once\n");
		return LT_EXIT_FAILED;
	}
	if (r == 0) {
		found = k->findings ? lt_key_list_only(list, k->findings) : lt_key_list_found(list);
		r = print(k, list);
	}
	code = lt_ledger_args_end(&k->args, l, r);
	return code == LT_EXIT_OK && k->check && found > 0 ? EXIT_FINDINGS : code;
}

/* ---- fingerprint ---- */

/* Reads one line, or all there is, without echo on a terminal. */
static int read_key(uint8_t key[KEY_MAX_BYTES], size_t *ret_n)
{
	struct termios old, silent;
	bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;
	size_t n = 0;
	ssize_t got = 0;

	if (terminal) {
		silent = old;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		fputs("key (it is not shown): ", stderr);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	while (n < KEY_MAX_BYTES && !memchr(key, '\n', n) &&
	       (got = read(STDIN_FILENO, key + n, KEY_MAX_BYTES - n)) > 0)
		n += (size_t)got;
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	while (n > 0 && (key[n - 1] == '\n' || key[n - 1] == '\r' || key[n - 1] == ' '))
		n--;
	*ret_n = n;
	return got < 0 ? -EIO : n == 0 || n >= KEY_MAX_BYTES ? -EINVAL : 0;
}

static void print_key(const struct keys *k, const struct lt_credential *c)
{
	bool named = lt_key_kind_named(c->kind) != NULL;

	if (k->args.format == LT_FORMAT_JSON)
		printf("{\"fingerprint\":\"%016" PRIx64 "\",\"kind\":%s%s%s}\n", c->fp,
		       named ? "\"" : "", named ? c->kind : "null", named ? "\"" : "");
	else
		printf("- {fingerprint: \"%016" PRIx64 "\"%s%s}\n", c->fp, named ? ", kind: " : "",
		       named ? c->kind : "");
}

static int fingerprint(struct keys *k)
{
	struct lt_problem problem = {0};
	struct lt_secrets secrets;
	struct lt_key_secrets under = {.current = secrets.current};
	struct lt_credential c = {.kind = ""};
	uint8_t key[KEY_MAX_BYTES];
	size_t n = 0;
	int r = lt_secrets_load(k->args.state_dir, &k->config->credentials, false, &secrets,
				&problem);

	if (r < 0)
		return say(&problem);
	r = read_key(key, &n);
	if (r == 0)
		lt_ignore(lt_credential_read(&under, k->provider, lt_bytes(key, n), &c));
	lt_wipe(key, sizeof(key));
	lt_wipe(&secrets, sizeof(secrets));
	if (r < 0 || c.fp == 0) {
		fprintf(stderr, "ledgertap keys: standard input has no key\n");
		return LT_EXIT_FAILED;
	}
	print_key(k, &c);
	return lt_ledger_args_end(&k->args, NULL, 0);
}

/* ---- rotate ---- */

static int rotate(struct keys *k)
{
	struct lt_problem problem = {0};

	if (lt_secret_rotate(k->args.state_dir, &k->config->credentials, k->force, &problem) < 0)
		return say(&problem);
	printf("a new secret is in place; start the agent again to use it (systemctl restart "
	       "ledgertap).\nFor %" PRIu64 " days each key that is used is known under both, and "
	       "this command joins them.\nRules on fingerprints, and the config's list of known "
	       "keys, are to have the new ones by then\n(--format json says which is which).\n",
	       k->config->credentials.overlap_ns / 86400000000000);
	return LT_EXIT_OK;
}

int lt_cmd_keys(int argc, char **argv)
{
	struct lt_problem problem = {0};
	struct keys k = {.provider = ""};
	int code;

	lt_ledger_args_init(&k.args, "keys");
	if (parse(argc, argv, &k) < 0)
		return LT_EXIT_USAGE;
	if (k.args.help) {
		fputs(help, stdout);
		return LT_EXIT_OK;
	}
	if (lt_config_load(k.config_path, &k.config, &problem) < 0)
		return say(&problem);
	code = strcmp(k.verb, "fingerprint") == 0 ? fingerprint(&k)
	       : strcmp(k.verb, "rotate") == 0	  ? rotate(&k)
						  : list_keys(&k);
	lt_config_free(k.config);
	return code;
}
