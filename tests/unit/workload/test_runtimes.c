// SPDX-License-Identifier: Apache-2.0
/* All of it together: against files, and against daemons that answer, hang, lie and go away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/workload/answers.h"
#include "userspace/base/alloc.h"
#include "userspace/workload/runtimes.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define WEB1 "40df8411ec263626a648126be2540669d1ecd137e58b95cbb8b86e743ad4b29f"
#define D1   "sha256:1111111111111111111111111111111111111111111111111111111111111111"

static char folder[64];

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static const char *in_folder(const char *name)
{
	static char path[4][512];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(path[at], sizeof(path[at]), "%s/%s", folder, name);
	return path[at];
}

static void write_file(const char *name, struct lt_bytes text)
{
	char temporary[256];
	FILE *f;

	snprintf(temporary, sizeof(temporary), "%s/.new", folder);
	f = fopen(temporary, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	fclose(f);
	assert_int_equal(rename(temporary, in_folder(name)), 0);
}

/* ---- what was told ---- */

static struct {
	pthread_mutex_t lock;
	char log[4096]; /* "id name image digest type label|" */
	char gone[512], states[512];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void add(char *log, size_t size, const char *text)
{
	size_t n = strlen(log);

	snprintf(log + n, size - n, "%s", text);
}

static void on_container(void *arg, const struct lt_runtime_source *source,
			 const struct lt_container_facts *f)
{
	const char *tenant = "-";
	char line[700];

	(void)arg;
	for (size_t i = 0; i < f->labels.count; i++) {
		if (strcmp(f->labels.at[i].key, "tenant") == 0)
			tenant = f->labels.at[i].value;
	}
	snprintf(line, sizeof(line), "%.4s %s %s %.10s %s%s%s %s|", f->id, f->name, f->image,
		 f->digest, f->namespace, f->namespace[0] ? "/" : "",
		 lt_runtime_type_name(source->type), tenant);
	pthread_mutex_lock(&told.lock);
	add(told.log, sizeof(told.log), line);
	pthread_mutex_unlock(&told.lock);
}

static void on_gone(void *arg, const char *id)
{
	char line[32];

	(void)arg;
	snprintf(line, sizeof(line), "%.4s|", id);
	pthread_mutex_lock(&told.lock);
	add(told.gone, sizeof(told.gone), line);
	pthread_mutex_unlock(&told.lock);
}

static void on_state(void *arg, const struct lt_runtime_source *source, const char *problem)
{
	char line[300];

	(void)arg;
	snprintf(line, sizeof(line), "%s: %s|", lt_runtime_type_name(source->type),
		 problem ? problem : "up");
	pthread_mutex_lock(&told.lock);
	add(told.states, sizeof(told.states), line);
	pthread_mutex_unlock(&told.lock);
}

static bool has(const char *log, const char *text)
{
	bool found;

	pthread_mutex_lock(&told.lock);
	found = strstr(log, text);
	pthread_mutex_unlock(&told.lock);
	return found;
}

static void is_log(const char *log, const char *expected)
{
	pthread_mutex_lock(&told.lock);
	assert_string_equal(log, expected);
	pthread_mutex_unlock(&told.lock);
}

static void wait_for(const char *log, const char *text)
{
	uint64_t until = now_ms() + 4000;

	while (!has(log, text)) {
		if (now_ms() > until)
			fail_msg("no \"%s\" in \"%s\"", text, log);
		pause_ms(5);
	}
}

static void wait_count(atomic_uint *count, unsigned least)
{
	uint64_t until = now_ms() + 4000;

	while (atomic_load(count) < least) {
		assert_true(now_ms() < until);
		pause_ms(2);
	}
}

/* ---- a daemon ---- */

enum behaviour { ANSWERS_ALL, HANGS, GARBAGE, HALF, ENDLESS, FORBIDDEN, ERRORS, SILENT_CLOSE };

static struct {
	_Atomic(enum behaviour) behaviour;
	atomic_bool has_a; /* container A is known */
	atomic_uint looks, lists, images;
	atomic_int news_fd;
	int fd;
	pthread_t thread;
	atomic_bool running;
} fake;

#define ENTRY_A                                                                                    \
	"{\"Id\":\"" ID_A "\",\"Names\":[\"/web\"],\"Image\":\"reg/web:1\",\"ImageID\":"           \
	"\"sha256:i1\",\"Labels\":{\"tenant\":\"acme\"}}"

static void say(int fd, const char *status, const char *body)
{
	char text[2048];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: "
			 "%zu\r\n\r\n%s",
			 status, strlen(body), body);

