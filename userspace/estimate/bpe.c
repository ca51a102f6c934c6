// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/bpe.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "userspace/base/alloc.h"
#include "userspace/base/crc32.h"
#include "userspace/base/digest.h"

enum {
	VERSION = 1,
	FILE_MAX = 16 << 20,
	BITS_MAX = 20,
	RANK_BITS = 20,
	POS_BITS = 11,
	NAME_SIZE = 32,
	HEAD_SIZE = 4, /* of a record: rank and length of its bytes */
	CRC_FROM = 16,
	PATH_SIZE = 4096,
};

#define NO_RANK	   UINT32_MAX
#define MULTIPLIER 0x9e3779b97f4a7c15ULL

static_assert(LT_BPE_PIECE_MAX < 1 << POS_BITS, "a position does not fit");

/* The beginning of a file. All integers are little endian. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t crc; /* of all that follows */
	uint32_t size;
	uint32_t splitter;
	uint32_t count;
	uint32_t max_rank;
	uint32_t longest;
	uint32_t bits; /* log2 of the number of buckets */
	char name[NAME_SIZE];
	char source[NAME_SIZE];
	uint8_t sha256[32]; /* of the file that it was made from */
};

static_assert(sizeof(struct header) == 136, "the header has no holes");

struct lt_bpe {
	const uint8_t *map;
	size_t map_size;
	const uint8_t *starts; /* of each bucket, and the end of the last one */
	const uint8_t *records;
	unsigned shift;
	uint32_t longest;
	enum lt_bpe_splitter splitter;
	char name[NAME_SIZE];
};

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* @n bytes, at most eight; all eight have to be readable. */
static inline uint64_t load(const uint8_t *p, size_t n)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	v = le64toh(v);
	return n >= 8 ? v : v & ((1ULL << 8 * n) - 1);
}

static inline uint64_t hash(const uint8_t *p, size_t n)
{
	uint64_t h = n;

	for (size_t at = 0; at < n; at += 8) {
		h ^= load(p + at, n - at);
		h *= MULTIPLIER;
		h ^= h >> 32;
	}
	return h * MULTIPLIER;
}

static inline bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t at = 0; at < n; at += 8)
		if (load(a + at, n - at) != load(b + at, n - at))
			return false;
	return true;
}

static uint32_t rank_of(const struct lt_bpe *bpe, const uint8_t *p, size_t n)
{
	uint64_t bucket = hash(p, n) >> bpe->shift;
	const uint8_t *at = bpe->records + load32(bpe->starts + 4 * bucket);
	const uint8_t *end = bpe->records + load32(bpe->starts + 4 * bucket + 4);

	if (n > bpe->longest)
		return NO_RANK;
	while (at < end) {
		uint32_t head = load32(at);

		if (head >> 24 == n && same(at + HEAD_SIZE, p, n))
			return head & 0xffffff;
		at += HEAD_SIZE + (head >> 24);
	}
	return NO_RANK;
}

/* ---- merging ----------------------------------------------------------------------------------
 */

/*
 * The parts of a piece, named by where they begin. The heap holds rank and position of pairs, so
 * the lowest rank comes first and the leftmost of equals; entries that merging has overtaken stay
 * in it, and are known by their rank.
 */
struct merge {
	const struct lt_bpe *bpe;
	const uint8_t *p;
	size_t n;
	size_t heap_n;
	uint16_t next[LT_BPE_PIECE_MAX];
	uint16_t prev[LT_BPE_PIECE_MAX];
	uint32_t rank[LT_BPE_PIECE_MAX]; /* of the part together with the next one */
	uint32_t heap[3 * LT_BPE_PIECE_MAX];
};

static void push(struct merge *m, uint32_t key)
{
	size_t at = m->heap_n++;

	while (at > 0 && m->heap[(at - 1) / 2] > key) {
		m->heap[at] = m->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	m->heap[at] = key;
}

static uint32_t pop(struct merge *m)
{
	uint32_t top = m->heap[0], last = m->heap[--m->heap_n];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < m->heap_n) {
		if (child + 1 < m->heap_n && m->heap[child + 1] < m->heap[child])
			child++;
		if (m->heap[child] >= last)
			break;
		m->heap[at] = m->heap[child];
		at = child;
	}
	m->heap[at] = last;
	return top;
}

static void look_at_pair(struct merge *m, size_t left)
{
	size_t right = m->next[left];

	m->rank[left] = NO_RANK;
	if (right >= m->n)
		return;
	m->rank[left] = rank_of(m->bpe, m->p + left, m->next[right] - left);
	if (m->rank[left] != NO_RANK)
		push(m, m->rank[left] << POS_BITS | (uint32_t)left);
}

