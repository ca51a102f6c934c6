// SPDX-License-Identifier: Apache-2.0
/* Go's table of functions out of any bytes: every read is inside of what there is, the number of
 * reads is bounded, and what is found has an end behind its begin. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/go_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct file {
	const uint8_t *data;
	size_t size;
	unsigned long reads;
};

static ssize_t read_bytes(const void *arg, uint64_t position, void *to, size_t n)
{
	struct file *file = (struct file *)arg;

	/* A table of this size is worth a few windows. */
	if (++file->reads > 1000)
		abort();
	if (position >= file->size)
		return 0;
	if (n > file->size - position)
		n = file->size - position;
	memcpy(to, file->data + position, n);
	return (ssize_t)n;
}

static int read_address(const void *arg, uint64_t position, uint64_t *ret)
{
	return read_bytes(arg, position, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret) ? 0 : -EBADMSG;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write",
					    "a"};
	struct file file = {.data = data, .size = size};
	const struct lt_go_reader reader = {
		.arg = &file,
		.read = read_bytes,
		.address = read_address,
	};
	struct lt_go_function found[LT_COUNT(names)];
	struct lt_go_table table;
	int r;

	if (lt_go_table_open(&reader, 0, size, &table) < 0)
		return 0;
	r = lt_go_table_find(&table, names, LT_COUNT(names), found);
	if (r > (int)LT_COUNT(names))
		abort();
	for (size_t i = 0; r >= 0 && i < LT_COUNT(names); i++) {
		if (found[i].found && found[i].end <= found[i].entry)
			abort();
	}
	return 0;
}
