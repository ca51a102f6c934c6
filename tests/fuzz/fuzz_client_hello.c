// SPDX-License-Identifier: Apache-2.0
/* What a connection begins with: the answer does not depend on the pieces, and a name is one. */
#include <stdlib.h>

#include "userspace/flow/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lt_client_hello whole = {0}, cut = {0};
	size_t step = size > 0 ? data[size - 1] % 50 + 1 : 1;

	lt_client_hello_feed(&whole, lt_bytes(data, size));
	for (size_t at = 0; at < size; at += step)
		lt_client_hello_feed(&cut,
				     lt_bytes(data + at, size - at < step ? size - at : step));
	if (whole.result != cut.result || strcmp(whole.name, cut.name) != 0)
		abort();
	if (whole.result != LT_HELLO_NAMED)
		return 0;
	if (!whole.name[0] || strlen(whole.name) >= sizeof(whole.name) ||
	    whole.name[strspn(whole.name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")])
		abort();
	return 0;
}
