// SPDX-License-Identifier: Apache-2.0
/* What this host allows and what would be attached: read-only, beside a running agent or without
 * one. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/parse.h"
#include "userspace/capture/features.h"
#include "userspace/cmd/cmd.h"
#include "userspace/control/config.h"
#include "userspace/decode/catalog.h"
#include "userspace/discover/survey.h"
#include "userspace/ledger/query.h"
#include "userspace/price/book.h"
#include "userspace/view/table.h"

enum {
	CAP_NET_ADMIN_ = 12,
	CAP_SYS_PTRACE_ = 19,
	CAP_SYS_ADMIN_ = 21,
	CAP_PERFMON_ = 38,
	CAP_BPF_ = 39,
	CAP_CHECKPOINT_RESTORE_ = 40
};

enum { LEDGER_DAYS = 30, ROWS_MAX = 50 };

struct doctor {
	const char *config_path, *state_dir;
	unsigned problems;
	struct lt_table *table;
};

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: ledgertap doctor [--config FILE] [--state-dir DIR]\n\n"
		"Shows what the kernel and the privileges allow, which processes and libraries "
		"with TLS are\n"
		"attached and which are not and why, whether config, catalog and price book are "
		"sound, which\n"
		"programs of the last 30 days called AI hosts through TLS that is not read, and "
		"which hosts\n"
		"were decoded without being known by name. Changes nothing.\n\n"
		"  --config FILE     as for the agent (" LT_CONFIG_PATH ")\n"
		"  --state-dir DIR   where the ledger is (" LT_STATE_PATH ")\n"
		"  --help            this text\n\n"
		"Exit codes: 0 all is well, 1 something keeps the agent from working, 2 wrong "
		"usage.\n");
}

static void line(struct doctor *d, bool good, const char *what, const char *advice)
{
	printf("  %-4s %s%s%s\n", good ? "ok" : "NO", what, good || !advice[0] ? "" : ": ",
	       good ? "" : advice);
	if (!good)
		d->problems++;
}

/* Good to have, and works without. */
static void extra(bool there, const char *what, const char *without)
{
	printf("  %-4s %s%s%s\n", there ? "ok" : "-", what, there ? "" : ": ",
	       there ? "" : without);
}

static void kernel(struct doctor *d)
{
	struct lt_features f;
	char text[128];

	lt_features_probe(&f);
	printf("kernel %s\n", f.release);
	line(d, f.btf, "BTF (/sys/kernel/btf/vmlinux)",
	     "needs 5.8 or later with CONFIG_DEBUG_INFO_BTF");
	snprintf(text, sizeof(text), "%s; run as root, or with the capabilities below",
		 f.bpf ? "" : strerror(-f.bpf_error));
	line(d, f.bpf, "BPF programs load", text);
	extra(f.uprobe_multi, "uprobe_multi links (6.6)",
	      "perf events instead, detaching takes longer");
	extra(f.attach_cookie, "attach cookies (5.15)", "one program for each function instead");
	extra(f.bpf_loop, "bpf_loop (5.17)", "one TLS call is copied up to 512 KiB");
	extra(f.preempt_guard, "preemption guard (6.10)", "not needed before 6.13");
	extra(f.socket_events, "events of sockets (6.3)",
	      "HTTP in the clear is read from system calls, once somebody connects");
	extra(f.cgroup_skb, "programs for packets of a cgroup",
	      "AI hosts called through a TLS stack that is not read give no flow records");
	extra(!f.uretprobe_kills, "return probes spare programs under seccomp",
	      "RETs of functions get probes of their own, where that can be");
	extra(f.mmap_events, "notices of new mappings (perf)",
	      "new libraries are found by the sweep alone");
	line(d, f.map_files, "/proc/PID/map_files opens",
	     "needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN");
}

static bool has_capability(uint64_t set, int number)
{
	return set >> number & 1;
}

static void capabilities(void)
{
	lt_defer(lt_fclosep)
	FILE *status = fopen("/proc/self/status", "re");
	uint64_t set = 0;
	char text[256];

	while (status && fgets(text, sizeof(text), status)) {
		if (strncmp(text, "CapEff:\t", 8) == 0)
			lt_ignore(lt_parse_hex_u64(lt_bytes(text + 8, strcspn(text + 8, "\n")),
						   &set));
	}
	printf("capabilities\n");
	extra(has_capability(set, CAP_BPF_) || has_capability(set, CAP_SYS_ADMIN_), "CAP_BPF",
	      "needed to load programs");
	extra(has_capability(set, CAP_PERFMON_) || has_capability(set, CAP_SYS_ADMIN_),
	      "CAP_PERFMON", "needed to load tracing programs");
	extra(has_capability(set, CAP_NET_ADMIN_), "CAP_NET_ADMIN",
	      "needed for flow records of what is not read");
	extra(has_capability(set, CAP_SYS_PTRACE_), "CAP_SYS_PTRACE",
	      "needed to look into other processes' files");
	extra(has_capability(set, CAP_CHECKPOINT_RESTORE_) || has_capability(set, CAP_SYS_ADMIN_),
	      "CAP_CHECKPOINT_RESTORE", "needed to open /proc/PID/map_files");
}

