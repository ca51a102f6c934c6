// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/otel_context.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/base/proto_scan.h"

enum {
	TEXT_MAX = LT_JSON_TEXT_MAX + 1,
	LINE_MAX_BYTES = 512, /* of maps: longer lines are of files with long paths */
	MAPS_STEP = 16 << 10,
	VERSION = 2,
};

/* The mapping's first bytes, as the process's own memory has them. */
struct header {
	char signature[8];
	uint32_t version;
	uint32_t payload_size;
	uint64_t published_at_ns; /* 0: it is being changed */
	uint64_t payload;	  /* address */
};

/* One of the two messages that a payload may be. */
struct message {
	struct lt_json_paths *paths;
	struct lt_proto_scan *scan;
};

struct lt_otel_reader {
	struct message context, resource;
	const struct lt_otel_sink *sink;
	char key[TEXT_MAX], value[TEXT_MAX];
	size_t count;
};

/* By path number, of both messages: an attribute, its key, its text. */
enum { PATH_ATTRIBUTE, PATH_KEY, PATH_VALUE, PATH_COUNT };

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static void attribute_ends(struct lt_otel_reader *r)
{
	if (!r->key[0] || !r->value[0] || !is_printable(r->key))
		return;
	r->count++;
	r->sink->attribute(r->sink->arg, r->key, r->value);
}

static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	struct lt_otel_reader *r = arg;

	if (hit->path == PATH_ATTRIBUTE && hit->type == LT_JSON_END)
		attribute_ends(r);
	if (hit->path == PATH_ATTRIBUTE)
		r->key[0] = r->value[0] = '\0';
	if (hit->type != LT_JSON_STRING)
		return;
	if (hit->path == PATH_KEY)
		lt_bytes_copy(r->key, hit->cut ? 1 : sizeof(r->key), hit->text);
	else if (hit->path == PATH_VALUE)
		lt_bytes_copy(r->value, sizeof(r->value), hit->text);
}

static int make(struct lt_otel_reader *r, struct message *m, const char *const *paths)
{
	const struct lt_json_sink sink = {.arg = r, .hit = on_hit};
	size_t bad;
	int e = lt_json_paths_new(paths, PATH_COUNT, &m->paths, &bad);

	return e < 0 ? e : lt_proto_scan_new(m->paths, &sink, &m->scan);
}

int lt_otel_reader_new(struct lt_otel_reader **ret)
{
	/* Field numbers: ProcessContext.resource, Resource.attributes, KeyValue.key and value,
	 * AnyValue.string_value. */
	static const char *const context[] = {"1.1", "1.1.1", "1.1.2.1"};
	static const char *const resource[] = {"1", "1.1", "1.2.1"};
	lt_defer(lt_otel_reader_freep)
	struct lt_otel_reader *r = lt_calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	e = make(r, &r->context, context);
	if (e == 0)
		e = make(r, &r->resource, resource);
	if (e < 0)
		return e;
	*ret = lt_take(r);
	return 0;
}

struct lt_otel_reader *lt_otel_reader_free(struct lt_otel_reader *r)
{
	if (!r)
		return NULL;
	lt_proto_scan_free(r->context.scan);
	lt_proto_scan_free(r->resource.scan);
	lt_json_paths_free(r->context.paths);
	lt_json_paths_free(r->resource.paths);
	lt_free(r);
	return NULL;
}

static int decode_as(struct lt_otel_reader *r, const struct message *m, struct lt_bytes payload)
{
	int e;

	r->count = 0;
	r->key[0] = r->value[0] = '\0';
	lt_proto_scan_reset(m->scan);
	e = lt_proto_scan_feed(m->scan, payload);
	if (e == 0)
		e = lt_proto_scan_finish(m->scan);
	return e == 0 && r->count == 0 ? -EBADMSG : e;
}

static void ignore(void *arg, const char *key, const char *value)
{
	(void)arg;
	(void)key;
	(void)value;
}

int lt_otel_context_decode(struct lt_otel_reader *r, struct lt_bytes payload,
			   const struct lt_otel_sink *sink)
{
	static const struct lt_otel_sink nobody = {.attribute = ignore};
	const struct message *m = &r->context;
	int e;

	/* Whole first, then told: of what breaks off in the middle nothing is taken. */
	r->sink = &nobody;
	e = decode_as(r, m, payload);
	if (e < 0) {
		m = &r->resource;
		e = decode_as(r, m, payload);
	}
	if (e < 0)
		return e;
	r->sink = sink;
	return decode_as(r, m, payload);
}

/* ---- the mapping ---- */

static bool is_ours(struct lt_bytes line)
{
	static const char *const names[] = {"[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]",
					    "/memfd:OTEL_CTX"};
	const uint8_t *name = NULL;

	/* Address, rights, offset, device, inode: the name is what comes behind the fifth blank. */
	for (size_t i = 0, words = 0; i + 1 < line.n && !name; i++) {
		if (line.p[i] == ' ' && line.p[i + 1] != ' ' && ++words == 5)
			name = line.p + i + 1;
	}
	for (size_t i = 0; name && i < LT_COUNT(names); i++) {
		if (lt_bytes_starts(lt_bytes(name, line.n - (size_t)(name - line.p)), names[i]))
			return true;
	}
	return false;
}

static int start_of(struct lt_bytes line, uint64_t *ret)
{
	const uint8_t *dash = memchr(line.p, '-', line.n);

	return dash ? lt_parse_hex_u64(lt_bytes(line.p, (size_t)(dash - line.p)), ret) : -EBADMSG;
}

