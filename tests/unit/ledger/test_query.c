// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ledger/ledger_test.h"

#include <sqlite3.h>

#include "userspace/base/parse.h"
#include "userspace/ledger/internal.h"

enum { RECORDS = 400 };

static struct lt_record records[RECORDS];
static struct lt_ledger *ledger;

/* Records whose every attribute is one of a few values, some of them null. */
static void vary(uint64_t *seed, struct lt_record *r)
{
	static const char *const names[] = {"", "alpha", "alpine", "b%ta", "a*c"};

#define PICK(member) snprintf(member, sizeof(member), "%s", names[random_u64(seed) % 5])
	PICK(r->who.team);
	PICK(r->who.comm);
	PICK(r->who.container.id);
	PICK(r->call.request_model);
	PICK(r->call.response_model);
	PICK(r->call.provider);
	PICK(r->who.container_name);
	PICK(r->who.namespace);
	PICK(r->who.agent_name);
	snprintf(r->who.workload, sizeof(r->who.workload), "Deployment/%s",
		 names[random_u64(seed) % 5]);
	snprintf(r->who.tenant, sizeof(r->who.tenant), "%s", names[1 + random_u64(seed) % 4]);
	r->who.pid = (uint32_t)(random_u64(seed) % 3);
	r->start_ns = 1764000000000000000 + (int64_t)(random_u64(seed) % 172800) * 1000000000;
	r->call.credential_fp = random_u64(seed) % 3;
	r->call.status = random_u64(seed) % 4 ? 200 : 429;
	r->cost.status = (enum lt_price_status)(random_u64(seed) % (LT_PRICE_NO_USAGE + 1));
	r->cost.amount = lt_record_has_amount(r) ? (int64_t)(random_u64(seed) >> 4) : 0;
	r->counts_in_total = random_u64(seed) % 10 != 0;
	for (int b = 0; b < LT_BUCKET_COUNT; b++) {
		r->call.usage.bucket[b].known = random_u64(seed) % 3 != 0;
		r->call.usage.bucket[b].n = r->call.usage.bucket[b].known
						    ? random_u64(seed) % 100000
						    : 0;
	}
}

static int fill(void **state)
{
	const struct lt_record *batch[RECORDS];
	uint64_t seed = 99;

	if (make_directory(state) < 0)
		return -1;
	ledger = open_ledger(LT_LEDGER_WRITE);
	for (uint32_t i = 0; i < RECORDS; i++) {
		records[i] = plain_record(i);
		vary(&seed, &records[i]);
		batch[i] = &records[i];
	}
	return lt_ledger_put(ledger, batch, RECORDS);
}

static int empty(void **state)
{
	ledger = lt_ledger_close(ledger);
	return remove_directory(state);
}

static bool like(const char *pattern, const char *text)
{
	return !pattern || (text[0] && lt_glob_match(pattern, lt_bytes_str(text)));
}

static const char *model_of(const struct lt_record *r)
{
	return r->call.response_model[0] ? r->call.response_model : r->call.request_model;
}

static bool wanted(const struct lt_filter *f, size_t i)
{
	const struct lt_record *r = &records[i];

	return r->start_ns >= f->since_ns && r->start_ns < f->until_ns && i + 1 > f->after_seq &&
	       like(f->tenant, r->who.tenant) && like(f->team, r->who.team) &&
	       like(f->provider, r->call.provider) && like(f->model, model_of(r)) &&
	       like(f->comm, r->who.comm) && (f->pid < 0 || f->pid == (int64_t)r->who.pid) &&
	       like(f->namespace, r->who.namespace) && like(f->agent, r->who.agent_name) &&
	       (like(f->workload, r->who.workload) ||
		lt_glob_match(f->workload,
			      lt_bytes_str(r->who.workload + strlen("Deployment/")))) &&
	       (!f->container || like(f->container, r->who.container_name) ||
		strncmp(r->who.container.id, f->container, strlen(f->container)) == 0);
}

struct got {
	uint64_t seq[RECORDS];
	size_t count;
};

static int note_seq(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	struct got *got = arg;

	assert_memory_equal(record->id.b, records[node_seq - 1].id.b, 16);
	got->seq[got->count++] = node_seq;
	return 0;
}

