// SPDX-License-Identifier: Apache-2.0
/*
 * What reading connections in the clear costs everybody else: a system call that has nothing to do
 * with it, and a message through a TCP connection to a port that nobody asked for; and what it
 * costs the connection that is read. Each with no programs at all, with those on the sockets'
 * tracepoints, and with those that follow system calls: while nobody is there to be followed, and
 * while somebody is. Ratios within a round are what counts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "userspace/base/clock.h"
#include "userspace/capture/capture.h"

enum {
	ROUNDS = 9,
	SYSCALLS = 200000,
	MESSAGES = 10000,
	MESSAGE = 100,
	WANTED_PORT = 45431,
	OTHER_PORT = 45432,
};

enum { GETPID, OTHER, WANTED, KINDS };

static struct lt_capture *capture;

static void die(const char *what)
{
	fprintf(stderr, "bench_plain: %s\n", what);
	exit(1);
}

static void on_data(void *arg, const struct lt_chunk *chunk)
{
	struct lt_conn conn = {
		.key.generation = chunk->conn->generation,
		.slot = chunk->conn->slot,
	};

	(*(unsigned long *)arg)++;
	lt_capture_set_verdict(capture, &conn, LT_VERDICT_FULL);
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

/* Both ends of a connection to @port of this host. */
static void connect_pair(uint16_t port, int ret[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0 ||
	    connect(ret[0], (struct sockaddr *)&address, sizeof(address)) < 0)
		die("no connection");
	ret[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void pass(const int pair[2], int count)
{
	static char data[MESSAGE] = "POST /v1/chat/completions HTTP/1.1\r\n";

	for (int i = 0; i < count; i++) {
		if (send(pair[0], data, sizeof(data), 0) != MESSAGE ||
		    recv(pair[1], data, sizeof(data), MSG_WAITALL) != MESSAGE)
			die("a message was lost");
	}
}

/* Somebody to be followed, for as long as he lives. */
static pid_t follow_somebody(void)
{
	pid_t child = fork();
	int pair[2];

	if (child == 0) {
		connect_pair(WANTED_PORT, pair);
		pause();
		_exit(0);
	}
	return child;
}

static uint64_t spent(uint64_t begun, int count)
{
	return (lt_clock_boot_ns() - begun) * 1000 / (uint64_t)count; /* ps */
}

/* In the child: what each kind costs, through the pipe. The wanted connection is made last: until
 * then nobody follows this process. */
static void caller(int out)
{
	uint64_t cost[KINDS], begun;
	int pair[2];

	usleep(100000);
	begun = lt_clock_boot_ns();
	for (int i = 0; i < SYSCALLS; i++)
		syscall(SYS_getpid);
	cost[GETPID] = spent(begun, SYSCALLS);
	connect_pair(OTHER_PORT, pair);
	pass(pair, MESSAGES / 10);
	begun = lt_clock_boot_ns();
	pass(pair, MESSAGES);
	cost[OTHER] = spent(begun, MESSAGES);
	connect_pair(WANTED_PORT, pair);
	usleep(100000);
	pass(pair, 1);
	usleep(100000); /* the verdict comes */
	begun = lt_clock_boot_ns();
	pass(pair, MESSAGES);
	cost[WANTED] = spent(begun, MESSAGES);
	lt_ignore(write(out, cost, sizeof(cost)));
	_exit(0);
}

static const struct mode {
	const char *name;
	bool programs;
	enum lt_attach_way way; /* PLAIN: as on kernels whose sockets have no tracepoints */
	bool followed;
} modes[] = {
	{"bare", false, LT_ATTACH_AUTO, false},
	{"sockets", true, LT_ATTACH_AUTO, false},
	{"syscalls_idle", true, LT_ATTACH_PLAIN, false},
	{"syscalls_followed", true, LT_ATTACH_PLAIN, true},
};

static void open_capture(const struct mode *mode)
{
	static uint64_t ports[LT_PORT_WORDS];
	struct lt_capture_opts opts = {
		.way = mode->way, .plain_ports = ports, .ring_bytes = 64 << 20};
	struct lt_problem problem;

	ports[WANTED_PORT / 64] = 1ULL << WANTED_PORT % 64;
	if (lt_capture_open(&opts, &capture, &problem) < 0)
		die(problem.text);
}

static void measure(const struct mode *mode, double ret[KINDS])
{
	unsigned long chunks = 0;
	const struct lt_capture_sink sink = {
		&chunks,  on_data, on_name, on_peer,	   on_environ,
		on_close, on_exec, on_fork, on_exit_event,
	};
	pid_t child, followed = 0;
	uint64_t cost[KINDS];
	int pipes[2], status;

	if (mode->programs)
		open_capture(mode);
	if (mode->followed) {
		followed = follow_somebody();
		lt_ignore(lt_capture_poll(capture, &sink, 200));
	}
	if (pipe(pipes) < 0)
		die("no pipe");
	child = fork();
	if (child == 0)
		caller(pipes[1]);
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (mode->programs)
			lt_ignore(lt_capture_poll(capture, &sink, 2));
		else
			usleep(2000);
	}
	if (read(pipes[0], cost, sizeof(cost)) != sizeof(cost))
		die("the caller failed");
	close(pipes[0]);
	close(pipes[1]);
	if (mode->programs) {
		lt_ignore(lt_capture_poll(capture, &sink, 0));
		if (chunks < MESSAGES)
			die("the connection to measure was not read");
		capture = lt_capture_free(capture);
	}
	if (followed > 0) {
		kill(followed, SIGKILL);
		waitpid(followed, &status, 0);
	}
	for (int kind = 0; kind < KINDS; kind++)
		ret[kind] = (double)cost[kind] / 1000;
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

int main(void)
{
	static const char *const kinds[KINDS] = {"getpid", "other_port", "wanted_port"};
	double cost[LT_COUNT(modes)][KINDS][ROUNDS], ratio[LT_COUNT(modes)][KINDS][ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t m = 0; m < LT_COUNT(modes); m++) {
			double one[KINDS];

			measure(&modes[m], one);
			for (int kind = 0; kind < KINDS; kind++) {
				cost[m][kind][round] = one[kind];
				ratio[m][kind][round] = one[kind] / cost[0][kind][round];
			}
		}
	}
	for (int kind = 0; kind < KINDS; kind++) {
		for (size_t m = 0; m < LT_COUNT(modes); m++) {
			printf("plain_ns_%s_%s %.0f\n", kinds[kind], modes[m].name,
			       median(cost[m][kind]));
			if (m > 0)
				printf("plain_ratio_%s_%s %.2f\n", kinds[kind], modes[m].name,
				       median(ratio[m][kind]));
		}
	}
	return 0;
}
