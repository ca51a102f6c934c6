// SPDX-License-Identifier: Apache-2.0
/* Part of an image that test_code.c builds and never runs. What both libraries call, and who calls
 * them: a unit of its own, so that no compiler sees both. */
struct ssl;
typedef unsigned long size_t;
#define FAR __attribute__((noinline))
int SSL_read(), SSL_peek(), SSL_write(), SSL_shutdown(), SSL_do_handshake();
int SSL_read_ex(), SSL_write_ex(), SSL_key_update(), SSL_pending();
__attribute__((weak, visibility("hidden"))) int SSL_peek(), SSL_read_ex(), SSL_write_ex();
volatile int sink;
FAR void err_put(int a, int b, int c, const char *d, unsigned e)
{
	sink = a + b + c + (int)e + *d;
}
FAR void err_put_short(int a, const char *b, unsigned c)
{
	sink = a + (int)c + *b;
}
FAR void ERR_new(void)
{
	sink = 1;
}
FAR void ERR_set_debug(const char *a, int b, const char *c)
{
	sink = *a + b + *c;
}
FAR void ERR_set_error(int a, int b, const char *c, ...)
{
	sink = a + b + (c != 0);
}
FAR int ssl_do(struct ssl *s)
{
	return sink + (s != 0);
}
FAR int ssl_job(struct ssl *s, void *args)
{
	return sink + (s != 0) + (args != 0);
}
FAR void ssl_reset(struct ssl *s)
{
	sink = s != 0;
}
FAR void ssl_copy(char *to, const char *from, size_t n)
{
	while (n--)
		*(volatile char *)to++ = *from++;
}
struct ssl *volatile connection;
char buffer[512];
FAR void use(void)
{
	size_t n;
	sink = SSL_do_handshake(connection);
	sink = SSL_read(connection, buffer, 512);
	if (SSL_peek)
		sink = SSL_peek(connection, buffer, 512);
	if (SSL_read_ex)
		sink = SSL_read_ex(connection, buffer, 512UL, &n);
	sink = SSL_write(connection, buffer, 512);
	if (SSL_write_ex)
		sink = SSL_write_ex(connection, buffer, 512UL, &n);
	sink = SSL_key_update(connection, sink);
	sink = SSL_pending(connection);
	sink = SSL_shutdown(connection);
}
__attribute__((visibility("default"))) void _start(void)
{
	for (;;)
		use();
}
