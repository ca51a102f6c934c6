/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret or personal text in, its keyed fingerprint out, and for a key its kind by the public
 * prefix: nothing else of it is kept, and nothing of it is copied. Any thread.
 */
#pragma once

#include "userspace/base/bytes.h"

struct lt_http_head;
struct lt_provider;

/* First 8 bytes of HMAC-SHA-256 under @key; 0 for an empty text (and when memory runs out). */
uint64_t lt_fingerprint(const uint8_t key[32], struct lt_bytes text);

enum lt_key_trait {
	LT_KEY_ADMIN = 1,    /* may manage an organisation: not made for inference */
	LT_KEY_PERSONAL = 2, /* a person's sign-in or subscription */
	LT_KEY_SHORT = 4,    /* replaced within hours: a new one is no news */
};

struct lt_key_kind {
	const char *name;     /* "openai_project", "aws_temporary" ... */
	const char *provider; /* whose name for the catalog, "" when several give such keys */
	unsigned traits;      /* LT_KEY_* */
};

/*
 * What kind of key @key is, by how it begins; where that says nothing, by what keys of @provider
 * (a name of the catalog, may be "") look like. NULL: not known.
 */
const struct lt_key_kind *lt_key_kind(struct lt_bytes key, const char *provider);
/* By its name. NULL: there is no such kind. */
const struct lt_key_kind *lt_key_kind_named(const char *name);
/* The lines of the table, some of which name the same kind, from 0 on. NULL: that was the last. */
const struct lt_key_kind *lt_key_kind_at(size_t i);

/* The secrets under which keys are fingerprinted. */
struct lt_key_secrets {
	const uint8_t *current;	 /* 32 bytes */
	const uint8_t *previous; /* 32 bytes, NULL: there is none */
};

struct lt_credential {
	uint64_t fp;	      /* 0: none */
	uint64_t previous_fp; /* the same key under the previous secret, 0: none */
	const char *kind;     /* lt_key_kind.name, "" when not known */
};

/*
 * The credential of a header's value ("Bearer ...", "AWS4-HMAC-SHA256 Credential=...", or the key
 * alone). What changes with each request or each refresh is left out, so that one key has one
 * fingerprint. False: there is none, *ret is empty.
 */
bool lt_credential_read(const struct lt_key_secrets *secrets, const char *provider,
			struct lt_bytes text, struct lt_credential *ret);
/* Of a request: in the headers that @p names, in those that most use, in the query. */
bool lt_credential_find(const struct lt_key_secrets *secrets, const struct lt_provider *p,
			const struct lt_http_head *head, struct lt_credential *ret);
