// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

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
	r = lt_json_scan_feed(s, lt_bytes(text, a));
	if (r == 0)
		r = lt_json_scan_feed(s, lt_bytes(text + a, b - a));
	if (r == 0)
		r = lt_json_scan_feed(s, lt_bytes(text + b, n - b));
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

static void nesting_has_a_ceiling(void **state)
{
	char text[4096];
	struct trace t;

	(void)state;
	memset(text, '[', 2000);
	text[2000] = '\0';
	scan(text, 2000, 2000, &t);
	assert_non_null(strstr(t.text, "=-74"));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_scalars_at_their_paths),
		cmocka_unit_test(element_paths_match_all_and_one),
		cmocka_unit_test(escapes_are_resolved_in_names_and_values),
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(broken_documents_are_refused),
		cmocka_unit_test(long_texts_are_cut_at_a_character),
		cmocka_unit_test(nesting_has_a_ceiling),
		cmocka_unit_test(bad_paths_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
