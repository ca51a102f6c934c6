// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/usage.h"

#include "userspace/decode/call.h"

const char *lt_usage_source_name(enum lt_usage_source s)
{
	static const char *const names[] = {"none", "wire", "estimated"};

	return names[s];
}

const char *lt_completeness_name(enum lt_completeness c)
{
	static const char *const names[] = {"complete", "client_abort", "upstream_error",
					    "truncated", "capture_gap"};

	return names[c];
}

const char *lt_tier_name(enum lt_tier t)
{
	static const char *const names[] = {"unstated", "standard",    "batch",	 "flex",
					    "priority", "provisioned", "unknown"};

	return names[t];
}

static struct lt_count sum(const struct lt_usage *u, enum lt_bucket a, enum lt_bucket b)
{
	return (struct lt_count){.n = u->bucket[a].n + u->bucket[b].n,
				 .known = u->bucket[a].known || u->bucket[b].known};
}

struct lt_count lt_usage_cache_read(const struct lt_usage *u)
{
	struct lt_count read = sum(u, LT_B_CACHE_READ, LT_B_CACHE_READ_AUDIO);

	read.n += u->bucket[LT_B_CACHE_READ_IMAGE].n;
	read.known |= u->bucket[LT_B_CACHE_READ_IMAGE].known;
	return read;
}

struct lt_count lt_usage_audio_input(const struct lt_usage *u)
{
	return sum(u, LT_B_IN_AUDIO, LT_B_CACHE_READ_AUDIO);
}

struct lt_count lt_usage_image_input(const struct lt_usage *u)
{
	return sum(u, LT_B_IN_IMAGE, LT_B_CACHE_READ_IMAGE);
}
