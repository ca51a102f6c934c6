// SPDX-License-Identifier: Apache-2.0
/* Any head as a request: a key in it has a fingerprint and a kind of the table, or there is none.
 */
#include <stdlib.h>

#include "userspace/decode/credential.h"
#include "userspace/decode/provider.h"
#include "userspace/protocol/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t current[32] = {1}, previous[32] = {2};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const providers[] = {"openai", "azure", "bedrock", "compatible"};
	static const struct lt_provider p = {.name = "azure",
					     .credential_headers = {"api-key", "authorization"},
					     .credential_header_count = 2};
	const struct lt_key_secrets secrets = {.current = current, .previous = previous};
	static struct lt_head_parse head;
	struct lt_credential c;

	for (size_t i = 0; i < LT_COUNT(providers); i++) {
		bool found = lt_credential_read(&secrets, providers[i], lt_bytes(data, size), &c);

		if (found != (c.fp != 0) || (c.fp == 0) != (c.previous_fp == 0) || !c.kind)
			abort();
		if (c.kind[0] && strcmp(c.kind, "basic") != 0 && !lt_key_kind_named(c.kind))
			abort();
	}
	if (lt_head_parse(lt_bytes(data, size), LT_SIDE_REQUEST, &head) == 0 &&
	    lt_credential_find(&secrets, &p, &head.head, &c) && c.fp == 0)
		abort();
	return 0;
}
