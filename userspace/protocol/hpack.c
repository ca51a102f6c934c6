// SPDX-License-Identifier: Apache-2.0
#include "userspace/protocol/hpack.h"

#include <errno.h>

#include <malloc.h>
#include <nghttp2/nghttp2.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"

enum { TABLE_BYTES = 4096, TABLE_BYTES_MAX = 65536 };

struct lt_hpack {
	nghttp2_hd_inflater *inflater;
	uint32_t allowed;
	struct lt_http_field fields[LT_HEAD_FIELDS_MAX];
	size_t text_n;
	uint8_t text[LT_HEAD_BYTES_MAX];
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
	lt_wipe(h->text, h->text_n);
	h->text_n = 0;
}

/* A copy in the arena: what the inflater shows lives until its next field only. */
static bool keep(struct lt_hpack *h, const uint8_t *p, size_t n, struct lt_bytes *ret)
{
	if (n > sizeof(h->text) - h->text_n)
		return false;
	*ret = lt_bytes(h->text + h->text_n, n);
	if (n > 0)
		memcpy(h->text + h->text_n, p, n);
	h->text_n += n;
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

int lt_hpack_decode(struct lt_hpack *h, struct lt_bytes block, enum lt_side side,
		    struct lt_http_head *ret, size_t *ret_skipped)
{
	int r = -EBADMSG;

	lt_hpack_wipe(h);
	*ret = (struct lt_http_head){.side = side, .fields = h->fields};
	*ret_skipped = 0;
	if (!h->inflater)
		restart(h);
	if (h->inflater)
		r = inflate_block(h, block, ret, ret_skipped);
	if (r < 0)
		restart(h);
	if (ret->host.n == 0)
		set_authority(ret, lt_http_field(ret, "host"));
	return r;
}
