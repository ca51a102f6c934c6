/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 as bytes (RFC 9113, 4 and 6), and where they begin when nobody says so. Pure. */
#pragma once

#include "userspace/protocol/exchange.h"

enum {
	LT_H2_DATA,
	LT_H2_HEADERS,
	LT_H2_PRIORITY,
	LT_H2_RST_STREAM,
	LT_H2_SETTINGS,
	LT_H2_PUSH_PROMISE,
	LT_H2_PING,
	LT_H2_GOAWAY,
	LT_H2_WINDOW_UPDATE,
	LT_H2_CONTINUATION
};

enum {
	LT_H2_END_STREAM = 0x1,
	LT_H2_ACK = 0x1,
	LT_H2_END_HEADERS = 0x4,
	LT_H2_PADDED = 0x8,
	LT_H2_WITH_PRIORITY = 0x20,
	LT_H2_FRAME_HEADER = 9, /* bytes */
};

struct lt_h2_frame {
	uint32_t length, stream;
	uint8_t type, flags;
};

uint32_t lt_be32(const uint8_t *p);
/* @p: LT_H2_FRAME_HEADER bytes. */
struct lt_h2_frame lt_h2_frame(const uint8_t *p);
/* What every sender keeps to, and random bytes hardly do. */
bool lt_h2_is_plausible(const struct lt_h2_frame *f);
/*
 * Where in @in frames begin that go on to its end, or over it; in.n: nowhere. One frame that
 * reaches over the end is believed at the very beginning only.
 */
size_t lt_h2_find_frames(struct lt_bytes in);
/*
 * Whether a message of @side is among the frames that are found in @in: a header block that begins
 * as such a head does, or JSON or server-sent events as DATA.
 */
bool lt_h2_holds_message(struct lt_bytes in, enum lt_side side);
