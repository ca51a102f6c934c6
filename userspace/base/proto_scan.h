/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incremental field extractor for the protobuf wire format
 * (https://protobuf.dev/programming-guides/encoding): the same path sets and the same hits as
 * json_scan.h, so that one set of rules serves both. A path is made of field numbers: "4.1" is
 * field 1 of the message in field 4. Without a schema, a length-delimited field is a message where
 * paths lie below it, and a string where one ends.
 *
 * Hits: a varint is a NUMBER in decimal, unsigned (an enum and a bool as well); a string is a
 * STRING; a message is an OBJECT and an END. Fixed-size numbers and packed fields are skipped. Each
 * occurrence of a repeated field is a hit.
 */
#pragma once

#include "userspace/base/json_scan.h"

struct lt_proto_scan;

/* @paths outlives the scanner. */
LT_MUST_CHECK int lt_proto_scan_new(const struct lt_json_paths *paths,
				    const struct lt_json_sink *sink, struct lt_proto_scan **ret);
struct lt_proto_scan *lt_proto_scan_free(struct lt_proto_scan *scan);
LT_DEFINE_FREEP(lt_proto_scan_free, struct lt_proto_scan)

/* Ready for the next message. */
void lt_proto_scan_reset(struct lt_proto_scan *scan);
/* The next bytes, in any split. -EBADMSG: no protobuf; stays so until reset, hits already reported
 * stay. */
LT_MUST_CHECK int lt_proto_scan_feed(struct lt_proto_scan *scan, struct lt_bytes in);
/* The message has ended: 0 when it was whole (an empty one is), -EBADMSG when cut. */
LT_MUST_CHECK int lt_proto_scan_finish(struct lt_proto_scan *scan);
