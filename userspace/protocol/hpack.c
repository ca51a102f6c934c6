// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/hpack.h"

#include <errno.h>

#include <malloc.h>
#include <nghttp2/nghttp2.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"

enum { TABLE_BYTES = 4096, TABLE_BYTES_MAX = 65536, CHUNK_BYTES = 4096 };

/* Memory of the head at hand; there is none between heads. */
struct chunk {
	struct chunk *next;
	size_t n, size;
	uint8_t bytes[];
};

struct lt_hpack {
	nghttp2_hd_inflater *inflater;
	uint32_t allowed;
	struct lt_http_field *fields; /* LT_HEAD_FIELDS_MAX of them */
	struct chunk *chunks;	      /* newest first */
	size_t text_n;		      /* in all of them */
};

/* The table holds keys and queries for as long as the connection lives; nothing of it stays in
 * freed memory. */
static void free_wiped(void *p, void *arg)
{
	(void)arg;
	if (p)
		lt_wipe(p, malloc_usable_size(p));
	lt_free(p);
}

static void *allocate(size_t size, void *arg)
{
	(void)arg;
	return lt_calloc(1, size);
}

static void *allocate_zeroed(size_t count, size_t size, void *arg)
{
	(void)arg;
	return lt_calloc(count, size);
}

static void *reallocate(void *p, size_t size, void *arg)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *moved = allocate(size, arg);

	if (!moved)
		return NULL;
	if (p)
		memcpy(moved, p, old < size ? old : size);
	free_wiped(p, arg);
	return moved;
}

static int new_inflater(nghttp2_hd_inflater **ret)
{
	static nghttp2_mem memory = {NULL, allocate, free_wiped, allocate_zeroed, reallocate};

	return nghttp2_hd_inflate_new2(ret, &memory); /* which keeps the pointer */
}

