// SPDX-License-Identifier: Apache-2.0
#include "userspace/export/record_json.h"

#include <inttypes.h>

#include "userspace/base/clock.h"
#include "userspace/base/money.h"

/* Members of one kind each. What is empty or unknown is null, never "" or 0. */

static void put_text(struct lt_json_writer *w, const char *key, const char *text)
{
	lt_json_key(w, key);
	lt_json_string(w, text && text[0] ? text : NULL);
}

static void put_number(struct lt_json_writer *w, const char *key, uint64_t n)
{
	lt_json_key(w, key);
	lt_json_u64(w, n);
}

static void put_count(struct lt_json_writer *w, const char *key, struct lt_count count)
{
	lt_json_key(w, key);
	if (count.known)
		lt_json_u64(w, count.n);
	else
		lt_json_null(w);
}

static void put_bool(struct lt_json_writer *w, const char *key, bool b)
{
	lt_json_key(w, key);
	lt_json_bool(w, b);
}

static void put_time(struct lt_json_writer *w, const char *key, int64_t wall_ns)
{
	char text[LT_CLOCK_TEXT];

	lt_json_key(w, key);
	lt_json_string(w, lt_clock_format(wall_ns, text));
}

static void put_money(struct lt_json_writer *w, const char *key, bool known, int64_t pico)
{
	char text[LT_MONEY_TEXT];

	lt_json_key(w, key);
	lt_json_string(w, known ? lt_money_format(pico, text) : NULL);
}

static void put_id(struct lt_json_writer *w, const char *key, bool known, struct lt_record_id id)
{
	char text[LT_RECORD_ID_TEXT];

	lt_json_key(w, key);
	lt_json_string(w, known ? lt_record_id_format(id, text) : NULL);
}

static void put_hex(struct lt_json_writer *w, const char *key, bool known, const uint8_t *bytes,
		    size_t n)
{
	char text[33];

	for (size_t i = 0; i < n && i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	lt_json_key(w, key);
	lt_json_string(w, known ? text : NULL);
}

static void put_fingerprint(struct lt_json_writer *w, const char *key, uint64_t fp)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, fp);
	lt_json_key(w, key);
	lt_json_string(w, fp ? text : NULL);
}

static void put_micro(struct lt_json_writer *w, const char *key, uint64_t micro)
{
	char text[32];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "%" PRIu64 ".%06u", micro / 1000000,
			     (unsigned)(micro % 1000000));
	while (text[n - 1] == '0')
		text[--n] = '\0';
	if (text[n - 1] == '.')
		text[--n] = '\0';
	lt_json_key(w, key);
	lt_json_raw(w, text);
}

/* The groups of a record, in the order in which they are shown. */

static void put_life(struct lt_json_writer *w, uint64_t node_seq, const struct lt_record *r)
{
	put_id(w, "record_id", true, r->id);
	put_number(w, "revision", r->revision);
	put_text(w, "record_state", lt_record_state_name(r->state));
	if (node_seq != 0)
		put_number(w, "node_seq", node_seq);
	put_text(w, "record_type", r->call.record_type);
	put_text(w, "cost_category", r->call.category);
	put_time(w, "start", r->start_ns);
	put_time(w, "end", r->end_ns);
	lt_json_key(w, "ttfb_ms");
	if (r->ttfb_ns < 0)
		lt_json_null(w);
	else
		lt_json_i64(w, r->ttfb_ns / 1000000);
	put_bool(w, "counts_in_total", r->counts_in_total);
	put_hex(w, "dedupe_key", r->dedupe_known, r->dedupe_key, sizeof(r->dedupe_key));
	put_text(w, "hop_role", lt_hop_name(r->hop));
	put_id(w, "parent_record_id", r->parent_known, r->parent);
}

/* What is a JSON object already; "" is an empty one. */
static void put_object(struct lt_json_writer *w, const char *key, const char *text)
{
	lt_json_key(w, key);
	lt_json_raw(w, text[0] ? text : "{}");
}

