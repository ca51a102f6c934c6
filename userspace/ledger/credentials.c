// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/credentials.h"

#include <errno.h>

#include "userspace/base/clock.h"
#include "userspace/decode/credential.h"
#include "userspace/ledger/internal.h"

/*
 * Keys of hours (tokens of sign-ins) would fill the inventory, and so would a program that makes
 * keys up: of the former those are dropped that nobody has used for so long, of all the oldest.
 */
#define SHORT_KEYS_NS "2592000000000000"
#define USES_MAX      "200000"

/* In which of its workload's names a record is known best: names, before what changes at each
 * start. */
#define WORKLOAD(r)                                                                                \
	"coalesce(" r ".namespace || '/' || " r ".workload_ref, " r ".namespace || '/' || " r      \
	".pod, " r ".workload_ref, 'container ' || " r ".container_name, 'image ' || " r ".image," \
	" iif(" r ".unit glob '*.service', " r ".unit, null),"                                     \
	" 'container ' || substr(" r ".container_id, 1, 12),"                                      \
	" coalesce(" r ".exe, " r ".comm, '?') || ' (uid ' || " r ".uid || ')')"

#define KEY(r)                                                                                     \
	r ".credential_fp, coalesce(" r ".key_kind, ''), coalesce(" r                              \
	  ".provider, ''), coalesce(" r ".host, ''), coalesce(" r                                  \
	  ".tenant, ''), " WORKLOAD(r) ", coalesce(" r ".currency, '')"
#define KEY_COLUMNS "fp, kind, provider, host, tenant, workload, currency"

/* A key is paid for where it is used: the gateway's at the provider, and its client's at the
 * gateway. Not so an object that is read again. */
#define COST(r)                                                                                    \
	"iif(" r ".counts_in_total = 1 or " r ".hop_role in ('terminal', 'transit'), coalesce(" r  \
	".cost_pico, 0), 0)"
/* Sums may pass 64 bits. */
#define HIGH(r)	  "(" COST(r) " >> 32)"
#define LOW(r)	  "(" COST(r) " & 4294967295)"
#define FAILED(r) "(coalesce(" r ".status_code, 0) >= 400 or " r ".error_type is not null)"
/* A gateway that passes its client's key on has not used one. */
#define PASSED_ON(r)                                                                               \
	"(" r ".hop_role in ('terminal', 'transit') and exists (select 1 from record as p"         \
	" where p.record_id = " r ".parent_record_id and p.credential_fp = " r ".credential_fp))"
#define IS_USE(r)                                                                                  \
	r ".credential_fp is not null and " r ".record_state <> 'void' and " r                     \
	  ".model_part is null and not " PASSED_ON(r)

#define ADD                                                                                        \
	"insert into credential_use select " KEY(                                                  \
		"new") ", new.start_ns,"                                                           \
		       " max(new.start_ns, new.end_ns), 1, " FAILED("new") ", " HIGH(              \
			       "new") ", " LOW("new") " where " IS_USE("new") " on conflict do "   \
									      "update set"         \
									      " first_ns = "       \
									      "min(first_ns, "     \
									      "excluded.first_ns)" \
									      ", last_ns = "       \
									      "max(last_ns, "      \
									      "excluded.last_ns)," \
									      " calls = calls + "  \
									      "1, errors = "       \
									      "errors + "          \
									      "excluded.errors,"   \
									      " cost_high = "      \
									      "cost_high + "       \
									      "excluded.cost_"     \
									      "high, cost_low = "  \
									      "cost_low + "        \
									      "excluded.cost_low;"

#define TAKE_OFF                                                                                                                                                    \
	"update credential_use set calls = calls - 1, errors = errors - " FAILED(                                                                                   \
		"old") ", cost_high = cost_high - " HIGH("old") ", cost_low = cost_low - " LOW("o"                                                                  \
											       "l"                                                                  \
											       "d") " where (" KEY_COLUMNS                                          \
												    ") = (" KEY("old") ") and " IS_USE(                             \
													    "old") ";"                                              \
														   "delete from credential_use where (" KEY_COLUMNS \
														   ") = (" KEY(                                     \
															   "old") ") and calls <= 0;"

