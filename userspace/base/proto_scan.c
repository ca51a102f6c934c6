// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/proto_scan.h"

#include <errno.h>
#include <inttypes.h>

#include "userspace/base/alloc.h"
#include "userspace/base/json_paths.h"
#include "userspace/base/json_text.h"

enum { VARINT = 0, FIXED64 = 1, LENGTH_DELIMITED = 2, FIXED32 = 5 }; /* wire types */
enum { FRAMES = LT_JSON_SEGMENTS_MAX + 1, VARINT_BYTES = 10 };
enum state { KEY, NUMBER, LENGTH, STRING, SKIP, FAILED };

struct frame {
	uint64_t end; /* in bytes of the whole message */
	struct lt_json_set set;
};

struct lt_proto_scan {
	const struct lt_json_paths *paths;
	struct lt_json_sink sink;
	enum state state;
	uint64_t at;	 /* bytes taken */
	uint64_t varint; /* the one at hand */
	unsigned varint_n;
	uint64_t left; /* of a string, or of what is skipped */
	unsigned depth;
	struct frame frames[FRAMES]; /* 0: the whole message */
	struct lt_json_set value;    /* of the field at hand */
	struct lt_json_text text;
};

int lt_proto_scan_new(const struct lt_json_paths *paths, const struct lt_json_sink *sink,
		      struct lt_proto_scan **ret)
{
	struct lt_proto_scan *s = lt_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->paths = paths;
	s->sink = *sink;
	lt_proto_scan_reset(s);
	*ret = s;
	return 0;
}

struct lt_proto_scan *lt_proto_scan_free(struct lt_proto_scan *scan)
{
	if (scan)
		explicit_bzero(&scan->text, sizeof(scan->text));
	lt_free(scan);
	return NULL;
}

void lt_proto_scan_reset(struct lt_proto_scan *s)
{
	s->state = KEY;
	s->at = s->varint = 0;
	s->varint_n = 0;
	s->depth = 0;
	s->frames[0].end = UINT64_MAX; /* whoever feeds knows */
	lt_json_set_clear(&s->frames[0].set);
	s->frames[0].set.node[s->frames[0].set.n++] = 0;
}

static void report(struct lt_proto_scan *s, const struct lt_json_set *set, struct lt_json_hit *hit)
{
	for (unsigned i = 0; set->wanted && i < set->n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[set->node[i]];

		for (unsigned h = 0; h < node->hit_count; h++) {
			hit->path = s->paths->hits[node->first_hit + h];
			s->sink.hit(s->sink.arg, hit);
		}
	}
}

static void flow(void *arg, struct lt_bytes piece)
{
	struct lt_proto_scan *s = arg;

	for (unsigned i = 0; s->sink.text && i < s->value.n; i++) {
		const struct lt_json_node *node = &s->paths->nodes[s->value.node[i]];

		for (unsigned h = 0; node->flows && h < node->hit_count; h++)
			s->sink.text(s->sink.arg, s->paths->hits[node->first_hit + h], piece);
	}
}

/* Messages that end where the field at hand did. */
static void close_messages(struct lt_proto_scan *s)
{
	s->state = KEY;
	while (s->depth > 0 && s->frames[s->depth].end == s->at) {
		struct lt_json_hit hit = {.type = LT_JSON_END, .at = s->at};

		report(s, &s->frames[s->depth].set, &hit);
		s->depth--;
	}
}

static bool has_members(const struct lt_proto_scan *s)
{
	for (unsigned i = 0; i < s->value.n; i++) {
		if (s->paths->nodes[s->value.node[i]].first_member)
			return true;
	}
	return false;
}

static void string_ends(struct lt_proto_scan *s)
{
	struct lt_json_hit hit = {.type = LT_JSON_STRING,
				  .text = lt_json_text_view(&s->text),
				  .cut = s->text.cut,
				  .characters = s->text.characters};

	report(s, &s->value, &hit);
	close_messages(s);
}

