/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.x conversations, good and hostile, and what the parser makes of them in whatever pieces
 * they come. */
#pragma once

#include "userspace/protocol/exchange.h"

enum { STEPS_MAX = 6 };

struct http1_case {
	const char *name;
	struct {
		enum lt_side side;
		struct lt_bytes text;
	} steps[STEPS_MAX];
	const char *trace;
};

#define BYTES(text)                                                                                \
	{                                                                                          \
		.p = (const uint8_t *)(text), .n = sizeof(text) - 1                                \
	}
#define Q(text)                                                                                    \
	{                                                                                          \
		LT_SIDE_REQUEST, BYTES(text)                                                       \
	}
#define A(text)                                                                                    \
	{                                                                                          \
		LT_SIDE_RESPONSE, BYTES(text)                                                      \
	}

#define GET	"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_0	"REQ0 GET /a [h]:0 1\n"
#define OK_2	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BAD	"ERROR bad message\n"
#define REFUSED BAD "END0 protocol-error 0/0\n"

/* "hello hello hello\n" */
#define GZIP_HELLO                                                                                 \
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9"                                 \
	"\xc9\x57\xc8\x40\x90\x5c\x00\x3b\x7c\x8a\xdf\x12\x00\x00\x00"

static const struct http1_case cases[] = {
	{"get and counted body",
	 {Q(GET), A(OK_2)},
	 GET_0 "RESP0 200 1\n<0 ok\nEND0 complete 0/2\n"},
	{"post",
	 {Q("POST /v1?k=v HTTP/1.1\r\nHost: api.example:8443\r\nContent-Length: 5\r\n\r\nhello"),
	  A(OK_2)},
	 "REQ0 POST /v1?k=v [api.example]:8443 2\n>0 hello\nRESP0 200 1\n<0 ok\nEND0 complete "
	 "5/2\n"},
	{"keep-alive, with empty lines between",
	 {Q(GET), A(OK_2), Q("\r\n\n" GET), A(OK_2)},
	 GET_0 "RESP0 200 1\n<0 ok\nEND0 complete 0/2\n"
	       "REQ1 GET /a [h]:0 1\nRESP1 200 1\n<1 ok\nEND1 complete 0/2\n"},
	{"pipelining",
	 {Q(GET "HEAD /b HTTP/1.1\r\nHost: h\r\n\r\n" GET),
	  A(OK_2 "HTTP/1.1 200 OK\r\n"
		 "Content-Length: 99\r\n\r\n" OK_2)},
	 GET_0 "REQ1 HEAD /b [h]:0 1\nREQ2 GET /a [h]:0 1\nRESP0 200 1\n<0 ok\nEND0 complete 0/2\n"
	       "RESP1 200 1\nEND1 complete 0/0\nRESP2 200 1\n<2 ok\nEND2 complete 0/2\n"},
	{"chunked answer with extensions and trailer",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3;a=b;c=\"d\"\r\nabc\r\n00A \r\n0123456789\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n")},
	 GET_0 "RESP0 200 1\n<0 abc0123456789\nEND0 complete 0/13\n"},
	{"chunked request",
	 {Q("POST /a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: "
	    "Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
	  A(OK_2)},
	 "REQ0 POST /a [h]:0 2\n>0 ab\nRESP0 200 1\n<0 ok\nEND0 complete 2/2\n"},
	{"up to the close",
	 {Q(GET), A("HTTP/1.0 200 OK\r\n\r\nabcdef")},
	 GET_0 "RESP0 200 0\n<0 abcdef\nEND0 complete 0/6\n"},
	{"100-continue and other interim answers",
	 {Q("PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
	  A("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), Q("hi"),
	  A(OK_2)},
	 "REQ0 PUT /a [h]:0 3\n>0 hi\nRESP0 200 1\n<0 ok\nEND0 complete 2/2\n"},
	{"no body with 204 and 304",
	 {Q(GET GET), A("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")},
	 GET_0
	 "REQ1 GET /a [h]:0 1\nRESP0 204 1\nEND0 complete 0/0\nRESP1 304 1\nEND1 complete 0/0\n"},
	{"an answer before the request is whole",
	 {Q("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab"),
	  A("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"), Q("cd"), Q(GET), A(OK_2)},
	 "REQ0 POST /a [h]:0 2\n>0 ab\nRESP0 413 1\n<0 no\n>0 cd\nEND0 complete 4/2\n"
	 "REQ1 GET /a [h]:0 1\nRESP1 200 1\n<1 ok\nEND1 complete 0/2\n"},
	{"an early answer and a close",
	 {Q("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab"),
	  A("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")},
	 "REQ0 POST /a [h]:0 2\n>0 ab\nRESP0 401 1\nEND0 complete 2/0\n"},
	{"an upgrade that is not known",
	 {Q("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n"),
	  A("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\n\x81\x01x"), Q("\x81\x80")},
	 "REQ0 GET /ws [h]:0 3\nRESP0 101 1\nEND0 upgraded 0/0\nUPGRADED\n"},
	{"a WebSocket that nobody wants",
	 {Q("GET /none HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"),
	  A("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01x")},
	 "REQ0 GET /none [h]:0 2\nEND0 upgraded 0/0\nUPGRADED\n"},
	{"WebSocket",
	 {Q("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
	  A("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n\x81\x02xy"),
	  Q("\x81\x82\x01\x01\x01\x01\x60\x63\x89\x80\x01\x02\x03\x04"),
	  A("\x01\x01m\x8a\x01p\x00\x01n\x80\x01o")},
	 "REQ0 GET /ws [h]:0 3\nRESP0 101 1\n<0 xy\nMESSAGE<0\n>0 ab\nMESSAGE>0\n<0 mno\n"
	 "MESSAGE<0\nEND0 complete 14/16\n"},
	{"a tunnel",
	 {Q("CONNECT api.example:443 HTTP/1.1\r\nHost: wrong\r\n\r\n"),
	  A("HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01")},
	 "REQ0 CONNECT api.example:443 [api.example]:443 1\nRESP0 200 0\nEND0 upgraded "
	 "0/0\nUPGRADED\n"},
	{"a refused tunnel",
	 {Q("CONNECT h:443 HTTP/1.1\r\n\r\n"), A("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno")},
	 "REQ0 CONNECT h:443 [h]:443 0\nRESP0 407 1\n<0 no\nEND0 complete 0/2\n"},
	{"absolute form",
	 {Q("GET HTTP://u:secret@api.example:81/p?q HTTP/1.1\r\nHost: other\r\n\r\n"), A(OK_2)},
	 "REQ0 GET /p?q [api.example]:81 1\nRESP0 200 1\n<0 ok\nEND0 complete 0/2\n"},
	{"absolute form without a path",
	 {Q("GET https://api.example HTTP/1.1\r\n\r\nGET https://h?q=/ HTTP/1.1\r\n\r\n"), A(OK_2)},
	 "REQ0 GET / [api.example]:0 0\nREQ1 GET ?q=/ [h]:0 0\nRESP0 200 1\n<0 ok\nEND0 complete "
	 "0/2\n"
	 "END1 no-response 0/0\n"},
	{"hosts with ports and addresses",
	 {Q("GET /1 HTTP/1.1\r\nHost: [::1]:80\r\n\r\nGET /2 HTTP/1.1\r\nHost: [fe80::1]\r\n\r\n"
	    "GET /3 HTTP/1.1\r\nHost: h:\r\n\r\nGET /4 HTTP/1.1\r\nHost: h:70000\r\n\r\n")},
	 "REQ0 GET /1 [[::1]]:80 1\nREQ1 GET /2 [[fe80::1]]:0 1\nREQ2 GET /3 [h]:0 1\n"
	 "REQ3 GET /4 [h:70000]:0 1\nEND0 no-response 0/0\nEND1 no-response 0/0\n"
	 "END2 no-response 0/0\nEND3 no-response 0/0\n"},
	{"line feeds alone",
	 {Q("POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n2\nab\n0\n\n"),
	  A("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")},
	 "REQ0 POST /a [h]:0 2\n>0 ab\nRESP0 200 1\n<0 ok\nEND0 complete 2/2\n"},
	{"white space around values",
	 {Q("GET /a HTTP/1.1\r\nHost:\t h \t\r\nX:\r\n\r\n"),
	  A("HTTP/1.1 200\r\nContent-Length:2\r\n\r\nok")},
	 "REQ0 GET /a [h]:0 2\nRESP0 200 1\n<0 ok\nEND0 complete 0/2\n"},
	{"transfer coding wins over length",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "2\r\nok\r\n0\r\n\r\n")},
	 GET_0 "RESP0 200 2\n<0 ok\nEND0 complete 0/2\n"},
	{"the same length twice",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")},
	 GET_0 "RESP0 200 2\n<0 ok\nEND0 complete 0/2\n"},
	{"nothing wanted",
	 {Q("POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"), A(OK_2), Q(GET),
	  A(OK_2)},
	 "REQ0 POST /none [h]:0 2\nEND0 complete 2/2\nREQ1 GET /a [h]:0 1\nRESP1 200 1\n<1 ok\n"
	 "END1 complete 0/2\n"},
	{"heads wanted",
	 {Q("POST /head HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"), A(OK_2)},
	 "REQ0 POST /head [h]:0 2\nRESP0 200 1\nEND0 complete 2/2\n"},
	{"the connection is of no interest",
	 {Q("GET /never HTTP/1.1\r\nHost: h\r\n\r\nwhatever"), A("\x01\x02")},
	 "REQ0 GET /never [h]:0 1\nIGNORE\nEND0 no-response 0/0\n"},
	{"gzip answer",
	 {Q(GET),
	  A("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 29\r\n\r\n" GZIP_HELLO)},
	 GET_0 "RESP0 200 2\n<0 hello hello hello\n\nEND0 complete 0/29\n"},
	{"gzip request in chunks",
	 {Q("POST /a HTTP/1.1\r\nHost: h\r\nContent-Encoding: x-gzip\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n"
	    "1d\r\n" GZIP_HELLO "\r\n0\r\n\r\n"),
	  A(OK_2)},
	 "REQ0 POST /a [h]:0 3\n>0 hello hello hello\n\nRESP0 200 1\n<0 ok\nEND0 complete 29/2\n"},
	{"a broken coding does not break the framing",
	 {Q(GET),
	  A("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello" OK_2),
	  Q(GET), A(OK_2)},
	 GET_0 "RESP0 200 2\nEND0 complete 0/5 error<\nREQ1 GET /a [h]:0 1\nRESP1 200 1\n<1 ok\n"
	       "END1 complete 0/2\n"},
	{"an unknown coding",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nContent-Encoding: dcb\r\nContent-Length: 5\r\n\r\nhello")},
	 GET_0 "RESP0 200 2\nEND0 complete 0/5 error<\n"},
	{"a transfer coding besides chunked",
	 {Q(GET),
	  A("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")},
	 GET_0 "RESP0 200 1\nEND0 complete 0/2 error<\n"},
	{"an answer to nobody",
	 {A(OK_2), Q(GET), A(OK_2)},
	 GET_0 "RESP0 200 1\n<0 ok\nEND0 complete 0/2\n"},
	{"cut by the client",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")},
	 GET_0 "RESP0 200 1\n<0 abc\nEND0 abort 0/3\n"},
	{"cut within the head",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nContent-")},
	 GET_0 "END0 no-response 0/0\n"},

	{"two lengths",
	 {Q("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")},
	 BAD},
	{"a list of lengths", {Q("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n")}, BAD},
	{"negative length", {Q("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n")}, BAD},
	{"signed length", {Q("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n")}, BAD},
	{"empty length", {Q("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n")}, BAD},
	{"a length beyond 64 bits",
	 {Q("POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n")},
	 BAD},
	{"the largest length",
	 {Q("POST /a HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nabc")},
	 "REQ0 POST /a []:0 1\n>0 abc\nEND0 no-response 3/0\n"},
	{"a malformed length beside chunked",
	 {Q("POST / HTTP/1.1\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n")},
	 BAD},
	{"a request whose end nobody knows",
	 {Q("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n")},
	 BAD},
	{"obs-fold", {Q("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n")}, BAD},
	{"a bare CR in a value", {Q("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n")}, BAD},
	{"a bare CR before the line end", {Q("GET / HTTP/1.1\r\nA: b\r\r\n\r\n")}, BAD},
	{"NUL in a value", {Q("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n")}, BAD},
	{"NUL in the target", {Q("GET /\0 HTTP/1.1\r\n\r\n")}, BAD},
	{"white space before the colon", {Q("GET / HTTP/1.1\r\nA : b\r\n\r\n")}, BAD},
	{"a field without a colon", {Q("GET / HTTP/1.1\r\nA\r\n\r\n")}, BAD},
	{"a field without a name", {Q("GET / HTTP/1.1\r\n: b\r\n\r\n")}, BAD},
	{"two hosts", {Q("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")}, BAD},
	{"a space in the target", {Q("GET /a b HTTP/1.1\r\n\r\n")}, BAD},
	{"no version", {Q("GET /\r\n\r\n")}, BAD},
	{"an unknown version", {Q("GET / HTTP/3.0\r\n\r\n")}, BAD},
	{"an unknown method", {Q("YELL / HTTP/1.1\r\n\r\n")}, BAD},
	{"a status that is no number", {Q(GET), A("HTTP/1.1 2x0 OK\r\n\r\n")}, GET_0 REFUSED},
	{"a status below 100", {Q(GET), A("HTTP/1.1 099 OK\r\n\r\n")}, GET_0 REFUSED},
	{"a status of four digits", {Q(GET), A("HTTP/1.1 2000 OK\r\n\r\n")}, GET_0 REFUSED},
	{"an answer that is none", {Q(GET), A("<html>")}, GET_0 REFUSED},
	{"a chunk without a size",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n")},
	 GET_0 "RESP0 200 1\n" REFUSED},
	{"a chunk size with a sign",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")},
	 GET_0 "RESP0 200 1\n" REFUSED},
	{"a chunk size with a prefix",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n")},
	 GET_0 "RESP0 200 1\n" REFUSED},
	{"a chunk size beyond 63 bits",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n")},
	 GET_0 "RESP0 200 1\n" REFUSED},
	{"a bare CR after a chunk size",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\rok\r\n")},
	 GET_0 "RESP0 200 1\n" REFUSED},
	{"a chunk longer than its size",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n")},
	 GET_0 "RESP0 200 1\n<0 ok\n" BAD "END0 protocol-error 0/2\n"},
	{"a bare CR in a trailer",
	 {Q(GET), A("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: \rb\r\n\r\n")},
	 GET_0 "RESP0 200 1\n" REFUSED},
};
