// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/record_csv.h"

#include <inttypes.h>

#include "userspace/base/clock.h"
#include "userspace/base/money.h"
#include "userspace/view/csv.h"

struct scratch {
	char text[32][LT_MONEY_TEXT];
	size_t used;
};

static const char *number(struct scratch *s, uint64_t n)
{
	char *to = s->text[s->used++ % LT_COUNT(s->text)];

	snprintf(to, LT_MONEY_TEXT, "%" PRIu64, n);
	return to;
}

static const char *count(struct scratch *s, struct lt_count c)
{
	return c.known ? number(s, c.n) : NULL;
}

static const char *moment(struct scratch *s, int64_t wall_ns)
{
	return lt_clock_format(wall_ns, s->text[s->used++ % LT_COUNT(s->text)]);
}

static const char *amount(struct scratch *s, const struct lt_record *r)
{
	return lt_record_has_amount(r)
		       ? lt_money_format(r->cost.amount, s->text[s->used++ % LT_COUNT(s->text)])
		       : NULL;
}

static const char *id(struct scratch *s, struct lt_record_id record_id)
{
	return lt_record_id_format(record_id, s->text[s->used++ % LT_COUNT(s->text)]);
}

static const char *yes_no(bool b)
{
	return b ? "true" : "false";
}

static const char *billable(enum lt_billable b)
{
	return b == LT_BILLABLE_UNKNOWN ? NULL : yes_no(b == LT_BILLABLE_YES);
}

/* X(title, value); s, r and u are what lt_view_record_csv has at hand. At most 32 of them need
 * scratch. */
#define COLUMNS(X)                                                                                 \
	X("record_id", id(&s, r->id))                                                              \
	X("start", moment(&s, r->start_ns))                                                        \
	X("end", moment(&s, r->end_ns))                                                            \
	X("tenant", r->who.tenant)                                                                 \
	X("team", r->who.team)                                                                     \
	X("use_case", r->who.use_case)                                                             \
	X("environment", r->who.environment)                                                       \
	X("cost_center", r->who.cost_center)                                                       \
	X("provider", r->call.provider)                                                            \
	X("host", r->call.host)                                                                    \
	X("api", r->call.api)                                                                      \
	X("operation", r->call.operation)                                                          \
	X("request_model", r->call.request_model)                                                  \
	X("response_model", r->call.response_model)                                                \
	X("streaming", yes_no(r->call.streaming))                                                  \
	X("status_code", r->call.status ? number(&s, r->call.status) : NULL)                       \
	X("input_tokens", count(&s, u->input))                                                     \
	X("output_tokens", count(&s, u->output))                                                   \
	X("cache_read_tokens", count(&s, lt_usage_cache_read(u)))                                  \
	X("cache_write_tokens", count(&s, u->cache_write_total))                                   \
	X("reasoning_tokens", count(&s, u->bucket[LT_B_REASONING]))                                \
	X("cost", amount(&s, r))                                                                   \
	X("currency", lt_record_has_amount(r) ? r->cost.currency : NULL)                           \
	X("price_status", lt_price_status_name(r->cost.status))                                    \
	X("price_version", r->cost.version)                                                        \
	X("usage_source", lt_usage_source_name(u->source))                                         \
	X("usage_method", u->method)                                                               \
	X("usage_completeness", lt_completeness_name(u->completeness))                             \
	X("billable", billable(r->call.billable))                                                  \
	X("counts_in_total", yes_no(r->counts_in_total))                                           \
	X("pid", number(&s, r->who.pid ? r->who.pid : r->call.conn.tgid))                          \
	X("comm", r->who.comm)                                                                     \
	X("exe", r->who.exe)                                                                       \
	X("container_id", r->who.container.id)                                                     \
	X("runtime", r->who.container.runtime)                                                     \
	X("unit", r->who.container.unit)                                                           \
	X("service_tier", r->call.service_tier)                                                    \
	X("finish_reason", r->call.finish_reason)                                                  \
	X("tool_name", r->call.tool_name)                                                          \
	X("response_id", r->call.response_id)                                                      \
	X("lost_bytes", number(&s, r->call.lost_bytes))

void lt_view_csv_titles(FILE *out)
{
#define TITLE(title, value) title,
	static const char *const titles[] = {COLUMNS(TITLE)};
#undef TITLE

	lt_csv_line(out, titles, LT_COUNT(titles));
}

void lt_view_record_csv(FILE *out, const struct lt_record *r)
{
	const struct lt_usage *u = &r->call.usage;
	struct scratch s = {0};
#define VALUE(title, value) value,
	const char *const values[] = {COLUMNS(VALUE)};
#undef VALUE

	lt_csv_line(out, values, LT_COUNT(values));
}
