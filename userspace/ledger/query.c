// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/query.h"

#include <errno.h>
#include <stdarg.h>

#include "userspace/ledger/internal.h"

/* Every text that comes from outside is a bound parameter; these pieces are all there is of SQL. */
#define MODEL "coalesce(response_model, request_model)"
#define WHERE                                                                                      \
	" start_ns < ?3 and (?5 is null or lt_glob(?5, team))"                                     \
	" and (?6 is null or lt_glob(?6, provider)) and (?7 is null or lt_glob(?7, " MODEL "))"    \
	" and (?8 is null or substr(container_id, 1, length(?8)) = ?8"                             \
	" or lt_glob(?8, container_name))"                                                         \
	" and (?9 is null or lt_glob(?9, comm)) and (?10 is null or pid = ?10)"                    \
	" and (?12 or record_state <> 'void') and (?13 is null or lt_glob(?13, namespace))"        \
	" and (?14 is null or lt_glob(?14, workload_ref) or lt_glob('*/' || ?14, workload_ref))"   \
	" and (?15 is null or lt_glob(?15, agent_name))"                                           \
	" and (?16 is null or printf('%%016x', run_key) = ?16)"

enum { PARAMETER_LIMIT = 11, PARAMETER_CURRENCY = 11, SQL_SIZE = 8192 };

void lt_filter_init(struct lt_filter *f)
{
	*f = (struct lt_filter){.since_ns = INT64_MIN, .until_ns = INT64_MAX, .pid = -1};
}

/* The first condition decides which index is used: that of the numbers to go on from one, else that
 * of the time. */
static const char *range(const struct lt_filter *f)
{
	if (f->by_time)
		return " +node_seq > ?1 and start_ns >= ?2 and ";
	return f->after_seq > 0 || f->since_ns == INT64_MIN
		       ? " node_seq > ?1 and +start_ns >= ?2 and +"
		       : " +node_seq > ?1 and start_ns >= ?2 and ";
}

/* Without a wildcard the index of the tenants serves. */
static const char *tenant(const struct lt_filter *f)
{
	if (!f->tenant)
		return "";
	return strpbrk(f->tenant, "*?") ? " and lt_glob(?4, tenant)" : " and tenant = ?4";
}

static void bind_filter(sqlite3_stmt *s, const struct lt_filter *f)
{
	const char *const text[] = {f->tenant, f->team,	     f->provider,
				    f->model,  f->container, f->comm};
	const char *const more[] = {f->namespace, f->workload, f->agent, f->run};

	sqlite3_bind_int64(s, 1, f->after_seq > INT64_MAX ? INT64_MAX : (int64_t)f->after_seq);
	sqlite3_bind_int64(s, 2, f->since_ns);
	sqlite3_bind_int64(s, 3, f->until_ns);
	for (size_t i = 0; i < LT_COUNT(text); i++)
		sqlite3_bind_text(s, 4 + (int)i, text[i], -1, SQLITE_STATIC);
	if (f->pid >= 0)
		sqlite3_bind_int64(s, 10, f->pid);
	sqlite3_bind_int64(s, 12, f->with_void);
	for (size_t i = 0; i < LT_COUNT(more); i++)
		sqlite3_bind_text(s, 13 + (int)i, more[i], -1, SQLITE_STATIC);
}

/* The rows of @s, one after the other. */
static int each_record(struct lt_ledger *l, sqlite3_stmt *s,
		       int (*each)(void *arg, uint64_t node_seq, const struct lt_record *record),
		       void *arg)
{
	struct lt_record record;
	uint64_t seq;
	int r, step;

	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		r = lt_record_read(l, s, &seq, &record);
		if (r == 0)
			r = each(arg, seq, &record);
		if (r < 0)
			return r;
	}
	return lt_sqlite_errno(step);
}