/* "4711, 4712 and 3 more" */
static const char *name_processes(const struct lt_survey_file *file, char *to, size_t size)
{
	size_t n = 0;

	to[0] = '\0';
	for (unsigned i = 0; i < file->processes && i < LT_SURVEY_PIDS && n < size; i++)
		n += (size_t)snprintf(to + n, size - n, "%s%u", i > 0 ? ", " : "", file->pids[i]);
	if (file->processes > LT_SURVEY_PIDS && n < size)
		snprintf(to + n, size - n, " and %u more", file->processes - LT_SURVEY_PIDS);
	return to;
}

static void on_file(void *arg, const struct lt_survey_file *file)
{
	struct doctor *d = arg;
	char what[128], processes[128];
	const char *const cells[] = {
		file->collector ? "  ok" : "  -",
		file->path,
		what,
		name_processes(file, processes, sizeof(processes)),
	};

	if (file->collector)
		snprintf(what, sizeof(what), "%s, %u functions", file->collector, file->probes);
	else
		snprintf(what, sizeof(what), "not attached: %s is not read yet", file->foreign);
	lt_ignore(lt_table_row(d->table, cells, NULL)); /* out of memory: one row less */
}

static int begin_table(struct doctor *d, const struct lt_table_column *columns, size_t count)
{
	d->table = lt_table_free(d->table);
	return lt_table_new(columns, count, lt_terminal_width(stdout), lt_terminal_colour(stdout),
			    &d->table);
}

static void files(struct doctor *d)
{
	static const struct lt_table_column columns[] = {
		{.title = "  "},
		{.title = "FILE", .least = 20},
		{.title = "TLS", .least = 16},
		{.title = "PROCESSES", .least = 10},
	};
	struct lt_survey_totals totals;
	char text[160];
	int r;

	printf("files with TLS that processes have mapped now\n  %s\n",
	       lt_ledger_has_writer(d->state_dir) ? "the agent runs: those marked ok are attached"
						  : "no agent runs with this state directory: "
						    "those marked ok would be attached");
	r = begin_table(d, columns, LT_COUNT(columns));
	if (r == 0)
		r = lt_survey("/proc", on_file, d, &totals);
	if (r < 0) {
		line(d, false, "processes", strerror(-r));
		return;
	}
	if (lt_table_rows(d->table) > 0)
		lt_table_print(d->table, stdout);
	else if (totals.closed == 0)
		printf("  none: no running process uses a TLS library\n");
	if (totals.broken > 0)
		printf("  -    %u mapped files are damaged ELF files and are not attached\n",
		       totals.broken);
	snprintf(text, sizeof(text), "%u of %u processes may be looked into",
		 totals.processes - totals.closed, totals.processes);
	extra(totals.closed == 0, text,
	      "the others' files are not attached; run as root, or with CAP_SYS_PTRACE and "
	      "CAP_CHECKPOINT_RESTORE");
}

static int on_host(void *arg, const struct lt_host_calls *host)
{
	struct doctor *d = arg;
	char calls[LT_HUMAN_TEXT], last[LT_HUMAN_TEXT];
	const char *const cells[] = {
		"  -",
		host->host,
		lt_human_number(host->calls, calls),
		lt_human_time(host->last_ns, lt_clock_wall_ns(), last),
	};

	return lt_table_row(d->table, cells, NULL);
}

static void say_how_to_name_hosts(void)
{
	printf("  To call such a host by a name, and to price it, add it to the config:\n"
	       "    hosts:\n"
	       "      - host: \"HOST\"\n"
	       "        provider: openai_compatible   # or a provider whose API it speaks\n"
	       "        name: NAME\n");
}

static int on_program(void *arg, const struct lt_flow_program *program)
{
	struct doctor *d = arg;
	char connections[LT_HUMAN_TEXT], last[LT_HUMAN_TEXT];
	const char *const cells[] = {
		"  -",
		program->exe ? program->exe : program->comm,
		program->host,
		lt_human_number(program->connections, connections),
		lt_human_time(program->last_ns, lt_clock_wall_ns(), last),
	};

	return lt_table_row(d->table, cells, NULL);
}

/* Prints what @r, the filling of the table, has brought. False: nothing to speak of. */
static bool end_table(struct doctor *d, const struct lt_ledger *ledger, int r)
{
	if (r < 0) {
		line(d, false, "ledger", r == -ENOMEM ? strerror(-r) : lt_ledger_error(ledger));
		return false;
	}
	if (lt_table_rows(d->table) == 0) {
		printf("  none\n");
		return false;
	}
	lt_table_print(d->table, stdout);
	return true;
}

