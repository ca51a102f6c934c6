// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/key_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/decode/credential.h"
#include "userspace/view/csv.h"
#include "userspace/view/table.h"

#define DAY_NS 86400000000000ll

enum { NAMES_MAX = 256, CURRENCIES_MAX = 4, FP_TEXT = 17, JOINED = 4096, FINDING_COUNT = 7 };

static const char *const finding_names[FINDING_COUNT] = {"shared", "unknown",  "foreign", "new",
							 "idle",   "personal", "admin"};

/* Different names, in the order in which they came. */
struct names {
	char **text;
	size_t count;
};

struct amount {
	char currency[8];
	lt_int128 pico;
};

enum list { PROVIDERS, HOSTS, TENANTS, WORKLOADS, LIST_COUNT };

static const char *const list_names[LIST_COUNT] = {"providers", "hosts", "tenants", "workloads"};

struct row {
	uint64_t fp;
	const struct lt_known_key *known; /* NULL: it is not */
	char kind[LT_WORD_SIZE];
	struct names list[LIST_COUNT];
	struct amount cost[CURRENCIES_MAX];
	size_t cost_count;
	uint64_t calls, errors;
	int64_t first_ns, last_ns;
	unsigned findings;
};

struct alias {
	uint64_t old_fp, fp;
};

struct lt_key_list {
	const struct lt_credentials *config;
	int64_t now_ns;
	struct row *row;
	size_t count;
	struct alias *alias;
	size_t alias_count;
};

int lt_key_findings_parse(const char *names, unsigned *ret)
{
	*ret = 0;
	while (*names) {
		size_t n = strcspn(names, ","), i = 0;

		while (i < FINDING_COUNT &&
		       (strlen(finding_names[i]) != n || strncmp(names, finding_names[i], n) != 0))
			i++;
		if (i == FINDING_COUNT)
			return -EINVAL;
		*ret |= 1U << i;
		names += n + (names[n] == ',');
	}
	return *ret ? 0 : -EINVAL;
}

/* One more place at the end of @array, of elements of @size. */
static int grow(void **array, size_t count, size_t size)
{
	void *larger;

	if (count & (count - 1)) /* room up to the next power of two */
		return 0;
	larger = lt_reallocarray(*array, count ? count * 2 : 1, size);
	if (!larger)
		return -ENOMEM;
	*array = larger;
	return 0;
}

static int add_name(struct names *names, const char *text)
{
	void *array = names->text;
	int r;

	if (!text[0] || names->count == NAMES_MAX)
		return 0;
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->text[i], text) == 0)
			return 0;
	}
	r = grow(&array, names->count, sizeof(names->text[0]));
	if (r < 0)
		return r;
	names->text = array;
	names->text[names->count] = lt_strdup(text);
	return names->text[names->count] ? (names->count++, 0) : -ENOMEM;
}

static void add_cost(struct row *row, const struct lt_key_use *use)
{
	size_t i = 0;

	while (i < row->cost_count && strcmp(row->cost[i].currency, use->currency) != 0)
		i++;
	if (i == CURRENCIES_MAX || (use->cost == 0 && !use->currency[0]))
		return;
	if (i == row->cost_count)
		lt_bytes_copy(row->cost[row->cost_count++].currency, sizeof(row->cost[i].currency),
			      lt_bytes_str(use->currency));
	row->cost[i].pico += use->cost;
}

/* The key's last row: the uses of one key come together. */
static struct row *row_of(struct lt_key_list *list, uint64_t fp)
{
	void *array = list->row;

	if (list->count > 0 && list->row[list->count - 1].fp == fp)
		return &list->row[list->count - 1];
	if (grow(&array, list->count, sizeof(list->row[0])) < 0)
		return NULL;
	list->row = array;
	list->row[list->count] = (struct row){.fp = fp};
	return &list->row[list->count++];
}

static int on_use(void *arg, const struct lt_key_use *use)
{
	struct row *row = row_of(arg, use->fp);
	const char *const text[LIST_COUNT] = {use->provider, use->host, use->tenant, use->workload};
	int r = row ? 0 : -ENOMEM;

	for (int i = 0; r == 0 && i < LIST_COUNT; i++)
		r = add_name(&row->list[i], text[i]);
	if (r < 0)
		return r;
	if (use->kind[0])
		lt_bytes_copy(row->kind, sizeof(row->kind), lt_bytes_str(use->kind));
	if (row->calls == 0 || use->first_ns < row->first_ns)
		row->first_ns = use->first_ns;
	if (row->calls == 0 || use->last_ns > row->last_ns)
		row->last_ns = use->last_ns;
	row->calls += use->calls;
	row->errors += use->errors;
	add_cost(row, use);
	return 0;
}

