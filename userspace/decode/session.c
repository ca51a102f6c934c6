// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/session.h"

#include <ctype.h>

#include "userspace/base/digest.h"
#include "userspace/decode/credential.h"

enum { USER_MAX = 256, UUID_SIZE = 36 };

/*
 * Most telling first: what an agent calls its conversation, then what gateways and tracers ask
 * their clients for, then the general names.
 */
static const char *const headers[] = {
	"x-claude-code-session-id", /* Claude Code since 2.1.86 */
	"x-qwen-code-session-id",   /* Qwen Code */
	"x-opencode-session",	    /* OpenCode at its own gateway, */
	"x-session-affinity",	    /* and elsewhere */
	"session-id",		    /* Codex CLI, */
	"session_id",		    /* and its older versions, */
	"conversation_id",	    /* and the oldest */
	"x-litellm-session-id",	    /* https://docs.litellm.ai/docs/proxy/request_headers */
	"helicone-session-id",	    /* https://docs.helicone.ai/features/sessions */
	"langfuse_session_id",	    /* LiteLLM's way of handing it on to Langfuse */
	"x-session-id",		    /* no vendor's */
	"x-conversation-id",
};

struct lt_bytes lt_session_header(const struct lt_http_head *head)
{
	for (size_t i = 0; i < LT_COUNT(headers); i++) {
		struct lt_bytes value = lt_http_field(head, headers[i]);

		if (value.n > 0)
			return value;
	}
	return (struct lt_bytes){0};
}

/* What stands behind @mark, as long as it could be of an id. */
static struct lt_bytes behind(struct lt_bytes text, const char *mark)
{
	const uint8_t *at = text.n ? memmem(text.p, text.n, mark, strlen(mark)) : NULL;
	struct lt_bytes rest;
	size_t n = 0;

	if (!at)
		return (struct lt_bytes){0};
	rest = lt_bytes_skip(text, (size_t)(at - text.p) + strlen(mark));
	while (n < rest.n && (isalnum(rest.p[n]) || rest.p[n] == '-' || rest.p[n] == '_'))
		n++;
	return lt_bytes(rest.p, n);
}

/* Claude Code: "user_<hash>_account_<uuid>_session_<uuid>", and since 2.1.78 a JSON text with
 * device_id, account_uuid and session_id. */
struct lt_bytes lt_session_of_user(struct lt_bytes user)
{
	struct lt_bytes session = behind(user, "\"session_id\":\"");

	return session.n > 0 ? session : behind(user, "_session_");
}

static bool is_uuid(struct lt_bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text.p[i] != '-' : !isxdigit(text.p[i]))
			return false;
	}
	return text.n == UUID_SIZE;
}

/* Codex takes the conversation's UUID, OpenCode its own id; others name a prompt that many share.
 */
bool lt_session_is_cache_key(struct lt_bytes key)
{
	return is_uuid(key) || lt_bytes_starts(key, "ses_");
}

uint64_t lt_session_user_fp(const uint8_t key[32], struct lt_bytes user, struct lt_bytes session)
{
	uint8_t rest[USER_MAX];
	size_t before, after;
	uint64_t fp;

	if (session.n == 0 || user.n > sizeof(rest))
		return lt_fingerprint(key, user);
	before = (size_t)(session.p - user.p);
	after = user.n - before - session.n;
	memcpy(rest, user.p, before);
	memcpy(rest + before, session.p + session.n, after);
	fp = lt_fingerprint(key, lt_bytes(rest, before + after));
	lt_wipe(rest, sizeof(rest));
	return fp;
}
