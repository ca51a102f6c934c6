// SPDX-License-Identifier: Apache-2.0
/* A /proc of our own: maps are files, map_files are links to real ELF files made by the compiler.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "userspace/discover/survey.h"

static char directory[64];

static void run(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/lt-survey.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	run("cd %s && mkdir proc && echo 'int SSL_read(void){return 0;} int SSL_write(void){return "
	    "0;}' >tls.c && gcc -shared -fPIC -nostdlib tls.c -o tls.so",
	    directory);
	/* A name as an old Go has it, without the table that Go is read by. */
	run("cd %s && n='\"crypto/tls.(*Conn).Write\"' && echo \".globl $n; .type $n, %%function; "
	    "$n: .quad 0\" >other.s && gcc -shared -nostdlib other.s -o other.so",
	    directory);
	run("cd %s && echo 'int plain(void){return 0;}' >plain.c && gcc -shared -fPIC -nostdlib "
	    "plain.c -o plain.so && head -c 4000 tls.so >broken.so && echo text >text",
	    directory);
	return 0;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

/* Process @pid maps @name at @start; @device as its mount shows it, 0: the file's own. */
static void map(unsigned pid, const char *name, unsigned long start, uint64_t device)
{
	char path[256];
	struct stat st;
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(stat(path, &st), 0);
	if (device == 0)
		device = st.st_dev;
	run("mkdir -p %s/proc/%u/map_files", directory, pid);
	run("ln -sf %s %s/proc/%u/map_files/%lx-%lx", path, directory, pid, start, start + 0x1000);
	snprintf(path, sizeof(path), "%s/proc/%u/maps", directory, pid);
	out = fopen(path, "a");
	assert_non_null(out);
	fprintf(out, "%lx-%lx r--p 00000000 %02x:%02x %lu  %s\n", start - 0x1000, start,
		major(device), minor(device), (unsigned long)st.st_ino, name);
	fprintf(out, "%lx-%lx r-xp 00001000 %02x:%02x %lu  %s\n", start, start + 0x1000,
		major(device), minor(device), (unsigned long)st.st_ino, name);
	assert_int_equal(fclose(out), 0);
}

struct got {
	struct lt_survey_file files[8];
	char paths[8][256], collectors[8][48];
	size_t count;
};

static void note(void *arg, const struct lt_survey_file *file)
{
	struct got *got = arg;

	assert_in_range(got->count, 0, 7);
	snprintf(got->paths[got->count], 256, "%s", file->path);
	snprintf(got->collectors[got->count], 48, "%s", file->collector ? file->collector : "");
	got->files[got->count] = *file;
	if (file->collector)
		got->files[got->count].collector = got->collectors[got->count];
	got->count++;
}

static const struct lt_survey_file *find(const struct got *got, const char *name)
{
	for (size_t i = 0; i < got->count; i++) {
		if (strstr(got->paths[i], name))
			return &got->files[i];
	}
	fail_msg("%s was not told of", name);
	return NULL;
}

static void files_and_their_processes(void **state)
{
	const struct lt_survey_file *file;
	struct lt_survey_totals totals;
	struct got got = {0};
	char proc[128];

	(void)state;
	for (unsigned pid = 101; pid <= 106; pid++)
		map(pid, "tls.so", 0x10000 * pid, 0);
	map(101, "tls.so", 0x90000000, 0); /* a second executable segment is no second process */
	map(102, "other.so", 0x80000000, 0);
	for (unsigned pid = 101; pid <= 103; pid++)
		map(pid, "plain.so", 0x70000000, 0);
	map(103, "broken.so", 0x60000000, 0);
	map(103, "text", 0x50000000, 0);
	run("mkdir %s/proc/self2 %s/proc/107; echo 'a-b r-xp 0 fe:01 99 /gone' >%s/proc/107/maps",
	    directory, directory, directory);
	snprintf(proc, sizeof(proc), "%s/proc", directory);
	assert_int_equal(lt_survey(proc, note, &got, &totals), 0);
	assert_int_equal(got.count, 2);
	file = find(&got, "tls.so");
	assert_string_equal(file->collector, "openssl");
	assert_int_equal(file->probes, 2);
	assert_null(file->foreign);
	assert_int_equal(file->processes, 6);
	for (int i = 0; i < LT_SURVEY_PIDS; i++)
		assert_in_range(file->pids[i], 101, 106);
	file = find(&got, "other.so");
	assert_null(file->collector);
	assert_string_equal(file->foreign, "Go crypto/tls");
	assert_int_equal(file->processes, 1);
	assert_int_equal(file->pids[0], 102);
	assert_int_equal(totals.processes, 7);
	assert_int_equal(totals.broken, 1);
	assert_int_equal(totals.closed, 0);
}

/* The same file through another path and device number is one file with two processes. */
static void one_file_through_two_mounts(void **state)
{
	struct lt_survey_totals totals;
	struct got got = {0};
	char proc[128];

	(void)state;
	run("rm -rf %s/proc && mkdir %s/proc && ln -f %s/tls.so %s/again.so", directory, directory,
	    directory, directory);
	map(201, "tls.so", 0x10000, makedev(0, 77));
	map(202, "again.so", 0x10000, makedev(0, 78));
	map(203, "again.so", 0x10000, makedev(0, 78));
	snprintf(proc, sizeof(proc), "%s/proc", directory);
	assert_int_equal(lt_survey(proc, note, &got, &totals), 0);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.files[0].processes, 3);
}

static void no_proc(void **state)
{
	struct lt_survey_totals totals;
	struct got got = {0};

	(void)state;
	assert_int_equal(lt_survey("/nowhere/proc", note, &got, &totals), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_their_processes),
		cmocka_unit_test(one_file_through_two_mounts),
		cmocka_unit_test(no_proc),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
