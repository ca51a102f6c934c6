// SPDX-License-Identifier: Apache-2.0
/* call.c on Mbed TLS, 2.28 and 3.x. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

struct session {
	mbedtls_ssl_context ssl;
	mbedtls_net_context net;
	mbedtls_ssl_config config;
	mbedtls_x509_crt trust;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
};

static ssize_t result(int r, const char *what)
{
	if (r == MBEDTLS_ERR_SSL_WANT_READ)
		return CALL_READS;
	if (r == MBEDTLS_ERR_SSL_WANT_WRITE)
		return CALL_WRITES;
	if (r < 0)
		die(what);
	return r;
}

struct session *session_open(const char *host, int fd, const char *options, struct session *old)
{
	struct session *s = old ? old : calloc(1, sizeof(*s));

	(void)options;
	if (!old) {
		mbedtls_ssl_init(&s->ssl);
		mbedtls_net_init(&s->net);
		mbedtls_ssl_config_init(&s->config);
		mbedtls_x509_crt_init(&s->trust);
		mbedtls_entropy_init(&s->entropy);
		mbedtls_ctr_drbg_init(&s->random);
		if (mbedtls_ctr_drbg_seed(&s->random, mbedtls_entropy_func, &s->entropy, NULL, 0) !=
			    0 ||
		    mbedtls_x509_crt_parse_file(&s->trust, getenv("SSL_CERT_FILE")) != 0 ||
		    mbedtls_ssl_config_defaults(&s->config, MBEDTLS_SSL_IS_CLIENT,
						MBEDTLS_SSL_TRANSPORT_STREAM,
						MBEDTLS_SSL_PRESET_DEFAULT) != 0)
			die("set-up");
		mbedtls_ssl_conf_rng(&s->config, mbedtls_ctr_drbg_random, &s->random);
		mbedtls_ssl_conf_ca_chain(&s->config, &s->trust, NULL);
		if (mbedtls_ssl_setup(&s->ssl, &s->config) != 0)
			die("mbedtls_ssl_setup");
	} else if (mbedtls_ssl_session_reset(&s->ssl) != 0) {
		die("mbedtls_ssl_session_reset");
	}
	s->net.fd = fd;
	if (mbedtls_ssl_set_hostname(&s->ssl, host) != 0)
		die("mbedtls_ssl_set_hostname");
	mbedtls_ssl_set_bio(&s->ssl, &s->net, mbedtls_net_send, mbedtls_net_recv, NULL);
	return s;
}

int session_handshake(struct session *session)
{
	return (int)result(mbedtls_ssl_handshake(&session->ssl), "mbedtls_ssl_handshake");
}

ssize_t session_read(struct session *session, char *to, size_t n)
{
	return result(mbedtls_ssl_read(&session->ssl, (unsigned char *)to, n), "mbedtls_ssl_read");
}

ssize_t session_write(struct session *session, const char *data, size_t n)
{
	return result(mbedtls_ssl_write(&session->ssl, (const unsigned char *)data, n),
		      "mbedtls_ssl_write");
}

void session_close(struct session *session)
{
	mbedtls_ssl_free(&session->ssl);
	mbedtls_ssl_config_free(&session->config);
	mbedtls_x509_crt_free(&session->trust);
	mbedtls_ctr_drbg_free(&session->random);
	mbedtls_entropy_free(&session->entropy);
	free(session);
}
