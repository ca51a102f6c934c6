/* SPDX-License-Identifier: Apache-2.0 */
/* A client on one TLS library: call.c makes the calls, the other file says how the library does it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CALL_READS = -1, CALL_WRITES = -2 }; /* to be repeated when the socket is ready for that */

struct session;

/* The library's own object for @host, on a socket that is connected. @options: some of "send",
 * "vectors", "ex": which of its functions are used. Not yet shaken hands. @old: one to be used
 * again. */
struct session *session_open(const char *host, int fd, const char *options, struct session *old);
/* 0, or one of the above. */
int session_handshake(struct session *session);
/* How many bytes, or one of the above. */
ssize_t session_read(struct session *session, char *to, size_t n);
ssize_t session_write(struct session *session, const char *data, size_t n);
void session_close(struct session *session);

_Noreturn void die(const char *what);
