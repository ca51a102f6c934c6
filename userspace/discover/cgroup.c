// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/bytes.h"
#include "userspace/discover/container.h"

enum {
	LINES_MAX = 64, /* v1 has at most 16 hierarchies */
	LINE_PATH_MAX = 4096,
};

/* How much a path says: a container beats a pod beats a unit beats any place that is not the root,
 * which is 0. */
static unsigned score_of(const char *path)
{
	struct lt_container c;

	lt_container_parse(path, &c);
	return (c.id[0] ? 8u : 0) + (c.pod_uid[0] ? 4u : 0) + (c.unit[0] ? 2u : 0) +
	       (path[strspn(path, "/.")] ? 1u : 0);
}

/* On hybrid hosts a container in a container may have its own cgroup in v1 alone, below the outer
 * one's. */
static bool deeper(const char *path, const char *than)
{
	struct lt_container inner, outer;
	size_t n = strlen(than);

	if (strncmp(path, than, n) != 0 || path[n] != '/')
		return false;
	lt_container_parse(path, &inner);
	lt_container_parse(than, &outer);
	return inner.id[0] && strcmp(inner.id, outer.id) != 0;
}

bool lt_cgroup_v1_says_more(const char *v1, const char *v2)
{
	unsigned in_v1 = score_of(v1), in_v2 = score_of(v2);

	return in_v1 > in_v2 || (in_v1 == in_v2 && deeper(v1, v2));
}

/* The third field of "7:memory:/path", which may itself hold colons. */
static bool split_line(struct lt_bytes line, struct lt_bytes *ret_path, bool *ret_v2)
{
	static const char deleted[] = " (deleted)";
	const uint8_t *first = line.n ? memchr(line.p, ':', line.n) : NULL;
	const uint8_t *second = first ? memchr(first + 1, ':',
					       line.n - (size_t)(first + 1 - line.p))
				      : NULL;
	struct lt_bytes path;

	if (!second || second + 1 >= line.p + line.n || second[1] != '/')
		return false;
	path = lt_bytes_skip(line, (size_t)(second + 1 - line.p));
	/* A process that has ended, in a cgroup that was removed. */
	if (path.n > strlen(deleted) &&
	    memcmp(path.p + path.n - strlen(deleted), deleted, strlen(deleted)) == 0)
		path.n -= strlen(deleted);
	*ret_path = path;
	*ret_v2 = second == first + 1 && first == line.p + 1 && line.p[0] == '0';
	return true;
}

/* A path too long for a record keeps its end, where the container is. */
static void copy_path(char ret_path[LT_CGROUP_PATH], const char *path)
{
	size_t n = strlen(path);
	const char *from = path;

	if (n >= LT_CGROUP_PATH) {
		from = path + n - (LT_CGROUP_PATH - 1);
		from = strchr(from, '/') ? strchr(from, '/') : from;
	}
	lt_bytes_copy(ret_path, LT_CGROUP_PATH, lt_bytes_str(from));
}

static void take_v1(struct lt_cgroup_paths *ret, const char *path, unsigned *best)
{
	unsigned score = score_of(path);

	if (ret->v1[0] && (score < *best || (score == *best && !deeper(path, ret->v1))))
		return;
	copy_path(ret->v1, path);
	*best = score;
}

bool lt_cgroup_paths(const char *text, size_t n, struct lt_cgroup_paths *ret)
{
	struct lt_bytes rest = lt_bytes(text, n);
	char path[LINE_PATH_MAX];
	unsigned best = 0;

	ret->v1[0] = ret->v2[0] = '\0';
	for (unsigned lines = 0; rest.n > 0 && lines < LINES_MAX; lines++) {
		const uint8_t *end = memchr(rest.p, '\n', rest.n);
		struct lt_bytes line = lt_bytes(rest.p, end ? (size_t)(end - rest.p) : rest.n);
		struct lt_bytes field;
		bool v2;

		rest = lt_bytes_skip(rest, line.n + 1);
		if (!split_line(line, &field, &v2))
			continue;
		lt_bytes_copy(path, sizeof(path), field);
		if (v2)
			copy_path(ret->v2, path);
		else
			take_v1(ret, path, &best);
	}
	return ret->v1[0] || ret->v2[0];
}

bool lt_cgroup_pick(const char *text, size_t n, char ret_path[LT_CGROUP_PATH])
{
	struct lt_cgroup_paths paths;
	bool v1;

	if (!lt_cgroup_paths(text, n, &paths))
		return false;
	v1 = !paths.v2[0] || (paths.v1[0] && lt_cgroup_v1_says_more(paths.v1, paths.v2));
	memcpy(ret_path, v1 ? paths.v1 : paths.v2, LT_CGROUP_PATH);
	return true;
}
