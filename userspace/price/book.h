/* SPDX-License-Identifier: Apache-2.0 */
/* The price book: a dated file of exact decimals. Built in, replaceable, extensible. Immutable
 * after load. */
#pragma once

#include "userspace/base/money.h"
#include "userspace/base/problem.h"

struct lt_book;

/*
 * Loads the built-in book, or @path instead of it (NULL: built-in); then lays @overlay (NULL: none)
 * over it: its rows win. Format: see userspace/price/books/README.md. -EINVAL with @problem: file,
 * line, what to do.
 */
LT_MUST_CHECK int lt_book_load(const char *path, const char *overlay, struct lt_book **ret,
			       struct lt_problem *problem);
LT_MUST_CHECK int lt_book_parse(struct lt_bytes text, const char *name, struct lt_book **ret,
				struct lt_problem *problem);
struct lt_book *lt_book_free(struct lt_book *book);
LT_DEFINE_FREEP(lt_book_free, struct lt_book)

const char *lt_book_version(const struct lt_book *book);  /* name@version */
const char *lt_book_source(const struct lt_book *book);	  /* e.g. "genai-prices 0.2.3" */
size_t lt_book_size(const struct lt_book *book);	  /* models */
const char *lt_book_currency(const struct lt_book *book); /* e.g. "USD" */
