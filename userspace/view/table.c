// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/table.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "userspace/base/alloc.h"

enum { GAP = 2, HIDDEN = 0 };

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
	unsigned before_point[LT_TABLE_COLUMNS_MAX]; /* LT_POINT: widest whole part */
	unsigned after_point[LT_TABLE_COLUMNS_MAX];  /* LT_POINT: widest fraction, point included */
	struct cell *cells;			     /* row after row */
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

void lt_table_expect(struct lt_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->widths[i] < t->columns[i].usual)
			t->widths[i] = t->columns[i].usual;
	}
}

size_t lt_table_rows(const struct lt_table *t)
{
	return t->rows;
}

struct lt_table *lt_table_free(struct lt_table *t)
{
	if (!t)
		return NULL;
	lt_free(t->cells);
	lt_free(t);
	return NULL;
}

/* The character at @p (RFC 3629) and its length, 0 when it is none. */
static size_t character(const char *p, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	uint32_t code = n == 1 ? c : c & (0x7fu >> n);

	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)p[i] & 0x3f);
	}
	if (n > 0 && (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
		return 0;
	*ret = code;
	return n;
}

struct range {
	uint32_t first, last;
};

static bool within(uint32_t code, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	}
	return false;
}

/* Columns that a terminal gives to a character; -1: it would steer the terminal instead of being
 * shown. */
static int columns_of(uint32_t code)
{
	static const struct range steering[] = {
		{0, 0x1f},	  {0x7f, 0x9f},	    {0x200e, 0x200f},
		{0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff},
	};
	static const struct range combining[] = {
		{0x300, 0x36f},	  {0x483, 0x489},   {0x591, 0x5bd},   {0x64b, 0x65f},
		{0x1ab0, 0x1aff}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
	};
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},	{0x3041, 0xa4cf},   {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe30, 0xfe6f},	{0xff00, 0xff60},   {0xffe0, 0xffe6},
		{0x1f300, 0x1f64f}, {0x1f680, 0x1faff}, {0x20000, 0x3fffd},
	};

	if (within(code, steering, LT_COUNT(steering)))
		return -1;
	if (within(code, combining, LT_COUNT(combining)))
		return 0;
	return within(code, wide, LT_COUNT(wide)) ? 2 : 1;
}

