// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "userspace/base/json_write.h"
#include "userspace/ledger/fields.h"

#define SQL_TEXT  " text"
#define SQL_INT	  " integer not null"
#define SQL_SOME  " integer"
#define SQL_SINCE " integer"
#define SQL_FLAG  " integer"
#define SQL_COUNT " integer"
#define SQL_BOOL  " integer not null"
#define SQL_ENUM  " text not null"
#define SQL_ID	  " blob"

const char lt_record_table[] =
	"create table record (node_seq integer not null, change_seq integer not null,"
	" record_id blob not null primary key"
#define LT_F(kind, column, member, a, b) ", " column SQL_##kind
	LT_RECORD_FIELDS
#undef LT_F
	", cost_pico integer, units text, cost_parts text) strict, without rowid";

const char lt_record_columns[] = "node_seq, record_id"
#define LT_F(kind, column, member, a, b) ", " column
	LT_RECORD_FIELDS
#undef LT_F
				 ", cost_pico, units, cost_parts";

const char lt_record_insert[] =
	"insert into record (node_seq, change_seq, record_id"
#define LT_F(kind, column, member, a, b) ", " column
	LT_RECORD_FIELDS
#undef LT_F
	", cost_pico, units, cost_parts) values ("
	"(select coalesce(max(node_seq), 0) + 1 from record),"
	" (select coalesce(max(change_seq), 0) + 1 from record), ?"
#define LT_F(kind, column, member, a, b) ", ?"
	LT_RECORD_FIELDS
#undef LT_F
	", ?, ?, ?) on conflict (record_id) do update set "
#define LT_F(kind, column, member, a, b) column " = excluded." column ", "
	LT_RECORD_FIELDS
#undef LT_F
	"cost_pico = excluded.cost_pico, units = excluded.units, "
	"cost_parts = excluded.cost_parts where excluded.revision > record.revision";

const char *lt_billable_name(enum lt_billable b)
{
	static const char *const name[] = {
		[LT_BILLABLE_UNKNOWN] = "unknown",
		[LT_BILLABLE_NO] = "no",
		[LT_BILLABLE_YES] = "yes",
	};

	return (size_t)b < LT_COUNT(name) ? name[b] : "unknown";
}

/* SQLite's integers are signed: a count beyond them is no count, and sums must stay sums. */
static int64_t clamp(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

/* One of these for every kind of column: the value of a member into parameter @at. */

static int bind_text(sqlite3_stmt *s, int at, const char *text)
{
	return text[0] ? sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC)
		       : sqlite3_bind_null(s, at);
}

static int bind_if(sqlite3_stmt *s, int at, bool known, int64_t n)
{
	return known ? sqlite3_bind_int64(s, at, n) : sqlite3_bind_null(s, at);
}

static int bind_id(sqlite3_stmt *s, int at, bool known, const uint8_t id[16])
{
	return known ? sqlite3_bind_blob(s, at, id, 16, SQLITE_STATIC) : sqlite3_bind_null(s, at);
}

#define BIND_TEXT(m, a, b)  bind_text(s, ++at, r->m)
#define BIND_INT(m, a, b)   sqlite3_bind_int64(s, ++at, (int64_t)r->m)
#define BIND_SOME(m, a, b)  bind_if(s, ++at, r->m != 0, (int64_t)r->m)
#define BIND_SINCE(m, a, b) bind_if(s, ++at, r->m >= 0, r->m)
#define BIND_FLAG(m, a, b)  bind_if(s, ++at, r->a, r->m)
#define BIND_COUNT(m, a, b) bind_if(s, ++at, r->m.known, clamp(r->m.n))
#define BIND_BOOL(m, a, b)  sqlite3_bind_int64(s, ++at, r->m)
#define BIND_ENUM(m, a, b)  bind_text(s, ++at, a(r->m))
#define BIND_ID(m, a, b)    bind_id(s, ++at, r->a, r->m)

