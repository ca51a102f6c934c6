/* SPDX-License-Identifier: Apache-2.0 */
/* An invoice spread over the calls that it is for, exactly. Only for focus*.c. */
#pragma once

#include "userspace/view/focus.h"

/* The invoice that this record is on; NULL: none, or the mode is not SPLIT. */
struct lt_focus_invoice *lt_focus_invoice_of(struct lt_focus *f, const struct lt_record *r);

/*
 * The part of the invoice for a charge of @effective pico, in the order of the calls. An invoice of
 * more than was recorded bills each charge as it was recorded, and leaves the rest to nobody; one
 * of less is spread by share, without a rest. Whatever the order, the shares add up.
 */
lt_int128 lt_focus_share(struct lt_focus_invoice *invoice, lt_int128 effective);
