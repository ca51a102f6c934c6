// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"

enum {
	TIMEOUT_MS = 5000,
	STEP_MS = 150, /* how long a set stop flag may go unseen */
	TOKEN_MAX = 64 << 10,
	HEAD_MAX = 256 << 10,	 /* bytes of all headers of one answer */
	REFUSAL_MAX = 64 << 10,	 /* of the body of a refusal, which nobody reads */
	RETRY_AFTER_MAX = 86400, /* s */
	KEEPALIVE_S = 15,
};

struct lt_http {
	CURLM *multi;
	CURL *easy;
	char *url;
	char *unix_socket;
	char *ca_file, *cert_file, *key_file;
	char *ca_pem, *cert_pem, *key_pem;
	char *token_file, *token;
	bool http2, any_certificate, may_send_token;
	unsigned timeout_ms;
	char error[CURL_ERROR_SIZE];
};

/* One request under way. */
struct run {
	struct lt_http *http;
	const struct lt_http_request *request;
	struct lt_http_answer *answer;
	struct curl_slist *headers;
	uint64_t last_ns; /* when a byte came, or when it began */
	size_t head_bytes, refusal_bytes;
	bool head_done;
	int stopped; /* why we ended it ourselves, 0: we did not */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool library_works;

static void init_library(void)
{
	library_works = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static bool is_url(const char *url)
{
	const char *host = NULL;

	if (!url)
		return false;
	if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	else if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	if (!host || !host[0])
		return false;
	for (; *host; host++) {
		if (*host <= ' ' || strchr("/?#@\\\x7f", *host))
			return false;
	}
	return true;
}

static int copy(const char *from, char **to)
{
	*to = from ? lt_strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int copy_opts(const struct lt_http_opts *opts, struct lt_http *http)
{
	if (copy(opts->url, &http->url) < 0 || copy(opts->unix_socket, &http->unix_socket) < 0 ||
	    copy(opts->ca_file, &http->ca_file) < 0 ||
	    copy(opts->cert_file, &http->cert_file) < 0 ||
	    copy(opts->key_file, &http->key_file) < 0 || copy(opts->ca_pem, &http->ca_pem) < 0 ||
	    copy(opts->cert_pem, &http->cert_pem) < 0 || copy(opts->key_pem, &http->key_pem) < 0 ||
	    copy(opts->token_file, &http->token_file) < 0 || copy(opts->token, &http->token) < 0)
		return -ENOMEM;
	http->http2 = opts->http2;
	http->any_certificate = opts->any_certificate;
	http->may_send_token = opts->unix_socket || strncmp(opts->url, "https://", 8) == 0;
	http->timeout_ms = opts->timeout_ms ? opts->timeout_ms : TIMEOUT_MS;
	return 0;
}

int lt_http_new(const struct lt_http_opts *opts, struct lt_http **ret, struct lt_problem *problem)
{
	lt_defer(lt_http_freep)
	struct lt_http *http = NULL;

	if (!is_url(opts->url))
		return lt_problem_set(problem, -EINVAL, "", 0,
				      "the URL must be http:// or https:// and a host, nothing "
				      "behind it");
	pthread_once(&once, init_library);
	http = lt_calloc(1, sizeof(*http));
	if (!library_works || !http)
		return -ENOMEM;
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	if (!http->multi || !http->easy || copy_opts(opts, http) < 0)
		return -ENOMEM;
	*ret = lt_take(http);
	return 0;
}

static void free_secret(char *text)
{
	if (text)
		lt_wipe(text, strlen(text));
	lt_free(text);
}

struct lt_http *lt_http_free(struct lt_http *http)
{
	if (!http)
		return NULL;
	if (http->easy)
		curl_easy_cleanup(http->easy);
	if (http->multi)
		curl_multi_cleanup(http->multi);
	lt_free(http->url);
	lt_free(http->unix_socket);
	lt_free(http->ca_file);
	lt_free(http->cert_file);
	lt_free(http->key_file);
	lt_free(http->ca_pem);
	lt_free(http->cert_pem);
	lt_free(http->token_file);
	free_secret(http->key_pem);
	free_secret(http->token);
	lt_free(http);
	return NULL;
}

/* ---- what libcurl calls ---------------------------------------------------------------------- */

static int open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)arg;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool is_good(const struct run *run)
{
	return run->answer->status >= 200 && run->answer->status < 300;
}

static bool header_is(struct lt_bytes line, const char *name, struct lt_bytes *ret_value)
{
	size_t n = strlen(name);

	if (line.n <= n || line.p[n] != ':' || !lt_bytes_is_nocase(lt_bytes(line.p, n), name))
		return false;
	line = lt_bytes_skip(line, n + 1);
	while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		line = lt_bytes_skip(line, 1);
	while (line.n > 0 && line.p[line.n - 1] <= ' ')
		line.n--;
	*ret_value = line;
	return true;
}

static void take_status(struct run *run, struct lt_bytes line)
{
	unsigned status = 0;

	while (line.n > 0 && line.p[0] != ' ')
		line = lt_bytes_skip(line, 1);
	line = lt_bytes_skip(line, 1);
	for (size_t i = 0; i < 3 && i < line.n && line.p[i] >= '0' && line.p[i] <= '9'; i++)
		status = status * 10 + (line.p[i] - '0');
	run->answer->status = status;
	run->head_done = false;
}

/* A line of the head or of the trailers. */
static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
	struct run *run = arg;
	struct lt_bytes line = lt_bytes(p, size * count), value;
	uint64_t n;

	run->last_ns = lt_clock_boot_ns();
	run->head_bytes += line.n;
	if (run->head_bytes > HEAD_MAX) {
		run->stopped = -EPROTO;
		return 0;
	}
	if (!run->head_done && lt_bytes_starts(line, "HTTP/"))
		take_status(run, line);
	else if (line.n <= 2 && run->answer->status >= 200)
		run->head_done = true;
	else if (header_is(line, "grpc-status", &value) && lt_parse_u64(value, &n) == 0 &&
		 n <= INT_MAX)
		run->answer->grpc_status = (int)n;
	return line.n;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
	struct run *run = arg;
	struct lt_bytes piece = lt_bytes(p, size * count);
	int r = 0;

	run->last_ns = lt_clock_boot_ns();
	if (!is_good(run)) {
		run->refusal_bytes += piece.n;
		return run->refusal_bytes > REFUSAL_MAX ? 0 : piece.n;
	}
	if (run->request->piece)
		r = run->request->piece(run->request->arg, piece);
	if (r < 0)
		run->stopped = r;
	return r < 0 ? 0 : piece.n;
}

/* ---- a request ------------------------------------------------------------------------------- */

static void free_headers(struct curl_slist *headers)
{
	for (struct curl_slist *i = headers; i; i = i->next)
		lt_wipe(i->data, strlen(i->data)); /* one of them may hold the token */
	curl_slist_free_all(headers);
}

static int add_header(struct run *run, const char *line)
{
	struct curl_slist *headers = curl_slist_append(run->headers, line);

	if (!headers)
		return -ENOMEM;
	run->headers = headers;
	return 0;
}

/* "name: " and the value, which must not end the header. */
static int add_named_header(struct run *run, const char *name, struct lt_bytes value)
{
	size_t size = strlen(name) + value.n + 3;
	char *line;
	int r;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < ' ' || value.p[i] == 0x7f)
			return -EINVAL;
	}
	line = lt_calloc(1, size);
	if (!line)
		return -ENOMEM;
	snprintf(line, size, "%s: %.*s", name, (int)value.n, (const char *)value.p);
	r = add_header(run, line);
	lt_wipe(line, size);
	lt_free(line);
	return r;
}

