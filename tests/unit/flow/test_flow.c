// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/flow/flow.h"

enum { SECOND = 1000000000, HELLO = 100, REQUESTS = 2000 };

static struct lt_catalog *catalog;
static struct lt_flows *flows;
static struct {
	struct lt_call call[16];
	uint32_t revision[16];
	bool last[16];
	unsigned count, begun, suspected, looked;
	uint64_t sock; /* of the last look */
	int answer;    /* to it */
} seen;

static void on_begin(void *arg, const struct lt_event_flow *facts)
{
	(void)arg;
	(void)facts;
	seen.begun++;
}

static void on_suspect(void *arg, const struct lt_event_flow *facts)
{
	(void)arg;
	(void)facts;
	seen.suspected++;
}

static void on_flow(void *arg, const struct lt_call *call, uint32_t revision, bool last)
{
	(void)arg;
	assert_true(seen.count < LT_COUNT(seen.call));
	seen.call[seen.count] = *call;
	seen.last[seen.count] = last;
	seen.revision[seen.count++] = revision;
}

static int on_look(void *arg, uint64_t sock, uint64_t cookie)
{
	(void)arg;
	(void)cookie;
	seen.looked++;
	seen.sock = sock;
	return seen.answer;
}

static int load(void **state)
{
	(void)state;
	return lt_catalog_load(NULL, &catalog, NULL);
}

static int unload(void **state)
{
	(void)state;
	catalog = lt_catalog_free(catalog);
	return 0;
}

static int begin_with(size_t max)
{
	const struct lt_flows_opts opts = {.max_flows = max};
	const struct lt_flow_sink sink = {
		.begins = on_begin, .suspect = on_suspect, .flow = on_flow, .look = on_look};

	memset(&seen, 0, sizeof(seen));
	return lt_flows_new(&opts, catalog, &sink, &flows);
}

static int begin(void **state)
{
	(void)state;
	return begin_with(0);
}

static int end(void **state)
{
	(void)state;
	flows = lt_flows_free(flows);
	return 0;
}

/* A flow of process @tgid, whose number is its cookie. It begins at its number's second. */
static struct lt_event_flow facts(uint32_t tgid, uint64_t number, uint64_t sent)
{
	return (struct lt_event_flow){
		.head = {LT_EVENT_FLOW, tgid, number * SECOND + SECOND / 2},
		.socket_cookie = number,
		.sock = 0xffff888000000000 + number,
		.start_ns = number * SECOND,
		.process_start_ns = 77,
		.cgroup_id = 5,
		.sent = sent,
		.received = 2 * sent,
		.uid = 1000,
		.port = 443,
	};
}

static void hello_part(uint32_t tgid, uint64_t number, const uint8_t *p, uint32_t at, uint32_t n)
{
	struct lt_event_hello *e = calloc(1, sizeof(*e) + n);

	assert_non_null(e);
	e->flow = facts(tgid, number, at);
	e->flow.head.type = LT_EVENT_HELLO;
	e->position = at;
	e->len = n;
	memcpy(e->data, p + at, n);
	lt_flows_hello(flows, e);
	free(e);
}

/* A ClientHello of HELLO bytes. */
static void make_hello(const char *name, uint8_t ret[HELLO])
{
	size_t n = strlen(name), at = 9 + 34 + 1 + 4 + 2;
	const uint8_t head[] = {22, 3, 1, 0, HELLO - 5, 1, 0, 0, HELLO - 9, 3, 3};
	const uint8_t suites[] = {0, 0, 2, 0x13, 1, 1, 0};

	memset(ret, 0, HELLO);
	memcpy(ret, head, sizeof(head));
	at = 9 + 34;
	memcpy(ret + at, suites, sizeof(suites));
	at += sizeof(suites);
	ret[at + 1] = (uint8_t)(HELLO - at - 2);
	at += 2;
	ret[at + 3] = (uint8_t)(n + 5);
	ret[at + 5] = (uint8_t)(n + 3);
	ret[at + 8] = (uint8_t)n;
	memcpy(ret + at + 9, name, n);
	at += 9 + n;
	assert_true(at + 4 <= HELLO);
	ret[at + 1] = 21; /* padding */
	ret[at + 3] = (uint8_t)(HELLO - at - 4);
}

