/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames of one direction (RFC 6455), unmasked and inflated (permessage-deflate, RFC
 * 7692), incremental: pieces of messages go out as they come, nothing is gathered. Control frames
 * are skipped.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

struct lt_websocket_sink {
	void *arg;
	void (*data)(void *arg, struct lt_bytes piece);
	/* The message is whole. */
	void (*message)(void *arg);
};

struct lt_websocket_opts {
	bool from_client; /* its frames are masked, the server's are not */
	bool deflate;	  /* permessage-deflate was agreed on */
	bool takeover;	  /* messages go on with the window of the former one */
};

struct lt_websocket;

/* Reads one direction's half of what the answer's Sec-WebSocket-Extensions agreed on. */
struct lt_websocket_opts lt_websocket_agreed(struct lt_bytes extensions, bool from_client);

LT_MUST_CHECK int lt_websocket_new(const struct lt_websocket_opts *opts,
				   const struct lt_websocket_sink *sink, struct lt_websocket **ret);
struct lt_websocket *lt_websocket_free(struct lt_websocket *ws);
LT_DEFINE_FREEP(lt_websocket_free, struct lt_websocket)

/* -EBADMSG: the bytes break the protocol. */
LT_MUST_CHECK int lt_websocket_feed(struct lt_websocket *ws, struct lt_bytes in);
/*
 * @lost bytes are missing. Within a frame they are counted off; else a frame is looked for at the
 * start of the next pieces. After a loss in a compressed message nothing compressed can be read
 * where windows go on.
 */
void lt_websocket_gap(struct lt_websocket *ws, uint64_t lost);
