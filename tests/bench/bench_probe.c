// SPDX-License-Identifier: Apache-2.0
/*
 * What a probed SSL_write costs its caller: with our probes copying (verdict FULL), with our probes
 * under verdict IGNORE, and with an empty entry and return pair, the floor. All in one run; ratios
 * are what counts. The caller is a child (the agent's own process is never captured) that writes
 * into a memory BIO.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "collectors/elf_image.h"
#include "userspace/base/clock.h"
#include "userspace/capture/capture.h"

/* RING: small enough to stay in the caches, so that its pages are touched before the clock runs. */
enum { WARM_UP = 2000, CALLS = 6000, BATCH = 50, ROUNDS = 9, RING = 1 << 16, BARE_NS_MAX = 10000 };

static struct lt_capture *capture;
static struct lt_attachment *attachment;
static enum lt_verdict verdict;
static unsigned long chunks; /* of the measurement in progress */

static void on_data(void *arg, const struct lt_chunk *chunk)
{
	struct lt_conn conn = {
		.key.generation = chunk->conn->generation,
		.slot = chunk->conn->slot,
	};

	(void)arg;
	chunks++;
	lt_capture_set_verdict(capture, &conn, verdict);
}

#define IGNORE_EVENT(name, type)                                                                   \
	static void name(void *arg, const struct type *event)                                      \
	{                                                                                          \
		(void)arg;                                                                         \
		(void)event;                                                                       \
	}
IGNORE_EVENT(on_name, lt_event_name)
IGNORE_EVENT(on_peer, lt_event_peer)
IGNORE_EVENT(on_environ, lt_event_environ)
IGNORE_EVENT(on_close, lt_event_close)
IGNORE_EVENT(on_exec, lt_event_exec)
IGNORE_EVENT(on_fork, lt_event_fork)
IGNORE_EVENT(on_exit_event, lt_event_exit)

static void die(const char *what)
{
	fprintf(stderr, "bench_probe: %s\n", what);
	exit(1);
}

static SSL_CTX *server_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	if (!context || !key || !cert)
		die("no certificate");
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	if (!X509_sign(cert, key, EVP_sha256()) || SSL_CTX_use_certificate(context, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(context, key) != 1)
		die("no certificate");
	return context;
}

/* A client whose peer lives in the same process, wired by a BIO pair; *@ret_wire is what it sends.
 */
static SSL *connect_pair(BIO **ret_wire)
{
	SSL *client = SSL_new(SSL_CTX_new(TLS_client_method()));
	SSL *server = SSL_new(server_context());
	BIO *a, *b;

	BIO_new_bio_pair(&a, RING, &b, RING);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 20 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server));
	     i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	*ret_wire = b;
	return client;
}

static void write_batch(SSL *ssl, BIO *wire, const char *data, int size, int calls)
{
	static char sink[RING];

	for (int i = 0; i < calls; i++) {
		if (SSL_write(ssl, data, size) != size)
			die("SSL_write failed");
		if (i % BATCH == 0 || size > 1000)
			while (BIO_read(wire, sink, sizeof(sink)) > 0)
				continue;
	}
}

/* In the child: the mean cost of a call in ns, through the pipe. */
static void caller(int out, int size)
{
	static char data[16384] = "POST /v1/chat/completions HTTP/1.1\r\n";
	uint64_t begun, ns;
	BIO *wire;
	SSL *ssl = connect_pair(&wire);

	write_batch(ssl, wire, data, 200, 1);
	usleep(100000); /* the verdict comes */
	write_batch(ssl, wire, data, size, WARM_UP);
	begun = lt_clock_boot_ns();
	write_batch(ssl, wire, data, size, CALLS);
	ns = (lt_clock_boot_ns() - begun) / CALLS;
	lt_ignore(write(out, &ns, sizeof(ns)));
	_exit(0);
}

static void attach(const char *library)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plans plans;
	int fd = open(library, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || lt_elf_open(fd, &image) < 0 || lt_collector_plans(image, &plans) < 0 ||
	    lt_capture_attach(capture, fd, &plans.plans[0], &attachment) < 0)
		die("cannot attach");
	close(fd);
}