	lt_ignore(send(fd, text, (size_t)n, MSG_NOSIGNAL));
}

static void answer_well(int fd, const char *request)
{
	static const char begin[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

	if (strncmp(request, "GET /events", 11) == 0) {
		lt_ignore(send(fd, begin, sizeof(begin) - 1, MSG_NOSIGNAL));
		atomic_store(&fake.news_fd, fd);
	} else if (strncmp(request, "GET /images/sha256:i1/json", 26) == 0) {
		atomic_fetch_add(&fake.images, 1);
		say(fd, "200 OK", "{\"RepoDigests\":[\"reg/web@" D1 "\"]}");
	} else if (strncmp(request, "GET /containers/json?all=1", 26) == 0) {
		atomic_fetch_add(&fake.looks, 1);
		/* The filter takes any beginning: the fake is as generous. */
		say(fd, "200 OK", atomic_load(&fake.has_a) ? "[" ENTRY_A "]" : "[]");
	} else if (strncmp(request, "GET /containers/json ", 21) == 0) {
		atomic_fetch_add(&fake.lists, 1);
		say(fd, "200 OK", atomic_load(&fake.has_a) ? "[" ENTRY_A "]" : "[]");
	} else {
		say(fd, "404 Not Found", "{}");
	}
}

static void send_endless(int fd)
{
	static char filler[65536];

	memset(filler, 'x', sizeof(filler));
	lt_ignore(send(fd, "HTTP/1.1 200 OK\r\n\r\n[{\"Id\":\"", 28, MSG_NOSIGNAL));
	while (fake.running && send(fd, filler, sizeof(filler), MSG_NOSIGNAL) > 0)
		;
}

static bool answer_request(int fd, const char *request)
{
	switch (atomic_load(&fake.behaviour)) {
	case ANSWERS_ALL:
		answer_well(fd, request);
		return true;
	case HANGS:
		return true;
	case GARBAGE:
		say(fd, "200 OK", "\x01\x02 no JSON }}}");
		return true;
	case HALF:
		say(fd, "200 OK", "[{\"Id\":\"" ID_A "\",\"Na");
		return true;
	case ENDLESS:
		send_endless(fd);
		return false;
	case FORBIDDEN:
		say(fd, "403 Forbidden", "{}");
		return true;
	case ERRORS:
		say(fd, "500 Internal Server Error", "{}");
		return true;
	case SILENT_CLOSE:
		return false;
	}
	return false;
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char request[4096];
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, request + n, sizeof(request) - 1 - n, 0)) > 0) {
		n += (size_t)got;
		request[n] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue;
		n = 0;
		if (!answer_request(fd, request))
			break;
	}
	close(fd);
	return NULL;
}

static void *serve(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(fake.fd, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			return NULL;
		assert_int_equal(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd), 0);
		pthread_detach(thread);
	}
}

static void start_fake(enum behaviour behaviour)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_folder("d.sock"));
	unlink(address.sun_path);
	atomic_store(&fake.behaviour, behaviour);
	atomic_store(&fake.has_a, false);
	atomic_store(&fake.looks, 0);
	atomic_store(&fake.lists, 0);
	atomic_store(&fake.images, 0);
	atomic_store(&fake.news_fd, -1);
	fake.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fake.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fake.fd, 64), 0);
	fake.running = true;
	assert_int_equal(pthread_create(&fake.thread, NULL, serve, NULL), 0);
}

static void stop_fake(void)
{
	if (!fake.running)
		return;
	fake.running = false;
	shutdown(fake.fd, SHUT_RDWR);
	pthread_join(fake.thread, NULL);
	close(fake.fd);
	unlink(in_folder("d.sock"));
}

static void tell_news(const char *action)
{
	char event[300], chunk[400];
	int n = snprintf(event, sizeof(event),
			 "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"" ID_A
			 "\"}}\n",
			 action);

	for (unsigned i = 0; i < 800 && atomic_load(&fake.news_fd) < 0; i++)
		pause_ms(5);
	n = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n", (unsigned)n, event);
	assert_int_equal(send(atomic_load(&fake.news_fd), chunk, (size_t)n, MSG_NOSIGNAL), n);
}

/* ---- the runtimes ---- */

static struct lt_runtimes *runtimes;

