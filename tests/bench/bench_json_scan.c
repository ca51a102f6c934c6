// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON scanner alone: MB/s over three large documents (long texts, many small objects that are
 * skipped, many that are walked) and ns for each small event of a stream. Prints "name value"
 * lines.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "userspace/base/clock.h"
#include "userspace/base/json_scan.h"

enum { SLICES = 400, LARGE = 1 << 20, PIECE = 16384 };

/* About as many as a chat rule set asks for. */
static const char *const paths[] = {
	"id",
	"model",
	"service_tier",
	"error.type",
	"error.code",
	"usage",
	"usage.prompt_tokens",
	"usage.completion_tokens",
	"usage.total_tokens",
	"usage.prompt_tokens_details.cached_tokens",
	"usage.prompt_tokens_details.audio_tokens",
	"usage.completion_tokens_details.reasoning_tokens",
	"choices[].finish_reason",
	"choices[].index",
	"choices[].delta.tool_calls[].id",
	"choices[].message.tool_calls[].id",
	"walked[].index",
};

static const char event[] =
	"{\"id\":\"chatcmpl-C1aaaaaaaaaaaaaaaaaaaaaaaaaa0001\",\"object\":\"chat.completion."
	"chunk\","
	"\"created\":1791191650,\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\","
	"\"system_fingerprint\":\"fp_0a1b2c3d\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
	"\" word\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}";

static unsigned long hits;

static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	(void)arg;
	(void)hit;
	hits++;
}

struct text {
	char *p;
	size_t n;
};

/* @head, then @item until the text is large, then @tail. */
static struct text repeat(const char *head, const char *item, const char *between, const char *tail)
{
	struct text t = {.p = malloc(LARGE + 4096)};

	if (!t.p)
		abort();
	t.n = (size_t)sprintf(t.p, "%s%s", head, item);
	while (t.n < LARGE)
		t.n += (size_t)sprintf(t.p + t.n, "%s%s", between, item);
	t.n += (size_t)sprintf(t.p + t.n, "%s", tail);
	return t;
}

static void scan(struct lt_json_scan *s, const char *p, size_t n)
{
	int r = 0;

	lt_json_scan_reset(s);
	for (size_t at = 0; r == 0 && at < n; at += PIECE)
		r = lt_json_scan_feed(s, lt_bytes(p + at, n - at < PIECE ? n - at : PIECE));
	if (r < 0 || lt_json_scan_finish(s) < 0)
		abort();
}

/* ns for one document: the best of many short slices, as neighbours on the host only slow down. */
static double measure(struct lt_json_scan *s, const char *p, size_t n)
{
	unsigned rounds = n < 4096 ? 4096 : 1;
	uint64_t best = UINT64_MAX;

	for (int slice = 0; slice < SLICES; slice++) {
		uint64_t begun = lt_clock_boot_ns(), passed;

		for (unsigned i = 0; i < rounds; i++)
			scan(s, p, n);
		passed = lt_clock_boot_ns() - begun;
		best = passed < best ? passed : best;
	}
	return (double)best / rounds;
}

static void large(struct lt_json_scan *s, const char *name, struct text t)
{
	printf("%s %.0f\n", name, (double)t.n * 1e3 / measure(s, t.p, t.n));
	free(t.p);
}

int main(void)
{
	struct lt_json_sink sink = {.hit = on_hit};
	lt_defer(lt_json_paths_freep)
	struct lt_json_paths *set = NULL;
	lt_defer(lt_json_scan_freep)
	struct lt_json_scan *s = NULL;
	size_t bad;

	if (lt_json_paths_new(paths, LT_COUNT(paths), &set, &bad) < 0 ||
	    lt_json_scan_new(set, &sink, &s) < 0)
		return 1;
	large(s, "json_text_mb_per_s",
	      repeat("{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"",
		     "A sentence of an answer, with \\\"quotes\\\" and\\na line break now and "
		     "then.",
		     " ", "\"}}]}"));
	large(s, "json_skipped_objects_mb_per_s",
	      repeat("{\"model\":\"m\",\"data\":[",
		     "{\"token\":\" word\",\"logprob\":-0.0123,\"bytes\":[32,119,111],\"top\":[]}",
		     ",", "]}"));
	large(s, "json_walked_objects_mb_per_s",
	      repeat("{\"model\":\"m\",\"walked\":[",
		     "{\"object\":\"embedding\",\"index\":12,\"embedding\":[0.0123,-0.0456,0.789]}",
		     ",", "]}"));
	printf("json_event_bytes %zu\n", sizeof(event) - 1);
	printf("json_event_ns %.0f\n", measure(s, event, sizeof(event) - 1));
	return hits > 0 ? 0 : 1;
}