struct line {
	char text[LINE_MAX_BYTES];
	size_t n;
};

/* The next step of maps. Returns 1 when a line of ours has ended. */
static int take_maps(struct line *line, const char *step, size_t n, uint64_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		struct lt_bytes whole = lt_bytes(line->text, line->n);

		if (step[i] != '\n') {
			if (line->n < sizeof(line->text))
				line->text[line->n++] = step[i];
			continue;
		}
		line->n = 0;
		if (is_ours(whole) && start_of(whole, ret) == 0)
			return 1;
	}
	return 0;
}

static int find_mapping(int pid_fd, uint64_t *ret)
{
	lt_defer(lt_closep)
	int fd = openat(pid_fd, "maps", O_RDONLY | O_CLOEXEC);
	struct line line = {.n = 0};
	char step[MAPS_STEP];

	if (fd < 0)
		return -errno;
	for (size_t total = 0; total < LT_OTEL_MAPS_MAX;) {
		ssize_t got = read(fd, step, sizeof(step));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENOENT;
		if (take_maps(&line, step, (size_t)got, ret))
			return 0;
		total += (size_t)got;
	}
	return -ENOENT;
}

static int read_memory(int mem, uint64_t address, void *to, size_t n)
{
	ssize_t got;

	if (address == 0 || address > INT64_MAX - n)
		return -EBADMSG;
	got = pread(mem, to, n, (off_t)address);
	if (got < 0)
		return errno == EIO ? -EBADMSG : -errno;
	return (size_t)got == n ? 0 : -EBADMSG;
}

static int check_header(const struct header *h)
{
	if (memcmp(h->signature, "OTEL_CTX", sizeof(h->signature)) != 0 || h->version != VERSION)
		return -EBADMSG;
	if (h->published_at_ns == 0)
		return -EAGAIN;
	return h->payload_size == 0 || h->payload_size > LT_OTEL_PAYLOAD_MAX ? -EBADMSG : 0;
}

/* The payload between two looks at the header that say the same. */
static int read_payload(int mem, uint64_t at, uint8_t **ret, size_t *ret_n)
{
	lt_defer(lt_freep)
	uint8_t *payload = NULL;
	struct header before, after;
	int r = read_memory(mem, at, &before, sizeof(before));

	if (r == 0)
		r = check_header(&before);
	if (r < 0)
		return r;
	payload = lt_calloc(1, before.payload_size);
	if (!payload)
		return -ENOMEM;
	r = read_memory(mem, before.payload, payload, before.payload_size);
	if (r == 0)
		r = read_memory(mem, at, &after, sizeof(after));
	if (r < 0)
		return r;
	if (memcmp(&before, &after, sizeof(before)) != 0)
		return -EAGAIN;
	*ret_n = before.payload_size;
	*ret = payload;
	payload = NULL;
	return 0;
}

int lt_otel_context_read(struct lt_otel_reader *r, int pid_fd, const struct lt_otel_sink *sink)
{
	enum { TRIES = 3 };
	lt_defer(lt_closep)
	int mem = -1;
	lt_defer(lt_freep)
	uint8_t *payload = NULL;
	uint64_t at = 0;
	size_t n = 0;
	int e = find_mapping(pid_fd, &at);

	if (e < 0)
		return e;
	mem = openat(pid_fd, "mem", O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		return -errno;
	e = -EAGAIN;
	for (int i = 0; i < TRIES && e == -EAGAIN; i++)
		e = read_payload(mem, at, &payload, &n);
	return e < 0 ? e : lt_otel_context_decode(r, lt_bytes(payload, n), sink);
}

/* ---- the environment ---- */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without the blanks around it, "%2C" as the comma that it stands for. False: too long, or broken.
 */
static bool decode_text(struct lt_bytes text, char to[TEXT_MAX])
{
	size_t n = 0;

	while (text.n > 0 && text.p[0] == ' ')
		text = lt_bytes_skip(text, 1);
	while (text.n > 0 && text.p[text.n - 1] == ' ')
		text.n--;
	for (size_t i = 0; i < text.n; i++) {
		int high = 0, low = 0;

		if (n == TEXT_MAX - 1)
			return false;
		if (text.p[i] != '%') {
			to[n++] = (char)text.p[i];
			continue;
		}
		high = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
		low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
		if (high < 0 || low < 0 || (high | low) == 0)
			return false;
		to[n++] = (char)(high << 4 | low);
		i += 2;
	}
	to[n] = '\0';
	return n > 0 && !memchr(to, '\0', n);
}

void lt_otel_resource_list(struct lt_bytes text, const struct lt_otel_sink *sink)
{
	char key[TEXT_MAX], value[TEXT_MAX];

	while (text.n > 0) {
		const uint8_t *comma = memchr(text.p, ',', text.n);
		struct lt_bytes pair = lt_bytes(text.p, comma ? (size_t)(comma - text.p) : text.n);
		const uint8_t *equals = memchr(pair.p, '=', pair.n);

		text = lt_bytes_skip(text, pair.n + 1);
		if (!equals)
			continue;
		if (decode_text(lt_bytes(pair.p, (size_t)(equals - pair.p)), key) &&
		    is_printable(key) &&
		    decode_text(lt_bytes_skip(pair, (size_t)(equals - pair.p) + 1), value))
			sink->attribute(sink->arg, key, value);
	}
}
