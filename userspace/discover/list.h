/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of links with a head; what is in no list has links of NULL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct lt_list {
	struct lt_list *prev, *next;
};

/* The thing of type @type whose member @member the link is. */
#define LT_LIST_THING(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/* An empty list. */
static inline void lt_list_init(struct lt_list *head)
{
	head->prev = head->next = head;
}

static inline bool lt_list_is_empty(const struct lt_list *head)
{
	return head->next == head;
}

static inline void lt_list_insert_after(struct lt_list *at, struct lt_list *link)
{
	link->prev = at;
	link->next = at->next;
	at->next->prev = link;
	at->next = link;
}

/* At the front; @link must be in no list. */
static inline void lt_list_prepend(struct lt_list *head, struct lt_list *link)
{
	lt_list_insert_after(head, link);
}

/* At the end; @link must be in no list. */
static inline void lt_list_append(struct lt_list *head, struct lt_list *link)
{
	lt_list_insert_after(head->prev, link);
}

/* A link that is in no list is fine. */
static inline void lt_list_remove(struct lt_list *link)
{
	if (!link->next)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = NULL;
}
