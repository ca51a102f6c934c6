// SPDX-License-Identifier: Apache-2.0
/*
 * Which records are hops of one call: a gateway's client and the gateway itself. The outer one
 * began the call: it counts, and has the cost. Within the writer's transaction; what a later record
 * says may undo what was concluded, never what was stated.
 */
#include <errno.h>

#include "userspace/base/clock.h"
#include "userspace/ledger/internal.h"

#define HOUR_NS 3600000000000ll

enum {
	NEAR_MAX = 64,	     /* outer calls that may be one record's */
	DEPTH_MAX = 8,	     /* gateways behind gateways */
	TRIES_MAX = 64,	     /* failed attempts of a gateway for one call */
	FORGET_EVERY = 1024, /* calls to gateways */
};

/* ---- stated: the same response id ---- */

/* A gateway passes the end of a stream on before it has read the end of its own connection's
 * message. */
#define TAIL_NS "1000000000"

/* The same response from two hosts in two processes. Upstreams of tests answer with the same id
 * again and again, but from one host. */
#define SAME_CALL                                                                                  \
	"other.dedupe_key = self.dedupe_key and other.record_id <> self.record_id"                 \
	" and other.conn_tgid <> self.conn_tgid and other.host <> self.host"

static const char mark_self[] =
	"update record as self set counts_in_total = 0, hop_role = 'terminal',"
	" parent_record_id = ("
	"select record_id from record as other where " SAME_CALL
	" and other.start_ns < self.start_ns and other.end_ns > self.start_ns"
	" and other.end_ns > self.end_ns - " TAIL_NS " order by other.start_ns desc limit 1)"
	" where record_id = ?1 and exists (select 1 from record as other where " SAME_CALL
	" and other.start_ns < self.start_ns and other.end_ns > self.start_ns"
	" and other.end_ns > self.end_ns - " TAIL_NS ")";

/* Of several around it, a hop's parent is the nearest. */
static const char mark_others[] =
	"update record as other set counts_in_total = 0, hop_role = iif(exists (select 1 from"
	" record as c where c.parent_record_id = other.record_id and c.hop_role in ('terminal',"
	" 'transit')), 'transit', 'terminal'), parent_record_id = ?1, inferred = "
	"nullif(coalesce(other.inferred, 0) & ~4, 0),"
	" revision = other.revision + 1 from (select record_id, dedupe_key, conn_tgid, host,"
	" start_ns, end_ns from record where record_id = ?1) as self"
	" where " SAME_CALL
	" and other.start_ns > self.start_ns and other.end_ns < self.end_ns + " TAIL_NS ""
	" and (other.counts_in_total = 1 or other.inferred & 4 or (other.hop_role <> 'single'"
	" and self.start_ns > (select start_ns from record where record_id ="
	" other.parent_record_id)))";

/* A stored object's usage counts once, however often it is read and by whom. */
#define SAME_OBJECT                                                                                \
	"other.dedupe_key = self.dedupe_key and other.record_id <> self.record_id"                 \
	" and other.counts_in_total = 1"                                                           \
	" and coalesce(other.input_total, other.output_total, other.units) is not null"

static const char mark_stored[] =
	"update record as self set counts_in_total = 0, parent_record_id = ("
	"select record_id from record as other where " SAME_OBJECT
	" order by other.start_ns limit 1)"
	" where record_id = ?1 and stored = 1"
	" and exists (select 1 from record as other where " SAME_OBJECT ")";

/* It failed, or broke off. */
#define FAILED                                                                                     \
	"(coalesce(status_code, 599) >= 400 or error_type is not null"                             \
	" or usage_completeness <> 'complete')"

/* ---- inferred: the gateway gave the response another id ---- */

