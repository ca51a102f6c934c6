/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one line of CSV. */
#pragma once

#include <stdio.h>

#include "userspace/ledger/record.h"

void lt_view_csv_titles(FILE *out);
void lt_view_record_csv(FILE *out, const struct lt_record *r);
