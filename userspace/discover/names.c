// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/names.h"

#include "userspace/base/alloc.h"

struct name {
	struct lt_hash_link link;
	uint32_t users;
	char text[];
};

int lt_names_init(struct lt_names *names)
{
	return lt_hash_init(&names->all);
}

void lt_names_done(struct lt_names *names)
{
	lt_hash_done(&names->all);
}

/* A text that was handed out is the end of its name. */
static struct name *name_of(const char *text)
{
	return (struct name *)(uintptr_t)(text - offsetof(struct name, text));
}

const char *lt_name_take(struct lt_names *names, struct lt_bytes text)
{
	uint64_t hash = lt_hash_of_bytes(text);
	struct name *name;

	for (struct lt_hash_link *l = lt_hash_first(&names->all, hash); l; l = lt_hash_next(l)) {
		name = LT_HASH_THING(l, struct name, link);
		if (lt_bytes_is(text, name->text))
			return lt_name_share(name->text);
	}
	name = lt_calloc(1, sizeof(*name) + text.n + 1);
	if (!name)
		return NULL;
	name->users = 1;
	lt_bytes_copy(name->text, text.n + 1, text);
	lt_hash_add(&names->all, &name->link, hash);
	return name->text;
}

const char *lt_name_share(const char *text)
{
	if (text)
		name_of(text)->users++;
	return text;
}

void lt_name_put(struct lt_names *names, const char *text)
{
	struct name *name = text ? name_of(text) : NULL;

	if (!name || --name->users > 0)
		return;
	lt_hash_remove(&names->all, &name->link);
	lt_free(name);
}
