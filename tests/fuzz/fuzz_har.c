// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a HAR file, on the wire as HTTP/1.1 or HTTP/2 (the first bit): what comes out is in
 * order, and every connection is closed. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/capture/source_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next[2];

static void on_data(void *arg, const struct lt_chunk *chunk)
{
	volatile uint8_t last;

	(void)arg;
	if (chunk->data.n == 0 || chunk->position != next[chunk->dir])
		abort();
	next[chunk->dir] += chunk->data.n;
	last = chunk->data.p[chunk->data.n - 1]; /* the sanitizer looks */
	(void)last;
}

static void on_close(void *arg, const struct lt_event_close *event)
{
	(void)arg;
	if (event->position[0] != next[0] || event->position[1] != next[1])
		abort();
	next[0] = next[1] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct lt_capture_sink sink = {.data = on_data, .close = on_close};
	struct lt_replay_opts opts = {.http2 = size > 0 && data[0] & 1, .split = 100};
	struct lt_replay_stats stats = {0};
	struct lt_problem problem;
	static char path[64];
	FILE *file;

	if (size < 2)
		return 0;
	if (!path[0])
		snprintf(path, sizeof(path), "/tmp/fuzz_har.%d", getpid());
	file = fopen(path, "w");
	if (!file || fwrite(data + 1, 1, size - 1, file) != size - 1 || fclose(file) != 0)
		abort();
	next[0] = next[1] = 0;
	lt_ignore(lt_replay_har(path, &opts, &sink, &stats, &problem));
	unlink(path);
	return 0;
}