static int on_alias(void *arg, uint64_t old_fp, uint64_t fp)
{
	struct lt_key_list *list = arg;
	void *array = list->alias;

	if (grow(&array, list->alias_count, sizeof(list->alias[0])) < 0)
		return -ENOMEM;
	list->alias = array;
	list->alias[list->alias_count++] = (struct alias){old_fp, fp};
	return 0;
}

static const struct lt_known_key *find_known(const struct lt_credentials *config, uint64_t fp)
{
	for (size_t low = 0, high = config->known_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (config->known[middle].fp == fp)
			return &config->known[middle];
		if (config->known[middle].fp < fp)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The config may have the fingerprint of before the rotation. */
static const struct lt_known_key *known_as(const struct lt_key_list *list, uint64_t fp)
{
	const struct lt_known_key *known = find_known(list->config, fp);

	for (size_t i = 0; !known && i < list->alias_count; i++) {
		if (list->alias[i].fp == fp)
			known = find_known(list->config, list->alias[i].old_fp);
	}
	return known;
}

/* How many of @names are of somebody. */
static size_t attributed(const struct names *names)
{
	size_t n = 0;

	for (size_t i = 0; i < names->count; i++)
		n += strcmp(names->text[i], "unattributed") != 0;
	return n;
}

static bool is_foreign(const struct row *row)
{
	const struct names *tenants = &row->list[TENANTS];

	for (size_t i = 0; row->known && row->known->tenant && i < tenants->count; i++) {
		if (strcmp(tenants->text[i], "unattributed") != 0 &&
		    strcmp(tenants->text[i], row->known->tenant) != 0)
			return true;
	}
	return false;
}

static unsigned judge(const struct lt_key_list *list, const struct row *row)
{
	const struct lt_key_kind *kind = lt_key_kind_named(row->kind);
	unsigned traits = kind ? kind->traits : 0, found = 0;
	bool lasts = !(traits & LT_KEY_SHORT);

	if (attributed(&row->list[TENANTS]) > 1 ||
	    row->list[WORKLOADS].count > list->config->max_workloads)
		found |= LT_FOUND_SHARED;
	if (list->config->has_known && !row->known && lasts)
		found |= LT_FOUND_UNKNOWN;
	if (is_foreign(row))
		found |= LT_FOUND_FOREIGN;
	if (row->calls > 0 && lasts && list->now_ns - row->first_ns < DAY_NS)
		found |= LT_FOUND_NEW;
	if (row->calls == 0 ||
	    (lasts && list->now_ns - row->last_ns > (int64_t)list->config->idle_ns))
		found |= LT_FOUND_IDLE;
	if (traits & LT_KEY_PERSONAL)
		found |= LT_FOUND_PERSONAL;
	if (traits & LT_KEY_ADMIN && row->calls > 0)
		found |= LT_FOUND_ADMIN;
	return found;
}

/* Whether one of the rows is this key, under its fingerprint or a later one. */
static bool was_used(const struct lt_key_list *list, size_t used, const struct lt_known_key *known)
{
	for (size_t i = 0; i < used; i++) {
		if (list->row[i].known == known)
			return true;
	}
	return false;
}

static int add_unused(struct lt_key_list *list)
{
	size_t used = list->count;

	for (size_t i = 0; i < list->config->known_count; i++) {
		const struct lt_known_key *known = &list->config->known[i];
		struct row *row;

		if (was_used(list, used, known))
			continue;
		row = row_of(list, known->fp);
		if (!row)
			return -ENOMEM;
		row->known = known;
	}
	return 0;
}

int lt_key_list_new(struct lt_ledger *l, const struct lt_credentials *config, int64_t now_ns,
		    struct lt_key_list **ret)
{
	lt_defer(lt_key_list_freep)
	struct lt_key_list *list = lt_calloc(1, sizeof(*list));
	int r;

	if (!list)
		return -ENOMEM;
	list->config = config;
	list->now_ns = now_ns;
	r = lt_query_key_aliases(l, on_alias, list);
	if (r == 0)
		r = lt_query_keys(l, on_use, list);
	for (size_t i = 0; i < list->count; i++)
		list->row[i].known = known_as(list, list->row[i].fp);
	if (r == 0)
		r = add_unused(list);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->count; i++) {
		struct row *row = &list->row[i];

		if (!row->kind[0] && row->known && row->known->kind)
			lt_bytes_copy(row->kind, sizeof(row->kind), lt_bytes_str(row->known->kind));
		row->findings = judge(list, row);
	}
	*ret = lt_take(list);
	return 0;
}

static void clear_row(struct row *row)
{
	for (int i = 0; i < LIST_COUNT; i++) {
		for (size_t k = 0; k < row->list[i].count; k++)
			lt_free(row->list[i].text[k]);
		lt_free(row->list[i].text);
	}
}

struct lt_key_list *lt_key_list_free(struct lt_key_list *list)
{
	if (!list)
		return NULL;
	for (size_t i = 0; i < list->count; i++)
		clear_row(&list->row[i]);
	lt_free(list->row);
	lt_free(list->alias);
	lt_free(list);
	return NULL;
}

size_t lt_key_list_only(struct lt_key_list *list, unsigned findings)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		list->row[i].findings &= findings;
		if (list->row[i].findings)
			list->row[kept++] = list->row[i];
		else
			clear_row(&list->row[i]);
	}
	list->count = kept;
	return kept;
}