static const char tables[] =
	/* calls to hosts that are no provider's own, by what an inner hop has to match */
	"create table if not exists hop_outer (input integer not null, output integer not null,"
	" end_ns integer not null, record_id blob not null, start_ns integer not null,"
	" port integer not null, primary key (input, output, end_ns, record_id))"
	" strict, without rowid;"
	/* calls that a process passed on */
	"create table if not exists hop_served (tgid integer not null, end_ns integer not null,"
	" record_id blob not null, start_ns integer not null,"
	" primary key (tgid, end_ns, record_id)) strict, without rowid;"
	/* what a call cost by itself, should the join be undone */
	"create table if not exists hop_own_cost (record_id blob not null primary key,"
	" end_ns integer not null, price_status text not null, cost_pico integer, currency text,"
	" price_version text, cost_parts text) strict, without rowid;"
	"create index if not exists record_tokens on record (input_total, output_total, start_ns)"
	" where input_total > 0 and output_total > 0;"
	"create index if not exists record_parent on record (parent_record_id)"
	" where parent_record_id is not null;"
	"create index if not exists record_failed on record (conn_tgid, start_ns) where " FAILED
	";";

static const char forget[] = "delete from hop_outer where end_ns < ?1;";
static const char forget_served[] = "delete from hop_served where end_ns < ?1;";
static const char forget_costs[] = "delete from hop_own_cost where end_ns < ?1;";

static const char add_outer[] =
	"insert into hop_outer select input_total, output_total, end_ns, record_id, start_ns, ?2"
	" from record where record_id = ?1 and input_total > 0 and output_total > 0"
	" on conflict do nothing";

/* Another process, another host, the same tokens as the provider states them, a like model, and one
 * inside the other; neither has a partner with the same id. */
#define PAIR                                                                                       \
	" i.input_total = o.input_total and i.output_total = o.output_total"                       \
	" and i.input_total > 0 and i.output_total > 0"                                            \
	" and i.start_ns > o.start_ns and i.start_ns < o.end_ns"                                   \
	" and i.end_ns < o.end_ns + " TAIL_NS                                                      \
	" and i.conn_tgid <> o.conn_tgid and i.host <> o.host"                                     \
	" and i.usage_source = 'wire' and o.usage_source = 'wire'"                                 \
	" and i.model_part is null and i.stored = 0 and o.model_part is null and o.stored = 0"     \
	" and i.record_state <> 'void' and o.record_state <> 'void'"                               \
	" and (i.inferred & 4 or (i.counts_in_total = 1 and i.parent_record_id is null))"          \
	" and not exists (select 1 from record as c where c.parent_record_id = o.record_id"        \
	" and c.dedupe_key = o.dedupe_key)"                                                        \
	" and lt_same_model(o.response_model, o.request_model, i.response_model, i.request_model)"

static const char outers_of[] =
	"select o.record_id, ho.port from record as i join hop_outer as ho on"
	" ho.input = i.input_total and ho.output = i.output_total and ho.end_ns > i.end_ns "
	"- " TAIL_NS " and ho.start_ns < i.start_ns join record as o on o.record_id = ho.record_id"
	" where i.record_id = ?1 and" PAIR " limit ?2";

static const char inners_of[] =
	"select i.record_id, i.conn_tgid, i.conn_process_start_ns, i.parent_record_id is "
	"o.record_id"
	" from record as o, record as i indexed by record_tokens where o.record_id = ?1 and" PAIR
	" limit 2";

static const char link_one[] =
	"update record set parent_record_id = ?2, counts_in_total = 0, hop_role = 'terminal',"
	" inferred = coalesce(inferred, 0) | 4, revision = revision + 1"
	" where record_id = ?1 and parent_record_id is not ?2";

static const char unlink_one[] =
	"update record set parent_record_id = null, counts_in_total = 1, hop_role = 'single',"
	" inferred = nullif(inferred & ~4, 0), revision = revision + 1"
	" where record_id = ?1 and inferred & 4 returning record_id";

/* ---- what a gateway tried before it had the answer ---- */