/* @yaml_text: with '@' for the folder. */
static void expand(const char *yaml_text, char *to, size_t size)
{
	size_t n = 0;

	for (; *yaml_text; yaml_text++) {
		if (*yaml_text == '@')
			n += (size_t)snprintf(to + n, size - n, "%s", folder);
		else
			to[n++] = *yaml_text;
	}
	to[n] = '\0';
}

static void begin(const char *yaml_text)
{
	struct lt_runtimes_opts opts = {
		.container = on_container, .gone = on_gone, .state = on_state};
	struct lt_runtimes_config *config;
	struct lt_problem problem = {0};
	struct lt_yaml *yaml;
	char text[1024];

	expand(yaml_text, text, sizeof(text));
	memset(told.log, 0, sizeof(told.log));
	memset(told.gone, 0, sizeof(told.gone));
	memset(told.states, 0, sizeof(told.states));
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t", &yaml, &problem), 0);
	if (lt_runtimes_config_new(yaml, lt_yaml_root(yaml), &config, &problem) < 0)
		fail_msg("%u: %s", problem.line, problem.text);
	opts.config = config;
	assert_int_equal(lt_runtimes_start(&opts, &runtimes), 0);
	lt_runtimes_config_free(config);
	lt_yaml_free(yaml);
}

static void wait_settled(void)
{
	uint64_t until = now_ms() + 4000;

	while (!lt_runtimes_settled(runtimes)) {
		assert_true(now_ms() < until);
		pause_ms(5);
	}
}

/* However the sources are, it ends at once. */
static void end(void)
{
	uint64_t began = now_ms();

	runtimes = lt_runtimes_stop(runtimes);
	if (now_ms() - began > 500)
		fail_msg("stopping took %llu ms", (unsigned long long)(now_ms() - began));
	stop_fake();
}

#define DOCKER "{type: docker, socket: '@/d.sock'}"

static void a_daemon_is_listed_and_asked(void **state)
{
	(void)state;
	start_fake(ANSWERS_ALL);
	atomic_store(&fake.has_a, true);
	begin("{runtimes: [" DOCKER "]}");
	wait_settled();
	wait_for(told.log, "aaaa web reg/web:1 sha256:111 docker acme|");
	wait_for(told.states, "docker: up|");
	end();
	is_log(told.gone, "");
	assert_int_equal(atomic_load(&fake.images), 1);
}

/* Its cgroup is there before the daemon knows it. */
static void an_unknown_one_is_asked_for_again(void **state)
{
	uint64_t began;

	(void)state;
	start_fake(ANSWERS_ALL);
	begin("{runtimes: [" DOCKER "]}");
	wait_for(told.states, "docker: up|");
	lt_runtimes_ask(runtimes, ID_A);
	lt_runtimes_ask(runtimes, ID_B);
	wait_count(&fake.looks, 4);
	is_log(told.log, "");
	began = now_ms();
	atomic_store(&fake.has_a, true);
	wait_for(told.log, "aaaa web reg/web:1 sha256:111 docker acme|");
	assert_true(now_ms() - began < 700);
	/* The fake answers the question for B with A: that is no answer. */
	assert_false(has(told.log, "bbbb"));
	end();
}

static void an_answer_is_there_at_once(void **state)
{
	uint64_t began;

	(void)state;
	start_fake(ANSWERS_ALL);
	begin("{runtimes: [" DOCKER "]}");
	wait_for(told.states, "docker: up|");
	wait_count(&fake.lists, 2); /* the second when the news have begun */
	pause_ms(20);
	atomic_store(&fake.has_a, true);
	began = now_ms();
	lt_runtimes_ask(runtimes, ID_A);
	wait_for(told.log, "aaaa web");
	assert_true(now_ms() - began < 300); /* a list comes after 10 s */
	end();
}

static void news_are_followed(void **state)
{
	(void)state;
	start_fake(ANSWERS_ALL);
	begin("{runtimes: [" DOCKER "]}");
	wait_for(told.states, "docker: up|");
	atomic_store(&fake.has_a, true);
	tell_news("create");
	wait_for(told.log, "aaaa web");
	tell_news("start");
	wait_for(told.log, "acme|aaaa web");
	tell_news("die");
	wait_for(told.gone, "aaaa|");
	end();
	/* The digest of an image is asked for once. */
	assert_int_equal(atomic_load(&fake.images), 1);
}

