// SPDX-License-Identifier: Apache-2.0
/* The client against a server of this process that plays one script for each connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "userspace/base/clock.h"
#include "userspace/workload/http.h"

struct server {
	int fd;
	pthread_t thread;
	void (*serve)(struct server *server, int fd);
	char url[64], path[108];
	char seen[65536]; /* what the last request was */
	atomic_uint connections;
};

static void *run_server(void *arg)
{
	struct server *server = arg;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
		atomic_fetch_add(&server->connections, 1);
		server->serve(server, fd);
		close(fd);
	}
	return NULL;
}

static void start(struct server *server, bool local, void (*serve)(struct server *, int))
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(in);

	*server = (struct server){.serve = serve};
	server->fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
	if (local) {
		snprintf(server->path, sizeof(server->path), "/tmp/lt-test-http-%d", getpid());
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", server->path);
		unlink(server->path);
		assert_int_equal(bind(server->fd, (void *)&un, sizeof(un)), 0);
		snprintf(server->url, sizeof(server->url), "http://localhost");
	} else {
		assert_int_equal(bind(server->fd, (void *)&in, sizeof(in)), 0);
		getsockname(server->fd, (void *)&in, &size);
		snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d",
			 ntohs(in.sin_port));
	}
	assert_int_equal(listen(server->fd, 8), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, run_server, server), 0);
}

static void stop(struct server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	if (server->path[0])
		unlink(server->path);
}

static void say(int fd, const void *p, size_t n)
{
	lt_ignore(send(fd, p, n, MSG_NOSIGNAL));
}

static void say_text(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* Reads one request with its body; false when the client has gone. */
static bool hear(struct server *server, int fd)
{
	size_t n = 0, length = 0;
	char *end, *field;

	for (;;) {
		ssize_t got = read(fd, server->seen + n, sizeof(server->seen) - 1 - n);

		if (got <= 0)
			return false;
		n += (size_t)got;
		server->seen[n] = '\0';
		end = strstr(server->seen, "\r\n\r\n");
		field = strstr(server->seen, "Content-Length: ");
		if (field)
			length = strtoul(field + 16, NULL, 10);
		if (end && server->seen + n >= end + 4 + length)
			return true;
	}
}

static void pause_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* ---- scripts --------------------------------------------------------------------------------- */

static void two_chunks(struct server *server, int fd)
{
	while (hear(server, fd))
		say_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			     "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n");
}

static void refusal(struct server *server, int fd)
{
	if (hear(server, fd))
		say_text(fd, "HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 4\r\n"
			     "\r\nbusy");
}

