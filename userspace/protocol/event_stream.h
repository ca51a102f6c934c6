/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS event streams (application/vnd.amazon.eventstream), incremental: messages of a prelude
 * (lengths and their CRC-32), typed headers, a payload and a CRC-32 over all. Constant memory:
 * payloads are passed on as they come. After a prelude that does not check, the next one that does
 * is searched for.
 * https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
 */
#pragma once

#include "userspace/base/bytes.h"

enum {
	LT_EVENT_WORD = 64,
	LT_EVENT_HEADER_NAME = 24, /* longest name that matters, with room to see a longer one */
	LT_EVENT_MESSAGE_MAX = 24 << 20, /* larger ones are not of this format */
};

/* What a message says of itself; "" where it says nothing, longer words are cut. */
struct lt_event_stream_head {
	char message_type[LT_EVENT_WORD];   /* event, exception, error */
	char event_type[LT_EVENT_WORD];	    /* of an event */
	char exception_type[LT_EVENT_WORD]; /* of an exception, or the code of an error */
};

struct lt_event_stream_sink {
	void *arg;
	/* The headers are whole. */
	void (*begin)(void *arg, const struct lt_event_stream_head *head);
	void (*data)(void *arg, struct lt_bytes piece);
	/* @intact: the message's checksum is right. */
	void (*end)(void *arg, bool intact);
};

/* Plain state; init it with the sink. */
struct lt_event_stream {
	struct lt_event_stream_sink sink;
	unsigned state;
	uint8_t prelude[12];
	unsigned n;	       /* bytes of what is being gathered */
	uint32_t headers_left; /* bytes of headers */
	uint32_t payload_left;
	uint32_t crc;	 /* so far */
	uint32_t stated; /* at the end */
	unsigned header_state;
	unsigned header_type;
	uint32_t value_left;
	unsigned name_n, name_left, value_n;
	char name[LT_EVENT_HEADER_NAME];
	char *value; /* where the value goes, NULL: nowhere */
	struct lt_event_stream_head head;
	uint64_t skipped; /* bytes that were no message */
};

void lt_event_stream_init(struct lt_event_stream *s, const struct lt_event_stream_sink *sink);
void lt_event_stream_feed(struct lt_event_stream *s, struct lt_bytes in);
