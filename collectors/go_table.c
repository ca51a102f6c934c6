// SPDX-License-Identifier: Apache-2.0
/*
 * A table has tens of megabytes in a large program, and a few functions are wanted: it is walked in
 * windows, once for the names and once for the functions, and nothing of it is kept.
 */
#include "collectors/go_table.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/alloc.h"

enum {
	WINDOW = 64 << 10,
	FUNCTIONS_MAX = 8 << 20,
	NAME_MAX_BYTES = 128, /* of the names that are looked for */
	MAGIC_GO12 = 0xfffffffb,
	MAGIC_GO116 = 0xfffffffa,
	MAGIC_GO118 = 0xfffffff0,
	MAGIC_GO120 = 0xfffffff1,
};

static uint32_t magic_of(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

bool lt_go_table_begins(const uint8_t bytes[LT_GO_MAGIC_SIZE], unsigned instruction)
{
	uint32_t magic = magic_of(bytes);

	return (magic == MAGIC_GO12 || magic == MAGIC_GO116 || magic == MAGIC_GO118 ||
		magic == MAGIC_GO120) &&
	       bytes[4] == 0 && bytes[5] == 0 && bytes[6] == instruction && bytes[7] == 8;
}

static int read_whole(const struct lt_go_reader *reader, uint64_t position, void *to, size_t n)
{
	ssize_t got = reader->read(reader->arg, position, to, n);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EBADMSG;
}

/* The header's words: what each form has behind magic, instruction size and word size. */
enum { WORD_FUNCTIONS, WORDS_MAX = 8 };

int lt_go_table_open(const struct lt_go_reader *reader, uint64_t position, uint64_t size,
		     struct lt_go_table *ret)
{
	uint8_t head[LT_GO_MAGIC_SIZE];
	uint64_t words[WORDS_MAX] = {0};
	size_t names; /* which word is the offset of the names; those of the other parts follow */
	bool relative;
	int r = read_whole(reader, position, head, sizeof(head));

	if (r < 0)
		return r;
	if (!lt_go_table_begins(head, 1) && !lt_go_table_begins(head, 4))
		return -EBADMSG;
	if (magic_of(head) == MAGIC_GO12)
		return -ENOTSUP;
	relative = magic_of(head) != MAGIC_GO116;
	names = relative ? 3 : 2;
	r = read_whole(reader, position + sizeof(head), words, sizeof(words));
	if (r < 0)
		return r;
	/* Names, compilation units, files, numbers of lines, functions: in this order. */
	for (size_t i = names; i < names + 5; i++) {
		if (words[i] >= size || (i > names && words[i] < words[i - 1]))
			return -EBADMSG;
	}
	if (words[WORD_FUNCTIONS] == 0 || words[WORD_FUNCTIONS] > FUNCTIONS_MAX ||
	    words[WORD_FUNCTIONS] > size / sizeof(uint64_t) || words[names] < sizeof(head) ||
	    words[names + 1] - words[names] > UINT32_MAX || size > INT64_MAX - position)
		return -EBADMSG;
	*ret = (struct lt_go_table){
		.reader = reader,
		.position = position,
		.size = size,
		.functions = words[WORD_FUNCTIONS],
		.names = position + words[names],
		.names_end = position + words[names + 1],
		.entries = position + words[names + 4],
		.relative = relative,
	};
	if (relative)
		r = reader->address(reader->arg, position + sizeof(head) + 2 * sizeof(uint64_t),
				    &ret->text);
	return r;
}

/* Bytes that are asked for in rising order, by a table that is what it says. */
struct window {
	const struct lt_go_reader *reader;
	uint64_t begin;
	size_t len;
	uint64_t refills; /* that are left: a table that leads to and fro is given up */
	uint8_t *bytes;
};

static int open_window(const struct lt_go_table *table, struct window *ret)
{
	*ret = (struct window){
		.reader = table->reader,
		.refills = 64 + 4 * (table->size / WINDOW),
		.bytes = lt_calloc(1, WINDOW),
	};
	return ret->bytes ? 0 : -ENOMEM;
}

static void close_window(struct window *w)
{
	lt_free(w->bytes);
}

/* @n bytes or more at @position, in place until the next call; NULL: there are not so many. */
static const uint8_t *look(struct window *w, uint64_t position, size_t n, size_t *ret_n)
{
	uint64_t skip = position - w->begin;
	ssize_t got;

	if (position < w->begin || skip > w->len || w->len - skip < n) {
		if (w->refills == 0)
			return NULL;
		w->refills--;
		got = w->reader->read(w->reader->arg, position, w->bytes, WINDOW);
		w->begin = position;
		w->len = got > 0 ? (size_t)got : 0;
		skip = 0;
	}
	*ret_n = w->len - skip;
	return *ret_n >= n ? w->bytes + skip : NULL;
}

static uint32_t word32(const uint8_t *bytes)
{
	return magic_of(bytes);
}

static uint64_t word64(const uint8_t *bytes)
{
	return word32(bytes) | (uint64_t)word32(bytes + 4) << 32;
}

/* What is looked for: where each name stands among the names, 0: not seen (the first is empty). */
struct wanted {
	const char *const *names;
	size_t lengths[LT_GO_NAMES_MAX];
	uint32_t offsets[LT_GO_NAMES_MAX];
	size_t count, seen;
};

static void match_name(struct wanted *w, const uint8_t *name, size_t n, uint64_t offset)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->lengths[i] != n || w->offsets[i] != 0 || memcmp(w->names[i], name, n) != 0)
			continue;
		w->offsets[i] = (uint32_t)offset;
		w->seen++;
	}
}

