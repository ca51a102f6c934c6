// SPDX-License-Identifier: Apache-2.0
/* What is too long, too much, cut in two or garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/workload/asks.h"
#include "userspace/workload/grpc_call.h"
#include "userspace/workload/json_items.h"
#include "userspace/workload/members.h"

static struct lt_container_draft draft;

static void labels_are_bounded(void **state)
{
	char key[300], value[400];

	(void)state;
	lt_draft_reset(&draft);
	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		lt_draft_label(&draft, lt_bytes_str(key), lt_bytes(value, sizeof(value)));
	}
	assert_true(draft.label_count <= LT_DRAFT_LABELS && draft.label_count > 50);
	assert_int_equal(strlen(draft.labels[0].value), LT_DRAFT_LABEL_VALUE);
	lt_draft_reset(&draft);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		lt_draft_label(&draft, lt_bytes_str(key), lt_bytes_str("x"));
	}
	assert_int_equal(draft.label_count, LT_DRAFT_LABELS);
	lt_draft_reset(&draft);
	memset(key, 'k', sizeof(key));
	lt_draft_label(&draft, lt_bytes(key, sizeof(key)), lt_bytes_str("x"));
	lt_draft_label(&draft, lt_bytes_str(""), lt_bytes_str("x"));
	assert_int_equal(draft.label_count, 0);
	lt_draft_label(&draft, lt_bytes(key, LT_DRAFT_LABEL_KEY), lt_bytes_str("x"));
	assert_int_equal(draft.label_count, 1);
}

/* A pod's label counts where there are more labels than are kept. */
static void pods_are_known_beyond_the_bound(void **state)
{
	(void)state;
	lt_draft_reset(&draft);
	for (unsigned i = 0; i < LT_DRAFT_LABELS; i++)
		lt_draft_label(&draft, lt_bytes_str("x"), lt_bytes_str("y"));
	lt_draft_label(&draft, lt_bytes_str("io.kubernetes.pod.name"), lt_bytes_str("web-0"));
	assert_string_equal(draft.pod, "web-0");
}

static void texts_are_cleaned_and_cut_between_characters(void **state)
{
	char to[8];

	(void)state;
	lt_draft_text(to, sizeof(to), lt_bytes("a\n\0\x1b\x7f", 5));
	assert_string_equal(to, "a????");
	lt_draft_text(to, sizeof(to), lt_bytes_str("1234567890"));
	assert_string_equal(to, "1234567");
	lt_draft_text(to, sizeof(to), lt_bytes_str("12345\xe2\x82\xac"));
	assert_string_equal(to, "12345");
	lt_draft_text(to, sizeof(to), lt_bytes_str("1234\xe2\x82\xac!"));
	assert_string_equal(to, "1234\xe2\x82\xac");
	lt_draft_text(to, sizeof(to), lt_bytes_str("123456\xc3\xa9"));
	assert_string_equal(to, "123456");
	/* No UTF-8 at all is left as it is. */
	lt_draft_text(to, sizeof(to), lt_bytes_str("\x80\x80\x80\x80\x80\x80\x80\x80\x80"));
	assert_int_equal(strlen(to), 7);
	lt_draft_id(&draft, lt_bytes("0123456789012345678901234567890123456789012345678901234567890"
				     "12345678901",
				     72));
	assert_string_equal(draft.id, "");
}

static void only_digests_are_digests(void **state)
{
	static const char *const wrong[] = {"",
					    "sha256:",
					    "sha256:abc",
					    "@",
					    "name:latest",
					    "sha256:" /* upper case */
					    "ABCDEF0123456789ABCDEF0123456789"};

	(void)state;
	lt_draft_reset(&draft);
	for (size_t i = 0; i < LT_COUNT(wrong); i++) {
		lt_draft_digest(&draft, lt_bytes_str(wrong[i]));
		assert_string_equal(draft.digest, "");
	}
	lt_draft_digest(&draft, lt_bytes_str("a/b@sha256:0123456789abcdef0123456789abcdef"));
	assert_string_equal(draft.digest, "sha256:0123456789abcdef0123456789abcdef");
}

/* ---- JSON in pieces ---- */

static int count_items(void *arg, const struct lt_json_value *v)
{
	double n;

	assert_true(lt_json_number(lt_json_get(v, "n"), &n));
	*(unsigned *)arg = *(unsigned *)arg * 10 + (unsigned)n;
	return n == 9 ? -E2BIG : 0;
}

