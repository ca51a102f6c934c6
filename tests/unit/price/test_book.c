// SPDX-License-Identifier: Apache-2.0
#include "userspace/price/book.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/price/lookup.h"

#define HEAD  "ledgertap-book\t1\nname\tt\nversion\t2026-01-01\nsource\tby hand\ncurrency\tUSD\n"
#define MODEL "model\tp\tm\nmatch\tequals\tm\n"

static struct lt_book *parsed(const char *text)
{
	struct lt_problem problem = {0};
	struct lt_book *book = NULL;
	char shown[900];
	int err = lt_book_parse(lt_bytes_str(text), "t.tsv", &book, &problem);

	if (err)
		fail_msg("%s", lt_problem_format(&problem, shown, sizeof(shown)));
	return book;
}

static const char *found(const struct lt_book *book, const char *provider, const char *model)
{
	static char id[128];
	const struct lt_book_model *m = lt_book_find(book, provider, model);

	if (!m)
		return "-";
	lt_bytes_copy(id, sizeof(id), lt_book_model_id(m));
	return id;
}

static void the_header_names_the_book(void **state)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = parsed(HEAD MODEL "prices\t-\n");

	(void)state;
	assert_string_equal(lt_book_version(book), "t@2026-01-01");
	assert_string_equal(lt_book_source(book), "by hand");
	assert_string_equal(lt_book_currency(book), "USD");
	assert_int_equal(lt_book_size(book), 1);
}

static void hostile_rows_are_refused_with_their_line(void **state)
{
	static const char *const bad[] = {
		"wrong\tx",
		"model\tp",
		"model\tp\tm\textra",
		"model\tP\tm",
		"model\tp\tm m",
		"model\tp\t\x01",
		"model\tp\tcaf\xc3\xa9",
		"model\t\tm",
		"match\tequals\tm",
		"prices\t-",
		"rate\tinput\t1",
		"name\tagain",
		"version\t2026-02-30",
		"version\t2026-1-1",
		"currency\tusd",
		"currency\tDOLLAR",
		MODEL "match\tregex\tm",
		MODEL "match\tequals",
		MODEL "match\tequals\tM",
		MODEL "match\tlike\ta*b",
		MODEL "match\tequals\tm\tends",
		MODEL "rate\tinput\t1",
		MODEL "prices\t2026-13-01",
		MODEL "prices\t-\t16:30",
		MODEL "prices\t-\t24:00-01:00",
		MODEL "prices\t-\t01:00-01:00",
		MODEL "tier\tbatch\t-",
		MODEL "prices\t-\ntier\ttoolongtiername\t-",
		MODEL "prices\t-\nmatch\tequals\tn",
		MODEL "prices\t-\nname\tlate",
		MODEL "prices\t-\nrate\tinput",
		MODEL "prices\t-\nrate\tinput\t-1",
		MODEL "prices\t-\nrate\tinput\tfree",
		MODEL "prices\t-\nrate\tinput\t1,5",
		MODEL "prices\t-\nrate\tinput\t0.0000000000000000001",
		MODEL "prices\t-\nrate\tinput\t1/0",
		MODEL "prices\t-\nrate\tinput\t1/",
		MODEL "prices\t-\nrate\tinput\t1/1000001",
		MODEL "prices\t-\nrate\tinput\t/2",
		MODEL "prices\t-\nrate\tInput\t1",
		MODEL "prices\t-\nrate\tinput\t1\t>200000",
		MODEL "prices\t-\nrate\tinput\t1\t200000\t2",
		MODEL "prices\t-\nrate\tinput\t1\t>0\t2",
		MODEL "prices\t-\nrate\tinput\t1\t>9999999999\t2",
		MODEL "prices\t-\nrate\tinput\t1\t>200\t2\t>100\t3",
		MODEL "prices\t-\nrate\tinput\t1\nrate\tinput\t2",
		MODEL "prices\t-\nrate\tinput\t1\r",
		MODEL "prices\t-\nrate\t\tinput\t1",
		MODEL "prices\t-\nrate\tinput\t1\t",
		"factor\tp\t*\tbatch\t-",
		"factor\tp\t*\tbatch\tsoon\t0.5",
		"factor\tp\t*\tbatch\t-\thalf",
		"derive\tp\t*\tcache_write_1h\t-\tinput",
		"alias\tone",
		"provider\tp\ta\tb\tc\td\te\tf\tg\th\ti",
		"x\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx\tx"
		"\tx\tx\tx"
		"\tx\tx",
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++) {
		struct lt_problem problem = {0};
		struct lt_book *book = NULL;
		char text[2048];
		unsigned line = 5;

		snprintf(text, sizeof(text), "%s%s\n# end\n", HEAD, bad[i]);
		if (lt_book_parse(lt_bytes_str(text), "bad.tsv", &book, &problem) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		for (const char *p = bad[i]; p; p = strchr(p + 1, '\n'))
			line++;
		assert_string_equal(problem.file, "bad.tsv");
		assert_int_equal(problem.line, line);
		assert_true(problem.text[0] != '\0');
		assert_null(book);
	}
}

static void what_is_not_a_book_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"{\"prices\": {}}",
		"ledgertap-book\t2\n",
		"ledgertap-book\n",
		"ledgertap-book\t1\n",
		"ledgertap-book\t1\nname\tt\nversion\t2026-01-01\n",
		HEAD "model\tp\tm\nprices\t-\n",
		HEAD "model\tp\tm\nmatch\tequals\tm\n",
		HEAD MODEL "prices\t-\n" MODEL "prices\t-\n",
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(bad); i++) {
		struct lt_problem problem = {0};
		struct lt_book *book = NULL;

		if (lt_book_parse(lt_bytes_str(bad[i]), "bad", &book, &problem) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_true(problem.line > 0);
	}
}

