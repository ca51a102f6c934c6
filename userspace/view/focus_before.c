// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/focus_before.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/view/csv.h"
#include "userspace/view/focus_row.h"

enum { ROW_MAX = 64 << 10, COLUMNS_MAX = 128, NAME_SIZE = 256 };

/* The columns that a correction changes, or that say which record a row is of. */
enum special { CLASS, ID, REVISION, START, SPECIAL_COUNT };

static const char *const special_titles[] = {
	[CLASS] = "ChargeClass",
	[ID] = "x_RecordId",
	[REVISION] = "x_RecordRevision",
	[START] = "x_RequestStart",
};

/* What is counted: taken back, it is negative. */
static const char *const counted[] = {
	"BilledCost",	   "ConsumedQuantity", "ContractedCost",
	"EffectiveCost",   "ListCost",	       "PricingCurrencyEffectiveCost",
	"PricingQuantity", "x_RecordCount",    "x_ToolCallCount",
};

struct lt_focus_before {
	FILE *in;
	char name[NAME_SIZE];
	int64_t since_ns, until_ns;
	unsigned line;
	size_t column_count;
	bool is_counted[COLUMNS_MAX];
	size_t at[SPECIAL_COUNT];
	/* The row that is held: fields one after the other, each ended by a NUL. */
	bool held;
	char text[ROW_MAX];
	char *field[COLUMNS_MAX];
	size_t field_count;
	/* Its key. */
	int64_t start_ns;
	char id[LT_RECORD_ID_TEXT];
	uint64_t revision;
	uint64_t rows;
};

static int damaged(const struct lt_focus_before *b, const char *what, struct lt_problem *problem)
{
	return lt_problem_set(problem, -EINVAL, b->name, b->line, "%s", what);
}

/* ---- a line of CSV ---- */

struct cursor {
	struct lt_focus_before *b;
	size_t used;
	bool too_long;
};

static void put(struct cursor *c, char byte)
{
	if (c->used < ROW_MAX)
		c->b->text[c->used++] = byte;
	else
		c->too_long = true;
}

/* Up to the quote that ends the field; the byte behind it, or EOF - 1 when it never ends. */
static int read_quoted(struct cursor *c)
{
	FILE *in = c->b->in;
	int byte;

	while ((byte = getc_unlocked(in)) != EOF) {
		if (byte == '"') {
			byte = getc_unlocked(in);
			if (byte != '"')
				return byte;
		}
		put(c, (char)byte);
	}
	return EOF - 1;
}

/* One field; returns the byte that ended it: a comma, a line feed or EOF; EOF - 1: not CSV. */
static int read_field(struct cursor *c)
{
	int byte = getc_unlocked(c->b->in);

	if (byte == '"') {
		byte = read_quoted(c);
		if (byte == '\r')
			byte = getc_unlocked(c->b->in);
		if (byte != ',' && byte != '\n' && byte != EOF)
			return EOF - 1;
	} else {
		for (; byte != ',' && byte != '\n' && byte != EOF; byte = getc_unlocked(c->b->in)) {
			if (byte != '\r')
				put(c, (char)byte);
		}
	}
	put(c, '\0');
	return byte;
}

/* 1: a row; 0: the end. */
static int read_row(struct lt_focus_before *b, struct lt_problem *problem)
{
	struct cursor c = {.b = b};
	int byte = getc_unlocked(b->in);

	b->field_count = 0;
	if (byte == EOF)
		return ferror(b->in) ? damaged(b, "the file cannot be read", problem) : 0;
	ungetc(byte, b->in);
	b->line++;
	do {
		if (b->field_count == COLUMNS_MAX)
			return damaged(b, "there are more columns than an export has", problem);
		b->field[b->field_count++] = b->text + c.used;
		byte = read_field(&c);
	} while (byte == ',' && !c.too_long);
	if (byte == EOF - 1 || c.too_long)
		return damaged(b, "this row is not CSV as an export has it", problem);
	return 1;
}

/* ---- what it means ---- */

static int find_columns(struct lt_focus_before *b, enum lt_focus_version version,
			struct lt_problem *problem)
{
	char *expected = NULL;
	size_t size, at = 0;
	FILE *out = open_memstream(&expected, &size);
	bool same = true;

	if (!out)
		return -ENOMEM;
	lt_focus_row_titles(out, version);
	if (fclose(out) != 0 || !expected)
		return -ENOMEM;
	/* Titles are words: no quotes to mind. */
	for (size_t i = 0; i < b->field_count && same; i++) {
		size_t n = strcspn(expected + at, ",\r");

		same = strlen(b->field[i]) == n && memcmp(b->field[i], expected + at, n) == 0;
		at += n + 1;
	}
	same = same && at == size - 1; /* behind the last title stood CR LF */
	free(expected);
	if (!same)
		return damaged(b, "the columns are not those of this version of FOCUS", problem);
	b->column_count = b->field_count;
	for (size_t i = 0; i < b->column_count; i++) {
		for (size_t j = 0; j < LT_COUNT(counted); j++)
			b->is_counted[i] |= strcmp(b->field[i], counted[j]) == 0;
		for (size_t j = 0; j < SPECIAL_COUNT; j++) {
			if (strcmp(b->field[i], special_titles[j]) == 0)
				b->at[j] = i;
		}
	}
	return 0;
}