static void write_units(struct lt_json_writer *w, const struct lt_usage *usage)
{
	lt_json_begin_array(w);
	for (unsigned i = 0; i < usage->unit_count; i++) {
		lt_json_begin_object(w);
		lt_json_key(w, "unit");
		lt_json_string(w, usage->units[i].name);
		lt_json_key(w, "micro");
		lt_json_i64(w, clamp(usage->units[i].amount_micro));
		lt_json_end_object(w);
	}
	lt_json_end_array(w);
}

static void write_parts(struct lt_json_writer *w, const struct lt_cost *cost)
{
	lt_json_begin_array(w);
	for (unsigned i = 0; i < cost->part_count; i++) {
		const struct lt_cost_part *part = &cost->parts[i];

		lt_json_begin_object(w);
		lt_json_key(w, "meter");
		lt_json_string(w, part->meter);
		lt_json_key(w, "quantity");
		lt_json_i64(w, clamp(part->quantity));
		lt_json_key(w, "pico");
		lt_json_i64(w, part->amount);
		lt_json_key(w, "price");
		lt_json_string(w, part->price);
		lt_json_end_object(w);
	}
	lt_json_end_array(w);
}

/* A JSON column: the units (@cost NULL) or the parts of the cost. */
static int bind_json(sqlite3_stmt *s, int at, const struct lt_usage *usage,
		     const struct lt_cost *cost)
{
	struct lt_json_writer w;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (cost ? cost->part_count == 0 : usage->unit_count == 0)
		return sqlite3_bind_null(s, at);
	out = open_memstream(&text, &size);
	if (!out)
		return SQLITE_NOMEM;
	lt_json_writer_init(&w, out);
	if (cost)
		write_parts(&w, cost);
	else
		write_units(&w, usage);
	if (fclose(out) != 0) {
		free(text);
		return SQLITE_NOMEM;
	}
	return sqlite3_bind_text(s, at, text, (int)size, free);
}

int lt_record_bind(sqlite3_stmt *s, const struct lt_record *r)
{
	int at = 0, bad = 0;

	bad |= bind_id(s, ++at, true, r->id.b);
#define LT_F(kind, column, member, a, b) bad |= BIND_##kind(member, a, b);
	LT_RECORD_FIELDS
#undef LT_F
	bad |= bind_if(s, ++at, lt_record_has_amount(r), r->cost.amount);
	bad |= bind_json(s, ++at, &r->call.usage, NULL);
	bad |= bind_json(s, ++at, &r->call.usage, &r->cost);
	return bad ? -ENOMEM : 0;
}

/* And the way back. */

static void read_count(sqlite3_stmt *s, int at, struct lt_count *to)
{
	to->known = sqlite3_column_type(s, at) != SQLITE_NULL;
	to->n = (uint64_t)sqlite3_column_int64(s, at);
}

static bool read_id(sqlite3_stmt *s, int at, uint8_t to[16])
{
	if (sqlite3_column_bytes(s, at) != 16)
		return false;
	memcpy(to, sqlite3_column_blob(s, at), 16);
	return true;
}

#define READ_TEXT(m, a, b) lt_sqlite_text(s, ++at, r->m, sizeof(r->m));
#define READ_INT(m, a, b)  r->m = (__typeof__(r->m))sqlite3_column_int64(s, ++at);
#define READ_SOME(m, a, b) READ_INT(m, a, b)
#define READ_SINCE(m, a, b)                                                                        \
	++at;                                                                                      \
	r->m = sqlite3_column_type(s, at) == SQLITE_NULL ? -1 : sqlite3_column_int64(s, at);
#define READ_FLAG(m, a, b)                                                                         \
	r->m = sqlite3_column_int64(s, ++at);                                                      \
	r->a = sqlite3_column_type(s, at) != SQLITE_NULL;
