// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/full_csv.h"

#include <inttypes.h>

#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/base/money.h"
#include "userspace/view/csv.h"

enum { SLOTS = 80, JSON_SIZE = 8192 };

/* What the texts of a line are made in. */
struct scratch {
	char text[SLOTS][LT_MONEY_TEXT];
	size_t used;
	char units[JSON_SIZE], parts[JSON_SIZE];
};

static char *slot(struct scratch *s)
{
	return s->text[s->used++ % SLOTS];
}

static const char *number(struct scratch *s, uint64_t n)
{
	char *to = slot(s);

	snprintf(to, LT_MONEY_TEXT, "%" PRIu64, n);
	return to;
}

static const char *some(struct scratch *s, uint64_t n)
{
	return n ? number(s, n) : NULL;
}

static const char *count(struct scratch *s, struct lt_count c)
{
	return c.known ? number(s, c.n) : NULL;
}

static const char *moment(struct scratch *s, int64_t wall_ns)
{
	return lt_clock_format(wall_ns, slot(s));
}

static const char *money(struct scratch *s, bool known, int64_t pico)
{
	return known ? lt_money_format(pico, slot(s)) : NULL;
}

static const char *id(struct scratch *s, bool known, struct lt_record_id record_id)
{
	return known ? lt_record_id_format(record_id, slot(s)) : NULL;
}

static const char *hex(struct scratch *s, uint64_t n)
{
	char *to = slot(s);

	snprintf(to, LT_MONEY_TEXT, "%016" PRIx64, n);
	return n ? to : NULL;
}

static const char *key(struct scratch *s, const struct lt_record *r)
{
	char *to = slot(s);

	for (size_t i = 0; i < sizeof(r->dedupe_key); i++)
		snprintf(to + 2 * i, 3, "%02x", r->dedupe_key[i]);
	return r->dedupe_known ? to : NULL;
}

static const char *yes_no(bool b)
{
	return b ? "true" : "false";
}

static const char *billable(enum lt_billable b)
{
	return b == LT_BILLABLE_UNKNOWN ? NULL : yes_no(b == LT_BILLABLE_YES);
}

/* The names of the bits that are set, with spaces between. */
static const char *bits(struct scratch *s, unsigned mask, const char *const *names, size_t n)
{
	char *to = slot(s);

	to[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(to);

		if (mask & 1u << i)
			snprintf(to + length, LT_MONEY_TEXT - length, "%s%s", length ? " " : "",
				 names[i]);
	}
	return to;
}

static const char *conflicts(struct scratch *s, unsigned mask)
{
	static const char *const names[] = {"tenant", "use_case", "agent_role", "user"};

	return bits(s, mask, names, LT_COUNT(names));
}

static const char *inferred(struct scratch *s, unsigned mask)
{
	static const char *const names[] = {"host", "api", "hop"};

	return bits(s, mask, names, LT_COUNT(names));
}

static void put_units(struct lt_json_writer *w, const struct lt_usage *u)
{
	lt_json_begin_object(w);
	for (unsigned i = 0; i < u->unit_count; i++) {
		char text[LT_MONEY_TEXT];

		lt_json_key(w, u->units[i].name);
		lt_json_raw(w,
			    lt_money_format((lt_int128)u->units[i].amount_micro * 1000000, text));
	}
	lt_json_end_object(w);
}

static void put_parts(struct lt_json_writer *w, const struct lt_cost *cost)
{
	lt_json_begin_array(w);
	for (unsigned i = 0; i < cost->part_count; i++) {
		const struct lt_cost_part *part = &cost->parts[i];
		char text[LT_MONEY_TEXT];

		lt_json_begin_object(w);
		lt_json_key(w, "meter");
		lt_json_string(w, part->meter);
		lt_json_key(w, "quantity");
		lt_json_u64(w, part->quantity);
		lt_json_key(w, "amount");
		lt_json_string(w, lt_money_format(part->amount, text));
		lt_json_key(w, "price");
		lt_json_string(w, part->price);
		lt_json_end_object(w);
	}
	lt_json_end_array(w);
}