static void hello(uint32_t tgid, uint64_t number, const char *name)
{
	uint8_t data[HELLO];

	make_hello(name, data);
	hello_part(tgid, number, data, 0, 40);
	hello_part(tgid, number, data, 40, HELLO - 40);
}

static void grows(uint32_t tgid, uint64_t number, uint64_t sent)
{
	struct lt_event_flow e = facts(tgid, number, sent);

	lt_flows_event(flows, &e);
}

static void ends(uint32_t tgid, uint64_t number, uint64_t sent)
{
	struct lt_event_flow e = facts(tgid, number, sent);

	e.ended = 1;
	lt_flows_event(flows, &e);
}

static void decoded(uint32_t tgid, uint64_t cookie, const char *server_name, const char *host)
{
	struct lt_conn conn = {.key.tgid = tgid, .process_start_ns = 77, .socket_cookie = cookie};

	snprintf(conn.server_name, sizeof(conn.server_name), "%s", server_name);
	lt_flows_decoded(flows, &conn, lt_bytes_str(host));
}

static void later(uint64_t seconds)
{
	lt_flows_tick(flows, seconds * SECOND);
}

static void a_flow_is_told_once_when_it_has_ended(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	assert_int_equal(seen.begun, 1);
	ends(10, 1, REQUESTS);
	assert_int_equal(seen.count, 0); /* its decoded half may still come */
	later(3);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.revision[0], 1);
	assert_string_equal(seen.call[0].host, "api.openai.com");
	assert_string_equal(seen.call[0].provider, "openai");
	assert_int_equal(seen.call[0].conn.tgid, 10);
	assert_int_equal(seen.call[0].port, 0);
	assert_int_equal(seen.call[0].uid, 1000);
	assert_int_equal(seen.call[0].request_body_bytes, REQUESTS);
	assert_int_equal(seen.call[0].response_body_bytes, 2 * REQUESTS);
	assert_true(seen.call[0].first_byte_ns == SECOND);
	assert_true(seen.call[0].end_ns == SECOND + SECOND / 2);
	assert_int_equal(lt_flows_count(flows), 0);
	later(5);
	assert_int_equal(seen.count, 1);
}

static void others_hosts_give_none(void **state)
{
	(void)state;
	hello(10, 1, "example.com");
	assert_int_equal(lt_flows_count(flows), 0);
	ends(10, 1, REQUESTS);
	later(3);
	assert_int_equal(seen.count + seen.begun, 0);
}

static void a_handshake_alone_is_no_flow(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	ends(10, 1, HELLO + 200);
	hello(10, 2, "api.openai.com");
	ends(10, 2, HELLO + 300);
	later(5);
	assert_int_equal(seen.count, 1);
	assert_true(seen.call[0].socket_cookie == 2);
}

static void a_decoded_socket_gives_none(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	hello(10, 2, "api.openai.com");
	decoded(99, 2, "", "api.openai.com"); /* a child may have it */
	assert_int_equal(lt_flows_count(flows), 1);
	ends(10, 2, REQUESTS);
	ends(10, 1, REQUESTS);
	later(5);
	assert_int_equal(seen.count, 1);
	assert_true(seen.call[0].socket_cookie == 1);
}

static void a_socket_that_is_no_flow_takes_none(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	decoded(10, 5, "api.openai.com", "api.openai.com");
	ends(10, 1, REQUESTS);
	later(5);
	assert_int_equal(seen.count, 1);
}

static void without_a_socket_process_and_host_decide(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	hello(10, 2, "api.anthropic.com");
	hello(11, 3, "api.openai.com");
	hello(10, 4, "api.openai.com");
	decoded(10, 0, "API.openai.com", "");
	decoded(10, 0, "", "api.anthropic.com");
	decoded(12, 0, "api.openai.com", "api.openai.com");
	decoded(10, 0, "api.mistral.ai", "api.mistral.ai");
	for (uint64_t number = 1; number <= 4; number++)
		ends(number == 3 ? 11 : 10, number, REQUESTS);
	later(9);
	assert_int_equal(seen.count, 2);
	assert_true(seen.call[0].socket_cookie == 3);
	assert_true(seen.call[1].socket_cookie == 4);
}

