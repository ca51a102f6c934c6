// SPDX-License-Identifier: Apache-2.0
/*
 * Two sessions of two calls each, over the TLS library that the program is linked with.
 *
 * usage: NAME_call MODE HOST PATH HEADERS [MODEL]    MODE: words of
 *   slow    the socket takes little at a time, and never blocks: calls are repeated
 *   again   the second session uses the object of the first
 *   and those of session_open()
 */
#include "call.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHORT_BODY = 100, LONG_BODY = 3 << 20, ANSWER_MAX = 1 << 20 };

static int repeated;

void die(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(const char *host, bool slow)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
	int fd, small = 4096;

	if (getaddrinfo(host, "443", &hints, &found) != 0)
		die("getaddrinfo");
	fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd < 0 || (slow && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) < 0) ||
	    connect(fd, found->ai_addr, found->ai_addrlen) != 0 ||
	    (slow && fcntl(fd, F_SETFL, O_NONBLOCK) < 0))
		die("connect");
	freeaddrinfo(found);
	return fd;
}

static void wait_for(int fd, ssize_t what)
{
	struct pollfd poller = {.fd = fd, .events = what == CALL_READS ? POLLIN : POLLOUT};

	repeated += what == CALL_WRITES;
	if (poll(&poller, 1, 10000) != 1)
		die("poll");
}

static void send_all(struct session *session, int fd, const char *data, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = session_write(session, data + done, n - done);

		if (r < 0)
			wait_for(fd, r);
		else
			done += (size_t)r;
	}
}

/* Reads one answer, whose length its head states, or whose chunks end. */
static void receive(struct session *session, int fd)
{
	static char answer[ANSWER_MAX];
	size_t have = 0;

	for (;;) {
		ssize_t r = session_read(session, answer + have, sizeof(answer) - 1 - have);
		char *end, *length;

		if (r < 0) {
			wait_for(fd, r);
			continue;
		}
		if (r == 0)
			die("the answer ends early");
		have += (size_t)r;
		answer[have] = 0;
		end = strstr(answer, "\r\n\r\n");
		if (!end)
			continue;
		length = strcasestr(answer, "content-length: ");
		if (length && length < end) {
			if (have >= (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10))
				break;
		} else if (strcmp(answer + have - 5, "0\r\n\r\n") == 0) {
			break;
		}
	}
	if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
		die(answer);
}

static char *make_request(char **argv, size_t length, int *ret_size)
{
	const char *model = argv[5] ? argv[5] : "gpt-4o-mini";
	char *body = malloc(length + 1), *request;

	memset(body, ' ', length);
	body[snprintf(body, length, "{\"model\":\"%s\"", model)] = ' ';
	body[length - 1] = '}';
	body[length] = 0;
	*ret_size = asprintf(&request,
			     "POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\n"
			     "x-lt-want: %s; pid=%d\r\n%scontent-length: %zu\r\n\r\n%s",
			     argv[3], argv[2], getenv("LT_WANT"), (int)getpid(), argv[4], length,
			     body);
	free(body);
	return request;
}

int main(int argc, char **argv)
{
	struct session *session = NULL;
	bool slow, again;
	char *request;
	int size, r;

	if (argc < 5) {
		fprintf(stderr, "usage: %s MODE HOST PATH HEADERS [MODEL]\n", argv[0]);
		return 2;
	}
	slow = strstr(argv[1], "slow");
	again = strstr(argv[1], "again");
	request = make_request(argv, slow ? LONG_BODY : SHORT_BODY, &size);
	/* Without "again" the second object is likely to lie where the first did. */
	for (int i = 0; i < 2; i++) {
		int fd = dial(argv[2], slow);

		session = session_open(argv[2], fd, argv[1], session);
		while ((r = session_handshake(session)) < 0)
			wait_for(fd, r);
		repeated = 0;
		for (int call = 0; call < 2; call++) {
			send_all(session, fd, request, (size_t)size);
			receive(session, fd);
		}
		if (slow && repeated == 0)
			die("nothing had to be repeated");
		if (!again || i == 1) {
			session_close(session);
			session = NULL;
		}
		close(fd);
	}
	free(request);
	return 0;
}