static void random_filter(uint64_t *seed, struct lt_filter *f)
{
	static const char *const globs[] = {"alpha", "al*", "*",	  "b%ta",
					    "?lp*",  "a*c", "' or 1=1 --"};

	lt_filter_init(f);
#define MAYBE(member, value)                                                                       \
	if (random_u64(seed) % 5 == 0)                                                             \
		f->member = value;
	MAYBE(tenant, globs[random_u64(seed) % 7])
	MAYBE(team, globs[random_u64(seed) % 7])
	MAYBE(provider, globs[random_u64(seed) % 7])
	MAYBE(model, globs[random_u64(seed) % 7])
	MAYBE(comm, globs[random_u64(seed) % 7])
	MAYBE(container, random_u64(seed) % 2 ? "al" : "beta")
	if (random_u64(seed) % 3 == 0) {
		MAYBE(namespace, globs[random_u64(seed) % 7])
		MAYBE(agent, globs[random_u64(seed) % 7])
		MAYBE(workload,
		      random_u64(seed) % 2 ? globs[random_u64(seed) % 7] : "Deployment/al*")
	}
	MAYBE(pid, (int64_t)(random_u64(seed) % 3))
	MAYBE(since_ns, records[random_u64(seed) % RECORDS].start_ns)
	MAYBE(until_ns, records[random_u64(seed) % RECORDS].start_ns)
	MAYBE(after_seq, random_u64(seed) % RECORDS)
	MAYBE(limit, 1 + random_u64(seed) % 20)
	MAYBE(newest, true)
}

static void filters_give_what_a_plain_loop_gives(void **state)
{
	uint64_t seed = 5;
	size_t found = 0;

	(void)state;
	for (int round = 0; round < 1500; round++) {
		struct got got = {0}, want = {0};
		struct lt_filter f;
		size_t skip;

		random_filter(&seed, &f);
		for (size_t i = 0; i < RECORDS; i++)
			if (wanted(&f, i))
				want.seq[want.count++] = i + 1;
		skip = f.limit && f.newest && want.count > f.limit ? want.count - f.limit : 0;
		want.count -= skip;
		if (f.limit && want.count > f.limit)
			want.count = f.limit;
		assert_int_equal(lt_query_records(ledger, &f, note_seq, &got), 0);
		assert_int_equal(got.count, want.count);
		assert_memory_equal(got.seq, want.seq + skip, got.count * sizeof(got.seq[0]));
		found += got.count;
	}
	assert_true(found > 1000);
}

struct last {
	int64_t start_ns;
	struct lt_record_id id;
	size_t count, early;
};

static int note_order(void *arg, uint64_t node_seq, const struct lt_record *r)
{
	struct last *last = arg;

	(void)node_seq;
	last->early += r->start_ns < last->start_ns ||
		       (r->start_ns == last->start_ns && memcmp(r->id.b, last->id.b, 16) <= 0);
	last->start_ns = r->start_ns;
	last->id = r->id;
	last->count++;
	return 0;
}

static void by_time_gives_the_same_ones_in_the_order_of_time(void **state)
{
	uint64_t seed = 6;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct last last = {.start_ns = INT64_MIN};
		struct got got = {0};
		struct lt_filter f;

		random_filter(&seed, &f);
		f.limit = 0;
		assert_int_equal(lt_query_records(ledger, &f, note_seq, &got), 0);
		f.by_time = true;
		assert_int_equal(lt_query_records(ledger, &f, note_order, &last), 0);
		assert_int_equal(last.count, got.count);
		assert_int_equal(last.early, 0);
	}
}

/* Ten million rows must not be sorted first. */
static void by_time_needs_no_sorting(void **state)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;

	(void)state;
	assert_int_equal(
		lt_ledger_prepare(ledger,
				  "explain query plan select * from record indexed by record_start"
				  " where +node_seq > 0 and start_ns >= 5 and start_ns < 9"
				  " order by start_ns, record_id",
				  &s),
		0);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_non_null(strstr((const char *)sqlite3_column_text(s, 3), "record_start"));
	assert_int_equal(sqlite3_step(s), SQLITE_DONE);
}