int lt_hpack_new(struct lt_hpack **ret)
{
	struct lt_hpack *h = lt_calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->allowed = TABLE_BYTES;
	if (new_inflater(&h->inflater) != 0) {
		lt_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

struct lt_hpack *lt_hpack_free(struct lt_hpack *h)
{
	if (!h)
		return NULL;
	nghttp2_hd_inflate_del(h->inflater);
	lt_hpack_wipe(h);
	lt_free(h);
	return NULL;
}

void lt_hpack_allow(struct lt_hpack *h, uint32_t table_bytes)
{
	if (table_bytes > TABLE_BYTES_MAX)
		table_bytes = TABLE_BYTES_MAX;
	if (table_bytes <= h->allowed || !h->inflater)
		return;
	h->allowed = table_bytes;
	nghttp2_hd_inflate_change_table_size(h->inflater, table_bytes);
}

void lt_hpack_wipe(struct lt_hpack *h)
{
	while (h->chunks) {
		struct chunk *next = h->chunks->next;

		lt_wipe(h->chunks->bytes, h->chunks->n);
		lt_free(h->chunks);
		h->chunks = next;
	}
	lt_free(h->fields);
	h->fields = NULL;
	h->text_n = 0;
}

/* Room for @n bytes that stay where they are until the head is wiped. NULL: no memory, or more than
 * a head may have. */
static uint8_t *room(struct lt_hpack *h, size_t n)
{
	struct chunk *c = h->chunks;
	size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;

	if (n > LT_HEAD_BYTES_MAX - h->text_n)
		return NULL;
	if (!c || n > c->size - c->n) {
		c = lt_calloc(1, sizeof(*c) + size);
		if (!c)
			return NULL;
		c->size = size;
		c->next = h->chunks;
		h->chunks = c;
	}
	c->n += n;
	h->text_n += n;
	return c->bytes + c->n - n;
}

/* A copy in the arena: what the inflater shows lives until its next field only. */
static bool keep(struct lt_hpack *h, const uint8_t *p, size_t n, struct lt_bytes *ret)
{
	uint8_t *to = room(h, n);

	if (!to)
		return false;
	*ret = lt_bytes(to, n);
	if (n > 0)
		memcpy(to, p, n);
	return true;
}

static void set_authority(struct lt_http_head *head, struct lt_bytes value)
{
	const uint8_t *colon = value.n ? memrchr(value.p, ':', value.n) : NULL;
	uint64_t port = 0;

	if (colon && value.p[value.n - 1] != ']' &&
	    lt_parse_u64(lt_bytes_skip(value, (size_t)(colon - value.p) + 1), &port) == 0 &&
	    port < 65536) {
		head->port = (uint16_t)port;
		value.n = (size_t)(colon - value.p);
	}
	head->host = value;
}

static void put_field(struct lt_hpack *h, const nghttp2_nv *nv, struct lt_http_head *head,
		      size_t *skipped)
{
	struct lt_bytes name, value;
	uint64_t status;

	if (!keep(h, nv->name, nv->namelen, &name) || !keep(h, nv->value, nv->valuelen, &value)) {
		++*skipped;
		return;
	}
	if (lt_bytes_is(name, ":method"))
		head->method = value;
	else if (lt_bytes_is(name, ":path"))
		head->target = value;
	else if (lt_bytes_is(name, ":authority"))
		set_authority(head, value);
	else if (lt_bytes_is(name, ":status") && lt_parse_u64(value, &status) == 0)
		head->status = status < 1000 ? (unsigned)status : 0;
	else if (name.n > 0 && name.p[0] != ':' && head->field_count < LT_HEAD_FIELDS_MAX)
		h->fields[head->field_count++] = (struct lt_http_field){name, value};
	else
		*skipped += name.n > 0 && name.p[0] != ':';
}

/* A broken table cannot be mended: an empty one at least reads what does not refer to it. */
static void restart(struct lt_hpack *h)
{
	nghttp2_hd_inflate_del(h->inflater);
	h->inflater = NULL;
	if (new_inflater(&h->inflater) != 0)
		h->inflater = NULL;
	h->allowed = TABLE_BYTES;
}

static int inflate_block(struct lt_hpack *h, struct lt_bytes block, struct lt_http_head *head,
			 size_t *skipped)
{
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, block.p, block.n,
						      1);

		if (used < 0)
			return used == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EBADMSG;
		block = lt_bytes_skip(block, (size_t)used);
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			put_field(h, &nv, head, skipped);
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			return nghttp2_hd_inflate_end_headers(h->inflater) == 0 ? 0 : -EBADMSG;
		if (used == 0 && !(flags & NGHTTP2_HD_INFLATE_EMIT))
			return -EBADMSG;
	}
}

