// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/amend.h"

#include <errno.h>

#include "userspace/ledger/internal.h"

enum { LIMIT_DEFAULT = 256 };

static int prepare_next(struct lt_ledger *l, sqlite3_stmt **ret)
{
	char sql[4096];

	snprintf(sql, sizeof(sql),
		 "select %s from record where identity_pending = 1 and node_seq > ?1"
		 " order by node_seq limit 1",
		 lt_record_columns);
	return lt_ledger_prepare(l, sql, ret);
}

/* The next one that waits. -ENOENT: there is none. Read one by one: what is done to a record may
 * change those that name it as their parent. */
static int next_pending(struct lt_ledger *l, sqlite3_stmt *s, uint64_t after_seq, uint64_t *ret_seq,
			struct lt_record *ret)
{
	int r, step;

	sqlite3_bind_int64(s, 1, (int64_t)after_seq);
	step = sqlite3_step(s);
	r = step == SQLITE_ROW	  ? lt_record_read(l, s, ret_seq, ret)
	    : step == SQLITE_DONE ? -ENOENT
				  : lt_sqlite_errno(step);
	sqlite3_reset(s);
	return r;
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
	return lt_sqlite_step(s);
}

static int put(struct lt_ledger *l, const struct lt_record *record)
{
	int r = lt_record_bind(l->insert, record);

	return r < 0 ? r : lt_sqlite_step(l->insert);
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
	return lt_sqlite_step(s);
}

static int amend_all(struct lt_ledger *l, const struct lt_amend_opts *opts, struct lt_amended *ret)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	size_t limit = opts->limit ? opts->limit : LIMIT_DEFAULT;
	uint64_t seq = opts->after_seq;
	struct lt_record old, record;
	int r = prepare_next(l, &s);

	while (r == 0 && ret->looked_at < limit) {
		r = next_pending(l, s, seq, &seq, &old);
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
	r = lt_sqlite_run(l->db, "begin immediate");
	if (r < 0)
		return r;
	r = give_up(l, opts->give_up_ns);
	if (r == 0)
		r = amend_all(l, opts, ret);
	r = lt_sqlite_end(l->db, r);
	if (r < 0)
		*ret = (struct lt_amended){0};
	return r;
}
