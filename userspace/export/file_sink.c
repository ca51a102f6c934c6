// SPDX-License-Identifier: Apache-2.0
#include "userspace/export/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/alloc.h"
#include "userspace/base/json_write.h"
#include "userspace/export/record_json.h"

enum {
	BATCH = 1000,
	LINGER_MS = 200,
	REQUEST_BYTES_MAX = 4 << 20,
	KEEP_DEFAULT = 10,
	TAIL_BYTES = 64 << 10, /* a line is far shorter */
};

#define MAX_BYTES_DEFAULT (100ull << 20)

struct file_sink {
	struct lt_sink sink; /* first */
	char path[PATH_MAX - 16];
	uint64_t max_bytes;
	unsigned keep;
	int fd;	     /* -1: not open */
	FILE *lines; /* the request, NULL: none was begun */
	char *text;
	size_t n;
};

static struct file_sink *of_sink(struct lt_sink *sink)
{
	return (struct file_sink *)sink;
}

/* ---- the request ---- */

static void reset(struct lt_sink *sink)
{
	struct file_sink *f = of_sink(sink);

	if (f->lines)
		fclose(f->lines);
	free(f->text); /* of open_memstream */
	f->lines = NULL;
	f->text = NULL;
	f->n = 0;
}

static int add(struct lt_sink *sink, uint64_t node_seq, const struct lt_record *record)
{
	struct file_sink *f = of_sink(sink);
	struct lt_json_writer w;

	if (!f->lines)
		f->lines = open_memstream(&f->text, &f->n);
	if (!f->lines)
		return -ENOMEM;
	if (ftell(f->lines) >= REQUEST_BYTES_MAX)
		return 1;
	lt_json_writer_init(&w, f->lines);
	lt_record_json(&w, node_seq, record);
	fputc('\n', f->lines);
	return ferror(f->lines) ? -ENOMEM : 0;
}

/* ---- the file ---- */

/* Behind the last whole line. */
static int cut_torn_line(int fd)
{
	char tail[TAIL_BYTES];
	off_t size = lseek(fd, 0, SEEK_END);
	off_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
	ssize_t n;

	if (size <= 0)
		return size < 0 ? -errno : 0;
	n = pread(fd, tail, (size_t)(size - from), from);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	while (n > 0 && tail[n - 1] != '\n')
		n--;
	/* What is no line at all for so long was not written here: it stays. */
	if (n == 0 && from > 0)
		return 0;
	return from + n < size && ftruncate(fd, from + n) < 0 ? -errno : 0;
}

/* Whether the path still names the open file: others may rotate it, too. */
static bool is_current(const struct file_sink *f)
{
	struct stat ours, named;

	return f->fd >= 0 && fstat(f->fd, &ours) == 0 && lstat(f->path, &named) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int open_file(struct file_sink *f)
{
	struct stat st;
	int r;

	if (is_current(f))
		return 0;
	lt_closep(&f->fd);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return -errno;
	r = fstat(f->fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (r == 0)
		r = cut_torn_line(f->fd);
	if (r < 0)
		lt_closep(&f->fd);
	return r;
}

static void rotate(struct file_sink *f)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (unsigned i = f->keep; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%u", f->path, i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%u", f->path, i - 1);
		else
			snprintf(from, sizeof(from), "%s", f->path);
		lt_ignore(rename(from, to)); /* that there are fewer is no error */
	}
	lt_closep(&f->fd);
}

static int rotate_if_full(struct file_sink *f)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (st.st_size == 0 || (uint64_t)st.st_size + f->n <= f->max_bytes)
		return 0;
	rotate(f);
	return open_file(f);
}

/* All or nothing: of what did not fit nothing stays. */
static int append(struct file_sink *f)
{
	off_t size = lseek(f->fd, 0, SEEK_END);
	size_t done = 0;
	int r = size < 0 ? -errno : 0;

	while (r == 0 && done < f->n) {
		ssize_t n = write(f->fd, f->text + done, f->n - done);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n > 0)
			done += (size_t)n;
	}
	if (r == 0 && fdatasync(f->fd) < 0)
		r = -errno;
	if (r < 0 && size >= 0)
		lt_ignore(ftruncate(f->fd, size));
	return r;
}

static int deliver(struct file_sink *f)
{
	int r;

	if (!f->lines || fclose(lt_take(f->lines)) != 0)
		return -ENOMEM;
	r = open_file(f);
	if (r == 0)
		r = rotate_if_full(f);
	return r < 0 ? r : append(f);
}

static enum lt_delivery send(struct lt_sink *sink, const atomic_bool *stop,
			     struct lt_delivery_report *ret)
{
	struct file_sink *f = of_sink(sink);
	int r = deliver(f);

	(void)stop;
	reset(sink);
	if (r == 0)
		return LT_DELIVERED;
	snprintf(ret->reason, sizeof(ret->reason), "%.180s cannot be written: %s", f->path,
		 strerror(-r));
	/* Space comes back by itself; a folder or a right has to be given. */
	return r == -ENOENT || r == -EACCES || r == -EPERM || r == -EROFS || r == -EISDIR ||
			       r == -ENOTDIR || r == -EINVAL || r == -ELOOP
		       ? LT_MISCONFIGURED
		       : LT_LATER;
}

static void free_sink(struct lt_sink *sink)
{
	struct file_sink *f = of_sink(sink);

	reset(sink);
	lt_closep(&f->fd);
	lt_free(f);
}

int lt_file_sink_new(const struct lt_file_sink_opts *opts, struct lt_sink **ret)
{
	static const struct lt_sink_ops ops = {
		.add = add, .send = send, .reset = reset, .free = free_sink};
	struct file_sink *f = lt_calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->sink = (struct lt_sink){
		.ops = &ops, .kind = "file", .batch = BATCH, .linger_ms = LINGER_MS};
	f->fd = -1;
	f->max_bytes = opts->max_bytes ? opts->max_bytes : MAX_BYTES_DEFAULT;
	f->keep = opts->keep ? opts->keep : KEEP_DEFAULT;
	if (!lt_bytes_copy(f->sink.name, sizeof(f->sink.name), lt_bytes_str(opts->name)) ||
	    !lt_bytes_copy(f->path, sizeof(f->path), lt_bytes_str(opts->path))) {
		free_sink(&f->sink);
		return -ENAMETOOLONG;
	}
	*ret = &f->sink;
	return 0;
}
