/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says, once for each program, that it calls an AI provider through TLS which is not read, and
 * through which stack. That is asked of the scout while the process lives, and said when the first
 * flow record comes.
 */
#pragma once

#include "userspace/discover/scout.h"
#include "userspace/ledger/record.h"

struct lt_unread;

LT_MUST_CHECK int lt_unread_new(struct lt_unread **ret);
/* Says what waits for an answer. The scout must have been stopped. */
struct lt_unread *lt_unread_free(struct lt_unread *u);
LT_DEFINE_FREEP(lt_unread_free, struct lt_unread)

/* Whom to ask; until then, and with NULL again, nobody knows. */
void lt_unread_ask(struct lt_unread *u, struct lt_scout *scout);
/* A process has a connection that is perhaps not read. Thread: drain. */
void lt_unread_suspect(struct lt_unread *u, const struct lt_process *process);
/* A flow record was made. Thread: drain. */
void lt_unread_record(struct lt_unread *u, const struct lt_record *record);
/* The scout's answer (its opts.stack); @arg: the struct lt_unread. */
void lt_unread_answer(void *arg, unsigned question, const char *stack);
