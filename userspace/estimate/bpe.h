/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte-pair encoding: which byte strings are tokens, and which of two neighbours merges first.
 * The ranks are a file, made by packaging/tokens/make_ranks.py, mapped and used as it is.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/problem.h"

enum {
	LT_BPE_PIECE_MAX = 1040, /* longest piece that lt_bpe_count takes */
	LT_BPE_SLACK = 8,	 /* readable bytes that it needs behind a piece */
};

/* How text is cut into pieces before merging. */
enum lt_bpe_splitter { LT_BPE_CL100K = 1, LT_BPE_O200K = 2 };

struct lt_bpe;

/*
 * Finds @name ("o200k_base", "cl100k_base"), maps and checks it. Places, first match:
 * $LEDGERTAP_DATA, beside the binary (../share/ledgertap; in a source tree ../packaging and
 * ../../packaging), /usr/share/ledgertap, /usr/local/share/ledgertap; "tokens/NAME.ranks" in each.
 * -ENOENT: in none of them; -EINVAL: no such name; -EBADMSG: the file is damaged or of another
 * version.
 */
LT_MUST_CHECK int lt_bpe_open(const char *name, struct lt_bpe **ret, struct lt_problem *problem);
/* The same from @path, for encoding @name. */
LT_MUST_CHECK int lt_bpe_open_file(const char *path, const char *name, struct lt_bpe **ret,
				   struct lt_problem *problem);
struct lt_bpe *lt_bpe_free(struct lt_bpe *bpe);
LT_DEFINE_FREEP(lt_bpe_free, struct lt_bpe)

const char *lt_bpe_name(const struct lt_bpe *bpe);
enum lt_bpe_splitter lt_bpe_splitter(const struct lt_bpe *bpe);

/*
 * Tokens of one piece, of 1 to LT_BPE_PIECE_MAX bytes; LT_BPE_SLACK bytes behind it have to be
 * readable. O(n log n). Nothing of the piece stays in memory.
 */
uint32_t lt_bpe_count(const struct lt_bpe *bpe, const uint8_t *piece, size_t n);

/* The encodings in use, each opened when it is first asked for, and tried once. Thread: drain. */
struct lt_bpe_shelf {
	struct {
		const char *name;
		int error;
		struct lt_bpe *bpe;
	} slots[2];
};

/* @name has to stay (a literal); *@ret is borrowed until lt_bpe_shelf_clear. The same error again
 * for what could not be opened before. */
LT_MUST_CHECK int lt_bpe_shelf_get(struct lt_bpe_shelf *shelf, const char *name,
				   const struct lt_bpe **ret, struct lt_problem *problem);
void lt_bpe_shelf_clear(struct lt_bpe_shelf *shelf);