static int read_key(struct lt_focus_before *b, struct lt_problem *problem)
{
	int64_t start_ns;
	char id[LT_RECORD_ID_TEXT];

	if (b->field_count != b->column_count)
		return damaged(b, "this row has another number of fields than the first", problem);
	if (b->field[b->at[CLASS]][0])
		return damaged(b, "these are corrections: give the export that they correct",
			       problem);
	if (!lt_bytes_copy(id, sizeof(id), lt_bytes_str(b->field[b->at[ID]])) ||
	    strlen(id) != sizeof(id) - 1 ||
	    lt_parse_time(lt_bytes_str(b->field[b->at[START]]), &start_ns) < 0 ||
	    lt_parse_u64(lt_bytes_str(b->field[b->at[REVISION]]), &b->revision) < 0)
		return damaged(b, "this row is of no record", problem);
	if (start_ns < b->since_ns || start_ns >= b->until_ns)
		return damaged(b,
			       "this row is not of the period asked for: take that of the export",
			       problem);
	if (b->held &&
	    (start_ns < b->start_ns || (start_ns == b->start_ns && strcmp(id, b->id) < 0)))
		return damaged(b, "the rows are not in the order of an export", problem);
	b->start_ns = start_ns;
	memcpy(b->id, id, sizeof(id));
	return 0;
}

/* Holds the next row; at the end none. */
static int advance(struct lt_focus_before *b, struct lt_problem *problem)
{
	int r = read_row(b, problem);

	if (r > 0)
		r = read_key(b, problem);
	else if (r == 0)
		b->held = false;
	if (r == 0 && b->field_count > 0)
		b->held = true;
	return r;
}

int lt_focus_before_new(FILE *in, const char *name, enum lt_focus_version version, int64_t since_ns,
			int64_t until_ns, struct lt_focus_before **ret, struct lt_problem *problem)
{
	lt_defer(lt_focus_before_freep)
	struct lt_focus_before *b = lt_calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->in = in;
	b->since_ns = since_ns;
	b->until_ns = until_ns;
	lt_bytes_copy(b->name, sizeof(b->name), lt_bytes_str(name));
	r = read_row(b, problem);
	if (r == 0)
		r = damaged(b, "the file is empty", problem);
	if (r > 0)
		r = find_columns(b, version, problem);
	if (r == 0)
		r = advance(b, problem);
	if (r == 0)
		*ret = lt_take(b);
	return r;
}

struct lt_focus_before *lt_focus_before_free(struct lt_focus_before *b)
{
	lt_free(b);
	return NULL;
}

/* The row that is held, negative. */
static void take_back(struct lt_focus_before *b, FILE *out)
{
	for (size_t i = 0; i < b->column_count; i++) {
		const char *text = b->field[i];

		if (i > 0)
			putc_unlocked(',', out);
		if (i == b->at[CLASS])
			text = "Correction";
		if (!b->is_counted[i] || !text[strspn(text, "0.")]) {
			lt_csv_field(out, text); /* 0 has no sign */
			continue;
		}
		if (text[0] == '-')
			text++;
		else
			putc_unlocked('-', out);
		lt_csv_field(out, text);
	}
	fputs("\r\n", out);
	b->rows++;
}

int lt_focus_before_record(struct lt_focus_before *b, const struct lt_record *r, bool charged,
			   FILE *out, bool *ret_same, struct lt_problem *problem)
{
	char id[LT_RECORD_ID_TEXT];
	int err = 0;

	*ret_same = false;
	lt_record_id_format(r->id, id);
	while (err == 0 && b->held && b->start_ns <= r->start_ns) {
		int order = b->start_ns < r->start_ns ? -1 : strcmp(b->id, id);

		if (order > 0)
			break;
		if (order == 0 && charged && b->revision == r->revision)
			*ret_same = true;
		else
			take_back(b, out);
		err = advance(b, problem);
	}
	return err;
}

int lt_focus_before_end(struct lt_focus_before *b, FILE *out, struct lt_problem *problem)
{
	int err = 0;

	while (err == 0 && b->held) {
		take_back(b, out);
		err = advance(b, problem);
	}
	return err;
}

uint64_t lt_focus_before_rows(const struct lt_focus_before *b)
{
	return b->rows;
}
