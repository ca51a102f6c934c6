/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table whose chains run through the things in it: it owns none of them, and grows with
 * their number. Thread: the owner's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

struct lt_hash_link {
	struct lt_hash_link *next;
	uint64_t hash;
};

struct lt_hash {
	struct lt_hash_link **bucket;
	size_t buckets; /* a power of two */
	size_t count;
};

/* -ENOMEM. Ended by lt_hash_done, which leaves what is in it to its owners. */
LT_MUST_CHECK int lt_hash_init(struct lt_hash *h);
void lt_hash_done(struct lt_hash *h);

void lt_hash_add(struct lt_hash *h, struct lt_hash_link *link, uint64_t hash);
/* @link must be in @h. */
void lt_hash_remove(struct lt_hash *h, struct lt_hash_link *link);

uint64_t lt_hash_of_bytes(struct lt_bytes b);
uint64_t lt_hash_of_number(uint64_t n);

/* The first of those that may have this hash; go on with lt_hash_next. NULL: none. */
struct lt_hash_link *lt_hash_first(const struct lt_hash *h, uint64_t hash);
/* The next with the same hash as @link. */
struct lt_hash_link *lt_hash_next(const struct lt_hash_link *link);

/* The thing of type @type whose member @member the link is. */
#define LT_HASH_THING(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))
