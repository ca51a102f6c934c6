// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "userspace/base/alloc.h"

enum { GAP = 2 };

struct cell {
	char text[LT_TABLE_CELL];
	enum lt_style style;
};

struct lt_table {
	const struct lt_table_column *columns;
	size_t count;
	unsigned width;
	bool colour;
	bool begun;
	unsigned widths[LT_TABLE_COLUMNS_MAX];
	struct cell *cells; /* row after row */
	size_t rows, room;
};

int lt_table_new(const struct lt_table_column *columns, size_t count, unsigned width, bool colour,
		 struct lt_table **ret)
{
	struct lt_table *t;

	if (count == 0 || count > LT_TABLE_COLUMNS_MAX)
		return -EINVAL;
	t = lt_calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->columns = columns;
	t->count = count;
	t->width = width;
	t->colour = colour;
	for (size_t i = 0; i < count; i++)
		t->widths[i] = (unsigned)strlen(columns[i].title);
	*ret = t;
	return 0;
}

struct lt_table *lt_table_free(struct lt_table *t)
{
	if (!t)
		return NULL;
	lt_free(t->cells);
	lt_free(t);
	return NULL;
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes of the character at @p, 0 when it is none that may go to a terminal. */
static size_t character(const char *p)
{
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)p[1] < 0xa0))
		return 0; /* controls, also the eight-bit ones */
	for (size_t i = 1; i < n; i++) {
		if (!continues(p[i]))
			return 0;
	}
	return n;
}

static void copy_clean(char *to, size_t size, const char *from)
{
	size_t at = 0;

	while (*from && at + 1 < size) {
		size_t n = character(from);

		if (n == 0) {
			to[at++] = '?';
			from++;
			continue;
		}
		if (at + n >= size)
			break;
		memcpy(to + at, from, n);
		at += n;
		from += n;
	}
	to[at] = '\0';
}

static unsigned width_of(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += !continues(*text);
	return n;
}

int lt_table_row(struct lt_table *t, const char *const *cells, const enum lt_style *styles)
{
	struct cell *row;

	if (t->rows == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct cell *bigger =
			lt_reallocarray(t->cells, room * t->count, sizeof(struct cell));

		if (!bigger)
			return -ENOMEM;
		t->cells = bigger;
		t->room = room;
	}
	row = &t->cells[t->rows++ * t->count];
	for (size_t i = 0; i < t->count; i++) {
		unsigned n;

		copy_clean(row[i].text, sizeof(row[i].text), cells[i] ? cells[i] : "");
		row[i].style = styles ? styles[i] : LT_STYLE_PLAIN;
		n = width_of(row[i].text);
		if (n > t->widths[i])
			t->widths[i] = n;
	}
	return 0;
}

/* Takes from the widest column that can give, until the line fits or nothing can. */
static void fit(const struct lt_table *t, unsigned widths[LT_TABLE_COLUMNS_MAX])
{
	unsigned total = 0;

	for (size_t i = 0; i < t->count; i++) {
		widths[i] = t->widths[i];
		total += widths[i] + (i > 0 ? GAP : 0);
	}
	while (t->width > 0 && total > t->width) {
		size_t widest = t->count;

		for (size_t i = 0; i < t->count; i++) {
			unsigned least = t->columns[i].least;

			if (least > 0 && widths[i] > least &&
			    (widest == t->count || widths[i] > widths[widest]))
				widest = i;
		}
		if (widest == t->count)
			return;
		widths[widest]--;
		total--;
	}
}

static void put_padding(FILE *out, unsigned n)
{
	fprintf(out, "%*s", (int)n, "");
}

static void put_cell(const struct lt_table *t, size_t i, const struct cell *cell, unsigned width,
		     FILE *out)
{
	static const char *const begin[] = {
		[LT_STYLE_PLAIN] = "",	      [LT_STYLE_DIM] = "\033[2m",
		[LT_STYLE_BOLD] = "\033[1m",  [LT_STYLE_WARN] = "\033[33m",
		[LT_STYLE_BAD] = "\033[31m",
	};
	unsigned n = width_of(cell->text), shown = n > width && width > 0 ? width - 1 : n;
	bool colour = t->colour && cell->style != LT_STYLE_PLAIN && n > 0;
	const char *end = cell->text;

	for (unsigned passed = 0; passed < shown; passed++) {
		do
			end++;
		while (continues(*end));
	}
	if (i > 0)
		put_padding(out, GAP);
	if (t->columns[i].right && n < width)
		put_padding(out, width - n);
	if (colour)
		fputs(begin[cell->style], out);
	fwrite(cell->text, 1, (size_t)(end - cell->text), out);
	if (shown < n)
		fputs("\xe2\x80\xa6", out);
	if (colour)
		fputs("\033[0m", out);
	/* No blanks at the end of a line. */
	if (!t->columns[i].right && n < width && i + 1 < t->count)
		put_padding(out, width - n);
}

void lt_table_print(struct lt_table *t, FILE *out)
{
	unsigned widths[LT_TABLE_COLUMNS_MAX];

	fit(t, widths);
	for (size_t i = 0; !t->begun && i < t->count; i++) {
		struct cell title = {.style = LT_STYLE_BOLD};

		copy_clean(title.text, sizeof(title.text), t->columns[i].title);
		put_cell(t, i, &title, widths[i], out);
		if (i + 1 == t->count)
			putc('\n', out);
	}
	t->begun = true;
	for (size_t row = 0; row < t->rows; row++) {
		for (size_t i = 0; i < t->count; i++)
			put_cell(t, i, &t->cells[row * t->count + i], widths[i], out);
		putc('\n', out);
	}
	t->rows = 0;
}

unsigned lt_terminal_width(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)))
		return 0;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

bool lt_terminal_colour(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

const char *lt_human_number(uint64_t n, char to[LT_HUMAN_TEXT])
{
	char digits[24];
	size_t count = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			to[at++] = ',';
		to[at++] = digits[i];
	}
	to[at] = '\0';
	return to;
}

const char *lt_human_money(lt_int128 pico, const char *currency, char to[LT_HUMAN_TEXT])
{
	enum { MICRO = 1000000 };
	bool minus = pico < 0, dollar = strcmp(currency, "USD") == 0;
	lt_int128 size = minus ? -pico : pico, micro = (size + MICRO / 2) / MICRO;
	bool tiny = size > 0 && micro == 0;
	char whole[LT_MONEY_TEXT];

	if (tiny)
		micro = 1;
	/* lt_money_format takes pico: the whole units alone, then the decimals by hand to keep their zeros. */
	lt_money_format(micro / MICRO * 1000000000000, whole);
	snprintf(to, LT_HUMAN_TEXT, "%s%s%s%s.%06u%s%s", tiny ? "<" : "", minus ? "-" : "",
		 dollar ? "$" : "", whole, (unsigned)(micro % MICRO), dollar || !currency[0] ? "" : " ",
		 dollar ? "" : currency);
	return to;
}

const char *lt_human_time(int64_t wall_ns, int64_t now_ns, char to[LT_HUMAN_TEXT])
{
	static const int64_t half_day = 12 * 3600 * 1000000000ll;
	time_t t = (time_t)(wall_ns / 1000000000);
	bool recent = wall_ns <= now_ns && now_ns - wall_ns < half_day;
	struct tm tm;

	if (!localtime_r(&t, &tm) ||
	    strftime(to, LT_HUMAN_TEXT, recent ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &tm) == 0)
		snprintf(to, LT_HUMAN_TEXT, "?");
	return to;
}
