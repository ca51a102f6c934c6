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
#include "userspace/base/yaml.h"

static struct lt_yaml *parsed(const char *text)
{
	struct lt_yaml *yaml = NULL;
	struct lt_problem problem = {0};

	if (lt_yaml_parse(lt_bytes_str(text), "t.yaml", &yaml, &problem) < 0)
		fail_msg("line %u: %s", problem.line, problem.text);
	return yaml;
}

static void refused(struct lt_bytes text, unsigned line, const char *words)
{
	struct lt_yaml *yaml = NULL;
	struct lt_problem problem = {0};

	assert_int_equal(lt_yaml_parse(text, "t.yaml", &yaml, &problem), -EINVAL);
	assert_null(yaml);
	assert_string_equal(problem.file, "t.yaml");
	if (!strstr(problem.text, words))
		fail_msg("'%s' does not say '%s'", problem.text, words);
	assert_int_equal(problem.line, line);
}

static void nodes_know_their_kind_text_and_line(void **state)
{
	struct lt_yaml *yaml = parsed(
		"# first\nname: ledger\nempty:\nquoted: ''\nnothing: ~\n"
		"list:\n  - 1\n  - [a, b]\nmap: {x: y}\ntext: |\n  two\n  lines\n");
	const struct lt_yaml_node *root = lt_yaml_root(yaml), *list;
	unsigned n = 0;

	(void)state;
	assert_string_equal(lt_yaml_name(yaml), "t.yaml");
	assert_int_equal(root->kind, LT_YAML_MAP);
	assert_string_equal(lt_yaml_get(root, "name")->text, "ledger");
	assert_int_equal(lt_yaml_get(root, "name")->line, 2);
	assert_string_equal(lt_yaml_get(root, "empty")->text, "");
	assert_false(lt_yaml_get(root, "empty")->quoted);
	assert_true(lt_yaml_get(root, "quoted")->quoted);
	assert_string_equal(lt_yaml_get(root, "nothing")->text, "");
	assert_string_equal(lt_yaml_get(root, "text")->text, "two\nlines\n");
	assert_string_equal(lt_yaml_get(lt_yaml_get(root, "map"), "x")->text, "y");
	list = lt_yaml_get(root, "list");
	assert_int_equal(list->kind, LT_YAML_LIST);
	lt_yaml_for_each (item, list) {
		assert_int_equal(item->line, 7 + n);
		assert_null(item->key);
		n++;
	}
	assert_int_equal(n, 2);
	assert_null(lt_yaml_get(root, "absent"));
	assert_null(lt_yaml_get(list, "name"));
	assert_null(lt_yaml_get(NULL, "name"));
	lt_yaml_free(yaml);
}

static void an_empty_document_has_no_root(void **state)
{
	static const char *const texts[] = {"", "\n", "# only a comment\n"};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		struct lt_yaml *yaml = parsed(texts[i]);

		assert_null(lt_yaml_root(yaml));
		lt_yaml_free(yaml);
	}
	assert_null(lt_yaml_free(NULL));
}

static void what_hides_meaning_is_refused(void **state)
{
	(void)state;
	refused(lt_bytes_str("a: 1\nb: 2\na: 3\n"), 3, "twice");
	refused(lt_bytes_str("a: &x 1\n"), 1, "anchors");
	refused(lt_bytes_str("&x a: 1\n"), 1, "anchors");
	refused(lt_bytes_str("a:\n  &x [1]\n"), 2, "anchors");
	refused(lt_bytes_str("a:\n  - *x\n"), 2, "anchors");
	refused(lt_bytes_str("*x : 1\n"), 1, "key");
	refused(lt_bytes_str("? [a]\n: 1\n"), 1, "key");
	refused(lt_bytes_str("a: 1\n---\nb: 2\n"), 2, "one YAML document");
	refused(lt_bytes_str("a: \"x\\0y\"\n"), 1, "NUL");
	refused(lt_bytes_str("\"a\\0b\": 1\n"), 1, "NUL");
}