/* It failed, or broke off; and it is nobody's yet, or concluded to be somebody's. */
static const char tries_of[] =
	"select f.record_id, f.parent_record_id is o.record_id, (select count(*) from"
	" hop_served as hs where hs.tgid = f.conn_tgid and hs.end_ns > f.end_ns"
	" and hs.start_ns < f.start_ns)"
	" from record as o join record as c on c.parent_record_id = o.record_id"
	" and c.hop_role in ('terminal', 'transit')"
	" join record as f indexed by record_failed on f.conn_tgid = c.conn_tgid"
	" and f.start_ns > o.start_ns and f.start_ns < o.end_ns and f.end_ns < o.end_ns"
	" and (coalesce(f.status_code, 599) >= 400 or f.error_type is not null"
	" or f.usage_completeness <> 'complete') and f.host <> o.host"
	" and f.coverage_class = 'decoded' and f.record_state <> 'void' and f.stored = 0"
	" and f.model_part is null and (f.inferred & 4 or (f.counts_in_total = 1"
	" and f.parent_record_id is null)) where o.record_id = ?1 limit ?2";

static const char add_served[] =
	"insert into hop_served select distinct c.conn_tgid, o.end_ns, o.record_id, o.start_ns"
	" from record as o join record as c on c.parent_record_id = o.record_id"
	" and c.hop_role in ('terminal', 'transit') where o.record_id = ?1"
	" on conflict do nothing";

/* ---- roles and cost ---- */

#define CHILDREN                                                                                   \
	" from record as c where c.parent_record_id = ?1 and c.hop_role in ('terminal',"           \
	" 'transit')"
#define ROLE                                                                                       \
	"case when exists (select 1" CHILDREN ") then iif(hop_role in ('terminal', 'transit'),"    \
	" 'transit', 'origin') when hop_role in ('terminal', 'transit') then 'terminal'"           \
	" else 'single' end"

static const char set_role[] = "update record set hop_role = " ROLE
			       ", revision = revision + 1 where record_id = ?1"
			       " and hop_role <> " ROLE;

static const char keep_own_cost[] =
	"insert into hop_own_cost select record_id, end_ns, price_status, cost_pico, currency,"
	" price_version, cost_parts from record where record_id = ?1 on conflict do nothing";

static const char forget_own_cost[] = "delete from hop_own_cost where record_id = ?1";

static const char restore_cost[] =
	"update record as o set price_status = own.price_status, cost_pico = own.cost_pico,"
	" currency = own.currency, price_version = own.price_version, cost_parts = own.cost_parts,"
	" revision = o.revision + 1 from hop_own_cost as own where own.record_id = ?1"
	" and o.record_id = ?1 and not exists (select 1" CHILDREN ")";

/* The sum of what its hops cost is what the call cost: with what was tried in vain. An amount
 * beyond a thousand is no call's. */
static const char carry_cost[] =
	"update record as o set price_status = s.price_status, cost_pico = s.cost,"
	" currency = s.currency, price_version = s.price_version, cost_parts = s.parts,"
	" revision = o.revision + 1 from (select sum(c.cost_pico) as cost,"
	" min(c.currency) as currency, count(distinct c.currency) as currencies,"
	" (select c.price_status" CHILDREN " and c.cost_pico is not null"
	" order by c.cost_pico desc limit 1) as price_status,"
	" (select c.price_version" CHILDREN " and c.cost_pico is not null"
	" order by c.cost_pico desc limit 1) as price_version,"
	" (select nullif(json_group_array(json(p.value)), '[]') from record as c,"
	" json_each(c.cost_parts) as p where c.parent_record_id = ?1"
	" and c.hop_role in ('terminal', 'transit') and c.cost_pico is not null) as parts" CHILDREN
	" and abs(c.cost_pico) <= 1000000000000000) as s where o.record_id = ?1"
	" and s.currencies = 1 and (o.cost_pico is not s.cost or o.currency is not s.currency)";

