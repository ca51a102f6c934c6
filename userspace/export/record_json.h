/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one JSON object: what calls --format json|jsonl and replay print, and what sinks
 * write. */
#pragma once

#include "userspace/base/json_write.h"
#include "userspace/ledger/record.h"

/* @node_seq 0 is left out: the record never was in a ledger. */
void lt_record_json(struct lt_json_writer *w, uint64_t node_seq, const struct lt_record *r);
