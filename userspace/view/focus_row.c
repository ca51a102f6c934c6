// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/focus_row.h"

#include <inttypes.h>
#include <time.h>

#include "userspace/view/csv.h"

const char *lt_focus_decimal(lt_int128 n, unsigned places, char to[LT_FOCUS_NUMBER])
{
	unsigned __int128 rest = n < 0 ? -(unsigned __int128)n : (unsigned __int128)n;
	char digits[LT_FOCUS_NUMBER];
	unsigned count = 0, cut = 0;
	char *p = to;

	while (rest > 0 || count <= places) {
		digits[count++] = (char)('0' + (int)(rest % 10));
		rest /= 10;
	}
	/* One decimal stays: a column of whole numbers would be read as one of integers. */
	while (cut + 1 < places && digits[cut] == '0')
		cut++;
	if (n < 0)
		*p++ = '-';
	while (count > cut) {
		if (count == places)
			*p++ = '.';
		*p++ = digits[--count];
	}
	if (places == 0) {
		*p++ = '.';
		*p++ = '0';
	}
	*p = '\0';
	return to;
}

const char *lt_focus_time(int64_t wall_s, char to[LT_FOCUS_TIME])
{
	time_t t = wall_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(to, LT_FOCUS_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		to[0] = '\0';
	return to;
}

static const char *pico(lt_int128 n, char to[LT_FOCUS_NUMBER])
{
	return lt_focus_decimal(n, 12, to);
}

static const char *either(bool which, const char *text)
{
	return which ? text : NULL;
}

static const char *number(uint64_t count, char to[LT_FOCUS_NUMBER])
{
	snprintf(to, LT_FOCUS_NUMBER, "%" PRIu64, count);
	return to;
}

/*
 * The columns in the order of the file: X(title in 1.2, title in 1.4, value). NULL: not in that
 * version. New ones are added at the end of their part. b is the base, r the record, w the row.
 */
#define COLUMNS(X)                                                                                 \
	X(NULL, "AllocatedMethodDetails",                                                          \
	  either(b->split, "{\"x_Basis\":\"EffectiveCost of recorded calls\"}"))                   \
	X(NULL, "AllocatedMethodId", either(b->split, "ledger-share"))                             \
	X(NULL, "AllocatedResourceId", either(b->split, b->principal))                             \
	X(NULL, "AllocatedResourceName", either(b->split && b->principal[0], r->who.workload))     \
	X(NULL, "AllocatedTags", either(b->split, b->tags))                                        \
	X("AvailabilityZone", "AvailabilityZone", NULL)                                            \
	X("BilledCost", "BilledCost", pico(w->billed, n[0]))                                       \
	X("BillingAccountId", "BillingAccountId", b->account)                                      \
	X("BillingAccountName", "BillingAccountName", NULL)                                        \
	X("BillingCurrency", "BillingCurrency", r->cost.currency)                                  \
	X("BillingPeriodEnd", "BillingPeriodEnd", b->billing_end)                                  \
	X("BillingPeriodStart", "BillingPeriodStart", b->billing_start)                            \
	X("ChargeCategory", "ChargeCategory", b->charge_category)                                  \
	X("ChargeClass", "ChargeClass", b->charge_class)                                           \
	X("ChargeDescription", "ChargeDescription", w->description)                                \
	X("ChargeFrequency", "ChargeFrequency", "Usage-Based")                                     \
	X("ChargePeriodEnd", "ChargePeriodEnd", b->end)                                            \
	X("ChargePeriodStart", "ChargePeriodStart", b->start)                                      \
	X("CommitmentDiscountStatus", "CommitmentDiscountStatus", NULL)                            \
	X("ConsumedQuantity", "ConsumedQuantity", w->consumed)                                     \
	X("ConsumedUnit", "ConsumedUnit", w->meter.unit)                                           \
	X("ContractedCost", "ContractedCost", pico(w->list, n[1]))                                 \
	X("ContractedUnitPrice", "ContractedUnitPrice", w->unit_price)                             \
	X("EffectiveCost", "EffectiveCost", pico(w->effective, n[2]))                              \
	X(NULL, "HostProviderName", b->service.provider)                                           \
	X(NULL, "InvoiceDetailId", NULL)                                                           \
	X("InvoiceId", "InvoiceId", b->invoice)                                                    \
	X("InvoiceIssuerName", "InvoiceIssuerName", b->service.provider)                           \
	X("ListCost", "ListCost", n[1])                                                            \
	X("ListUnitPrice", "ListUnitPrice", w->unit_price)                                         \
	X("PricingCategory", "PricingCategory", w->pricing_category)                               \
	X("PricingCurrency", "PricingCurrency", r->cost.currency)                                  \
	X("PricingCurrencyContractedUnitPrice", "PricingCurrencyContractedUnitPrice",              \
	  w->unit_price)                                                                           \
	X("PricingCurrencyEffectiveCost", "PricingCurrencyEffectiveCost", n[2])                    \
	X("PricingCurrencyListUnitPrice", "PricingCurrencyListUnitPrice", w->unit_price)           \
	X("PricingQuantity", "PricingQuantity", w->quantity)                                       \
	X("PricingUnit", "PricingUnit", w->pricing_unit)                                           \
	X("ProviderName", NULL, b->service.provider)                                               \
	X("PublisherName", NULL, b->service.provider)                                              \
	X("RegionId", "RegionId", b->region)                                                       \
	X("RegionName", "RegionName", b->region)                                                   \
	X("ResourceId", "ResourceId", b->resource_id)                                              \
	X("ResourceName", "ResourceName", NULL)                                                    \
	X("ResourceType", "ResourceType", b->resource_type)                                        \
	X("ServiceCategory", "ServiceCategory", b->service.category)                               \
	X("ServiceName", "ServiceName", b->service.name)                                           \
	X(NULL, "ServiceProviderName", b->service.provider)                                        \
	X("ServiceSubcategory", "ServiceSubcategory", b->service.subcategory)                      \
	X("SkuId", "SkuId", w->sku.id)                                                             \
	X("SkuMeter", "SkuMeter", w->meter.name)                                                   \
	X("SkuPriceDetails", "SkuPriceDetails", w->details)                                        \
	X("SkuPriceId", "SkuPriceId", w->sku.price_id)                                             \
	X("SubAccountId", "SubAccountId", r->who.tenant)                                           \
	X("SubAccountName", "SubAccountName", r->who.tenant)                                       \
	X("SubAccountType", "SubAccountType", either(r->who.tenant[0], "Tenant"))                  \
	X("Tags", "Tags", b->tags)                                                                 \
	X("x_AgentRole", "x_AgentRole", r->who.agent_role)                                         \
	X("x_AllocatedMethodDetails", NULL,                                                        \
	  either(b->split, "{\"x_Basis\":\"EffectiveCost of recorded calls\"}"))                   \
	X("x_AllocatedMethodId", NULL, either(b->split, "ledger-share"))                           \
	X("x_AllocatedResourceId", NULL, either(b->split, b->principal))                           \
	X("x_AllocatedResourceName", NULL, either(b->split && b->principal[0], r->who.workload))   \
	X("x_AllocatedTags", NULL, either(b->split, b->tags))                                      \
	X("x_AttributionConfidence", "x_AttributionConfidence", b->confidence)                     \
	X("x_CostCategory", "x_CostCategory", w->cost_category)                                    \
	X("x_CoverageClass", "x_CoverageClass", either(b->id[0], lt_coverage_name(r->coverage)))   \
	X("x_CredentialFingerprint", "x_CredentialFingerprint", b->credential)                     \
	X("x_PriceBookEntry", "x_PriceBookEntry", w->price_key)                                    \
	X("x_PriceBookVersion", "x_PriceBookVersion", r->cost.version)                             \
	X("x_PriceStatus", "x_PriceStatus",                                                        \
	  either(b->id[0], lt_price_status_name(r->cost.status)))                                  \
	X("x_PrincipalId", "x_PrincipalId", b->principal)                                          \
	X("x_RecordCount", "x_RecordCount", w->first ? "1" : "0")                                  \
	X("x_RecordId", "x_RecordId", b->id)                                                       \
	X("x_RecordRevision", "x_RecordRevision", b->revision)                                     \
	X("x_RecordType", "x_RecordType", r->call.record_type)                                     \
	X("x_RequestModel", "x_RequestModel", r->call.request_model)                               \
	X("x_RequestStart", "x_RequestStart", b->exact_start)                                      \
	X("x_ResponseModel", "x_ResponseModel", r->call.response_model)                            \
	X("x_StepNumber", "x_StepNumber", b->step)                                                 \
	X("x_ToolCallCount", "x_ToolCallCount",                                                    \
	  either(w->first && r->call.tool_calls.known, number(r->call.tool_calls.n, n[3])))        \
	X("x_ToolName", "x_ToolName", r->call.tool_name)                                           \
	X("x_UsageBucket", "x_UsageBucket", w->bucket)                                             \
	X("x_UsageCompleteness", "x_UsageCompleteness",                                            \
	  either(b->id[0], lt_completeness_name(r->call.usage.completeness)))                      \
	X("x_UsageSource", "x_UsageSource",                                                        \
	  either(b->id[0], lt_usage_source_name(r->call.usage.source)))                            \
	X("x_UseCase", "x_UseCase", r->who.use_case)

#define TITLE_12(old, new, value) old,
#define TITLE_14(old, new, value) new,
#define VALUE(old, new, value)	  value,

/* NULL: a column that this version has not. */
static const char *const titles_12[] = {COLUMNS(TITLE_12)};
static const char *const titles_14[] = {COLUMNS(TITLE_14)};

static const char *const *titles_of(enum lt_focus_version version)
{
	return version == LT_FOCUS_1_2 ? titles_12 : titles_14;
}

static void write_line(FILE *out, enum lt_focus_version version, const char *const *values)
{
	const char *const *titles = titles_of(version);
	bool any = false;

	for (size_t i = 0; i < LT_COUNT(titles_14); i++) {
		if (!titles[i])
			continue;
		if (any)
			putc_unlocked(',', out);
		any = true;
		lt_csv_field(out, values[i]);
	}
	fputs("\r\n", out);
}

void lt_focus_row_titles(FILE *out, enum lt_focus_version version)
{
	write_line(out, version, titles_of(version));
}

void lt_focus_row_write(FILE *out, enum lt_focus_version version, const struct lt_focus_row *w)
{
	const struct lt_focus_base *b = w->base;
	const struct lt_record *r = b->r;
	char n[4][LT_FOCUS_NUMBER];
	const char *const values[] = {COLUMNS(VALUE)};

	write_line(out, version, values);
}