#define READ_COUNT(m, a, b) read_count(s, ++at, &r->m);
#define READ_BOOL(m, a, b)  r->m = sqlite3_column_int(s, ++at) != 0;
/* An unknown name (of a newer agent) stays the first value. */
#define READ_ENUM(m, a, b)                                                                         \
	lt_sqlite_text(s, ++at, name, sizeof(name));                                               \
	for (int value = 0; value <= (int)(b); value++) {                                          \
		if (strcmp(name, a((__typeof__(r->m))value)) == 0)                                 \
			r->m = (__typeof__(r->m))value;                                            \
	}
#define READ_ID(m, a, b) r->a = read_id(s, ++at, r->m);

static void read_fields(sqlite3_stmt *s, int at, struct lt_record *r)
{
	char name[32];

#define LT_F(kind, column, member, a, b) READ_##kind(member, a, b)
	LT_RECORD_FIELDS
#undef LT_F
}

enum {
#define LT_F(kind, column, member, a, b) +1
	FIELD_COUNT = 0 LT_RECORD_FIELDS,
#undef LT_F
};

static int read_units(struct lt_ledger *l, sqlite3_stmt *row, int at, struct lt_usage *usage)
{
	sqlite3_stmt *s = l->units;
	int step = SQLITE_DONE;

	if (sqlite3_column_type(row, at) == SQLITE_NULL)
		return 0;
	sqlite3_bind_value(s, 1, sqlite3_column_value(row, at));
	while (usage->unit_count < LT_UNITS_MAX && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct lt_unit *u = &usage->units[usage->unit_count++];

		lt_sqlite_text(s, 0, u->name, sizeof(u->name));
		u->amount_micro = (uint64_t)sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return step == SQLITE_DONE || step == SQLITE_ROW ? 0 : lt_sqlite_errno(step);
}

static int read_parts(struct lt_ledger *l, sqlite3_stmt *row, int at, struct lt_cost *cost)
{
	sqlite3_stmt *s = l->parts;
	int step = SQLITE_DONE;

	if (sqlite3_column_type(row, at) == SQLITE_NULL)
		return 0;
	sqlite3_bind_value(s, 1, sqlite3_column_value(row, at));
	while (cost->part_count < LT_COST_PARTS_MAX && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct lt_cost_part *part = &cost->parts[cost->part_count++];
		const char *meter = (const char *)sqlite3_column_text(s, 0);

		part->meter = lt_record_meter(meter ? meter : "other");
		part->quantity = (uint64_t)sqlite3_column_int64(s, 1);
		part->amount = sqlite3_column_int64(s, 2);
		lt_sqlite_text(s, 3, part->price, sizeof(part->price));
	}
	sqlite3_reset(s);
	return step == SQLITE_DONE || step == SQLITE_ROW ? 0 : lt_sqlite_errno(step);
}

static int prepare_json(struct lt_ledger *l)
{
	int r = 0;

	if (!l->units)
		r = lt_ledger_prepare(
			l, "select value ->> 'unit', value ->> 'micro' from json_each(?)",
			&l->units);
	if (r == 0 && !l->parts)
		r = lt_ledger_prepare(l,
				      "select value ->> 'meter', value ->> 'quantity', "
				      "value ->> 'pico', value ->> 'price' from json_each(?)",
				      &l->parts);
	return r;
}

int lt_record_read(struct lt_ledger *l, sqlite3_stmt *s, uint64_t *ret_seq, struct lt_record *ret)
{
	int r = prepare_json(l);

	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	if (!read_id(s, 1, ret->id.b))
		return -EBADMSG;
	read_fields(s, 1, ret);
	ret->cost.amount = sqlite3_column_int64(s, FIELD_COUNT + 2);
	r = read_units(l, s, FIELD_COUNT + 3, &ret->call.usage);
	if (r == 0)
		r = read_parts(l, s, FIELD_COUNT + 4, &ret->cost);
	if (r == 0)
		*ret_seq = (uint64_t)sqlite3_column_int64(s, 0);
	return r;
}