static int add_token(struct run *run, struct lt_bytes token)
{
	static const char scheme[] = "Bearer ";
	size_t size = sizeof(scheme) - 1 + token.n;
	char *value = lt_calloc(1, size);
	int r;

	if (!value)
		return -ENOMEM;
	memcpy(value, scheme, sizeof(scheme) - 1);
	memcpy(value + sizeof(scheme) - 1, token.p, token.n);
	r = add_named_header(run, "Authorization", lt_bytes(value, size));
	lt_wipe(value, size);
	lt_free(value);
	return r == -EINVAL ? -EACCES : r;
}

/* Projected tokens are replaced as they age: what was read for the last request may be too old. */
static int add_token_of_file(struct run *run, struct lt_problem *problem)
{
	const char *path = run->http->token_file;
	lt_defer(lt_closep)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	lt_defer(lt_freep)
	char *text = lt_calloc(1, TOKEN_MAX);
	ssize_t n;
	int r;

	if (!text)
		return -ENOMEM;
	n = fd < 0 ? -1 : read(fd, text, TOKEN_MAX);
	if (n < 0)
		return lt_problem_set(problem, -EACCES, path, 0, "the token cannot be read: %s",
				      strerror(errno));
	while (n > 0 && (unsigned char)text[n - 1] <= ' ')
		n--;
	r = n == 0 || n == TOKEN_MAX ? -EACCES : add_token(run, lt_bytes(text, (size_t)n));
	lt_wipe(text, TOKEN_MAX);
	if (r == -EACCES)
		lt_problem_set(problem, r, path, 0, "this is no token");
	return r;
}

