// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/json_scan.h"

static const char *const paths[] = {
	"usage.prompt_tokens",
	"choices[0].finish_reason",
	"choices[].delta.tool_calls[].id",
	"model",
	"",
	"items[]",
	"items[1]",
	"\"a.b\".c",
	"deep.x",
};

static const char *const documents[] = {
	"{\"model\":\"gpt-4o\",\"usage\":{\"prompt_tokens\":12,\"x\":[1,2,{\"y\":\"}\"}]}}",
	" \n{ \"choices\" : [ {\"finish_reason\":\"stop\",\"m\":\"a\\\"b\"} , "
	"{\"finish_reason\":\"no\"} ] } ",
	"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":null}]}}]"
	"}",
	"{\"items\":[1,\"two\",[3],{\"four\":4},true,false,null]}",
	"{\"a.b\":{\"c\":-1.5e3},\"\\u006dodel\":\"\\u00e9\\ud83d\\ude00\\ud800x\\n\"}",
	"{\"deep\":{\"x\":{\"k\":[[],{},[{}]]}},\"model\":\"\"}",
	"[]",
	"12",
	"null",
	"\"text\"",
	"{\"model\":null,\"model\":\"again\"}",
	"{\"skipped\":\"\\\\\\\"\",\"skip2\":{\"a\":\"\\\\\",\"b\":[\"]\"]},\"model\":\"m\"}",
	"\t-0.5e-07 ",
	"{\"items\":[],\"choices\":{},\"usage\":[{\"prompt_tokens\":1}],\"deep\":null}",
	"{\"model\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u20ac\",\"deep\":{\"x\":\"\\u0000\"}}",
	"{\"model\":\"\\ud83d\\ud83d\\ude00\\ude00\\ud83d\\n\\ud83d\"}",
	"{\"mod\\u0065l\":1,\"mo\":2,\"models\":3,\"\":4,\"model\":5}",
	"{\"usage\":{\"prompt_tokens\":0,\"prompt_tokens\":1E+2},\"items\":[[1],[2],[3,[4]]]}",
	"[{\"model\":\"not at the root\"},[[[]]],\"\",0]",
	"{ \"deep\" :\n{ \"x\" :\r[ true , false\t, null , { } ] } , \"zz\" : [ \"\\\"]\" ] }",
	"{\"skipped\":{\"a\":[{\"b\":\"a long text, longer than one vector of bytes [{}]\"}]},"
	"\"model\":\"a text that is longer than sixteen bytes, and \\\"quoted\\\" too\"}",
};

static const char *const broken[] = {
	"{",
	"{\"a\"}",
	"{\"a\":}",
	"[1,]x",
	"{\"model\":tru}",
	"{} {}",
	"[1}",
	"{\"model\":\"\\x\"}",
	"{\"model\":1-}",
	"{,}",
	"nul",
	"{\"model\":\"\\u12g4\"}",
	"]",
	"01",
	"-",
	"1.",
	".5",
	"1.e3",
	"1e",
	"--1",
	"1-2",
	"+1",
	"[1 2]",
	"[truefalse]",
	"{\"a\":nulL}",
	"{\"a\":1,}",
	"{\"a\":1 \"b\":2}",
	"{1:2}",
	"[,]",
	"\"open",
	"{\"model\":\"a\"",
	"{\"skipped\":{\"a\":\"}\"",
	"12 13",
	"x",
	"\xef\xbb\xbf{}",
	"{\"a\" 1}",
	"{\"a\"::1}",
};

struct trace {
	char text[4096];
	size_t n;
};

static void record(void *arg, const struct lt_json_hit *hit)
{
	struct trace *t = arg;
	int n = snprintf(t->text + t->n, sizeof(t->text) - t->n, "%u:%d:%d:%.*s;", hit->path,
			 hit->type, hit->cut, (int)hit->text.n,
			 hit->text.n ? (const char *)hit->text.p : "");

	assert_true(n > 0 && t->n + (size_t)n < sizeof(t->text));
	t->n += (size_t)n;
}

