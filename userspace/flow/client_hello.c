// SPDX-License-Identifier: Apache-2.0
#include "userspace/flow/client_hello.h"

enum {
	HANDSHAKE = 22,	     /* type of a record */
	CLIENT_HELLO = 1,    /* type of a message */
	RECORD_MAX = 16384,  /* bytes in one record */
	MESSAGE_MAX = 65536, /* far more than any client sends */
	SERVER_NAME = 0,     /* type of an extension */
	HOST_NAME = 0,	     /* type of a name */
};

/* The message as a list of numbers and of fields whose length the number before them gave. */
enum step {
	MESSAGE_TYPE,
	MESSAGE_LENGTH,
	VERSION_AND_RANDOM,
	SESSION_LENGTH,
	SESSION,
	SUITES_LENGTH,
	SUITES,
	COMPRESSION_LENGTH,
	COMPRESSION,
	EXTENSIONS_LENGTH,
	EXTENSION_TYPE,
	EXTENSION_LENGTH,
	EXTENSION,
	NAMES_LENGTH, /* instead of EXTENSION, when it is the server's name */
	NAME_TYPE,
	NAME_LENGTH,
	NAME,
};

/* Bytes of a step; 0: as many as the number before it says. */
static const uint8_t sizes[] = {
	[MESSAGE_TYPE] = 1,
	[MESSAGE_LENGTH] = 3,
	[VERSION_AND_RANDOM] = 34,
	[SESSION_LENGTH] = 1,
	[SUITES_LENGTH] = 2,
	[COMPRESSION_LENGTH] = 1,
	[EXTENSIONS_LENGTH] = 2,
	[EXTENSION_TYPE] = 2,
	[EXTENSION_LENGTH] = 2,
	[NAMES_LENGTH] = 2,
	[NAME_TYPE] = 1,
	[NAME_LENGTH] = 2,
	[NAME] = 0,
};

/* A letter, digit, '-', '_' or '.': what a host is called by. 0: none of them. */
static char host_character(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')
		return (char)c;
	return '\0';
}

static enum lt_hello end_name(struct lt_client_hello *h)
{
	if (h->name_n > 0 && h->name[h->name_n - 1] == '.') /* "host." is "host" */
		h->name_n--;
	h->name[h->name_n] = '\0';
	return h->name_n > 0 ? LT_HELLO_NAMED : LT_HELLO_BROKEN;
}

/* The step is read: what it means, and which comes next. */
static enum lt_hello end_step(struct lt_client_hello *h)
{
	switch ((enum step)h->step) {
	case MESSAGE_TYPE:
		if (h->number != CLIENT_HELLO)
			return LT_HELLO_BROKEN;
		break;
	case MESSAGE_LENGTH:
		if (h->number > MESSAGE_MAX)
			return LT_HELLO_BROKEN;
		h->left = h->number;
		break;
	case EXTENSION_TYPE:
		h->extension = h->number;
		break;
	case EXTENSION_LENGTH:
		if (h->extension == SERVER_NAME && h->number > 0) {
			h->step = NAMES_LENGTH;
			return LT_HELLO_MORE;
		}
		break;
	case EXTENSION:
		h->step = EXTENSION_TYPE;
		return LT_HELLO_MORE;
	case NAME_TYPE:
		if (h->number != HOST_NAME)
			return LT_HELLO_UNNAMED;
		break;
	case NAME_LENGTH:
		if (h->number == 0 || h->number >= sizeof(h->name))
			return LT_HELLO_BROKEN;
		break;
	case NAME:
		return end_name(h);
	default:
		break;
	}
	h->step++;
	return LT_HELLO_MORE;
}

static enum lt_hello take(struct lt_client_hello *h, uint8_t c)
{
	bool begins = h->step_left == 0;
	char named;

	if (begins)
		h->step_left = sizes[h->step] > 0 ? sizes[h->step] : h->number;
	if (h->step > MESSAGE_LENGTH)
		h->left--;
	h->number = sizes[h->step] == 0 ? h->number : begins ? c : h->number << 8 | c;
	if (h->step == NAME) {
		named = host_character(c);
		if (!named)
			return LT_HELLO_BROKEN;
		h->name[h->name_n++] = named;
	}
	h->step_left--;
	return h->step_left > 0 ? LT_HELLO_MORE : end_step(h);
}

/* Fields of no length are over before they begin. */
static enum lt_hello skip_empty(struct lt_client_hello *h)
{
	enum lt_hello result = LT_HELLO_MORE;

	while (result == LT_HELLO_MORE && h->step_left == 0 && sizes[h->step] == 0 &&
	       h->number == 0)
		result = end_step(h);
	/* All of the message was read: there was no name in it. */
	if (result == LT_HELLO_MORE && h->step > MESSAGE_LENGTH && h->left == 0)
		result = LT_HELLO_UNNAMED;
	return result;
}

/* A byte of a record's head. */
static enum lt_hello take_head(struct lt_client_hello *h, uint8_t c)
{
	h->record[h->record_n++] = c;
	if (h->record[0] != HANDSHAKE)
		return LT_HELLO_BROKEN;
	if (h->record_n < sizeof(h->record))
		return LT_HELLO_MORE;
	h->record_n = 0;
	h->record_left = (uint32_t)h->record[3] << 8 | h->record[4];
	return h->record_left > 0 && h->record_left <= RECORD_MAX ? LT_HELLO_MORE : LT_HELLO_BROKEN;
}

enum lt_hello lt_client_hello_feed(struct lt_client_hello *h, struct lt_bytes piece)
{
	for (size_t i = 0; i < piece.n && h->result == LT_HELLO_MORE; i++) {
		if (h->record_left == 0) {
			h->result = take_head(h, piece.p[i]);
			continue;
		}
		h->record_left--;
		h->result = take(h, piece.p[i]);
		if (h->result == LT_HELLO_MORE)
			h->result = skip_empty(h);
	}
	return h->result;
}
