/* SPDX-License-Identifier: Apache-2.0 */
/* Every field of a record as one line of CSV: the members of its JSON, in one fixed order. */
#pragma once

#include <stdio.h>

#include "userspace/ledger/record.h"

void lt_view_full_csv_titles(FILE *out);
void lt_view_full_csv(FILE *out, uint64_t node_seq, const struct lt_record *r);
