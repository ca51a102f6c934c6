// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/discover/otel_context.h"
#include "userspace/discover/procfs.h"

static char said[1024];

static void on_attribute(void *arg, const char *key, const char *value)
{
	size_t n = strlen(said);

	(void)arg;
	snprintf(said + n, sizeof(said) - n, "%s=%s;", key, value);
}

static const struct lt_otel_sink sink = {.attribute = on_attribute};

/* A field of protobuf that holds a text or a message of less than 128 bytes. */
static size_t field(uint8_t *to, unsigned number, const void *body, size_t n)
{
	to[0] = (uint8_t)(number << 3 | 2);
	to[1] = (uint8_t)n;
	memcpy(to + 2, body, n);
	return n + 2;
}

/* KeyValue with a text, as field @number. */
static size_t attribute(uint8_t *to, unsigned number, const char *key, const char *value)
{
	uint8_t any[128], pair[256];
	size_t n = field(pair, 1, key, strlen(key));

	n += field(pair + n, 2, any, field(any, 1, value, strlen(value)));
	return field(to, number, pair, n);
}

static size_t resource(uint8_t to[256])
{
	/* One whose value is a number lies between. */
	static const uint8_t number[] = {0x0a, 8, 0x0a, 2, 'n', 'n', 0x12, 2, 0x18, 5};
	size_t n = attribute(to, 1, "service.name", "shop");

	memcpy(to + n, number, sizeof(number));
	n += sizeof(number);
	return n + attribute(to + n, 1, "team", "search");
}

static size_t context(uint8_t to[512])
{
	uint8_t inner[256];
	size_t n = field(to, 1, inner, resource(inner));

	return n + attribute(to + n, 2, "threadlocal.schema_version", "x");
}

static int decode(const void *bytes, size_t n)
{
	lt_defer(lt_otel_reader_freep)
	struct lt_otel_reader *reader = NULL;

	said[0] = '\0';
	assert_int_equal(lt_otel_reader_new(&reader), 0);
	return lt_otel_context_decode(reader, lt_bytes(bytes, n), &sink);
}

static void both_messages_are_understood(void **state)
{
	uint8_t bytes[512];

	(void)state;
	assert_int_equal(decode(bytes, resource(bytes)), 0);
	assert_string_equal(said, "service.name=shop;team=search;");
	assert_int_equal(decode(bytes, context(bytes)), 0);
	assert_string_equal(said, "service.name=shop;team=search;");
}

static void what_is_neither_or_breaks_off_says_nothing(void **state)
{
	uint8_t bytes[512];
	size_t whole = context(bytes);

	(void)state;
	for (size_t n = 0; n < whole; n++) {
		/* The resource alone is whole, too: what is missing then is the field behind it. */
		int r = decode(bytes, n);

		if (r == 0)
			assert_string_equal(said, "service.name=shop;team=search;");
		else
			assert_string_equal(said, "");
	}
	assert_int_equal(decode("not protobuf at all", 19), -EBADMSG);
	assert_int_equal(decode("", 0), -EBADMSG);
}

static void list(const char *text, const char *want)
{
	said[0] = '\0';
	lt_otel_resource_list(lt_bytes_str(text), &sink);
	assert_string_equal(said, want);
}

static void lists_of_the_environment_are_decoded(void **state)
{
	char text[1024];

	(void)state;
	list("", "");
	list("a=b", "a=b;");
	list("service.name=shop,team=a%20b%2Cc", "service.name=shop;team=a b,c;");
	list(" a = b , c=d=e ", "a=b;c=d=e;");
	list("nothing,=b,c=,d=%zz,e=%4,f=%,g=%00,h=i", "h=i;");
	list("a%1bb=c,d=e", "d=e;");
	snprintf(text, sizeof(text), "a=%0300d,b=c", 1);
	list(text, "b=c;");
}

/* ---- a mapping of this process ---- */

