// SPDX-License-Identifier: Apache-2.0
/*
 * Two calls on one connection of NSS, by PR_Write and PR_Read. Before each the same request, and an
 * answer that looks like one of a provider, go through NSPR in the clear: to a file, through a
 * pipe, a socket, and a socket with a layer that is not TLS.
 *
 * plain   as it is
 * peek    every answer is looked at with PR_MSG_PEEK before it is read
 * vectors PR_Writev
 * layer   another layer lies on top of TLS, as in browsers
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nspr.h>
#include <nss.h>
#include <ssl.h>

enum { ANSWER_MAX = 1 << 16 };

static const char clear_answer[] =
	"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 160\r\n\r\n"
	"{\"id\":\"chatcmpl-in-the-clear\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-"
	"mini\","
	"\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}"
	"}";

static void die(const char *what)
{
	fprintf(stderr, "nss_call: %s: error %d\n", what, PR_GetError());
	exit(1);
}

static void check(bool good, const char *what)
{
	if (!good)
		die(what);
}

static PRFileDesc *with_layer(PRFileDesc *fd)
{
	PRFileDesc *layer = PR_CreateIOLayerStub(PR_GetUniqueIdentity("test"),
						 PR_GetDefaultIOMethods());

	check(layer && PR_PushIOLayer(fd, PR_TOP_IO_LAYER, layer) == PR_SUCCESS, "layer");
	return fd;
}

/* Writes the request to one end, and reads the answer at it. */
static void talk_in_the_clear(PRFileDesc *ours, PRFileDesc *theirs, const char *request)
{
	static char buffer[ANSWER_MAX];
	PRInt32 n = (PRInt32)strlen(request);

	check(PR_Write(ours, request, n) == n, "PR_Write in the clear");
	check(PR_Read(theirs, buffer, sizeof(buffer)) == n, "PR_Read in the clear");
	n = sizeof(clear_answer) - 1;
	check(PR_Write(theirs, clear_answer, n) == n, "PR_Write in the clear");
	check(PR_Read(ours, buffer, sizeof(buffer)) == n, "PR_Read in the clear");
}

static void to_file(const char *request)
{
	static char buffer[ANSWER_MAX];
	PRInt32 n = (PRInt32)strlen(request);
	PRFileDesc *file = PR_Open("nss_call.txt", PR_RDWR | PR_CREATE_FILE | PR_TRUNCATE, 0600);

	check(file, "PR_Open");
	check(PR_Write(file, request, n) == n, "PR_Write to a file");
	check(PR_Seek(file, 0, PR_SEEK_SET) == 0, "PR_Seek");
	check(PR_Read(file, buffer, sizeof(buffer)) == n, "PR_Read of a file");
	check(PR_Close(file) == PR_SUCCESS && PR_Delete("nss_call.txt") == PR_SUCCESS, "PR_Close");
}

static void in_the_clear(const char *request)
{
	for (int kind = 0; kind < 3; kind++) {
		PRFileDesc *pair[2], *pipes[2];

		if (kind == 2) {
			PRInt32 n = (PRInt32)strlen(request);
			char buffer[4096];

			check(PR_CreatePipe(&pipes[0], &pipes[1]) == PR_SUCCESS, "PR_CreatePipe");
			check(PR_Write(pipes[1], request, n) == n, "PR_Write to a pipe");
			check(PR_Read(pipes[0], buffer, sizeof(buffer)) == n, "PR_Read of a pipe");
			check(PR_Close(pipes[0]) == PR_SUCCESS && PR_Close(pipes[1]) == PR_SUCCESS,
			      "PR_Close");
			continue;
		}
		check(PR_NewTCPSocketPair(pair) == PR_SUCCESS, "PR_NewTCPSocketPair");
		talk_in_the_clear(kind == 0 ? pair[0] : with_layer(pair[0]), pair[1], request);
		check(PR_Close(pair[0]) == PR_SUCCESS && PR_Close(pair[1]) == PR_SUCCESS,
		      "PR_Close");
	}
	to_file(request);
}

