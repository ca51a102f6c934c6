// SPDX-License-Identifier: Apache-2.0
/* A /proc of our own, with lists of connections and descriptors, and a folder that stands for the
 * cgroups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "userspace/discover/plain.h"

#define HEAD                                                                                       \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "      \
	"timeout inode\n"
#define TCP(remote, state, inode)                                                                  \
	"   0: 0100007F:A2C4 " remote " " state                                                    \
	" 00000000:00000000 00:00000000 00000000  1000        0 " inode                            \
	" 1 0000000000000000 20 4\n"

static char directory[64];
static uint64_t ports[1024];
static uint32_t processes[8];
static uint64_t cgroups[8];
static size_t process_count, cgroup_count;

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

static void put(unsigned pid, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	run("mkdir -p %s/proc/%u/net %s/proc/%u/fd %s/proc/%u/ns", directory, pid, directory, pid,
	    directory, pid);
	snprintf(path, sizeof(path), "%s/proc/%u/%s", directory, pid, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void descriptor(unsigned pid, unsigned number, const char *target)
{
	run("ln -s '%s' %s/proc/%u/fd/%u", target, directory, pid, number);
}

static void on_process(void *arg, uint32_t tgid)
{
	(void)arg;
	assert_true(process_count < 8);
	processes[process_count++] = tgid;
}

static void on_cgroup(void *arg, uint64_t id)
{
	(void)arg;
	assert_true(cgroup_count < 8);
	cgroups[cgroup_count++] = id;
}

static const struct lt_plain_found found = {.cgroup = on_cgroup, .process = on_process};

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/lt-plain.XXXXXX");
	process_count = cgroup_count = 0;
	memset(ports, 0, sizeof(ports));
	ports[11434 / 64] |= 1ULL << 11434 % 64; /* 0x2CAA */
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static struct lt_plain_opts options(void)
{
	static char proc[80];

	snprintf(proc, sizeof(proc), "%s/proc", directory);
	return (struct lt_plain_opts){.ports = ports, .proc = proc};
}

static void who_is_connected_to_a_wanted_port_is_found(void **state)
{
	struct lt_plain_opts opts = options();

	(void)state;
	put(10, "ns/net", "");
	put(10, "net/tcp",
	    HEAD TCP("0100007F:2CAA", "01", "501") TCP("0100007F:0050", "01", "502")
		    TCP("0100007F:2CAA", "06", "503")
			    TCP("0100007F:2CAA", "01", "0") "broken\n\n 1: 2:3\n");
	put(10, "net/tcp6",
	    HEAD
	    "   0: 00000000000000000000000001000000:A2C4 00000000000000000000000001000000:2CAA 01 "
	    "00000000:00000000 00:00000000 00000000 0 0 504 1 0 20 4\n");
	descriptor(10, 3, "socket:[502]");
	descriptor(10, 4, "socket:[503]");
	/* Another network namespace. */
	put(11, "ns/net", "");
	put(11, "net/tcp", HEAD);
	descriptor(11, 3, "/dev/null");
	descriptor(11, 4, "socket:[501]");
	put(12, "ns/net", "");
	put(12, "net/tcp", "");
	descriptor(12, 4, "socket:[504]");
	descriptor(12, 5, "socket:[504]");
	descriptor(12, 6, "pipe:[501]");
	assert_int_equal(lt_plain_find_connected(&opts, &found), 0);
	assert_int_equal(process_count, 2);
	assert_int_equal(processes[0] + processes[1], 11 + 12);
}

static void nothing_is_asked_of_anybody_without_such_a_connection(void **state)
{
	struct lt_plain_opts opts = options();

	(void)state;
	put(10, "ns/net", "");
	put(10, "net/tcp", HEAD TCP("0100007F:0050", "01", "502"));
	descriptor(10, 3, "socket:[502]");
	assert_int_equal(lt_plain_find_connected(&opts, &found), 0);
	opts.ports = NULL;
	assert_int_equal(lt_plain_find_connected(&opts, &found), 0);
	assert_int_equal(process_count, 0);
	opts = options();
	opts.proc = "/nowhere";
	assert_int_equal(lt_plain_find_connected(&opts, &found), -ENOENT);
}

static void cgroups_are_found_by_their_paths(void **state)
{
	static const char *const names[] = {"/pods*/one", "/two.service", "/none"};
	struct lt_plain_opts opts = options();
	char mounts[256], path[128];
	struct stat st;

	(void)state;
	opts.cgroups = names;
	opts.cgroup_count = 3;
	snprintf(mounts, sizeof(mounts), "proc /proc proc rw 0 0\ncgroup2 %s/cg cgroup2 rw 0 0\n",
		 directory);
	run("mkdir -p %s/proc/self %s/cg/pods.slice/one %s/cg/two.service/below", directory,
	    directory, directory);
	assert_int_equal(lt_plain_find_cgroups(&opts, &found), -ENOENT);
	run("printf '%%s' '%s' > %s/proc/self/mounts", mounts, directory);
	run("printf '70\\n71\\n' > %s/cg/pods.slice/one/cgroup.procs", directory);
	assert_int_equal(lt_plain_find_cgroups(&opts, &found), 0);
	assert_int_equal(cgroup_count, 2);
	snprintf(path, sizeof(path), "%s/cg/two.service", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(cgroups[1], st.st_ino);
	assert_int_equal(process_count, 2);
	assert_int_equal(processes[1], 71);
	opts.cgroup_count = 0;
	assert_int_equal(lt_plain_find_cgroups(&opts, &found), 0);
	assert_int_equal(cgroup_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_connected_to_a_wanted_port_is_found,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(
			nothing_is_asked_of_anybody_without_such_a_connection, make_directory,
			remove_directory),
		cmocka_unit_test_setup_teardown(cgroups_are_found_by_their_paths, make_directory,
						remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
