/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the ledger room share; nobody else includes it. */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "userspace/ledger/ledger.h"

enum { LT_LEDGER_PATH = 4000, LT_JOIN_STATEMENTS = 19 };

struct lt_ledger {
	sqlite3 *db;
	sqlite3_stmt *insert; /* of the writer, prepared at open */
	sqlite3_stmt *join[LT_JOIN_STATEMENTS];
	bool has_outers; /* there may be calls to hosts that are no provider's own */
	unsigned outers_added;
	bool (*serves)(void *arg, uint32_t tgid, uint64_t process_start_ns, uint16_t port);
	void *serves_arg;
	sqlite3_stmt *add_alias;
	sqlite3_stmt *follow_alias;
	sqlite3_stmt *units; /* take a JSON column apart; prepared at the first reading */
	sqlite3_stmt *parts;
	dev_t device; /* of the file, when it was opened for reading */
	ino_t inode;
	int lock; /* on the state directory, of the one writer; -1: none */
	char error[512];
	char state_dir[LT_LEDGER_PATH];
	char path[LT_LEDGER_PATH];
};

/* "unknown" | "no" | "yes" */
const char *lt_billable_name(enum lt_billable b);

/* Column 0 of a select of these is node_seq, 1 is record_id. */
extern const char lt_record_columns[];
/* The whole "create table record (...)". */
extern const char lt_record_table[];
/* Insert with upsert; parameters in the order of the columns without node_seq. */
extern const char lt_record_insert[];

/* -ENOMEM, -EIO ... for a result code of the library. */
int lt_sqlite_errno(int code);
/* Statements without parameters and rows. */
LT_MUST_CHECK int lt_sqlite_run(sqlite3 *db, const char *sql);
/* A statement that gives no row, which can be used again then. */
LT_MUST_CHECK int lt_sqlite_step(sqlite3_stmt *s);
/* Ends a transaction: commits when @r is 0, else rolls back. Returns @r, or why it failed. */
LT_MUST_CHECK int lt_sqlite_end(sqlite3 *db, int r);
/* Column @at, cut to @size; null leaves @to as it is. */
void lt_sqlite_text(sqlite3_stmt *s, int at, char *to, size_t size);
/* Renames a damaged database with what belongs to it to "<path><suffix>". */
LT_MUST_CHECK int lt_sqlite_move_aside(const char *path, const char *suffix);
LT_MUST_CHECK int lt_ledger_prepare(struct lt_ledger *l, const char *sql, sqlite3_stmt **ret);

LT_MUST_CHECK int lt_record_bind(sqlite3_stmt *insert, const struct lt_record *r);
/* From the current row of a select of lt_record_columns. */
LT_MUST_CHECK int lt_record_read(struct lt_ledger *l, sqlite3_stmt *row, uint64_t *ret_seq,
				 struct lt_record *ret);

/* ---- credentials.c: the inventory of keys ---- */

/* Makes what it needs, and fills it from the records that are there. */
LT_MUST_CHECK int lt_credentials_open(struct lt_ledger *l);
/* Within the writer's transaction; what triggers cannot see. */
LT_MUST_CHECK int lt_credentials_put(struct lt_ledger *l, const struct lt_record *record);

/* ---- joins.c: hops of one call ---- */

LT_MUST_CHECK int lt_joins_open(struct lt_ledger *l);
void lt_joins_close(struct lt_ledger *l);
/* Within the writer's transaction, after @record was written. */
LT_MUST_CHECK int lt_joins_put(struct lt_ledger *l, const struct lt_record *record);

static inline void lt_finalizep(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
	*s = NULL;
}

static inline void lt_sqlite_freep(char **text)
{
	sqlite3_free(*text);
	*text = NULL;
}