static int make_headers(struct run *run, struct lt_problem *problem)
{
	const struct lt_http *http = run->http;
	const struct lt_http_request *request = run->request;
	int r = 0;

	for (size_t i = 0; r == 0 && request->headers && request->headers[i]; i++)
		r = add_header(run, request->headers[i]);
	if (r == 0 && request->content_type)
		r = add_named_header(run, "Content-Type", lt_bytes_str(request->content_type));
	if (r == 0 && request->content_type)
		r = add_header(run, "Expect:"); /* no wait for "100 Continue" */
	if (r == 0 && http->http2)
		r = add_header(run, "TE: trailers");
	if (r < 0 || !http->may_send_token)
		return r;
	if (http->token_file)
		return add_token_of_file(run, problem);
	return http->token ? add_token(run, lt_bytes_str(http->token)) : 0;
}

/* A file, or its text; NULL both: what libcurl takes by itself. */
static void set_pem(CURL *easy, CURLoption file_option, const char *file, CURLoption pem_option,
		    const char *pem)
{
	struct curl_blob blob = {.data = (void *)pem, .flags = CURL_BLOB_NOCOPY};

	if (file)
		curl_easy_setopt(easy, file_option, file);
	else if (pem) {
		blob.len = strlen(pem);
		curl_easy_setopt(easy, pem_option, &blob);
	}
}

static void set_connection(CURL *easy, struct lt_http *http)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not what the environment says */
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a slow resolver delays no end */
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, http->unix_socket);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 http->http2 ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
				     : (long)CURL_HTTP_VERSION_1_1);
	/* libcurl 7.88 breaks the second call of a connection with prior knowledge. */
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, http->http2 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, http->any_certificate ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, http->any_certificate ? 0L : 2L);
	/* A CA file that was replaced counts from the next connection on. */
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	set_pem(easy, CURLOPT_CAINFO, http->ca_file, CURLOPT_CAINFO_BLOB, http->ca_pem);
	set_pem(easy, CURLOPT_SSLCERT, http->cert_file, CURLOPT_SSLCERT_BLOB, http->cert_pem);
	set_pem(easy, CURLOPT_SSLKEY, http->key_file, CURLOPT_SSLKEY_BLOB, http->key_pem);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->error);
}

static int set_request(struct run *run, struct lt_problem *problem)
{
	struct lt_http *http = run->http;
	const struct lt_http_request *request = run->request;
	CURL *easy = http->easy;
	size_t size;
	char *url;
	int r;

	if (!request->path || request->path[0] != '/')
		return -EINVAL;
	for (const char *p = request->path; *p; p++) {
		if (*p <= ' ' || *p == 0x7f)
			return -EINVAL;
	}
	size = strlen(http->url) + strlen(request->path) + 1;
	url = lt_calloc(1, size);
	if (!url)
		return -ENOMEM;
	snprintf(url, size, "%s%s", http->url, request->path);
	curl_easy_reset(easy);
	set_connection(easy, http);
	curl_easy_setopt(easy, CURLOPT_URL, url); /* copied */
	lt_free(url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "ledgertap/" LT_VERSION);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, run);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, run);
	if (request->content_type) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
				 request->body.n ? (const char *)request->body.p : "");
	}
	r = make_headers(run, problem);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, run->headers);
	return r;
}