static void open_message(struct lt_proto_scan *s, uint64_t length)
{
	struct lt_json_hit hit = {.type = LT_JSON_OBJECT, .at = s->at};

	report(s, &s->value, &hit);
	s->depth++;
	s->frames[s->depth].end = s->at + length;
	lt_json_set_copy(&s->frames[s->depth].set, &s->value);
	close_messages(s); /* it may be empty */
}

static int length_ends(struct lt_proto_scan *s)
{
	uint64_t length = s->varint;

	if (length > s->frames[s->depth].end - s->at)
		return -EBADMSG;
	s->left = length;
	if (has_members(s) && s->depth + 1 < FRAMES) {
		open_message(s, length);
	} else if (s->value.wanted) {
		lt_json_text_begin(&s->text);
		if (s->value.flows) {
			s->text.flow = flow;
			s->text.flow_arg = s;
		}
		s->state = STRING;
		if (length == 0)
			string_ends(s);
	} else {
		s->state = SKIP;
		if (length == 0)
			close_messages(s);
	}
	return 0;
}

static void number_ends(struct lt_proto_scan *s)
{
	char text[24];
	struct lt_json_hit hit = {.type = LT_JSON_NUMBER};
	int n;

	if (s->value.wanted) {
		n = snprintf(text, sizeof(text), "%" PRIu64, s->varint);
		hit.text = lt_bytes(text, (size_t)n);
		report(s, &s->value, &hit);
	}
	close_messages(s);
}

static int key_ends(struct lt_proto_scan *s)
{
	uint64_t number = s->varint >> 3;
	char name[24];
	int n;

	if (number == 0 || number > 536870911) /* the largest there is */
		return -EBADMSG;
	n = snprintf(name, sizeof(name), "%" PRIu64, number);
	lt_json_set_member(s->paths, &s->frames[s->depth].set, lt_bytes(name, (size_t)n),
			   sizeof(name), &s->value);
	switch (s->varint & 7) {
	case VARINT:
		s->state = NUMBER;
		return 0;
	case LENGTH_DELIMITED:
		s->state = LENGTH;
		return 0;
	case FIXED64:
	case FIXED32:
		s->left = (s->varint & 7) == FIXED64 ? 8 : 4;
		s->state = SKIP;
		return s->left > s->frames[s->depth].end - s->at ? -EBADMSG : 0;
	}
	return -EBADMSG; /* groups are of the last century, the rest is nothing */
}

static int varint_ends(struct lt_proto_scan *s)
{
	int r = 0;

	if (s->state == KEY)
		r = key_ends(s);
	else if (s->state == LENGTH)
		r = length_ends(s);
	else
		number_ends(s);
	s->varint = 0;
	s->varint_n = 0;
	return r;
}

static int take_varint(struct lt_proto_scan *s, uint8_t byte)
{
	if (s->varint_n == VARINT_BYTES || s->at == s->frames[s->depth].end)
		return -EBADMSG;
	s->at++;
	s->varint |= (uint64_t)(byte & 0x7f) << 7 * s->varint_n;
	s->varint_n++;
	return byte & 0x80 ? 0 : varint_ends(s);
}

static size_t take_bytes(struct lt_proto_scan *s, struct lt_bytes in)
{
	size_t n = in.n < s->left ? in.n : (size_t)s->left;

	s->left -= n;
	s->at += n;
	if (s->state == STRING) {
		lt_json_text_put(&s->text, lt_bytes(in.p, n));
		if (s->left == 0)
			string_ends(s);
	} else if (s->left == 0) {
		close_messages(s);
	}
	return n;
}

int lt_proto_scan_feed(struct lt_proto_scan *s, struct lt_bytes in)
{
	while (in.n > 0 && s->state != FAILED) {
		size_t used = 1;

		if (s->state == STRING || s->state == SKIP)
			used = take_bytes(s, in);
		else if (take_varint(s, in.p[0]) < 0)
			s->state = FAILED;
		in = lt_bytes_skip(in, used);
	}
	return s->state == FAILED ? -EBADMSG : 0;
}

int lt_proto_scan_finish(struct lt_proto_scan *s)
{
	return s->state == KEY && s->varint_n == 0 && s->depth == 0 ? 0 : -EBADMSG;
}
