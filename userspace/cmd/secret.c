// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/clock.h"
#include "userspace/base/digest.h"

enum { SECRET_SIZE = 32, FILE_MAX_BYTES = 4096, PATH_SIZE = 4200 };

static int make_path(const char *state_dir, const char *name, char to[PATH_SIZE],
		     struct lt_problem *problem)
{
	if (snprintf(to, PATH_SIZE, "%s/%s", state_dir, name) < PATH_SIZE)
		return 0;
	return lt_problem_set(problem, -ENAMETOOLONG, state_dir, 0, "the path is too long");
}

static int make(const char *path, uint8_t ret[SECRET_SIZE], struct lt_problem *problem)
{
	lt_defer(lt_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return lt_problem_set(problem, -errno, path, 0, "cannot make the secret: %s",
				      strerror(errno));
	r = lt_random(ret, SECRET_SIZE);
	if (r == 0 && (write(fd, ret, SECRET_SIZE) != SECRET_SIZE || fsync(fd) < 0))
		r = -EIO;
	if (r < 0) {
		unlink(path);
		return lt_problem_set(problem, r, path, 0, "cannot write the secret: %s",
				      strerror(-r));
	}
	return 0;
}

static int open_problem(const char *path, int error, struct lt_problem *problem)
{
	return lt_problem_set(problem, -error, path, 0, "cannot read the secret: %s",
			      strerror(error));
}

/*
 * 32 bytes are taken as they are; a longer text, as people make it (base64, a line's end behind
 * it), by its hash.
 */
static int take(const char *path, const uint8_t *text, size_t n, uint8_t ret[SECRET_SIZE],
		struct lt_problem *problem)
{
	struct lt_bytes whole;

	if (n == SECRET_SIZE) {
		memcpy(ret, text, SECRET_SIZE);
		return 0;
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (n > FILE_MAX_BYTES)
		return lt_problem_set(problem, -EINVAL, path, 0,
				      "holds more than 4096 bytes: that is no secret of ours");
	if (n < SECRET_SIZE)
		return lt_problem_set(problem, -EINVAL, path, 0,
				      "holds %zu bytes: a secret needs at least 32, such as "
				      "'openssl rand -base64 32' makes (another one gives other "
				      "fingerprints)",
				      n);
	whole = lt_bytes(text, n);
	return lt_sha256(&whole, 1, ret) < 0
		       ? lt_problem_set(problem, -EIO, path, 0, "cannot be hashed")
		       : 0;
}

/* *@ret_changed_ns: when the file was written, wall. */
static int read_secret(const char *path, int flags, uint8_t ret[SECRET_SIZE],
		       int64_t *ret_changed_ns, struct lt_problem *problem)
{
	uint8_t text[FILE_MAX_BYTES + 3];
	lt_defer(lt_closep)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return open_problem(path, errno, problem);
	if (!S_ISREG(st.st_mode))
		return lt_problem_set(problem, -EINVAL, path, 0, "is no file");
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return lt_problem_set(problem, -EINVAL, path, 0,
				      "may be read or written by everybody (mode %04o): chmod 0400 "
				      "(in Kubernetes: defaultMode: 0400)",
				      st.st_mode & 07777);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return open_problem(path, errno, problem);
	r = take(path, text, (size_t)n, ret, problem);
	lt_wipe(text, sizeof(text));
	*ret_changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return r;
}

/* The previous secret counts for the overlap, from when the current one was written. */
static void end_overlap(struct lt_secrets *s, int64_t changed_ns, uint64_t overlap_ns)
{
	s->previous_until_ns = changed_ns + (int64_t)overlap_ns;
	if (s->previous_until_ns > lt_clock_wall_ns())
		return;
	lt_wipe(s->previous, sizeof(s->previous));
	s->previous_until_ns = 0;
}

static int load_named(const struct lt_credentials *config, struct lt_secrets *ret,
		      struct lt_problem *problem)
{
	int64_t changed_ns, ignored;
	int r = read_secret(config->secret_file, 0, ret->current, &changed_ns, problem);

	if (r < 0 || !config->previous_secret_file)
		return r;
	r = read_secret(config->previous_secret_file, 0, ret->previous, &ignored, problem);
	if (r == 0 && memcmp(ret->previous, ret->current, SECRET_SIZE) == 0)
		return lt_problem_set(problem, -EINVAL, config->previous_secret_file, 0,
				      "is the same secret as secret_file");
	if (r == 0)
		end_overlap(ret, changed_ns, config->overlap_ns);
	return r;
}

static int load_own(const char *state_dir, const struct lt_credentials *config, bool may_make,
		    struct lt_secrets *ret, struct lt_problem *problem)
{
	char path[PATH_SIZE];
	int64_t changed_ns, ignored;
	int r = make_path(state_dir, "secret", path, problem);

	if (r < 0)
		return r;
	r = read_secret(path, O_NOFOLLOW, ret->current, &changed_ns, problem);
	if (r == -ENOENT && may_make)
		return make(path, ret->current, problem);
	if (r < 0 || make_path(state_dir, "secret.previous", path, problem) < 0)
		return r;
	r = read_secret(path, O_NOFOLLOW, ret->previous, &ignored, problem);
	if (r == 0)
		end_overlap(ret, changed_ns, config->overlap_ns);
	return r == -ENOENT ? 0 : r;
}

int lt_secrets_load(const char *state_dir, const struct lt_credentials *config, bool may_make,
		    struct lt_secrets *ret, struct lt_problem *problem)
{
	*ret = (struct lt_secrets){0};
	return config->secret_file ? load_named(config, ret, problem)
				   : load_own(state_dir, config, may_make, ret, problem);
}

static int exchange_files(const char *state_dir, struct lt_problem *problem)
{
	char current[PATH_SIZE], previous[PATH_SIZE], fresh[PATH_SIZE];
	uint8_t secret[SECRET_SIZE];
	int r = make_path(state_dir, "secret", current, problem);

	if (r == 0)
		r = make_path(state_dir, "secret.previous", previous, problem);
	if (r == 0)
		r = make_path(state_dir, "secret.new", fresh, problem);
	if (r < 0)
		return r;
	unlink(fresh); /* of a try that was cut off */
	r = make(fresh, secret, problem);
	lt_wipe(secret, sizeof(secret));
	if (r < 0)
		return r;
	if ((unlink(previous) < 0 && errno != ENOENT) || link(current, previous) < 0 ||
	    rename(fresh, current) < 0) {
		r = lt_problem_set(problem, -errno, current, 0, "cannot be replaced: %s",
				   strerror(errno));
		unlink(fresh);
	}
	return r;
}

int lt_secret_rotate(const char *state_dir, const struct lt_credentials *config, bool force,
		     struct lt_problem *problem)
{
	struct lt_secrets secrets;
	bool overlaps;
	int r;

	if (config->secret_file)
		return lt_problem_set(problem, -EINVAL, config->secret_file, 0,
				      "is the secret here, by the config: put a new one there, and "
				      "name the old one as previous_secret_file");
	r = lt_secrets_load(state_dir, config, false, &secrets, problem);
	overlaps = secrets.previous_until_ns != 0;
	lt_wipe(&secrets, sizeof(secrets));
	if (r < 0)
		return r;
	if (overlaps && !force)
		return lt_problem_set(problem, -EBUSY, state_dir, 0,
				      "the last rotation is not over: keys that have not been used "
				      "since would be taken for new ones; --force rotates "
				      "nevertheless");
	return exchange_files(state_dir, problem);
}