static uint32_t count_parts(struct merge *m)
{
	uint32_t parts = (uint32_t)m->n;

	for (size_t i = 0; i < m->n; i++) {
		m->next[i] = (uint16_t)(i + 1);
		m->prev[i] = (uint16_t)(i == 0 ? 0 : i - 1);
	}
	for (size_t i = 0; i < m->n; i++)
		look_at_pair(m, i);
	while (m->heap_n > 0) {
		uint32_t key = pop(m);
		size_t left = key & ((1 << POS_BITS) - 1);
		size_t right = m->next[left];

		if (m->rank[left] != key >> POS_BITS)
			continue;
		m->rank[right] = NO_RANK;
		m->next[left] = m->next[right];
		if (m->next[left] < m->n)
			m->prev[m->next[left]] = (uint16_t)left;
		parts--;
		look_at_pair(m, left);
		if (left > 0)
			look_at_pair(m, m->prev[left]);
	}
	return parts;
}

uint32_t lt_bpe_count(const struct lt_bpe *bpe, const uint8_t *piece, size_t n)
{
	struct merge m;
	uint32_t parts;

	if (rank_of(bpe, piece, n) != NO_RANK)
		return 1;
	m.bpe = bpe;
	m.p = piece;
	m.n = n;
	m.heap_n = 0;
	parts = count_parts(&m);
	/* Ranks are as good as the text. */
	lt_wipe(m.rank, n * sizeof(m.rank[0]));
	lt_wipe(m.heap, 3 * n * sizeof(m.heap[0]));
	return parts;
}

/* ---- the file ---------------------------------------------------------------------------------
 */

static int damaged(const char *path, struct lt_problem *problem)
{
	return lt_problem_set(problem, -EBADMSG, path, 0,
			      "not a whole file of token ranks of version %d; install it again",
			      (int)VERSION);
}

/* Every record lies in its bucket and can be named: afterwards lookups need no checks. */
static bool records_fit(const struct lt_bpe *bpe, size_t buckets, size_t size, uint32_t count)
{
	uint32_t at = 0, seen = 0;

	if (load32(bpe->starts) != 0 || load32(bpe->starts + 4 * buckets) != size)
		return false;
	for (size_t i = 0; i < buckets; i++) {
		uint32_t end = load32(bpe->starts + 4 * i + 4);

		if (end > size)
			return false;
		while (at < end) {
			uint32_t head;

			if (end - at < HEAD_SIZE)
				return false;
			head = load32(bpe->records + at);
			if ((head & 0xffffff) >> RANK_BITS != 0 || head >> 24 == 0 ||
			    head >> 24 > bpe->longest || head >> 24 > end - at - HEAD_SIZE)
				return false;
			at += HEAD_SIZE + (head >> 24);
			seen++;
		}
		if (at != end)
			return false;
	}
	return seen == count;
}

static bool check(struct lt_bpe *bpe, const char *name)
{
	struct header header;
	size_t buckets, table;

	if (bpe->map_size < sizeof(header))
		return false;
	memcpy(&header, bpe->map, sizeof(header));
	if (memcmp(header.magic, "ltranks\n", 8) != 0 || le32toh(header.version) != VERSION ||
	    le32toh(header.size) != bpe->map_size || header.name[NAME_SIZE - 1] != '\0' ||
	    strcmp(header.name, name) != 0 || le32toh(header.bits) > BITS_MAX ||
	    le32toh(header.bits) == 0 || le32toh(header.splitter) < LT_BPE_CL100K ||
	    le32toh(header.splitter) > LT_BPE_O200K || le32toh(header.longest) > UINT8_MAX)
		return false;
	buckets = (size_t)1 << le32toh(header.bits);
	table = sizeof(header) + 4 * (buckets + 1);
	if (bpe->map_size < table + LT_BPE_SLACK ||
	    lt_crc32(0, lt_bytes_skip(lt_bytes(bpe->map, bpe->map_size), CRC_FROM)) !=
		    le32toh(header.crc))
		return false;
	bpe->starts = bpe->map + sizeof(header);
	bpe->records = bpe->map + table;
	bpe->shift = 64 - le32toh(header.bits);
	bpe->longest = le32toh(header.longest);
	bpe->splitter = le32toh(header.splitter);
	memcpy(bpe->name, header.name, sizeof(bpe->name));
	return records_fit(bpe, buckets, bpe->map_size - table - LT_BPE_SLACK,
			   le32toh(header.count));
}