#define WATCHED                                                                                    \
	"credential_fp, key_kind, provider, host, tenant, namespace, workload_ref, pod,"           \
	" container_name, image, unit, container_id, exe, comm, uid, currency, counts_in_total,"   \
	" hop_role, parent_record_id, cost_pico, status_code, error_type, record_state, "          \
	"start_ns, end_ns"

/* A record that is deleted because it is old takes nothing with it. */
static const char tables[] =
	"create table credential_use (fp integer not null, kind text not null,"
	" provider text not null, host text not null, tenant text not null,"
	" workload text not null, currency text not null, first_ns integer not null,"
	" last_ns integer not null, calls integer not null, errors integer not null,"
	" cost_high integer not null, cost_low integer not null,"
	" primary key (" KEY_COLUMNS ")) strict, without rowid;"
	"create table credential_alias (old_fp integer primary key, fp integer not null,"
	" since_ns integer not null) strict;"
	"create trigger credential_added after insert on record"
	" when new.credential_fp is not null begin " ADD " end;"
	"create trigger credential_changed after update of " WATCHED " on record"
	" when old.credential_fp is not null or new.credential_fp is not null"
	" begin " TAKE_OFF ADD " end;"
	"insert into credential_use select " KEY(
		"r") ", min(r.start_ns),"
		     " max(max(r.start_ns, r.end_ns)), count(*), sum(" FAILED("r") "), sum(" HIGH(
			     "r") "),"
				  " sum(" LOW("r") ") from record as r where " IS_USE(
					  "r") " group by 1, 2, 3, 4, 5, 6, 7;";

static const char prune[] = "delete from credential_use where last_ns < ?1 - " SHORT_KEYS_NS
			    " and kind in (select value from json_each(?2));";

static const char prune_oldest[] =
	"delete from credential_use where last_ns < (select last_ns from credential_use"
	" order by last_ns desc limit 1 offset " USES_MAX ");";

static const char add_alias[] =
	"insert into credential_alias values (?1, ?2, ?3) on conflict do nothing";
/* After the next rotation the oldest is the newest's as well. */
static const char follow_alias[] = "update credential_alias set fp = ?2 where fp = ?1";

static bool has_tables(struct lt_ledger *l)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;

	return lt_ledger_prepare(l, "select 1 from sqlite_schema where name = 'credential_changed'",
				 &s) == 0 &&
	       sqlite3_step(s) == SQLITE_ROW;
}

static int drop_old(struct lt_ledger *l, const char *short_kinds)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = lt_ledger_prepare(l, prune, &s);

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, lt_clock_wall_ns());
	sqlite3_bind_text(s, 2, short_kinds, -1, SQLITE_STATIC);
	r = lt_sqlite_errno(sqlite3_step(s));
	return r < 0 ? r : lt_sqlite_run(l->db, prune_oldest);
}

int lt_credentials_open(struct lt_ledger *l)
{
	char kinds[2048] = "[";
	size_t n = 1;
	int r = 0;

	if (!has_tables(l)) {
		r = lt_sqlite_run(l->db, "begin immediate");
		if (r == 0)
			r = lt_sqlite_run(l->db, tables);
		r = lt_sqlite_end(l->db, r);
	}
	for (size_t i = 0; lt_key_kind_at(i) && n + LT_WORD_SIZE + 4 < sizeof(kinds); i++) {
		if (lt_key_kind_at(i)->traits & LT_KEY_SHORT)
			n += (size_t)snprintf(kinds + n, sizeof(kinds) - n, "%s\"%s\"",
					      n > 1 ? "," : "", lt_key_kind_at(i)->name);
	}
	kinds[n] = ']';
	kinds[n + 1] = '\0';
	if (r == 0)
		r = drop_old(l, kinds);
	if (r == 0)
		r = lt_ledger_prepare(l, add_alias, &l->add_alias);
	return r < 0 ? r : lt_ledger_prepare(l, follow_alias, &l->follow_alias);
}

