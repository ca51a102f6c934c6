// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/ledger_args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/parse.h"
#include "userspace/cmd/cmd.h"
#include "userspace/control/config.h"

void lt_ledger_args_init(struct lt_ledger_args *a, const char *command)
{
	*a = (struct lt_ledger_args){.command = command, .state_dir = LT_STATE_PATH};
	lt_filter_init(&a->filter);
}

int lt_ledger_args_wrong(const struct lt_ledger_args *a, const char *what, const char *value)
{
	fprintf(stderr, "ledgertap %s: %s%s%s%s; see ledgertap %s --help\n", a->command, what,
		value ? ", not '" : "", value ? value : "", value ? "'" : "", a->command);
	return -EINVAL;
}

static int read_format(struct lt_ledger_args *a, const char *value)
{
	static const char *const name[] = {
		[LT_FORMAT_TABLE] = "table",
		[LT_FORMAT_JSON] = "json",
		[LT_FORMAT_JSONL] = "jsonl",
		[LT_FORMAT_CSV] = "csv",
	};

	for (unsigned i = 0; i < LT_COUNT(name); i++) {
		if (strcmp(value, name[i]) != 0)
			continue;
		a->format = i;
		return 0;
	}
	return lt_ledger_args_wrong(a, "--format takes table, json, jsonl or csv", value);
}

static int read_moment(struct lt_ledger_args *a, const char *value, int64_t *ret)
{
	if (lt_parse_moment(lt_bytes_str(value), lt_clock_wall_ns(), ret) == 0)
		return 0;
	return lt_ledger_args_wrong(a, "a time is 2h, 7d, 2026-11-24 or 2026-11-24T09:30:00Z",
				    value);
}

static int read_pid(struct lt_ledger_args *a, const char *value)
{
	uint64_t pid;

	if (lt_parse_u64(lt_bytes_str(value), &pid) < 0 || pid > UINT32_MAX)
		return lt_ledger_args_wrong(a, "--pid takes the number of a process", value);
	a->filter.pid = (int64_t)pid;
	return 0;
}

int lt_ledger_args_option(struct lt_ledger_args *a, int option, const char *value)
{
	const char **text[128] = {
		['s'] = &a->state_dir,	     ['t'] = &a->filter.tenant,
		['T'] = &a->filter.team,     ['p'] = &a->filter.provider,
		['m'] = &a->filter.model,    ['c'] = &a->filter.container,
		['C'] = &a->filter.comm,     ['N'] = &a->filter.namespace,
		['W'] = &a->filter.workload, ['A'] = &a->filter.agent,
		['R'] = &a->filter.run,
	};

	switch (option) {
	case 'f':
		return read_format(a, value);
	case 'S':
		return read_moment(a, value, &a->filter.since_ns);
	case 'U':
		return read_moment(a, value, &a->filter.until_ns);
	case 'P':
		return read_pid(a, value);
	case 'h':
		a->help = true;
		return 0;
	}
	if (option <= 0 || (size_t)option >= LT_COUNT(text) || !text[option]) {
		fprintf(stderr, "see ledgertap %s --help\n", a->command);
		return -EINVAL; /* getopt has said what is wrong */
	}
	*text[option] = value;
	return 0;
}

int lt_ledger_args_open(const struct lt_ledger_args *a, bool quiet, struct lt_ledger **ret)
{
	struct lt_problem problem = {0};
	char text[1024];
	int r;

	r = lt_ledger_open(a->state_dir, LT_LEDGER_READ, ret, &problem);
	if (problem.text[0] && !(quiet && (r == -ENOENT || r == -EBUSY)))
		fprintf(stderr, "ledgertap %s: %s\n", a->command,
			lt_problem_format(&problem, text, sizeof(text)));
	return r;
}

int lt_ledger_args_output(void)
{
	static int error; /* the first one: later calls may change errno */

	if (ferror(stdout) && error == 0)
		error = errno ? -errno : -EIO;
	return error;
}

int lt_ledger_args_end(const struct lt_ledger_args *a, struct lt_ledger *l, int r)
{
	int output = lt_ledger_args_output();

	if (output == 0 && fflush(stdout) != 0)
		output = -errno;
	if (output == -EPIPE)
		return LT_EXIT_OK;
	if (output < 0) {
		fprintf(stderr, "ledgertap %s: the output cannot be written: %s\n", a->command,
			strerror(-output));
		return LT_EXIT_FAILED;
	}
	if (r < 0) {
		fprintf(stderr, "ledgertap %s: the ledger cannot be read: %s\n", a->command,
			r != -ENOMEM ? lt_ledger_error(l) : strerror(-r));
		return LT_EXIT_FAILED;
	}
	return LT_EXIT_OK;
}