int lt_query_ids(struct lt_ledger *l, const struct lt_record_id *low,
		 const struct lt_record_id *high, size_t limit,
		 int (*each)(void *arg, uint64_t node_seq, const struct lt_record *record),
		 void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	char sql[SQL_SIZE];
	int r;

	snprintf(sql, sizeof(sql),
		 "select %s from record where record_id between ?1 and ?2 limit ?3",
		 lt_record_columns);
	r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	sqlite3_bind_blob(s, 1, low->b, sizeof(low->b), SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, high->b, sizeof(high->b), SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	return each_record(l, s, each, arg);
}

int lt_query_records(struct lt_ledger *l, const struct lt_filter *f,
		     int (*each)(void *arg, uint64_t node_seq, const struct lt_record *record),
		     void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	char sql[SQL_SIZE];
	bool newest = f->limit > 0 && f->newest;
	int r;

	if (newest)
		snprintf(sql, sizeof(sql),
			 "select %s from record where node_seq in (select node_seq from record "
			 "where%s" WHERE "%s order by node_seq desc limit ?11) order by node_seq",
			 lt_record_columns, range(f), tenant(f));
	else
		snprintf(sql, sizeof(sql),
			 "select %s from record%s where%s" WHERE "%s order by %s%s",
			 lt_record_columns, f->by_time ? " indexed by record_start" : "", range(f),
			 tenant(f), f->by_time ? "start_ns, record_id" : "node_seq",
			 f->limit > 0 ? " limit ?11" : "");
	r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	bind_filter(s, f);
	if (f->limit > 0)
		sqlite3_bind_int64(s, PARAMETER_LIMIT,
				   f->limit > INT64_MAX ? INT64_MAX : (int64_t)f->limit);
	return each_record(l, s, each, arg);
}

int lt_query_changes(struct lt_ledger *l, uint64_t after, size_t limit,
		     int (*each)(void *arg, uint64_t change_seq, uint64_t node_seq,
				 const struct lt_record *record),
		     void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	char sql[SQL_SIZE];
	struct lt_record record;
	uint64_t seq;
	int r, step;

	snprintf(sql, sizeof(sql),
		 "select %s, change_seq from record where change_seq > ?1"
		 " order by change_seq limit ?2",
		 lt_record_columns);
	r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
	sqlite3_bind_int64(s, 2, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		int last = sqlite3_column_count(s) - 1;

		r = lt_record_read(l, s, &seq, &record);
		if (r == 0)
			r = each(arg, (uint64_t)sqlite3_column_int64(s, last), seq, &record);
		if (r < 0)
			return r;
	}
	return lt_sqlite_errno(step);
}

int lt_query_behind(struct lt_ledger *l, uint64_t after, uint64_t *ret_count)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = lt_ledger_prepare(l, "select count(*) from record where change_seq > ?1", &s);
	int step;

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
	step = sqlite3_step(s);
	if (step != SQLITE_ROW)
		return lt_sqlite_errno(step);
	*ret_count = (uint64_t)sqlite3_column_int64(s, 0);
	return 0;
}

int lt_query_begin(struct lt_ledger *l)
{
	return lt_sqlite_run(l->db, "begin");
}

void lt_query_end(struct lt_ledger *l)
{
	lt_ignore(lt_sqlite_run(l->db, "commit"));
}

static const struct dimension {
	const char *name;
	const char *sql;
} dimensions_sql[] = {
	{"tenant", "tenant"},
	{"team", "team"},
	{"use_case", "use_case"},
	{"environment", "environment"},
	{"cost_center", "cost_center"},
	{"provider", "provider"},
	{"model", MODEL},
	{"api", "api"},
	{"operation", "operation"},
	{"host", "host"},
	{"comm", "comm"},
	{"exe", "exe"},
	{"pid", "pid"},
	{"container", "container_id"},
	{"runtime", "runtime"},
	{"container_name", "container_name"},
	{"image", "image"},
	{"namespace", "namespace"},
	{"pod", "coalesce(pod, pod_uid)"},
	{"workload", "workload_ref"},
	{"node", "node"},
	{"cluster", "cluster"},
	{"agent", "agent_name"},
	{"role", "agent_role"},
	{"run", "iif(run_key is null, null, printf('%016x', run_key))"},
	{"session", "iif(session_key is null, null, printf('%016x', session_key))"},
	{"identity_source", "identity_source"},
	{"unit", "unit"},
	{"user", "uid"},
	{"day", "strftime('%Y-%m-%d', start_ns / 1000000000, 'unixepoch')"},
	{"hour", "strftime('%Y-%m-%dT%H:00Z', start_ns / 1000000000, 'unixepoch')"},
	{"status", "price_status"},
	{"status_code", "status_code"},
	{"category", "cost_category"},
	{"credential", "iif(credential_fp is null, null, printf('%016x', credential_fp))"},
};

const char *const lt_group_dimensions[] = {
	"tenant",   "team",	   "use_case", "environment", "cost_center",
	"provider", "model",	   "api",      "operation",   "host",
	"comm",	    "exe",	   "pid",      "container",   "runtime",
	"pod",	    "unit",	   "user",     "day",	      "hour",
	"status",   "status_code", "category", "credential",  "container_name",
	"image",    "namespace",   "workload", "node",	      "cluster",
	"agent",    "role",	   "run",      "session",     "identity_source",
	NULL,
};

