// SPDX-License-Identifier: Apache-2.0
/*
 * Two calls on one connection, by one of the ways in which GnuTLS takes data. No client that is
 * installed here uses them all.
 *
 * send    gnutls_record_send, all at once
 * retry   the socket takes little at a time, and what it did not take is repeated with no buffer
 * cork    in pieces while corked
 * trickle the same, and the socket takes little at a time: uncork is repeated
 * padded  gnutls_record_send2
 * range   gnutls_record_send_range
 * file    gnutls_record_send_file
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

enum { LONG_BODY = 1 << 20, PIECE = 1000 };

static int repeated; /* times that something was not taken at once */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void check(ssize_t result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, gnutls_strerror((int)result));
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
	    connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		die("connect");
	freeaddrinfo(found);
	return fd;
}

static bool again(ssize_t result)
{
	return result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED;
}

static void wait_for(gnutls_session_t session, short events)
{
	struct pollfd poller = {.fd = gnutls_transport_get_int(session), .events = events};

	if (poll(&poller, 1, 10000) != 1)
		die("poll");
}

static void send_all(gnutls_session_t session, const char *data, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = gnutls_record_send(session, data + done, n - done);

		while (again(r)) {
			repeated++;
			wait_for(session, POLLOUT);
			r = gnutls_record_send(session, NULL, 0);
		}
		check(r, "gnutls_record_send");
		done += (size_t)r;
	}
}

static void send_corked(gnutls_session_t session, const char *data, size_t n)
{
	int r;

	gnutls_record_cork(session);
	for (size_t done = 0; done < n; done += PIECE)
		check(gnutls_record_send(session, data + done, n - done < PIECE ? n - done : PIECE),
		      "gnutls_record_send");
	while (again(r = gnutls_record_uncork(session, 0))) {
		repeated++;
		wait_for(session, POLLOUT);
	}
	check(r, "gnutls_record_uncork");
}

static void send_padded(gnutls_session_t session, const char *data, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t piece = n - done < PIECE ? n - done : PIECE;
		ssize_t r = gnutls_record_send2(session, data + done, piece, 100, 0);

		check(r, "gnutls_record_send2");
		done += (size_t)r;
	}
}

static void send_range(gnutls_session_t session, const char *data, size_t n)
{
	const gnutls_range_st range = {.low = n, .high = n + 200};
	ssize_t r = gnutls_record_send_range(session, data, n, &range);

	check(r, "gnutls_record_send_range");
	if ((size_t)r != n)
		die("gnutls_record_send_range took a part");
}

static void send_file(gnutls_session_t session, const char *data, size_t n)
{
	int fd = memfd_create("request", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0)
		die("memfd");
	if (gnutls_record_send_file(session, fd, NULL, n) != (ssize_t)n)
		die("gnutls_record_send_file");
	close(fd);
}

static const struct mode {
	const char *name;
	void (*send)(gnutls_session_t session, const char *data, size_t n);
	bool slow;
	size_t body;
} modes[] = {
	{"send", send_all, false, 100},		{"retry", send_all, true, LONG_BODY},
	{"cork", send_corked, false, 100000},	{"trickle", send_corked, true, LONG_BODY},
	{"padded", send_padded, false, 100000}, {"range", send_range, false, 100000},
	{"file", send_file, false, 100000},
};

/* Reads one answer, whose length its head states. */
static void receive(gnutls_session_t session)
{
	static char answer[1 << 16];
	size_t have = 0, due = 0;

	while (due == 0 || have < due) {
		ssize_t r = gnutls_record_recv(session, answer + have, sizeof(answer) - 1 - have);
		char *end, *length;

		if (again(r)) {
			wait_for(session, POLLIN);
			continue;
		}
		check(r, "gnutls_record_recv");
		if (r == 0)
			die("the answer ends early");
		have += (size_t)r;
		answer[have] = 0;
		end = strstr(answer, "\r\n\r\n");
		length = strcasestr(answer, "content-length: ");
		if (end && length)
			due = (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10);
	}
	if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
		die(answer);
}

static gnutls_session_t open_session(const char *host, const struct mode *mode, bool by_pointer)
{
	gnutls_certificate_credentials_t trust;
	gnutls_session_t session;
	int fd, r;

	check(gnutls_certificate_allocate_credentials(&trust), "credentials");
	check(gnutls_certificate_set_x509_trust_file(trust, getenv("SSL_CERT_FILE"),
						     GNUTLS_X509_FMT_PEM),
	      "trust");
	check(gnutls_init(&session, GNUTLS_CLIENT | (mode->slow ? GNUTLS_NONBLOCK : 0)), "init");
	check(gnutls_set_default_priority(session), "priority");
	check(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust), "credentials");
	check(gnutls_server_name_set(session, GNUTLS_NAME_DNS, host, strlen(host)), "name");
	gnutls_session_set_verify_cert(session, host, 0);
	fd = dial(host, mode->slow);
	if (by_pointer)
		gnutls_transport_set_ptr(session, (gnutls_transport_ptr_t)(long)fd);
	else
		gnutls_transport_set_int(session, fd);
	if (mode->slow && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	while (again(r = gnutls_handshake(session)))
		wait_for(session, gnutls_record_get_direction(session) ? POLLOUT : POLLIN);
	check(r, "gnutls_handshake");
	return session;
}

int main(int argc, char **argv)
{
	const struct mode *mode = modes;
	gnutls_session_t session;
	char *request, *body;
	int n;

	if (argc != 5) {
		fprintf(stderr, "usage: gnutls_call MODE HOST PATH HEADERS\n");
		return 2;
	}
	while (strcmp(mode->name, argv[1]) != 0)
		if (++mode == modes + sizeof(modes) / sizeof(modes[0]))
			return 2;
	body = malloc(mode->body + 1);
	memset(body, ' ', mode->body);
	body[mode->body] = 0;
	memcpy(body, "{\"model\":\"gpt-4o-mini\"", 22);
	body[mode->body - 1] = '}';
	n = asprintf(&request,
		     "POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\n"
		     "x-lt-want: %s; pid=%d\r\n%scontent-length: %zu\r\n\r\n%s",
		     argv[3], argv[2], getenv("LT_WANT"), (int)getpid(), argv[4], mode->body, body);
	/* Two sessions, one after the other: the second one is likely to lie where the first did.
	 */
	for (int i = 0; i < 2; i++) {
		session = open_session(argv[2], mode, i == 1);
		for (int call = 0; call < 2; call++) {
			mode->send(session, request, (size_t)n);
			receive(session);
		}
		gnutls_deinit(session);
	}
	if (mode->slow && repeated == 0)
		die("nothing had to be repeated");
	return 0;
}