/* What is a list in the record is JSON here; an empty one is null. */
static void make_lists(struct scratch *s, const struct lt_record *r)
{
	struct lt_json_writer w;
	FILE *out;

	s->units[0] = s->parts[0] = '\0';
	out = r->call.usage.unit_count ? fmemopen(s->units, JSON_SIZE, "w") : NULL;
	if (out) {
		lt_json_writer_init(&w, out);
		put_units(&w, &r->call.usage);
		if (fclose(out) != 0)
			s->units[0] = '\0';
	}
	out = r->cost.part_count ? fmemopen(s->parts, JSON_SIZE, "w") : NULL;
	if (out) {
		lt_json_writer_init(&w, out);
		put_parts(&w, &r->cost);
		if (fclose(out) != 0)
			s->parts[0] = '\0';
	}
}

#define BUCKET(id, name, side) X(name "_bucket", count(s, u->bucket[LT_B_##id]))

/* X(title, value). A line, once released, stays where it is: new ones are added at the end. */
#define COLUMNS                                                                                    \
	X("record_id", id(s, true, r->id))                                                         \
	X("revision", number(s, r->revision))                                                      \
	X("record_state", lt_record_state_name(r->state))                                          \
	X("node_seq", some(s, node_seq))                                                           \
	X("record_type", r->call.record_type)                                                      \
	X("cost_category", r->call.category)                                                       \
	X("start", moment(s, r->start_ns))                                                         \
	X("end", moment(s, r->end_ns))                                                             \
	X("ttfb_ms", r->ttfb_ns < 0 ? NULL : number(s, (uint64_t)r->ttfb_ns / 1000000))            \
	X("counts_in_total", yes_no(r->counts_in_total))                                           \
	X("dedupe_key", key(s, r))                                                                 \
	X("hop_role", lt_hop_name(r->hop))                                                         \
	X("parent_record_id", id(s, r->parent_known, r->parent))                                   \
	X("tenant", who->tenant)                                                                   \
	X("team", who->team)                                                                       \
	X("use_case", who->use_case)                                                               \
	X("agent_role", who->agent_role)                                                           \
	X("environment", who->environment)                                                         \
	X("cost_center", who->cost_center)                                                         \
	X("tags", who->tags)                                                                       \
	X("identity_source", lt_identity_source_name(who->source))                                 \
	X("attribution_confidence", number(s, who->confidence))                                    \
	X("claim_conflict", conflicts(s, who->claim_conflict))                                     \
	X("identity_pending", yes_no(who->pending))                                                \
	X("service_name", who->service_name)                                                       \
	X("agent_name", who->agent_name)                                                           \
	X("run_key", hex(s, who->run_key))                                                         \
	X("session_key", hex(s, who->session_key))                                                 \
	X("step_no", count(s, who->step))                                                          \
	X("pid", number(s, who->pid ? who->pid : r->call.conn.tgid))                               \
	X("process_start_ns",                                                                      \
	  number(s, who->process_start_ns ? who->process_start_ns : r->call.process_start_ns))     \
	X("uid", number(s, who->uid))                                                              \
	X("comm", who->comm)                                                                       \
	X("exe", who->exe)                                                                         \
	X("parents", who->parents)                                                                 \
	X("cgroup", who->cgroup)                                                                   \
	X("container_id", who->container.id)                                                       \
	X("runtime", who->container.runtime)                                                       \
	X("pod_uid", who->container.pod_uid)                                                       \
	X("unit", who->container.unit)                                                             \
	X("cluster", who->cluster)                                                                 \
	X("container_name", who->container_name)                                                   \
	X("image", who->image)                                                                     \
	X("image_digest", who->image_digest)                                                       \
	X("namespace", who->namespace)                                                             \
	X("pod", who->pod)                                                                         \
	X("node", who->node)                                                                       \
	X("workload_ref", who->workload)                                                           \
	X("provider", r->call.provider)                                                            \
	X("host", r->call.host)                                                                    \
	X("port", some(s, r->call.port))                                                           \
	X("api", r->call.api)                                                                      \
	X("operation", r->call.operation)                                                          \
	X("request_model", r->call.request_model)                                                  \
	X("response_model", r->call.response_model)                                                \
	X("response_id", r->call.response_id)                                                      \
	X("request_id", r->call.request_id)                                                        \
	X("streaming", yes_no(r->call.streaming))                                                  \
	X("status_code", some(s, r->call.status))                                                  \
	X("error_type", r->call.error_type)                                                        \
	X("finish_reason", r->call.finish_reason)                                                  \
	X("service_tier", r->call.service_tier)                                                    \
	X("tool_calls", count(s, r->call.tool_calls))                                              \
	X("tool_name", r->call.tool_name)                                                          \
	X("credential_fp", hex(s, r->call.credential_fp))                                          \
	X("key_kind", r->call.key_kind)                                                            \
	X("provider_organization", r->call.organization)                                           \
	X("provider_project", r->call.project)                                                     \
	X("end_user_fp", hex(s, r->call.end_user_fp))                                              \
	X("tool_results", count(s, r->call.tool_results))                                          \
	X("user_agent", r->call.user_agent)                                                        \
	X("request_bytes", number(s, r->call.request_body_bytes))                                  \
	X("response_bytes", number(s, r->call.response_body_bytes))                                \
	X("input_tokens", count(s, u->input))                                                      \
	X("output_tokens", count(s, u->output))                                                    \
	X("cache_read_tokens", count(s, lt_usage_cache_read(u)))                                   \
	X("cache_write_tokens", count(s, u->cache_write_total))                                    \
	X("cache_write_5m_tokens", count(s, u->bucket[LT_B_CACHE_WRITE_5M]))                       \
	X("cache_write_1h_tokens", count(s, u->bucket[LT_B_CACHE_WRITE_1H]))                       \
	X("reasoning_tokens", count(s, u->bucket[LT_B_REASONING]))                                 \
	X("audio_input_tokens", count(s, lt_usage_audio_input(u)))                                 \
	X("audio_output_tokens", count(s, u->bucket[LT_B_OUT_AUDIO]))                              \
	X("image_input_tokens", count(s, lt_usage_image_input(u)))                                 \
	X("image_output_tokens", count(s, u->bucket[LT_B_OUT_IMAGE]))                              \
	X("units", s->units)                                                                       \
	X("usage_source", lt_usage_source_name(u->source))                                         \
	X("usage_method", u->method)                                                               \
	X("usage_completeness", lt_completeness_name(u->completeness))                             \
	X("usage_contradictory", yes_no(u->contradictory))                                         \
	X("billable", billable(r->call.billable))                                                  \
	X("inline_cost", money(s, r->call.inline_cost_known, r->call.inline_cost_pico))            \
	X("cost", money(s, lt_record_has_amount(r), r->cost.amount))                               \
	X("currency", r->cost.currency)                                                            \
	X("price_status", lt_price_status_name(r->cost.status))                                    \
	X("price_version", r->cost.version)                                                        \
	X("cost_breakdown", s->parts)                                                              \
	X("lost_bytes", number(s, r->call.lost_bytes))                                             \
	X("tls_library",                                                                           \
	  r->call.library == LT_LIBRARY_REPLAY ? NULL : lt_library_name(r->call.library))          \
	X("capture_source", lt_library_name(r->call.library))                                      \
	X("inferred", inferred(s, r->call.inferred))                                               \
	X("coverage_class", lt_coverage_name(r->coverage))                                         \
	X("source_file", r->source_file)                                                           \
	LT_BUCKETS(BUCKET)                                                                         \
	X("container_claimed", yes_no(r->who.container.id_is_claim))                               \
	X("pod_claimed", yes_no(r->who.container.pod_is_claim))

void lt_view_full_csv_titles(FILE *out)
{
#define X(title, value) title,
	static const char *const titles[] = {COLUMNS};
#undef X

	lt_csv_line(out, titles, LT_COUNT(titles));
}

static void write_line(FILE *out, struct scratch *s, uint64_t node_seq, const struct lt_record *r)
{
	const struct lt_identity *who = &r->who;
	const struct lt_usage *u = &r->call.usage;
#define X(title, value) value,
	const char *const values[] = {COLUMNS};
#undef X

	lt_csv_line(out, values, LT_COUNT(values));
}

void lt_view_full_csv(FILE *out, uint64_t node_seq, const struct lt_record *r)
{
	struct scratch s;

	s.used = 0;
	make_lists(&s, r);
	write_line(out, &s, node_seq, r);
}
