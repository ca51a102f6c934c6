/* SPDX-License-Identifier: Apache-2.0 */
/* A secret or personal text in, its keyed fingerprint out: nothing of it is kept. */
#pragma once

#include "userspace/base/bytes.h"

/* First 8 bytes of HMAC-SHA-256 under the install's key; 0 for an empty text. @text may begin with
 * "Bearer ". */
uint64_t lt_fingerprint(const uint8_t key[32], struct lt_bytes text);