/* Every piece in memory of its own size, so that a read past its end is seen by ASan. */
static int feed_copy(struct lt_json_scan *s, const char *p, size_t n)
{
	uint8_t *copy = malloc(n);
	int r;

	assert_true(n == 0 || copy);
	if (n > 0)
		memcpy(copy, p, n);
	r = lt_json_scan_feed(s, lt_bytes(copy, n));
	free(copy);
	return r;
}

/* Feeds @text in pieces of @step bytes. */
static void scan_steps(const char *text, size_t step, struct trace *ret)
{
	struct lt_json_sink sink = {.arg = ret, .hit = record};
	struct lt_json_paths *set = NULL;
	struct lt_json_scan *s = NULL;
	size_t bad, n = strlen(text);
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	assert_int_equal(lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad), 0);
	assert_int_equal(lt_json_scan_new(set, &sink, &s), 0);
	for (size_t at = 0; r == 0 && at < n; at += step)
		r = feed_copy(s, text + at, n - at < step ? n - at : step);
	if (r == 0)
		r = lt_json_scan_finish(s);
	snprintf(ret->text + ret->n, sizeof(ret->text) - ret->n, "=%d", r);
	lt_json_scan_free(s);
	lt_json_paths_free(set);
}

/* Feeds @text cut at @a and @b; the result codes become part of the trace. */
static void scan(const char *text, size_t a, size_t b, struct trace *ret)
{
	struct lt_json_sink sink = {.arg = ret, .hit = record};
	struct lt_json_paths *set = NULL;
	struct lt_json_scan *s = NULL;
	size_t bad, n = strlen(text);
	int r;

	memset(ret, 0, sizeof(*ret));
	assert_int_equal(lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad), 0);
	assert_int_equal(lt_json_scan_new(set, &sink, &s), 0);
	r = feed_copy(s, text, a);
	if (r == 0)
		r = feed_copy(s, text + a, b - a);
	if (r == 0)
		r = feed_copy(s, text + b, n - b);
	if (r == 0)
		r = lt_json_scan_finish(s);
	snprintf(ret->text + ret->n, sizeof(ret->text) - ret->n, "=%d", r);
	lt_json_scan_free(s);
	lt_json_paths_free(set);
}

static void whole(const char *text, const char *expected)
{
	struct trace t;

	scan(text, strlen(text), strlen(text), &t);
	assert_string_equal(t.text, expected);
}

static void finds_scalars_at_their_paths(void **state)
{
	(void)state;
	whole(documents[0], "4:5:0:;3:4:0:gpt-4o;0:3:0:12;4:7:0:;=0");
	whole(documents[1], "4:5:0:;1:4:0:stop;4:7:0:;=0");
	whole(documents[2], "4:5:0:;2:4:0:a;2:4:0:b;2:0:0:;4:7:0:;=0");
}

static void element_paths_match_all_and_one(void **state)
{
	(void)state;
	whole(documents[3],
	      "4:5:0:;5:3:0:1;5:4:0:two;6:4:0:two;5:6:0:;5:7:0:;5:5:0:;5:7:0:;5:2:0:;5:1:0:;"
	      "5:0:0:;4:7:0:;=0");
}

static void escapes_are_resolved_in_names_and_values(void **state)
{
	(void)state;
	whole(documents[4],
	      "4:5:0:;7:3:0:-1.5e3;3:4:0:\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx\n;4:7:0:;=0");
}

static void any_split_gives_the_same(void **state)
{
	(void)state;
	for (size_t d = 0; d < LT_COUNT(documents) + LT_COUNT(broken); d++) {
		const char *text = d < LT_COUNT(documents) ? documents[d]
							   : broken[d - LT_COUNT(documents)];
		size_t n = strlen(text);
		struct trace expected, got;

		scan(text, n, n, &expected);
		for (size_t a = 0; a <= n; a++) {
			for (size_t b = a; b <= n; b++) {
				scan(text, a, b, &got);
				assert_string_equal(got.text, expected.text);
			}
		}
		for (size_t step = 1; step <= 5; step++) {
			scan_steps(text, step, &got);
			assert_string_equal(got.text, expected.text);
		}
	}
}