/* Whoever asks for a known one has forgotten it. */
static void a_known_one_is_told_again_when_asked_for(void **state)
{
	(void)state;
	start_fake(ANSWERS_ALL);
	atomic_store(&fake.has_a, true);
	begin("{runtimes: [" DOCKER "]}");
	wait_for(told.log, "aaaa web");
	wait_count(&fake.lists, 2);
	pause_ms(50);
	lt_runtimes_ask(runtimes, ID_A); /* told a moment ago */
	pause_ms(1100);
	assert_false(has(told.log, "acme|aaaa"));
	lt_runtimes_ask(runtimes, ID_A);
	wait_for(told.log, "acme|aaaa web");
	end();
}

static void what_is_missing_in_a_list_is_gone(void **state)
{
	(void)state;
	start_fake(ANSWERS_ALL);
	atomic_store(&fake.has_a, true);
	begin("{runtimes: [" DOCKER "]}");
	wait_for(told.log, "aaaa web");
	atomic_store(&fake.has_a, false);
	/* Its stream of news breaks, so it is listed anew. */
	tell_news("attach");
	shutdown(atomic_load(&fake.news_fd), SHUT_RDWR);
	wait_for(told.gone, "aaaa|");
	end();
}

static void put_storage(void)
{
	struct lt_bytes containers = answer("storage_containers.json");
	struct lt_bytes images = answer("storage_images.json");

	mkdir(in_folder("overlay-containers"), 0755);
	mkdir(in_folder("overlay-images"), 0755);
	write_file("overlay-images/images.json", images);
	write_file("overlay-containers/containers.json", containers);
	free((void *)containers.p);
	free((void *)images.p);
}

static void files_of_storage_are_read_and_watched(void **state)
{
	(void)state;
	put_storage();
	write_file("overlay-containers/containers.json", lt_bytes_str("[]"));
	begin("{runtimes: [{type: storage, path: '@'}]}");
	wait_settled();
	is_log(told.log, "");
	pause_ms(100);
	put_storage();
	wait_for(told.log, "40df web1 localhost/t:1 sha256:21f storage -|");
	/* Podman writes what ends by itself into a file of its own. */
	write_file("overlay-containers/volatile-containers.json",
		   lt_bytes_str("[{\"id\":\"" ID_B "\",\"names\":[\"once\"],\"metadata\":\"{\"}]"));
	wait_for(told.log, "bbbb once   storage -|");
	write_file("overlay-containers/volatile-containers.json", lt_bytes_str("[]"));
	wait_for(told.gone, "bbbb|");
	assert_false(has(told.gone, "40df"));
	end();
	unlink(in_folder("overlay-containers/volatile-containers.json"));
}

/* A link would have root read what the user may not. */
static void files_that_are_none_are_not_read(void **state)
{
	(void)state;
	put_storage();
	assert_int_equal(rename(in_folder("overlay-containers/containers.json"), in_folder("x")),
			 0);
	assert_int_equal(symlink(in_folder("x"), in_folder("overlay-containers/containers.json")),
			 0);
	begin("{runtimes: [{type: storage, path: '@'}]}");
	wait_for(told.states, "storage: permission denied|");
	end();
	unlink(in_folder("overlay-containers/containers.json"));
	assert_int_equal(mkfifo(in_folder("overlay-containers/containers.json"), 0600), 0);
	begin("{runtimes: [{type: storage, path: '@'}]}");
	wait_for(told.states, "storage: permission denied|");
	end();
	unlink(in_folder("overlay-containers/containers.json"));
	is_log(told.log, "");
}

static void broken_files_tell_what_they_can(void **state)
{
	(void)state;
	put_storage();
	write_file("overlay-containers/containers.json",
		   lt_bytes_str("[{\"id\":\"" ID_A "\",\"names\":[\"a\"]},{\"id\":"));
	begin("{runtimes: [{type: storage, path: '@'}]}");
	wait_for(told.states, "storage: ");
	wait_for(told.log, "aaaa a   storage -|");
	end();
}

static void put_docker_root(void)
{
	struct lt_bytes file = answer("docker_config_v2.json");

	mkdir(in_folder("containers"), 0755);
	mkdir(in_folder("containers/"
			"01d537a68c3f468b12078ab6cd86b44c2470b09d7d8ae4e4ccb50ad1bfbc2434"),
	      0755);
	mkdir(in_folder("containers/" ID_B), 0755);
	mkdir(in_folder("containers/.."), 0755);
	write_file("containers/01d537a68c3f468b12078ab6cd86b44c2470b09d7d8ae4e4ccb50ad1bfbc2434/"
		   "config.v2.json",
		   file);
	/* Another container's file in its place. */
	write_file("containers/" ID_B "/config.v2.json",
		   lt_bytes_str("{\"ID\":\"" ID_A "\",\"Name\":\"/a\"}"));
	mkdir(in_folder("image"), 0755);
	mkdir(in_folder("image/overlay2"), 0755);
	write_file("image/overlay2/repositories.json",
		   lt_bytes_str("{\"Repositories\":{\"t\":{\"t@" D1
				"\":\"sha256:b032360554675123a2bdf53733a0c1bba022a3d759518f3169737"
				"05b61831f41\"}}}"));
	free((void *)file.p);
}

