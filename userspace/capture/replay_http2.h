/* SPDX-License-Identifier: Apache-2.0 */
/* Part of the replay: HTTP/1.1 messages as frames of HTTP/2. */
#pragma once

#include "userspace/base/bytes.h"

struct lt_frames_sink {
	void *arg;
	void (*bytes)(void *arg, struct lt_bytes bytes);
};

/* The client's preface and settings (@client), or the server's settings. */
void lt_frames_begin(const struct lt_frames_sink *sink, bool client);
/*
 * A message, whose head is that of HTTP/1.1 and whose body is unframed, as HEADERS and DATA frames
 * of @stream; frames of another stream, which nobody is interested in, stand between them. Literal
 * fields only: HPACK's tables are the business of real clients.
 */
void lt_frames_message(const struct lt_frames_sink *sink, uint32_t stream, struct lt_bytes head,
		       struct lt_bytes body, bool request);
