/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions and their steps, in bounded memory. A step is a turn of an agent's loop: the model is
 * asked, asks for tools, and is asked again with what these gave. Thread: drain.
 *
 * The rule: a session's first call is step 1. A call that brings results of tools back begins the
 * next step, unless these results have been brought back before (a retry, or a request beside the
 * loop that has the same conversation in it). All other calls (titles, summaries, a user's next
 * question) are of the step at hand. A session that was forgotten, or that began before the agent,
 * begins at 1 again.
 */
#pragma once

#include "userspace/base/cleanup.h"
#include "userspace/decode/call.h"

struct lt_steps;

/* @max_sessions 0: 4096. -ENOMEM. */
LT_MUST_CHECK int lt_steps_new(size_t max_sessions, struct lt_steps **ret);
struct lt_steps *lt_steps_free(struct lt_steps *steps);
LT_DEFINE_FREEP(lt_steps_free, struct lt_steps)

/* The step of @call, which is one of session @key (not 0). */
uint32_t lt_steps_call(struct lt_steps *steps, uint64_t key, const struct lt_call *call);
/* The step at hand, 0: the session is not known. */
uint32_t lt_steps_now(struct lt_steps *steps, uint64_t key);

/* Calls may go on from the answer of an earlier one: remembers of which session an answer is, */
void lt_steps_remember(struct lt_steps *steps, const char *response_id, uint64_t key);
/* and says so, 0: not known (any more). */
uint64_t lt_steps_recall(const struct lt_steps *steps, const char *response_id);