static int stop_at_three(void *arg, uint64_t node_seq, const struct lt_record *record)
{
	(void)arg;
	(void)record;
	return node_seq == 3 ? -EPIPE : 0;
}

static void a_reader_may_stop_early(void **state)
{
	struct lt_filter f;

	(void)state;
	lt_filter_init(&f);
	assert_int_equal(lt_query_records(ledger, &f, stop_at_three, NULL), -EPIPE);
	assert_int_equal(count_records(ledger), RECORDS);
}

static void records_are_found_by_their_id(void **state)
{
	struct got got = {0};
	struct lt_record_id low = records[7].id, high = records[7].id;

	(void)state;
	assert_int_equal(lt_query_ids(ledger, &low, &high, 10, note_seq, &got), 0);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.seq[0], 8);
	memset(low.b, 0, sizeof(low.b));
	memset(high.b, 0xff, sizeof(high.b));
	got.count = 0;
	assert_int_equal(lt_query_ids(ledger, &low, &high, 10, note_seq, &got), 0);
	assert_int_equal(got.count, 10);
	got.count = 0;
	assert_int_equal(lt_query_ids(ledger, &high, &high, 10, note_seq, &got), 0);
	assert_int_equal(got.count, 0);
	assert_int_equal(lt_query_ids(ledger, &low, &high, RECORDS, stop_at_three, NULL), -EPIPE);
}

