// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "userspace/base/digest.h"

static int make(const char *path, uint8_t ret[32], struct lt_problem *problem)
{
	lt_defer(lt_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return lt_problem_set(problem, -errno, path, 0, "cannot make the secret: %s",
				      strerror(errno));
	r = lt_random(ret, 32);
	if (r == 0 && write(fd, ret, 32) != 32)
		r = -EIO;
	if (r < 0) {
		unlink(path);
		return lt_problem_set(problem, r, path, 0, "cannot write the secret: %s",
				      strerror(-r));
	}
	return 0;
}

int lt_secret_load(const char *state_dir, uint8_t ret[32], struct lt_problem *problem)
{
	lt_defer(lt_closep)
	int fd = -1;
	char path[512], extra;

	if (snprintf(path, sizeof(path), "%s/secret", state_dir) >= (int)sizeof(path))
		return lt_problem_set(problem, -ENAMETOOLONG, state_dir, 0, "the path is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return make(path, ret, problem);
	if (fd < 0)
		return lt_problem_set(problem, -errno, path, 0, "cannot read the secret: %s",
				      strerror(errno));
	if (read(fd, ret, 32) != 32 || read(fd, &extra, 1) != 0)
		return lt_problem_set(
			problem, -EINVAL, path, 0,
			"is not 32 bytes long: remove it, and a new one is made (fingerprints of "
			"keys then differ from the old ones)");
	return 0;
}
