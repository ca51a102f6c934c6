// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collectors/elf_image.h"
#include "collectors/returns.h"

static char directory[] = "/tmp/lt-returns-XXXXXX";

/* A library with OpenSSL's names, whose SSL_write ends as @end says. */
static int plan_of(const char *end, struct lt_probe_plan *ret, uint8_t *code, size_t size)
{
	static struct lt_probe_plans plans;
	char path[96], command[256];
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	lt_defer(lt_closep)
	int fd = -1;
	FILE *out;

	snprintf(path, sizeof(path), "%s/source.c", directory);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out,
		"int elsewhere(void *, int); int (*pointer)(void *, int) = elsewhere; volatile int "
		"v;\n"
		"__attribute__((noinline)) int elsewhere(void *s, int n) { return v + n + !s; }\n"
		"int SSL_read(void *s, void *b, int n) { if (n < 0) return -1; if (!s) return v; "
		"v++; while (n-- > 3) v += n; return elsewhere(b, n) + 1; }\n"
		"int SSL_write(void *s, const void *b, int n) { if (!b) return -1; %s }\n"
		"void SSL_free(void *s) { v = !s; }\n",
		end);
	assert_int_equal(fclose(out), 0);
	snprintf(command, sizeof(command),
		 "cd %s && gcc -O2 -fno-reorder-blocks-and-partition -shared -fPIC source.c -o "
		 "image.so",
		 directory);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/image.so", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(lt_elf_open(fd, &image), 0);
	assert_int_equal(lt_collector_plans(image, &plans), 0);
	*ret = plans.plans[0];
	assert_int_equal(ret->count, 3);
	memset(code, 0, size);
	assert_true(lt_elf_read(image, 0, code, size) > 0);
	return lt_returns_plan(image, ret);
}

static void every_ret_gets_a_probe(void **state)
{
	static struct lt_probe_plan plan;
	static uint8_t code[64 << 10];
	unsigned of_read = 0, of_write = 0;

	(void)state;
	assert_int_equal(plan_of("return elsewhere((void *)b, n) + 2;", &plan, code, sizeof(code)),
			 0);
	for (unsigned i = 3; i < plan.count; i++) {
		assert_int_equal(plan.probes[i].hook, LT_HOOK_LEAVE);
		of_read += strcmp(plan.probes[i].symbol, "SSL_read, RET") == 0;
		of_write += strcmp(plan.probes[i].symbol, "SSL_write, RET") == 0;
#ifdef __x86_64__
		assert_int_equal(code[plan.probes[i].offset], 0xc3);
#endif
	}
	assert_true(of_read >= 1 && of_write >= 1);
	assert_int_equal(of_read + of_write, plan.count - 3);
}

static void a_function_that_jumps_away_is_refused(void **state)
{
	static struct lt_probe_plan plan;
	static uint8_t code[64 << 10];

	(void)state;
	assert_int_equal(plan_of("return pointer((void *)b, n);", &plan, code, sizeof(code)),
			 -ENOTSUP);
	assert_int_equal(plan_of("return elsewhere((void *)b, n);", &plan, code, sizeof(code)),
			 -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ret_gets_a_probe),
		cmocka_unit_test(a_function_that_jumps_away_is_refused),
	};
	char command[64];
	int failed;

	if (!mkdtemp(directory))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command) != 0 || failed;
}
