// SPDX-License-Identifier: Apache-2.0
/*
 * How fast ordered body bytes become usage: one core, in memory, HTTP/1.1 and HTTP/2 framing, SSE,
 * JSON and rules. Prints lines "name value". The chat stream has chunks of about 250 bytes, one
 * event in each, as OpenAI sends them; the JSON answer is one of 16 KiB.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "userspace/base/clock.h"
#include "userspace/decode/decoder.h"
#include "userspace/protocol/protocol.h"

enum { RUN_MS = 300, ROUNDS = 5, EVENTS = 2000, JSON_TEXT = 16000 };

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

/* A piece of a stream, as a chunk of HTTP/1.1 or a DATA frame of HTTP/2. */
static void add_piece(struct text *t, bool http2, const char *data, unsigned flags)
{
	size_t n = strlen(data);
	const uint8_t frame[] = {
		(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, 0, (uint8_t)flags, 0, 0, 0, 1};

	add(t, "%s", ""); /* room */
	if (http2) {
		memcpy(t->p + t->n, frame, sizeof(frame));
		t->n += sizeof(frame);
		add(t, "%s", data);
	} else {
		add(t, "%zx\r\n%s\r\n", n, data);
	}
}

static void make_stream(struct text *t, bool http2)
{
	/* SETTINGS; HEADERS: 200, content-type */
	static const char heads[] = "\0\0\0\4\0\0\0\0\0\0\0\x15\1\4\0\0\0\1\x88\x0f\x10\x11"
				    "text/event-stream";
	char event[1024];

	add(t, "%s",
	    http2 ? ""
		  : "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n");
	if (http2) {
		memcpy(t->p, heads, sizeof(heads) - 1);
		t->n = sizeof(heads) - 1;
	}
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
		add_piece(t, http2, event, 0);
	}
	snprintf(event, sizeof(event), "data: {\"id\":\"c\",\"choices\":[],\"usage\":%s}\n\n",
		 usage);
	add_piece(t, http2, event, 0);
	add_piece(t, http2, "data: [DONE]\n\n", 1);
	if (!http2)
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

/* What is fed again and again; @open: a connection carries one exchange only. */
struct load {
	const struct lt_protocol *protocol;
	const char *request;
	size_t request_n;
	struct text response;
	double best; /* MB/s */
};

static void feed(const struct load *l, struct lt_parser *parser, enum lt_side side, const char *p,
		 size_t n)
{
	/* As TLS hands them out: a record at a time. */
	for (size_t at = 0; at < n; at += 16384) {
		size_t piece = n - at < 16384 ? n - at : 16384;

		if (l->protocol->feed(parser, side, 1, lt_bytes(p + at, piece)) < 0)
			abort();
	}
}

static void run(struct load *l, const struct lt_exchange_sink *sink)
{
	struct lt_conn conn = {.library = LT_LIBRARY_REPLAY};
	uint64_t begun = lt_clock_boot_ns(), passed = 0, bytes = 0;
	double speed;

	while (passed < RUN_MS * 1000000ULL) {
		struct lt_parser *parser = NULL;

		if (l->protocol->open(&conn, sink, &parser) < 0)
			abort();
		feed(l, parser, LT_SIDE_REQUEST, l->request, l->request_n);
		feed(l, parser, LT_SIDE_RESPONSE, l->response.p, l->response.n);
		bytes += l->response.n;
		l->protocol->close(parser, 2, LT_CLOSE_FREED);
		passed = lt_clock_boot_ns() - begun;
	}
	speed = (double)bytes * 1e3 / (double)passed;
	if (speed > l->best)
		l->best = speed;
}

/* The same request as frames: preface, SETTINGS, HEADERS with literal fields. */
static const char request_frames[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
				     "\0\0\x2c\1\5\0\0\0\1\x83\x87\4\x14/v1/chat/completions"
				     "\1\x0e"
				     "api.openai.com\x0f\x0d\1"
				     "0";

int main(void)
{
	lt_defer(lt_catalog_freep)
	struct lt_catalog *catalog = NULL;
	lt_defer(lt_decoder_freep)
	struct lt_decoder *decoder = NULL;
	struct lt_call_sink sink = {.call = on_call};
	struct lt_decoder_opts opts = {0};
	struct lt_exchange_sink exchanges;
	struct load loads[] = {
		{&lt_http1, request, sizeof(request) - 1},
		{&lt_http2, request_frames, sizeof(request_frames) - 1},
		{&lt_http1, request, sizeof(request) - 1},
	};
	struct lt_problem problem;

	if (lt_catalog_load(NULL, &catalog, &problem) < 0 ||
	    lt_decoder_new(&opts, catalog, &sink, &decoder) < 0)
		return 1;
	make_stream(&loads[0].response, false);
	make_stream(&loads[1].response, true);
	make_json(&loads[2].response);
	exchanges = lt_decoder_sink(decoder);
	/* In turns, and the best of each: what else the machine does hits all of them. */
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < LT_COUNT(loads); i++)
			run(&loads[i], &exchanges);
	}
	printf("decode_sse_mb_per_s %.0f\n", loads[0].best);
	printf("decode_http2_sse_mb_per_s %.0f\n", loads[1].best);
	printf("decode_http2_ratio %.2f\n", loads[1].best / loads[0].best);
	printf("decode_json_mb_per_s %.0f\n", loads[2].best);
	for (size_t i = 0; i < LT_COUNT(loads); i++)
		free(loads[i].response.p);
	return calls > 0 ? 0 : 1;
}