static void the_first_matching_entry_wins(void **state)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = parsed(
		HEAD "model\tp\tfirst\nmatch\tstarts\tgpt\t!ends\t-"
		     "tts\nmatch\tequals\talias\nprices\t-\n"
		     "model\tp\tsecond\nmatch\tequals\tgpt-9\nmatch\tends\t-tts\nprices\t-\n"
		     "model\tp\tthird\nmatch\tcontains\tmid\nmatch\tlike\td-####-##-##\n"
		     "match\tlike\tv#*\nprices\t-\n"
		     "model\tq\tother\nmatch\tequals\tonly-q\nprices\t-\n");

	(void)state;
	assert_string_equal(found(book, "p", "gpt-9"), "first");
	assert_string_equal(found(book, "p", "GPT-9"), "first");
	assert_string_equal(found(book, "p", "alias"), "first");
	assert_string_equal(found(book, "p", "gpt-9-tts"), "second");
	assert_string_equal(found(book, "p", "a-mid-b"), "third");
	assert_string_equal(found(book, "p", "mid"), "third");
	assert_string_equal(found(book, "p", "d-2026-01-02"), "third");
	assert_string_equal(found(book, "p", "d-2026-01-0x"), "-");
	assert_string_equal(found(book, "p", "d-2026-01-021"), "-");
	assert_string_equal(found(book, "p", "v3"), "third");
	assert_string_equal(found(book, "p", "v3-turbo"), "third");
	assert_string_equal(found(book, "p", "v"), "-");
	assert_string_equal(found(book, "p", "only-q"), "-");
	assert_string_equal(found(book, "q", "only-q"), "other");
	assert_string_equal(found(book, "r", "gpt-9"), "-");
	assert_string_equal(found(book, "p", ""), "-");
	assert_string_equal(found(book, "", "gpt-9"), "-");
}

