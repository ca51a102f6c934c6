// SPDX-License-Identifier: Apache-2.0
/* Part of an image that test_code.c builds and never runs.
 *
 * Functions that report errors where and how OpenSSL 3's ssl_lib.c does, and do little else.
 *
 * FIVE: ssl_write_internal has flags. COPIED: each public function holds a copy of the internal
 * ones. ONE: there are no forms with _ex.
 */
typedef unsigned long size_t;
typedef struct ssl SSL;
struct ssl {
	int type, mode;
	int (*handshake_func)(SSL *);
	int (*read)(SSL *, void *, size_t, size_t *);
	int (*write)(SSL *, const void *, size_t, size_t *);
	int shutdown, rwstate, waiting;
};
struct args {
	SSL *s;
	void *buf;
	size_t num;
	int type;
};
void ERR_new(void);
void ERR_set_debug(const char *, int, const char *);
void ERR_set_error(int, int, const char *, ...);
int ssl_do(SSL *);
int ssl_job(SSL *, struct args *);
void ssl_reset(SSL *);
#define ERR_raise(reason)                                                                          \
	(ERR_new(), ERR_set_debug(__FILE__, __LINE__, __func__),                                   \
	 ERR_set_error(20, reason, (void *)0))
#ifdef COPIED
#define INTERNAL static inline __attribute__((always_inline))
#else
#define INTERNAL __attribute__((noinline, noclone))
#endif
#ifdef __clang__
#define noclone
#endif
#line 2240 "ssl/ssl_lib.c"
int SSL_do_handshake(SSL *s)
{
	if (!s->handshake_func) {
		ERR_raise(144);
		return -1;
	}
	return s->handshake_func(s);
}
INTERNAL int ssl_read_internal(SSL *s, void *buf, size_t num, size_t *readbytes)
{
	if (!s->handshake_func) {
		ERR_raise(276);
		return -1;
	}
	if (s->shutdown & 2) {
		s->rwstate = 1;
		return 0;
	}
	if (s->waiting == 1 || s->waiting == 8) {
		ERR_raise(66);
		return 0;
	}
	ssl_reset(s);
	if (s->mode & 0x100) {
		struct args args = {s, buf, num, 0};
		int ret = ssl_job(s, &args);
		*readbytes = (size_t)s->rwstate;
		return ret;
	}
	return s->read(s, buf, num, readbytes);
}
int SSL_read(SSL *s, void *buf, int num)
{
	size_t readbytes;
	int ret;
	if (num < 0) {
		ERR_raise(271);
		return -1;
	}
	ret = ssl_read_internal(s, buf, (size_t)num, &readbytes);
	return ret > 0 ? (int)readbytes : ret;
}
#ifndef ONE
int SSL_read_ex(SSL *s, void *buf, size_t num, size_t *readbytes)
{
	int ret = ssl_read_internal(s, buf, num, readbytes);
	return ret < 0 ? 0 : ret;
}
#endif
#ifdef FIVE
#define FLAGS		     unsigned long flags,
#define PASS(flags, written) flags, written
#else
#define FLAGS
#define PASS(flags, written) written
#endif
INTERNAL int ssl_write_internal(SSL *s, const void *buf, size_t num, FLAGS size_t *written)
{
	if (!s->handshake_func) {
		ERR_raise(276);
		return -1;
	}
	if (s->shutdown & 1) {
		s->rwstate = 1;
		ERR_raise(207);
		return -1;
	}
#ifdef FIVE
	if (flags & ~1UL) {
		ERR_raise(335);
		return -1;
	}
#endif
	if (s->waiting == 1 || s->waiting == 8) {
		ERR_raise(66);
		return 0;
	}
	ssl_reset(s);
#ifdef FIVE
	if (flags & 1)
		ssl_do(s);
#endif
	if (s->mode & 0x100) {
		struct args args = {s, (void *)buf, num, 1};
		int ret = ssl_job(s, &args);
		*written = (size_t)s->rwstate;
		return ret;
	}
	return s->write(s, buf, num, written);
}
int SSL_write(SSL *s, const void *buf, int num)
{
	size_t written;
	int ret;
	if (num < 0) {
		ERR_raise(271);
		return -1;
	}
	ret = ssl_write_internal(s, buf, (size_t)num, PASS(0, &written));
	return ret > 0 ? (int)written : ret;
}
#ifndef ONE
int SSL_write_ex(SSL *s, const void *buf, size_t num, size_t *written)
{
	int ret = ssl_write_internal(s, buf, num, PASS(0, written));
	return ret < 0 ? 0 : ret;
}
#endif
int SSL_key_update(SSL *s, int kind)
{
	return ssl_do(s) + kind;
}
int SSL_pending(SSL *s)
{
	return s->type == 1 ? s->rwstate : 0;
}
int SSL_shutdown(SSL *s)
{
	if (!s->handshake_func) {
		ERR_raise(276);
		return -1;
	}
	if (s->mode & 1) {
		ERR_raise(407);
		return -1;
	}
	s->shutdown |= 1;
	return ssl_do(s);
}