static void put_conflicts(struct lt_json_writer *w, unsigned conflict)
{
	static const char *const name[] = {"tenant", "use_case", "agent_role", "user"};

	lt_json_key(w, "claim_conflict");
	lt_json_begin_array(w);
	for (size_t i = 0; i < LT_COUNT(name); i++) {
		if (conflict & 1u << i)
			lt_json_string(w, name[i]);
	}
	lt_json_end_array(w);
}

static void put_who(struct lt_json_writer *w, const struct lt_record *r)
{
	const struct lt_identity *who = &r->who;

	put_text(w, "tenant", who->tenant);
	put_text(w, "team", who->team);
	put_text(w, "use_case", who->use_case);
	put_text(w, "agent_role", who->agent_role);
	put_text(w, "environment", who->environment);
	put_text(w, "cost_center", who->cost_center);
	put_object(w, "tags", who->tags);
	put_text(w, "identity_source", lt_identity_source_name(who->source));
	put_number(w, "attribution_confidence", who->confidence);
	put_conflicts(w, who->claim_conflict);
	put_bool(w, "identity_pending", who->pending);
	put_text(w, "service_name", who->service_name);
	put_text(w, "agent_name", who->agent_name);
	put_fingerprint(w, "run_key", who->run_key);
	put_fingerprint(w, "session_key", who->session_key);
	put_count(w, "step_no", who->step);
	put_number(w, "pid", who->pid ? who->pid : r->call.conn.tgid);
	put_number(w, "process_start_ns",
		   who->process_start_ns ? who->process_start_ns : r->call.process_start_ns);
	put_number(w, "uid", who->uid);
	put_text(w, "comm", who->comm);
	put_text(w, "exe", who->exe);
	put_text(w, "parents", who->parents);
	put_text(w, "cgroup", who->cgroup);
	put_text(w, "container_id", who->container.id);
	put_text(w, "runtime", who->container.runtime);
	put_text(w, "pod_uid", who->container.pod_uid);
	put_text(w, "unit", who->container.unit);
	put_bool(w, "container_claimed", who->container.id_is_claim);
	put_bool(w, "pod_claimed", who->container.pod_is_claim);
	put_text(w, "cluster", who->cluster);
	put_text(w, "container_name", who->container_name);
	put_text(w, "image", who->image);
	put_text(w, "image_digest", who->image_digest);
	put_text(w, "namespace", who->namespace);
	put_text(w, "pod", who->pod);
	put_text(w, "node", who->node);
	put_text(w, "workload_ref", who->workload);
}

static void put_exchange(struct lt_json_writer *w, const struct lt_call *call)
{
	put_text(w, "provider", call->provider);
	put_text(w, "host", call->host);
	put_text(w, "api", call->api);
	put_text(w, "operation", call->operation);
	put_text(w, "request_model", call->request_model);
	put_text(w, "response_model", call->response_model);
	put_text(w, "response_id", call->response_id);
	put_text(w, "request_id", call->request_id);
	put_bool(w, "streaming", call->streaming);
	lt_json_key(w, "status_code");
	if (call->status)
		lt_json_u64(w, call->status);
	else
		lt_json_null(w);
	put_text(w, "error_type", call->error_type);
	put_text(w, "finish_reason", call->finish_reason);
	put_text(w, "service_tier", call->service_tier);
	put_count(w, "tool_calls", call->tool_calls);
	put_text(w, "tool_name", call->tool_name);
	put_fingerprint(w, "credential_fp", call->credential_fp);
	put_text(w, "key_kind", call->key_kind);
	put_text(w, "provider_organization", call->organization);
	put_text(w, "provider_project", call->project);
	put_fingerprint(w, "end_user_fp", call->end_user_fp);
	put_count(w, "tool_results", call->tool_results);
	put_text(w, "user_agent", call->user_agent);
	put_number(w, "request_bytes", call->request_body_bytes);
	put_number(w, "response_bytes", call->response_body_bytes);
}

