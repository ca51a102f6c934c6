// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/digest_cache.h"

bool lt_digests_find(const struct lt_digest_cache *c, struct lt_container_draft *d)
{
	for (size_t i = 0; i < LT_DIGESTS; i++) {
		if (!c->at[i].image_id[0] || strcmp(c->at[i].image_id, d->image_id) != 0)
			continue;
		memcpy(d->digest, c->at[i].digest, sizeof(d->digest));
		return true;
	}
	return false;
}

void lt_digests_keep(struct lt_digest_cache *c, const struct lt_container_draft *d)
{
	size_t at = c->next++ % LT_DIGESTS;

	memcpy(c->at[at].image_id, d->image_id, sizeof(d->image_id));
	memcpy(c->at[at].digest, d->digest, sizeof(d->digest));
}
