// SPDX-License-Identifier: Apache-2.0
/*
 * How fast ordered body bytes become usage: one core, in memory, HTTP/1.1 framing, SSE, JSON and
 * rules. Prints lines "name value". The chat stream has chunks of about 250 bytes, one event in
 * each, as OpenAI sends them; the JSON answer is one of 16 KiB.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "userspace/base/clock.h"
#include "userspace/decode/decoder.h"
#include "userspace/protocol/protocol.h"

enum { RUN_MS = 700, EVENTS = 2000, JSON_TEXT = 16000 };

static const char request[] =
	"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer x\r\n"
	"Content-Type: application/json\r\nContent-Length: 56\r\n\r\n"
	"{\"model\":\"gpt-4o\",\"stream\":true,\"messages\":[{\"role\":1}]}";

static const char usage[] = "{\"prompt_tokens\":44,\"completion_tokens\":2000,\"total_tokens\":"
			    "2044,\"prompt_tokens_details\":"
			    "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_"
			    "details\":{\"reasoning_tokens\":7}}";

struct text {
	char *p;
	size_t n, size;
};

static void LT_PRINTF(2, 3) add(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	if (t->size - t->n < 65536) {
		t->size = t->size * 2 + 131072;
		t->p = realloc(t->p, t->size);
		if (!t->p)
			abort();
	}
	va_start(args, format);
	n = vsnprintf(t->p + t->n, t->size - t->n, format, args);
	va_end(args);
	t->n += (size_t)n;
}

static void add_chunk(struct text *t, const char *data)
{
	add(t, "%zx\r\n%s\r\n", strlen(data), data);
}

static void make_stream(struct text *t)
{
	char event[1024];

	add(t, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
	       "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < EVENTS; i++) {
		snprintf(event, sizeof(event),
			 "data: {\"id\":\"chatcmpl-C1aaaaaaaaaaaaaaaaaaaaaaaaaa%04d\",\"object\":"
			 "\"chat.completion.chunk\",\"created\":1791191650,\"model\":\"gpt-4o-2024-"
			 "08-06\","
			 "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0a1b2c3d\","
			 "\"choices\":"
			 "[{\"index\":0,\"delta\":{\"content\":\" word%d\"},\"logprobs\":null,"
			 "\"finish_reason\":%s}]%s}\n\n",
			 0, i, i == EVENTS - 1 ? "\"stop\"" : "null", ",\"usage\":null");
		add_chunk(t, event);
	}
	snprintf(event, sizeof(event), "data: {\"id\":\"c\",\"choices\":[],\"usage\":%s}\n\n",
		 usage);
	add_chunk(t, event);
	add_chunk(t, "data: [DONE]\n\n");
	add(t, "0\r\n\r\n");
}

static void make_json(struct text *t)
{
	struct text body = {0};

	add(&body,
	    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-2024-08-06\","
	    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
	while (body.n < JSON_TEXT)
		add(&body, "A sentence of an answer, with \\\"quotes\\\" and\\na line break now "
			   "and then. ");
	add(&body, "\"},\"finish_reason\":\"stop\"}],\"usage\":%s}", usage);
	add(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    body.n);
	add(t, "%s", body.p);
	free(body.p);
}

static uint64_t calls;

static void on_call(void *arg, const struct lt_call *call)
{
	(void)arg;
	if (call->usage.input.n != 44 || call->usage.completeness != LT_COMPLETE)
		abort(); /* a wrong answer has no speed */
	calls++;
}

static void feed(struct lt_parser *parser, enum lt_side side, const char *p, size_t n)
{
	/* As TLS hands them out: a record at a time. */
	for (size_t at = 0; at < n; at += 16384) {
		size_t piece = n - at < 16384 ? n - at : 16384;

		if (lt_http1.feed(parser, side, 1, lt_bytes(p + at, piece)) < 0)
			abort();
	}
}

static void run(const char *name, const struct lt_exchange_sink *sink, const struct text *response)
{
	struct lt_conn conn = {.library = LT_LIBRARY_REPLAY};
	struct lt_parser *parser = NULL;
	uint64_t begun = lt_clock_boot_ns(), passed = 0, bytes = 0;

	if (lt_http1.open(&conn, sink, &parser) < 0)
		abort();
	while (passed < RUN_MS * 1000000ULL) {
		feed(parser, LT_SIDE_REQUEST, request, sizeof(request) - 1);
		feed(parser, LT_SIDE_RESPONSE, response->p, response->n);
		bytes += response->n;
		passed = lt_clock_boot_ns() - begun;
	}
	lt_http1.close(parser, 2, LT_CLOSE_FREED);
	printf("%s %.0f\n", name, (double)bytes * 1e3 / (double)passed);
}

int main(void)
{
	lt_defer(lt_catalog_freep)
	struct lt_catalog *catalog = NULL;
	lt_defer(lt_decoder_freep)
	struct lt_decoder *decoder = NULL;
	struct lt_call_sink sink = {.call = on_call};
	struct lt_decoder_opts opts = {0};
	struct lt_exchange_sink exchanges;
	struct text stream = {0}, json = {0};
	struct lt_problem problem;

	if (lt_catalog_load(NULL, &catalog, &problem) < 0 ||
	    lt_decoder_new(&opts, catalog, &sink, &decoder) < 0)
		return 1;
	make_stream(&stream);
	make_json(&json);
	exchanges = lt_decoder_sink(decoder);
	run("decode_sse_mb_per_s", &exchanges, &stream);
	run("decode_json_mb_per_s", &exchanges, &json);
	free(stream.p);
	free(json.p);
	return calls > 0 ? 0 : 1;
}