static int feed(const char *text, size_t step, unsigned *ret)
{
	struct lt_json_items *items;
	struct lt_bytes rest = lt_bytes_str(text);
	int r = 0;

	*ret = 0;
	assert_int_equal(lt_json_items_new(count_items, ret, &items), 0);
	for (; r == 0 && rest.n > 0; rest = lt_bytes_skip(rest, step))
		r = lt_json_items_feed(items, lt_bytes(rest.p, step < rest.n ? step : rest.n));
	if (r == 0)
		r = lt_json_items_finish(items);
	else
		assert_int_equal(lt_json_items_feed(items, lt_bytes_str("{}")), r);
	lt_json_items_free(items);
	return r;
}

static void items_come_in_any_pieces(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned seen;
	} cases[] = {
		{"[]", 0, 0},
		{"", 0, 0},
		{"[{\"n\":1},{\"n\":2, \"x\":[{}, \"]}\\\"\"]}]", 0, 12},
		{"{\"n\":1}\n{\"n\":2}\n", 0, 12},
		{"[ [1], \"a]\", 7, null, {\"n\":3}]", 0, 3},
		{"[{\"n\":1},{\"n\":2}", -EBADMSG, 12},
		{"[{\"n\":1},{\"n\":", -EBADMSG, 1},
		{"[{\"n\":1},{n:2}]", -EBADMSG, 1},
		{"[{\"n\":1}]]", -EBADMSG, 1},
		{"[{\"n\":1},{\"n\":9},{\"n\":3}]", -E2BIG, 19},
		{"}", -EBADMSG, 0},
		{"\"", -EBADMSG, 0},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		for (size_t step = 1; step < 40; step++) {
			unsigned seen;

			assert_int_equal(feed(cases[i].text, step, &seen), cases[i].r);
			assert_int_equal(seen, cases[i].seen);
		}
	}
}

static void a_large_item_is_left_out_and_memory_is_bounded(void **state)
{
	static char filler[4096];
	unsigned seen = 0;
	unsigned long before = lt_alloc_live();
	struct lt_json_items *items;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	assert_int_equal(lt_json_items_new(count_items, &seen, &items), 0);
	assert_int_equal(lt_json_items_feed(items, lt_bytes_str("[{\"n\":1},{\"n\":2,\"a\":\"")),
			 0);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(lt_json_items_feed(items, lt_bytes(filler, sizeof(filler))), 0);
	assert_true(lt_alloc_live() - before < 2 * LT_JSON_ITEM_MAX);
	assert_int_equal(lt_json_items_feed(items, lt_bytes_str("\"},{\"n\":3}]")), 0);
	assert_int_equal(lt_json_items_finish(items), 0);
	assert_int_equal(seen, 13);
	lt_json_items_free(items);
}