static const char *find_dimension(const char *name)
{
	for (size_t i = 0; i < LT_COUNT(dimensions_sql); i++) {
		if (strcmp(dimensions_sql[i].name, name) == 0)
			return dimensions_sql[i].sql;
	}
	return NULL;
}

/*
 * Sums may pass 64 bits, where SQLite gives up: they are made of two halves. What has no amount
 * belongs to the currency of the others (?11), so that it does not split a group.
 */
#define HALVES(expression) ", sum((" expression ") >> 32), sum((" expression ") & 4294967295)"
#define CACHED                                                                                     \
	"coalesce(cache_read + ifnull(cache_read_audio, 0) + ifnull(cache_read_image, 0),"         \
	" cache_read_audio + ifnull(cache_read_image, 0), cache_read_image)"
#define CURRENCY "iif(cost_pico is null, ?11, currency)"

static const char sums[] = CURRENCY
	", count(*), count(*) filter (where status_code >= 400 or error_type is not null)"
	", count(*) filter (where price_status = 'unpriced')"
	", count(*) filter (where price_status = 'no_usage')" HALVES("input_total")
		HALVES("output_total") HALVES(CACHED) HALVES("cache_write_total")
			HALVES("reasoning") HALVES("cost_pico");

enum {
	SUM_CALLS = 1,
	SUM_ERRORS,
	SUM_UNPRICED,
	SUM_NO_USAGE,
	SUM_INPUT,
	SUM_COST = SUM_INPUT + 10
};

static bool read_halves(sqlite3_stmt *s, int at, lt_int128 *ret)
{
	*ret = ((lt_int128)sqlite3_column_int64(s, at) << 32) + sqlite3_column_int64(s, at + 1);
	return sqlite3_column_type(s, at) != SQLITE_NULL;
}

static struct lt_count read_count(sqlite3_stmt *s, int at)
{
	struct lt_count count = {0};
	lt_int128 n;

	count.known = read_halves(s, at, &n);
	count.n = n > (lt_int128)UINT64_MAX ? UINT64_MAX : (uint64_t)n;
	return count;
}

static void read_group(sqlite3_stmt *s, int count, struct lt_group *g)
{
	int at = count;

	*g = (struct lt_group){0};
	for (int i = 0; i < count; i++)
		g->value[i] = (const char *)sqlite3_column_text(s, i);
	g->currency = (const char *)sqlite3_column_text(s, at);
	if (!g->currency)
		g->currency = "";
	g->calls = (uint64_t)sqlite3_column_int64(s, at + SUM_CALLS);
	g->errors = (uint64_t)sqlite3_column_int64(s, at + SUM_ERRORS);
	g->unpriced = (uint64_t)sqlite3_column_int64(s, at + SUM_UNPRICED);
	g->no_usage = (uint64_t)sqlite3_column_int64(s, at + SUM_NO_USAGE);
	g->input = read_count(s, at + SUM_INPUT);
	g->output = read_count(s, at + SUM_INPUT + 2);
	g->cache_read = read_count(s, at + SUM_INPUT + 4);
	g->cache_write = read_count(s, at + SUM_INPUT + 6);
	g->reasoning = read_count(s, at + SUM_INPUT + 8);
	g->cost_known = read_halves(s, at + SUM_COST, &g->cost);
}

