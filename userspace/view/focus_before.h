/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An earlier export of the same period, read again to correct it: what a record was charged then
 * is taken back, row by row, where it is charged otherwise now. Rows and records come in one order
 * (start, then id), so no more than one row is held. The file is foreign bytes.
 */
#pragma once

#include "userspace/base/problem.h"
#include "userspace/view/focus.h"

struct lt_focus_before;

/*
 * @in stays the caller's, and is read up to its end; @name is for problems. @since_ns, @until_ns:
 * wall, the period of both exports: a row outside of it is an error. -EINVAL: not an export of this
 * version, or one of corrections.
 */
LT_MUST_CHECK int lt_focus_before_new(FILE *in, const char *name, enum lt_focus_version version,
				      int64_t since_ns, int64_t until_ns,
				      struct lt_focus_before **ret, struct lt_problem *problem);
struct lt_focus_before *lt_focus_before_free(struct lt_focus_before *b);
LT_DEFINE_FREEP(lt_focus_before_free, struct lt_focus_before)

/*
 * The next record of the ledger, in the order of start and id. Takes back into @out what the file
 * has of records before it, and what it has of this one unless @charged and of the same revision.
 * *@ret_same: the file has it as it is now. -EINVAL: the file is damaged, or in another order.
 */
LT_MUST_CHECK int lt_focus_before_record(struct lt_focus_before *b, const struct lt_record *r,
					 bool charged, FILE *out, bool *ret_same,
					 struct lt_problem *problem);
/* After the last record: takes back the rest. */
LT_MUST_CHECK int lt_focus_before_end(struct lt_focus_before *b, FILE *out,
				      struct lt_problem *problem);
/* Rows taken back. */
uint64_t lt_focus_before_rows(const struct lt_focus_before *b);
