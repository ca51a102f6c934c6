/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is whole or not there: written under another name, synced, then renamed. */
#pragma once

#include <limits.h>
#include <stdio.h>

#include "userspace/base/problem.h"

struct lt_out_file {
	FILE *f;	  /* write here; NULL: not open */
	const char *path; /* borrowed; NULL: standard output */
	char part[PATH_MAX];
};

/*
 * @path NULL: standard output. The file is made readable by its owner alone. -EEXIST: there is
 * something else than a file by that name, which a rename would replace.
 */
LT_MUST_CHECK int lt_out_file_open(const char *path, struct lt_out_file *ret,
				   struct lt_problem *problem);
/* Whether all was written up to now: 0, -EPIPE, -ENOSPC ... */
LT_MUST_CHECK int lt_out_file_check(const struct lt_out_file *o);
/* On the disk, under its name. When it fails, nothing stands there that was not there before. */
LT_MUST_CHECK int lt_out_file_commit(struct lt_out_file *o);
/* As if it had never been opened; after a commit this does nothing. */
void lt_out_file_discard(struct lt_out_file *o);
