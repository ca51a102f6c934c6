// SPDX-License-Identifier: Apache-2.0
/* call.c on wolfSSL. */
#include "call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

enum { PIECE = 7 };

struct session {
	WOLFSSL_CTX *context;
	WOLFSSL *ssl;
	bool send, vectors;
};

static ssize_t result(struct session *s, int r, const char *what)
{
	if (r > 0)
		return r;
	switch (wolfSSL_get_error(s->ssl, r)) {
	case WOLFSSL_ERROR_WANT_READ:
		return CALL_READS;
	case WOLFSSL_ERROR_WANT_WRITE:
		return CALL_WRITES;
	case WOLFSSL_ERROR_ZERO_RETURN:
		return 0;
	}
	die(what);
}

struct session *session_open(const char *host, int fd, const char *options, struct session *old)
{
	struct session *s = old ? old : calloc(1, sizeof(*s));

	if (!old) {
		wolfSSL_Init();
		s->context = wolfSSL_CTX_new(wolfTLS_client_method());
		s->send = strstr(options, "send");
		s->vectors = strstr(options, "vectors");
		if (!s->context ||
		    wolfSSL_CTX_load_verify_locations(s->context, getenv("SSL_CERT_FILE"), NULL) !=
			    WOLFSSL_SUCCESS)
			die("set-up");
		s->ssl = wolfSSL_new(s->context);
	} else if (wolfSSL_clear(s->ssl) != WOLFSSL_SUCCESS) {
		die("wolfSSL_clear");
	}
	if (!s->ssl ||
	    wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, host, (unsigned short)strlen(host)) !=
		    WOLFSSL_SUCCESS ||
	    wolfSSL_set_fd(s->ssl, fd) != WOLFSSL_SUCCESS)
		die("session");
	return s;
}

int session_handshake(struct session *session)
{
	ssize_t r = result(session, wolfSSL_connect(session->ssl), "wolfSSL_connect");

	return r > 0 ? 0 : (int)r;
}

ssize_t session_read(struct session *session, char *to, size_t n)
{
	return result(session,
		      session->send ? wolfSSL_recv(session->ssl, to, (int)n, 0)
				    : wolfSSL_read(session->ssl, to, (int)n),
		      "wolfSSL_read");
}

ssize_t session_write(struct session *session, const char *data, size_t n)
{
	struct iovec vectors[] = {
		{.iov_base = (void *)data, .iov_len = n < PIECE ? n : PIECE},
		{.iov_base = (void *)data, .iov_len = 0},
		{.iov_base = (void *)(data + PIECE), .iov_len = n < PIECE ? 0 : n - PIECE},
	};

	if (session->vectors)
		return result(session, wolfSSL_writev(session->ssl, vectors, 3), "wolfSSL_writev");
	return result(session,
		      session->send ? wolfSSL_send(session->ssl, data, (int)n, 0)
				    : wolfSSL_write(session->ssl, data, (int)n),
		      "wolfSSL_write");
}

void session_close(struct session *session)
{
	wolfSSL_free(session->ssl);
	wolfSSL_CTX_free(session->context);
	free(session);
}