static void broken_yaml_names_its_line(void **state)
{
	struct lt_problem problem = {0};
	struct lt_yaml *yaml = NULL;

	(void)state;
	assert_int_equal(
		lt_yaml_parse(lt_bytes_str("a: 1\nb: [1, 2\nc: 3\n"), "t.yaml", &yaml, &problem),
		-EINVAL);
	assert_true(problem.line >= 2 && problem.line <= 4);
	assert_true(problem.text[0] != '\0');
	assert_int_equal(lt_yaml_parse(lt_bytes_str("\xff\xfe\xff"), "t.yaml", &yaml, NULL),
			 -EINVAL);
}

static char *repeated(const char *item, size_t times)
{
	size_t n = strlen(item);
	char *text = calloc(times, n + 1);

	assert_non_null(text);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * n, item, n + 1);
	return text;
}

static void ceilings_hold(void **state)
{
	char *deep = repeated("[", 65), *at_most = repeated("[", 64),
	     *large = repeated("x ", 3 << 20);
	char *keys = repeated("k00000: 1\n", 4097), *closed = calloc(1, 200);

	(void)state;
	assert_non_null(closed);
	snprintf(closed, 200, "%s%.*s", at_most, 64,
		 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	lt_yaml_free(parsed(closed));
	refused(lt_bytes_str(deep), 1, "too deeply");
	refused(lt_bytes_str(large), 0, "4 MiB");
	for (size_t i = 0; i < 4097; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%05zu", i);
		memcpy(keys + i * 10, key, 6);
	}
	refused(lt_bytes_str(keys), 4097, "4096 keys");
	keys[40960] = '\0';
	lt_yaml_free(parsed(keys));
	free(deep);
	free(at_most);
	free(large);
	free(keys);
	free(closed);
}

static void problems_say_line_and_column(void **state)
{
	static const char *const known[] = {"hosts", "rules", NULL};
	struct lt_yaml *yaml = parsed("hosts: 1\nrules:\n  - {match: here}\n  - two\n");
	const struct lt_yaml_node *rules = lt_yaml_get(lt_yaml_root(yaml), "rules");
	const struct lt_yaml_node *match = lt_yaml_get(rules->child, "match");
	struct lt_problem problem = {0};
	char text[600];

	(void)state;
	lt_yaml_problem(yaml, match, &problem, "wrong");
	assert_string_equal(lt_problem_format(&problem, text, sizeof(text)), "t.yaml:3:13: wrong");
	lt_yaml_key_problem(yaml, match, &problem, "wrong");
	assert_string_equal(lt_problem_format(&problem, text, sizeof(text)), "t.yaml:3:6: wrong");
	lt_yaml_key_problem(yaml, rules->child->next, &problem, "wrong");
	assert_string_equal(lt_problem_format(&problem, text, sizeof(text)), "t.yaml:4:5: wrong");
	lt_problem_set(&problem, -EINVAL, "t.yaml", 7, "wrong");
	assert_string_equal(lt_problem_format(&problem, text, sizeof(text)), "t.yaml:7: wrong");
	assert_int_equal(lt_yaml_check_keys(yaml, rules->child, known, &problem), -EINVAL);
	assert_int_equal(problem.column, 6);
	lt_yaml_free(yaml);
	assert_int_equal(lt_yaml_parse(lt_bytes_str("a: b\n  c: [d\n"), "t", &yaml, &problem),
			 -EINVAL);
	assert_true(problem.line > 0 && problem.column > 0);
}

static void values_are_compared_wherever_they_stand(void **state)
{
	static const char text[] = "a: {x: 1, y: [1, 2, {z: q}]}\nb: [1, 2]\n";
	static const char *const others[] = {
		"a: {x: 1, y: [1, 2, {z: r}]}\nb: [1, 2]\n",	   "a: {x: 1}\nb: [1, 2]\n",
		"a: {x: 1, y: [1, 2, {z: q}]}\nb: [2, 1]\n",	   "a: {x: 1, y: [1, 2, {z: q}]}\n",
		"a: {x: 1, y: [1, 2, {z: q}], w: 1}\nb: [1, 2]\n", "text\n"};
	struct lt_yaml *a = parsed(text);
	struct lt_yaml *b = parsed(
		"# other\n\nb:\n  - 1\n  - 2\na:\n  y: [1, 2, {z: \"q\"}]\n  x: 1\n");

	(void)state;
	assert_true(lt_yaml_same(lt_yaml_root(a), lt_yaml_root(b)));
	assert_true(lt_yaml_same(NULL, NULL));
	assert_false(lt_yaml_same(lt_yaml_root(a), NULL));
	assert_false(lt_yaml_same(NULL, lt_yaml_root(a)));
	lt_yaml_free(b);
	for (size_t i = 0; i < LT_COUNT(others); i++) {
		b = parsed(others[i]);
		assert_false(lt_yaml_same(lt_yaml_root(a), lt_yaml_root(b)));
		lt_yaml_free(b);
	}
	lt_yaml_free(a);
}

static void unknown_keys_get_a_suggestion(void **state)
{
	static const char *const known[] = {"provider", "hosts", "models", NULL};
	struct lt_yaml *yaml = parsed("provider: a\nhsots: b\n");
	struct lt_problem problem = {0};

	(void)state;
	assert_int_equal(lt_yaml_check_keys(yaml, lt_yaml_root(yaml), known, &problem), -EINVAL);
	assert_int_equal(problem.line, 2);
	assert_non_null(strstr(problem.text, "'hsots'"));
	assert_non_null(strstr(problem.text, "'hosts'"));
	assert_int_equal(lt_yaml_check_keys(yaml, lt_yaml_get(lt_yaml_root(yaml), "provider"),
					    known, &problem),
			 -EINVAL);
	assert_int_equal(lt_yaml_check_keys(yaml, NULL, known, &problem), 0);
	lt_yaml_free(yaml);
	yaml = parsed("models: a\nhosts: b\n");
	assert_int_equal(lt_yaml_check_keys(yaml, lt_yaml_root(yaml), known, &problem), 0);
	lt_yaml_free(yaml);
}

static void files_are_read_or_the_reason_is_given(void **state)
{
	char path[] = "/tmp/test_yaml_XXXXXX";
	struct lt_problem problem = {0};
	struct lt_yaml *yaml = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a: 1\n", 5), 5);
	close(fd);
	assert_int_equal(lt_yaml_load(path, &yaml, &problem), 0);
	assert_string_equal(lt_yaml_get(lt_yaml_root(yaml), "a")->text, "1");
	lt_yaml_free(yaml);
	yaml = NULL;
	unlink(path);
	assert_int_equal(lt_yaml_load(path, &yaml, &problem), -ENOENT);
	assert_string_equal(problem.file, path);
	assert_true(lt_yaml_load("/", &yaml, &problem) < 0);
	assert_null(yaml);
}

static void every_failed_allocation_is_said(void **state)
{
	static const char text[] = "a: 1\nb: [x, {c: d}]\n";

	(void)state;
	for (unsigned long n = 1;; n++) {
		struct lt_yaml *yaml = NULL;
		struct lt_problem problem = {0};
		int r;

		lt_alloc_fail_at(n);
		r = lt_yaml_parse(lt_bytes_str(text), "t", &yaml, &problem);
		if (r == 0) {
			assert_true(n > 10);
			lt_yaml_free(yaml);
			break;
		}
		assert_int_equal(r, -ENOMEM);
		assert_null(yaml);
		assert_non_null(strstr(problem.text, "memory"));
	}
	lt_alloc_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_know_their_kind_text_and_line),
		cmocka_unit_test(an_empty_document_has_no_root),
		cmocka_unit_test(what_hides_meaning_is_refused),
		cmocka_unit_test(broken_yaml_names_its_line),
		cmocka_unit_test(ceilings_hold),
		cmocka_unit_test(problems_say_line_and_column),
		cmocka_unit_test(values_are_compared_wherever_they_stand),
		cmocka_unit_test(unknown_keys_get_a_suggestion),
		cmocka_unit_test(files_are_read_or_the_reason_is_given),
		cmocka_unit_test(every_failed_allocation_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