static void files_of_docker_are_read(void **state)
{
	(void)state;
	put_docker_root();
	begin("{runtimes: [{type: docker-root, path: '@'}]}");
	wait_for(told.log, "01d5 dk1b t:1 sha256:111 docker-root globex|");
	pause_ms(100);
	end();
	assert_null(strchr(strchr(told.log, '|') + 1, '|'));
}

/* The storage has no labels: its word does not replace that of the API. */
static void the_better_source_is_followed(void **state)
{
	(void)state;
	put_storage();
	write_file("overlay-containers/containers.json", lt_bytes_str("[]"));
	start_fake(ANSWERS_ALL);
	atomic_store(&fake.has_a, true);
	begin("{runtimes: [{type: storage, path: '@'}, " DOCKER "]}");
	wait_for(told.log, "aaaa web reg/web:1 sha256:111 docker acme|");
	pause_ms(100);
	write_file("overlay-containers/containers.json",
		   lt_bytes_str("[{\"id\":\"" ID_A "\",\"names\":[\"false\"]},{\"id\":\"" ID_B
				"\",\"names\":[\"b\"]}]"));
	wait_for(told.log, "bbbb b   storage -|");
	assert_false(has(told.log, "false"));
	/* Nor is it gone when the worse one does not have it any more. */
	write_file("overlay-containers/containers.json", lt_bytes_str("[]"));
	wait_for(told.gone, "bbbb|");
	assert_false(has(told.gone, "aaaa"));
	end();
}

/* What the storage has just seen is asked for where its labels are known. */
static void the_better_source_is_asked(void **state)
{
	(void)state;
	put_storage();
	write_file("overlay-containers/containers.json", lt_bytes_str("[]"));
	start_fake(ANSWERS_ALL);
	begin("{runtimes: [{type: storage, path: '@'}, " DOCKER "]}");
	wait_for(told.states, "docker: up|");
	wait_count(&fake.lists, 2);
	atomic_store(&fake.has_a, true);
	write_file("overlay-containers/containers.json",
		   lt_bytes_str("[{\"id\":\"" ID_A "\",\"names\":[\"a\"]}]"));
	wait_for(told.log, "aaaa web reg/web:1 sha256:111 docker acme|");
	end();
}

/* One hangs, lies or goes away: the other answers as ever, and all ends at once. */
static void bad_daemons_hold_up_nobody(void **state)
{
	static const struct {
		enum behaviour behaviour;
		const char *says;
	} cases[] = {{HANGS, "docker: it does not answer|"},
		     {GARBAGE, "docker: "},
		     {HALF, "docker: "},
		     {ENDLESS, ""},
		     {FORBIDDEN, "docker: permission denied|"},
		     {ERRORS, "docker: /containers/json is answered by HTTP 500|"},
		     {SILENT_CLOSE, "docker: "}};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		unsigned long before = lt_alloc_live();

		put_storage();
		write_file("overlay-containers/containers.json", lt_bytes_str("[]"));
		start_fake(cases[i].behaviour);
		begin("{runtimes: [" DOCKER ", {type: storage, path: '@'}]}");
		wait_for(told.states, "storage: up|");
		pause_ms(50);
		put_storage();
		wait_for(told.log, "40df web1");
		for (unsigned n = 0; n < 2000; n++)
			lt_runtimes_ask(runtimes, n % 2 ? ID_B : ID_A);
		if (cases[i].says[0])
			wait_for(told.states, cases[i].says);
		assert_false(has(told.states, "docker: up|"));
		assert_true(lt_alloc_live() - before < 6 << 20);
		end();
		assert_int_equal(lt_alloc_live(), before);
	}
}

static void a_hanging_one_is_stopped_in_its_question(void **state)
{
	static const char *const types[] = {"docker", "cri", "containerd", "podman"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < LT_COUNT(types); i++) {
		start_fake(HANGS);
		snprintf(text, sizeof(text), "{runtimes: [{type: %s, socket: '@/d.sock'}]}",
			 types[i]);
		begin(text);
		pause_ms(100);
		end();
		is_log(told.states, "");
	}
}