/* Which server it is matters to nobody here. */
static SECStatus any_certificate(void *arg, PRFileDesc *fd, PRBool check_signature, PRBool server)
{
	(void)arg;
	(void)fd;
	(void)check_signature;
	(void)server;
	return SECSuccess;
}

static PRFileDesc *dial(const char *host)
{
	PRFileDesc *tcp = PR_OpenTCPSocket(PR_AF_INET), *tls;
	char buffer[PR_NETDB_BUF_SIZE];
	PRNetAddr address;
	PRHostEnt found;

	check(PR_GetHostByName(host, buffer, sizeof(buffer), &found) == PR_SUCCESS &&
		      PR_EnumerateHostEnt(0, &found, 443, &address) > 0,
	      "no address");
	tls = SSL_ImportFD(NULL, tcp);
	check(tls && SSL_AuthCertificateHook(tls, any_certificate, NULL) == SECSuccess &&
		      SSL_SetURL(tls, host) == SECSuccess,
	      "SSL_ImportFD");
	check(PR_Connect(tls, &address, PR_INTERVAL_NO_TIMEOUT) == PR_SUCCESS, "PR_Connect");
	return tls;
}

static void send_all(PRFileDesc *tls, char *request, PRInt32 n, bool vectors)
{
	PRIOVec pieces[] = {{request, 2}, {request + 2, 0}, {request + 2, n - 2}};

	if (vectors)
		check(PR_Writev(tls, pieces, 3, PR_INTERVAL_NO_TIMEOUT) == n, "PR_Writev");
	else
		check(PR_Write(tls, request, n) == n, "PR_Write");
}

/* Reads one answer, whose length its head states. */
static void receive(PRFileDesc *tls, bool peek)
{
	static char answer[ANSWER_MAX];
	size_t have = 0, due = 0;

	while (due == 0 || have < due) {
		char *end, *length;
		PRInt32 n;

		if (peek)
			check(PR_Recv(tls, answer + have, 100, PR_MSG_PEEK,
				      PR_INTERVAL_NO_TIMEOUT) > 0,
			      "PR_Recv peeks");
		n = PR_Read(tls, answer + have, (PRInt32)(sizeof(answer) - 1 - have));
		check(n > 0, "PR_Read");
		have += (size_t)n;
		answer[have] = 0;
		end = strstr(answer, "\r\n\r\n");
		length = strcasestr(answer, "content-length: ");
		if (end && length)
			due = (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10);
	}
	check(strncmp(answer, "HTTP/1.1 200", 12) == 0, answer);
}

int main(int argc, char **argv)
{
	static const char body[] = "{\"model\":\"gpt-4o-mini\"}";
	PRFileDesc *tls;
	char *request;
	int n;

	if (argc != 5) {
		fprintf(stderr, "usage: nss_call MODE HOST PATH HEADERS\n");
		return 2;
	}
	n = asprintf(&request,
		     "POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\n"
		     "x-lt-want: %s; pid=%d\r\n%scontent-length: %zu\r\n\r\n%s",
		     argv[3], argv[2], getenv("LT_WANT"), (int)getpid(), argv[4], strlen(body),
		     body);
	check(chdir(getenv("HOME")) == 0, "HOME");
	check(NSS_NoDB_Init(NULL) == SECSuccess, "NSS_NoDB_Init");
	tls = dial(argv[2]);
	if (strcmp(argv[1], "layer") == 0)
		with_layer(tls);
	for (int call = 0; call < 2; call++) {
		in_the_clear(request);
		send_all(tls, request, n, strcmp(argv[1], "vectors") == 0);
		receive(tls, strcmp(argv[1], "peek") == 0);
	}
	check(PR_Close(tls) == PR_SUCCESS, "PR_Close");
	in_the_clear(request);
	return 0;
}
