// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/cleanup.h"

enum { BUFFER = 256 << 10 };

static int check_target(const char *path, struct lt_problem *problem)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return lt_problem_set(problem, -errno, path, 0, "%s", strerror(errno));
	}
	if (S_ISREG(st.st_mode))
		return 0;
	return lt_problem_set(problem, -EEXIST, path, 0,
			      "this is no plain file, and would be replaced: write to standard "
			      "output instead");
}

int lt_out_file_open(const char *path, struct lt_out_file *ret, struct lt_problem *problem)
{
	int fd, r;

	*ret = (struct lt_out_file){.path = path, .f = stdout};
	if (path) {
		ret->f = NULL;
		r = check_target(path, problem);
		if (r < 0)
			return r;
		if (snprintf(ret->part, sizeof(ret->part), "%s.XXXXXX.part", path) >=
		    (int)sizeof(ret->part))
			return lt_problem_set(problem, -ENAMETOOLONG, path, 0,
					      "the name is too long");
		fd = mkostemps(ret->part, (int)strlen(".part"), O_CLOEXEC);
		ret->f = fd >= 0 ? fdopen(fd, "w") : NULL;
		if (!ret->f) {
			r = -errno;
			if (fd >= 0)
				close(fd);
			return lt_problem_set(problem, r, path, 0, "%s", strerror(-r));
		}
	}
	setvbuf(ret->f, NULL, _IOFBF, BUFFER);
	__fsetlocking(ret->f, FSETLOCKING_BYCALLER); /* one thread writes it */
	return 0;
}

int lt_out_file_check(const struct lt_out_file *o)
{
	if (!ferror(o->f))
		return 0;
	return errno ? -errno : -EIO;
}

/* The name is on the disk when its directory is. */
static int sync_directory(const char *path)
{
	char copy[PATH_MAX];
	lt_defer(lt_closep)
	int fd = -1;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

int lt_out_file_commit(struct lt_out_file *o)
{
	int r = lt_out_file_check(o);

	if (r == 0 && fflush(o->f) != 0)
		r = -errno;
	if (!o->path)
		return r;
	if (r == 0 && fsync(fileno(o->f)) < 0)
		r = -errno;
	if (fclose(o->f) != 0 && r == 0)
		r = -errno;
	o->f = NULL;
	if (r == 0 && rename(o->part, o->path) < 0)
		r = -errno;
	if (r < 0)
		unlink(o->part);
	return r < 0 ? r : sync_directory(o->path);
}

void lt_out_file_discard(struct lt_out_file *o)
{
	if (!o->f || !o->path)
		return;
	fclose(o->f);
	o->f = NULL;
	unlink(o->part);
}