static int write_groups_sql(char *sql, size_t size, const struct lt_filter *f,
			    const char *const *dimensions, size_t count)
{
	FILE *out = fmemopen(sql, size, "w");

	if (!out)
		return -ENOMEM;
	fputs("select ", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s, ", find_dimension(dimensions[i]));
	fprintf(out, "%s from record where counts_in_total = 1 and%s" WHERE "%s group by " CURRENCY,
		sums, range(f), tenant(f));
	for (size_t i = 0; i < count; i++)
		fprintf(out, ", %zu", i + 1);
	fprintf(out, " order by total(cost_pico) desc, count(*) desc");
	for (size_t i = 0; i < count; i++)
		fprintf(out, ", %zu", i + 1);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* The currency of the newest amount. NULL: nothing was ever priced. */
static int find_currency(struct lt_ledger *l, char ret[8])
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	const void *text;
	int r, step;

	ret[0] = '\0';
	r = lt_ledger_prepare(l,
			      "select currency from record where cost_pico is not null"
			      " order by node_seq desc limit 1",
			      &s);
	if (r < 0)
		return r;
	step = sqlite3_step(s);
	if (step == SQLITE_ROW && (text = sqlite3_column_text(s, 0)))
		lt_bytes_copy(ret, 8, lt_bytes(text, (size_t)sqlite3_column_bytes(s, 0)));
	return lt_sqlite_errno(step);
}

int lt_query_groups(struct lt_ledger *l, const struct lt_filter *f, const char *const *dimensions,
		    size_t count, int (*each)(void *arg, const struct lt_group *group), void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	char sql[SQL_SIZE], currency[8];
	struct lt_group group;
	int r, step;

	if (count > LT_GROUP_DIMENSIONS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (!find_dimension(dimensions[i]))
			return -EINVAL;
	}
	r = write_groups_sql(sql, sizeof(sql), f, dimensions, count);
	if (r == 0)
		r = find_currency(l, currency);
	if (r == 0)
		r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	bind_filter(s, f);
	sqlite3_bind_text(s, PARAMETER_CURRENCY, currency, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		read_group(s, (int)count, &group);
		r = each(arg, &group);
		if (r < 0)
			return r;
	}
	return lt_sqlite_errno(step);
}

#define IS_TOOL "record_type in ('tool_api', 'mcp')"

static const char run_sums[] =
	", min(start_ns), max(start_ns), count(*) filter (where not " IS_TOOL "),"
	" count(*) filter (where not " IS_TOOL
	" and (status_code >= 400 or error_type is not null)),"
	" count(*) filter (where " IS_TOOL "),"
	" sum(tool_calls) filter (where not " IS_TOOL "), max(step_no),"
	" count(distinct session_key),"
	" count(distinct conn_tgid || '/' || conn_process_start_ns)" HALVES("input_total")
		HALVES("output_total") HALVES(CACHED) HALVES("cache_write_total")
			HALVES("reasoning") HALVES("cost_pico");

/* The columns of a run, in the order of the query. */
enum {
	RUN_KEY,
	RUN_AGENT,
	RUN_COMM,
	RUN_EXE,
	RUN_TENANT,
	RUN_CURRENCY,
	RUN_FIRST,
	RUN_LAST,
	RUN_CALLS,
	RUN_ERRORS,
	RUN_TOOLS,
	RUN_ASKED,
	RUN_STEPS,
	RUN_SESSIONS,
	RUN_PROCESSES,
	RUN_INPUT,
	RUN_COST = RUN_INPUT + 10
};

static struct lt_count plain_count(sqlite3_stmt *s, int at)
{
	return (struct lt_count){(uint64_t)sqlite3_column_int64(s, at),
				 sqlite3_column_type(s, at) != SQLITE_NULL};
}

static void read_run(sqlite3_stmt *s, struct lt_run_sums *run)
{
	*run = (struct lt_run_sums){
		.run = (const char *)sqlite3_column_text(s, RUN_KEY),
		.agent = (const char *)sqlite3_column_text(s, RUN_AGENT),
		.comm = (const char *)sqlite3_column_text(s, RUN_COMM),
		.exe = (const char *)sqlite3_column_text(s, RUN_EXE),
		.tenant = (const char *)sqlite3_column_text(s, RUN_TENANT),
		.currency = (const char *)sqlite3_column_text(s, RUN_CURRENCY),
		.first_ns = sqlite3_column_int64(s, RUN_FIRST),
		.last_ns = sqlite3_column_int64(s, RUN_LAST),
		.calls = (uint64_t)sqlite3_column_int64(s, RUN_CALLS),
		.errors = (uint64_t)sqlite3_column_int64(s, RUN_ERRORS),
		.tools_seen = (uint64_t)sqlite3_column_int64(s, RUN_TOOLS),
		.tools_asked = plain_count(s, RUN_ASKED),
		.steps = plain_count(s, RUN_STEPS),
		.sessions = (uint64_t)sqlite3_column_int64(s, RUN_SESSIONS),
		.processes = (uint64_t)sqlite3_column_int64(s, RUN_PROCESSES),
		.input = read_count(s, RUN_INPUT),
		.output = read_count(s, RUN_INPUT + 2),
		.cache_read = read_count(s, RUN_INPUT + 4),
		.cache_write = read_count(s, RUN_INPUT + 6),
		.reasoning = read_count(s, RUN_INPUT + 8),
	};
	run->cost_known = read_halves(s, RUN_COST, &run->cost);
	if (!run->currency)
		run->currency = "";
}

/* Whose a run is, is said by its oldest process: SQLite takes the other columns from the row of the
 * one min(). */
int lt_query_runs(struct lt_ledger *l, const struct lt_filter *f,
		  int (*each)(void *arg, const struct lt_run_sums *run), void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	char sql[SQL_SIZE], currency[8];
	struct lt_run_sums run;
	int r, step;

	snprintf(sql, sizeof(sql),
		 "with some as (select * from record where counts_in_total = 1"
		 " and run_key is not null and%s" WHERE "%s),"
		 " root as (select run_key as root_key, agent_name as a, comm as c, exe as e,"
		 " tenant as t, min(process_start_ns) from some group by run_key)"
		 " select printf('%%016x', run_key), a, c, e, t, " CURRENCY
		 "%s from some join root on root_key = run_key group by run_key, " CURRENCY
		 " order by total(cost_pico) desc, count(*) desc, run_key",
		 range(f), tenant(f), run_sums);
	r = find_currency(l, currency);
	if (r == 0)
		r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	bind_filter(s, f);
	sqlite3_bind_text(s, PARAMETER_CURRENCY, currency, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		read_run(s, &run);
		r = each(arg, &run);
		if (r < 0)
			return r;
	}
	return lt_sqlite_errno(step);
}

/* The class as a literal, so that the index of these few serves. */
int lt_query_flows(struct lt_ledger *l, const struct lt_filter *f, struct lt_flow_sums *ret)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	char sql[SQL_SIZE];
	int r, step;

	snprintf(sql, sizeof(sql),
		 "select count(*), count(distinct conn_tgid || '/' || conn_process_start_ns),"
		 " count(distinct host), cast(total(request_bytes) as integer),"
		 " cast(total(response_bytes) as integer) from record"
		 " where coverage_class = 'known_host_encrypted' and%s" WHERE "%s",
		 range(f), tenant(f));
	r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	bind_filter(s, f);
	step = sqlite3_step(s);
	if (step != SQLITE_ROW)
		return step == SQLITE_DONE ? -EIO : lt_sqlite_errno(step);
	*ret = (struct lt_flow_sums){
		.connections = (uint64_t)sqlite3_column_int64(s, 0),
		.processes = (uint64_t)sqlite3_column_int64(s, 1),
		.hosts = (uint64_t)sqlite3_column_int64(s, 2),
		.sent = (uint64_t)sqlite3_column_int64(s, 3),
		.received = (uint64_t)sqlite3_column_int64(s, 4),
	};
	return 0;
}

