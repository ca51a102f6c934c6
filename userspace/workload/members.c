// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/members.h"

#include <errno.h>

#include "userspace/base/alloc.h"

enum { HEADS = 1024, FIRST = 16 };

struct lt_members {
	struct lt_member *at;
	size_t count, room;
	uint32_t heads[HEADS]; /* index plus one */
};

int lt_members_new(struct lt_members **ret)
{
	*ret = lt_calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct lt_members *lt_members_free(struct lt_members *m)
{
	if (!m)
		return NULL;
	lt_free(m->at);
	lt_free(m);
	return NULL;
}

static uint32_t *head_of(struct lt_members *m, const char *id)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 0x100000001b3ULL;
	return &m->heads[(hash ^ hash >> 32) % HEADS];
}

struct lt_member *lt_members_find(struct lt_members *m, const char *id)
{
	for (uint32_t at = *head_of(m, id); at; at = m->at[at - 1].next) {
		if (strcmp(m->at[at - 1].id, id) == 0)
			return &m->at[at - 1];
	}
	return NULL;
}

static bool grow(struct lt_members *m)
{
	size_t room = m->room ? m->room * 2 : FIRST;
	struct lt_member *grown;

	if (m->count < m->room)
		return true;
	if (m->count == LT_MEMBERS_MAX)
		return false;
	grown = lt_reallocarray(m->at, room, sizeof(*grown));
	if (!grown)
		return false;
	m->at = grown;
	m->room = room;
	return true;
}

struct lt_member *lt_members_add(struct lt_members *m, const char *id)
{
	struct lt_member *member = lt_members_find(m, id);
	uint32_t *head = head_of(m, id);

	if (member)
		return member;
	if (!grow(m))
		return NULL;
	member = &m->at[m->count++];
	*member = (struct lt_member){.next = *head};
	lt_bytes_copy(member->id, sizeof(member->id), lt_bytes_str(id));
	*head = (uint32_t)m->count;
	return member;
}

/* The place where the number of @member stands. */
static uint32_t *link_to(struct lt_members *m, const struct lt_member *member)
{
	uint32_t *at = head_of(m, member->id);

	while (&m->at[*at - 1] != member)
		at = &m->at[*at - 1].next;
	return at;
}

void lt_members_remove(struct lt_members *m, struct lt_member *member)
{
	struct lt_member *last = &m->at[m->count - 1];

	*link_to(m, member) = member->next;
	if (last != member) {
		*link_to(m, last) = (uint32_t)(member - m->at) + 1;
		*member = *last;
	}
	m->count--;
}

size_t lt_members_count(const struct lt_members *m)
{
	return m->count;
}

struct lt_member *lt_members_at(struct lt_members *m, size_t index)
{
	return &m->at[index];
}
