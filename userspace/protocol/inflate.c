// SPDX-License-Identifier: Apache-2.0
/*
 * Each coding decodes into one buffer of the instance and passes it on: a bomb costs time but no
 * memory. Two stacked codings are two stages in a row.
 */
#include "userspace/protocol/inflate.h"

#include <errno.h>

#include <brotli/decode.h>
#include <malloc.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_customMem */
#include <zstd.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"

enum {
	OUT_SIZE = 16384,
	STACK_MAX = 2,
	ZSTD_WINDOW_LOG_MAX = 23, /* 8 MiB, what RFC 8878 asks every decoder to take */
};

enum coding { GZIP, DEFLATE, BROTLI, ZSTD };

struct stage {
	enum coding coding;
	bool begun;    /* deflate: the first byte has told zlib from raw; zstd: inside a frame */
	bool ended;    /* gzip: a member ended; another one may follow */
	bool trailing; /* what follows the end is no member: skipped */
	z_stream z;
	BrotliDecoderState *brotli;
	ZSTD_DStream *zstd;
	uint8_t *out;
};

struct lt_inflate {
	struct lt_inflate_sink sink;
	struct stage stages[STACK_MAX];
	unsigned count; /* in the order of decoding */
	bool broken;
};

static void *z_alloc(void *opaque, unsigned items, unsigned size)
{
	(void)opaque;
	return lt_calloc(items, size);
}

static void *any_alloc(void *opaque, size_t size)
{
	(void)opaque;
	return lt_calloc(1, size);
}

static void free_any(void *opaque, void *p)
{
	(void)opaque;
	/* A decoder's window holds what it decoded: nothing of that stays in freed memory. */
	if (p)
		lt_wipe(p, malloc_usable_size(p));
	lt_free(p);
}

static int parse_coding(struct lt_bytes name, enum coding *ret)
{
	if (lt_bytes_is_nocase(name, "gzip") || lt_bytes_is_nocase(name, "x-gzip"))
		*ret = GZIP;
	else if (lt_bytes_is_nocase(name, "deflate"))
		*ret = DEFLATE;
	else if (lt_bytes_is_nocase(name, "br"))
		*ret = BROTLI;
	else if (lt_bytes_is_nocase(name, "zstd"))
		*ret = ZSTD;
	else
		return -EOPNOTSUPP;
	return 0;
}

static int open_stage(struct stage *s, enum coding coding)
{
	s->coding = coding;
	s->out = lt_calloc(1, OUT_SIZE);
	if (!s->out)
		return -ENOMEM;
	s->z.zalloc = z_alloc;
	s->z.zfree = free_any;
	if (coding == GZIP)
		return inflateInit2(&s->z, 15 + 16) == Z_OK ? 0 : -ENOMEM;
	if (coding == BROTLI) {
		s->brotli = BrotliDecoderCreateInstance(any_alloc, free_any, NULL);
		return s->brotli ? 0 : -ENOMEM;
	}
	if (coding == ZSTD) {
		s->zstd = ZSTD_createDStream_advanced((ZSTD_customMem){any_alloc, free_any, NULL});
		if (!s->zstd)
			return -ENOMEM;
		ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	}
	return 0; /* deflate begins with its first byte */
}

static void close_stage(struct stage *s)
{
	inflateEnd(&s->z); /* fine when it never began */
	if (s->brotli)
		BrotliDecoderDestroyInstance(s->brotli);
	if (s->zstd)
		ZSTD_freeDStream(s->zstd);
	free_any(NULL, s->out);
}

static struct lt_bytes trim(struct lt_bytes b)
{
	while (b.n > 0 && (b.p[0] == ' ' || b.p[0] == '\t'))
		b = lt_bytes_skip(b, 1);
	while (b.n > 0 && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
		b.n--;
	return b;
}

/* Splits "gzip, br" into codings; identity leaves no trace. */
static int parse_codings(struct lt_bytes text, enum coding ret[STACK_MAX], unsigned *ret_count)
{
	unsigned count = 0;

	while (text.n > 0) {
		const uint8_t *comma = memchr(text.p, ',', text.n);
		size_t n = comma ? (size_t)(comma - text.p) : text.n;
		struct lt_bytes name = trim(lt_bytes(text.p, n));

		text = lt_bytes_skip(text, n + 1);
		if (name.n == 0 || lt_bytes_is_nocase(name, "identity"))
			continue;
		if (count == STACK_MAX || parse_coding(name, &ret[count]) < 0)
			return -EOPNOTSUPP;
		count++;
	}
	*ret_count = count;
	return 0;
}

int lt_inflate_new(struct lt_bytes coding, const struct lt_inflate_sink *sink,
		   struct lt_inflate **ret)
{
	lt_defer(lt_inflate_freep)
	struct lt_inflate *z = NULL;
	enum coding codings[STACK_MAX];
	unsigned count;
	int r;