static void endless_refusal(struct server *server, int fd)
{
	char piece[4096];

	memset(piece, 'x', sizeof(piece));
	if (!hear(server, fd))
		return;
	say_text(fd, "HTTP/1.1 500 Broken\r\n\r\n");
	while (send(fd, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
		;
}

static void endless_head(struct server *server, int fd)
{
	static const char line[] = "X-Filler: 0123456789012345678901234567890123456789\r\n";

	if (!hear(server, fd))
		return;
	say_text(fd, "HTTP/1.1 200 OK\r\n");
	while (send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL) > 0)
		;
}

static void silence(struct server *server, int fd)
{
	char c;

	if (hear(server, fd))
		lt_ignore(read(fd, &c, 1)); /* until the client goes */
}

static void silence_in_the_body(struct server *server, int fd)
{
	char c;

	if (!hear(server, fd))
		return;
	say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin");
	lt_ignore(read(fd, &c, 1));
}

static void slow_drip(struct server *server, int fd)
{
	if (!hear(server, fd))
		return;
	say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
	for (size_t i = 0; i < 6; i++) {
		pause_ms(100);
		say(fd, &"abcdef"[i], 1);
	}
}

static void cut(struct server *server, int fd)
{
	if (hear(server, fd))
		say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin");
}

static void garbage(struct server *server, int fd)
{
	if (hear(server, fd))
		say_text(fd, "\x01\x02 what\r\nis this\r\n\r\n");
}

static void redirect(struct server *server, int fd)
{
	if (hear(server, fd))
		say_text(fd, "HTTP/1.1 302 Over There\r\nLocation: http://127.0.0.1:1/\r\n"
			     "Content-Length: 0\r\n\r\n");
}

/* ---- what the client kept -------------------------------------------------------------------- */

struct kept {
	char body[256];
	size_t n;
	int refuse;
};

static int keep(void *arg, struct lt_bytes piece)
{
	struct kept *kept = arg;

	if (kept->refuse)
		return kept->refuse;
	assert_true(kept->n + piece.n < sizeof(kept->body));
	memcpy(kept->body + kept->n, piece.p, piece.n);
	kept->n += piece.n;
	return 0;
}

static struct lt_http *client(const struct lt_http_opts *opts)
{
	struct lt_problem problem = {0};
	struct lt_http *http = NULL;

	assert_int_equal(lt_http_new(opts, &http, &problem), 0);
	return http;
}

/* One GET with 0.5 s of patience. */
static int get(struct server *server, struct kept *kept, struct lt_http_answer *answer,
	       struct lt_problem *problem)
{
	const struct lt_http_request request = {.path = "/x?y=1", .piece = keep, .arg = kept};
	struct lt_http *http = client(
		&(struct lt_http_opts){.url = server->url,
				       .unix_socket = server->path[0] ? server->path : NULL,
				       .timeout_ms = 500});
	int r = lt_http_run(http, &request, answer, problem);

	lt_http_free(http);
	return r;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void answers_come_in_pieces_over_one_connection(void **state)
{
	const struct lt_http_request request = {.path = "/x?y=1", .piece = keep};
	struct lt_http_answer answer;
	struct server server;
	struct lt_http *http;

	(void)state;
	start(&server, false, two_chunks);
	http = client(&(struct lt_http_opts){.url = server.url});
	for (int i = 0; i < 3; i++) {
		struct lt_http_request again = request;
		struct kept kept = {0};

		again.arg = &kept;
		assert_int_equal(lt_http_run(http, &again, &answer, NULL), 0);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.grpc_status, -1);
		assert_string_equal(kept.body, "firstsecond");
	}
	assert_non_null(strstr(server.seen, "GET /x?y=1 HTTP/1.1\r\n"));
	assert_int_equal(atomic_load(&server.connections), 1);
	lt_http_free(http);
	stop(&server);
}

static void unix_sockets_headers_and_posts(void **state)
{
	const char *const headers[] = {"X-Own: 1", NULL};
	struct kept kept = {0};
	const struct lt_http_request request = {.path = "/v1/post",
						.body = lt_bytes_str("{\"a\":1}"),
						.content_type = "application/json",
						.headers = headers,
						.piece = keep,
						.arg = &kept};
	struct lt_http_answer answer;
	struct server server;
	struct lt_http *http;

	(void)state;
	start(&server, true, two_chunks);
	http = client(&(struct lt_http_opts){
		.url = server.url, .unix_socket = server.path, .token = "s3cret"});
	assert_int_equal(lt_http_run(http, &request, &answer, NULL), 0);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(server.seen, "POST /v1/post HTTP/1.1\r\n"));
	assert_non_null(strstr(server.seen, "X-Own: 1\r\n"));
	assert_non_null(strstr(server.seen, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(server.seen, "Authorization: Bearer s3cret\r\n"));
	assert_non_null(strstr(server.seen, "\r\n\r\n{\"a\":1}"));
	assert_null(strstr(server.seen, "Expect"));
	lt_http_free(http);
	stop(&server);
}

static void refusals_are_answers(void **state)
{
	struct lt_http_answer answer;
	struct server server;
	struct kept kept = {0};

	(void)state;
	start(&server, false, refusal);
	assert_int_equal(get(&server, &kept, &answer, NULL), 0);
	assert_int_equal(answer.status, 429);
	assert_int_equal(answer.retry_after_s, 7);
	assert_int_equal(kept.n, 0);
	stop(&server);

	start(&server, false, endless_refusal);
	assert_int_equal(get(&server, &kept, &answer, NULL), 0);
	assert_int_equal(answer.status, 500);
	assert_int_equal(kept.n, 0);
	stop(&server);

	start(&server, false, redirect);
	assert_int_equal(get(&server, &kept, &answer, NULL), 0);
	assert_int_equal(answer.status, 302);
	stop(&server);
}

static void broken_answers_are_errors(void **state)
{
	static const struct {
		void (*serve)(struct server *, int);
		int error;
	} cases[] = {
		{silence, -ETIMEDOUT}, {silence_in_the_body, -ETIMEDOUT}, {cut, -EPROTO},
		{garbage, -EPROTO},    {endless_head, -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_http_answer answer;
		struct lt_problem problem = {0};
		struct kept kept = {0};
		struct server server;
		uint64_t from = lt_clock_boot_ns();

		start(&server, false, cases[i].serve);
		assert_int_equal(get(&server, &kept, &answer, &problem), cases[i].error);
		assert_true(problem.text[0]);
		assert_true(lt_clock_boot_ns() - from < 2000000000);
		stop(&server);
	}
}

static void slow_is_not_silent(void **state)
{
	struct lt_http_answer answer;
	struct server server;
	struct kept kept = {0};

	(void)state;
	start(&server, false, slow_drip);
	assert_int_equal(get(&server, &kept, &answer, NULL), 0);
	assert_string_equal(kept.body, "abcdef");
	stop(&server);
}

static void who_takes_pieces_may_end_it(void **state)
{
	struct kept kept = {.refuse = -E2BIG};
	struct lt_http_answer answer;
	struct server server;

	(void)state;
	start(&server, false, two_chunks);
	assert_int_equal(get(&server, &kept, &answer, NULL), -E2BIG);
	assert_int_equal(answer.status, 200);
	stop(&server);
}

static void *set_soon(void *arg)
{
	pause_ms(200);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void the_stop_flag_ends_a_wait(void **state)
{
	atomic_bool stopped = false;
	struct kept kept = {0};
	const struct lt_http_request request = {
		.path = "/watch", .idle_ms = 60000, .stop = &stopped, .piece = keep, .arg = &kept};
	struct lt_http_answer answer;
	struct server server;
	struct lt_http *http;
	pthread_t thread;
	uint64_t from;

	(void)state;
	start(&server, false, silence_in_the_body);
	http = client(&(struct lt_http_opts){.url = server.url});
	from = lt_clock_boot_ns();
	assert_int_equal(pthread_create(&thread, NULL, set_soon, &stopped), 0);
	assert_int_equal(lt_http_run(http, &request, &answer, NULL), -ECANCELED);
	assert_true(lt_clock_boot_ns() - from < 400000000);
	assert_string_equal(kept.body, "begin");
	pthread_join(thread, NULL);
	lt_http_free(http);
	stop(&server);
}

static void nobody_there(void **state)
{
	const struct lt_http_request request = {.path = "/"};
	struct lt_http_answer answer;
	struct lt_problem problem = {0};
	struct lt_http *http = client(&(struct lt_http_opts){.url = "http://127.0.0.1:1"});

	(void)state;
	assert_int_equal(lt_http_run(http, &request, &answer, &problem), -ECONNREFUSED);
	assert_non_null(strstr(problem.text, "127.0.0.1"));
	lt_http_free(http);
	http = client(&(struct lt_http_opts){.url = "http://localhost",
					     .unix_socket = "/nonexistent/socket"});
	assert_int_equal(lt_http_run(http, &request, &answer, &problem), -ENOENT);
	assert_non_null(strstr(problem.text, "/nonexistent/socket"));
	lt_http_free(http);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void tokens_are_read_again_and_stay_off_the_clear_wire(void **state)
{
	const struct lt_http_request request = {.path = "/"};
	struct lt_http_answer answer;
	struct lt_problem problem = {0};
	struct server server;
	struct lt_http *http;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/lt-test-token-%d", getpid());
	start(&server, true, two_chunks);
	http = client(&(struct lt_http_opts){
		.url = server.url, .unix_socket = server.path, .token_file = path});
	write_file(path, "one\n");
	assert_int_equal(lt_http_run(http, &request, &answer, NULL), 0);
	assert_non_null(strstr(server.seen, "Authorization: Bearer one\r\n"));
	write_file(path, "two");
	assert_int_equal(lt_http_run(http, &request, &answer, NULL), 0);
	assert_non_null(strstr(server.seen, "Authorization: Bearer two\r\n"));
	write_file(path, "two\r\nX-Evil: 1");
	assert_int_equal(lt_http_run(http, &request, &answer, &problem), -EACCES);
	assert_null(strstr(problem.text, "Evil"));
	unlink(path);
	assert_int_equal(lt_http_run(http, &request, &answer, &problem), -EACCES);
	lt_http_free(http);
	stop(&server);

	start(&server, false, two_chunks);
	http = client(&(struct lt_http_opts){.url = server.url, .token = "s3cret"});
	assert_int_equal(lt_http_run(http, &request, &answer, NULL), 0);
	assert_null(strstr(server.seen, "Authorization"));
	lt_http_free(http);
	stop(&server);
}

static void wrong_urls_and_paths_are_refused(void **state)
{
	static const char *const urls[] = {"",		 "10.0.0.1",   "ftp://x",
					   "https://",	 "http://a/b", "http://u:p@host",
					   "http://a b", "http://a?x"};
	static const char *const paths[] = {"x", "", "/a b", "/a\r\nX: 1"};
	struct lt_http_answer answer;
	struct lt_http *http = NULL;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(urls); i++) {
		struct lt_problem problem = {0};

		assert_int_equal(
			lt_http_new(&(struct lt_http_opts){.url = urls[i]}, &http, &problem),
			-EINVAL);
		assert_true(problem.text[0]);
	}
	http = client(&(struct lt_http_opts){.url = "http://127.0.0.1:1"});
	for (size_t i = 0; i < LT_COUNT(paths); i++)
		assert_int_equal(lt_http_run(http, &(struct lt_http_request){.path = paths[i]},
					     &answer, NULL),
				 -EINVAL);
	lt_http_free(http);
}

/* ---- gRPC ------------------------------------------------------------------------------------ */

static void frame(int fd, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
	uint8_t head[9] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags, 0, 0, 0,
			   (uint8_t)stream};

	say(fd, head, sizeof(head));
	say(fd, p, n);
}

/* A header that is not indexed. */
static size_t literal(uint8_t *to, const char *name, const char *value)
{
	size_t n = strlen(name), m = strlen(value);

	to[0] = 0;
	to[1] = (uint8_t)n;
	memcpy(to + 2, name, n);
	to[2 + n] = (uint8_t)m;
	memcpy(to + 3 + n, value, m);
	return 3 + n + m;
}

/* Plays a unary call whose answer has a message, and its status in the trailers. */
static void grpc(struct server *server, int fd)
{
	uint8_t block[128];
	char preface[24];
	size_t n;

	if (recv(fd, preface, sizeof(preface), MSG_WAITALL) != sizeof(preface))
		return;
	frame(fd, 4, 0, 0, NULL, 0); /* SETTINGS */
	for (;;) {
		uint8_t head[9];
		uint32_t length;

		if (recv(fd, head, sizeof(head), MSG_WAITALL) != sizeof(head))
			return;
		length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
		if (length > 0 && recv(fd, server->seen, length, MSG_WAITALL) != length)
			return;
		server->seen[length] = '\0';
		if (head[3] == 4 && !(head[4] & 1))
			frame(fd, 4, 1, 0, NULL, 0);
		if (head[3] != 0 || !(head[4] & 1)) /* until DATA that ends the stream */
			continue;
		pause_ms(700);	 /* longer than the head's time */
		block[0] = 0x88; /* ":status: 200" of the static table */
		n = 1 + literal(block + 1, "content-type", "application/grpc");
		frame(fd, 1, 4, head[8], block, n);
		frame(fd, 0, 0, head[8], "\0\0\0\0\2ok", 7);
		n = literal(block, "grpc-status", "5");
		frame(fd, 1, 4 | 1, head[8], block, n);
	}
}

static void grpc_over_a_unix_socket(void **state)
{
	struct kept kept = {0};
	const struct lt_http_request request = {.path = "/runtime.v1.RuntimeService/Version",
						.body = lt_bytes("\0\0\0\0\0", 5),
						.content_type = "application/grpc",
						.idle_ms = 3000,
						.piece = keep,
						.arg = &kept};
	struct lt_http_answer answer;
	struct server server;
	struct lt_http *http;

	(void)state;
	start(&server, true, grpc);
	http = client(&(struct lt_http_opts){
		.url = server.url, .unix_socket = server.path, .http2 = true, .timeout_ms = 500});
	for (int i = 0; i < 2; i++) {
		kept.n = 0;
		assert_int_equal(lt_http_run(http, &request, &answer, NULL), 0);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.grpc_status, 5);
		assert_int_equal(kept.n, 7);
		assert_memory_equal(kept.body, "\0\0\0\0\2ok", 7);
	}
	lt_http_free(http);
	stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_in_pieces_over_one_connection),
		cmocka_unit_test(unix_sockets_headers_and_posts),
		cmocka_unit_test(refusals_are_answers),
		cmocka_unit_test(broken_answers_are_errors),
		cmocka_unit_test(slow_is_not_silent),
		cmocka_unit_test(who_takes_pieces_may_end_it),
		cmocka_unit_test(the_stop_flag_ends_a_wait),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(tokens_are_read_again_and_stay_off_the_clear_wire),
		cmocka_unit_test(wrong_urls_and_paths_are_refused),
		cmocka_unit_test(grpc_over_a_unix_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
