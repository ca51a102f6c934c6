// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a price book; what is accepted must answer questions without a fault. */
#include <errno.h>
#include <stdlib.h>

#include "userspace/price/lookup.h"
#include "userspace/price/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct lt_book *book, const struct lt_book_model *model)
{
	static const enum lt_tier tiers[] = {LT_TIER_STANDARD, LT_TIER_BATCH, LT_TIER_UNKNOWN};
	struct lt_call call = {.billable = LT_BILLABLE_YES, .usage.source = LT_USAGE_WIRE};

	lt_ignore(lt_bytes_copy(call.provider, sizeof(call.provider),
				lt_book_model_provider(book, model)));
	lt_ignore(lt_bytes_copy(call.response_model, sizeof(call.response_model),
				lt_book_model_id(model)));
	lt_ignore(
		lt_bytes_copy(call.service_tier, sizeof(call.service_tier), lt_bytes_str("flex")));
	for (unsigned b = 0; b < LT_BUCKET_COUNT; b++)
		call.usage.bucket[b] = (struct lt_count){.n = 1000000007u * b, .known = true};
	for (unsigned t = 0; t < LT_COUNT(tiers); t++) {
		struct lt_cost cost;

		call.tier = tiers[t];
		if (lt_price_call(book, &call, 1768046400ll * 1000000000, &cost))
			continue;
		if (cost.amount < 0 || cost.part_count > LT_COST_PARTS_MAX)
			abort();
		if (cost.status == LT_PRICE_UNPRICED && cost.amount != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = NULL;
	struct lt_problem problem = {0};
	const struct lt_book_model *model;
	int err = lt_book_parse(lt_bytes(data, size), "fuzz", &book, &problem);

	if (err) {
		if (err == -EINVAL && problem.text[0] == '\0')
			abort();
		return 0;
	}
	for (size_t i = 0; i < 64 && (model = lt_book_at(book, i)) != NULL; i++)
		ask(book, model);
	return 0;
}
