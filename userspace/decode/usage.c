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
