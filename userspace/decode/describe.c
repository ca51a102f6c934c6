// SPDX-License-Identifier: Apache-2.0
/* What a request's head says of the call: who is asked, with which key, for which model. */
#include <ctype.h>

#include "userspace/base/parse.h"
#include "userspace/decode/credential.h"
#include "userspace/decode/work.h"

/* The path alone: without query, and without the second slash of clients that join base URL and
 * path with two. */
struct lt_bytes lt_request_path(const struct lt_http_head *head)
{
	struct lt_bytes target = head->target;
	const uint8_t *query = target.n ? memchr(target.p, '?', target.n) : NULL;
	struct lt_bytes path = query ? lt_bytes(target.p, (size_t)(query - target.p)) : target;

	while (path.n > 1 && path.p[0] == '/' && path.p[1] == '/')
		path = lt_bytes_skip(path, 1);
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	return path;
}

static size_t word_length(struct lt_bytes text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] > ' ' && text.p[n] < 0x7f && !memchr("();,@", text.p[n], 5))
		n++;
	return n;
}

/* "OpenAI/Python 2.54.0": the product and a version after it. The rest may name the host or a
 * person. */
static void copy_agent(char *to, size_t size, struct lt_bytes text)
{
	size_t n = word_length(text);
	struct lt_bytes rest = lt_bytes_skip(text, n + 1);

	if (n + 1 < text.n && text.p[n] == ' ' && isdigit(rest.p[0]))
		n += 1 + word_length(rest);
	lt_bytes_copy(to, size, lt_bytes(text.p, n));
}

static void copy_conn(struct lt_call *c, const struct lt_exchange *x)
{
	const struct lt_conn *conn = x->conn;

	c->conn = conn->key;
	c->process_start_ns = conn->process_start_ns;
	c->cgroup_id = conn->cgroup_id;
	c->uid = conn->uid;
	c->library = conn->library;
	c->stream_id = x->stream_id;
	c->ordinal = x->ordinal;
	c->first_byte_ns = x->first_byte_ns;
}

/* "?model=" of speech and realtime APIs, and Azure's "?deployment=". */
static struct lt_bytes query_model(struct lt_bytes target)
{
	static const char *const names[] = {"model=", "deployment=", "model_id=", "speech_model="};
	const uint8_t *query = target.n ? memchr(target.p, '?', target.n) : NULL;
	struct lt_bytes rest = query ? lt_bytes_skip(target, (size_t)(query - target.p) + 1)
				     : (struct lt_bytes){0};

	while (rest.n > 0) {
		const uint8_t *next = memchr(rest.p, '&', rest.n);
		size_t n = next ? (size_t)(next - rest.p) : rest.n;

		for (size_t i = 0; i < LT_COUNT(names); i++) {
			if (lt_bytes_starts(lt_bytes(rest.p, n), names[i]))
				return lt_bytes_skip(lt_bytes(rest.p, n), strlen(names[i]));
		}
		rest = lt_bytes_skip(rest, n + 1);
	}
	return rest;
}

/* A model's name in a path or query: "%3A" is a colon. */
static void copy_model(char *to, size_t size, struct lt_bytes text)
{
	char plain[LT_MODEL_SIZE * 2];

	lt_copy_word(to, size, lt_bytes(plain, lt_percent_decode(text, plain, sizeof(plain))));
}

/* The key's fingerprint and kind; of the key itself nothing is kept. */
static void describe_credential(struct lt_work *w, const struct lt_http_head *head)
{
	const struct lt_decoder_opts *opts = &w->decoder->opts;
	struct lt_call *c = &w->call;
	struct lt_key_secrets secrets = {.current = opts->fingerprint_key};
	struct lt_credential found;

	if (c->first_byte_ns < opts->previous_until_ns)
		secrets.previous = opts->previous_key;
	if (!lt_credential_find(&secrets, w->api->provider, head, &found))
		return;
	c->credential_fp = found.fp;
	c->previous_fp = found.previous_fp;
	lt_copy_word(c->key_kind, sizeof(c->key_kind), lt_bytes_str(found.kind));
}

