// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/amend.h"

#include <errno.h>

#include "userspace/ledger/internal.h"

enum { LIMIT_DEFAULT = 256 };

static int run(struct lt_ledger *l, const char *sql)
{
	return lt_sqlite_errno(sqlite3_exec(l->db, sql, NULL, NULL, NULL));
}

/* The next one that waits. -ENOENT: there is none. Read one by one: what is done to a record may
 * change those that name it as their parent. */
static int next_pending(struct lt_ledger *l, uint64_t after_seq, uint64_t *ret_seq,
			struct lt_record *ret)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	char sql[4096];
	int r, step;

	snprintf(sql, sizeof(sql),
		 "select %s from record where identity_pending = 1 and node_seq > ?1"
		 " order by node_seq limit 1",
		 lt_record_columns);
	r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, (int64_t)after_seq);
	step = sqlite3_step(s);
	if (step == SQLITE_DONE)
		return -ENOENT;
	return step == SQLITE_ROW ? lt_record_read(l, s, ret_seq, ret) : lt_sqlite_errno(step);
}

static int with_ids(struct lt_ledger *l, const char *sql, const struct lt_record *old,
		    struct lt_record_id id)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = lt_ledger_prepare(l, sql, &s);

	if (r < 0)
		return r;
	sqlite3_bind_blob(s, 1, old->id.b, 16, SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, id.b, 16, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, old->start_ns);
	if (old->dedupe_known)
		sqlite3_bind_blob(s, 4, old->dedupe_key, 16, SQLITE_STATIC);
	r = sqlite3_step(s);
	return r == SQLITE_DONE ? 0 : lt_sqlite_errno(r);
}

static int put(struct lt_ledger *l, const struct lt_record *record)
{
	int r = lt_record_bind(l->insert, record);
	int step = r == 0 ? sqlite3_step(l->insert) : SQLITE_DONE;

	sqlite3_reset(l->insert);
	return r == 0 && step != SQLITE_DONE ? lt_sqlite_errno(step) : r;
}

/* The tombstone names who stands in its place, and so do all that named the old one. */
static int replace(struct lt_ledger *l, const struct lt_record *old, struct lt_record *record)
{
	int r = lt_record_id_derive(old->id, "reattr", old->revision, &record->id);

	record->revision = 1;
	record->state = LT_RECORD_FINAL;
	if (r == 0)
		r = with_ids(l,
			     "update record set record_state = 'void', counts_in_total = 0,"
			     " identity_pending = 0, dedupe_key = null, hop_role = 'single',"
			     " parent_record_id = ?2, revision = revision + 1 where record_id = ?1",
			     old, record->id);
	if (r == 0)
		r = put(l, record);
	/* Parts of the same call began with it; other hops have its key. */
	if (r == 0)
		r = with_ids(l,
			     "update record set parent_record_id = ?2, revision = revision + 1"
			     " where parent_record_id = ?1 and record_id <> ?2 and"
			     " (start_ns = ?3 or dedupe_key = ?4)",
			     old, record->id);
	return r;
}

static int amend(struct lt_ledger *l, const struct lt_record *old, struct lt_record *record)
{
	if (strcmp(old->who.tenant, record->who.tenant) != 0)
		return replace(l, old, record);
	record->revision++;
	record->state = LT_RECORD_AMENDED;
	return put(l, record);
}

static int give_up(struct lt_ledger *l, int64_t before_ns)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = lt_ledger_prepare(l,
				  "update record set identity_pending = 0"
				  " where identity_pending = 1 and start_ns < ?1",
				  &s);

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, before_ns);
	r = sqlite3_step(s);
	return r == SQLITE_DONE ? 0 : lt_sqlite_errno(r);
}

static int amend_all(struct lt_ledger *l, const struct lt_amend_opts *opts, struct lt_amended *ret)
{
	size_t limit = opts->limit ? opts->limit : LIMIT_DEFAULT;
	uint64_t seq = opts->after_seq;
	struct lt_record old, record;
	int r = 0;

	while (r == 0 && ret->looked_at < limit) {
		r = next_pending(l, seq, &seq, &old);
		if (r == -ENOENT) {
			ret->last_seq = 0;
			return 0;
		}
		if (r < 0)
			return r;
		ret->looked_at++;
		ret->last_seq = seq;
		record = old;
		if (!opts->again(opts->arg, &record))
			continue;
		ret->changed++;
		r = amend(l, &old, &record);
	}
	return r;
}

int lt_ledger_amend(struct lt_ledger *l, const struct lt_amend_opts *opts, struct lt_amended *ret)
{
	int r;

	*ret = (struct lt_amended){0};
	if (!l->db)
		return -EIO;
	r = run(l, "begin immediate");
	if (r == 0)
		r = give_up(l, opts->give_up_ns);
	if (r == 0)
		r = amend_all(l, opts, ret);
	if (r == 0)
		r = run(l, "commit");
	if (r == 0)
		return 0;
	if (!sqlite3_get_autocommit(l->db))
		run(l, "rollback");
	*ret = (struct lt_amended){0};
	return r;
}