size_t lt_key_list_found(const struct lt_key_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++)
		n += list->row[i].findings != 0;
	return n;
}

/* ---- output ---- */

static const char *fp_text(uint64_t fp, char to[FP_TEXT])
{
	snprintf(to, FP_TEXT, "%016" PRIx64, fp);
	return to;
}

static const char *finding_text(unsigned findings, const char *between, char *to, size_t size)
{
	size_t n = 0;

	to[0] = '\0';
	for (size_t i = 0; i < FINDING_COUNT && n < size; i++) {
		if (findings & 1U << i)
			n += (size_t)snprintf(to + n, size - n, "%s%s", n ? between : "",
					      finding_names[i]);
	}
	return to;
}

/* "acme", "acme +2" */
static const char *brief(const struct names *names, char to[LT_TABLE_CELL])
{
	if (names->count == 0)
		return "-";
	if (names->count == 1)
		return names->text[0];
	snprintf(to, LT_TABLE_CELL, "%.100s +%u", names->text[0], (unsigned)names->count - 1);
	return to;
}

static const char *brief_cost(const struct row *row, char to[LT_HUMAN_TEXT])
{
	if (row->cost_count == 0)
		return "-";
	return lt_human_money(row->cost[0].pico, row->cost[0].currency, to);
}

int lt_key_list_table(const struct lt_key_list *list, FILE *out)
{
	static const struct lt_table_column columns[] = {
		{"KEY", LT_LEFT, 0, 0, 16},	   {"NAME", LT_LEFT, 8, 6, 12},
		{"KIND", LT_LEFT, 10, 0, 20},	   {"PROVIDER", LT_LEFT, 8, 3, 10},
		{"TENANTS", LT_LEFT, 8, 0, 12},	   {"WORKLOADS", LT_LEFT, 12, 4, 24},
		{"CALLS", LT_RIGHT, 0, 0, 7},	   {"COST", LT_POINT, 0, 0, 10},
		{"FIRST SEEN", LT_LEFT, 0, 5, 19}, {"LAST SEEN", LT_LEFT, 0, 2, 19},
		{"FINDINGS", LT_LEFT, 8, 0, 16},
	};
	lt_defer(lt_table_freep)
	struct lt_table *t = NULL;
	int r = lt_table_new(columns, LT_COUNT(columns), lt_terminal_width(out),
			     lt_terminal_colour(out), &t);

	for (size_t i = 0; r == 0 && i < list->count; i++) {
		const struct row *row = &list->row[i];
		char fp[FP_TEXT], found[96], calls[LT_HUMAN_TEXT], cost[LT_HUMAN_TEXT],
			first[LT_HUMAN_TEXT], last[LT_HUMAN_TEXT], who[3][LT_TABLE_CELL];
		const char *name = row->known && row->known->name ? row->known->name : "-";
		const char *const cell[] = {
			fp_text(row->fp, fp),
			name,
			row->kind[0] ? row->kind : "-",
			brief(&row->list[PROVIDERS], who[0]),
			brief(&row->list[TENANTS], who[1]),
			brief(&row->list[WORKLOADS], who[2]),
			lt_human_number(row->calls, calls),
			brief_cost(row, cost),
			row->calls ? lt_human_time(row->first_ns, list->now_ns, first) : "-",
			row->calls ? lt_human_time(row->last_ns, list->now_ns, last) : "never",
			finding_text(row->findings, ", ", found, sizeof(found)),
		};
		enum lt_style style[LT_COUNT(columns)] = {0};

		style[LT_COUNT(columns) - 1] = LT_STYLE_WARN;
		r = lt_table_row(t, cell, style);
	}
	if (r == 0)
		lt_table_print(t, out);
	return r;
}

static void json_names(struct lt_json_writer *w, const char *key, const struct names *names)
{
	lt_json_key(w, key);
	lt_json_begin_array(w);
	for (size_t i = 0; i < names->count; i++)
		lt_json_string(w, names->text[i]);
	lt_json_end_array(w);
}

static void json_time(struct lt_json_writer *w, const char *key, bool known, int64_t ns)
{
	char text[LT_CLOCK_TEXT];

	lt_json_key(w, key);
	lt_json_string(w, known ? lt_clock_format(ns, text) : NULL);
}

