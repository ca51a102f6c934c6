// SPDX-License-Identifier: Apache-2.0
/* Any bytes as what a process publishes of itself (OpenTelemetry process context), and as
 * OTEL_RESOURCE_ATTRIBUTES: bounded texts, and nothing of what breaks off. */
#include <stdlib.h>

#include "userspace/discover/otel_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t told;

static void on_attribute(void *arg, const char *key, const char *value)
{
	(void)arg;
	told++;
	if (!key[0] || strlen(key) > 256 || strlen(value) > 256)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lt_otel_sink sink = {.attribute = on_attribute};
	static struct lt_otel_reader *reader;
	int r;

	if (!reader && lt_otel_reader_new(&reader) < 0)
		abort();
	told = 0;
	r = lt_otel_context_decode(reader, lt_bytes(data, size), &sink);
	if ((r == 0) != (told > 0))
		abort();
	lt_otel_resource_list(lt_bytes(data, size), &sink);
	return 0;
}
