// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/focus_share.h"

/* @a x @b / @c towards zero, for 0 <= a <= c < 2^125: the product need not fit. */
static lt_int128 multiply_divide(lt_int128 a, lt_int128 b, lt_int128 c)
{
	unsigned __int128 bits = b < 0 ? -(unsigned __int128)b : (unsigned __int128)b;
	lt_int128 quotient = 0, rest = 0;

	for (int i = 127; i >= 0; i--) {
		quotient *= 2;
		rest = 2 * rest + (bits >> i & 1 ? a : 0); /* less than 3 c */
		while (rest >= c) {
			rest -= c;
			quotient++;
		}
	}
	return b < 0 ? -quotient : quotient;
}

struct lt_focus_invoice *lt_focus_invoice_of(struct lt_focus *f, const struct lt_record *r)
{
	if (f->mode != LT_FOCUS_SPLIT)
		return NULL;
	for (size_t i = 0; i < f->invoice_count; i++) {
		if (strcmp(f->invoices[i].provider, r->call.provider) == 0 &&
		    strcmp(f->invoices[i].currency, r->cost.currency) == 0)
			return &f->invoices[i];
	}
	return NULL;
}

void lt_focus_count(struct lt_focus *f, const struct lt_record *r)
{
	struct lt_focus_invoice *i = lt_focus_invoice_of(f, r);
	const char *reason;

	if (!i || lt_focus_judge(r, &reason) != LT_FOCUS_ROWS)
		return;
	if (!i->record_type[0])
		lt_bytes_copy(i->record_type, sizeof(i->record_type),
			      lt_bytes_str(r->call.record_type));
	if (lt_record_has_amount(r))
		i->recorded += r->cost.amount;
}

lt_int128 lt_focus_share(struct lt_focus_invoice *invoice, lt_int128 effective)
{
	lt_int128 until;

	invoice->seen += effective;
	until = invoice->seen;
	if (invoice->recorded <= 0)
		until = 0;
	else if (invoice->amount < invoice->recorded)
		until = multiply_divide(invoice->amount, invoice->seen, invoice->recorded);
	effective = until - invoice->billed;
	invoice->billed = until;
	return effective;
}
