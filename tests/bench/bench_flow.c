// SPDX-License-Identifier: Apache-2.0
/*
 * What watching connections costs those who have any: a ping-pong of one byte over loopback and a
 * connection opened and closed, with the programs of bpf/flow.bpf.c attached over the same without.
 * Counted is the CPU time of both ends: a busy machine shows less in it than in the clock. "other":
 * a port that is not watched; "watched": one that is, with a ClientHello first. Prints lines "name
 * value"; each ratio is the median of rounds that take all three in turn.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "userspace/capture/capture.h"

enum { ROUNDS = 15, PINGS = 20000, CONNECTIONS = 2000, HELLO = 300 };

static struct lt_capture *capture;
static unsigned hellos, flows;

static void on_hello(void *arg, const struct lt_event_hello *event)
{
	(void)arg;
	hellos += event->position == 0;
}

static void on_flow(void *arg, const struct lt_event_flow *event)
{
	(void)arg;
	flows += event->ended;
}

#define IGNORE_EVENT(name, type)                                                                   \
	static void name(void *arg, const struct type *event)                                      \
	{                                                                                          \
		(void)arg;                                                                         \
		(void)event;                                                                       \
	}
IGNORE_EVENT(on_data, lt_chunk)
IGNORE_EVENT(on_name, lt_event_name)
IGNORE_EVENT(on_peer, lt_event_peer)
IGNORE_EVENT(on_environ, lt_event_environ)
IGNORE_EVENT(on_close, lt_event_close)
IGNORE_EVENT(on_exec, lt_event_exec)
IGNORE_EVENT(on_fork, lt_event_fork)
IGNORE_EVENT(on_exit_event, lt_event_exit)

static void die(const char *what)
{
	fprintf(stderr, "bench_flow: %s\n", what);
	exit(1);
}

static int listen_somewhere(struct sockaddr_in *ret)
{
	socklen_t size = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)ret, size) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret, &size) < 0)
		die("no socket");
	return fd;
}

static int dial(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	uint8_t begin[HELLO] = {22, 3, 1, 0, 0, 1, 0, 0, 0};

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	begin[3] = (HELLO - 5) >> 8;
	begin[4] = (HELLO - 5) & 255;
	begin[7] = (HELLO - 9) >> 8;
	begin[8] = (HELLO - 9) & 255;
	if (write(fd, begin, sizeof(begin)) != (ssize_t)sizeof(begin))
		die("cannot write");
	return fd;
}

/* The server: a byte back for every byte behind the first HELLO ones, one connection at a time. */
static void serve(int listener)
{
	char data[HELLO];

	for (;;) {
		int fd = accept(listener, NULL, NULL), on = 1;
		ssize_t n, left = HELLO;

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		while ((n = read(fd, data, left > 0 ? (size_t)left : sizeof(data))) > 0) {
			if (left > 0)
				left -= n;
			else
				lt_ignore(write(fd, data, (size_t)n));
		}
		close(fd);
	}
}

/* In a child: round trips, or connections with all that belongs to them. */
static void client(const struct sockaddr_in *to, bool connections)
{
	int count = connections ? CONNECTIONS : PINGS;
	int fd = connections ? -1 : dial(to);
	char byte = 'x';

	for (int i = 0; i < count; i++) {
		if (connections)
			fd = dial(to);
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			die("no answer");
		if (connections)
			close(fd);
	}
}

static double cpu_ns(const struct rusage *use)
{
	return (double)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1e9 +
	       (double)(use->ru_utime.tv_usec + use->ru_stime.tv_usec) * 1e3;
}

static void watch(uint16_t port)
{
	struct lt_capture_opts opts = {.flow_ports = {port}, .flow_port_count = 1};
	struct lt_problem problem;

	if (lt_capture_open(&opts, &capture, &problem) < 0 ||
	    lt_capture_watch_flows(capture, &problem) < 0)
		die(problem.text);
}

/* @watched: -1 nothing is attached, 0 another port is watched, 1 this one is. */
static double measure(int watched, bool connections)
{
	const struct lt_capture_sink sink = {
		.data = on_data,
		.name = on_name,
		.peer = on_peer,
		.environ = on_environ,
		.close = on_close,
		.exec = on_exec,
		.fork = on_fork,
		.exit = on_exit_event,
		.hello = on_hello,
		.flow = on_flow,
	};
	struct sockaddr_in to;
	int listener = listen_somewhere(&to), status;
	struct rusage client_use, server_use;
	pid_t server, child;

	hellos = flows = 0;
	if (watched >= 0)
		watch(watched ? ntohs(to.sin_port) : 443);
	server = fork();
	if (server == 0)
		serve(listener);
	child = fork();
	if (child == 0) {
		client(&to, connections);
		_exit(0);
	}
	while (wait4(child, &status, WNOHANG, &client_use) == 0) {
		if (watched >= 0)
			lt_ignore(lt_capture_poll(capture, &sink, 10));
		else
			usleep(10000);
	}
	if (status != 0)
		die("the client failed");
	kill(server, SIGKILL);
	wait4(server, &status, 0, &server_use);
	close(listener);
	if (watched >= 0) {
		lt_ignore(lt_capture_poll(capture, &sink, 0));
		capture = lt_capture_free(capture);
	}
	/* A measurement in which the programs did something else than its name says is worth
	 * nothing. */
	if (watched == 1 ? hellos != (connections ? CONNECTIONS : 1) : hellos > 0)
		die("not every connection was told of, or others were");
	return (cpu_ns(&client_use) + cpu_ns(&server_use)) / (connections ? CONNECTIONS : PINGS);
}

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

static void measure_kind(const char *name, bool connections)
{
	double bare[ROUNDS], other[ROUNDS], watched[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		bare[round] = measure(-1, connections);
		other[round] = measure(0, connections) / bare[round];
		watched[round] = measure(1, connections) / bare[round];
	}
	printf("flow_ns_%s %.0f\n", name, median(bare));
	printf("flow_ratio_%s_other %.3f\n", name, median(other));
	printf("flow_ratio_%s_watched %.3f\n", name, median(watched));
	printf("flow_ratio_%s_other_lowest %.3f\n", name, other[0]);
	printf("flow_ratio_%s_other_highest %.3f\n", name, other[ROUNDS - 1]);
}

int main(void)
{
	measure_kind("packet", false);
	measure_kind("connection", true);
	return 0;
}