static const char parent_of[] = "select parent_record_id from record where record_id = ?1"
				" and hop_role in ('terminal', 'transit')";

enum {
	MARK_STORED,
	MARK_SELF,
	MARK_OTHERS,
	ADD_OUTER,
	OUTERS_OF,
	INNERS_OF,
	LINK,
	UNLINK,
	TRIES_OF,
	ADD_SERVED,
	SET_ROLE,
	KEEP_OWN_COST,
	FORGET_OWN_COST,
	RESTORE_COST,
	CARRY_COST,
	PARENT_OF,
	FORGET,
	FORGET_SERVED,
	FORGET_COSTS,
	STATEMENTS
};

static const char *const sql[STATEMENTS] = {
	mark_stored, mark_self,	    mark_others,     add_outer,	   outers_of,
	inners_of,   link_one,	    unlink_one,	     tries_of,	   add_served,
	set_role,    keep_own_cost, forget_own_cost, restore_cost, carry_cost,
	parent_of,   forget,	    forget_served,   forget_costs,
};

_Static_assert((int)STATEMENTS == (int)LT_JOIN_STATEMENTS, "room for them in the ledger");

struct hop {
	struct lt_record_id id;
	int64_t number[3]; /* what else its row says */
};

/* ---- models ---- */

/* "openai/gpt-4o" is "gpt-4o" behind a gateway. */
static const char *bare(const unsigned char *name)
{
	const char *text = name ? (const char *)name : "";
	const char *slash = strrchr(text, '/');

	return slash ? slash + 1 : text;
}

/* "gpt-4o" and "gpt-4o-2024-08-06". */
static bool is_like(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b), n = na < nb ? na : nb;
	char next = na > nb ? a[n] : b[n];

	return n > 0 && strncasecmp(a, b, n) == 0 && (next == '\0' || strchr("-@:", next));
}

/*
 * (outer's response model, outer's request model, inner's two): whether they may be one call's. A
 * gateway that answers under the name that it was asked for (an alias, or what a fall-back stood in
 * for) says nothing of what it asked itself.
 */
static void same_model(sqlite3_context *context, int count, sqlite3_value **value)
{
	const char *answered = bare(sqlite3_value_text(value[0]));
	bool same = !answered[0] || strcmp(answered, bare(sqlite3_value_text(value[1]))) == 0;

	for (int o = 0; o < 2 && count == 4; o++) {
		for (int i = 2; i < 4; i++)
			same |= is_like(bare(sqlite3_value_text(value[o])),
					bare(sqlite3_value_text(value[i])));
	}
	sqlite3_result_int(context, same);
}

/* ---- running statements ---- */

static int run_for(struct lt_ledger *l, int which, const struct lt_record_id *id,
		   const struct lt_record_id *other)
{
	sqlite3_stmt *s = l->join[which];
	int code;

	sqlite3_bind_blob(s, 1, id->b, 16, SQLITE_STATIC);
	if (other)
		sqlite3_bind_blob(s, 2, other->b, 16, SQLITE_STATIC);
	code = sqlite3_step(s);
	sqlite3_reset(s);
	return lt_sqlite_errno(code);
}

/* Rows of a record id and numbers, at most @max. Returns how many, or -errno. */
static int list_for(struct lt_ledger *l, int which, const struct lt_record_id *id, int max,
		    struct hop *to)
{
	sqlite3_stmt *s = l->join[which];
	int n = 0, code = SQLITE_DONE;

	sqlite3_bind_blob(s, 1, id->b, 16, SQLITE_STATIC);
	if (sqlite3_bind_parameter_count(s) > 1)
		sqlite3_bind_int(s, 2, max);
	while (n < max && (code = sqlite3_step(s)) == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(s, 0);

		if (!blob || sqlite3_column_bytes(s, 0) != 16)
			continue;
		memcpy(to[n].id.b, blob, 16);
		for (int i = 0; i < 3; i++)
			to[n].number[i] = sqlite3_column_int64(s, i + 1);
		n++;
	}
	sqlite3_reset(s);
	return code == SQLITE_ROW || code == SQLITE_DONE ? n : lt_sqlite_errno(code);
}

