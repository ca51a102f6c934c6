/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server name of a TLS ClientHello (RFC 8446, RFC 6066), read while its bytes pass: in pieces
 * of any size, in one record or several, with the name behind key shares of any length. Nothing of
 * it is kept but the name.
 */
#pragma once

#include "bpf/events.h"
#include "userspace/base/bytes.h"

enum lt_hello {
	LT_HELLO_MORE,	  /* not known yet */
	LT_HELLO_NAMED,	  /* name is set: lower case, a host name by its characters */
	LT_HELLO_UNNAMED, /* it was read through: there is none */
	LT_HELLO_BROKEN,  /* no ClientHello, or not as it should be */
};

struct lt_client_hello {
	enum lt_hello result;
	unsigned step;	      /* of client_hello.c */
	uint32_t step_left;   /* bytes of it that are to come; 0: it begins */
	uint32_t number;      /* what the step has read so far */
	uint32_t extension;   /* type of the one at hand */
	uint32_t left;	      /* of the message */
	uint32_t record_left; /* of the record */
	uint8_t record[5];    /* its head, */
	uint8_t record_n;     /* as far as it came */
	size_t name_n;
	char name[LT_NAME_SIZE];
};

/* Zeroed memory is one that has begun. After any other answer than MORE, further bytes change
 * nothing. */
enum lt_hello lt_client_hello_feed(struct lt_client_hello *h, struct lt_bytes piece);