/* Hosts that nobody named speak a known shape: perhaps a gateway, perhaps spend that nobody told
 * of. */
static void unnamed_hosts(struct doctor *d, struct lt_ledger *ledger, int64_t since_ns)
{
	static const struct lt_table_column columns[] = {
		{.title = "  "},
		{.title = "HOST", .least = 20},
		{.title = "CALLS", .align = LT_RIGHT},
		{.title = "LAST SEEN"},
	};
	int r;

	printf("hosts that no provider is known for, decoded as \"compatible\" in the last %d "
	       "days\n",
	       LEDGER_DAYS);
	r = begin_table(d, columns, LT_COUNT(columns));
	if (r == 0)
		r = lt_query_hosts(ledger, "compatible", since_ns, ROWS_MAX, on_host, d);
	if (end_table(d, ledger, r))
		say_how_to_name_hosts();
}

static void unread_programs(struct doctor *d, struct lt_ledger *ledger, int64_t since_ns)
{
	static const struct lt_table_column columns[] = {
		{.title = "  "},
		{.title = "PROGRAM", .least = 20},
		{.title = "HOST", .least = 20},
		{.title = "CONNECTIONS", .align = LT_RIGHT},
		{.title = "LAST SEEN"},
	};
	int r;

	printf("programs that called AI hosts through TLS that is not read in the last %d days\n",
	       LEDGER_DAYS);
	r = begin_table(d, columns, LT_COUNT(columns));
	if (r == 0)
		r = lt_query_flow_programs(ledger, since_ns, ROWS_MAX, on_program, d);
	lt_ignore(end_table(d, ledger, r));
}

/* What the ledger says of what is not as it could be. */
static void ledger(struct doctor *d)
{
	int64_t since_ns = lt_clock_wall_ns() - LEDGER_DAYS * 86400LL * 1000000000;
	lt_defer(lt_ledger_closep)
	struct lt_ledger *ledger = NULL;
	struct lt_problem problem = {0};
	char text[1024];
	int r;

	r = lt_ledger_open(d->state_dir, LT_LEDGER_READ, &ledger, &problem);
	if (r == -ENOENT) {
		printf("ledger\n  -    unknown: no ledger in %s yet\n", d->state_dir);
		return;
	}
	if (r < 0) {
		printf("ledger\n");
		line(d, false, "ledger", lt_problem_format(&problem, text, sizeof(text)));
		return;
	}
	unread_programs(d, ledger, since_ns);
	unnamed_hosts(d, ledger, since_ns);
}

static void data(struct doctor *d, const char *config_path)
{
	lt_defer(lt_config_freep)
	struct lt_config *config = NULL;
	lt_defer(lt_catalog_freep)
	struct lt_catalog *catalog = NULL;
	lt_defer(lt_book_freep)
	struct lt_book *book = NULL;
	struct lt_problem problem = {0};
	char text[1024];
	size_t providers, apis;

	printf("data\n");
	if (lt_config_load(config_path, &config, &problem) < 0) {
		line(d, false, "config", lt_problem_format(&problem, text, sizeof(text)));
		return;
	}
	line(d, true, "config", "");
	if (lt_catalog_load(config->providers_dir, &catalog, &problem) < 0) {
		line(d, false, "provider catalog", lt_problem_format(&problem, text, sizeof(text)));
	} else {
		lt_catalog_size(catalog, &providers, &apis);
		snprintf(text, sizeof(text),
			 "provider catalog: %zu providers, %zu metered APIs, %zu hosts by config",
			 providers, apis, config->host_count);
		line(d, true, text, "");
	}
	if (lt_book_load(config->price_book, config->price_overlay, &book, &problem) < 0) {
		line(d, false, "price book", lt_problem_format(&problem, text, sizeof(text)));
	} else {
		snprintf(text, sizeof(text), "price book %s from %s: %zu models",
			 lt_book_version(book), lt_book_source(book), lt_book_size(book));
		line(d, true, text, "");
	}
}

int lt_cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"state-dir", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct doctor d = {.state_dir = LT_STATE_PATH};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return LT_EXIT_OK;
		}
		if (c != 'c' && c != 's') {
			usage(stderr);
			return LT_EXIT_USAGE;
		}
		*(c == 'c' ? &d.config_path : &d.state_dir) = optarg;
	}
	if (optind < argc) {
		fprintf(stderr, "ledgertap doctor: unexpected argument '%s'\n", argv[optind]);
		return LT_EXIT_USAGE;
	}
	kernel(&d);
	capabilities();
	files(&d);
	data(&d, d.config_path);
	ledger(&d);
	d.table = lt_table_free(d.table);
	if (d.problems > 0)
		printf("%u thing%s to mend\n", d.problems, d.problems == 1 ? "" : "s");
	else
		printf("all is well\n");
	return d.problems > 0 ? LT_EXIT_FAILED : LT_EXIT_OK;
}
