// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/users.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"

enum { SLOTS = 256, ENTRY_BYTES = 4096 };

#define KEEP_NS 60000000000ull

struct slot {
	bool known;
	uint32_t uid;
	uint64_t read_ns;
	char name[LT_USER_NAME];
};

struct lt_users {
	char path[256];
	struct slot slots[SLOTS];
};

int lt_users_new(const char *path, struct lt_users **ret)
{
	struct lt_users *u = lt_calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	lt_bytes_copy(u->path, sizeof(u->path), lt_bytes_str(path ? path : "/etc/passwd"));
	*ret = u;
	return 0;
}

struct lt_users *lt_users_free(struct lt_users *u)
{
	lt_free(u);
	return NULL;
}

static void read_name(const char *path, uint32_t uid, char to[LT_USER_NAME])
{
	lt_defer(lt_fclosep)
	FILE *file = fopen(path, "re");
	struct passwd entry, *found = NULL;
	char text[ENTRY_BYTES];

	to[0] = '\0';
	while (file && fgetpwent_r(file, &entry, text, sizeof(text), &found) == 0) {
		if (entry.pw_uid != uid)
			continue;
		lt_bytes_copy(to, LT_USER_NAME, lt_bytes_str(entry.pw_name));
		return;
	}
}

const char *lt_users_name(struct lt_users *u, uint32_t uid, uint64_t now_ns)
{
	struct slot *s = &u->slots[uid % SLOTS];

	if (s->known && s->uid == uid && now_ns - s->read_ns < KEEP_NS)
		return s->name;
	s->known = true;
	s->uid = uid;
	s->read_ns = now_ns;
	read_name(u->path, uid, s->name);
	return s->name;
}
