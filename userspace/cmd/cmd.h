/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the one binary. Each gets its own argv (argv[0] is its name) and returns an exit
 * code. */
#pragma once

enum lt_exit {
	LT_EXIT_OK = 0,
	LT_EXIT_FAILED = 1, /* said on stderr, with what to do */
	LT_EXIT_USAGE = 2,  /* the command line is wrong */
};

int lt_cmd_agent(int argc, char **argv);
int lt_cmd_calls(int argc, char **argv);
int lt_cmd_report(int argc, char **argv);
int lt_cmd_runs(int argc, char **argv);
int lt_cmd_rules(int argc, char **argv);
int lt_cmd_export(int argc, char **argv);
int lt_cmd_sinks(int argc, char **argv);
int lt_cmd_replay(int argc, char **argv);
int lt_cmd_prices(int argc, char **argv);
int lt_cmd_containers(int argc, char **argv);
int lt_cmd_doctor(int argc, char **argv);
int lt_cmd_pods(int argc, char **argv);
int lt_cmd_probe_info(int argc, char **argv);
int lt_cmd_keys(int argc, char **argv);
int lt_cmd_version(int argc, char **argv);
