// SPDX-License-Identifier: Apache-2.0
/*
 * JSON-RPC 2.0 (https://www.jsonrpc.org/specification): requests wait for the answers with their
 * ids. A list of requests is as many calls; what the server asks and what nobody answers by its
 * nature (notifications) is none.
 */
#include <ctype.h>

#include "userspace/base/counter.h"
#include "userspace/decode/work.h"

static const char tool_call[] = "tools/call";

static uint64_t hash_id(const struct lt_json_hit *hit)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^
			(uint64_t)hit->type; /* 1 and "1" are not the same */

	for (size_t i = 0; i < hit->text.n; i++)
		hash = (hash ^ hit->text.p[i]) * 0x100000001b3ULL;
	return hash ? hash : 1;
}

/* A tool's name is the server's choice: what could be a sentence is not taken over. */
static void copy_tool(char to[LT_TOOL_SIZE], struct lt_bytes name)
{
	size_t n = name.n < LT_TOOL_SIZE - 1 ? name.n : LT_TOOL_SIZE - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = isalnum(name.p[i]) || memchr("_-./:", name.p[i], 5) ? (char)name.p[i] : '_';
	to[n] = '\0';
}

static bool is_wanted(const struct lt_shape *shape, const char *method)
{
	for (unsigned i = 0; i < shape->rpc_method_count; i++) {
		if (strcmp(shape->rpc_methods[i], method) == 0)
			return true;
	}
	return false;
}

static void ask(struct lt_work *w, const struct lt_rpc_message *m)
{
	if (!m->id || !is_wanted(w->api->shape, m->method))
		return;
	if (w->rpc->pending_count == LT_RPC_MAX) {
		lt_counter_add(LT_C_EXCHANGES_EVICTED, 1);
		return;
	}
	w->rpc->pending[w->rpc->pending_count++] = *m;
	w->confirmed = true;
}

static void answer(struct lt_work *w, const struct lt_rpc_message *m)
{
	unsigned i = 0;

	while (i < w->rpc->pending_count && w->rpc->pending[i].id != m->id)
		i++;
	if (!m->id || m->asks || i == w->rpc->pending_count)
		return;
	w->rpc->pending[i].answered = true;
	w->rpc->pending[i].failed = m->failed;
	memcpy(w->rpc->pending[i].error, m->error, sizeof(m->error));
}

void lt_work_rpc_hit(struct lt_work *w, enum lt_side side, const struct lt_rule *rule,
		     const struct lt_json_hit *hit)
{
	struct lt_rpc_message *m = &w->rpc->now[side];

	switch ((enum lt_rpc_part)rule->target) {
	case LT_RPC_MESSAGE:
		if (hit->type == LT_JSON_END && side == LT_SIDE_REQUEST)
			ask(w, m);
		else if (hit->type == LT_JSON_END)
			answer(w, m);
		memset(m, 0, sizeof(*m)); /* also behind the last of a list */
		break;
	case LT_RPC_ID:
		if (hit->type == LT_JSON_STRING || hit->type == LT_JSON_NUMBER)
			m->id = hash_id(hit);
		break;
	case LT_RPC_METHOD:
		m->asks = true;
		lt_copy_word(m->method, sizeof(m->method), hit->text);
		break;
	case LT_RPC_TOOL:
		copy_tool(m->tool, hit->text);
		break;
	case LT_RPC_ERROR:
		lt_copy_word(m->error, sizeof(m->error), hit->text);
		break;
	case LT_RPC_FAILED:
		m->failed = hit->type == LT_JSON_TRUE;
		break;
	}
}

bool lt_work_rpc_next(struct lt_work *w)
{
	struct lt_rpc *rpc = w->rpc;
	const struct lt_rpc_message *m;

	if (!rpc || rpc->emitted == rpc->pending_count)
		return false;
	m = &rpc->pending[rpc->emitted++];
	memcpy(w->call.operation, m->method, sizeof(w->call.operation));
	memcpy(w->call.tool_name, m->tool, sizeof(w->call.tool_name));
	w->call.tool_calls = (struct lt_count){.n = 1, .known = strcmp(m->method, tool_call) == 0};
	w->answered = m->answered;
	w->failed = m->failed || m->error[0];
	lt_bytes_copy(w->call.error_type, sizeof(w->call.error_type),
		      lt_bytes_str(m->error[0] ? m->error
				   : m->failed ? "tool_error"
					       : ""));
	return true;
}
