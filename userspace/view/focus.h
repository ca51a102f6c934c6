/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as rows of a FOCUS Cost and Usage dataset (CSV): one row for each meter of a call. The
 * rows of a record sum to its amount exactly. docs/focus.md says where each column comes from.
 * One thread; nothing is kept of a record.
 */
#pragma once

#include <stdio.h>

#include "userspace/base/money.h"
#include "userspace/ledger/record.h"

enum lt_focus_version { LT_FOCUS_1_4, LT_FOCUS_1_2 };

enum lt_focus_mode {
	LT_FOCUS_SHOWBACK, /* the provider's own bill is loaded elsewhere: BilledCost 0 */
	LT_FOCUS_PRIMARY,  /* there is no other feed: BilledCost = EffectiveCost */
	LT_FOCUS_SPLIT,	   /* the amounts of invoices, spread over the calls */
};

enum { LT_FOCUS_ACCOUNTS_MAX = 64, LT_FOCUS_INVOICES_MAX = 64 };

struct lt_focus_account {
	char provider[LT_WORD_SIZE]; /* "" = of all providers that have none of their own */
	char id[LT_ID_SIZE];
};

/* What a provider billed for the period. */
struct lt_focus_invoice {
	char provider[LT_WORD_SIZE];
	char id[LT_ID_SIZE];
	char currency[8];
	char record_type[LT_WORD_SIZE]; /* of the first record that was counted */
	lt_int128 amount;		/* pico; not negative */
	lt_int128 recorded;		/* pico, of all records: lt_focus_count */
	lt_int128 seen;			/* of these, written so far */
	lt_int128 billed;		/* and billed so far */
};

struct lt_focus {
	enum lt_focus_version version;
	enum lt_focus_mode mode;
	struct lt_focus_account accounts[LT_FOCUS_ACCOUNTS_MAX];
	size_t account_count;
	struct lt_focus_invoice invoices[LT_FOCUS_INVOICES_MAX];
	size_t invoice_count;
};

enum lt_focus_verdict {
	LT_FOCUS_ROWS,	     /* charges */
	LT_FOCUS_NOTHING,    /* void, another hop's, or not billable: no charge */
	LT_FOCUS_QUARANTINE, /* used something whose cost nobody knows: never a row */
};

/* @ret_reason for QUARANTINE: "unpriced", "no_usage", "not_read", "currency". */
enum lt_focus_verdict lt_focus_judge(const struct lt_record *r, const char **ret_reason);

void lt_focus_titles(FILE *out, const struct lt_focus *f);
/* The rows of a record that lt_focus_judge gives LT_FOCUS_ROWS; @correction: of an amended period.
 * Returns their number. */
size_t lt_focus_write(FILE *out, struct lt_focus *f, const struct lt_record *r, bool correction);

/* For LT_FOCUS_SPLIT, before the first row is written: every record of the period. */
void lt_focus_count(struct lt_focus *f, const struct lt_record *r);
/* And after the last one: what no record explains, a row for each invoice that has such a rest.
 * @since_ns and @until_ns: wall, the period of the invoices. Returns the number of rows. */
size_t lt_focus_residuals(FILE *out, struct lt_focus *f, int64_t since_ns, int64_t until_ns);

/* The list of what is in quarantine, CSV. */
void lt_focus_quarantine_titles(FILE *out);
void lt_focus_quarantine(FILE *out, const struct lt_record *r, const char *reason);
