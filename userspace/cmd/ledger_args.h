/* SPDX-License-Identifier: Apache-2.0 */
/* The options that calls, report and export have in common: which ledger, which records, which
 * format. */
#pragma once

#include <getopt.h>

#include "userspace/ledger/query.h"

enum lt_format { LT_FORMAT_TABLE, LT_FORMAT_JSON, LT_FORMAT_JSONL, LT_FORMAT_CSV };

struct lt_ledger_args {
	const char *command; /* for what is said on stderr */
	const char *state_dir;
	enum lt_format format;
	struct lt_filter filter;
	bool help; /* asked for and to be printed */
};

/* The entries of a getopt table that lt_ledger_args_option understands. */
#define LT_LEDGER_OPTIONS                                                                          \
	{"state-dir", required_argument, NULL, 's'}, {"format", required_argument, NULL, 'f'},     \
		{"since", required_argument, NULL, 'S'}, {"until", required_argument, NULL, 'U'},  \
		{"tenant", required_argument, NULL, 't'}, {"team", required_argument, NULL, 'T'},  \
		{"provider", required_argument, NULL, 'p'},                                        \
		{"model", required_argument, NULL, 'm'},                                           \
		{"container", required_argument, NULL, 'c'},                                       \
		{"namespace", required_argument, NULL, 'N'},                                       \
		{"workload", required_argument, NULL, 'W'},                                        \
		{"agent", required_argument, NULL, 'A'}, {"run", required_argument, NULL, 'R'},    \
		{"pid", required_argument, NULL, 'P'}, {"comm", required_argument, NULL, 'C'},     \
		{"help", no_argument, NULL, 'h'},                                                  \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

#define LT_LEDGER_OPTIONS_HELP                                                                     \
	"  --since T          from then on: 2h, 7d, 2026-11-24 or 2026-11-24T09:30:00Z\n"          \
	"  --until T          before then\n"                                                       \
	"  --tenant G, --team G, --provider G, --model G, --comm G, --namespace G, --workload "    \
	"G,\n"                                                                                     \
	"  --agent G          only these; * and ? stand for any characters\n"                      \
	"  --container ID     only this container: the first characters of its id, or its name\n"  \
	"  --run ID           only this run of an agent\n"                                         \
	"  --pid N            only this process\n"                                                 \
	"  --state-dir DIR    where the ledger is (" LT_STATE_PATH ")\n"                           \
	"  --help             this text\n"

void lt_ledger_args_init(struct lt_ledger_args *a, const char *command);
/* One option of getopt_long's. -EINVAL: wrong, said on stderr. */
LT_MUST_CHECK int lt_ledger_args_option(struct lt_ledger_args *a, int option, const char *value);
/* Says on stderr what is wrong with the command line. Returns -EINVAL. */
int lt_ledger_args_wrong(const struct lt_ledger_args *a, const char *what, const char *value);
/* Opens for reading; says on stderr what went wrong and what to do, unless @quiet and there is no
 * ledger. */
LT_MUST_CHECK int lt_ledger_args_open(const struct lt_ledger_args *a, bool quiet,
				      struct lt_ledger **ret);
/* Whether the output can still be written: 0, -EPIPE (its reader has seen enough), -ENOSPC ... */
LT_MUST_CHECK int lt_ledger_args_output(void);
/* Ends the output. The exit code: a reader that has seen enough and closed the pipe is no failure.
 */
LT_MUST_CHECK int lt_ledger_args_end(const struct lt_ledger_args *a, struct lt_ledger *l, int r);