/* The answer's word is the provider's own: it replaces what the request claimed. */
static void bill(char to[LT_ID_SIZE], bool *claimed, enum lt_side side, struct lt_bytes value)
{
	if (value.n == 0 || value.n >= LT_ID_SIZE)
		return;
	lt_copy_word(to, LT_ID_SIZE, value);
	*claimed = side == LT_SIDE_REQUEST;
}

void lt_work_billed(struct lt_work *w, const struct lt_http_head *head)
{
	struct lt_call *c = &w->call;

	bill(c->organization, &c->organization_claimed, head->side,
	     lt_http_field(head, "openai-organization"));
	bill(c->organization, &c->organization_claimed, head->side,
	     lt_http_field(head, "anthropic-organization-id"));
	bill(c->project, &c->project_claimed, head->side, lt_http_field(head, "openai-project"));
}

/* A value that is too long is left out: a part of a name may be another's name. */
static void copy_claims(struct lt_call *c, const struct lt_decoder *d,
			const struct lt_http_head *head)
{
	c->claim_names = d->claim_stamp;
	for (size_t i = 0; i < d->claim_count; i++) {
		struct lt_bytes value = lt_http_field(head, d->claim_names[i]);

		if (value.n >= LT_CLAIM_SIZE)
			continue;
		for (size_t k = 0; k < value.n; k++)
			c->claim[i][k] = value.p[k] >= ' ' && value.p[k] < 0x7f ? (char)value.p[k]
										: '_';
	}
}

void lt_work_describe(struct lt_work *w, const struct lt_exchange *x,
		      const struct lt_http_head *head, struct lt_bytes host)
{
	const struct lt_provider *p = w->api->provider;
	struct lt_call *c = &w->call;
	struct lt_path_parts parts = {0};
	struct lt_bytes path = lt_request_path(head);
	bool matched = false;

	copy_conn(c, x);
	lt_copy_word(c->host, sizeof(c->host), host);
	c->port = head->port;
	c->relayed = p->named || p->confirm;
	memcpy(c->provider, p->name, sizeof(c->provider));
	memcpy(c->gen_ai_provider, p->gen_ai_provider, sizeof(c->gen_ai_provider));
	memcpy(c->category, w->api->category[0] ? w->api->category : p->category,
	       sizeof(c->category));
	memcpy(c->price_provider,
	       w->api->price_provider[0] ? w->api->price_provider : p->price_provider,
	       sizeof(c->price_provider));
	memcpy(c->api, w->api->name, sizeof(c->api));
	if (w->api->mcp) /* the server is the provider */
		lt_copy_word(c->provider, sizeof(c->provider), host);
	memcpy(c->operation, w->api->operation, sizeof(c->operation));
	memcpy(c->record_type, w->api->record_type, sizeof(c->record_type));
	copy_agent(c->user_agent, sizeof(c->user_agent), lt_http_field(head, "user-agent"));
	describe_credential(w, head);
	if (w->rpc)
		c->operation[0] = '\0'; /* each message says its own */
	if (head->host.n == 0 && host.n > 0)
		c->inferred |= LT_INFERRED_HOST;
	for (unsigned i = 0; i < w->api->path_count && !matched; i++)
		matched = lt_path_match(w->api->paths[i], path, &parts);
	copy_model(c->request_model, sizeof(c->request_model),
		   parts.model.n ? parts.model : query_model(head->target));
	lt_copy_word(w->object, sizeof(w->object), parts.id);
	lt_work_request_headers(w, head);
	lt_work_billed(w, head);
	copy_claims(c, w->decoder, head);
}

static bool holds(struct lt_bytes text, const char *word)
{
	return text.n > 0 && memmem(text.p, text.n, word, strlen(word));
}

/* Streamable HTTP asks for both answers; the older transport posts to a session's own address, and
 * the answer comes elsewhere (Model Context Protocol, transports). */
bool lt_request_is_mcp(const struct lt_http_head *head)
{
	struct lt_bytes accept = lt_http_field(head, "accept");

	return lt_http_field(head, "mcp-session-id").n > 0 ||
	       lt_http_field(head, "mcp-protocol-version").n > 0 ||
	       ((holds(head->target, "session_id=") || holds(head->target, "sessionId=")) &&
		holds(lt_http_field(head, "content-type"), "application/json")) ||
	       (holds(accept, "application/json") && holds(accept, "text/event-stream") &&
		holds(lt_http_field(head, "content-type"), "application/json"));
}