static int forget_old(struct lt_ledger *l)
{
	int r = 0;

	for (int which = FORGET; r == 0 && which <= FORGET_COSTS; which++) {
		sqlite3_bind_int64(l->join[which], 1, lt_clock_wall_ns() - HOUR_NS);
		r = lt_sqlite_errno(sqlite3_step(l->join[which]));
		sqlite3_reset(l->join[which]);
	}
	return r;
}

static int look_for_outers(struct lt_ledger *l)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = lt_ledger_prepare(l, "select 1 from hop_outer limit 1", &s);
	int step = r == 0 ? sqlite3_step(s) : SQLITE_DONE;

	l->has_outers = step == SQLITE_ROW;
	return r < 0 ? r : lt_sqlite_errno(step);
}

int lt_joins_open(struct lt_ledger *l)
{
	int r = lt_sqlite_run(l->db, tables);

	if (r == 0)
		r = lt_sqlite_errno(sqlite3_create_function(l->db, "lt_same_model", 4,
							    SQLITE_UTF8 | SQLITE_DETERMINISTIC,
							    NULL, same_model, NULL, NULL));
	for (int i = 0; r == 0 && i < STATEMENTS; i++)
		r = lt_ledger_prepare(l, sql[i], &l->join[i]);
	if (r == 0)
		r = forget_old(l);
	return r < 0 ? r : look_for_outers(l);
}

void lt_joins_close(struct lt_ledger *l)
{
	for (int i = 0; i < STATEMENTS; i++)
		lt_finalizep(&l->join[i]);
}

/* ---- roles and cost ---- */

/* Role and cost of a record whose hops have changed, and of those around it. */
static int settle(struct lt_ledger *l, const struct lt_record_id *id)
{
	struct hop at = {.id = *id}, up;
	int r = 0, n = 1;

	for (int depth = 0; r == 0 && n > 0 && depth < DEPTH_MAX; depth++) {
		r = run_for(l, SET_ROLE, &at.id, NULL);
		if (r == 0)
			r = run_for(l, CARRY_COST, &at.id, NULL);
		if (r < 0)
			return r;
		n = list_for(l, PARENT_OF, &at.id, 1, &up);
		at = up;
	}
	return r < 0 ? r : n < 0 ? n : 0;
}

static int undo(struct lt_ledger *l, const struct lt_record_id *child)
{
	struct hop parent;
	int n = list_for(l, PARENT_OF, child, 1, &parent);
	int r = n < 0 ? n : run_for(l, UNLINK, child, NULL);

	if (r < 0 || n == 0)
		return r;
	r = run_for(l, RESTORE_COST, &parent.id, NULL);
	if (r == 0)
		r = settle(l, child);
	return r < 0 ? r : settle(l, &parent.id);
}

static int join(struct lt_ledger *l, const struct lt_record_id *child,
		const struct lt_record_id *parent)
{
	int r = run_for(l, KEEP_OWN_COST, parent, NULL);

	if (r == 0)
		r = run_for(l, LINK, child, parent);
	return r < 0 ? r : settle(l, child);
}

/* ---- conclusions ---- */

/* The one inner hop that the call @outer can have, if it is nobody else's; what was concluded
 * before and is doubtful now is undone. */