static void broken_documents_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < LT_COUNT(broken); i++) {
		struct trace t;

		scan(broken[i], strlen(broken[i]), strlen(broken[i]), &t);
		assert_non_null(strstr(t.text, "=-74")); /* EBADMSG */
	}
}

static void long_texts_are_cut_at_a_character(void **state)
{
	char text[2000] = "{\"model\":\"";
	struct trace t;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "\xc3\xa9");
	strcat(text, "\"}");
	scan(text, strlen(text), strlen(text), &t);
	assert_non_null(strstr(t.text, "3:4:1:"));
	assert_int_equal(strlen(strstr(t.text, "3:4:1:")),
			 6 + LT_JSON_TEXT_MAX + strlen(";4:7:0:;=0"));
}

/* The cut must not depend on where the input was split, nor on whether the text has escapes. */
static void long_texts_are_cut_the_same_in_any_split(void **state)
{
	static const char *const units[] = {
		"x",	   "\xc3\xa9",	     "\xe2\x82\xac", "\xf0\x9f\x98\x80",
		"\\u20ac", "\\ud83d\\ude00", "y\\n"};

	(void)state;
	for (size_t u = 0; u < LT_COUNT(units); u++) {
		for (size_t lead = 0; lead < 4; lead++) {
			char text[4096] = "{\"model\":\"";
			struct trace expected, got;

			strcat(text, &"abc"[3 - lead]);
			for (int i = 0; i < 270; i++)
				strcat(text, units[u]);
			strcat(text, "0123456789\"}");
			scan(text, strlen(text), strlen(text), &expected);
			assert_non_null(strstr(expected.text, "3:4:"));
			for (size_t a = 0; a <= strlen(text); a++) {
				scan(text, a, strlen(text), &got);
				assert_string_equal(got.text, expected.text);
			}
			scan_steps(text, 1, &got);
			assert_string_equal(got.text, expected.text);
		}
	}
}