static void deep_json_is_refused(void **state)
{
	char text[300];
	unsigned seen;

	(void)state;
	memset(text, '[', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(feed(text, sizeof(text), &seen), -EBADMSG);
}

/* ---- gRPC in pieces ---- */

static int log_field(void *arg, const struct lt_proto_field *f)
{
	char *log = arg;
	size_t n = strlen(log);

	if (f->kind == LT_PROTO_VARINT)
		snprintf(log + n, 64, "%u=%llu ", f->number, (unsigned long long)f->value);
	else
		snprintf(log + n, 64, "%u:%zu ", f->number, f->bytes.n);
	return f->number == 7 ? -E2BIG : 0;
}

static int log_end(void *arg)
{
	strcat(arg, ". ");
	return 0;
}

static int feed_grpc(struct lt_bytes rest, size_t step, char log[256])
{
	struct lt_grpc_sink sink = {.field = log_field, .end = log_end, .arg = log};
	struct lt_grpc_messages *m;
	int r = 0;

	log[0] = '\0';
	assert_int_equal(lt_grpc_messages_new(&sink, &m), 0);
	for (; r == 0 && rest.n > 0; rest = lt_bytes_skip(rest, step))
		r = lt_grpc_messages_feed(m, lt_bytes(rest.p, step < rest.n ? step : rest.n));
	if (r == 0)
		r = lt_grpc_messages_finish(m);
	lt_grpc_messages_free(m);
	return r;
}

static void messages_come_in_any_pieces(void **state)
{
#define M(s)                                                                                       \
	{                                                                                          \
		(const uint8_t *)(s), sizeof(s) - 1                                                \
	}
	static const struct {
		struct lt_bytes in;
		int r;
		const char *log;
	} cases[] = {
		{M(""), 0, ""},
		{M("\0\0\0\0\0"), 0, ". "},
		{M("\0\0\0\0\x04\x08\x96\x01"), -EBADMSG, "1=150 "},
		{M("\0\0\0\0\x03\x08\x96\x01"), 0, "1=150 . "},
		{M("\0\0\0\0\x05\x12\x03"
		   "abc\0\0\0\0\x02\x0a\0"),
		 0, "2:3 . 1:0 . "},
		{M("\0\0\0\0\x0e\x09"
		   "12345678"
		   "\x15"
		   "1234"),
		 0, "1:8 2:4 . "},
		{M("\1\0\0\0\x02\x0a\0"), -EBADMSG, ""},	/* compressed */
		{M("\0\0\0\0\x02\x0a\x05xxxxx"), -EBADMSG, ""}, /* longer than its message */
		{M("\0\0\0\0\x02\x0b\0"), -EBADMSG, ""},	/* a group */
		{M("\0\0\0\0\x02\x02\0"), -EBADMSG, ""},	/* field 0 */
		{M("\0\0\0\0\x01\x0a"), -EBADMSG, ""},		/* no length */
		{M("\0\0\0\0\x02\x3a\0"), -E2BIG, "7:0 "},
		{M("\0\0\0\0\x10\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
		 -EBADMSG, ""},
	};
	char log[256];

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		for (size_t step = 1; step < 20; step++) {
			assert_int_equal(feed_grpc(cases[i].in, step, log), cases[i].r);
			assert_string_equal(log, cases[i].log);
		}
	}
}

static void a_large_field_is_left_out(void **state)
{
	/* 16 MiB in field 1, then field 2. */
	static const uint8_t begin[] = {0, 1, 0, 0, 7, 0x0a, 0x80, 0x80, 0x80, 0x08};
	static uint8_t filler[65536];
	char log[256] = "";
	struct lt_grpc_sink sink = {.field = log_field, .end = log_end, .arg = log};
	unsigned long before = lt_alloc_live();
	struct lt_grpc_messages *m;

	(void)state;
	assert_int_equal(lt_grpc_messages_new(&sink, &m), 0);
	assert_int_equal(lt_grpc_messages_feed(m, lt_bytes(begin, sizeof(begin))), 0);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(lt_grpc_messages_feed(m, lt_bytes(filler, sizeof(filler))), 0);
	assert_int_equal(lt_grpc_messages_feed(m, lt_bytes("\x10\x05", 2)), 0);
	assert_int_equal(lt_grpc_messages_finish(m), 0);
	assert_string_equal(log, "2=5 . ");
	assert_true(lt_alloc_live() - before < 4096);
	lt_grpc_messages_free(m);
}

static void announced_bytes_take_no_memory(void **state)
{
	static const uint8_t begin[] = {0, 0, 8, 0, 5, 0x0a, 0x80, 0x80, 0x20, 'x'};
	char log[256] = "";
	struct lt_grpc_sink sink = {.field = log_field, .arg = log};
	unsigned long before = lt_alloc_live();
	struct lt_grpc_messages *m;

	(void)state;
	assert_int_equal(lt_grpc_messages_new(&sink, &m), 0);
	assert_int_equal(lt_grpc_messages_feed(m, lt_bytes(begin, sizeof(begin))), 0);
	assert_true(lt_alloc_live() - before < 4096);
	assert_int_equal(lt_grpc_messages_finish(m), -EBADMSG);
	lt_grpc_messages_free(m);
}

static void a_request_that_is_too_large_is_not_sent(void **state)
{
	static uint8_t large[LT_PROTO_OUT];
	struct lt_proto_out out = {0};
	struct lt_bytes view;
	struct lt_proto_field f;

	(void)state;
	lt_proto_put(&out, 18, lt_bytes(large, 300));
	view = lt_bytes(out.at, out.n);
	assert_int_equal(lt_proto_next(&view, &f), 1);
	assert_int_equal(f.number, 18);
	assert_int_equal(f.bytes.n, 300);
	assert_int_equal(lt_proto_next(&view, &f), 0);
	assert_false(out.full);
	lt_proto_put(&out, 1, lt_bytes(large, sizeof(large)));
	assert_true(out.full);
}

/* ---- tables ---- */

static void members_come_and_go(void **state)
{
	struct lt_members *m;
	char id[LT_DRAFT_ID];

	(void)state;
	assert_int_equal(lt_members_new(&m), 0);
	for (unsigned i = 0; i < LT_MEMBERS_MAX; i++) {
		snprintf(id, sizeof(id), "id%u", i);
		assert_non_null(lt_members_add(m, id));
	}
	assert_null(lt_members_add(m, "one more"));
	assert_non_null(lt_members_add(m, "id5"));
	for (unsigned i = 0; i < LT_MEMBERS_MAX; i += 2) {
		snprintf(id, sizeof(id), "id%u", i);
		lt_members_remove(m, lt_members_find(m, id));
		assert_null(lt_members_find(m, id));
	}
	assert_int_equal(lt_members_count(m), LT_MEMBERS_MAX / 2);
	for (unsigned i = 1; i < LT_MEMBERS_MAX; i += 2) {
		snprintf(id, sizeof(id), "id%u", i);
		assert_string_equal(lt_members_find(m, id)->id, id);
	}
	while (lt_members_count(m) > 0)
		lt_members_remove(m, lt_members_at(m, 0));
	lt_members_free(m);
}

static void asks_are_tried_again_and_given_up(void **state)
{
	static struct lt_asks asks;
	struct lt_ask ask;
	uint64_t now = 1000;
	unsigned tries = 0;

	(void)state;
	assert_int_equal(lt_asks_next_ns(&asks), UINT64_MAX);
	assert_false(lt_asks_put(&asks, "", now, false));
	assert_true(lt_asks_put(&asks, "a", now, false));
	assert_true(lt_asks_put(&asks, "a", now, false));
	assert_int_equal(asks.count, 1);
	for (;;) {
		assert_true(lt_asks_take(&asks, now, &ask));
		assert_string_equal(ask.id, "a");
		assert_false(lt_asks_take(&asks, now, &ask));
		tries++;
		if (!lt_asks_retry(&asks, &ask, now))
			break;
		assert_false(lt_asks_take(&asks, now, &ask));
		now = lt_asks_next_ns(&asks);
	}
	assert_int_equal(tries, LT_ASK_TRIES);
	assert_in_range(now, 2500000000, 4000000000);
	/* Not again at once, but when something happened to it, or later. */
	assert_false(lt_asks_put(&asks, "a", now, false));
	assert_true(lt_asks_put(&asks, "a", now, true));
	assert_true(lt_asks_take(&asks, now, &ask));
	assert_true(lt_asks_put(&asks, "a", now + 11000000000, false));
}

static void a_full_queue_gives_up_what_was_tried(void **state)
{
	static struct lt_asks asks;
	struct lt_ask ask;
	char id[LT_DRAFT_ID];

	(void)state;
	assert_true(lt_asks_put(&asks, "old", 1, false));
	assert_true(lt_asks_take(&asks, 1, &ask));
	assert_true(lt_asks_retry(&asks, &ask, 1));
	for (unsigned i = 0; i < LT_ASKS_MAX; i++) {
		snprintf(id, sizeof(id), "new%u", i);
		assert_true(lt_asks_put(&asks, id, 2, false));
	}
	assert_int_equal(asks.count, LT_ASKS_MAX);
	assert_false(lt_asks_put(&asks, "more", 2, true));
	lt_asks_clear(&asks);
	assert_true(lt_asks_put(&asks, "more", 2, false));
	assert_int_equal(asks.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_bounded),
		cmocka_unit_test(pods_are_known_beyond_the_bound),
		cmocka_unit_test(texts_are_cleaned_and_cut_between_characters),
		cmocka_unit_test(only_digests_are_digests),
		cmocka_unit_test(items_come_in_any_pieces),
		cmocka_unit_test(a_large_item_is_left_out_and_memory_is_bounded),
		cmocka_unit_test(deep_json_is_refused),
		cmocka_unit_test(messages_come_in_any_pieces),
		cmocka_unit_test(a_large_field_is_left_out),
		cmocka_unit_test(announced_bytes_take_no_memory),
		cmocka_unit_test(a_request_that_is_too_large_is_not_sent),
		cmocka_unit_test(members_come_and_go),
		cmocka_unit_test(asks_are_tried_again_and_given_up),
		cmocka_unit_test(a_full_queue_gives_up_what_was_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