static int consider(struct lt_ledger *l, const struct lt_record_id *outer)
{
	struct hop inner[2], around[2];
	int n = list_for(l, INNERS_OF, outer, 2, inner), r = 0, m;

	for (int i = 0; n > 1 && r == 0 && i < n; i++)
		r = undo(l, &inner[i].id);
	if (n != 1 || r < 0)
		return n < 0 ? n : r;
	m = list_for(l, OUTERS_OF, &inner[0].id, 2, around);
	if (m > 1)
		return undo(l, &inner[0].id);
	if (m != 1 || inner[0].number[2] || !l->serves)
		return m < 0 ? m : 0;
	if (!l->serves(l->serves_arg, (uint32_t)inner[0].number[0], (uint64_t)inner[0].number[1],
		       (uint16_t)around[0].number[0]))
		return 0;
	r = undo(l, &inner[0].id); /* from whom it was thought to be before */
	return r < 0 ? r : join(l, &inner[0].id, outer);
}

/* What the gateway tried before, where it is clear for whom. */
static int claim_tries(struct lt_ledger *l, const struct lt_record_id *outer)
{
	struct hop tried[TRIES_MAX];
	int r = run_for(l, ADD_SERVED, outer, NULL);
	int n = r < 0 ? r : list_for(l, TRIES_OF, outer, TRIES_MAX, tried);

	r = n < 0 ? n : 0;
	for (int i = 0; r == 0 && i < n; i++) {
		bool ours = tried[i].number[0], clear = tried[i].number[1] == 1;

		if (!clear)
			r = undo(l, &tried[i].id);
		else if (!ours)
			r = join(l, &tried[i].id, outer);
	}
	return r;
}

static int add_to_outers(struct lt_ledger *l, const struct lt_record *record)
{
	bool clear = record->call.library == LT_LIBRARY_PLAINTEXT;
	uint16_t port = record->call.port;
	sqlite3_stmt *s = l->join[ADD_OUTER];

	if (port == 0)
		port = clear ? 80 : 443;
	sqlite3_bind_int(s, 2, port);
	l->has_outers = true;
	if (++l->outers_added % FORGET_EVERY == 0) {
		int r = forget_old(l);

		if (r < 0)
			return r;
	}
	return run_for(l, ADD_OUTER, &record->id, NULL);
}

static int conclude(struct lt_ledger *l, const struct lt_record *record)
{
	const struct lt_usage *u = &record->call.usage;
	struct hop near[NEAR_MAX];
	int n, r = 0;

	if (!u->input.known || !u->output.known || u->input.n == 0 || u->output.n == 0 ||
	    u->source != LT_USAGE_WIRE)
		return 0;
	if (record->call.relayed)
		r = add_to_outers(l, record);
	if (r < 0 || !l->has_outers)
		return r;
	if (record->call.relayed)
		r = consider(l, &record->id);
	n = r < 0 ? r : list_for(l, OUTERS_OF, &record->id, NEAR_MAX, near);
	for (int i = 0; r == 0 && i < n; i++)
		r = consider(l, &near[i].id);
	return n < 0 ? n : r;
}

int lt_joins_put(struct lt_ledger *l, const struct lt_record *record)
{
	const struct lt_record_id *id = &record->id;
	bool touched = record->revision > 1; /* hops that it has already */
	struct hop parent;
	int r = 0, n;

	if (l->has_outers) /* what it cost is known anew */
		r = run_for(l, FORGET_OWN_COST, id, NULL);
	for (int which = MARK_STORED; r == 0 && record->dedupe_known && which <= MARK_OTHERS;
	     which++) {
		r = run_for(l, which, id, NULL);
		touched |= sqlite3_changes(l->db) > 0;
	}
	if (r == 0)
		r = conclude(l, record);
	if (r < 0 || (!touched && !l->has_outers))
		return r;
	r = claim_tries(l, id);
	n = r < 0 ? r : list_for(l, PARENT_OF, id, 1, &parent);
	if (n > 0)
		r = claim_tries(l, &parent.id);
	return r < 0 ? r : n < 0 ? n : settle(l, id);
}

void lt_ledger_serves(struct lt_ledger *l,
		      bool (*serves)(void *arg, uint32_t tgid, uint64_t process_start_ns,
				     uint16_t port),
		      void *arg)
{
	l->serves = serves;
	l->serves_arg = arg;
}
