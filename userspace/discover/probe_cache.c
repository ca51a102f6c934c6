// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/probe_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/code_refs.h"
#include "collectors/elf_image.h"
#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"

enum {
	KEY_BYTES = 20,
	NAME_MAX_N = 2 * KEY_BYTES + 1 + LT_CODE_TEXT_MAX + 8,
	SAMPLES = 32, /* of a file without build id */
	SAMPLE_BYTES = 4096,
};

static const char header[] = "ledgertap code references 1\n";

struct lt_probe_cache {
	int dir_fd;
	struct lt_code_memory memory;
	char key[2 * KEY_BYTES + 2]; /* of the image in use, empty: none */
};

int lt_probe_cache_open(const char *path, struct lt_probe_cache **ret, struct lt_problem *problem)
{
	lt_defer(lt_probe_cache_freep)
	struct lt_probe_cache *c = lt_calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->dir_fd = -1;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return lt_problem_set(problem, -errno, path, 0, "cannot make the folder: %s",
				      strerror(errno));
	c->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (c->dir_fd < 0)
		return lt_problem_set(problem, -errno, path, 0, "cannot open the folder: %s",
				      strerror(errno));
	*ret = lt_take(c);
	return 0;
}

struct lt_probe_cache *lt_probe_cache_free(struct lt_probe_cache *c)
{
	if (!c)
		return NULL;
	lt_closep(&c->dir_fd);
	lt_free(c);
	return NULL;
}

/* The file of what was found for @text: its path would be no file's name. */
static const char *name_of(const struct lt_probe_cache *c, const char *text, char to[NAME_MAX_N])
{
	snprintf(to, NAME_MAX_N, "%s.%s", c->key, text);
	for (char *at = to; *at; at++) {
		if (*at == '/')
			*at = '_';
	}
	return to;
}

static bool read_refs(FILE *in, struct lt_code_refs *ret)
{
	char line[96];

	if (!fgets(line, sizeof(line), in) || strcmp(line, header) != 0)
		return false;
	ret->count = 0;
	while (fgets(line, sizeof(line), in)) {
		unsigned long long at;
		unsigned size, argument, text;

		if (ret->count == LT_CODE_REFS_MAX ||
		    sscanf(line, "%llx %u %u %u\n", &at, &size, &argument, &text) != 4 ||
		    size > 15 || argument > LT_CODE_ARGUMENTS || text >= LT_CODE_TEXTS_MAX)
			return false;
		ret->refs[ret->count++] = (struct lt_code_ref){
			.at = at,
			.size = (uint8_t)size,
			.argument = (uint8_t)argument,
			.text = (uint8_t)text,
		};
	}
	return ferror(in) == 0;
}

static bool recall(void *arg, const char *text, struct lt_code_refs *ret)
{
	const struct lt_probe_cache *c = arg;
	char name[NAME_MAX_N];
	lt_defer(lt_fclosep)
	FILE *in = NULL;
	int fd;

	if (!c->key[0])
		return false;
	fd = openat(c->dir_fd, name_of(c, text, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	in = fdopen(fd, "re");
	if (!in) {
		close(fd);
		return false;
	}
	return read_refs(in, ret);
}

/* Removes the oldest file when there are too many. */
static void make_room(const struct lt_probe_cache *c)
{
	int fd = openat(c->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct timespec oldest = {0};
	char name[256] = "";
	struct dirent *entry;
	size_t count = 0;

	if (!dir) {
		lt_closep(&fd);
		return;
	}
	while ((entry = readdir(dir))) {
		struct stat st;

		if (fstatat(c->dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (count++ == 0 || st.st_mtim.tv_sec < oldest.tv_sec) {
			oldest = st.st_mtim;
			snprintf(name, sizeof(name), "%s", entry->d_name);
		}
	}
	closedir(dir);
	if (count >= LT_PROBE_CACHE_FILES)
		unlinkat(c->dir_fd, name, 0);
}

/* A cache that can't be written costs time at the next start; nobody has to know. */
static void keep(void *arg, const char *text, const struct lt_code_refs *refs)
{
	const struct lt_probe_cache *c = arg;
	char name[NAME_MAX_N], temporary[NAME_MAX_N + 4];
	bool written;
	FILE *out;
	int fd;

	if (!c->key[0])
		return;
	make_room(c);
	snprintf(temporary, sizeof(temporary), "%s.new", name_of(c, text, name));
	fd = openat(c->dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	out = fd < 0 ? NULL : fdopen(fd, "we");
	if (!out) {
		lt_closep(&fd);
		return;
	}
	fputs(header, out);
	for (size_t i = 0; i < refs->count; i++)
		fprintf(out, "%llx %u %u %u\n", (unsigned long long)refs->refs[i].at,
			refs->refs[i].size, refs->refs[i].argument, refs->refs[i].text);
	written = ferror(out) == 0;
	written &= fclose(out) == 0;
	if (!written || renameat(c->dir_fd, temporary, c->dir_fd, name) < 0)
		unlinkat(c->dir_fd, temporary, 0);
}

/* Size and samples of all parts of the file. */
static size_t sample(int fd, uint8_t ret[LT_SHA256_SIZE])
{
	lt_defer(lt_freep)
	uint8_t *samples = lt_calloc(SAMPLES, SAMPLE_BYTES);
	struct lt_bytes parts[2];
	struct stat st;

	if (!samples || fstat(fd, &st) < 0)
		return 0;
	for (size_t i = 0; i < SAMPLES; i++) {
		off_t at = st.st_size / SAMPLES * (off_t)i;

		if (pread(fd, samples + i * SAMPLE_BYTES, SAMPLE_BYTES, at) < 0)
			return 0;
	}
	parts[0] = lt_bytes(&st.st_size, sizeof(st.st_size));
	parts[1] = lt_bytes(samples, SAMPLES * SAMPLE_BYTES);
	return lt_sha256(parts, LT_COUNT(parts), ret) < 0 ? 0 : KEY_BYTES;
}

void lt_probe_cache_use(struct lt_probe_cache *c, int fd, struct lt_elf_image *image)
{
	uint8_t id[LT_SHA256_SIZE];
	size_t n;
	char *to;

	_Static_assert((int)LT_BUILD_ID_MAX <= (int)KEY_BYTES, "a build id is a key");
	if (!c)
		return;
	c->key[0] = '\0';
	to = c->key;
	n = lt_elf_build_id(image, id);
	if (n == 0) {
		n = sample(fd, id);
		*to++ = 's';
	}
	for (size_t i = 0; i < n; i++)
		to += snprintf(to, 3, "%02x", id[i]);
	if (n == 0)
		c->key[0] = '\0';
	c->memory = (struct lt_code_memory){.recall = recall, .keep = keep, .arg = c};
	lt_elf_set_memory(image, &c->memory);
}
