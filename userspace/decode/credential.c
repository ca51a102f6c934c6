// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/credential.h"

#include "userspace/base/digest.h"

uint64_t lt_fingerprint(const uint8_t key[32], struct lt_bytes text)
{
	static const char *const schemes[] = {"Bearer ", "bearer ", "Basic ", "Token "};
	uint8_t digest[LT_SHA256_SIZE];
	uint64_t fp = 0;

	for (size_t i = 0; i < LT_COUNT(schemes); i++) {
		if (lt_bytes_starts(text, schemes[i])) {
			text = lt_bytes_skip(text, strlen(schemes[i]));
			break;
		}
	}
	if (text.n == 0 || lt_hmac_sha256(lt_bytes(key, 32), text, digest) < 0)
		return 0;
	for (int i = 0; i < 8; i++)
		fp = fp << 8 | digest[i];
	lt_wipe(digest, sizeof(digest));
	return fp ? fp : 1; /* 0 means that there was none */
}
