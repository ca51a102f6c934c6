// SPDX-License-Identifier: Apache-2.0
/* What this host allows and what would be attached: read-only, beside a running agent or without
 * one. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/parse.h"
#include "userspace/capture/features.h"
#include "userspace/cmd/cmd.h"
#include "userspace/control/config.h"
#include "userspace/decode/catalog.h"
#include "userspace/discover/scout.h"
#include "userspace/price/book.h"

enum {
	CAP_SYS_PTRACE_ = 19,
	CAP_SYS_ADMIN_ = 21,
	CAP_PERFMON_ = 38,
	CAP_BPF_ = 39,
	CAP_CHECKPOINT_RESTORE_ = 40
};

struct doctor {
	unsigned problems;
	unsigned files, refused;
};

static void usage(FILE *out)
{
	fprintf(out,
		"usage: ledgertap doctor [--config FILE]\n\n"
		"Shows what the kernel and the privileges allow, which files with TLS functions "
		"the running\n"
		"processes have mapped, and whether config, catalog and price book are sound.\n"
		"Exit code 1 when something keeps the agent from working.\n");
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

	lt_features_probe(&f);
	printf("kernel %s\n", f.release);
	line(d, f.btf, "BTF (/sys/kernel/btf/vmlinux)",
	     "needs 5.8 or later with CONFIG_DEBUG_INFO_BTF");
	line(d, f.bpf, "BPF programs load", f.bpf ? "" : strerror(-f.bpf_error));
	extra(f.uprobe_multi, "uprobe_multi links (6.6)",
	      "perf events instead, detaching takes longer");
	extra(f.attach_cookie, "attach cookies (5.15)", "one program for each function instead");
	extra(f.bpf_loop, "bpf_loop (5.17)", "one TLS call is copied up to 512 KiB");
	extra(f.preempt_guard, "preemption guard (6.10)", "not needed before 6.13");
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
	extra(has_capability(set, CAP_SYS_PTRACE_), "CAP_SYS_PTRACE",
	      "needed to look into other processes' files");
	extra(has_capability(set, CAP_CHECKPOINT_RESTORE_) || has_capability(set, CAP_SYS_ADMIN_),
	      "CAP_CHECKPOINT_RESTORE", "needed to open /proc/PID/map_files");
}

static void on_file(void *arg, const struct lt_scout_file *file)
{
	struct doctor *d = arg;

	d->files++;
	if (file->error < 0) {
		d->refused++;
		printf("  NO   %s (pid %u): %s\n", file->path, file->pid, strerror(-file->error));
		return;
	}
	printf("  ok   %s: %s, %u functions (first seen in pid %u)\n", file->path, file->collector,
	       file->probes, file->pid);
}

static void files(struct doctor *d)
{
	int r;

	printf("files with TLS functions that processes have mapped now\n");
	r = lt_scout_survey(on_file, d);
	if (r < 0)
		line(d, false, "processes", strerror(-r));
	else if (d->files == 0)
		printf("  none: no running process uses a TLS library that ledgertap knows "
		       "(OpenSSL with symbols)\n");
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
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *config_path = NULL;
	struct doctor d = {0};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return LT_EXIT_OK;
		}
		if (c != 'c') {
			usage(stderr);
			return LT_EXIT_USAGE;
		}
		config_path = optarg;
	}
	kernel(&d);
	capabilities();
	files(&d);
	data(&d, config_path);
	if (d.problems > 0)
		printf("%u thing%s to mend\n", d.problems, d.problems == 1 ? "" : "s");
	else
		printf("all is well\n");
	return d.problems > 0 ? LT_EXIT_FAILED : LT_EXIT_OK;
}
