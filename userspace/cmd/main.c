// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/cmd/cmd.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"agent", lt_cmd_agent, "capture the calls of this host into the ledger"},
	{"calls", lt_cmd_calls, "list calls, or follow them as they happen"},
	{"report", lt_cmd_report, "tokens and money by tenant, model, container ..."},
	{"runs", lt_cmd_runs, "runs of agents: steps, calls, tools, cost"},
	{"keys", lt_cmd_keys, "which API keys were used by whom, unknown and shared ones"},
	{"rules", lt_cmd_rules, "check the attribution rules; why a record got its tenant"},
	{"export", lt_cmd_export, "write the records for others: FOCUS, CSV, JSON lines"},
	{"sinks", lt_cmd_sinks, "how far the sinks have come, and what they refused"},
	{"replay", lt_cmd_replay, "decode and price recorded exchanges (HAR files)"},
	{"prices", lt_cmd_prices, "show the price book, look a model up"},
	{"containers", lt_cmd_containers, "what the container runtimes of this host tell"},
	{"doctor", lt_cmd_doctor,
	 "what this host and kernel allow, what is attached and what is not"},
	{"pods", lt_cmd_pods, "what Kubernetes says of the pods of this node"},
	{"probe-info", lt_cmd_probe_info,
	 "which functions of a program or library are hooked, and how they were found"},
	{"version", lt_cmd_version, "print the version"},
};

static void usage(FILE *out)
{
	fprintf(out, "ledgertap keeps the ledger of the LLM and tool API calls on this host.\n\n"
		     "usage: ledgertap COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < LT_COUNT(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(out,
		"\n'ledgertap COMMAND --help' tells the options of a command.\n"
		"Exit codes: 0 fine, 1 failed (stderr says what and what to do), 2 wrong usage.\n");
}

int lt_cmd_version(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		printf("Usage: ledgertap version\n\nPrints the version.\n");
		return LT_EXIT_OK;
	}
	if (argc > 1) {
		fprintf(stderr, "ledgertap version: takes no arguments\n");
		return LT_EXIT_USAGE;
	}
	printf("ledgertap %s\n", LT_VERSION);
	return LT_EXIT_OK;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		usage(stderr);
		return LT_EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		usage(stdout);
		return LT_EXIT_OK;
	}
	if (strcmp(name, "--version") == 0)
		name = "version";
	for (size_t i = 0; i < LT_COUNT(commands); i++) {
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "ledgertap: there is no command '%s'; 'ledgertap --help' lists them\n",
		name);
	return LT_EXIT_USAGE;
}