int lt_credentials_put(struct lt_ledger *l, const struct lt_record *record)
{
	const struct lt_call *c = &record->call;
	sqlite3_stmt *const both[] = {l->add_alias, l->follow_alias};
	int r = 0;

	if (c->previous_fp == 0 || c->credential_fp == 0 || c->previous_fp == c->credential_fp)
		return 0;
	for (size_t i = 0; r == 0 && i < LT_COUNT(both); i++) {
		if (i > 0 && sqlite3_changes(l->db) == 0)
			break; /* it was known */
		sqlite3_bind_int64(both[i], 1, (int64_t)c->previous_fp);
		sqlite3_bind_int64(both[i], 2, (int64_t)c->credential_fp);
		if (i == 0)
			sqlite3_bind_int64(both[i], 3, record->start_ns);
		r = lt_sqlite_errno(sqlite3_step(both[i]));
		sqlite3_reset(both[i]);
	}
	return r;
}

static const char *text(sqlite3_stmt *s, int at)
{
	const char *t = (const char *)sqlite3_column_text(s, at);

	return t ? t : "";
}

int lt_query_keys(struct lt_ledger *l, int (*each)(void *arg, const struct lt_key_use *use),
		  void *arg)
{
	static const char sql[] =
		"with uses as (select coalesce(a.fp, u.fp) as now_fp, u.* from credential_use as u"
		" left join credential_alias as a on a.old_fp = u.fp)"
		" select now_fp, max(kind), provider, host, tenant, workload, currency,"
		" min(first_ns), max(last_ns), sum(calls), sum(errors), sum(cost_high),"
		" sum(cost_low) from uses"
		" group by now_fp, provider, host, tenant, workload, currency"
		" order by sum(total(cost_high)) over (partition by now_fp) desc,"
		" max(max(last_ns)) over (partition by now_fp) desc, now_fp, sum(calls) desc";
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r, step;

	if (!has_tables(l))
		return -ENOENT;
	r = lt_ledger_prepare(l, sql, &s);
	while (r == 0 && (step = sqlite3_step(s)) != SQLITE_DONE) {
		const struct lt_key_use use = {
			.fp = (uint64_t)sqlite3_column_int64(s, 0),
			.kind = text(s, 1),
			.provider = text(s, 2),
			.host = text(s, 3),
			.tenant = text(s, 4),
			.workload = text(s, 5),
			.currency = text(s, 6),
			.first_ns = sqlite3_column_int64(s, 7),
			.last_ns = sqlite3_column_int64(s, 8),
			.calls = (uint64_t)sqlite3_column_int64(s, 9),
			.errors = (uint64_t)sqlite3_column_int64(s, 10),
			.cost = (lt_int128)sqlite3_column_int64(s, 11) * (1LL << 32) +
				sqlite3_column_int64(s, 12),
		};

		r = step == SQLITE_ROW ? each(arg, &use) : lt_sqlite_errno(step);
	}
	return r;
}

int lt_query_key_aliases(struct lt_ledger *l, int (*each)(void *arg, uint64_t old_fp, uint64_t fp),
			 void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r, step;

	if (!has_tables(l))
		return -ENOENT;
	r = lt_ledger_prepare(l, "select old_fp, fp from credential_alias order by since_ns", &s);
	while (r == 0 && (step = sqlite3_step(s)) != SQLITE_DONE)
		r = step == SQLITE_ROW ? each(arg, (uint64_t)sqlite3_column_int64(s, 0),
					      (uint64_t)sqlite3_column_int64(s, 1))
				       : lt_sqlite_errno(step);
	return r;
}