/* The names stand one after the other, each ended by a NUL. */
static int find_names(const struct lt_go_table *table, struct window *window, struct wanted *w)
{
	uint64_t position = table->names;
	bool whole = true; /* a name begins at the position */

	while (position < table->names_end && w->seen < w->count) {
		uint64_t left = table->names_end - position;
		const uint8_t *bytes, *end;
		size_t n;

		bytes = look(window, position, left < NAME_MAX_BYTES ? left : NAME_MAX_BYTES, &n);
		if (!bytes)
			return -EBADMSG;
		if (n > left)
			n = left;
		end = memchr(bytes, 0, n);
		if (end && whole && position > table->names)
			match_name(w, bytes, (size_t)(end - bytes), position - table->names);
		whole = end;
		position += end ? (size_t)(end - bytes) + 1 : n;
	}
	return 0;
}

/* Address where a function begins, from its place in the list; one past the last has the end. */
static int entry_of(const struct lt_go_table *table, struct window *window, uint64_t index,
		    uint64_t *ret)
{
	size_t width = table->relative ? sizeof(uint32_t) : sizeof(uint64_t);
	uint64_t position = table->entries + index * 2 * width;
	const uint8_t *bytes;
	size_t n;

	if (!table->relative)
		return table->reader->address(table->reader->arg, position, ret);
	bytes = look(window, position, width, &n);
	if (!bytes)
		return -EBADMSG;
	*ret = word32(bytes);
	return 0;
}

/* Where among the names the function's own stands. */
static int name_of(const struct lt_go_table *table, struct window *list, struct window *functions,
		   uint64_t index, uint32_t *ret)
{
	size_t width = table->relative ? sizeof(uint32_t) : sizeof(uint64_t);
	uint64_t position = table->entries + index * 2 * width, offset;
	const uint8_t *bytes;
	size_t n;

	bytes = look(list, position, 2 * width, &n);
	if (!bytes)
		return -EBADMSG;
	offset = table->relative ? word32(bytes + width) : word64(bytes + width);
	if (offset >= table->size)
		return -EBADMSG;
	/* A function begins with its entry and the offset of its name. */
	bytes = look(functions, table->entries + offset + width, sizeof(*ret), &n);
	if (!bytes)
		return -EBADMSG;
	*ret = word32(bytes);
	return 0;
}

static int find_functions(const struct lt_go_table *table, struct window *list,
			  struct window *functions, const struct wanted *w,
			  struct lt_go_function *ret)
{
	size_t found = 0;

	for (uint64_t i = 0; i < table->functions && found < w->seen; i++) {
		uint32_t name;
		int r = name_of(table, list, functions, i, &name);

		for (size_t n = 0; r == 0 && name != 0 && n < w->count; n++) {
			struct lt_go_function *f = &ret[n];

			if (w->offsets[n] != name || f->found)
				continue;
			r = entry_of(table, list, i, &f->entry);
			if (r == 0)
				r = entry_of(table, list, i + 1, &f->end);
			if (r == 0 && f->end <= f->entry)
				r = -EBADMSG;
			f->found = r == 0;
			found++;
		}
		if (r < 0)
			return r;
	}
	return (int)found;
}

int lt_go_table_find(const struct lt_go_table *table, const char *const *names, size_t count,
		     struct lt_go_function *ret)
{
	struct wanted wanted = {.names = names, .count = count};
	struct window list = {0}, functions = {0};
	int r;

	memset(ret, 0, count * sizeof(*ret));
	if (count > LT_GO_NAMES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		wanted.lengths[i] = strlen(names[i]);
		if (wanted.lengths[i] >= NAME_MAX_BYTES)
			return -EINVAL;
	}
	r = open_window(table, &list);
	if (r == 0)
		r = open_window(table, &functions);
	if (r == 0)
		r = find_names(table, &list, &wanted);
	if (r == 0)
		r = find_functions(table, &list, &functions, &wanted, ret);
	close_window(&list);
	close_window(&functions);
	return r;
}