/* A measurement in which the probes did something else than its name says is worth nothing. */
static void check_chunks(bool floor, enum lt_verdict wanted)
{
	if (floor ? chunks != 0 : chunks == 0)
		die("the probes that were attached are not the ones to measure");
	if (!floor && (wanted == LT_VERDICT_IGNORE) != (chunks < WARM_UP))
		die("the verdict did not come before the clock ran");
}

static double measure(const char *library, bool probes, bool floor, enum lt_verdict wanted,
		      int size)
{
	const struct lt_capture_sink sink = {
		NULL,	  on_data, on_name, on_peer,	   on_environ,
		on_close, on_exec, on_fork, on_exit_event,
	};
	struct lt_capture_opts opts = {.floor = floor, .ring_bytes = 64 << 20};
	struct lt_problem problem;
	uint64_t ns = 0;
	int pipes[2], status;
	pid_t child;

	verdict = wanted;
	chunks = 0;
	if (probes && lt_capture_open(&opts, &capture, &problem) < 0)
		die(problem.text);
	if (probes)
		attach(library);
	if (pipe(pipes) < 0)
		die("no pipe");
	child = fork();
	if (child == 0)
		caller(pipes[1], size);
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (probes)
			lt_ignore(lt_capture_poll(capture, &sink, 2));
		else
			usleep(2000);
	}
	if (read(pipes[0], &ns, sizeof(ns)) != sizeof(ns))
		die("the caller failed");
	close(pipes[0]);
	close(pipes[1]);
	if (probes) {
		lt_ignore(lt_capture_poll(capture, &sink, 0));
		check_chunks(floor, wanted);
		/* What stays attached is paid for by every measurement that follows. */
		attachment = lt_attachment_free(attachment);
		capture = lt_capture_free(capture);
	}
	if (!probes && ns > BARE_NS_MAX)
		die("a call without probes is too slow: something else traces it, or the machine "
		    "is busy");
	return (double)ns;
}

/* What each round measures, in turn, so that a slow spell of the machine meets all of them alike.
 */
static const struct mode {
	const char *name;
	bool probes, floor;
	enum lt_verdict verdict;
} modes[] = {
	{"bare", false, false, LT_VERDICT_FULL},
	{"floor", true, true, LT_VERDICT_FULL},
	{"full", true, false, LT_VERDICT_FULL},
	{"ignore", true, false, LT_VERDICT_IGNORE},
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

/* Ratios are taken within a round, against that round's own floor; the median of the rounds is the
 * figure. */
static void measure_size(const char *library, const char *name, int size)
{
	double cost[LT_COUNT(modes)][ROUNDS], ratio[LT_COUNT(modes)][ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t m = 0; m < LT_COUNT(modes); m++)
			cost[m][round] = measure(library, modes[m].probes, modes[m].floor,
						 modes[m].verdict, size);
		for (size_t m = 0; m < LT_COUNT(modes); m++)
			ratio[m][round] = cost[m][round] / cost[1][round];
	}
	for (size_t m = 0; m < LT_COUNT(modes); m++)
		printf("call_ns_%s_%s %.0f\n", name, modes[m].name, median(cost[m]));
	printf("probe_ratio_%s %.2f\n", name, median(ratio[2]));
	printf("probe_ratio_%s%s %.2f\n", "ignore", size == 100 ? "" : "_16k", median(ratio[3]));
	printf("probe_ratio_%s_lowest %.2f\n", name, ratio[2][0]);
	printf("probe_ratio_%s_highest %.2f\n", name, ratio[2][ROUNDS - 1]);
	printf("probe_ratio_ignore_%s_lowest %.2f\n", name, ratio[3][0]);
	printf("probe_ratio_ignore_%s_highest %.2f\n", name, ratio[3][ROUNDS - 1]);
}

int main(int argc, char **argv)
{
	const char *library = argc > 1 ? argv[1] : "/usr/lib/x86_64-linux-gnu/libssl.so.3";

	measure_size(library, "100b", 100);
	measure_size(library, "16k", 16384);
	return 0;
}
