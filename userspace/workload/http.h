/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP to the APIs of runtimes and of Kubernetes, over TLS or a unix socket, answers as they come.
 * The only user of libcurl here. One thread at a time per client.
 */
#pragma once

#include <stdatomic.h>

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/problem.h"

struct lt_http;

struct lt_http_opts {
	const char *url; /* "https://10.0.0.1:443", "http://localhost"; copied, as all here */
	const char *unix_socket;	  /* path, NULL: as the URL says */
	bool http2;			  /* with prior knowledge, for gRPC */
	const char *ca_file;		  /* NULL: the system's */
	const char *cert_file, *key_file; /* client certificate; NULL: none */
	/* The same as PEM text, instead of the files. */
	const char *ca_pem, *cert_pem, *key_pem;
	bool any_certificate; /* only when the config says so */
	/*
	 * Bearer token, as a file that is read again for each request, or as it is; NULL: none.
	 * It goes out over TLS or to a unix socket only.
	 */
	const char *token_file, *token;
	/*
	 * To connect, and for each answer's head; 0: 5 s. With http2 the head may come with the
	 * first message of a stream: there it has the request's idle_ms.
	 */
	unsigned timeout_ms;
};

struct lt_http_request {
	const char *path;	    /* with its query */
	struct lt_bytes body;	    /* a POST when content_type is given */
	const char *content_type;   /* NULL: GET */
	const char *const *headers; /* "name: value", NULL terminated; NULL: none */
	unsigned idle_ms;	    /* without a byte for so long it is given up; 0: timeout_ms */
	const atomic_bool *stop;    /* ends the request within 0.2 s of being set; may be NULL */
	/* The body of a 2xx answer, piece by piece. A negative return ends it, and is returned. */
	int (*piece)(void *arg, struct lt_bytes piece);
	void *arg;
};

struct lt_http_answer {
	unsigned status;
	int grpc_status;	/* -1: none was sent */
	unsigned retry_after_s; /* 0: not said */
};

/* -EINVAL: the URL is not http:// or https:// and a host, or has a path or a password. -ENOMEM. */
LT_MUST_CHECK int lt_http_new(const struct lt_http_opts *opts, struct lt_http **ret,
			      struct lt_problem *problem);
struct lt_http *lt_http_free(struct lt_http *http);
LT_DEFINE_FREEP(lt_http_free, struct lt_http)

/*
 * Whatever status was answered is 0. -ECONNREFUSED (nobody listens, no such host), -ETIMEDOUT,
 * -ENOENT (no such socket), -EACCES (token or key cannot be read), -EPROTO (TLS or HTTP broken,
 * @problem says what), -EINVAL (no path), -ECANCELED (stop), or what piece returned.
 */
LT_MUST_CHECK int lt_http_run(struct lt_http *http, const struct lt_http_request *request,
			      struct lt_http_answer *ret, struct lt_problem *problem);
