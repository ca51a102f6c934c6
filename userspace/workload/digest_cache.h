/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of images that were asked for already, by what the runtime calls the image. Zeroed is
 * empty; the oldest is forgotten. */
#pragma once

#include "userspace/workload/container_draft.h"

enum { LT_DIGESTS = 64 };

struct lt_digest_cache {
	struct {
		char image_id[LT_DRAFT_TEXT];
		char digest[LT_DRAFT_DIGEST]; /* "": it has none */
	} at[LT_DIGESTS];
	size_t next;
};

/* Sets the draft's digest, true, when its image is known. */
bool lt_digests_find(const struct lt_digest_cache *c, struct lt_container_draft *d);
/* Keeps the draft's digest for its image. */
void lt_digests_keep(struct lt_digest_cache *c, const struct lt_container_draft *d);
