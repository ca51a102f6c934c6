/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was found in the code of files without symbols, on disk: one small file for each build id,
 * so that a large program is looked through once and not after every start of the agent. What is
 * read back is checked against the program (code_refs.h), so nothing depends on the cache being
 * right; a broken one is made anew.
 *
 * Single thread.
 */
#pragma once

#include "userspace/base/problem.h"

struct lt_probe_cache;
struct lt_elf_image;

enum { LT_PROBE_CACHE_FILES = 256 }; /* the oldest are removed */

/* Uses (and makes, mode 0700) the folder @path. */
LT_MUST_CHECK int lt_probe_cache_open(const char *path, struct lt_probe_cache **ret,
				      struct lt_problem *problem);
struct lt_probe_cache *lt_probe_cache_free(struct lt_probe_cache *c);
LT_DEFINE_FREEP(lt_probe_cache_free, struct lt_probe_cache)

/* From now on, until the next call, @image (of the file behind @fd) remembers and keeps here. A
 * file without build id is told by its size and samples of its content. @c may be NULL. */
void lt_probe_cache_use(struct lt_probe_cache *c, int fd, struct lt_elf_image *image);
