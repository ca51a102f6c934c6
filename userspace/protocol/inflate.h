/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoes gzip, deflate (zlib or raw), br and zstd, incrementally and in bounded windows (the only
 * user of those libraries). Several codings may be stacked ("gzip, br"), two at most.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

struct lt_inflate;

struct lt_inflate_sink {
	void *arg;
	void (*bytes)(void *arg, struct lt_bytes data);
};

/*
 * @coding is the value of content-encoding. 0 and *ret NULL: identity or empty, nothing to undo.
 * -EOPNOTSUPP: a coding we do not know; -ENOMEM. zstd windows above 8 MiB are refused when met (RFC
 * 8878).
 */
LT_MUST_CHECK int lt_inflate_new(struct lt_bytes coding, const struct lt_inflate_sink *sink,
				 struct lt_inflate **ret);
/* Raw deflate in messages (WebSocket's permessage-deflate, RFC 7692). */
LT_MUST_CHECK int lt_inflate_new_raw(const struct lt_inflate_sink *sink, struct lt_inflate **ret);
/* A message's data has ended: its last bytes come out. @reset: the next one begins with an empty
 * window. */
LT_MUST_CHECK int lt_inflate_message_ends(struct lt_inflate *z, bool reset);
/* -EBADMSG: broken data (what came out before stays). Concatenated gzip members and zstd frames are
 * fine. */
LT_MUST_CHECK int lt_inflate_feed(struct lt_inflate *z, struct lt_bytes in);
struct lt_inflate *lt_inflate_free(struct lt_inflate *z);
LT_DEFINE_FREEP(lt_inflate_free, struct lt_inflate)
