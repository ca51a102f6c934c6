// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/listening.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/discover/procfs.h"

/* Listens on a port of the kernel's choice. */
static int listen_somewhere(int family, uint16_t *ret_port)
{
	struct sockaddr_in6 address = {.sin6_family = (sa_family_t)family};
	socklen_t n = sizeof(address);
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address,
			   family == AF_INET ? sizeof(struct sockaddr_in) : n) < 0)
		return -1;
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
	*ret_port = ntohs(address.sin6_port); /* in the same place in both families */
	return fd;
}

static uint64_t start_of(pid_t pid)
{
	struct lt_procfs_stat stat;
	int fd = lt_procfs_open("/proc", (uint32_t)pid);

	assert_true(fd >= 0);
	assert_int_equal(lt_procfs_stat(fd, &stat), 0);
	close(fd);
	return stat.start_ns;
}

static bool listens(pid_t pid, uint64_t start, uint16_t port)
{
	struct lt_listening l = {0};

	return lt_process_listens(&l, (uint32_t)pid, start, port);
}

static void who_listens_is_known(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	uint64_t start = start_of(getpid());
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fd = listen_somewhere(families[i], &port);

		if (fd < 0 && families[i] == AF_INET6)
			continue; /* a host without */
		assert_true(fd >= 0);
		assert_true(listens(getpid(), start, port));
		assert_true(listens(getpid(), start + 1000000, port));
		assert_false(listens(getpid(), start, (uint16_t)(port ^ 1)));
		assert_false(listens(getpid(), start + 1000000000, port)); /* another process */
		assert_false(listens(getpid(), start - 1, port));
		close(fd);
		assert_false(listens(getpid(), start, port));
	}
}

static void a_worker_accepts_for_its_parent(void **state)
{
	uint16_t port;
	int fd = listen_somewhere(AF_INET, &port), hold[2];
	pid_t worker;
	char c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pipe(hold), 0);
	worker = fork();
	if (worker == 0) { /* is passed its connections, and has not the socket itself */
		close(fd);
		close(hold[1]);
		_exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
	}
	close(hold[0]);
	while (!listens(worker, start_of(worker), port))
		; /* until it has closed it, both hold */
	assert_true(listens(worker, start_of(worker), port));
	assert_false(listens(getppid(), start_of(getppid()), port)); /* not the other way round */
	close(hold[1]);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	close(fd);
}

static void an_answer_is_kept_for_a_while(void **state)
{
	struct lt_listening l = {0};
	uint64_t start = start_of(getpid());
	uint16_t port;
	int fd = listen_somewhere(AF_INET, &port);

	(void)state;
	assert_true(lt_process_listens(&l, (uint32_t)getpid(), start, port));
	close(fd);
	assert_true(lt_process_listens(&l, (uint32_t)getpid(), start, port));
	for (uint16_t other = 1; other <= LT_LISTENING_KEPT; other++)
		assert_false(lt_process_listens(&l, (uint32_t)getpid(), start, other));
	assert_false(lt_process_listens(&l, (uint32_t)getpid(), start, port));
	l.proc = "/nowhere";
	assert_false(lt_process_listens(&l, 1, 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_listens_is_known),
		cmocka_unit_test(a_worker_accepts_for_its_parent),
		cmocka_unit_test(an_answer_is_kept_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
