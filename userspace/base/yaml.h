/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-file YAML for config and catalog (the only libyaml user): a tree of nodes that know their
 * place. */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/problem.h"

/* One document. Anchors and aliases are refused; duplicate keys are refused; at most 4 MiB, 64
 * levels and 4096 keys in one map. */
struct lt_yaml;

enum lt_yaml_kind { LT_YAML_SCALAR, LT_YAML_LIST, LT_YAML_MAP };

struct lt_yaml_node {
	enum lt_yaml_kind kind;
	unsigned line, column; /* 1-based */
	const char *text;      /* SCALAR: its text ("" for a plain null), else NULL */
	bool quoted;	       /* SCALAR: written in quotes, so "" is a string and not null */
	const char *key;       /* in a MAP: the member's name, else NULL */
	unsigned key_line, key_column; /* of the key, 0 without one */
	struct lt_yaml_node *child;    /* LIST, MAP: first member, NULL when empty */
	struct lt_yaml_node *next;     /* next member of the same LIST or MAP */
};

/* @name is what problems call the file. -EINVAL with @problem filled, -ENOMEM. */
LT_MUST_CHECK int lt_yaml_parse(struct lt_bytes text, const char *name, struct lt_yaml **ret,
				struct lt_problem *problem);
/* Reads and parses @path. -ENOENT, -EACCES ... with @problem filled. */
LT_MUST_CHECK int lt_yaml_load(const char *path, struct lt_yaml **ret, struct lt_problem *problem);
struct lt_yaml *lt_yaml_free(struct lt_yaml *yaml);
LT_DEFINE_FREEP(lt_yaml_free, struct lt_yaml)

/* NULL for an empty document. Nodes live as long as the document. */
const struct lt_yaml_node *lt_yaml_root(const struct lt_yaml *yaml);
const char *lt_yaml_name(const struct lt_yaml *yaml);
/* Member of a MAP, NULL when absent (or @map is NULL or no MAP). */
const struct lt_yaml_node *lt_yaml_get(const struct lt_yaml_node *map, const char *key);
/* Absent, or there with nothing in it ("prices:" with all of it commented out): as good as absent.
 */
bool lt_yaml_is_nothing(const struct lt_yaml_node *node);
/* As lt_yaml_get; NULL also when there is nothing in it. */
const struct lt_yaml_node *lt_yaml_member(const struct lt_yaml_node *map, const char *key);
/* "KEY takes EXPECTED" at the node's place; returns -EINVAL. */
int lt_yaml_wrong(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
		  struct lt_problem *problem, const char *expected);
/* A text of 1 to @max bytes without control characters; borrowed from the document. @node NULL: 0,
 * and *ret stays. */
LT_MUST_CHECK int lt_yaml_text(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
			       size_t max, const char *expected, const char **ret,
			       struct lt_problem *problem);
/* The same for an absolute path: a service has no working directory to be relative to. */
LT_MUST_CHECK int lt_yaml_path(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
			       const char **ret, struct lt_problem *problem);
/* lt_problem_set at the node's place; returns -EINVAL. */
int lt_yaml_problem(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
		    struct lt_problem *problem, const char *format, ...) LT_PRINTF(4, 5);
/* The same at the place of the node's key (at its own when it has none). */
int lt_yaml_key_problem(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
			struct lt_problem *problem, const char *format, ...) LT_PRINTF(4, 5);
/* Refuses members of @map that are not in the NULL-terminated list @known, naming the nearest known
 * one. */
LT_MUST_CHECK int lt_yaml_check_keys(const struct lt_yaml *yaml, const struct lt_yaml_node *map,
				     const char *const *known, struct lt_problem *problem);

/* Whether two values say the same, wherever they stand; members of maps in any order. NULL is the
 * same as NULL alone. */
bool lt_yaml_same(const struct lt_yaml_node *a, const struct lt_yaml_node *b);

#define lt_yaml_for_each(item, list)                                                               \
	for (const struct lt_yaml_node *item = (list) ? (list)->child : NULL; item;                \
	     item = item->next)