/* For each number of bytes by which the ceiling may cut a character. */
static void no_character_is_cut_in_two(void **state)
{
	static const char *const units[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

	(void)state;
	for (size_t u = 0; u < LT_COUNT(units); u++) {
		for (size_t lead = 0; lead < 4; lead++) {
			size_t n = strlen(units[u]), fit = (LT_JSON_TEXT_MAX - lead) / n * n + lead;
			char text[2048] = "{\"model\":\"";
			struct trace t;

			strcat(text, &"abc"[3 - lead]);
			for (int i = 0; i < 200; i++)
				strcat(text, units[u]);
			strcat(text, "\"}");
			scan(text, strlen(text), strlen(text), &t);
			assert_int_equal(t.n, strlen("4:5:0:;3:4:1:;4:7:0:;") + fit);
			scan_steps(text, 1, &t);
			assert_int_equal(t.n, strlen("4:5:0:;3:4:1:;4:7:0:;") + fit);
		}
	}
}

static void every_array_counts_anew(void **state)
{
	(void)state;
	whole("{\"choices\":[0,0,{\"finish_reason\":\"no\"}],\"items\":[7,8,9]}",
	      "4:5:0:;5:3:0:7;5:3:0:8;6:3:0:8;5:3:0:9;4:7:0:;=0");
}

static void a_text_that_just_fits_is_not_cut(void **state)
{
	for (int escaped = 0; escaped < 2; escaped++) {
		for (size_t n = LT_JSON_TEXT_MAX - 1; n <= LT_JSON_TEXT_MAX + 1; n++) {
			char text[600], expected[600], xs[300];
			struct trace t;

			memset(xs, 'x', sizeof(xs));
			snprintf(text, sizeof(text), "{\"model\":\"%s%.*s\"}",
				 escaped ? "\\u0078" : "x", (int)n - 1, xs);
			snprintf(expected, sizeof(expected), "4:5:0:;3:4:%d:%.*s;4:7:0:;=0",
				 n > LT_JSON_TEXT_MAX,
				 (int)(n > LT_JSON_TEXT_MAX ? LT_JSON_TEXT_MAX : n), xs);
			scan(text, strlen(text), strlen(text), &t);
			assert_string_equal(t.text, expected);
		}
	}
	(void)state;
}

static void numbers_longer_than_the_ceiling_are_cut(void **state)
{
	char text[400], digits[301];
	struct trace t, split;

	(void)state;
	memset(digits, '7', 300);
	digits[300] = '\0';
	snprintf(text, sizeof(text), "{\"model\":%s}", digits);
	scan(text, strlen(text), strlen(text), &t);
	assert_non_null(strstr(t.text, "3:3:1:7777"));
	scan_steps(text, 1, &split);
	assert_string_equal(split.text, t.text);
	digits[200] = 'n';
	snprintf(text, sizeof(text), "{\"model\":%s}", digits);
	whole(text, "4:5:0:;=-74");
	/* A literal does not become one by its first bytes. */
	memset(digits, 'e', 300);
	memcpy(digits, "true", 4);
	snprintf(text, sizeof(text), "{\"model\":%s}", digits);
	whole(text, "4:5:0:;=-74");
}

static void long_names_match_no_path(void **state)
{
	char text[1100];
	struct trace t;

	(void)state;
	memset(text, 'm', sizeof(text));
	memcpy(text, "{\"", 2);
	snprintf(text + 1000, 100, "\":1,\"model\":2}");
	scan(text, strlen(text), strlen(text), &t);
	assert_string_equal(t.text, "4:5:0:;3:3:0:2;4:7:0:;=0");
	scan_steps(text, 7, &t);
	assert_string_equal(t.text, "4:5:0:;3:3:0:2;4:7:0:;=0");
}

/* @inner, nested so deep that the document has @depth levels. */
static int nested(const char *before, size_t depth, size_t walked)
{
	char text[2 * LT_JSON_DEPTH_MAX + 200];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", before), levels = depth - walked;
	struct trace t;

	memset(text + n, '[', levels);
	memset(text + n + levels, ']', levels);
	n += 2 * levels;
	memset(text + n, '}', walked);
	text[n + walked] = '\0';
	scan(text, strlen(text), strlen(text), &t);
	return atoi(strrchr(t.text, '=') + 1);
}

static void nesting_has_a_ceiling(void **state)
{
	(void)state;
	assert_int_equal(nested("", LT_JSON_DEPTH_MAX, 0), 0);
	assert_int_equal(nested("", LT_JSON_DEPTH_MAX + 1, 0), -74);
	/* The levels that are walked count as well. */
	assert_int_equal(nested("{\"deep\":{\"y\":", LT_JSON_DEPTH_MAX, 2), 0);
	assert_int_equal(nested("{\"deep\":{\"y\":", LT_JSON_DEPTH_MAX + 1, 2), -74);
}

static void an_error_stays_until_reset(void **state)
{
	struct trace t = {0};
	struct lt_json_sink sink = {.arg = &t, .hit = record};
	struct lt_json_paths *set = NULL;
	struct lt_json_scan *s = NULL;
	size_t bad;

	(void)state;
	assert_int_equal(lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad), 0);
	assert_int_equal(lt_json_scan_new(set, &sink, &s), 0);
	assert_int_equal(lt_json_scan_feed(s, lt_bytes_str("]")), -74);
	assert_int_equal(lt_json_scan_feed(s, lt_bytes_str("{}")), -74);
	assert_int_equal(lt_json_scan_feed(s, lt_bytes(NULL, 0)), -74);
	assert_int_equal(lt_json_scan_finish(s), -74);
	assert_false(lt_json_scan_done(s));
	/* Whatever state it is left in, a reset begins anew. */
	for (size_t d = 0; d < LT_COUNT(documents); d++) {
		for (size_t n = 0; n <= strlen(documents[d]); n++) {
			struct trace fresh;

			lt_json_scan_reset(s);
			lt_ignore(lt_json_scan_feed(s, lt_bytes(documents[d], n)));
			lt_json_scan_reset(s);
			t.n = 0;
			assert_int_equal(lt_json_scan_feed(s, lt_bytes_str(documents[4])), 0);
			assert_true(lt_json_scan_done(s));
			assert_int_equal(lt_json_scan_finish(s), 0);
			scan(documents[4], 0, 0, &fresh);
			assert_int_equal(t.n, fresh.n);
			assert_memory_equal(t.text, fresh.text, t.n);
		}
	}
	lt_json_scan_reset(s);
	assert_int_equal(lt_json_scan_feed(s, lt_bytes_str(" \r\n\t")), 0);
	assert_int_equal(lt_json_scan_finish(s), -61); /* ENODATA */
	lt_json_scan_free(s);
	lt_json_paths_free(set);
}

