/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an image's code loads the address of a text: what is left of a function's identity when its
 * symbols are stripped. Libraries name their source files or functions, and constants, where they
 * report errors; compilers keep all three. x86-64 and arm64.
 *
 * Foreign input: read in windows of bounded size, every length checked. A file of 300 MB takes some
 * 0.3 s and half a megabyte of memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectors/elf_image.h"

struct lt_code_text {
	const char *text;
	bool tail; /* the end of a text (a path), whose begin is what code refers to */
};

enum {
	LT_CODE_TEXTS_MAX = 16,
	LT_CODE_TEXT_MAX = 64,
	LT_CODE_REFS_MAX = 512,
	LT_CODE_ARGUMENTS = 6,
};

/* An instruction that loads a text's address. */
struct lt_code_ref {
	uint64_t at;	  /* its address */
	uint8_t size;	  /* its length */
	uint8_t argument; /* for which argument of a call, from 0; LT_CODE_ARGUMENTS: for none */
	uint8_t text;	  /* index of the text */
};

struct lt_code_refs {
	size_t count;
	struct lt_code_ref refs[LT_CODE_REFS_MAX]; /* by address */
};

/*
 * What is known of a file from an earlier look, by the first of the texts that were looked for. It
 * is never believed: every reference is read again, and where they lead to no plan the whole file
 * is looked through. So what is wrong costs time, not truth; the most that a forged one can do is
 * to leave out a second copy of the library.
 */
struct lt_code_memory {
	/* False: nothing is known. */
	bool (*recall)(void *arg, const char *text, struct lt_code_refs *ret);
	void (*keep)(void *arg, const char *text, const struct lt_code_refs *refs);
	void *arg;
};

/*
 * All references to @texts (at most LT_CODE_TEXTS_MAX, each shorter than LT_CODE_TEXT_MAX).
 * -ENOENT: there are none; -E2BIG: too many to tell anything; -EOPNOTSUPP: not this machine's kind
 * of code.
 */
LT_MUST_CHECK int lt_code_find(const struct lt_elf_image *image, const struct lt_code_text *texts,
			       size_t count, struct lt_code_refs *ret);

struct lt_probe_plan;

/*
 * A collector's way from texts to its plan: finds the references, by the image's memory where it
 * has one, and hands them to @plan, which says -ENOENT where they make none. What made one is kept.
 */
LT_MUST_CHECK int
lt_code_plan(const struct lt_elf_image *image, const struct lt_code_text *texts, size_t count,
	     int (*plan)(const struct lt_elf_image *image, const struct lt_code_refs *refs,
			 struct lt_probe_plan *ret),
	     struct lt_probe_plan *ret);

/* Whether @text stands anywhere among the image's constants. */
bool lt_code_mentions(const struct lt_elf_image *image, const char *text);

/*
 * The constants that are loaded around @ref for the same call: ret[i] for argument i, -1 where none
 * is. What stands nearest counts.
 */
LT_MUST_CHECK int lt_code_constants(const struct lt_elf_image *image, const struct lt_code_ref *ref,
				    int64_t ret[LT_CODE_ARGUMENTS]);