struct published {
	char signature[8];
	uint32_t version, size;
	uint64_t at_ns;
	const void *payload;
	uint8_t room[512];
};

/* memfd: kernels without names for anonymous memory have it too. */
static struct published *publish(bool memfd)
{
	int fd = memfd ? memfd_create("OTEL_CTX", MFD_CLOEXEC) : -1;
	struct published *p;

	if (memfd)
		assert_int_equal(ftruncate(fd, 4096), 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | (memfd ? 0 : MAP_ANONYMOUS), fd,
		 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	if (memfd)
		close(fd);
	p->version = 2;
	p->size = (uint32_t)context(p->room);
	p->payload = p->room;
	p->at_ns = 1;
	memcpy(p->signature, "OTEL_CTX", 8);
	if (!memfd && prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4096, "OTEL_CTX") < 0) {
		munmap(p, 4096);
		return NULL;
	}
	return p;
}

static int read_own(void)
{
	lt_defer(lt_otel_reader_freep)
	struct lt_otel_reader *reader = NULL;
	lt_defer(lt_closep)
	int fd = lt_procfs_open("/proc", (uint32_t)getpid());

	said[0] = '\0';
	assert_true(fd >= 0);
	assert_int_equal(lt_otel_reader_new(&reader), 0);
	return lt_otel_context_read(reader, fd, &sink);
}

static void what_a_process_publishes_is_read(void **state)
{
	(void)state;
	assert_int_equal(read_own(), -ENOENT);
	for (int memfd = 0; memfd < 2; memfd++) {
		struct published *p = publish(memfd);

		if (!p)
			continue; /* this kernel names no anonymous memory */
		assert_int_equal(read_own(), 0);
		assert_string_equal(said, "service.name=shop;team=search;");
		munmap(p, 4096);
		assert_int_equal(read_own(), -ENOENT);
	}
}

static void what_is_wrong_or_in_the_making_is_not(void **state)
{
	struct published *p = publish(true);

	(void)state;
	p->at_ns = 0;
	assert_int_equal(read_own(), -EAGAIN);
	p->at_ns = 1;
	p->version = 3;
	assert_int_equal(read_own(), -EBADMSG);
	p->version = 2;
	p->size = LT_OTEL_PAYLOAD_MAX + 1;
	assert_int_equal(read_own(), -EBADMSG);
	p->size = 0;
	assert_int_equal(read_own(), -EBADMSG);
	p->size = 64;
	p->payload = NULL;
	assert_int_equal(read_own(), -EBADMSG);
	p->payload = (const void *)1;
	assert_int_equal(read_own(), -EBADMSG);
	p->payload = (const void *)UINTPTR_MAX;
	assert_int_equal(read_own(), -EBADMSG);
	p->payload = p->room + 3500;
	p->size = 4096; /* over the end of the mapping */
	assert_int_equal(read_own(), -EBADMSG);
	p->payload = p->room;
	memcpy(p->signature, "OTEL_XTC", 8);
	assert_int_equal(read_own(), -EBADMSG);
	assert_string_equal(said, "");
	munmap(p, 4096);
}

static void every_failed_allocation_is_survived(void **state)
{
	int r = -ENOMEM;

	(void)state;
	for (unsigned long n = 1; r == -ENOMEM && n < 30; n++) {
		struct lt_otel_reader *reader = NULL;

		lt_alloc_fail_at(n);
		r = lt_otel_reader_new(&reader);
		lt_alloc_fail_at(0);
		lt_otel_reader_free(reader);
	}
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_messages_are_understood),
		cmocka_unit_test(what_is_neither_or_breaks_off_says_nothing),
		cmocka_unit_test(lists_of_the_environment_are_decoded),
		cmocka_unit_test(what_a_process_publishes_is_read),
		cmocka_unit_test(what_is_wrong_or_in_the_making_is_not),
		cmocka_unit_test(every_failed_allocation_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
