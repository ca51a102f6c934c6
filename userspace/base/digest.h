/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC (the only OpenSSL user), random bytes, and a wipe that the compiler keeps. */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

enum { LT_SHA256_SIZE = 32 };

/* Several parts hashed as one text. -EIO when the library fails. */
LT_MUST_CHECK int lt_sha256(const struct lt_bytes *parts, size_t count,
			    uint8_t ret[LT_SHA256_SIZE]);
LT_MUST_CHECK int lt_hmac_sha256(struct lt_bytes key, struct lt_bytes text,
				 uint8_t ret[LT_SHA256_SIZE]);
LT_MUST_CHECK int lt_random(void *to, size_t n);
void lt_wipe(void *p, size_t n);