	r = parse_codings(coding, codings, &count);
	if (r < 0)
		return r;
	if (count == 0) {
		*ret = NULL;
		return 0;
	}
	z = lt_calloc(1, sizeof(*z));
	if (!z)
		return -ENOMEM;
	z->sink = *sink;
	for (unsigned i = 0; i < count; i++) {
		z->count++;
		/* The last coding named was applied last, so it is undone first (RFC 9110, 8.4). */
		r = open_stage(&z->stages[i], codings[count - 1 - i]);
		if (r < 0)
			return r;
	}
	*ret = lt_take(z);
	return 0;
}

int lt_inflate_new_raw(const struct lt_inflate_sink *sink, struct lt_inflate **ret)
{
	lt_defer(lt_inflate_freep)
	struct lt_inflate *z = lt_calloc(1, sizeof(*z));
	struct stage *s;
	int r;

	if (!z)
		return -ENOMEM;
	z->sink = *sink;
	z->count = 1;
	s = &z->stages[0];
	r = open_stage(s, DEFLATE);
	if (r < 0)
		return r;
	s->begun = inflateInit2(&s->z, -15) == Z_OK;
	if (!s->begun)
		return -ENOMEM;
	*ret = lt_take(z);
	return 0;
}

static int pass_on(struct lt_inflate *z, unsigned stage, struct lt_bytes data);

static int emit(struct lt_inflate *z, unsigned stage, size_t n)
{
	if (n == 0)
		return 0;
	return pass_on(z, stage + 1, lt_bytes(z->stages[stage].out, n));
}

/* RFC 9110 says zlib, some servers send raw deflate: the first byte of zlib has 8 in its low half.
 */
static int begin_deflate(struct stage *s, uint8_t first)
{
	s->begun = inflateInit2(&s->z, (first & 0x0f) == 8 ? 15 : -15) == Z_OK;
	return s->begun ? 0 : -ENOMEM;
}

static int feed_zlib(struct lt_inflate *z, unsigned stage, struct lt_bytes in)
{
	struct stage *s = &z->stages[stage];

	if (s->coding == DEFLATE && !s->begun && begin_deflate(s, in.p[0]) < 0)
		return -ENOMEM;
	s->z.next_in = (Bytef *)(uintptr_t)in.p;
	s->z.avail_in = (uInt)in.n;
	for (;;) {
		int code, r;

		if (s->ended) {
			/* Another gzip member, or padding that is none of our business. */
			if (s->z.avail_in == 0 || s->trailing)
				return 0;
			s->trailing = s->coding != GZIP || *s->z.next_in != 0x1f;
			if (s->trailing)
				return 0;
			inflateReset(&s->z);
			s->ended = false;
		}
		s->z.next_out = s->out;
		s->z.avail_out = OUT_SIZE;
		code = inflate(&s->z, Z_NO_FLUSH);
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
			return code == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
		r = emit(z, stage, OUT_SIZE - s->z.avail_out);
		if (r < 0)
			return r;
		s->ended = code == Z_STREAM_END;
		if (!s->ended && s->z.avail_out > 0)
			return 0;
	}
}

static int feed_brotli(struct lt_inflate *z, unsigned stage, struct lt_bytes in)
{
	struct stage *s = &z->stages[stage];
	const uint8_t *next_in = in.p;
	size_t left = in.n;

	for (;;) {
		uint8_t *next_out = s->out;
		size_t room = OUT_SIZE;
		BrotliDecoderResult code;
		int r;

		if (BrotliDecoderIsFinished(s->brotli))
			return 0;
		code = BrotliDecoderDecompressStream(s->brotli, &left, &next_in, &room, &next_out,
						     NULL);
		if (code == BROTLI_DECODER_RESULT_ERROR)
			return -EBADMSG;
		r = emit(z, stage, OUT_SIZE - room);
		if (r < 0)
			return r;
		if (code != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
			return 0;
	}
}

/* RFC 8878: frames and skippable frames. libzstd may also take forms from before the RFC, which no
 * HTTP peer has a right to send. */
static bool begins_frame(uint8_t first)
{
	return first == 0x28 || first >> 4 == 5;
}

static int feed_zstd(struct lt_inflate *z, unsigned stage, struct lt_bytes in)
{
	struct stage *s = &z->stages[stage];
	ZSTD_inBuffer input = {.src = in.p, .size = in.n};
	ZSTD_outBuffer output;

	do {
		size_t code;
		int r;

		if (!s->begun && input.pos < input.size) {
			if (!begins_frame(in.p[input.pos]))
				return -EBADMSG;
			s->begun = true;
		}
		output = (ZSTD_outBuffer){.dst = s->out, .size = OUT_SIZE};
		code = ZSTD_decompressStream(s->zstd, &output, &input);
		if (ZSTD_isError(code))
			return -EBADMSG;
		if (code == 0)
			s->begun = false;
		r = emit(z, stage, output.pos);
		if (r < 0)
			return r;
	} while (input.pos < input.size || output.pos == output.size);
	return 0;
}

static int pass_on(struct lt_inflate *z, unsigned stage, struct lt_bytes data)
{
	if (stage == z->count) {
		z->sink.bytes(z->sink.arg, data);
		return 0;
	}
	if (z->stages[stage].coding == BROTLI)
		return feed_brotli(z, stage, data);
	if (z->stages[stage].coding == ZSTD)
		return feed_zstd(z, stage, data);
	return feed_zlib(z, stage, data);
}

int lt_inflate_feed(struct lt_inflate *z, struct lt_bytes in)
{
	int r;

	if (z->broken)
		return -EBADMSG;
	if (in.n == 0)
		return 0;
	r = pass_on(z, 0, in);
	z->broken = r < 0;
	return r;
}

int lt_inflate_message_ends(struct lt_inflate *z, bool reset)
{
	static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff}; /* which the sender cut off */
	struct stage *s = &z->stages[0];
	int r = lt_inflate_feed(z, lt_bytes(tail, sizeof(tail)));

	/* A sender may end the whole stream with a message, though hardly any does. */
	if (r == 0 && (reset || s->ended))
		inflateReset(&s->z);
	s->ended = s->trailing = false;
	return r;
}

struct lt_inflate *lt_inflate_free(struct lt_inflate *z)
{
	if (!z)
		return NULL;
	for (unsigned i = 0; i < z->count; i++)
		close_stage(&z->stages[i]);
	lt_free(z);
	return NULL;
}