static void put_usage(struct lt_json_writer *w, const struct lt_usage *u)
{
	lt_json_key(w, "usage");
	lt_json_begin_object(w);
	put_count(w, "input_tokens", u->input);
	put_count(w, "output_tokens", u->output);
	put_count(w, "cache_read_tokens", lt_usage_cache_read(u));
	put_count(w, "cache_write_tokens", u->cache_write_total);
	put_count(w, "cache_write_5m_tokens", u->bucket[LT_B_CACHE_WRITE_5M]);
	put_count(w, "cache_write_1h_tokens", u->bucket[LT_B_CACHE_WRITE_1H]);
	put_count(w, "reasoning_tokens", u->bucket[LT_B_REASONING]);
	put_count(w, "audio_input_tokens", lt_usage_audio_input(u));
	put_count(w, "audio_output_tokens", u->bucket[LT_B_OUT_AUDIO]);
	put_count(w, "image_input_tokens", lt_usage_image_input(u));
	put_count(w, "image_output_tokens", u->bucket[LT_B_OUT_IMAGE]);
	lt_json_key(w, "units");
	lt_json_begin_object(w);
	for (unsigned i = 0; i < u->unit_count; i++)
		put_micro(w, u->units[i].name, u->units[i].amount_micro);
	lt_json_end_object(w);
	lt_json_end_object(w);
	put_text(w, "usage_source", lt_usage_source_name(u->source));
	put_text(w, "usage_method", u->method);
	put_text(w, "usage_completeness", lt_completeness_name(u->completeness));
	put_bool(w, "usage_contradictory", u->contradictory);
}

static void put_cost(struct lt_json_writer *w, const struct lt_record *r)
{
	const struct lt_cost *cost = &r->cost;

	lt_json_key(w, "billable");
	if (r->call.billable == LT_BILLABLE_UNKNOWN)
		lt_json_null(w);
	else
		lt_json_bool(w, r->call.billable == LT_BILLABLE_YES);
	put_money(w, "inline_cost", r->call.inline_cost_known, r->call.inline_cost_pico);
	lt_json_key(w, "cost");
	lt_json_begin_object(w);
	put_money(w, "amount", lt_record_has_amount(r), cost->amount);
	put_text(w, "currency", cost->currency);
	put_text(w, "status", lt_price_status_name(cost->status));
	put_text(w, "price_version", cost->version);
	lt_json_key(w, "breakdown");
	lt_json_begin_array(w);
	for (unsigned i = 0; i < cost->part_count; i++) {
		lt_json_begin_object(w);
		put_text(w, "meter", cost->parts[i].meter);
		put_number(w, "quantity", cost->parts[i].quantity);
		put_money(w, "amount", true, cost->parts[i].amount);
		put_text(w, "price", cost->parts[i].price);
		lt_json_end_object(w);
	}
	lt_json_end_array(w);
	lt_json_end_object(w);
}

/* What was not seen, and is a conclusion. */
static void put_inferred(struct lt_json_writer *w, unsigned inferred)
{
	lt_json_key(w, "inferred");
	lt_json_begin_array(w);
	if (inferred & LT_INFERRED_HOST)
		lt_json_string(w, "host");
	if (inferred & LT_INFERRED_API)
		lt_json_string(w, "api");
	if (inferred & LT_INFERRED_HOP)
		lt_json_string(w, "hop");
	lt_json_end_array(w);
}

static void put_capture(struct lt_json_writer *w, const struct lt_record *r)
{
	bool replay = r->call.library == LT_LIBRARY_REPLAY;

	put_number(w, "lost_bytes", r->call.lost_bytes);
	put_text(w, "tls_library", replay ? NULL : lt_library_name(r->call.library));
	put_text(w, "capture_source", lt_library_name(r->call.library));
	put_inferred(w, r->call.inferred);
	put_text(w, "coverage_class", lt_coverage_name(r->coverage));
	if (r->source_file[0])
		put_text(w, "source_file", r->source_file);
}

void lt_record_json(struct lt_json_writer *w, uint64_t node_seq, const struct lt_record *r)
{
	lt_json_begin_object(w);
	put_life(w, node_seq, r);
	put_who(w, r);
	put_exchange(w, &r->call);
	put_usage(w, &r->call.usage);
	put_cost(w, r);
	put_capture(w, r);
	lt_json_end_object(w);
}
