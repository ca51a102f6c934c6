// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/websocket.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
	char text[512];
	size_t n;
};

static void on_data(void *arg, struct lt_bytes piece)
{
	struct seen *seen = arg;

	assert_true(seen->n + piece.n < sizeof(seen->text));
	memcpy(seen->text + seen->n, piece.p, piece.n);
	seen->n += piece.n;
	seen->text[seen->n] = '\0';
}

static void on_message(void *arg)
{
	on_data(arg, lt_bytes("|", 1));
}

static int run(struct lt_websocket_opts opts, struct lt_bytes in, size_t piece, struct seen *seen)
{
	const struct lt_websocket_sink sink = {seen, on_data, on_message};
	lt_defer(lt_websocket_freep)
	struct lt_websocket *ws = NULL;
	int r = 0;

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(lt_websocket_new(&opts, &sink, &ws), 0);
	while (in.n > 0 && r == 0) {
		size_t n = in.n < piece ? in.n : piece;

		r = lt_websocket_feed(ws, lt_bytes(in.p, n));
		in = lt_bytes_skip(in, n);
	}
	return r;
}

static void expect(struct lt_websocket_opts opts, struct lt_bytes in, const char *text)
{
	struct seen seen;

	for (size_t piece = 1; piece <= in.n; piece++) {
		assert_int_equal(run(opts, in, piece, &seen), 0);
		assert_string_equal(seen.text, text);
	}
}

#define B(text) lt_bytes(text, sizeof(text) - 1)

static const struct lt_websocket_opts server = {0}, client = {.from_client = true};

static void messages_come_out_whole(void **state)
{
	(void)state;
	expect(server, B("\x81\x05hello\x82\x02\x01\x02\x81\x00"), "hello|\x01\x02||");
}

static void masks_are_undone(void **state)
{
	(void)state;
	expect(client, B("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "Hello|");
}

static void what_was_unmasked_does_not_stay(void **state)
{
	const struct lt_websocket_opts opts = {.from_client = true};
	struct seen seen = {0};
	const struct lt_websocket_sink sink = {&seen, on_data, on_message};
	lt_defer(lt_websocket_freep)
	struct lt_websocket *ws = NULL;

	(void)state;
	assert_int_equal(lt_websocket_new(&opts, &sink, &ws), 0);
	assert_int_equal(lt_websocket_feed(ws, B("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")),
			 0);
	assert_string_equal(seen.text, "Hello|");
	assert_null(memmem(ws, malloc_usable_size(ws), "Hello", 5));
}

static void fragments_are_one_message_around_control_frames(void **state)
{
	(void)state;
	expect(server,
	       B("\x01\x03Hel\x89\x02"
		 "ab"
		 "\x80\x02lo\x88\x02\x03\xe8"),
	       "Hello|");
}

/* RFC 7692, 7.2.3: the same text with and without the former one's window. */
static void compressed_messages_are_inflated(void **state)
{
	struct lt_websocket_opts opts = {.deflate = true, .takeover = true};

	(void)state;
	expect(opts, B("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00"),
	       "Hello|Hello|");
	opts.takeover = false;
	expect(opts, B("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"),
	       "Hello|Hello|");
	expect(opts, B("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00\x81\x01x"), "Hello|x|");
}

static void long_lengths_are_read(void **state)
{
	static uint8_t frame[4 + 300] = {0x81, 126, 300 >> 8, 300 & 255};
	static const uint8_t wide[] = {0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x'};
	struct seen seen;

	(void)state;
	memset(frame + 4, 'a', 300);
	assert_int_equal(run(server, lt_bytes(frame, sizeof(frame)), 7, &seen), 0);
	assert_int_equal(seen.n, 301);
	expect(server, lt_bytes(wide, sizeof(wide)), "x|");
}

static void what_breaks_the_protocol_is_refused(void **state)
{
	static const struct lt_bytes bad[] = {
		{(const uint8_t *)"\xc1\x01x", 3},	   /* compressed, which was not agreed on */
		{(const uint8_t *)"\xa1\x01x", 3},	   /* a reserved bit */
		{(const uint8_t *)"\x83\x01x", 3},	   /* a reserved opcode */
		{(const uint8_t *)"\x80\x01x", 3},	   /* goes on, but nothing has begun */
		{(const uint8_t *)"\x09\x00", 2},	   /* a control frame in fragments */
		{(const uint8_t *)"\x89\x7e\x00\x80", 4},  /* a long control frame */
		{(const uint8_t *)"\x81\x81\1\2\3\4x", 7}, /* a server that masks */
		{(const uint8_t *)"\x01\x01x\x81\x01y", 6}, /* one message within another */
		{(const uint8_t *)"\x82\x7f\xff\1\1\1\1\1\1\1", 10},
	};
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++)
		assert_int_equal(run(server, bad[i], 1, &seen), -EBADMSG);
	assert_int_equal(run(client, B("\x81\x01x"), 1, &seen), -EBADMSG);
	/* What breaks later leaves what came before. */
	assert_int_equal(run(server, B("\x81\x01x\x83\x01y"), 1, &seen), -EBADMSG);
	assert_string_equal(seen.text, "x|");
}

static void after_a_hole_frames_are_found_again(void **state)
{
	struct seen seen = {.n = 0};
	const struct lt_websocket_sink sink = {&seen, on_data, on_message};
	lt_defer(lt_websocket_freep)
	struct lt_websocket *ws = NULL;

	(void)state;
	assert_int_equal(lt_websocket_new(&server, &sink, &ws), 0);
	/* Within a frame: its length is known, what is left of the message is not shown. */
	assert_int_equal(lt_websocket_feed(ws, B("\x81\x05he")), 0);
	lt_websocket_gap(ws, 2);
	assert_int_equal(lt_websocket_feed(ws, B("o\x81\x01x")), 0);
	/* Over frames: the next piece that begins one. */
	lt_websocket_gap(ws, 1000);
	assert_int_equal(lt_websocket_feed(ws, B("nothing like it")), 0);
	assert_int_equal(lt_websocket_feed(ws, B("\x81\x01y")), 0);
	assert_string_equal(seen.text, "hex|y|");
}

static void what_was_agreed_on_is_read(void **state)
{
	struct lt_bytes text = lt_bytes_str(
		"permessage-deflate; client_max_window_bits=15; server_no_context_takeover");

	(void)state;
	assert_true(lt_websocket_agreed(text, true).deflate);
	assert_true(lt_websocket_agreed(text, true).takeover);
	assert_false(lt_websocket_agreed(text, false).takeover);
	assert_false(lt_websocket_agreed((struct lt_bytes){0}, false).deflate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_out_whole),
		cmocka_unit_test(masks_are_undone),
		cmocka_unit_test(what_was_unmasked_does_not_stay),
		cmocka_unit_test(fragments_are_one_message_around_control_frames),
		cmocka_unit_test(compressed_messages_are_inflated),
		cmocka_unit_test(long_lengths_are_read),
		cmocka_unit_test(what_breaks_the_protocol_is_refused),
		cmocka_unit_test(after_a_hole_frames_are_found_again),
		cmocka_unit_test(what_was_agreed_on_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
