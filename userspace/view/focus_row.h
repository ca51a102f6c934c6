/* SPDX-License-Identifier: Apache-2.0 */
/* One row of the dataset, as texts that the columns show. Only for focus*.c. */
#pragma once

#include "userspace/view/focus.h"
#include "userspace/view/focus_names.h"

enum {
	LT_FOCUS_JSON = 8192,
	LT_FOCUS_NUMBER = 64,
	LT_FOCUS_TEXT = 1024,
	LT_FOCUS_TIME = 24,
	LT_PRICE_PLACES = 18, /* decimals of unit prices */
};

/* What the rows of a record share. Texts are UTF-8; NULL and "" are null. */
struct lt_focus_base {
	const struct lt_record *r;
	struct lt_focus_service service;
	const char *account;
	const char *invoice; /* NULL: none */
	const char *charge_class, *charge_category;
	bool split; /* the invoice's amount is spread */
	const char *resource_id, *resource_type;
	char billing_start[LT_FOCUS_TIME], billing_end[LT_FOCUS_TIME];
	char start[LT_FOCUS_TIME], end[LT_FOCUS_TIME];
	char exact_start[LT_FOCUS_NUMBER];
	char region[LT_FOCUS_NAME];
	char tags[LT_FOCUS_JSON];
	char principal[LT_FOCUS_TEXT];
	char id[LT_RECORD_ID_TEXT], revision[12], step[24], confidence[12], credential[20];
};

struct lt_focus_row {
	const struct lt_focus_base *base;
	bool first; /* of its record */
	struct lt_focus_meter meter;
	struct lt_focus_sku sku;
	const char *pricing_category; /* NULL, as the following: of a residual */
	const char *bucket, *price_key, *cost_category;
	lt_int128 list, effective, billed; /* pico */
	char description[LT_FOCUS_TEXT];
	char details[LT_FOCUS_JSON];
	char consumed[LT_FOCUS_NUMBER], quantity[LT_FOCUS_NUMBER], unit_price[LT_FOCUS_NUMBER];
	char pricing_unit[LT_FOCUS_NAME + 8];
};

/* @n / 10^@places, trailing zeros cut but one: "0.0", "-1.25". Returns @to. */
const char *lt_focus_decimal(lt_int128 n, unsigned places, char to[LT_FOCUS_NUMBER]);
/* "2026-11-01T00:00:00Z" of wall seconds. Returns @to. */
const char *lt_focus_time(int64_t wall_s, char to[LT_FOCUS_TIME]);
void lt_focus_row_titles(FILE *out, enum lt_focus_version version);
void lt_focus_row_write(FILE *out, enum lt_focus_version version, const struct lt_focus_row *row);
