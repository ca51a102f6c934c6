/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that were used, with what is to be looked at: from the ledger's inventory and the keys
 * that the config knows. */
#pragma once

#include <stdio.h>

#include "userspace/control/credentials.h"
#include "userspace/ledger/credentials.h"

enum lt_key_finding {
	LT_FOUND_SHARED = 1,	/* by more than one tenant, or by more workloads than allowed */
	LT_FOUND_UNKNOWN = 2,	/* there is a list of known keys, and it is not in it */
	LT_FOUND_FOREIGN = 4,	/* by another tenant than its owner */
	LT_FOUND_NEW = 8,	/* first seen within a day */
	LT_FOUND_IDLE = 16,	/* not used for long, or never */
	LT_FOUND_PERSONAL = 32, /* a person's sign-in or subscription */
	LT_FOUND_ADMIN = 64,	/* a key that may manage an organisation, used for calls */
	LT_FOUND_ANY = 127,
};

/* The bits of "shared,foreign". -EINVAL: there is no such finding. */
LT_MUST_CHECK int lt_key_findings_parse(const char *names, unsigned *ret);

struct lt_key_list;

/* @config outlives the list. -ENOENT, -ENOMEM, or as the ledger says. */
LT_MUST_CHECK int lt_key_list_new(struct lt_ledger *l, const struct lt_credentials *config,
				  int64_t now_ns, struct lt_key_list **ret);
struct lt_key_list *lt_key_list_free(struct lt_key_list *list);
LT_DEFINE_FREEP(lt_key_list_free, struct lt_key_list)

/* Leaves only keys with one of @findings, and of their findings only these. Returns how many. */
size_t lt_key_list_only(struct lt_key_list *list, unsigned findings);
/* How many keys have findings. */
size_t lt_key_list_found(const struct lt_key_list *list);

LT_MUST_CHECK int lt_key_list_table(const struct lt_key_list *list, FILE *out);
void lt_key_list_json(const struct lt_key_list *list, FILE *out);
void lt_key_list_csv(const struct lt_key_list *list, FILE *out);