/* A daemon of another kind behind the socket. */
static void http1_is_no_grpc(void **state)
{
	(void)state;
	start_fake(ANSWERS_ALL);
	begin("{runtimes: [{type: cri, socket: '@/d.sock'}]}");
	wait_for(told.states, "cri: ");
	assert_false(has(told.states, "up|"));
	end();
}

static void it_is_said_once_that_none_is_there(void **state)
{
	(void)state;
	begin("{runtimes: [" DOCKER "]}");
	wait_for(told.states, "docker: it is not there|");
	lt_runtimes_ask(runtimes, ID_A);
	pause_ms(1300); /* another try */
	is_log(told.states, "docker: it is not there|");
	start_fake(ANSWERS_ALL);
	atomic_store(&fake.has_a, true);
	wait_for(told.states, "docker: up|");
	wait_for(told.log, "aaaa web");
	end();
}

static void none_is_asked_where_there_is_none(void **state)
{
	(void)state;
	begin("{runtimes: []}");
	assert_true(lt_runtimes_settled(runtimes));
	lt_runtimes_ask(runtimes, ID_A);
	end();
	begin("{host_root: '@/nowhere'}");
	assert_true(lt_runtimes_settled(runtimes));
	end();
}

#define USER_STORAGE "home/u/.local/share/containers/storage"

static void put_user_storage(const char *containers)
{
	static const char *const folders[] = {
		"etc",
		"run",
		"home",
		"home/u",
		"home/u/.local",
		"home/u/.local/share",
		"home/u/.local/share/containers",
		USER_STORAGE,
		USER_STORAGE "/overlay-containers",
	};

	for (size_t i = 0; i < LT_COUNT(folders); i++)
		mkdir(in_folder(folders[i]), 0755);
	write_file(USER_STORAGE "/overlay-containers/containers.json", lt_bytes_str(containers));
	write_file("etc/passwd", lt_bytes_str("root:x:0:0::/root:/bin/sh\nbad\n"
					      "u:x:1001:1001:a user:/home/u:/bin/sh\n"));
}

/* As in a DaemonSet, with the host below another root: root's places, and those of users. */
static void usual_places_are_found(void **state)
{
	(void)state;
	put_user_storage("[{\"id\":\"" ID_B "\",\"names\":[\"b\"]}]");
	begin("{host_root: '@/'}");
	wait_for(told.log, "bbbb b   storage -|");
	end();
}

/* A user writes of a container of root's, as if it were another one. */
static void users_say_nothing_of_what_is_not_theirs(void **state)
{
	(void)state;
	put_user_storage("[]");
	start_fake(ANSWERS_ALL);
	atomic_store(&fake.has_a, true);
	assert_int_equal(symlink("../d.sock", in_folder("run/docker.sock")), 0);
	begin("{host_root: '@'}");
	wait_for(told.log, "aaaa web reg/web:1 sha256:111 docker acme|");
	pause_ms(50);
	put_user_storage("[{\"id\":\"" ID_A "\",\"names\":[\"lie\"]},{\"id\":\"" ID_B
			 "\",\"names\":[\"k8s_b_pod_shop_uid_0\"]}]");
	wait_for(told.log, "bbbb b   storage -|");
	assert_false(has(told.log, "lie"));
	assert_false(has(told.log, "shop"));
	put_user_storage("[]");
	wait_for(told.gone, "bbbb|");
	assert_false(has(told.gone, "aaaa"));
	end();
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/ltrtXXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	runtimes = lt_runtimes_stop(runtimes);
	stop_fake();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_daemon_is_listed_and_asked),
		TEST(an_unknown_one_is_asked_for_again),
		TEST(an_answer_is_there_at_once),
		TEST(news_are_followed),
		TEST(a_known_one_is_told_again_when_asked_for),
		TEST(what_is_missing_in_a_list_is_gone),
		TEST(files_of_storage_are_read_and_watched),
		TEST(files_that_are_none_are_not_read),
		TEST(broken_files_tell_what_they_can),
		TEST(files_of_docker_are_read),
		TEST(the_better_source_is_followed),
		TEST(the_better_source_is_asked),
		TEST(bad_daemons_hold_up_nobody),
		TEST(a_hanging_one_is_stopped_in_its_question),
		TEST(http1_is_no_grpc),
		TEST(it_is_said_once_that_none_is_there),
		TEST(none_is_asked_where_there_is_none),
		TEST(usual_places_are_found),
		TEST(users_say_nothing_of_what_is_not_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