static void a_date_written_without_dashes_finds_the_dated_name(void **state)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = parsed(HEAD
				      "model\tp\tdated\nmatch\tequals\tx-2025-12-11\nprices\t-\n"
				      "model\tp\tplain\nmatch\tequals\ty-20251211\nprices\t-\n");

	(void)state;
	assert_string_equal(found(book, "p", "x-20251211"), "dated");
	assert_string_equal(found(book, "p", "y-20251211"), "plain");
	assert_string_equal(found(book, "p", "x-20251311"), "-");
	assert_string_equal(found(book, "p", "x-202512110"), "-");
	assert_string_equal(found(book, "p", "x20251211"), "-");
}

static void a_provider_falls_back_one_step(void **state)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = parsed(
		HEAD "provider\ta\tb\tc\nprovider\tb\td\n"
		     "model\tb\tin-b\nmatch\tequals\tx\nprices\t-\n"
		     "model\tc\tin-c\nmatch\tstarts\tx\nmatch\tstarts\ty\nprices\t-\n"
		     "model\td\tin-d\nmatch\tequals\tz\nprices\t-\n");

	(void)state;
	assert_string_equal(found(book, "a", "x"), "in-b");
	assert_string_equal(found(book, "a", "y"), "in-c");
	assert_string_equal(found(book, "a", "z"), "-");
	assert_string_equal(found(book, "b", "z"), "in-d");
	assert_string_equal(found(book, "b", "y"), "-");
}

static const char *write_file(const char *text)
{
	static char path[] = "/tmp/lt-book-XXXXXX";
	int fd;
	FILE *f;

	strcpy(path, "/tmp/lt-book-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static void the_built_in_book_loads_and_knows_the_providers(void **state)
{
	static const char *const names[][2] = {
		{"openai", "gpt-4o-2024-08-06"},      {"openai", "gpt-5"},
		{"anthropic", "claude-sonnet-4-5"},   {"azure", "gpt-4o"},
		{"openai", "text-embedding-3-small"}, {"groq", "llama-3.3-70b-versatile"},
	};
	lt_defer(lt_book_freep)
	struct lt_book *book = NULL;
	struct lt_problem problem = {0};

	(void)state;
	assert_int_equal(lt_book_load(NULL, NULL, &book, &problem), 0);
	assert_true(lt_book_size(book) > 2000);
	for (size_t i = 0; i < LT_COUNT(names); i++)
		assert_non_null(lt_book_find(book, names[i][0], names[i][1]));
	assert_null(lt_book_find(book, "openai", "no-such-model"));
	assert_null(lt_book_find(book, "openai_compatible", "gpt-5"));
}

static void an_overlay_wins_and_is_named(void **state)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = NULL;
	struct lt_problem problem = {0};
	const char *path = write_file(
		"ledgertap-book\t1\nname\tmine\nversion\t2026-06-01\ncurrency\tUSD\n"
		"model\topenai\tmy-gpt\nmatch\tstarts\tgpt-5\nprices\t-\nrate\tinput\t1\n"
		"model\tvllm\tllama\nmatch\tequals\tllama\nprices\t-\nrate\tinput\t0\n");
	char version[64];
	int err = lt_book_load(NULL, path, &book, &problem);

	(void)state;
	unlink(path);
	assert_int_equal(err, 0);
	assert_string_equal(found(book, "openai", "gpt-5"), "my-gpt");
	assert_string_equal(found(book, "vllm", "llama"), "llama");
	assert_string_equal(found(book, "openai", "gpt-4o"), "gpt-4o");
	lt_bytes_copy(version, sizeof(version), lt_bytes_str(lt_book_version(book)));
	assert_non_null(strstr(version, "+mine@2026-06-01"));
}

static void a_replacement_leaves_the_built_in_book_out(void **state)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = NULL;
	struct lt_problem problem = {0};
	const char *path = write_file(HEAD MODEL "prices\t-\n");
	int err = lt_book_load(path, NULL, &book, &problem);

	(void)state;
	unlink(path);
	assert_int_equal(err, 0);
	assert_int_equal(lt_book_size(book), 1);
	assert_string_equal(lt_book_version(book), "t@2026-01-01");
}

