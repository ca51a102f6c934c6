/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of the ledger: the one list from which the table, the insert and the reading back are
 * made. Private to the ledger room. Adding a field: one line here, and a step in the migrations of
 * ledger.c.
 *
 * LT_F(kind, column, member of struct lt_record, extra, extra). Kinds (all columns but INT, BOOL
 * and ENUM may be null): TEXT   char array, "" is null INT    any integer SOME   any integer, 0 is
 * null SINCE  integer, negative is null and read as -1 FLAG   integer that is null unless the flag
 * (first extra) is set COUNT  struct lt_count BOOL   bool ENUM   enum, stored as its name: extras
 * are its name function and its last value ID     16 bytes, null unless the flag (first extra) is
 * set The money, the cost parts and the units are done by hand in columns.c.
 */
#pragma once

/* clang-format off */
#define LT_FIELD_BUCKET(id, name, side) LT_F(COUNT, name, call.usage.bucket[LT_B_##id], , )

#define LT_RECORD_FIELDS                                                                           \
	LT_F(INT, "revision", revision, , )                                                        \
	LT_F(ENUM, "record_state", state, lt_record_state_name, LT_RECORD_VOID)                    \
	LT_F(INT, "start_ns", start_ns, , )                                                        \
	LT_F(INT, "end_ns", end_ns, , )                                                            \
	LT_F(SINCE, "ttfb_ns", ttfb_ns, , )                                                        \
	LT_F(INT, "observed_ns", observed_ns, , )                                                  \
	LT_F(BOOL, "counts_in_total", counts_in_total, , )                                         \
	LT_F(ID, "dedupe_key", dedupe_key, dedupe_known, )                                         \
	LT_F(ENUM, "hop_role", hop, lt_hop_name, LT_HOP_TERMINAL)                                  \
	LT_F(ID, "parent_record_id", parent.b, parent_known, )                                     \
	LT_F(ENUM, "coverage_class", coverage, lt_coverage_name, LT_COVERAGE_UNKNOWN_HOST)         \
	/* who */                                                                                  \
	LT_F(TEXT, "tenant", who.tenant, , )                                                       \
	LT_F(TEXT, "team", who.team, , )                                                           \
	LT_F(TEXT, "use_case", who.use_case, , )                                                   \
	LT_F(TEXT, "agent_role", who.agent_role, , )                                               \
	LT_F(TEXT, "tags", who.tags, , )                                                           \
	LT_F(TEXT, "environment", who.environment, , )                                             \
	LT_F(TEXT, "cost_center", who.cost_center, , )                                             \
	LT_F(ENUM, "identity_source", who.source, lt_identity_source_name,                         \
	     LT_IDENTITY_CLIENT_CLAIM)                                                             \
	LT_F(INT, "attribution_confidence", who.confidence, , )                                    \
	LT_F(INT, "claim_conflict", who.claim_conflict, , )                                        \
	LT_F(TEXT, "service_name", who.service_name, , )                                           \
	LT_F(TEXT, "facts", who.facts, , )                                                         \
	LT_F(BOOL, "identity_pending", who.pending, , )                                            \
	LT_F(TEXT, "agent_name", who.agent_name, , )                                               \
	LT_F(SOME, "run_key", who.run_key, , )                                                     \
	LT_F(SOME, "session_key", who.session_key, , )                                             \
	LT_F(COUNT, "step_no", who.step, , )                                                       \
	LT_F(INT, "pid", who.pid, , )                                                              \
	LT_F(SOME, "parent_pid", who.parent_pid, , )                                               \
	LT_F(INT, "process_start_ns", who.process_start_ns, , )                                    \
	LT_F(INT, "uid", who.uid, , )                                                              \
	LT_F(TEXT, "comm", who.comm, , )                                                           \
	LT_F(TEXT, "exe", who.exe, , )                                                             \
	LT_F(TEXT, "parents", who.parents, , )                                                     \
	LT_F(TEXT, "cgroup", who.cgroup, , )                                                       \
	LT_F(TEXT, "container_id", who.container.id, , )                                           \
	LT_F(TEXT, "runtime", who.container.runtime, , )                                           \
	LT_F(TEXT, "pod_uid", who.container.pod_uid, , )                                           \
	LT_F(TEXT, "qos", who.container.qos, , )                                                   \
	LT_F(TEXT, "unit", who.container.unit, , )                                                 \
	LT_F(BOOL, "container_claimed", who.container.id_is_claim, , )                             \
	LT_F(BOOL, "pod_claimed", who.container.pod_is_claim, , )                                  \
	LT_F(TEXT, "cluster", who.cluster, , )                                                     \
	LT_F(TEXT, "container_name", who.container_name, , )                                       \
	LT_F(TEXT, "image", who.image, , )                                                         \
	LT_F(TEXT, "image_digest", who.image_digest, , )                                           \
	LT_F(TEXT, "namespace", who.namespace, , )                                                 \
	LT_F(TEXT, "pod", who.pod, , )                                                             \
	LT_F(TEXT, "node", who.node, , )                                                           \
	LT_F(TEXT, "workload_ref", who.workload, , )                                               \
	/* the connection, as the kernel stamped it: boot times */                                 \
	LT_F(INT, "conn_tgid", call.conn.tgid, , )                                                 \
	LT_F(INT, "conn_ctx", call.conn.ctx, , )                                                   \
	LT_F(INT, "conn_generation", call.conn.generation, , )                                     \
	LT_F(INT, "conn_process_start_ns", call.process_start_ns, , )                              \
	LT_F(INT, "conn_uid", call.uid, , )                                                        \
	LT_F(SOME, "cgroup_id", call.cgroup_id, , )                                                \
	LT_F(SOME, "socket_cookie", call.socket_cookie, , )                                        \
	LT_F(SOME, "stream_id", call.stream_id, , )                                                \
	LT_F(SOME, "ordinal", call.ordinal, , )                                                    \
	LT_F(INT, "first_byte_boot_ns", call.first_byte_ns, , )                                    \
	LT_F(SOME, "first_response_boot_ns", call.first_response_ns, , )                           \
	LT_F(INT, "end_boot_ns", call.end_ns, , )                                                  \
	LT_F(ENUM, "tls_library", call.library, lt_library_name, LT_LIBRARY_COUNT - 1)             \
	LT_F(ENUM, "capture_source", call.library, lt_library_name, LT_LIBRARY_COUNT - 1)          \
	LT_F(TEXT, "source_file", source_file, , )                                                 \
	/* the exchange */                                                                         \
	LT_F(TEXT, "host", call.host, , )                                                          \
	LT_F(SOME, "port", call.port, , )                                                          \
	LT_F(TEXT, "provider", call.provider, , )                                                  \
	LT_F(TEXT, "gen_ai_provider", call.gen_ai_provider, , )                                    \
	LT_F(TEXT, "price_provider", call.price_provider, , )                                      \
	LT_F(TEXT, "api", call.api, , )                                                            \
	LT_F(TEXT, "operation", call.operation, , )                                                \
	LT_F(TEXT, "cost_category", call.category, , )                                             \
	LT_F(TEXT, "record_type", call.record_type, , )                                            \
	LT_F(TEXT, "request_model", call.request_model, , )                                        \
	LT_F(TEXT, "response_model", call.response_model, , )                                      \
	LT_F(TEXT, "response_id", call.response_id, , )                                            \
	LT_F(TEXT, "request_id", call.request_id, , )                                              \
	LT_F(TEXT, "finish_reason", call.finish_reason, , )                                        \
	LT_F(TEXT, "service_tier", call.service_tier, , )                                          \
	LT_F(ENUM, "tier", call.tier, lt_tier_name, LT_TIER_UNKNOWN)                               \
	LT_F(TEXT, "error_type", call.error_type, , )                                              \
	LT_F(TEXT, "tool_name", call.tool_name, , )                                                \
	LT_F(SOME, "inferred", call.inferred, , )                                                  \
	LT_F(BOOL, "stored", call.stored, , )                                                      \
	LT_F(SOME, "model_part", call.model, , )                                                   \
	LT_F(SOME, "status_code", call.status, , )                                                 \
	LT_F(BOOL, "streaming", call.streaming, , )                                                \
	LT_F(ENUM, "billable", call.billable, lt_billable_name, LT_BILLABLE_YES)                   \
	LT_F(COUNT, "tool_calls", call.tool_calls, , )                                             \
	LT_F(INT, "request_bytes", call.request_body_bytes, , )                                    \
	LT_F(INT, "response_bytes", call.response_body_bytes, , )                                  \
	LT_F(INT, "lost_bytes", call.lost_bytes, , )                                               \
	LT_F(SOME, "credential_fp", call.credential_fp, , )                                        \
	LT_F(TEXT, "key_kind", call.key_kind, , )                                                  \
	LT_F(TEXT, "provider_organization", call.organization, , )                                 \
	LT_F(TEXT, "provider_project", call.project, , )                                           \
	LT_F(SOME, "end_user_fp", call.end_user_fp, , )                                            \
	LT_F(SOME, "session_fp", call.session_fp, , )                                              \
	LT_F(COUNT, "tool_results", call.tool_results, , )                                         \
	LT_F(TEXT, "user_agent", call.user_agent, , )                                              \
	/* usage: disjoint parts, then the inclusive totals */                                     \
	LT_BUCKETS(LT_FIELD_BUCKET)                                                                \
	LT_F(COUNT, "input_total", call.usage.input, , )                                           \
	LT_F(COUNT, "output_total", call.usage.output, , )                                         \
	LT_F(COUNT, "cache_write_total", call.usage.cache_write_total, , )                         \
	LT_F(ENUM, "usage_source", call.usage.source, lt_usage_source_name, LT_USAGE_ESTIMATED)    \
	LT_F(TEXT, "usage_method", call.usage.method, , )                                          \
	LT_F(ENUM, "usage_completeness", call.usage.completeness, lt_completeness_name,            \
	     LT_CAPTURE_GAP)                                                                       \
	LT_F(BOOL, "usage_contradictory", call.usage.contradictory, , )                            \
	/* money, pico units */                                                                    \
	LT_F(FLAG, "inline_cost_pico", call.inline_cost_pico, call.inline_cost_known, )            \
	LT_F(ENUM, "price_status", cost.status, lt_price_status_name, LT_PRICE_NO_USAGE)           \
	LT_F(TEXT, "currency", cost.currency, , )                                                  \
	LT_F(TEXT, "price_version", cost.version, , )
/* clang-format on */
