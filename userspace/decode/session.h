/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request says to which conversation it belongs. What is returned is borrowed from the
 * request, and is for lt_fingerprint alone: a session's id is never kept.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/protocol/exchange.h"

/* The conversation's id, where a header of the request names it; else empty. */
struct lt_bytes lt_session_header(const struct lt_http_head *head);
/* The session's part of a user id that has one; else empty. */
struct lt_bytes lt_session_of_user(struct lt_bytes user);
/* Whether a cache key is one of a conversation, and not of a program or a prompt. */
bool lt_session_is_cache_key(struct lt_bytes key);
/* Fingerprint of a user id without @session, a part of it: the same in all of the user's sessions.
 */
uint64_t lt_session_user_fp(const uint8_t key[32], struct lt_bytes user, struct lt_bytes session);