static void what_is_in_the_clear_is_no_flow(void **state)
{
	const struct lt_conn conn = {
		.key.tgid = 10, .process_start_ns = 77, .library = LT_LIBRARY_PLAINTEXT};

	(void)state;
	hello(10, 1, "api.openai.com");
	lt_flows_decoded(flows, &conn, lt_bytes_str("api.openai.com"));
	ends(10, 1, REQUESTS);
	later(5);
	assert_int_equal(seen.count, 1);
}

/* Of twenty connections over HTTP/2 that were opened at once one is used. */
static void what_a_readable_process_opens_in_advance_is_no_flow(void **state)
{
	(void)state;
	for (uint64_t number = 1; number <= 20; number++)
		hello(10, number, "api.openai.com");
	decoded(10, 0, "", "api.openai.com");
	for (uint64_t number = 1; number <= 20; number++)
		ends(10, number, number == 7 ? REQUESTS : HELLO + 400);
	hello(11, 30, "api.openai.com");
	hello(11, 31, "api.openai.com");
	decoded(11, 31, "", "");
	ends(11, 30, HELLO + 400);
	later(40);
	assert_int_equal(seen.count, 0);
	assert_int_equal(lt_flows_count(flows), 0);
}

static void many_readers_push_out_the_oldest(void **state)
{
	(void)state;
	for (uint32_t tgid = 1; tgid <= 3000; tgid++) {
		hello(tgid, tgid, "api.openai.com");
		decoded(tgid, 0, "api.openai.com", "");
		ends(tgid, tgid, REQUESTS);
		lt_flows_tick(flows, (uint64_t)(tgid + 1) * SECOND);
	}
	later(4000);
	assert_int_equal(seen.count, 0);
	assert_int_equal(lt_flows_count(flows), 0);
}

static void a_claim_on_a_silent_flow_goes_to_the_next(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	hello(10, 2, "api.openai.com"); /* opened in advance, never used */
	decoded(10, 0, "api.openai.com", "");
	ends(10, 2, HELLO + 100);
	ends(10, 1, REQUESTS);
	later(5);
	assert_int_equal(seen.count, 0);
}

static void what_is_decoded_shortly_after_the_end_counts(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	hello(10, 2, "api.openai.com");
	ends(10, 1, REQUESTS);
	ends(10, 2, REQUESTS);
	decoded(10, 1, "", "");
	decoded(10, 0, "api.openai.com", "");
	later(5);
	assert_int_equal(seen.count, 0);
	assert_int_equal(lt_flows_count(flows), 0);
}

static void a_long_flow_is_told_again_when_it_has_grown(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	later(1);
	assert_int_equal(seen.suspected, 0);
	later(30);
	assert_int_equal(seen.looked, 0);
	assert_int_equal(seen.suspected, 1);
	later(62);
	assert_int_equal(seen.looked, 1);
	assert_true(seen.sock == 0xffff888000000001);
	grows(10, 1, HELLO); /* nothing was asked yet */
	assert_int_equal(seen.count, 0);
	later(700);
	grows(10, 1, REQUESTS);
	assert_int_equal(seen.count, 1);
	later(1400);
	grows(10, 1, REQUESTS); /* as before */
	assert_int_equal(seen.count, 1);
	later(2100);
	grows(10, 1, 2 * REQUESTS);
	assert_int_equal(seen.count, 2);
	ends(10, 1, 2 * REQUESTS);
	later(2200);
	assert_int_equal(seen.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(seen.revision[i], i + 1);
		assert_int_equal(seen.last[i], i == 2);
	}
	assert_true(seen.call[0].first_byte_ns == seen.call[2].first_byte_ns);
}