static void files_that_cannot_be_used_are_a_problem_with_a_name(void **state)
{
	struct lt_problem problem = {0};
	struct lt_book *book = NULL;
	const char *path;

	(void)state;
	assert_int_equal(lt_book_load("/nonexistent/book", NULL, &book, &problem), -EINVAL);
	assert_string_equal(problem.file, "/nonexistent/book");
	assert_int_equal(lt_book_load(NULL, "/tmp", &book, &problem), -EINVAL);
	path = write_file("ledgertap-book\t1\nname\tm\nversion\t2026-06-01\ncurrency\tEUR\n");
	assert_int_equal(lt_book_load(NULL, path, &book, &problem), -EINVAL);
	unlink(path);
	assert_non_null(strstr(problem.text, "currency"));
	path = write_file("ledgertap-book\t1\nname\ta-name-of-23-characters\n"
			  "version\t2026-06-01\ncurrency\tUSD\n");
	assert_int_equal(lt_book_load(NULL, path, &book, &problem), -EINVAL);
	unlink(path);
	assert_non_null(strstr(problem.text, "too long"));
	assert_null(book);
}

static void every_failed_allocation_is_reported(void **state)
{
	static const char text[] = HEAD "provider\tp\tq\n" MODEL
					"prices\t-\nrate\tinput\t1\trate\t2\n";
	static const char good[] = HEAD
		"provider\tp\tq\n" MODEL
		"prices\t-\nrate\tinput\t1\nrate\tseats\t2\ntier\tbatch\t-\n"
		"factor\tp\t*\tflex\t-\t0.5\nalias\tchairs\tseats\n";
	struct lt_problem problem = {0};
	struct lt_book *book = NULL;
	unsigned long failed = 0;
	int err = -ENOMEM;

	(void)state;
	assert_int_equal(lt_book_parse(lt_bytes_str(text), "t", &book, &problem), -EINVAL);
	for (unsigned long n = 1; err && n < 500; n++) {
		lt_alloc_fail_at(n);
		err = lt_book_parse(lt_bytes_str(good), "t", &book, &problem);
		lt_alloc_fail_at(0);
		if (err)
			assert_int_equal(err, -ENOMEM);
		failed += err != 0;
	}
	assert_int_equal(err, 0);
	assert_true(failed > 10);
	lt_book_free(book);
}

static void every_cut_of_a_book_is_survived(void **state)
{
	static const char text[] = HEAD "provider\tp\tq\n" MODEL
					"prices\t2025-01-01\t01:00-02:00\nrate\tinput\t1\t>5\t2/3\n"
					"tier\tbatch\t-\nrate\tinput\t0.5\n";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		lt_defer(lt_book_freep)
		struct lt_book *book = NULL;
		struct lt_problem problem = {0};
		int err = lt_book_parse(lt_bytes(text, n), "cut", &book, &problem);

		assert_true(err == 0 || err == -EINVAL);
		assert_int_equal(err == 0, book != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_names_the_book),
		cmocka_unit_test(hostile_rows_are_refused_with_their_line),
		cmocka_unit_test(what_is_not_a_book_is_refused),
		cmocka_unit_test(the_first_matching_entry_wins),
		cmocka_unit_test(a_date_written_without_dashes_finds_the_dated_name),
		cmocka_unit_test(a_provider_falls_back_one_step),
		cmocka_unit_test(the_built_in_book_loads_and_knows_the_providers),
		cmocka_unit_test(an_overlay_wins_and_is_named),
		cmocka_unit_test(a_replacement_leaves_the_built_in_book_out),
		cmocka_unit_test(files_that_cannot_be_used_are_a_problem_with_a_name),
		cmocka_unit_test(every_failed_allocation_is_reported),
		cmocka_unit_test(every_cut_of_a_book_is_survived),
	};

	return cmocka_run_group_tests_name("price/book", tests, NULL, NULL);
}
