// SPDX-License-Identifier: Apache-2.0
/* Has functions with the names of OpenSSL's; built with SHIFT all of its code lies elsewhere, so
 * that a breakpoint which was meant for the other build is in the middle of an instruction. */
#include <stdio.h>
#include <string.h>

static volatile int sink;

int SSL_read(void *ssl, void *buffer, int size);
int SSL_write(void *ssl, const void *buffer, int size);

#ifdef SHIFT
__attribute__((noipa)) static int shift(int n)
{
	for (int i = 0; i < n; i++)
		sink += i * (7 ^ n);
	return sink;
}
#endif

__attribute__((noipa)) int SSL_read(void *ssl, void *buffer, int size)
{
	for (int i = 0; i < 50; i++)
		sink += i * (3 ^ size);
	memset(buffer, 0, (size_t)size);
	return ssl ? size : -1;
}

__attribute__((noipa)) int SSL_write(void *ssl, const void *buffer, int size)
{
	for (int i = 0; i < 50; i++)
		sink -= i * (5 ^ size);
	return ssl && buffer ? size : -1;
}

int main(void)
{
	char buffer[64], ssl;

	for (int i = 0; i < 1000; i++) {
		SSL_read(&ssl, buffer, sizeof(buffer));
		SSL_write(&ssl, buffer, sizeof(buffer));
	}
#ifdef SHIFT
	shift(3);
#endif
	return 0;
}
