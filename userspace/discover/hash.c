// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/hash.h"

#include <errno.h>
#include <sys/random.h>

#include "userspace/base/alloc.h"

enum { FIRST_BUCKETS = 64 };

static uint64_t secret;

int lt_hash_init(struct lt_hash *h)
{
	if (!secret && getrandom(&secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
		secret = 0xcbf29ce484222325ull;
	*h = (struct lt_hash){.buckets = FIRST_BUCKETS};
	h->bucket = lt_calloc(h->buckets, sizeof(*h->bucket));
	return h->bucket ? 0 : -ENOMEM;
}

void lt_hash_done(struct lt_hash *h)
{
	lt_free(h->bucket);
	*h = (struct lt_hash){0};
}

static struct lt_hash_link **bucket_of(const struct lt_hash *h, uint64_t hash)
{
	return &h->bucket[hash & (h->buckets - 1)];
}

/* Without memory the chains get longer, that is all. */
static void grow(struct lt_hash *h)
{
	struct lt_hash larger = {.buckets = h->buckets * 2, .count = h->count};

	larger.bucket = lt_calloc(larger.buckets, sizeof(*larger.bucket));
	if (!larger.bucket)
		return;
	for (size_t i = 0; i < h->buckets; i++) {
		struct lt_hash_link *next;

		for (struct lt_hash_link *l = h->bucket[i]; l; l = next) {
			struct lt_hash_link **to = bucket_of(&larger, l->hash);

			next = l->next;
			l->next = *to;
			*to = l;
		}
	}
	lt_free(h->bucket);
	*h = larger;
}

void lt_hash_add(struct lt_hash *h, struct lt_hash_link *link, uint64_t hash)
{
	struct lt_hash_link **to;

	if (h->count >= h->buckets)
		grow(h);
	to = bucket_of(h, hash);
	link->hash = hash;
	link->next = *to;
	*to = link;
	h->count++;
}

void lt_hash_remove(struct lt_hash *h, struct lt_hash_link *link)
{
	struct lt_hash_link **slot = bucket_of(h, link->hash);

	while (*slot != link)
		slot = &(*slot)->next;
	*slot = link->next;
	h->count--;
}

uint64_t lt_hash_of_number(uint64_t n)
{
	n ^= n >> 32;
	n *= 0x9e3779b97f4a7c15ull;
	return n ^ n >> 29;
}

/* FNV-1a, from a secret on: users can choose names of cgroups, and could make one chain of all. */
uint64_t lt_hash_of_bytes(struct lt_bytes b)
{
	uint64_t hash = secret;

	for (size_t i = 0; i < b.n; i++)
		hash = (hash ^ b.p[i]) * 0x100000001b3ull;
	return lt_hash_of_number(hash);
}

static struct lt_hash_link *same_hash(struct lt_hash_link *link, uint64_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct lt_hash_link *lt_hash_first(const struct lt_hash *h, uint64_t hash)
{
	return same_hash(*bucket_of(h, hash), hash);
}

struct lt_hash_link *lt_hash_next(const struct lt_hash_link *link)
{
	return same_hash(link->next, link->hash);
}