static void a_flow_that_the_kernel_forgot_ends(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	grows(10, 1, REQUESTS);
	later(3);
	later(62);
	later(700); /* nobody has answered */
	later(701);
	assert_int_equal(seen.count, 1);
	assert_int_equal(lt_flows_count(flows), 0);
}

static void a_kernel_that_cannot_tell_ends_none(void **state)
{
	(void)state;
	seen.answer = -EOPNOTSUPP;
	hello(10, 1, "api.openai.com");
	for (uint64_t seconds = 60; seconds < 3000; seconds += 10)
		later(seconds);
	assert_int_equal(seen.count, 0);
	ends(10, 1, REQUESTS);
	later(3001);
	assert_int_equal(seen.count, 1);
}

static void at_the_end_open_flows_are_told(void **state)
{
	(void)state;
	hello(10, 1, "api.openai.com");
	hello(10, 2, "api.openai.com");
	hello(10, 3, "api.openai.com");
	decoded(10, 0, "api.openai.com", "");
	lt_flows_look(flows);
	assert_int_equal(seen.looked, 3);
	grows(10, 1, REQUESTS);
	grows(10, 2, HELLO);
	grows(10, 3, REQUESTS);
	flows = lt_flows_free(flows);
	assert_int_equal(seen.count, 1);
	assert_true(seen.call[0].socket_cookie == 3);
}

static void the_table_has_a_ceiling(void **state)
{
	uint64_t evicted = lt_counter_get(LT_C_FLOWS_EVICTED);

	(void)state;
	flows = lt_flows_free(flows);
	assert_int_equal(begin_with(8), 0);
	for (uint64_t number = 1; number <= 20; number++) {
		hello(10, number, "api.openai.com");
		assert_true(lt_flows_count(flows) <= 8);
		if (number <= 3)
			grows(10, number, REQUESTS);
	}
	assert_int_equal(lt_counter_get(LT_C_FLOWS_EVICTED) - evicted, 12);
	assert_int_equal(seen.count, 3);
	ends(10, 1, REQUESTS); /* forgotten */
	ends(10, 20, REQUESTS);
	later(30);
	assert_int_equal(seen.count, 4);
}

static void broken_begins_are_counted(void **state)
{
	uint64_t unnamed = lt_counter_get(LT_C_FLOWS_UNNAMED);
	uint8_t data[HELLO];

	(void)state;
	hello_part(10, 1, (const uint8_t *)"CONNECT host:443", 0, 16);
	make_hello("api.openai.com", data);
	hello_part(10, 2, data, 0, 50);
	ends(10, 2, REQUESTS);
	hello_part(10, 3, data, 50, 50); /* its begin was lost */
	assert_int_equal(lt_counter_get(LT_C_FLOWS_UNNAMED) - unnamed, 2);
	assert_int_equal(lt_flows_count(flows), 0);
	lt_alloc_fail_at(1);
	hello(10, 4, "api.openai.com");
	lt_alloc_fail_at(0);
	ends(10, 4, REQUESTS);
	later(9);
	assert_int_equal(seen.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_flow_is_told_once_when_it_has_ended),
		TEST(others_hosts_give_none),
		TEST(a_handshake_alone_is_no_flow),
		TEST(a_decoded_socket_gives_none),
		TEST(a_socket_that_is_no_flow_takes_none),
		TEST(without_a_socket_process_and_host_decide),
		TEST(what_is_in_the_clear_is_no_flow),
		TEST(what_a_readable_process_opens_in_advance_is_no_flow),
		TEST(many_readers_push_out_the_oldest),
		TEST(a_claim_on_a_silent_flow_goes_to_the_next),
		TEST(what_is_decoded_shortly_after_the_end_counts),
		TEST(a_long_flow_is_told_again_when_it_has_grown),
		TEST(a_flow_that_the_kernel_forgot_ends),
		TEST(a_kernel_that_cannot_tell_ends_none),
		TEST(at_the_end_open_flows_are_told),
		TEST(the_table_has_a_ceiling),
		TEST(broken_begins_are_counted),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