static void json_text(struct lt_json_writer *w, const char *key, const char *text)
{
	lt_json_key(w, key);
	lt_json_string(w, text && text[0] ? text : NULL);
}

static void json_costs(struct lt_json_writer *w, const struct row *row)
{
	char text[LT_MONEY_TEXT];

	lt_json_key(w, "costs");
	lt_json_begin_array(w);
	for (size_t i = 0; i < row->cost_count; i++) {
		lt_json_begin_object(w);
		json_text(w, "amount", lt_money_format(row->cost[i].pico, text));
		json_text(w, "currency", row->cost[i].currency);
		lt_json_end_object(w);
	}
	lt_json_end_array(w);
}

static void json_row(struct lt_json_writer *w, const struct lt_key_list *list,
		     const struct row *row)
{
	char fp[FP_TEXT];

	lt_json_begin_object(w);
	json_text(w, "fingerprint", fp_text(row->fp, fp));
	lt_json_key(w, "earlier_fingerprints");
	lt_json_begin_array(w);
	for (size_t i = 0; i < list->alias_count; i++) {
		if (list->alias[i].fp == row->fp)
			lt_json_string(w, fp_text(list->alias[i].old_fp, fp));
	}
	lt_json_end_array(w);
	json_text(w, "name", row->known ? row->known->name : NULL);
	json_text(w, "owner", row->known ? row->known->tenant : NULL);
	json_text(w, "kind", row->kind);
	for (int i = 0; i < LIST_COUNT; i++)
		json_names(w, list_names[i], &row->list[i]);
	lt_json_key(w, "calls");
	lt_json_u64(w, row->calls);
	lt_json_key(w, "errors");
	lt_json_u64(w, row->errors);
	json_costs(w, row);
	json_time(w, "first_seen", row->calls > 0, row->first_ns);
	json_time(w, "last_seen", row->calls > 0, row->last_ns);
	lt_json_key(w, "findings");
	lt_json_begin_array(w);
	for (size_t i = 0; i < FINDING_COUNT; i++) {
		if (row->findings & 1U << i)
			lt_json_string(w, finding_names[i]);
	}
	lt_json_end_array(w);
	lt_json_end_object(w);
}

void lt_key_list_json(const struct lt_key_list *list, FILE *out)
{
	struct lt_json_writer w;

	lt_json_writer_init(&w, out);
	lt_json_begin_array(&w);
	for (size_t i = 0; i < list->count; i++)
		json_row(&w, list, &list->row[i]);
	lt_json_end_array(&w);
	fputc('\n', out);
}

/* "a;b": what does not fit is left out. */
static const char *join(const struct names *names, char to[JOINED])
{
	size_t n = 0;

	to[0] = '\0';
	for (size_t i = 0; i < names->count && n + strlen(names->text[i]) + 2 < JOINED; i++)
		n += (size_t)snprintf(to + n, JOINED - n, "%s%s", n ? ";" : "", names->text[i]);
	return to;
}

static void csv_row(const struct row *row, FILE *out)
{
	char fp[FP_TEXT], found[96], calls[24], errors[24], cost[LT_MONEY_TEXT],
		first[LT_CLOCK_TEXT], last[LT_CLOCK_TEXT];
	char joined[LIST_COUNT][JOINED];
	const char *const field[] = {
		fp_text(row->fp, fp),
		row->known ? row->known->name : NULL,
		row->known ? row->known->tenant : NULL,
		row->kind,
		join(&row->list[PROVIDERS], joined[0]),
		join(&row->list[HOSTS], joined[1]),
		join(&row->list[TENANTS], joined[2]),
		join(&row->list[WORKLOADS], joined[3]),
		calls,
		errors,
		row->cost_count ? lt_money_format(row->cost[0].pico, cost) : NULL,
		row->cost_count ? row->cost[0].currency : NULL,
		row->calls ? lt_clock_format(row->first_ns, first) : NULL,
		row->calls ? lt_clock_format(row->last_ns, last) : NULL,
		finding_text(row->findings, ";", found, sizeof(found)),
	};

	snprintf(calls, sizeof(calls), "%" PRIu64, row->calls);
	snprintf(errors, sizeof(errors), "%" PRIu64, row->errors);
	lt_csv_line(out, field, LT_COUNT(field));
}

void lt_key_list_csv(const struct lt_key_list *list, FILE *out)
{
	static const char *const titles[] = {"fingerprint", "name",	 "owner",   "kind",
					     "providers",   "hosts",	 "tenants", "workloads",
					     "calls",	    "errors",	 "cost",    "currency",
					     "first_seen",  "last_seen", "findings"};

	lt_csv_line(out, titles, LT_COUNT(titles));
	for (size_t i = 0; i < list->count; i++)
		csv_row(&list->row[i], out);
}
