/* SPDX-License-Identifier: Apache-2.0 */
/* The words of FOCUS for what the ledger calls otherwise: services, meters, SKUs, regions. Pure. */
#pragma once

#include <stdbool.h>

#include "userspace/ledger/record.h"

enum { LT_FOCUS_NAME = 96, LT_FOCUS_SKU = 320 };

struct lt_focus_service {
	char provider[LT_FOCUS_NAME]; /* who sells it, sends the bill and, as far as is known, runs
					 it */
	char name[LT_FOCUS_NAME];
	const char *category;	 /* ServiceCategory */
	const char *subcategory; /* ServiceSubcategory */
};

/* By provider and record type alone, so that a name has one category. */
void lt_focus_service(const struct lt_call *call, struct lt_focus_service *ret);

struct lt_focus_meter {
	char name[LT_FOCUS_NAME]; /* SkuMeter */
	char unit[LT_FOCUS_NAME]; /* ConsumedUnit */
	bool tokens;		  /* priced by the million */
	const char *direction;	  /* "Input", "Output"; NULL: neither, as below */
	const char *cache;	  /* "Uncached", "Read", "Write" */
	const char *ttl;	  /* "5m", "1h" */
	const char *modality;	  /* "Text", "Audio" ... */
};

/* @meter: of the price book, or a bucket of the usage; any other name is a unit of its own. */
void lt_focus_meter(const char *meter, struct lt_focus_meter *ret);

/* What the id of a price (books/README.md) says, without the day: ids must outlive prices. */
struct lt_focus_sku {
	char id[LT_FOCUS_SKU]; /* SkuId: provider/model/meter */
	char price_id[LT_FOCUS_SKU + LT_FOCUS_NAME +
		      2]; /* SkuPriceId: and all that tells its prices apart */
	char model[LT_FOCUS_SKU];
	char meter[LT_FOCUS_NAME];
	char tier[LT_FOCUS_NAME];    /* "" = standard */
	char context[LT_FOCUS_NAME]; /* ">200000", "" = the base price */
	char hours[LT_FOCUS_NAME];   /* "0030-0830", "" = all day */
};

/* False: not an id of a price. */
bool lt_focus_sku(const char *price, struct lt_focus_sku *ret);

/* The region that the host names. False: it names none. */
bool lt_focus_region(const struct lt_call *call, char ret[LT_FOCUS_NAME]);