static void copy_clean(char *to, size_t size, const char *from)
{
	size_t at = 0;

	while (*from && at + 1 < size) {
		uint32_t code = 0;
		size_t n = character(from, &code);

		if (n == 0 || columns_of(code) < 0) {
			to[at++] = '?';
			from += n > 0 ? n : 1;
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

/* Of clean text: the bytes that fit into @width columns, and how many columns they take. */
static size_t fitting(const char *text, unsigned width, unsigned *ret_columns)
{
	size_t at = 0;
	unsigned taken = 0;

	while (text[at]) {
		uint32_t code = 0;
		size_t n = character(text + at, &code);
		unsigned more = (unsigned)columns_of(code);

		if (taken + more > width)
			break;
		taken += more;
		at += n;
	}
	*ret_columns = taken;
	return at;
}

static unsigned width_of(const char *text)
{
	unsigned n;

	fitting(text, UINT_MAX, &n);
	return n;
}

/* Width of the decimal point and what follows it. */
static unsigned fraction_of(const char *text)
{
	const char *point = strchr(text, '.');

	return point ? width_of(point) : 0;
}

/* The column must be wide enough for the longest whole part before the longest fraction. */
static void widen(struct lt_table *t, size_t i, const char *text)
{
	unsigned n = width_of(text), fraction = fraction_of(text);

	if (t->columns[i].align == LT_POINT && fraction > 0) {
		if (n - fraction > t->before_point[i])
			t->before_point[i] = n - fraction;
		if (fraction > t->after_point[i])
			t->after_point[i] = fraction;
		n = t->before_point[i] + t->after_point[i];
	}
	if (n > t->widths[i])
		t->widths[i] = n;
}

int lt_table_row(struct lt_table *t, const char *const *cells, const enum lt_style *styles)
{
	struct cell *row;

	if (t->rows == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct cell *bigger = lt_reallocarray(t->cells, room * t->count,
						      sizeof(struct cell));

		if (!bigger)
			return -ENOMEM;
		t->cells = bigger;
		t->room = room;
	}
	row = &t->cells[t->rows++ * t->count];
	for (size_t i = 0; i < t->count; i++) {
		copy_clean(row[i].text, sizeof(row[i].text), cells[i] ? cells[i] : "");
		row[i].style = styles ? styles[i] : LT_STYLE_PLAIN;
		widen(t, i, row[i].text);
	}
	return 0;
}

static unsigned total_width(const struct lt_table *t, const unsigned *widths)
{
	unsigned total = 0;

	for (size_t i = 0; i < t->count; i++)
		total += widths[i] != HIDDEN ? widths[i] + (total > 0 ? GAP : 0) : 0;
	return total;
}

/* Takes from the widest column that can give, until the line fits or nothing can. */
static bool shrink(const struct lt_table *t, unsigned *widths)
{
	unsigned total = total_width(t, widths);

	for (; total > t->width; total--) {
		size_t widest = t->count;

		for (size_t i = 0; i < t->count; i++) {
			unsigned least = t->columns[i].least;

			if (least > 0 && widths[i] > least &&
			    (widest == t->count || widths[i] > widths[widest]))
				widest = i;
		}
		if (widest == t->count)
			return false;
		widths[widest]--;
	}
	return true;
}

static bool drop_one(const struct lt_table *t, bool *hidden)
{
	size_t most = t->count;

	for (size_t i = 0; i < t->count; i++) {
		unsigned drop = hidden[i] ? 0 : t->columns[i].drop;

		if (drop > 0 && (most == t->count || drop > t->columns[most].drop))
			most = i;
	}
	if (most == t->count)
		return false;
	hidden[most] = true;
	return true;
}

static void fit(const struct lt_table *t, unsigned widths[LT_TABLE_COLUMNS_MAX])
{
	bool hidden[LT_TABLE_COLUMNS_MAX] = {false};

	do {
		for (size_t i = 0; i < t->count; i++)
			widths[i] = hidden[i] ? HIDDEN : t->widths[i];
	} while (t->width > 0 && !shrink(t, widths) && drop_one(t, hidden));
}

static void put_padding(FILE *out, unsigned n)
{
	fprintf(out, "%*s", (int)n, "");
}

static void put_cell(const struct lt_table *t, size_t i, const struct cell *cell, unsigned width,
		     bool last, FILE *out)
{
	static const char *const begin[] = {
		[LT_STYLE_PLAIN] = "",	     [LT_STYLE_DIM] = "\033[2m",
		[LT_STYLE_BOLD] = "\033[1m", [LT_STYLE_WARN] = "\033[33m",
		[LT_STYLE_BAD] = "\033[31m",
	};
	const struct lt_table_column *column = &t->columns[i];
	unsigned n = width_of(cell->text), shown, before = 0, after = 0;
	bool cut = n > width, colour = t->colour && cell->style != LT_STYLE_PLAIN && n > 0;
	size_t bytes = fitting(cell->text, cut ? width - 1 : width, &shown);

	shown += cut;
	if (column->align == LT_POINT && strchr(cell->text, '.') && !cut)
		after = t->after_point[i] - fraction_of(cell->text);
	if (after > width - shown)
		after = width - shown;
	if (column->align == LT_LEFT)
		after = width - shown;
	else
		before = width - shown - after;
	put_padding(out, before);
	if (colour)
		fputs(begin[cell->style], out);
	fwrite(cell->text, 1, bytes, out);
	if (cut)
		fputs("\xe2\x80\xa6", out);
	if (colour)
		fputs("\033[0m", out);
	if (!last) /* no blanks at the end of a line */
		put_padding(out, after);
}

static void put_line(const struct lt_table *t, const struct cell *cells, const unsigned *widths,
		     FILE *out)
{
	size_t last = 0;
	bool begun = false;

	for (size_t i = 0; i < t->count; i++) {
		if (widths[i] != HIDDEN && (t->columns[i].align != LT_LEFT || cells[i].text[0]))
			last = i;
	}
	for (size_t i = 0; i <= last; i++) {
		if (widths[i] == HIDDEN)
			continue;
		put_padding(out, begun ? GAP : 0);
		put_cell(t, i, &cells[i], widths[i], i == last, out);
		begun = true;
	}
	putc('\n', out);
}

void lt_table_print(struct lt_table *t, FILE *out)
{
	unsigned widths[LT_TABLE_COLUMNS_MAX];
	struct cell titles[LT_TABLE_COLUMNS_MAX];

	fit(t, widths);
	for (size_t i = 0; i < t->count; i++) {
		copy_clean(titles[i].text, sizeof(titles[i].text), t->columns[i].title);
		titles[i].style = LT_STYLE_BOLD;
	}
	if (!t->begun)
		put_line(t, titles, widths, out);
	t->begun = true;
	for (size_t row = 0; row < t->rows; row++)
		put_line(t, &t->cells[row * t->count], widths, out);
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

/* Decimals that show six digits that count, at least six of them. */
static unsigned decimals_of(lt_int128 size)
{
	lt_int128 enough = 100000000000; /* 0.1 in pico units */
	unsigned decimals = 6;

	for (; decimals < 12 && size < enough; decimals++)
		enough /= 10;
	return decimals;
}

const char *lt_human_money(lt_int128 pico, const char *currency, char to[LT_HUMAN_TEXT])
{
	bool minus = pico < 0, dollar = strcmp(currency, "USD") == 0;
	lt_int128 size = minus ? -pico : pico, unit = 1;
	char exact[LT_MONEY_TEXT], *point;
	unsigned decimals = decimals_of(size);

	for (unsigned i = decimals; i < 12; i++)
		unit *= 10;
	size = (size + unit / 2) / unit * unit;
	lt_money_format(size, exact);
	point = strchr(exact, '.');
	decimals = point ? (unsigned)strlen(point + 1) : 0;
	snprintf(to, LT_HUMAN_TEXT, "%s%s%s%s%.*s%s%s", minus ? "-" : "", dollar ? "$" : "", exact,
		 point ? "" : ".", decimals < 6 ? (int)(6 - decimals) : 0, "000000",
		 dollar || !currency[0] ? "" : " ", dollar ? "" : currency);
	return to;
}

const char *lt_human_time(int64_t wall_ns, int64_t now_ns, char to[LT_HUMAN_TEXT])
{
	time_t t = (time_t)(wall_ns / 1000000000), now = (time_t)(now_ns / 1000000000);
	struct tm tm, today;
	bool recent;

	if (!localtime_r(&t, &tm) || !localtime_r(&now, &today)) {
		snprintf(to, LT_HUMAN_TEXT, "?");
		return to;
	}
	recent = tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday;
	if (strftime(to, LT_HUMAN_TEXT, recent ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(to, LT_HUMAN_TEXT, "?");
	return to;
}
