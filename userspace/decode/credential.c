// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/credential.h"

#include "userspace/base/digest.h"
#include "userspace/base/parse.h"
#include "userspace/decode/provider.h"

enum { QUERY_VALUE_MAX = 4096 };

uint64_t lt_fingerprint(const uint8_t key[32], struct lt_bytes text)
{
	uint8_t digest[LT_SHA256_SIZE];
	uint64_t fp = 0;

	if (text.n == 0 || lt_hmac_sha256(lt_bytes(key, 32), text, digest) < 0)
		return 0;
	for (int i = 0; i < 8; i++)
		fp = fp << 8 | digest[i];
	lt_wipe(digest, sizeof(digest));
	return fp ? fp : 1; /* 0 means that there was none */
}

static bool starts_nocase(struct lt_bytes text, const char *start)
{
	size_t n = strlen(start);

	return text.n >= n && strncasecmp((const char *)text.p, start, n) == 0;
}

static struct lt_bytes trim(struct lt_bytes text)
{
	while (text.n > 0 && text.p[0] == ' ')
		text = lt_bytes_skip(text, 1);
	while (text.n > 0 && text.p[text.n - 1] == ' ')
		text.n--;
	return text;
}

/* What stands before the first of @ends. */
static struct lt_bytes before(struct lt_bytes text, const char *ends)
{
	size_t n = 0;

	while (n < text.n && text.p[n] && !strchr(ends, text.p[n]))
		n++;
	return lt_bytes(text.p, n);
}

/*
 * A signed request ("AWS4-HMAC-SHA256 Credential=AKIA.../20261124/..., Signature=...", Tencent's
 * TC3 the same) names its key; the signature is another each time:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
 */
static struct lt_bytes signing_key(struct lt_bytes text)
{
	static const char mark[] = "Credential=";
	const uint8_t *at = text.n ? memmem(text.p, text.n, mark, sizeof(mark) - 1) : NULL;

	return at ? before(lt_bytes_skip(text, (size_t)(at - text.p) + sizeof(mark) - 1), "/, ")
		  : lt_bytes(NULL, 0);
}

static bool is_signed(struct lt_bytes text)
{
	return lt_bytes_starts(text, "AWS4-") || lt_bytes_starts(text, "TC3-");
}

/* The part of a header's value that is the same for as long as the key is. */
static struct lt_bytes key_of(struct lt_bytes text)
{
	static const char *const schemes[] = {"Bearer", "Basic",  "Token",
					      "Key",	"ApiKey", "Api-Key"};
	struct lt_bytes word;

	text = trim(text);
	if (is_signed(text))
		return signing_key(text);
	word = before(text, " ");
	for (size_t i = 0; i < LT_COUNT(schemes); i++) {
		if (lt_bytes_is_nocase(word, schemes[i])) {
			text = trim(lt_bytes_skip(text, word.n));
			break;
		}
	}
	/* GitHub Copilot's: the person's id, then what the half hour allows. */
	return lt_bytes_starts(text, "tid=") ? before(text, ";") : text;
}

bool lt_credential_read(const struct lt_key_secrets *secrets, const char *provider,
			struct lt_bytes text, struct lt_credential *ret)
{
	bool basic = starts_nocase(trim(text), "Basic ");
	struct lt_bytes key = key_of(text);
	const struct lt_key_kind *kind = lt_key_kind(key, provider);

	*ret = (struct lt_credential){.kind = basic ? "basic" : kind ? kind->name : ""};
	ret->fp = lt_fingerprint(secrets->current, key);
	if (ret->fp != 0 && secrets->previous)
		ret->previous_fp = lt_fingerprint(secrets->previous, key);
	if (ret->fp == 0)
		ret->kind = "";
	return ret->fp != 0;
}

/* A key in a query is the same key as in a header, though its '/' and '=' are written otherwise. */
static bool read_query_value(const struct lt_key_secrets *secrets, const char *provider,
			     struct lt_bytes value, struct lt_credential *ret)
{
	uint8_t plain[QUERY_VALUE_MAX];
	size_t n = lt_percent_decode(value, plain, sizeof(plain));
	bool found = value.n <= sizeof(plain) &&
		     lt_credential_read(secrets, provider, lt_bytes(plain, n), ret);

	lt_wipe(plain, n);
	return found;
}

/* The names under which keys stand in queries, of browsers and WebSockets above all. */
static bool read_query(const struct lt_key_secrets *secrets, const char *provider,
		       struct lt_bytes target, struct lt_credential *ret)
{
	static const char *const names[] = {
		"key=",	  "api_key=",	   "api-key=",	     "apikey=",		  "xi-api-key=",
		"token=", "access_token=", "authorization=", "engine_access_key="};
	static const char signed_by[] = "X-Amz-Credential=";
	const uint8_t *query = target.n ? memchr(target.p, '?', target.n) : NULL;
	struct lt_bytes rest = query ? lt_bytes_skip(target, (size_t)(query - target.p) + 1)
				     : lt_bytes(NULL, 0);

	while (rest.n > 0) {
		struct lt_bytes one = before(rest, "&");

		if (lt_bytes_starts(one, signed_by)) /* up to the first slash, however written */
			return lt_credential_read(
				secrets, provider,
				before(lt_bytes_skip(one, sizeof(signed_by) - 1), "%/"), ret);
		for (size_t i = 0; i < LT_COUNT(names); i++) {
			if (starts_nocase(one, names[i]) &&
			    read_query_value(secrets, provider,
					     lt_bytes_skip(one, strlen(names[i])), ret))
				return true;
		}
		rest = lt_bytes_skip(rest, one.n + 1);
	}
	return false;
}

/*
 * A browser's socket can set no header but this one: "realtime, openai-insecure-api-key.KEY",
 * "token, KEY", "bearer, KEY".
 */
static bool read_protocols(const struct lt_key_secrets *secrets, const char *provider,
			   struct lt_bytes text, struct lt_credential *ret)
{
	static const char mark[] = "openai-insecure-api-key.";
	bool next = false;

	while (text.n > 0) {
		struct lt_bytes one = before(text, ",");
		struct lt_bytes word = trim(one);

		if (lt_bytes_starts(word, mark))
			return lt_credential_read(secrets, provider,
						  lt_bytes_skip(word, sizeof(mark) - 1), ret);
		if (next)
			return lt_credential_read(secrets, provider, word, ret);
		next = lt_bytes_is_nocase(word, "token") || lt_bytes_is_nocase(word, "bearer");
		text = lt_bytes_skip(text, one.n + 1);
	}
	return false;
}

bool lt_credential_find(const struct lt_key_secrets *secrets, const struct lt_provider *p,
			const struct lt_http_head *head, struct lt_credential *ret)
{
	static const char *const usual[] = {"authorization", "x-api-key", "api-key",
					    "x-goog-api-key"};

	for (unsigned i = 0; i < p->credential_header_count; i++) {
		if (lt_credential_read(secrets, p->name,
				       lt_http_field(head, p->credential_headers[i]), ret))
			return true;
	}
	for (size_t i = 0; i < LT_COUNT(usual); i++) {
		if (lt_credential_read(secrets, p->name, lt_http_field(head, usual[i]), ret))
			return true;
	}
	return read_protocols(secrets, p->name, lt_http_field(head, "sec-websocket-protocol"),
			      ret) ||
	       read_query(secrets, p->name, head->target, ret);
}