int lt_query_flow_programs(struct lt_ledger *l, int64_t since_ns, size_t limit,
			   int (*each)(void *arg, const struct lt_flow_program *program), void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r, step;

	r = lt_ledger_prepare(l,
			      "select comm, exe, host, count(*), max(start_ns) from record"
			      " where coverage_class = 'known_host_encrypted' and start_ns >= ?1"
			      " and record_state <> 'void'"
			      " group by comm, exe, host order by 4 desc, 5 desc, 1, 3 limit ?2",
			      &s);
	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, since_ns);
	sqlite3_bind_int64(s, 2, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		r = each(arg, &(struct lt_flow_program){
				      .comm = (const char *)sqlite3_column_text(s, 0),
				      .exe = (const char *)sqlite3_column_text(s, 1),
				      .host = (const char *)sqlite3_column_text(s, 2),
				      .connections = (uint64_t)sqlite3_column_int64(s, 3),
				      .last_ns = sqlite3_column_int64(s, 4),
			      });
		if (r < 0)
			return r;
	}
	return lt_sqlite_errno(step);
}

int lt_query_hosts(struct lt_ledger *l, const char *provider, int64_t since_ns, size_t limit,
		   int (*each)(void *arg, const struct lt_host_calls *host), void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r, step;

	r = lt_ledger_prepare(l,
			      "select host, count(*), max(start_ns) from record"
			      " where start_ns >= ?1 and provider = ?2 and host is not null"
			      " group by host order by 2 desc, 3 desc, 1 limit ?3",
			      &s);
	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, since_ns);
	sqlite3_bind_text(s, 2, provider, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		r = each(arg, &(struct lt_host_calls){
				      .host = (const char *)sqlite3_column_text(s, 0),
				      .calls = (uint64_t)sqlite3_column_int64(s, 1),
				      .last_ns = sqlite3_column_int64(s, 2),
			      });
		if (r < 0)
			return r;
	}
	return lt_sqlite_errno(step);
}