/* Hits of one document with paths of its own. */
static void with_paths(const char *const *list, size_t count, const char *text,
		       const char *expected)
{
	struct trace t = {0};
	struct lt_json_sink sink = {.arg = &t, .hit = record};
	struct lt_json_paths *set = NULL;
	struct lt_json_scan *s = NULL;
	size_t bad;

	assert_int_equal(lt_json_paths_new(list, count, &set, &bad), 0);
	assert_int_equal(lt_json_scan_new(set, &sink, &s), 0);
	assert_int_equal(lt_json_scan_feed(s, lt_bytes_str(text)), 0);
	assert_int_equal(lt_json_scan_finish(s), 0);
	assert_string_equal(t.text, expected);
	lt_json_scan_free(s);
	lt_json_paths_free(set);
}

static void up_to_eight_paths_that_differ_match_one_value(void **state)
{
	static const char *const eight[] = {"[][][]",  "[][][0]",  "[][0][]",  "[][0][0]",
					    "[0][][]", "[0][][0]", "[0][0][]", "[0][0][0]"};
	static const char *const same[] = {"a", "a", "\"a\""};
	static const char *const nine[] = {"[][][][]",	 "[][][][0]",	"[][][0][]",
					   "[][][0][0]", "[][0][][]",	"[][0][][0]",
					   "[][0][0][]", "[][0][0][0]", "[0][0][0][0]"};
	struct lt_json_paths *set = NULL;
	size_t bad = 99;

	(void)state;
	with_paths(eight, 8, "[[[1,2]],[[3]]]",
		   "0:3:0:1;1:3:0:1;2:3:0:1;3:3:0:1;4:3:0:1;5:3:0:1;6:3:0:1;7:3:0:1;"
		   "0:3:0:2;2:3:0:2;4:3:0:2;6:3:0:2;0:3:0:3;1:3:0:3;2:3:0:3;3:3:0:3;");
	with_paths(same, 3, "{\"a\":true}", "0:2:0:;1:2:0:;2:2:0:;");
	assert_int_equal(lt_json_paths_new(nine, LT_COUNT(nine), &set, &bad), -22);
	assert_int_equal(bad, 8);
	assert_null(set);
}

/* Many names below one object, long and short, with the same beginning. */
static void many_names_are_told_apart(void **state)
{
	char names[200][40], text[200], expected[40];
	const char *list[200];
	struct lt_json_paths *set = NULL;
	size_t bad;

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "%.*s%d", i % 20, "prefix_of_them_all__", i);
		list[i] = names[i];
	}
	assert_int_equal(lt_json_paths_new(list, 200, &set, &bad), 0);
	for (int i = 0; i < 200; i++) {
		struct trace t = {0};
		struct lt_json_sink sink = {.arg = &t, .hit = record};
		struct lt_json_scan *s = NULL;

		snprintf(text, sizeof(text), "{\"%.39s\":%d,\"%.39sx\":0}", names[i], i, names[i]);
		snprintf(expected, sizeof(expected), "%d:3:0:%d;", i, i);
		assert_int_equal(lt_json_scan_new(set, &sink, &s), 0);
		assert_int_equal(lt_json_scan_feed(s, lt_bytes_str(text)), 0);
		assert_string_equal(t.text, expected);
		lt_json_scan_free(s);
	}
	lt_json_paths_free(set);
}

static void running_out_of_memory_is_said(void **state)
{
	struct lt_json_sink sink = {.hit = record};
	struct lt_json_paths *set = NULL;
	struct lt_json_scan *s = NULL;
	size_t bad;

	(void)state;
	lt_alloc_fail_at(1);
	assert_int_equal(lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad), -12);
	assert_int_equal(lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad), 0);
	lt_alloc_fail_at(1);
	assert_int_equal(lt_json_scan_new(set, &sink, &s), -12);
	assert_null(s);
	lt_alloc_fail_at(0);
	lt_json_paths_free(set);
	assert_null(lt_json_scan_free(NULL));
	assert_null(lt_json_paths_free(NULL));
}

