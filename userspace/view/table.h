/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table for people: columns as wide as what is in them, cut to the width of the terminal. Texts
 * from outside cannot do anything to the terminal. And the ways in which numbers, money and times
 * are written for people.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/money.h"

enum { LT_TABLE_COLUMNS_MAX = 16, LT_TABLE_CELL = 128 };

enum lt_align { LT_LEFT, LT_RIGHT, LT_POINT /* decimal points below each other */ };

struct lt_table_column {
	const char *title;
	enum lt_align align;
	unsigned least; /* may be cut down to this width when there is no room; 0: never cut */
	unsigned drop;	/* left out when there is still no room, the highest first; 0: never */
	unsigned usual; /* width to begin with when rows come one by one */
};

enum lt_style { LT_STYLE_PLAIN, LT_STYLE_DIM, LT_STYLE_BOLD, LT_STYLE_WARN, LT_STYLE_BAD };

struct lt_table;

/* @columns live as long as the table. @width 0: as wide as it needs. */
LT_MUST_CHECK int lt_table_new(const struct lt_table_column *columns, size_t count, unsigned width,
			       bool colour, struct lt_table **ret);
struct lt_table *lt_table_free(struct lt_table *t);
LT_DEFINE_FREEP(lt_table_free, struct lt_table)

/* Rows will come one by one: begin with the usual widths, since the titles cannot be moved later.
 */
void lt_table_expect(struct lt_table *t);
/* Adds a row; the cells are copied (and cut to LT_TABLE_CELL). @styles NULL: all plain. */
LT_MUST_CHECK int lt_table_row(struct lt_table *t, const char *const *cells,
			       const enum lt_style *styles);
/* Prints the rows added since the last time; the first time with the titles. Columns never get
 * narrower. */
void lt_table_print(struct lt_table *t, FILE *out);
size_t lt_table_rows(const struct lt_table *t); /* added and not yet printed */

/* Columns of the terminal behind @out, 0 when it is none. */
unsigned lt_terminal_width(FILE *out);
/* Whether @out is a terminal whose user has not asked for NO_COLOR. */
bool lt_terminal_colour(FILE *out);

enum { LT_HUMAN_TEXT = 64 };
/* "12,345" */
const char *lt_human_number(uint64_t n, char to[LT_HUMAN_TEXT]);
/* "$1.234500", "0.0000123456 EUR": six decimals, and more where six digits that count need them. */
const char *lt_human_money(lt_int128 pico, const char *currency, char to[LT_HUMAN_TEXT]);
/* Local time: "09:30:01" when it is of the same day as @now_ns, else "2026-11-24 09:30:01". */
const char *lt_human_time(int64_t wall_ns, int64_t now_ns, char to[LT_HUMAN_TEXT]);
