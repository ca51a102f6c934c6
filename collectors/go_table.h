/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's table of functions (pclntab), which every Go program carries, stripped or not, because its
 * runtime needs it: names and bounds of all functions. As laid out since Go 1.16 (the runtime's
 * symtab.go tells each form). Foreign input: every length and offset is checked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/cleanup.h"

/* How the bytes around a table are read; positions are the reader's own. */
struct lt_go_reader {
	const void *arg;
	/* Returns how many of the @n bytes at @position were there, or -errno. */
	ssize_t (*read)(const void *arg, uint64_t position, void *to, size_t n);
	/* An address that stands at @position, as the loader will leave it there (relocated). */
	int (*address)(const void *arg, uint64_t position, uint64_t *ret);
};

enum { LT_GO_MAGIC_SIZE = 8 };

struct lt_go_table {
	const struct lt_go_reader *reader;
	uint64_t position;  /* of the header */
	uint64_t size;	    /* of what belongs to the table, at most */
	uint64_t text;	    /* address that entries count from, as the table has it; 0: not there */
	uint64_t functions; /* how many */
	uint64_t names;	    /* positions of the parts */
	uint64_t names_end;
	uint64_t entries;
	bool relative; /* entries count from the begin of the code (1.18) */
};

/* Whether a table may begin with these bytes; @instruction: 1 on x86-64, 4 on arm64. */
bool lt_go_table_begins(const uint8_t bytes[LT_GO_MAGIC_SIZE], unsigned instruction);
/* -EBADMSG: no table, or a broken one. -ENOTSUP: of Go before 1.16. @reader outlives @ret. */
LT_MUST_CHECK int lt_go_table_open(const struct lt_go_reader *reader, uint64_t position,
				   uint64_t size, struct lt_go_table *ret);

struct lt_go_function {
	uint64_t entry,
		end; /* addresses, or counted from the begin of the code (table->relative) */
	bool found;
};

enum { LT_GO_NAMES_MAX = 32 };
/* Looks up @count functions at once. Returns how many were found, or -errno. */
LT_MUST_CHECK int lt_go_table_find(const struct lt_go_table *table, const char *const *names,
				   size_t count, struct lt_go_function *ret);