/* An integer of RFC 7541, 5.1, with @bits in its first byte. False: it does not end here. */
static bool integer(struct lt_bytes *in, unsigned bits, uint32_t *ret)
{
	uint32_t most = (1U << bits) - 1;

	if (in->n == 0)
		return false;
	*ret = in->p[0] & most;
	*in = lt_bytes_skip(*in, 1);
	for (unsigned shift = 0; *ret >= most && shift < 28; shift += 7) {
		uint8_t c;

		if (in->n == 0)
			return false;
		c = in->p[0];
		*in = lt_bytes_skip(*in, 1);
		*ret += (uint32_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return true;
		if (*ret < most)
			return false;
	}
	return *ret < most;
}

static bool skip_string(struct lt_bytes *in)
{
	uint32_t n;

	if (!integer(in, 7, &n) || n > in->n)
		return false;
	*in = lt_bytes_skip(*in, n);
	return true;
}

/* One field's representation (RFC 7541, 6). */
struct representation {
	struct lt_bytes all, value; /* value: with its length; literals only */
	uint32_t index;
	bool literal, indexing;
};

static bool next_representation(struct lt_bytes *in, struct representation *ret)
{
	struct lt_bytes from = *in;
	uint8_t c = in->n > 0 ? in->p[0] : 0;

	*ret = (struct representation){.literal = c < 0x20 || (c & 0xc0) == 0x40,
				       .indexing = (c & 0xc0) == 0x40};
	if (!integer(in, c & 0x80 ? 7 : c & 0x40 ? 6 : c & 0x20 ? 5 : 4, &ret->index))
		return false;
	if ((c & 0xe0) == 0x20)
		ret->index = 0; /* the table's size, no field */
	if (ret->literal) {
		if (ret->index == 0 && !skip_string(in))
			return false;
		ret->value = *in;
		if (!skip_string(in))
			return false;
		ret->value.n -= in->n;
	}
	ret->all = lt_bytes(from.p, from.n - in->n);
	return true;
}

/* Feeds one representation; the inflater has to stay in step with the sender's table, so an entry
 * whose name is not known goes in under another. */
static int inflate_one(struct lt_hpack *h, struct lt_bytes bytes, bool show,
		       struct lt_http_head *head, size_t *skipped)
{
	while (bytes.n > 0) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, bytes.p, bytes.n,
						      0);

		if (used < 0)
			return used == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EBADMSG;
		bytes = lt_bytes_skip(bytes, (size_t)used);
		if (flags & NGHTTP2_HD_INFLATE_EMIT && show)
			put_field(h, &nv, head, skipped);
		if (used == 0 && !(flags & NGHTTP2_HD_INFLATE_EMIT))
			return -EBADMSG;
	}
	return 0;
}

static int inflate_part(struct lt_hpack *h, struct lt_bytes block, struct lt_http_head *head,
			size_t *skipped)
{
	static const uint8_t unknown_name[] = {0x40, 1, '?'};
	bool whole = true;

	while (block.n > 0) {
		struct representation one;
		int r = 0;

		if (!next_representation(&block, &one))
			return -EBADMSG;
		if (one.index <= nghttp2_hd_inflate_get_num_table_entries(h->inflater)) {
			r = inflate_one(h, one.all, true, head, skipped);
		} else {
			whole = false;
			if (one.indexing)
				r = inflate_one(h, lt_bytes(unknown_name, sizeof(unknown_name)),
						false, head, skipped);
			if (one.indexing && r == 0)
				r = inflate_one(h, one.value, false, head, skipped);
		}
		if (r < 0)
			return r;
	}
	if (nghttp2_hd_inflate_end_headers(h->inflater) != 0)
		return -EBADMSG;
	return whole ? 0 : -EBADMSG;
}

static int begin(struct lt_hpack *h, enum lt_side side, struct lt_http_head *ret,
		 size_t *ret_skipped)
{
	lt_hpack_wipe(h);
	*ret = (struct lt_http_head){.side = side};
	*ret_skipped = 0;
	if (!h->inflater)
		restart(h);
	h->fields = lt_calloc(LT_HEAD_FIELDS_MAX, sizeof(*h->fields));
	ret->fields = h->fields;
	return h->inflater && h->fields ? 0 : -ENOMEM;
}

static void set_host(struct lt_http_head *ret)
{
	if (ret->host.n == 0)
		set_authority(ret, lt_http_field(ret, "host"));
}

int lt_hpack_decode(struct lt_hpack *h, struct lt_bytes block, enum lt_side side,
		    struct lt_http_head *ret, size_t *ret_skipped)
{
	int r = begin(h, side, ret, ret_skipped);

	if (r == 0)
		r = inflate_block(h, block, ret, ret_skipped);
	if (r < 0)
		restart(h);
	set_host(ret);
	return r;
}

int lt_hpack_decode_part(struct lt_hpack *h, struct lt_bytes block, enum lt_side side,
			 struct lt_http_head *ret, size_t *ret_skipped)
{
	int r = begin(h, side, ret, ret_skipped);

	if (r == 0)
		r = inflate_part(h, block, ret, ret_skipped);
	set_host(ret);
	return r;
}
