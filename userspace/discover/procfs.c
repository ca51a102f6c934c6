// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "userspace/base/bytes.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"

enum {
	STAT_BYTES = 1024,
	STATUS_BYTES = 4096,
	CGROUP_BYTES = 16384,
	ENVIRON_BYTES = 256 << 10, /* a larger environment is read so far */
	ENVIRON_STEP = 4096,
	VARIABLE_BYTES = 256,		 /* name, '=' and as much of the value as can matter */
	FLAG_KERNEL_THREAD = 0x00200000, /* PF_KTHREAD, include/linux/sched.h */
};

int lt_procfs_open(const char *proc, uint32_t tgid)
{
	char path[512];
	int fd, n = snprintf(path, sizeof(path), "%s/%u", proc, tgid);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -EINVAL;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Reads at most @size - 1 bytes and ends them with a NUL. Returns how many, or -errno. */
static ssize_t read_text(int pid_fd, const char *name, char *to, size_t size)
{
	lt_defer(lt_closep)
	int fd = openat(pid_fd, name, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	while (n < size - 1) {
		ssize_t got = read(fd, to + n, size - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	to[n] = '\0';
	return (ssize_t)n;
}

/* The @index-th word after the command's closing parenthesis, 0 = the state. */
static struct lt_bytes stat_word(const char *after, unsigned index)
{
	const char *at = after + strspn(after, " ");

	for (; index > 0 && *at; index--) {
		at += strcspn(at, " \n");
		at += strspn(at, " \n");
	}
	return lt_bytes(at, strcspn(at, " \n"));
}

static int stat_number(const char *after, unsigned index, uint64_t *ret)
{
	return lt_parse_u64(stat_word(after, index), ret) < 0 ? -EBADMSG : 0;
}

int lt_procfs_stat(int pid_fd, struct lt_procfs_stat *ret)
{
	/* Fields as proc(5) counts them (state is 3), made into words after the command. */
	enum { PARENT = 4 - 3, FLAGS = 9 - 3, START = 22 - 3, STACK = 28 - 3 };
	char text[STAT_BYTES];
	ssize_t n = read_text(pid_fd, "stat", text, sizeof(text));
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t parent, flags, ticks;
	const char *open, *close;

	if (n < 0)
		return (int)n;
	/* The command may hold parentheses itself: it ends at the last one. */
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open || hz <= 0)
		return -EBADMSG;
	if (stat_number(close + 1, PARENT, &parent) < 0 ||
	    stat_number(close + 1, FLAGS, &flags) < 0 ||
	    stat_number(close + 1, START, &ticks) < 0 || parent > UINT32_MAX ||
	    ticks > UINT64_MAX / 1000000000u)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	lt_bytes_copy(ret->comm, sizeof(ret->comm), lt_bytes(open + 1, (size_t)(close - open - 1)));
	ret->parent_tgid = (uint32_t)parent;
	ret->kernel_thread = flags & FLAG_KERNEL_THREAD;
	if (stat_number(close + 1, STACK, &ret->stack_start) < 0)
		ret->stack_start = 0;
	ret->start_ns = ticks * (1000000000u / (uint64_t)hz);
	return 0;
}

int lt_procfs_uid(int pid_fd, uint32_t *ret)
{
	static const char mark[] = "\nUid:";
	char text[STATUS_BYTES];
	ssize_t n = read_text(pid_fd, "status", text, sizeof(text));
	const char *at;
	uint64_t uid;

	if (n < 0)
		return (int)n;
	at = strstr(text, mark);
	if (!at)
		return -EBADMSG;
	at += strlen(mark);
	at += strspn(at, " \t");
	if (lt_parse_u64(lt_bytes(at, strcspn(at, " \t\n")), &uid) < 0 || uid > UINT32_MAX)
		return -EBADMSG;
	*ret = (uint32_t)uid;
	return 0;
}

int lt_procfs_exe(int pid_fd, char ret[LT_EXE_SIZE])
{
	static const char deleted[] = " (deleted)";
	char path[4096];
	ssize_t n = readlinkat(pid_fd, "exe", path, sizeof(path));
	size_t end = strlen(deleted);

	if (n < 0)
		return -errno;
	if ((size_t)n > end && memcmp(path + (size_t)n - end, deleted, end) == 0)
		n -= (ssize_t)end;
	lt_bytes_copy(ret, LT_EXE_SIZE, lt_bytes(path, (size_t)n));
	return 0;
}

int lt_procfs_cgroup(int pid_fd, struct lt_cgroup_paths *ret)
{
	char text[CGROUP_BYTES];
	ssize_t n = read_text(pid_fd, "cgroup", text, sizeof(text));

	if (n < 0)
		return (int)n;
	return lt_cgroup_paths(text, (size_t)n, ret) ? 0 : -ENOENT;
}

struct env_reader {
	const char *const *names;
	size_t count;
	char (*values)[LT_ENV_VALUE];
	char variable[VARIABLE_BYTES];
	size_t n;
};

static void variable_ended(struct env_reader *r)
{
	const char *equals = memchr(r->variable, '=', r->n);
	struct lt_bytes name, value;

	if (equals) {
		name = lt_bytes(r->variable, (size_t)(equals - r->variable));
		value = lt_bytes_skip(lt_bytes(r->variable, r->n), name.n + 1);
		for (size_t i = 0; i < r->count; i++) {
			/* The first of several is what getenv answers. */
			if (lt_bytes_is(name, r->names[i]) && !r->values[i][0])
				lt_bytes_copy(r->values[i], LT_ENV_VALUE, value);
		}
	}
	r->n = 0;
}

static void take_environ(struct env_reader *r, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\0')
			variable_ended(r);
		else if (r->n < sizeof(r->variable))
			r->variable[r->n++] = bytes[i];
	}
}

int lt_procfs_environ(int pid_fd, const char *const *names, size_t count, char ret[][LT_ENV_VALUE])
{
	lt_defer(lt_closep)
	int fd = openat(pid_fd, "environ", O_RDONLY | O_CLOEXEC);
	struct env_reader r = {.names = names, .count = count, .values = ret};
	char step[ENVIRON_STEP];
	ssize_t got = 0;

	if (fd < 0)
		return -errno;
	memset(ret, 0, count * LT_ENV_VALUE);
	for (size_t total = 0; total < ENVIRON_BYTES; total += (size_t)got) {
		got = read(fd, step, sizeof(step));
		if (got < 0 && errno == EINTR) {
			got = 0;
			continue;
		}
		if (got <= 0)
			break;
		take_environ(&r, step, (size_t)got);
	}
	/* A last variable without its NUL: the read ended in it. */
	if (got == 0)
		variable_ended(&r);
	/* Other variables hold keys. */
	lt_wipe(step, sizeof(step));
	lt_wipe(r.variable, sizeof(r.variable));
	return got < 0 ? -errno : 0;
}

void lt_environ_take(const char *text, size_t n, const char *const *names, size_t count,
		     char ret[][LT_ENV_VALUE])
{
	struct env_reader r = {.names = names, .count = count, .values = ret};

	memset(ret, 0, count * LT_ENV_VALUE);
	take_environ(&r, text, n);
	lt_wipe(r.variable, sizeof(r.variable));
}
