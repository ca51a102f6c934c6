// SPDX-License-Identifier: Apache-2.0
/* Any bytes as an earlier export; the titles are put before them, so that rows are reached. */
#include <assert.h>
#include <stdlib.h>

#include "userspace/view/focus_before.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The titles, and behind them the bytes; or the bytes alone. */
static FILE *make_file(const uint8_t *data, size_t size, char **ret)
{
	static const struct lt_focus focus;
	size_t n;
	FILE *out = open_memstream(ret, &n);

	assert(out);
	if (size > 0 && data[0] != '!')
		lt_focus_titles(out, &focus);
	fwrite(data, 1, size, out);
	fputc('\n', out);
	fclose(out);
	return fmemopen(*ret, n, "r");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lt_defer(lt_focus_before_freep)
	struct lt_focus_before *b = NULL;
	struct lt_record r = {.start_ns = 1795000000000000000, .revision = 1};
	struct lt_problem problem = {0};
	char *text = NULL, *taken_back = NULL;
	FILE *in = make_file(data, size, &text), *out;
	size_t n;
	bool same;
	int err;

	assert(in);
	out = open_memstream(&taken_back, &n);
	assert(out);
	err = lt_focus_before_new(in, "fuzz", LT_FOCUS_1_4, 0, INT64_MAX, &b, &problem);
	if (err == 0)
		err = lt_focus_before_record(b, &r, true, out, &same, &problem);
	if (err == 0)
		err = lt_focus_before_end(b, out, &problem);
	fclose(out);
	/* What was taken back is as many lines; refused is said. */
	if (err == 0 && (lt_focus_before_rows(b) > 0) != (n > 0))
		abort();
	if (err != 0 && problem.text[0] == '\0')
		abort();
	fclose(in);
	free(text);
	free(taken_back);
	return 0;
}
