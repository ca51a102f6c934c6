// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/digest.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

int lt_sha256(const struct lt_bytes *parts, size_t count, uint8_t ret[LT_SHA256_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[LT_SHA256_SIZE];
	int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

	for (size_t i = 0; ok && i < count; i++)
		ok = parts[i].n == 0 || EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
	ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -EIO;
	memcpy(ret, digest, sizeof(digest));
	return 0;
}

int lt_hmac_sha256(struct lt_bytes key, struct lt_bytes text, uint8_t ret[LT_SHA256_SIZE])
{
	uint8_t digest[LT_SHA256_SIZE] = {0};
	unsigned n = sizeof(digest);

	/* The library takes no NULL, not even for nothing. */
	key.p = key.p ? key.p : digest;
	text.p = text.p ? text.p : digest;
	if (key.n > INT_MAX || !HMAC(EVP_sha256(), key.p, (int)key.n, text.p, text.n, digest, &n))
		return -EIO;
	memcpy(ret, digest, sizeof(digest));
	return 0;
}

int lt_random(void *to, size_t n)
{
	uint8_t *p = to;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EIO;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

void lt_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}
