// SPDX-License-Identifier: Apache-2.0
/* What would be hooked in a file, and how that was found: for a client that gives no records, and
 * for a look at a new release of one before it is rolled out. Reads the file, changes nothing. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/elf_image.h"
#include "collectors/foreign.h"
#include "userspace/base/clock.h"
#include "userspace/cmd/cmd.h"

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: ledgertap probe-info FILE...\n\n"
		"Says which TLS functions of an executable or library would be hooked, where they "
		"are and how\n"
		"they were found. Needs no privilege but to read the file.\n\n"
		"Exit codes: 0 every file can be read, 1 one cannot (the output says why), 2 wrong "
		"usage.\n");
}

static const char *machine_name(unsigned machine)
{
	return machine == EM_X86_64    ? "x86-64"
	       : machine == EM_AARCH64 ? "arm64"
				       : "a machine that is not supported";
}

static void print_image(const struct lt_elf_image *image, int fd)
{
	uint8_t id[LT_BUILD_ID_MAX];
	size_t n = lt_elf_build_id(image, id);
	struct stat st = {0};

	lt_ignore(fstat(fd, &st));
	printf("  file      %s, %s, %.1f MB\n", machine_name(lt_elf_machine(image)),
	       lt_elf_type(image) == ET_EXEC ? "fixed addresses (ET_EXEC)"
					     : "position independent (ET_DYN)",
	       (double)st.st_size / 1e6);
	printf("  build id  %s", n ? "" : "none");
	for (size_t i = 0; i < n; i++)
		printf("%02x", id[i]);
	printf("\n");
}

static void print_plan(const struct lt_probe_plan *plan)
{
	static const char *const found[] = {
		[LT_FOUND_SYMBOLS] = "by the file's symbols",
		[LT_FOUND_GO_TABLE] = "by the table of functions that Go programs carry",
		[LT_FOUND_CODE] = "by what the code does, without symbols",
	};

	printf("  TLS       %s, %u functions, found %s\n", plan->collector, plan->count,
	       found[plan->found]);
	for (unsigned i = 0; i < plan->count; i++)
		printf("    %#12llx  %s\n", (unsigned long long)plan->probes[i].offset,
		       plan->probes[i].symbol);
}

static int examine(const struct lt_elf_image *image)
{
	struct lt_probe_plans plans;
	const char *foreign;
	int r = lt_collector_plans(image, &plans);

	if (r < 0 && r != -ENOENT) {
		printf("  TLS       not told: %s\n", strerror(-r));
		return r;
	}
	for (unsigned i = 0; i < plans.count; i++)
		print_plan(&plans.plans[i]);
	if (plans.count > 0)
		return 0;
	foreign = lt_collector_foreign(image);
	if (foreign)
		printf("  TLS       %s: it cannot be read\n", foreign);
	else
		printf("  TLS       none that is known: what it sends goes through a library of "
		       "its "
		       "own (ldd), or is not seen\n");
	return -ENOENT;
}

static int show(const char *path)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t begin_ns;
	int r = fd < 0 ? -errno : lt_elf_open(fd, &image);

	if (r < 0) {
		fprintf(stderr, "ledgertap probe-info: %s: %s\n", path,
			r == -ENOEXEC	? "no 64-bit ELF file"
			: r == -EBADMSG ? "a broken ELF file (cut short?)"
					: strerror(-r));
		return r;
	}
	printf("%s\n", path);
	print_image(image, fd);
	begin_ns = lt_clock_boot_ns();
	r = examine(image);
	printf("  examined  in %.3f s\n", (double)(lt_clock_boot_ns() - begin_ns) / 1e9);
	return r;
}

int lt_cmd_probe_info(int argc, char **argv)
{
	int exit_code = LT_EXIT_OK;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return LT_EXIT_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		usage(stderr);
		return LT_EXIT_USAGE;
	}
	for (int i = 1; i < argc; i++) {
		if (show(argv[i]) < 0)
			exit_code = LT_EXIT_FAILED;
	}
	return exit_code;
}
