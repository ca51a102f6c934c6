// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTPS request and out, within some ten milliseconds. libssl comes by dlopen, so that the
 * tests choose which file it is, when it appears, and whether that file still exists when it is
 * used. With -DLINKED it is linked in.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef LINKED
#include <openssl/ssl.h>
#endif

enum { CTRL_SET_TLSEXT_HOSTNAME = 55, REQUEST_MAX = 16384 };

struct openssl {
	void *(*client_method)(void);
	void *(*ctx_new)(const void *method);
	int (*load_verify)(void *ctx, const char *file, const char *dir);
	void *(*ssl_new)(void *ctx);
	int (*set_fd)(void *ssl, int fd);
	long (*ctrl)(void *ssl, int cmd, long larg, void *parg);
	int (*connect)(void *ssl);
	int (*write)(void *ssl, const void *buf, int n);
	int (*read)(void *ssl, void *buf, int n);
};

struct options {
	const char *library;
	unsigned before_load_ms;
	unsigned after_load_ms;
	bool unlink_library;
	const char *host;
	const char *path;
	const char *headers; /* lines with CRLF, may be "" */
	const char *body;
	const char *wait_for;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

#ifdef LINKED
static struct openssl load(const struct options *o)
{
	(void)o;
	return (struct openssl){
		.client_method = (void *)TLS_client_method,
		.ctx_new = (void *)SSL_CTX_new,
		.load_verify = (void *)SSL_CTX_load_verify_locations,
		.ssl_new = (void *)SSL_new,
		.set_fd = (void *)SSL_set_fd,
		.ctrl = (void *)SSL_ctrl,
		.connect = (void *)SSL_connect,
		.write = (void *)SSL_write,
		.read = (void *)SSL_read,
	};
}
#else
static void *symbol(void *library, const char *name)
{
	void *p = dlsym(library, name);

	if (!p)
		die(name);
	return p;
}

static struct openssl load(const struct options *o)
{
	void *library = dlopen(o->library, RTLD_NOW);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return (struct openssl){
		.client_method = symbol(library, "TLS_client_method"),
		.ctx_new = symbol(library, "SSL_CTX_new"),
		.load_verify = symbol(library, "SSL_CTX_load_verify_locations"),
		.ssl_new = symbol(library, "SSL_new"),
		.set_fd = symbol(library, "SSL_set_fd"),
		.ctrl = symbol(library, "SSL_ctrl"),
		.connect = symbol(library, "SSL_connect"),
		.write = symbol(library, "SSL_write"),
		.read = symbol(library, "SSL_read"),
	};
}
#endif

static int dial(const char *host)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
	int fd;

	if (getaddrinfo(host, "443", &hints, &found) != 0)
		die("getaddrinfo");
	fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		die("connect");
	freeaddrinfo(found);
	return fd;
}

static int exchange(const struct openssl *tls, const struct options *o)
{
	char buffer[REQUEST_MAX];
	void *ctx = tls->ctx_new(tls->client_method());
	void *ssl;
	int n, total = 0;

	if (!ctx || tls->load_verify(ctx, getenv("SSL_CERT_FILE"), NULL) != 1)
		die("SSL_CTX");
	ssl = tls->ssl_new(ctx);
	tls->set_fd(ssl, dial(o->host));
	tls->ctrl(ssl, CTRL_SET_TLSEXT_HOSTNAME, 0, (void *)o->host);
	if (tls->connect(ssl) != 1)
		die("SSL_connect");
	n = snprintf(
		buffer, sizeof(buffer),
		"POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\n"
		"connection: close\r\nx-lt-want: %s; pid=%d\r\n%scontent-length: %zu\r\n\r\n%s",
		o->path, o->host, getenv("LT_WANT") ? getenv("LT_WANT") : "", (int)getpid(),
		o->headers, strlen(o->body), o->body);
	if (n >= (int)sizeof(buffer) || tls->write(ssl, buffer, n) != n)
		die("SSL_write");
	while ((n = tls->read(ssl, buffer, sizeof(buffer))) > 0)
		total += n;
	return total > 0 ? 0 : 1;
}

static const char usage[] =
	"usage: short_call [-l LIBSSL] [-b MS] [-a MS] [-w FILE] [-u] HOST PATH HEADERS BODY\n"
	"  -l  file or name for dlopen    -u  delete that file once it is loaded\n"
	"  -b  wait before it is loaded   -a  wait after   -w  wait after, until there is FILE\n";

int main(int argc, char **argv)
{
	struct options o = {.library = "libssl.so.3"};
	struct openssl tls;
	int c;

	while ((c = getopt(argc, argv, "l:b:a:w:u")) != -1) {
		switch (c) {
		case 'l':
			o.library = optarg;
			break;
		case 'b':
			o.before_load_ms = strtoul(optarg, NULL, 10);
			break;
		case 'a':
			o.after_load_ms = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			o.wait_for = optarg;
			break;
		case 'u':
			o.unlink_library = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 4) {
		fputs(usage, stderr);
		return 2;
	}
	o.host = argv[optind];
	o.path = argv[optind + 1];
	o.headers = argv[optind + 2];
	o.body = argv[optind + 3];
	usleep(o.before_load_ms * 1000);
	tls = load(&o);
	if (o.unlink_library && unlink(o.library) != 0)
		die("unlink");
	usleep(o.after_load_ms * 1000);
	while (o.wait_for && access(o.wait_for, F_OK) != 0)
		usleep(10000);
	return exchange(&tls, &o);
}