int lt_bpe_open_file(const char *path, const char *name, struct lt_bpe **ret,
		     struct lt_problem *problem)
{
	lt_defer(lt_closep)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	lt_defer(lt_bpe_freep)
	struct lt_bpe *bpe = NULL;
	struct stat st;
	void *map;

	if (fd < 0)
		return lt_problem_set(problem, -errno, path, 0, "cannot be opened: %s",
				      strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < (off_t)sizeof(struct header) || st.st_size > FILE_MAX)
		return damaged(path, problem);
	bpe = lt_calloc(1, sizeof(*bpe));
	if (!bpe)
		return -ENOMEM;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return lt_problem_set(problem, -errno, path, 0, "cannot be mapped: %s",
				      strerror(errno));
	bpe->map = map;
	bpe->map_size = (size_t)st.st_size;
	if (!check(bpe, name))
		return damaged(path, problem);
	*ret = lt_take(bpe);
	return 0;
}

/* "<folder of this program>/@rest"; false when there is no knowing. */
static bool beside_program(const char *rest, char *to, size_t size)
{
	char self[PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return false;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = '\0';
	n = snprintf(to, size, "%s/%s", self, rest);
	return n > 0 && (size_t)n < size;
}

static const char *const places[] = {
	"../share/ledgertap",	      "../packaging", "../../packaging", "/usr/share/ledgertap",
	"/usr/local/share/ledgertap",
};

/* The @i-th folder to look in; false when that one is not to be had. */
static bool place(size_t i, char *to, size_t size)
{
	const char *set = getenv("LEDGERTAP_DATA");

	if (i == 0)
		return set && *set && lt_bytes_copy(to, size, lt_bytes_str(set));
	if (places[i - 1][0] == '/')
		return lt_bytes_copy(to, size, lt_bytes_str(places[i - 1]));
	return beside_program(places[i - 1], to, size);
}

int lt_bpe_open(const char *name, struct lt_bpe **ret, struct lt_problem *problem)
{
	char folder[PATH_SIZE], path[PATH_SIZE + NAME_SIZE + 16];

	if (strcmp(name, "o200k_base") != 0 && strcmp(name, "cl100k_base") != 0)
		return lt_problem_set(problem, -EINVAL, NULL, 0,
				      "there is no encoding of this name; known are o200k_base "
				      "and cl100k_base");
	for (size_t i = 0; i <= LT_COUNT(places); i++) {
		if (!place(i, folder, sizeof(folder)))
			continue;
		snprintf(path, sizeof(path), "%s/tokens/%s.ranks", folder, name);
		if (access(path, F_OK) == 0)
			return lt_bpe_open_file(path, name, ret, problem);
	}
	return lt_problem_set(problem, -ENOENT, NULL, 0,
			      "no tokens/%s.ranks beside the program nor in /usr/share/ledgertap; "
			      "make install puts it there, LEDGERTAP_DATA names another folder",
			      name);
}

struct lt_bpe *lt_bpe_free(struct lt_bpe *bpe)
{
	if (!bpe)
		return NULL;
	if (bpe->map)
		munmap((void *)(uintptr_t)bpe->map, bpe->map_size);
	lt_free(bpe);
	return NULL;
}

const char *lt_bpe_name(const struct lt_bpe *bpe)
{
	return bpe->name;
}

enum lt_bpe_splitter lt_bpe_splitter(const struct lt_bpe *bpe)
{
	return bpe->splitter;
}

/* ---- shelf ------------------------------------------------------------------------------------
 */

int lt_bpe_shelf_get(struct lt_bpe_shelf *shelf, const char *name, const struct lt_bpe **ret,
		     struct lt_problem *problem)
{
	for (size_t i = 0; i < LT_COUNT(shelf->slots); i++) {
		if (!shelf->slots[i].name) {
			shelf->slots[i].error = lt_bpe_open(name, &shelf->slots[i].bpe, problem);
			if (shelf->slots[i].error == -EINVAL)
				return -EINVAL;
			shelf->slots[i].name = name;
		}
		if (strcmp(shelf->slots[i].name, name) != 0)
			continue;
		if (shelf->slots[i].error < 0)
			return shelf->slots[i].error;
		*ret = shelf->slots[i].bpe;
		return 0;
	}
	return -EINVAL;
}

void lt_bpe_shelf_clear(struct lt_bpe_shelf *shelf)
{
	for (size_t i = 0; i < LT_COUNT(shelf->slots); i++)
		lt_bpe_free(shelf->slots[i].bpe);
	*shelf = (struct lt_bpe_shelf){0};
}
