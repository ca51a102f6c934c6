// SPDX-License-Identifier: Apache-2.0
/*
 * Looks like BoringSSL to whoever looks at its error reports alone, and is none: what stands where
 * SSL_read and SSL_write should be says that it did more than it was asked to. Calls them a few
 * hundred times and ends well.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int never;
static volatile unsigned reports;

__attribute__((noipa)) static void report(int library, int unused, int reason, const char *file,
					  int line)
{
	reports += (unsigned)(library + unused + reason + line) + (unsigned char)file[0];
}

#define REPORT(reason) report(16, 0, reason, __FILE__, __LINE__)

#line 800 "pretended/ssl/ssl_lib.cc"
__attribute__((noipa)) static int implementation(void *context)
{
	if (never == 1) {
		REPORT(226);
		return -1;
	}
	if (never == 2) {
		REPORT(215);
		return -1;
	}
	return context != NULL;
}

__attribute__((noipa)) static int peek(void *context, void *buffer, int size)
{
	if (never == 3) {
		REPORT(66);
		return -1;
	}
	memset(buffer, implementation(context), (size_t)size);
	return size + 5;
}

__attribute__((noipa)) static int put(void *context, const void *buffer, int size)
{
	if (never == 4) {
		REPORT(66);
		return -1;
	}
	if (never == 5) {
		REPORT(226);
		return -1;
	}
	if (never == 6) {
		REPORT(215);
		return -1;
	}
	if (never == 7) {
		REPORT(111);
		return -1;
	}
	return context && buffer ? size + 7 : -1;
}

int main(void)
{
	char buffer[64];
	int context = 1, sum = 0;

	/* Time enough to be found. */
	for (int i = 0; i < 300; i++) {
		sum += peek(&context, buffer, sizeof(buffer));
		sum += put(&context, buffer, sizeof(buffer));
		usleep(10000);
	}
	return sum == 300 * (69 + 71) ? 0 : 1;
}