/* What a record gives for a dimension, as the groups show it; NULL = null. */
static const char *value_of(const struct lt_record *r, const char *dimension)
{
	static char text[32];
	const struct tm *tm;
	time_t t = (time_t)(r->start_ns / 1000000000);

	if (strcmp(dimension, "tenant") == 0)
		return r->who.tenant;
	if (strcmp(dimension, "team") == 0)
		return r->who.team[0] ? r->who.team : NULL;
	if (strcmp(dimension, "model") == 0)
		return model_of(r)[0] ? model_of(r) : NULL;
	if (strcmp(dimension, "status") == 0)
		return lt_price_status_name(r->cost.status);
	if (strcmp(dimension, "credential") == 0) {
		snprintf(text, sizeof(text), "%016llx", (unsigned long long)r->call.credential_fp);
		return r->call.credential_fp ? text : NULL;
	}
	if (strcmp(dimension, "pid") == 0) {
		snprintf(text, sizeof(text), "%u", r->who.pid);
		return text;
	}
	tm = gmtime(&t);
	strftime(text, sizeof(text), strcmp(dimension, "day") == 0 ? "%Y-%m-%d" : "%Y-%m-%dT%H:00Z",
		 tm);
	return text;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void add(struct lt_count *to, struct lt_count n)
{
	to->known |= n.known;
	to->n += n.known ? n.n : 0;
}

struct sums {
	const struct lt_filter *filter;
	const char *const *dimensions;
	size_t count;
	uint64_t calls;
	lt_int128 last_cost;
	size_t groups;
};

static void assert_count(struct lt_count a, struct lt_count b)
{
	assert_int_equal(a.known, b.known);
	assert_int_equal(a.n, b.n);
}

static int check_group(void *arg, const struct lt_group *g)
{
	struct lt_group want = {0};
	struct sums *s = arg;

	for (size_t i = 0; i < RECORDS; i++) {
		const struct lt_record *r = &records[i];
		bool in = r->counts_in_total && wanted(s->filter, i);

		for (size_t d = 0; in && d < s->count; d++)
			in = same(value_of(r, s->dimensions[d]), g->value[d]);
		if (!in)
			continue;
		want.calls++;
		want.errors += r->call.status >= 400;
		want.unpriced += r->cost.status == LT_PRICE_UNPRICED;
		want.no_usage += r->cost.status == LT_PRICE_NO_USAGE;
		add(&want.input, r->call.usage.input);
		add(&want.output, r->call.usage.output);
		add(&want.cache_read, lt_usage_cache_read(&r->call.usage));
		add(&want.cache_write, r->call.usage.cache_write_total);
		add(&want.reasoning, r->call.usage.bucket[LT_B_REASONING]);
		want.cost += r->cost.amount;
		want.cost_known |= lt_record_has_amount(r);
	}
	assert_int_equal(g->calls, want.calls);
	assert_int_equal(g->errors, want.errors);
	assert_int_equal(g->unpriced, want.unpriced);
	assert_int_equal(g->no_usage, want.no_usage);
	assert_count(g->input, want.input);
	assert_count(g->output, want.output);
	assert_count(g->cache_read, want.cache_read);
	assert_count(g->cache_write, want.cache_write);
	assert_count(g->reasoning, want.reasoning);
	assert_true(g->cost == want.cost);
	assert_int_equal(g->cost_known, want.cost_known);
	assert_string_equal(g->currency, "USD");
	assert_true(s->groups == 0 || g->cost <= s->last_cost);
	s->last_cost = g->cost;
	s->calls += g->calls;
	s->groups++;
	return 0;
}

static void groups_are_the_sums_of_a_plain_loop(void **state)
{
	static const char *const by[][3] = {
		{"tenant"},
		{"team", "model"},
		{"status", "tenant"},
		{"credential", "pid", "day"},
		{"hour"},
		{NULL},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(by); i++) {
		struct lt_filter f;
		struct sums s = {.filter = &f, .dimensions = by[i]};
		uint64_t calls = 0;

		while (s.count < 3 && by[i][s.count])
			s.count++;
		lt_filter_init(&f);
		if (i % 2)
			f.since_ns = 1764000000000000000 + 86400000000000;
		for (size_t n = 0; n < RECORDS; n++)
			calls += records[n].counts_in_total && wanted(&f, n);
		assert_int_equal(lt_query_groups(ledger, &f, by[i], s.count, check_group, &s), 0);
		assert_int_equal(s.calls, calls); /* every record is in exactly one group */
		assert_true(s.groups > 0);
	}
}

static int count_group(void *arg, const struct lt_group *g)
{
	(void)g;
	(*(size_t *)arg)++;
	return 0;
}

static void every_named_dimension_works_and_others_are_refused(void **state)
{
	static const char *const wrong = "tenant; drop table record", *many[7];
	struct lt_filter f;
	size_t count;

	(void)state;
	lt_filter_init(&f);
	for (size_t i = 0; lt_group_dimensions[i]; i++) {
		count = 0;
		assert_int_equal(lt_query_groups(ledger, &f, &lt_group_dimensions[i], 1,
						 count_group, &count),
				 0);
		assert_true(count > 0);
	}
	assert_int_equal(lt_query_groups(ledger, &f, &wrong, 1, count_group, &count), -EINVAL);
	for (size_t i = 0; i < LT_COUNT(many); i++)
		many[i] = "tenant";
	assert_int_equal(lt_query_groups(ledger, &f, many, 7, count_group, &count), -EINVAL);
}

static int keep_group(void *arg, const struct lt_group *g)
{
	*(struct lt_group *)arg = *g;
	return 0;
}

static void sums_beyond_64_bits_stay_exact(void **state)
{
	const char *const by[] = {"provider"};
	struct lt_group got = {0};
	struct lt_filter f;

	(void)state;
	lt_filter_init(&f);
	f.tenant = "huge";
	for (uint32_t i = 0; i < 5; i++) {
		struct lt_record r = plain_record(RECORDS + i);

		snprintf(r.who.tenant, sizeof(r.who.tenant), "huge");
		r.cost.amount = INT64_MAX;
		r.call.usage.input.n = INT64_MAX;
		r.call.usage.output.n =
			UINT64_MAX; /* a lie of the wire: kept as the greatest number */
		assert_int_equal(put(ledger, &r), 0);
	}
	assert_int_equal(lt_query_groups(ledger, &f, by, 1, keep_group, &got), 0);
	assert_true(got.cost == (lt_int128)INT64_MAX * 5);
	assert_int_equal(got.input.n, UINT64_MAX);
	assert_int_equal(got.calls, 5);
}

static int note_currency(void *arg, const struct lt_group *g)
{
	lt_int128 *cost = arg;

	if (strcmp(g->currency, "EUR") == 0)
		cost[0] += g->cost;
	else
		cost[1] += g->cost;
	cost[2]++;
	return 0;
}

static void money_of_two_currencies_is_never_added(void **state)
{
	lt_int128 cost[3] = {0};
	struct lt_filter f;

	(void)state;
	lt_filter_init(&f);
	f.tenant = "two";
	for (uint32_t i = 0; i < 3; i++) {
		struct lt_record r = plain_record(RECORDS + 100 + i);

		snprintf(r.who.tenant, sizeof(r.who.tenant), "two");
		r.cost.amount = 10 + i;
		if (i == 1)
			snprintf(r.cost.currency, sizeof(r.cost.currency), "EUR");
		assert_int_equal(put(ledger, &r), 0);
	}
	assert_int_equal(lt_query_groups(ledger, &f, NULL, 0, note_currency, cost), 0);
	assert_true(cost[0] == 11 && cost[1] == 22 && cost[2] == 2);
}

struct two_runs {
	struct lt_run_sums run[2];
	char text[2][5][32];
	size_t count;
};

static int keep_run(void *arg, const struct lt_run_sums *run)
{
	struct two_runs *runs = arg;
	const char *const texts[] = {run->run, run->agent, run->comm, run->tenant, run->currency};

	assert_true(runs->count < 2);
	for (size_t i = 0; i < LT_COUNT(texts); i++)
		snprintf(runs->text[runs->count][i], 32, "%s", texts[i]);
	runs->run[runs->count++] = *run;
	return 0;
}

static int put_of_run(uint32_t number, uint64_t run, uint64_t process, const char *comm,
		      const char *type, uint64_t step)
{
	struct lt_record r = plain_record(RECORDS + 200 + number);

	r.who.run_key = run;
	r.who.process_start_ns = r.call.process_start_ns = process;
	r.call.conn.tgid = (uint32_t)process;
	r.who.session_key = run + process;
	r.who.step = (struct lt_count){step, true};
	r.call.status = number == 3 ? 429 : 200;
	r.call.tool_calls = (struct lt_count){number, true};
	r.cost.amount = (int64_t)(run * 10);
	snprintf(r.who.comm, sizeof(r.who.comm), "%s", comm);
	snprintf(r.who.agent_name, sizeof(r.who.agent_name), "agent-of-%s", comm);
	snprintf(r.who.tenant, sizeof(r.who.tenant), "t-%s", comm);
	snprintf(r.call.record_type, sizeof(r.call.record_type), "%s", type);
	r.counts_in_total = number != 6;
	return put(ledger, &r);
}

static void a_run_is_summed_up_and_its_oldest_process_says_whose_it_is(void **state)
{
	struct two_runs runs = {0};
	struct lt_filter f;

	(void)state;
	assert_int_equal(put_of_run(1, 1, 50, "codex", "llm", 1), 0);
	assert_int_equal(put_of_run(2, 7, 20, "curl", "llm", 2), 0);
	assert_int_equal(put_of_run(3, 7, 10, "claude", "llm", 3), 0);
	assert_int_equal(put_of_run(4, 7, 10, "claude", "mcp", 3), 0);
	assert_int_equal(put_of_run(5, 7, 10, "claude", "llm", 5), 0);
	assert_int_equal(put_of_run(6, 7, 5, "proxy", "llm", 9), 0); /* an inner hop */
	lt_filter_init(&f);
	assert_int_equal(lt_query_runs(ledger, &f, keep_run, &runs), 0);
	assert_int_equal(runs.count, 2);
	assert_string_equal(runs.text[0][0], "0000000000000007");
	assert_string_equal(runs.text[0][1], "agent-of-claude");
	assert_string_equal(runs.text[0][2], "claude");
	assert_string_equal(runs.text[0][3], "t-claude");
	assert_string_equal(runs.text[0][4], "USD");
	assert_int_equal(runs.run[0].calls, 3);
	assert_int_equal(runs.run[0].errors, 1);
	assert_int_equal(runs.run[0].tools_seen, 1);
	assert_int_equal(runs.run[0].tools_asked.n, 2 + 3 + 5);
	assert_int_equal(runs.run[0].steps.n, 5);
	assert_int_equal(runs.run[0].sessions, 2);
	assert_int_equal(runs.run[0].processes, 2);
	assert_int_equal(runs.run[0].input.n, 4 * (1000 + RECORDS + 200) + 2 + 3 + 4 + 5);
	assert_true(runs.run[0].cost == 4 * 70);
	assert_int_equal(runs.run[0].last_ns - runs.run[0].first_ns, 3000000000);
	assert_string_equal(runs.text[1][2], "codex");
	assert_true(runs.run[1].cost == 10);
	runs.count = 0;
	f.tenant = "t-curl";
	assert_int_equal(lt_query_runs(ledger, &f, keep_run, &runs), 0);
	assert_int_equal(runs.count, 1);
	assert_int_equal(runs.run[0].calls, 1);
	runs.count = 0;
	f.tenant = NULL;
	f.run = "0000000000000001";
	assert_int_equal(lt_query_runs(ledger, &f, keep_run, &runs), 0);
	assert_int_equal(runs.count, 1);
	assert_string_equal(runs.text[0][2], "codex");
}

static void one_tenant_and_a_range_of_time_use_an_index(void **state)
{
	static const char *const sql[] = {
		"explain query plan select * from record where tenant = 'x' and start_ns > 5",
		"explain query plan select * from record where start_ns > 5",
	};
	static const char *const index[] = {"record_tenant", "record_start"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(sql); i++) {
		lt_defer(lt_finalizep)
		sqlite3_stmt *s = NULL;

		assert_int_equal(lt_ledger_prepare(ledger, sql[i], &s), 0);
		assert_int_equal(sqlite3_step(s), SQLITE_ROW);
		assert_non_null(strstr((const char *)sqlite3_column_text(s, 3), index[i]));
	}
}

struct hosts {
	struct lt_host_calls host[4];
	char name[4][64];
	size_t count;
};

static int note_host(void *arg, const struct lt_host_calls *host)
{
	struct hosts *hosts = arg;

	if (hosts->count == 4)
		return -E2BIG;
	snprintf(hosts->name[hosts->count], 64, "%s", host->host);
	hosts->host[hosts->count++] = *host;
	return 0;
}

static int put_at(const char *host, const char *provider, uint32_t number)
{
	struct lt_record r = plain_record(5000 + number);

	snprintf(r.call.host, sizeof(r.call.host), "%s", host);
	snprintf(r.call.provider, sizeof(r.call.provider), "%s", provider);
	return put(ledger, &r);
}

static void hosts_of_a_provider(void **state)
{
	int64_t begin = plain_record(5000).start_ns;
	struct hosts hosts = {0};

	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(put_at(i % 3 ? "llm.corp.example" : "gpu7", "compatible", i), 0);
	assert_int_equal(put_at("old.example", "compatible", (uint32_t)-100), 0);
	assert_int_equal(put_at("", "compatible", 20), 0);
	assert_int_equal(put_at("api.openai.com", "openai", 21), 0);
	assert_int_equal(put_at("named.example", "compatible-too", 22), 0);
	assert_int_equal(lt_query_hosts(ledger, "compatible", begin, 10, note_host, &hosts), 0);
	assert_int_equal(hosts.count, 2);
	assert_string_equal(hosts.name[0], "llm.corp.example");
	assert_int_equal(hosts.host[0].calls, 6);
	assert_int_equal(hosts.host[0].last_ns, begin + 8000000000);
	assert_string_equal(hosts.name[1], "gpu7");
	assert_int_equal(hosts.host[1].calls, 3);
	assert_int_equal(hosts.host[1].last_ns, begin + 6000000000);
	hosts.count = 0;
	assert_int_equal(lt_query_hosts(ledger, "compatible", INT64_MIN, 10, note_host, &hosts), 0);
	assert_int_equal(hosts.count, 3);
	hosts.count = 0;
	assert_int_equal(lt_query_hosts(ledger, "compatible", INT64_MIN, 1, note_host, &hosts), 0);
	assert_int_equal(hosts.count, 1);
	hosts.count = 0;
	assert_int_equal(lt_query_hosts(ledger, "comp*", INT64_MIN, 10, note_host, &hosts), 0);
	assert_int_equal(hosts.count, 0);
	hosts.count = 4;
	assert_int_equal(lt_query_hosts(ledger, "compatible", begin, 10, note_host, &hosts),
			 -E2BIG);
}

static int put_flow(uint32_t number, uint32_t tgid, const char *host, const char *tenant)
{
	struct lt_record r = plain_record(9000 + number);

	r.coverage = LT_COVERAGE_KNOWN_HOST_ENCRYPTED;
	r.counts_in_total = false;
	r.call.conn.tgid = tgid;
	r.call.process_start_ns = 5;
	r.call.request_body_bytes = 1000;
	r.call.response_body_bytes = 1ull << 40;
	r.cost = (struct lt_cost){.status = LT_PRICE_NO_USAGE};
	r.call.usage = (struct lt_usage){0};
	snprintf(r.call.host, sizeof(r.call.host), "%s", host);
	snprintf(r.who.tenant, sizeof(r.who.tenant), "%s", tenant);
	return put(ledger, &r);
}

struct programs {
	char host[4][64];
	uint64_t connections[4];
	size_t count;
};

static int note_program(void *arg, const struct lt_flow_program *program)
{
	struct programs *programs = arg;

	if (programs->count == 4)
		return -E2BIG;
	snprintf(programs->host[programs->count], 64, "%s", program->host);
	programs->connections[programs->count++] = program->connections;
	return 0;
}

static void encrypted_connections_are_summed_apart(void **state)
{
	struct programs programs = {0};
	struct lt_flow_sums sums;
	struct lt_filter f;

	(void)state;
	lt_filter_init(&f);
	assert_int_equal(lt_query_flows(ledger, &f, &sums), 0);
	assert_true(sums.connections == 0 && sums.hosts == 0 && sums.sent == 0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(put_flow(i, 10 + i % 2, i < 5 ? "api.openai.com" : "api.x.ai",
					  i < 4 ? "f-one" : "f-two"),
				 0);
	assert_int_equal(lt_query_flows(ledger, &f, &sums), 0);
	assert_int_equal(sums.connections, 6);
	assert_int_equal(sums.processes, 2);
	assert_int_equal(sums.hosts, 2);
	assert_int_equal(sums.sent, 6000);
	assert_true(sums.received == 6ull << 40);
	assert_int_equal(lt_query_flow_programs(ledger, INT64_MIN, 9, note_program, &programs), 0);
	assert_int_equal(programs.count, 2);
	assert_string_equal(programs.host[0], "api.openai.com");
	assert_int_equal(programs.connections[0], 5);
	assert_string_equal(programs.host[1], "api.x.ai");
	programs.count = 4;
	assert_int_equal(lt_query_flow_programs(ledger, INT64_MIN, 9, note_program, &programs),
			 -E2BIG);
	f.tenant = "f-two";
	assert_int_equal(lt_query_flows(ledger, &f, &sums), 0);
	assert_int_equal(sums.connections, 2);
	f.tenant = "f-*";
	f.since_ns = plain_record(9001).start_ns;
	f.until_ns = plain_record(9004).start_ns;
	assert_int_equal(lt_query_flows(ledger, &f, &sums), 0);
	assert_int_equal(sums.connections, 3);
	f.tenant = "nobody";
	assert_int_equal(lt_query_flows(ledger, &f, &sums), 0);
	assert_int_equal(sums.connections, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_give_what_a_plain_loop_gives),
		cmocka_unit_test(by_time_gives_the_same_ones_in_the_order_of_time),
		cmocka_unit_test(by_time_needs_no_sorting),
		cmocka_unit_test(a_reader_may_stop_early),
		cmocka_unit_test(records_are_found_by_their_id),
		cmocka_unit_test(groups_are_the_sums_of_a_plain_loop),
		cmocka_unit_test(every_named_dimension_works_and_others_are_refused),
		cmocka_unit_test(sums_beyond_64_bits_stay_exact),
		cmocka_unit_test(money_of_two_currencies_is_never_added),
		cmocka_unit_test(a_run_is_summed_up_and_its_oldest_process_says_whose_it_is),
		cmocka_unit_test(one_tenant_and_a_range_of_time_use_an_index),
		cmocka_unit_test(hosts_of_a_provider), /* puts more records, as the next one */
		cmocka_unit_test(encrypted_connections_are_summed_apart),
	};

	return cmocka_run_group_tests_name("ledger/query", tests, fill, empty);
}
