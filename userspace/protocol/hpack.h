/* SPDX-License-Identifier: Apache-2.0 */
/* HPACK (RFC 7541) of one direction: header blocks into heads. The only user of libnghttp2. */
#pragma once

#include "userspace/base/cleanup.h"
#include "userspace/protocol/exchange.h"

struct lt_hpack;

LT_MUST_CHECK int lt_hpack_new(struct lt_hpack **ret);
struct lt_hpack *lt_hpack_free(struct lt_hpack *h);
LT_DEFINE_FREEP(lt_hpack_free, struct lt_hpack)

/* The peer allows a larger table (SETTINGS_HEADER_TABLE_SIZE); a smaller one is said in the blocks.
 */
void lt_hpack_allow(struct lt_hpack *h, uint32_t table_bytes);

/*
 * One whole header block. *@ret borrows from @h until lt_hpack_wipe(). -EBADMSG: it cannot be
 * decoded; *@ret then has what came before, and the table is empty. *@ret_skipped: fields above the
 * ceilings.
 */
LT_MUST_CHECK int lt_hpack_decode(struct lt_hpack *h, struct lt_bytes block, enum lt_side side,
				  struct lt_http_head *ret, size_t *ret_skipped);
/*
 * The same where earlier blocks were not seen: fields that refer to them are left out, those after
 * the first ones that were seen are right. -EBADMSG: some were left out.
 */
LT_MUST_CHECK int lt_hpack_decode_part(struct lt_hpack *h, struct lt_bytes block, enum lt_side side,
				       struct lt_http_head *ret, size_t *ret_skipped);
/* Heads hold keys: nothing of them stays. */
void lt_hpack_wipe(struct lt_hpack *h);