static void bad_paths_are_named(void **state)
{
	static const char *const bad[] = {"a..b", "a[x]", "a.", "[", "\"a"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++) {
		const char *two[] = {"fine", bad[i]};
		struct lt_json_paths *set = NULL;
		size_t at = 9;

		assert_true(lt_json_paths_new(two, 2, &set, &at) < 0);
		assert_int_equal(at, 1);
	}
}

struct flowed {
	char text[256];
	size_t n;
};

static void on_flow(void *arg, uint32_t path, struct lt_bytes piece)
{
	struct flowed *f = arg;

	assert_int_equal(path, 1);
	assert_true(f->n + piece.n < sizeof(f->text));
	memcpy(f->text + f->n, piece.p, piece.n);
	f->n += piece.n;
}

static void on_flow_hit(void *arg, const struct lt_json_hit *hit)
{
	struct flowed *f = arg;

	if (hit->path == 1)
		f->text[f->n++] = '|';
	if (hit->path == 2 && hit->type == LT_JSON_OBJECT)
		assert_int_equal(hit->at, 37);
	if (hit->path == 2 && hit->type == LT_JSON_END)
		assert_int_equal(hit->at, 51);
}

/* The same text in any split, before its hit; places of brackets count from the document's start.
 */
static void whole_texts_come_piece_by_piece(void **state)
{
	static const char *const wanted[] = {"a", "b[]", "c"};
	static const char text[] =
		"{\"a\":\"x\",\"b\":[\"one\",\"t\\u00e9\\n\"],\"c\":{\"d\":{\"e\":[1]}}}";
	struct lt_json_paths *set = NULL;
	size_t bad;

	(void)state;
	assert_int_equal(lt_json_paths_new(wanted, LT_COUNT(wanted), &set, &bad), 0);
	lt_json_paths_want_text(set, 1);
	for (size_t step = 1; step < sizeof(text); step++) {
		struct flowed f = {.n = 0};
		struct lt_json_sink sink = {.arg = &f, .hit = on_flow_hit, .text = on_flow};
		struct lt_json_scan *s = NULL;

		assert_int_equal(lt_json_scan_new(set, &sink, &s), 0);
		for (size_t at = 0; at < sizeof(text) - 1; at += step)
			assert_int_equal(feed_copy(s, text + at,
						   sizeof(text) - 1 - at < step
							   ? sizeof(text) - 1 - at
							   : step),
					 0);
		assert_int_equal(lt_json_scan_finish(s), 0);
		f.text[f.n] = '\0';
		assert_string_equal(f.text, "one|t\xc3\xa9\n|");
		lt_json_scan_free(s);
	}
	lt_json_paths_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_scalars_at_their_paths),
		cmocka_unit_test(element_paths_match_all_and_one),
		cmocka_unit_test(escapes_are_resolved_in_names_and_values),
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(broken_documents_are_refused),
		cmocka_unit_test(long_texts_are_cut_at_a_character),
		cmocka_unit_test(long_texts_are_cut_the_same_in_any_split),
		cmocka_unit_test(no_character_is_cut_in_two),
		cmocka_unit_test(every_array_counts_anew),
		cmocka_unit_test(a_text_that_just_fits_is_not_cut),
		cmocka_unit_test(numbers_longer_than_the_ceiling_are_cut),
		cmocka_unit_test(long_names_match_no_path),
		cmocka_unit_test(nesting_has_a_ceiling),
		cmocka_unit_test(an_error_stays_until_reset),
		cmocka_unit_test(up_to_eight_paths_that_differ_match_one_value),
		cmocka_unit_test(many_names_are_told_apart),
		cmocka_unit_test(running_out_of_memory_is_said),
		cmocka_unit_test(bad_paths_are_named),
		cmocka_unit_test(whole_texts_come_piece_by_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
