// SPDX-License-Identifier: Apache-2.0
/* Part of an image that test_code.c builds and never runs.
 *
 * Functions that report errors where and how BoringSSL's ssl_lib.cc does, and do little else.
 *
 * PEEK_CALLED: SSL_read calls SSL_peek; PEEK_GONE: there is no SSL_peek; neither: SSL_read holds a
 * copy. SHORT: the arguments that link-time optimisation leaves. COLD: reports are moved out of the
 * way. OLDER: SSL_write as it was before 2023. SWAPPED, SPREAD: what no BoringSSL looks like.
 */
typedef unsigned long size_t;
typedef struct ssl SSL;
struct ssl {
	const void *quic;
	int (*do_handshake)(SSL *);
	int (*write)(SSL *, _Bool *, size_t *, const void *, size_t);
	int (*message)(SSL *);
	const char *pending;
	size_t pending_n;
	int in_init, shutdown, renegotiate;
};
#ifdef COLD
#define APART __attribute__((cold))
#else
#define APART
#endif
APART void err_put(int, int, int, const char *, unsigned);
APART void err_put_short(int, const char *, unsigned);
int ssl_do(SSL *);
void ssl_reset(SSL *);
void ssl_copy(char *, const char *, size_t);
#ifdef SHORT
#define REPORT(reason) err_put_short(reason, __FILE__, __LINE__)
#else
#define REPORT(reason) err_put(16, 0, reason, __FILE__, __LINE__)
#endif
#ifdef SWAPPED
#define FIRST  226
#define SECOND 66
#else
#define FIRST  66
#define SECOND 226
#endif
#define FILE_NAME "../../vendor/boringssl/ssl/ssl_lib.cc"
#line 820 FILE_NAME
__attribute__((noinline)) int SSL_do_handshake(SSL *ssl)
{
	ssl_reset(ssl);
	if (!ssl->do_handshake) {
		REPORT(226);
		return -1;
	}
	if (!ssl->in_init)
		return 1;
	return ssl_do(ssl);
}
#line 980 FILE_NAME
static int ssl_read_impl(SSL *ssl)
{
	ssl_reset(ssl);
	if (!ssl->do_handshake) {
		REPORT(226);
		return -1;
	}
	while (ssl->pending_n == 0) {
		if (ssl->renegotiate++ > 4) {
			REPORT(225);
			return -1;
		}
		while (ssl->in_init) {
			int ret = SSL_do_handshake(ssl);
			if (ret < 0)
				return ret;
			if (ret == 0) {
				REPORT(215);
				return -1;
			}
		}
		if (ssl->message(ssl) <= 0)
			return -1;
	}
	return 1;
}
static inline __attribute__((always_inline)) int peek(SSL *ssl, void *buf, int num)
{
	int ret, todo;
	if (ssl->quic) {
		REPORT(66);
		return -1;
	}
	ret = ssl_read_impl(ssl);
	if (ret <= 0)
		return ret;
	if (num <= 0)
		return num;
	todo = ssl->pending_n < (size_t)num ? (int)ssl->pending_n : num;
	ssl_copy(buf, ssl->pending, (size_t)todo);
	return todo;
}
#ifdef PEEK_CALLED
int SSL_peek(SSL *ssl, void *buf, int num);
#define PEEK SSL_peek
#else
#define PEEK peek
#endif
#line 1020 FILE_NAME
int SSL_read(SSL *ssl, void *buf, int num)
{
	int ret = PEEK(ssl, buf, num);
	if (ret <= 0)
		return ret;
	ssl->pending += ret;
	ssl->pending_n -= (size_t)ret;
	if (ssl->pending_n == 0)
		ssl_reset(ssl);
	return ret;
}
#ifndef PEEK_GONE
__attribute__((noinline)) int SSL_peek(SSL *ssl, void *buf, int num)
{
	return peek(ssl, buf, num);
}
#endif
#line 1055 FILE_NAME
int SSL_write(SSL *ssl, const void *buf, int num)
{
	_Bool again = 0;
	size_t written = 0;
	int ret;
	ssl_reset(ssl);
	if (ssl->quic) {
		REPORT(FIRST);
		return -1;
	}
	if (!ssl->do_handshake) {
		REPORT(SECOND);
		return -1;
	}
#ifdef OLDER
	if (ssl->shutdown & 1) {
		REPORT(194);
		return -1;
	}
#endif
	do {
		if (ssl->in_init) {
			ret = SSL_do_handshake(ssl);
			if (ret < 0)
				return ret;
			if (ret == 0) {
				REPORT(215);
				return -1;
			}
		}
#ifdef SPREAD
#line 1155 FILE_NAME
#endif
#ifndef OLDER
		if (num < 0) {
			REPORT(111);
			return -1;
		}
#endif
		ret = ssl->write(ssl, &again, &written, buf, (size_t)num);
	} while (again);
	return ret <= 0 ? ret : (int)written;
}
#line 1220 FILE_NAME
int SSL_key_update(SSL *ssl, int kind)
{
	ssl_reset(ssl);
	if (!ssl->do_handshake) {
		REPORT(226);
		return 0;
	}
	if (ssl->quic) {
		REPORT(66);
		return 0;
	}
	return ssl_do(ssl) + kind;
}
#line 1250 FILE_NAME
int SSL_shutdown(SSL *ssl)
{
	ssl_reset(ssl);
	if (!ssl->do_handshake) {
		REPORT(226);
		return -1;
	}
	if (ssl->in_init)
		return 1;
	if (ssl->shutdown & 1) {
		if (ssl->message(ssl) > 0 && ssl->pending_n > 0) {
			REPORT(291);
			return -1;
		}
		return ssl->shutdown == 3;
	}
	ssl->shutdown |= 1;
	return ssl_do(ssl);
}
int SSL_pending(SSL *ssl)
{
	return ssl->pending_n > 4096 ? 4096 : (int)ssl->pending_n;
}