/* How long it may go on without a byte. */
static uint64_t patience_ns(const struct run *run)
{
	uint64_t head_ms = run->http->timeout_ms;
	uint64_t idle_ms = run->request->idle_ms ? run->request->idle_ms : head_ms;

	return (run->head_done || run->http->http2 ? idle_ms : head_ms) * 1000000;
}

static int keep_on(struct run *run)
{
	if (run->request->stop && atomic_load(run->request->stop))
		return -ECANCELED;
	return lt_clock_boot_ns() - run->last_ns > patience_ns(run) ? -ETIMEDOUT : 0;
}

/* Until it is answered, broken or stopped. *@ret is how libcurl saw it. */
static void drive(struct run *run, CURLcode *ret)
{
	CURLM *multi = run->http->multi;
	CURLMsg *message;
	int running = 1, left;

	*ret = CURLE_OK;
	while (run->stopped == 0) {
		if (curl_multi_perform(multi, &running) != CURLM_OK) {
			run->stopped = -ENOMEM;
			break;
		}
		if (!running)
			break;
		if (curl_multi_poll(multi, NULL, 0, STEP_MS, NULL) != CURLM_OK)
			run->stopped = -ENOMEM;
		else
			run->stopped = keep_on(run);
	}
	while ((message = curl_multi_info_read(multi, &left))) {
		if (message->msg == CURLMSG_DONE)
			*ret = message->data.result;
	}
}

static int errno_of(struct lt_http *http)
{
	long error = 0;

	curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &error);
	return error == ENOENT || error == EACCES ? (int)-error : -ECONNREFUSED;
}

static int code_of(struct lt_http *http, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return errno_of(http);
	case CURLE_COULDNT_RESOLVE_HOST:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return -EACCES;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* What the library says may quote what a server sent. */
static int told(struct lt_http *http, int r, const char *text, struct lt_problem *problem)
{
	char clean[CURL_ERROR_SIZE];

	snprintf(clean, sizeof(clean), "%s", text);
	for (char *p = clean; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return lt_problem_set(problem, r, "", 0, "%s: %s",
			      http->unix_socket ? http->unix_socket : http->url, clean);
}

static int settle(struct run *run, CURLcode code, struct lt_problem *problem)
{
	struct lt_http *http = run->http;
	curl_off_t retry_after = 0;

	/* The rest of a refusal does not matter. */
	if (run->head_done && !is_good(run) && run->stopped != -ECANCELED)
		run->stopped = 0, code = CURLE_OK;
	if (run->stopped == -ETIMEDOUT)
		return told(http, -ETIMEDOUT, "no answer in time", problem);
	if (run->stopped == -EPROTO && code == CURLE_WRITE_ERROR && !run->head_done)
		return told(http, -EPROTO, "its headers are too long", problem);
	if (run->stopped < 0)
		return run->stopped;
	if (code != CURLE_OK)
		return told(http, code_of(http, code),
			    http->error[0] ? http->error : curl_easy_strerror(code), problem);
	curl_easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > 0)
		run->answer->retry_after_s = retry_after < RETRY_AFTER_MAX ? (unsigned)retry_after
									   : RETRY_AFTER_MAX;
	return 0;
}

/* A peer that has gone must not end the process: SIGPIPE is held off, and what came of it taken. */
static void drive_quietly(struct run *run, CURLcode *ret)
{
	const struct timespec at_once = {0};
	sigset_t pipe_set, old, pending;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	drive(run, ret);
	curl_multi_remove_handle(run->http->multi, run->http->easy);
	if (!sigismember(&pending, SIGPIPE))
		lt_ignore(sigtimedwait(&pipe_set, NULL, &at_once));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int lt_http_run(struct lt_http *http, const struct lt_http_request *request,
		struct lt_http_answer *ret, struct lt_problem *problem)
{
	struct run run = {.http = http, .request = request, .answer = ret};
	CURLcode code = CURLE_OK;
	int r;

	*ret = (struct lt_http_answer){.grpc_status = -1};
	http->error[0] = '\0';
	r = set_request(&run, problem);
	if (r == 0 && curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
		r = -ENOMEM;
	if (r == 0) {
		run.last_ns = lt_clock_boot_ns();
		drive_quietly(&run, &code);
		r = settle(&run, code, problem);
	}
	curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, NULL);
	free_headers(run.headers);
	return r;
}
